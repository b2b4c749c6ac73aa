// SPDX-License-Identifier: Apache-2.0
//
// Matches two products of the same rows whose results one map alone reads, each at its own feature. They become one
// product of pairs over an interleaved weight, with the map as its epilogue. Every accumulator is the same sum as
// before, in the same order, so no bit changes; the two weights must have no other user, since a weight has one packed
// form. It runs before weights are packed and before the other fusions, which would hide the two products in epilogues.
// Rows are then read once for both products, and both of a pair are in registers when the map needs them.

#include "dialects/Kernel/Transforms/Bodies.h"
#include "dialects/Kernel/Transforms/TargetPass.h"
#include "passes/Layout/PairedGemm.h"
#include "passes/Layout/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#define DEBUG_TYPE "yupana-pair-gate-up"

namespace yupana {
#define GEN_PASS_DEF_PAIRGATEUPPASS
#include "passes/Layout/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;
using namespace yupana::fusion;

namespace {

/// True if two gemms multiply the same rows by weights of one type.
bool haveSameRows(kernel::GemmOp x, kernel::GemmOp y) {
  return x != y && x.getProductCount() == 1 && y.getProductCount() == 1 && x.getExperts() == y.getExperts() &&
         x.getRows() == y.getRows() && x.getWeightType(0) == y.getWeightType(0) &&
         OperationEquivalence::isRegionEquivalentTo(&x.getInputs()[0], &y.getInputs()[0],
                                                    OperationEquivalence::IgnoreLocations);
}

struct PairGateUpPass : kernel::TargetPass<yupana::impl::PairGateUpPassBase<PairGateUpPass>> {
  using TargetPass::TargetPass;

  void runOnModule(const kernel::TargetModel &model) override {
    run = model.getPairRun();
    WeightUses weights(getOperation());
    for (auto program : getOperation().getOps<kernel::ProgramOp>()) {
      for (auto map : llvm::make_early_inc_range(program.getBody().getOps<kernel::MapOp>()))
        fuse(map, weights);
    }
  }

private:
  /// A map that reads two products of the same rows, each at its own feature, and sums nothing.
  void fuse(kernel::MapOp map, WeightUses &weights) {
    if (!map.getBody().getOps<kernel::SumOp>().empty())
      return;
    SmallVector<std::pair<Value, PlainGemm>> products;
    for (Value view : loadedViews(map.getBody())) {
      std::optional<PlainGemm> plain = plainGemmOf(view, map);
      bool own = llvm::all_of(usesOf(view).loads, [&](auto load) { return isOwnElement(load.getIndices(), map); });
      if (plain && own && plain->gemm.getRows() == map.getRows() && covers(map, plain->gemm.getFeatures()))
        products.push_back({view, *plain});
    }
    if (products.size() != 2)
      return;
    const PlainGemm &first = products[0].second, &second = products[1].second;
    if (!haveSameRows(first.gemm, second.gemm) || !weights.isOnlyUse(first.gemm) || !weights.isOnlyUse(second.gemm))
      return;

    PairedGemm paired(
        first.gemm, kernel::GemmOp(first.gemm).getFeatures(),
        interleave(weightOf(first.gemm).getWeightAttr(), weightOf(second.gemm).getWeightAttr(), run, getOperation()),
        map);
    Value stored[] = {paired.continueWith(first, 0, paired.feature()),
                      paired.continueWith(second, 1, paired.feature())};
    paired.absorb(map, [&](BodyCloner &cloner) {
      for (int64_t half : {0, 1})
        for (kernel::LoadOp load : usesOf(products[half].first).loads)
          cloner.replaceLoad(load, stored[half]);
    });
    for (auto &[view, product] : products)
      product.gemm.erase();
  }

  int64_t run = 0; ///< Rows of either half that follow one another.
};

} // namespace
