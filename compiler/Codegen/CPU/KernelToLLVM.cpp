// SPDX-License-Identifier: Apache-2.0
//
// Picks the template of a launched op. Templates see one op and the target's facts, and nothing of the program around
// it.

#include "compiler/Codegen/CPU/Kernels.h"
#include "compiler/Codegen/CPU/Numerics.h"
#include "compiler/Codegen/CPU/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/TypeSwitch.h"

#include <algorithm>

#define DEBUG_TYPE "yupana-kernel-to-llvm"

namespace yupana::codegen {
#define GEN_PASS_DEF_KERNELTOLLVMPASS
#include "compiler/Codegen/CPU/Passes.h.inc"
} // namespace yupana::codegen

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

LogicalResult codegen::emitLaunched(KernelEmitter &e, Operation *op) {
  if (auto launched = dyn_cast<kernel::LaunchedOpInterface>(op); launched && failed(checkNumerics(launched)))
    return failure();
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](kernel::MapOp op) { return emitMap(e, op); })
      .Case([&](kernel::GemmOp op) { return emitGemm(e, op); })
      .Case([&](kernel::AttentionOp op) { return emitAttention(e, op); })
      .Case([&](kernel::RouteOp op) { return emitRoute(e, op); })
      .Case([&](kernel::GroupOp op) { return emitGroup(e, op); })
      .Case([&](kernel::SampleOp op) { return emitSample(e, op); })
      .Case([&](kernel::ParallelOp op) { return emitParallel(e, op); })
      .Default([](Operation *op) { return op->emitError() << "'" << op->getName() << "' has no CPU kernel"; });
}

/// Each member does the part of [first, last) that falls among its own cells. A worker runs them one after the other,
/// so they share its scratch memory.
LogicalResult codegen::emitParallel(KernelEmitter &e, kernel::ParallelOp op) {
  Value first = e.first, last = e.last, begin = e.integer(0);
  LogicalResult result = success();
  int64_t scratchBegin = e.scratchBytes, scratchEnd = scratchBegin;
  for (auto member : op.getBody().getOps<kernel::LaunchedOpInterface>()) {
    if (!member.getGridAttr())
      return member->emitError() << "has no grid, which its place among others needs";
    if (llvm::any_of(member.getGridAttr().getTerms(), [](auto &term) { return term.op == kernel::GridOp::SMs; }))
      return member->emitError() << "has grid " << member.getGridAttr()
                                 << ", but a kernel on a CPU is told no more than T, S and R";
    Value cells = e.size(member.getGridAttr());
    e.first = e.min(e.max(e.sub(first, begin), e.integer(0)), cells);
    e.last = e.min(e.max(e.sub(last, begin), e.integer(0)), cells);
    e.scratchBytes = scratchBegin;
    e.when(e.less(e.first, e.last), [&] { result = emitLaunched(e, member); });
    if (failed(result))
      return failure();
    scratchEnd = std::max(scratchEnd, e.scratchBytes);
    begin = e.add(begin, cells);
  }
  e.scratchBytes = scratchEnd;
  return success();
}

LogicalResult codegen::emitKernel(kernel::FuncOp func, const Target &target) {
  KernelEmitter e(func, target);
  LogicalResult result = emitLaunched(e, &func.getBody().front().front());
  e.finish();
  if (succeeded(result))
    func.erase();
  return result;
}

namespace {

struct KernelToLLVMPass : yupana::codegen::impl::KernelToLLVMPassBase<KernelToLLVMPass> {
  void runOnOperation() override {
    for (kernel::LibraryOp library : getOperation().getOps<kernel::LibraryOp>()) {
      const Target *target = findTarget(library.getTarget().str());
      if (!target || !target->isCpu()) {
        library.emitError() << "is for " << library.getTargetAttr() << ", expected a CPU target";
        return signalPassFailure();
      }
      for (kernel::FuncOp func : llvm::make_early_inc_range(library.getOps<kernel::FuncOp>()))
        if (failed(emitKernel(func, *target)))
          return signalPassFailure();
    }
  }
};

} // namespace
