// SPDX-License-Identifier: Apache-2.0
//
// From a checkpoint's config and tensors to the model level: one module with `@step` and `@sample`, unfused.
#ifndef YUPANA_FRONTENDS_LLAMA4_IMPORT_H
#define YUPANA_FRONTENDS_LLAMA4_IMPORT_H

#include "frontends/Llama4/Checkpoint.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace yupana::llama4 {

/// What weights, activations, residual and caches are stored in; sums and router and output logits are float32 in both.
enum class Precision { F32, BF16 };

struct ImportOptions {
  /// The name the plan will carry, usually the checkpoint folder's.
  std::string name;
  /// "Llama4ForConditionalGeneration" or "Llama4ForCausalLM".
  std::string architecture;
  Precision precision = Precision::F32;
};

/// Builds the model. `context` must have the dialects arith, func, lm and moe loaded. Every weight is a symbol
/// that names its checkpoint tensors; no tensor data is read. ExitCode::Unsupported for what the ops cannot say.
Result<mlir::OwningOpRef<mlir::ModuleOp>> importModel(mlir::MLIRContext &context, const ModelConfig &config,
                                                      const TextTensors &tensors, const ImportOptions &options);

} // namespace yupana::llama4

#endif // YUPANA_FRONTENDS_LLAMA4_IMPORT_H
