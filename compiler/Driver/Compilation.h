// SPDX-License-Identifier: Apache-2.0
//
// One compilation from the model level to the plan level: phases, code generation, IR dumps.
#ifndef YUPANA_COMPILER_DRIVER_COMPILATION_H
#define YUPANA_COMPILER_DRIVER_COMPILATION_H

#include "compiler/Driver/Driver.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace yupana {

/// Loads every dialect that a compilation meets.
void loadDialects(mlir::MLIRContext &context);

/// ExitCode::Interrupted if the observer says so.
Result<void> checkCancelled(const Observer &observer);

/// The compiled maxima, all settled.
struct Maxima {
  uint64_t context;
  uint64_t batch;
  uint64_t stepTokens;
  uint64_t logitRows;
};

/// Takes a model-level module to the plan level for every target and joins the results: `plan` ops and the weights they
/// name, every target with its code. `options.targets` are names of targets, resolved, none twice. With
/// `options.candidate`, `kernels` gets what was compiled.
Result<mlir::OwningOpRef<mlir::ModuleOp>> compileModule(mlir::OwningOpRef<mlir::ModuleOp> model, const Maxima &maxima,
                                                        const CompileOptions &options,
                                                        std::vector<CandidateKernel> &kernels);

/// Runs the verifier of the plan level on a module that no phase made. ExitCode::InvalidInput.
Result<void> verifyPlanModule(mlir::ModuleOp module, const std::string &file);

} // namespace yupana

#endif // YUPANA_COMPILER_DRIVER_COMPILATION_H
