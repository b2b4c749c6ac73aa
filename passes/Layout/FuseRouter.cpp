// SPDX-License-Identifier: Apache-2.0
//
// Matches a product that stores its accumulators alone, for one kernel.route to read. The route computes the logits
// itself, in its own order of additions and from an input that is not rounded, so the pass runs once per target, before
// programs part. The router's weight then belongs to no product and stays row-major, which is why it has to run before
// weights are packed. A route has few experts and reads each row once: the logits cost less than the launch that
// computed them.

#include "passes/Layout/PairedGemm.h"
#include "passes/Layout/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#define DEBUG_TYPE "yupana-fuse-router"

namespace yupana {
#define GEN_PASS_DEF_FUSEROUTERPASS
#include "passes/Layout/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;
using namespace yupana::fusion;

namespace {

struct FuseRouterPass : yupana::impl::FuseRouterPassBase<FuseRouterPass> {
  void runOnOperation() override {
    WeightUses weights(getOperation());
    for (auto program : getOperation().getOps<kernel::ProgramOp>()) {
      for (auto route : llvm::make_early_inc_range(program.getBody().getOps<kernel::RouteOp>()))
        if (kernel::GemmOp router = routerOf(route, weights))
          fuse(route, router);
    }
  }

private:
  /// The gemm that does nothing but compute the logits, and whose weight nothing else needs packed.
  static kernel::GemmOp routerOf(kernel::RouteOp route, WeightUses &weights) {
    Value logits = route.getLogits();
    auto buffer = logits ? logits.getDefiningOp<kernel::BufferOp>() : kernel::BufferOp();
    if (!buffer || isShared(buffer))
      return {};
    kernel::StoreOp store;
    for (Operation *user : logits.getUsers()) {
      if (user == route)
        continue;
      if (store || !isa<kernel::StoreOp>(user))
        return {};
      store = cast<kernel::StoreOp>(user);
    }
    auto gemm = store ? dyn_cast<kernel::GemmOp>(store->getParentOp()) : kernel::GemmOp();
    bool storesSums = gemm && !gemm.getPairs() && !gemm.getExperts() && gemm.getProductCount() == 1 &&
                      store.getValue() == gemm.getAccumulator(0) && store.getIndices()[0] == gemm.getRow() &&
                      store.getIndices()[1] == gemm.getFeature() && gemm.getAccesses().writes.size() == 1;
    return storesSums && gemm.getRows() == route.getRows() && weights.isOnlyUse(gemm) ? gemm : kernel::GemmOp();
  }

  static void fuse(kernel::RouteOp route, kernel::GemmOp router) {
    OpBuilder builder(route);
    auto fused =
        kernel::RouteOp::create(builder, route.getLoc(), route.getRows(), /*logits=*/Value(),
                                router.getWeights().front(), route.getExperts(), route.getScores(),
                                /*workspaces=*/ValueRange(), route.getTopK(), route.getScore(), route.getNormalize(),
                                route.getNumericsAttr(), kernel::GridAttr(), kernel::ConfigAttrInterface());
    fused.getInput().takeBody(router.getInputs().front());
    // Nothing that a choice is made by is rounded: a rounding to the weight's type is undone, another type widened.
    auto yield = cast<kernel::YieldOp>(fused.getInput().front().getTerminator());
    builder.setInsertionPoint(yield);
    Value value = yield.getValue();
    if (auto round = value.getDefiningOp<arith::TruncFOp>())
      value = round.getIn();
    else if (value.getType().isBF16())
      value = arith::ExtFOp::create(builder, yield.getLoc(), builder.getF32Type(), value);
    yield.getValueMutable().assign(value);
    route.erase();
    router.erase();
    cleanUp(fused);
  }
};

} // namespace
