// SPDX-License-Identifier: Apache-2.0
//
// The templates: one function for each launched op, which writes the body of its kernel. An error has been reported at
// the op when they fail.
#ifndef YUPANA_COMPILER_CODEGEN_CPU_KERNELS_H
#define YUPANA_COMPILER_CODEGEN_CPU_KERNELS_H

#include "compiler/Codegen/CPU/Emitter.h"

namespace yupana::codegen {

mlir::LogicalResult emitTemplate(KernelEmitter &e, kernel::MapOp op);
mlir::LogicalResult emitTemplate(KernelEmitter &e, kernel::GemmOp op);
mlir::LogicalResult emitTemplate(KernelEmitter &e, kernel::AttentionOp op);
mlir::LogicalResult emitTemplate(KernelEmitter &e, kernel::RouteOp op);
mlir::LogicalResult emitTemplate(KernelEmitter &e, kernel::GroupOp op);
mlir::LogicalResult emitTemplate(KernelEmitter &e, kernel::ParallelOp op);
mlir::LogicalResult emitTemplate(KernelEmitter &e, kernel::SampleOp op);

/// Runs the template of the op.
mlir::LogicalResult emitLaunched(KernelEmitter &e, kernel::LaunchedOpInterface op);

/// Replaces `func` by an `llvm.func` of the same name. The error has been reported when it fails.
mlir::LogicalResult emitKernel(kernel::FuncOp func, const Target &target);

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_CPU_KERNELS_H
