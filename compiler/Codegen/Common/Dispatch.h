// SPDX-License-Identifier: Apache-2.0
//
// From a library to the template of each of its ops: what picking a template, and checking what every template relies
// on, have in common for all targets.
#ifndef YUPANA_COMPILER_CODEGEN_COMMON_DISPATCH_H
#define YUPANA_COMPILER_CODEGEN_COMMON_DISPATCH_H

#include "compiler/Target/Target.h"
#include "dialects/Kernel/IR/Kernel.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/TypeSwitch.h"

namespace yupana::codegen {

/// Calls `emit` with the launched op `op` as what it is; an error at an op of which `device`, "GPU" or "CPU", has no
/// kernel.
template <typename Emit> mlir::LogicalResult dispatchLaunched(mlir::Operation *op, const char *device, Emit &&emit) {
  return llvm::TypeSwitch<mlir::Operation *, mlir::LogicalResult>(op)
      .Case<kernel::MapOp, kernel::GemmOp, kernel::AttentionOp, kernel::RouteOp, kernel::GroupOp, kernel::SampleOp,
            kernel::ParallelOp>(emit)
      .Default([&](mlir::Operation *op) {
        return op->emitError() << "'" << op->getName() << "' has no " << device << " kernel";
      });
}

/// Reports an error at `op` if it states another order of sums than `own`, that of `device`'s kernels ("x86", "GPUs").
/// One that states none has theirs.
mlir::LogicalResult checkNumerics(kernel::LaunchedOpInterface op, kernel::NumericsAttr own, const char *device);

/// Reports an error at a member of a kernel.parallel that has no grid, or one that asks for what no kernel is told.
mlir::LogicalResult checkMemberGrid(kernel::LaunchedOpInterface member);

/// Runs `emitKernel` for every kernel of every library in `module`. Reports an error at a library whose target `isOwn`
/// does not hold for; `expected` says what it should be.
mlir::LogicalResult
emitLibraries(mlir::ModuleOp module, bool (*isOwn)(const Target &), const char *expected,
              llvm::function_ref<mlir::LogicalResult(kernel::FuncOp func, const Target &target)> emitKernel);

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_COMMON_DISPATCH_H
