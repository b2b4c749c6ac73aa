// SPDX-License-Identifier: Apache-2.0
//
// Matches a map that reads the results of several products of the same rows and features, each at its own feature. They
// become one kernel with an accumulator each, and the map its epilogue. Each accumulator is summed as before and the
// map adds them in its own order, so no bit changes. Products that look their rows up by different choices of experts
// stay apart, since one kernel has one such list. It runs before epilogues are fused, since a map that has become the
// epilogue of one product no longer meets the others.

#include "dialects/Kernel/Transforms/Bodies.h"
#include "dialects/Kernel/Transforms/TargetPass.h"
#include "passes/Fuse/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#define DEBUG_TYPE "yupana-join-products"

namespace yupana {
#define GEN_PASS_DEF_JOINPRODUCTSPASS
#include "passes/Fuse/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;
using namespace yupana::fusion;

namespace {

/// True if the accumulators of two gemms belong to the same rows and features, and are added up alike. One gemm looks
/// rows up by one choice of experts, so two different choices stay apart.
bool canJoin(kernel::GemmOp x, kernel::GemmOp y) {
  return x != y && x.getNumericsAttr() == y.getNumericsAttr() && x.getRows() == y.getRows() &&
         x.getWeightRows() == y.getWeightRows() &&
         x.getWeightType(0).getElementType() == y.getWeightType(0).getElementType() &&
         (!x.getExperts() || !y.getExperts() ||
          (x.getExperts() == y.getExperts() && x.getOrder() == y.getOrder() &&
           x.getExpertCount() == y.getExpertCount()));
}

struct JoinProductsPass : kernel::TargetPass<yupana::impl::JoinProductsPassBase<JoinProductsPass>> {
  using TargetPass::TargetPass;

  void runOnModule(const kernel::TargetModel &model) override {
    for (auto program : getOperation().getOps<kernel::ProgramOp>()) {
      joinsShared = model.joinsSharedProducts(program.getMaxTokens());
      for (auto map : llvm::make_early_inc_range(program.getBody().getOps<kernel::MapOp>()))
        fuse(map);
    }
  }

private:
  void fuse(kernel::MapOp map) {
    // A sum over lanes needs all features of a group in one place, which fuse-epilogues arranges for one product.
    if (!map.getBody().getOps<kernel::SumOp>().empty())
      return;
    SmallVector<std::pair<Value, PlainGemm>> products;
    for (Value view : loadedViews(map.getBody())) {
      std::optional<PlainGemm> plain = plainGemmOf(view, map);
      bool own = llvm::all_of(usesOf(view).loads, [&](auto load) { return isOwnElement(load.getIndices(), map); });
      if (plain && own && plain->gemm.getRows() == map.getRows() && haveSameNumerics(plain->gemm, map) &&
          covers(map, plain->gemm.getFeatures()) && llvm::all_of(products, [&](auto &other) {
            return canJoin(other.second.gemm, plain->gemm) &&
                   (joinsShared || bool(other.second.gemm.getExperts()) == bool(plain->gemm.getExperts()));
          }))
        products.push_back({view, *plain});
    }
    if (products.size() < 2)
      return;
    build(map, products);
  }

  /// One gemm at the place of the map: the products of all, then their bodies, then the map's.
  void build(kernel::MapOp map, ArrayRef<std::pair<Value, PlainGemm>> products) {
    OpBuilder builder(map);
    Location loc = map.getLoc();
    SmallVector<Value> weights;
    Value experts, order;
    for (auto [view, plain] : products) {
      llvm::append_range(weights, plain.gemm.getWeights());
      if (kernel::GemmOp gemm = plain.gemm; gemm.getExperts()) {
        experts = gemm.getExperts();
        order = gemm.getOrder();
      }
    }
    auto joined = kernel::GemmOp::create(builder, loc, map.getRows(), weights, experts, order,
                                         /*workspaces=*/ValueRange(), IntegerAttr(), IntegerAttr(), IntegerAttr(),
                                         kernel::GemmOp(products.front().second.gemm).getNumericsAttr(),
                                         kernel::GridAttr(), kernel::ConfigAttrInterface(), weights.size());
    Type index = builder.getIndexType();
    SmallVector<Type> types(weights.size(), builder.getF32Type());
    types.append(2, index);
    builder.createBlock(&joined.getBody(), {}, types, SmallVector<Location>(types.size(), loc));
    kernel::EndOp::create(builder, loc);
    builder.setInsertionPoint(joined.getBody().front().getTerminator());

    IRMapping mapping;
    mapFeature(builder, map, joined.getRow(), joined.getFeature(), mapping);
    BodyCloner cloner(builder, mapping);
    unsigned product = 0;
    for (auto [view, plain] : products) {
      Value stored = continueWith(joined, plain, product, builder);
      for (kernel::LoadOp load : usesOf(view).loads)
        cloner.replaceLoad(load, stored);
    }
    cloner.cloneAll(map.getBody().front());
    map.erase();
    for (auto [view, plain] : products)
      kernel::GemmOp(plain.gemm).erase();
    cleanUp(joined);
  }

  /// Takes the products of `plain` over as `product` and the next; returns the value its body stored.
  static Value continueWith(kernel::GemmOp joined, PlainGemm plain, unsigned &product, OpBuilder &builder) {
    IRMapping mapping;
    mapping.map(plain.gemm.getRow(), joined.getRow());
    mapping.map(plain.gemm.getFeature(), joined.getFeature());
    for (unsigned own = 0; own < plain.gemm.getProductCount(); ++own, ++product) {
      mapping.map(plain.gemm.getAccumulator(own), joined.getAccumulator(product));
      joined.getInputs()[product].takeBody(plain.gemm.getInputs()[own]);
    }
    BodyCloner cloner(builder, mapping);
    for (Operation &op : plain.gemm.getBody().front())
      if (&op != plain.store.getOperation())
        cloner.clone(op);
    return cloner.lookup(plain.store.getValue());
  }

  bool joinsShared = false; ///< In this program, products by expert join others.
};

} // namespace
