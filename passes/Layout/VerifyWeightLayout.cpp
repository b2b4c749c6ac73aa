// SPDX-License-Identifier: Apache-2.0
//
// Closes the layout phase: what programs share has its form when they part. Every weight is packed, views read it in
// that form, pairs alternate as the weight's rows do, ops that add up state the order, and caches have a place in
// pages. After this phase programs are cloned and changed apart, and a form that was still open could come out
// differently in each. Each check names the pass that should have run, since a pipeline written by hand is what fails
// it.

#include "dialects/Kernel/IR/Kernel.h"
#include "passes/Layout/Passes.h"

#define DEBUG_TYPE "yupana-verify-weight-layout"

namespace yupana {
#define GEN_PASS_DEF_VERIFYWEIGHTLAYOUTPASS
#include "passes/Layout/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;

namespace {

LogicalResult checkView(kernel::WeightOp view, SymbolTable &symbols) {
  Operation *weight = symbols.lookup(view.getWeight());
  StringRef expected = lm::getParameterLayout(weight);
  if (view.getView().getType().getLayout() == expected)
    return success();
  InFlightDiagnostic diag = view.emitOpError()
                            << "reads " << view.getWeightAttr() << " as " << view.getView().getType().getLayout()
                            << ", it is packed as " << expected;
  diag.attachNote(weight->getLoc()) << "packed here";
  return diag;
}

/// The pairs of a product are those of the weight it names.
LogicalResult checkPairs(kernel::GemmOp gemm, SymbolTable &symbols) {
  for (Value weight : gemm.getWeights()) {
    auto view = weight.getDefiningOp<kernel::WeightOp>();
    auto interleaved = view ? symbols.lookup<lm::InterleavedOp>(view.getWeight()) : lm::InterleavedOp();
    if (!interleaved || !gemm.getRun() || *gemm.getRun() == interleaved.getBy())
      continue;
    InFlightDiagnostic diag = gemm.emitOpError() << "has pairs by " << *gemm.getRun() << ", the rows of "
                                                 << view.getWeightAttr() << " alternate by " << interleaved.getBy();
    diag.attachNote(interleaved.getLoc()) << view.getWeightAttr() << " is declared here";
    return diag;
  }
  return success();
}

struct VerifyWeightLayoutPass : yupana::impl::VerifyWeightLayoutPassBase<VerifyWeightLayoutPass> {
  void runOnOperation() override {
    llvm::DenseSet<StringAttr> parts;
    for (auto interleaved : getOperation().getOps<lm::InterleavedOp>())
      parts.insert_range(ArrayRef{interleaved.getFirstAttr().getAttr(), interleaved.getSecondAttr().getAttr()});
    for (Operation &op : *getOperation().getBody()) {
      if (!isa<lm::WeightOp, lm::InterleavedOp>(op) || parts.contains(SymbolTable::getSymbolName(&op)) ||
          !lm::getParameterLayout(&op).empty())
        continue;
      op.emitOpError() << "has no layout, expected pack-weights to have run";
      return signalPassFailure();
    }
    SymbolTable symbols(getOperation());
    WalkResult result = getOperation().walk([&](Operation *op) -> WalkResult {
      if (auto view = dyn_cast<kernel::WeightOp>(op))
        return checkView(view, symbols);
      if (auto launched = dyn_cast<kernel::LaunchedOpInterface>(op);
          launched && launched.addsUp() && !launched.getNumericsAttr())
        return op->emitOpError() << "has no numerics, expected state-numerics to have run";
      if (auto gemm = dyn_cast<kernel::GemmOp>(op))
        return checkPairs(gemm, symbols);
      if (auto cache = dyn_cast<kernel::CacheOp>(op); cache && !cache.getGroup())
        return cache.emitOpError() << "has no group, expected group-caches to have run";
      if (auto table = dyn_cast<kernel::PageTableOp>(op); table && !table.getGroup())
        return table.emitOpError() << "has no group, expected group-caches to have run";
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
