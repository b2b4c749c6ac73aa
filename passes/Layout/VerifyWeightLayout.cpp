// SPDX-License-Identifier: Apache-2.0

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
  auto weight = symbols.lookup<lm::WeightOp>(view.getWeight());
  StringRef expected = weight ? weight.getLayout() : "row-major";
  if (view.getView().getType().getLayout() == expected)
    return success();
  InFlightDiagnostic diag = view.emitOpError()
                            << "reads " << view.getWeightAttr() << " as " << view.getView().getType().getLayout()
                            << ", it is packed as " << expected;
  if (weight)
    diag.attachNote(weight.getLoc()) << "packed here";
  return diag;
}

struct VerifyWeightLayoutPass : yupana::impl::VerifyWeightLayoutPassBase<VerifyWeightLayoutPass> {
  void runOnOperation() override {
    for (auto weight : getOperation().getOps<lm::WeightOp>()) {
      if (!weight.getLayout().empty())
        continue;
      weight.emitOpError() << "has no layout, expected its chain to end in #lm.pack";
      return signalPassFailure();
    }
    SymbolTable symbols(getOperation());
    WalkResult result = getOperation().walk([&](Operation *op) -> WalkResult {
      if (auto view = dyn_cast<kernel::WeightOp>(op))
        return checkView(view, symbols);
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
