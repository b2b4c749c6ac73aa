// SPDX-License-Identifier: Apache-2.0
//
// Matches a product whose result one map alone reads as pairs of neighbours, features 2p and 2p + 1, as a rotary
// embedding does. Even and odd rows of the weight become the halves of an interleaved one, so that both accumulators of
// a pair are in registers together. Rows of a weight are only reordered, so no bit changes; the weight must have no
// other user. It runs before weights are packed, which would fix the order of the rows. Without pairs the accumulator
// of a neighbour would be in another lane or thread.

#include "dialects/Kernel/Transforms/Bodies.h"
#include "dialects/Kernel/Transforms/TargetPass.h"
#include "passes/Layout/PairedGemm.h"
#include "passes/Layout/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#define DEBUG_TYPE "yupana-pair-rotation"

namespace yupana {
#define GEN_PASS_DEF_PAIRROTATIONPASS
#include "passes/Layout/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;
using namespace yupana::fusion;

namespace {

struct PairRotationPass : kernel::TargetPass<yupana::impl::PairRotationPassBase<PairRotationPass>> {
  using TargetPass::TargetPass;

  void runOnModule(const kernel::TargetModel &model) override {
    run = model.getPairRun();
    WeightUses weights(getOperation());
    for (auto program : getOperation().getOps<kernel::ProgramOp>()) {
      for (auto map : llvm::make_early_inc_range(program.getBody().getOps<kernel::MapOp>()))
        for (Value view : loadedViews(map.getBody()))
          if (fuse(map, view, weights))
            break;
    }
  }

private:
  /// A map that reads one product in pairs of neighbours.
  bool fuse(kernel::MapOp map, Value view, WeightUses &weights) {
    std::optional<PlainGemm> plain = plainGemmOf(view, map);
    int64_t pairs = map.getGroups() * map.getWidth();
    if (!plain || plain->gemm.getProductCount() != 1 || plain->gemm.getRows() != map.getRows() ||
        plain->gemm.getFeatures() != 2 * pairs || !weights.isOnlyUse(plain->gemm) ||
        !map.getBody().getOps<kernel::SumOp>().empty())
      return false;
    SmallVector<kernel::LoadOp> loads = usesOf(view).loads;
    if (!llvm::all_of(loads, [&](auto load) { return halfOfPair(load.getIndices(), map).has_value(); }))
      return false;

    kernel::WeightOp weight = weightOf(plain->gemm);
    // One after the other: the order of the declarations is that of the plan.
    FlatSymbolRefAttr even = everySecondRow(weight, 0, getOperation());
    FlatSymbolRefAttr odd = everySecondRow(weight, 1, getOperation());
    PairedGemm paired(plain->gemm, pairs, interleave(even, odd, run, getOperation()), map);
    Value stored[2];
    for (int64_t half : {0, 1})
      stored[half] = paired.continueWith(*plain, half, paired.featureOfHalf(half));
    paired.absorb(map, [&](BodyCloner &cloner) {
      for (kernel::LoadOp load : loads)
        cloner.replaceLoad(load, stored[*halfOfPair(load.getIndices(), map)]);
    });
    plain->gemm.erase();
    // Its halves have taken the weight's place.
    auto whole = SymbolTable::lookupNearestSymbolFrom<lm::WeightOp>(weight, weight.getWeightAttr());
    weight.erase();
    whole.erase();
    return true;
  }

  int64_t run = 0; ///< Rows of either half that follow one another.
};

} // namespace
