// SPDX-License-Identifier: Apache-2.0
//
// The templates: one function for each launched op, which writes the body of its kernel for the cell of a block. An
// error has been reported at the op when they fail. `threads` of the emitter are those of the op's config.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_KERNELS_H
#define YUPANA_COMPILER_CODEGEN_GPU_KERNELS_H

#include "compiler/Codegen/GPU/Emitter.h"

namespace yupana::codegen::cuda {

mlir::LogicalResult emitTemplate(KernelEmitter &e, kernel::MapOp op);
mlir::LogicalResult emitTemplate(KernelEmitter &e, kernel::GemmOp op);
mlir::LogicalResult emitTemplate(KernelEmitter &e, kernel::AttentionOp op);
mlir::LogicalResult emitTemplate(KernelEmitter &e, kernel::RouteOp op);
mlir::LogicalResult emitTemplate(KernelEmitter &e, kernel::GroupOp op);
mlir::LogicalResult emitTemplate(KernelEmitter &e, kernel::SampleOp op);
mlir::LogicalResult emitTemplate(KernelEmitter &e, kernel::ParallelOp op);

/// Runs the template of the op.
mlir::LogicalResult emitLaunched(KernelEmitter &e, kernel::LaunchedOpInterface op);

/// Replaces `func` by an `llvm.func` of the same name, a kernel. The error has been reported when it fails.
mlir::LogicalResult emitKernel(kernel::FuncOp func, const Target &target);

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_KERNELS_H
