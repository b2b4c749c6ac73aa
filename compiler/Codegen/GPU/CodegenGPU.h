// SPDX-License-Identifier: Apache-2.0
//
// Code generation for CUDA GPUs: the kernels of a `kernel.library` become kernels over `nvvm` and `llvm`.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_CODEGENGPU_H
#define YUPANA_COMPILER_CODEGEN_GPU_CODEGENGPU_H

#include "compiler/Codegen/BackEnd.h"

namespace mlir {
class OpPassManager;
}

namespace yupana::codegen {

/// Compiles every kernel of `library` for `target`, a GPU; launched ops have a `#kernel.gpu` config for it. Each kernel
/// has an image of its own in each of the formats that `options` ask for, a cubin if they ask for none.
///
/// A kernel is a PTX entry of the symbol's name. Its parameters are a 64-bit address for each block argument of the
/// kernel.func, then T, S and R of the step as u32. Its grid has one dimension, a block does one cell; sharedBytes of
/// the LibraryKernel are the dynamic shared memory of a block.
///
/// Of every kernel <symbol>.mlir, <symbol>.ll and a <symbol>.ptx or <symbol>.cubin are dumped. Errors as of
/// BackEnd::compileLibrary; ExitCode::Internal, too, where ptxas spills registers or warns of lost performance.
Result<CompiledLibrary> compileGpuLibrary(kernel::LibraryOp library, const Target &target,
                                          const CodegenOptions &options);

} // namespace yupana::codegen

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
