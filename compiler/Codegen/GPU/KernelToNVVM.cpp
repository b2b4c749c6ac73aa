// SPDX-License-Identifier: Apache-2.0
//
// Picks the template of a launched op. Templates see one op and the target's facts, and nothing of the program around
// it. The members of a kernel.parallel share a grid: a block finds the member that its number falls to, and all members
// have the same shared memory, since a block runs one of them.
#include "compiler/Codegen/GPU/Kernels.h"
#include "compiler/Codegen/GPU/Numerics.h"
#include "compiler/Codegen/GPU/Passes.h"

#include "llvm/ADT/TypeSwitch.h"

#define DEBUG_TYPE "yupana-kernel-to-nvvm"

namespace yupana::codegen::cuda {
#define GEN_PASS_DEF_KERNELTONVVMPASS
#include "compiler/Codegen/GPU/Passes.h.inc"
} // namespace yupana::codegen::cuda

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

LogicalResult cuda::emitLaunched(KernelEmitter &e, Operation *op) {
  if (auto launched = dyn_cast<kernel::LaunchedOpInterface>(op); launched && failed(checkNumerics(launched)))
    return failure();
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](kernel::MapOp op) { return emitMap(e, op); })
      .Case([&](kernel::GemmOp op) { return emitGemm(e, op); })
      .Case([&](kernel::ParallelOp op) { return emitParallel(e, op); })
      .Default([](Operation *op) { return op->emitError() << "'" << op->getName() << "' has no GPU kernel"; });
}

static LogicalResult emitMembers(KernelEmitter &e, ArrayRef<kernel::LaunchedOpInterface> members) {
  kernel::LaunchedOpInterface member = members.front();
  if (members.size() == 1)
    return emitLaunched(e, member);
  if (!member.getGridAttr())
    return member->emitError() << "has no grid, which its place among others needs";
  if (llvm::any_of(member.getGridAttr().getTerms(), [](auto &term) { return term.op == kernel::GridOp::SMs; }))
    return member->emitError() << "has grid " << member.getGridAttr()
                               << ", but a kernel is told no more than T, S and R";
  Value cell = e.cell, cells = e.size(member.getGridAttr());
  LogicalResult first = success(), others = success();
  int64_t sharedBegin = e.sharedBytes;
  e.when(
      e.less(cell, cells), [&] { first = emitLaunched(e, member); },
      [&] {
        e.sharedBytes = sharedBegin;
        e.cell = e.sub(cell, cells);
        others = emitMembers(e, members.drop_front());
      });
  return success(succeeded(first) && succeeded(others));
}

LogicalResult cuda::emitParallel(KernelEmitter &e, kernel::ParallelOp op) {
  SmallVector<kernel::LaunchedOpInterface> members(op.getBody().getOps<kernel::LaunchedOpInterface>());
  return emitMembers(e, members);
}

/// Threads of a block: those of the member that needs the most. 0, with an error at an op, where one has no config.
static int64_t threadsOf(Operation *launched) {
  int64_t threads = 0;
  WalkResult result = launched->walk([&](kernel::LaunchedOpInterface op) -> WalkResult {
    if (isa<kernel::ParallelOp>(op.getOperation()))
      return WalkResult::advance();
    auto config = dyn_cast_or_null<kernel::GPUAttr>(op.getConfigAttr());
    if (!config)
      return op->emitError() << "has no #kernel.gpu config, which code for a GPU needs";
    threads = std::max(threads, config.getThreads());
    return WalkResult::advance();
  });
  return result.wasInterrupted() ? 0 : threads;
}

LogicalResult cuda::emitKernel(kernel::FuncOp func, const Target &target) {
  Operation *launched = &func.getBody().front().front();
  int64_t threads = threadsOf(launched);
  if (threads == 0)
    return failure();
  KernelEmitter e(func, target, threads);
  LogicalResult result = emitLaunched(e, launched);
  e.finish();
  if (succeeded(result))
    func.erase();
  return result;
}

namespace {

struct KernelToNVVMPass : yupana::codegen::cuda::impl::KernelToNVVMPassBase<KernelToNVVMPass> {
  void runOnOperation() override {
    for (kernel::LibraryOp library : getOperation().getOps<kernel::LibraryOp>()) {
      const Target *target = findTarget(library.getTarget().str());
      if (!target || target->isCpu()) {
        library.emitError() << "is for " << library.getTargetAttr() << ", expected a GPU target";
        return signalPassFailure();
      }
      for (kernel::FuncOp func : llvm::make_early_inc_range(library.getOps<kernel::FuncOp>()))
        if (failed(emitKernel(func, *target)))
          return signalPassFailure();
    }
  }
};

} // namespace
