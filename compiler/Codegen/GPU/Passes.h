// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_COMPILER_CODEGEN_GPU_PASSES_H
#define YUPANA_COMPILER_CODEGEN_GPU_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace yupana::codegen::cuda {

#define GEN_PASS_DECL
#include "compiler/Codegen/GPU/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "compiler/Codegen/GPU/Passes.h.inc"

} // namespace yupana::codegen::cuda

#endif
