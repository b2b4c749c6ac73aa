// SPDX-License-Identifier: Apache-2.0
//
// Code generation for CUDA GPUs: the kernels of a `kernel.library` become kernels over `nvvm` and `llvm`.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_CODEGENGPU_H
#define YUPANA_COMPILER_CODEGEN_GPU_CODEGENGPU_H

#include "compiler/Codegen/BackEnd.h"

namespace mlir {
class OpPassManager;
}

namespace yupana::codegen::cuda {

/// The passes of `yupana-gpu-lower`, nested on nothing: for an op that holds what `yupana-kernel-to-nvvm` leaves.
void buildGpuLowerPipeline(mlir::OpPassManager &passes);

/// Registers `yupana-kernel-to-nvvm` (every `kernel.func` of a `kernel.library` becomes an `llvm.func` that is a
/// kernel) and the pipeline `yupana-gpu-lower`, which takes such functions to the `llvm` and `nvvm` dialects alone.
void registerCodegenGPUPasses();

/// Inserts the dialects and translations that generating, lowering and translating a kernel needs.
void registerCodegenGPUDialects(mlir::DialectRegistry &registry);

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_CODEGENGPU_H
