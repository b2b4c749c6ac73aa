// SPDX-License-Identifier: Apache-2.0
//
// Matches a map that sums the squares of a whole row, where one kernel stores that row feature by feature. The writer
// stores partial sums of squares beside the row, and the map adds those. The order of the additions changes, so the
// pass runs once per target, before programs part; what is left of a norm works element by element, which lets later
// passes repeat it inside whoever reads it. Without this a norm would be a launch that reads each row twice, once to
// add and once to scale.

#include "dialects/Kernel/Transforms/Bodies.h"
#include "dialects/Kernel/Transforms/TargetPass.h"
#include "passes/Layout/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#define DEBUG_TYPE "yupana-fuse-norm-statistics"

namespace yupana {
#define GEN_PASS_DEF_FUSENORMSTATISTICSPASS
#include "passes/Layout/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;
using namespace yupana::fusion;

namespace {

/// A sum of squares over whole rows of a buffer, as a norm takes it.
struct SquareSum {
  kernel::SumOp sum;
  Value view;
};

std::optional<SquareSum> squareSumOf(kernel::MapOp map) {
  auto sums = map.getBody().getOps<kernel::SumOp>();
  if (map.getGroups() != 1 || !llvm::hasSingleElement(sums))
    return std::nullopt;
  kernel::SumOp sum = *sums.begin();
  auto square = sum.getValue().getDefiningOp<arith::MulFOp>();
  if (!square || square.getLhs() != square.getRhs())
    return std::nullopt;
  Value x = square.getLhs();
  if (auto widen = x.getDefiningOp<arith::ExtFOp>())
    x = widen.getIn();
  auto load = x.getDefiningOp<kernel::LoadOp>();
  bool wholeRow = load && isOwnElement(load.getIndices(), map) &&
                  load.getView().getType().getDimSize(1) == static_cast<int64_t>(map.getWidth());
  return wholeRow ? std::optional(SquareSum{sum, load.getView()}) : std::nullopt;
}

struct FuseNormStatisticsPass : kernel::TargetPass<yupana::impl::FuseNormStatisticsPassBase<FuseNormStatisticsPass>> {
  using TargetPass::TargetPass;

  void runOnModule(const kernel::TargetModel &model) override {
    mostFeatures = model.getMaxPartialFeatures();
    for (auto program : getOperation().getOps<kernel::ProgramOp>()) {
      partials.clear();
      for (auto map : program.getBody().getOps<kernel::MapOp>())
        if (std::optional<SquareSum> found = squareSumOf(map))
          replace(*found, map);
    }
  }

private:
  void replace(SquareSum found, kernel::MapOp map) {
    Value &squares = partials[found.view];
    if (!squares)
      squares = addPartials(found.view);
    if (!squares)
      return;
    OpBuilder builder(found.sum);
    found.sum.replaceAllUsesWith(
        kernel::RowSumOp::create(builder, found.sum.getLoc(), squares, map.getRow()).getResult());
    found.sum.erase();
    cleanUp(map);
  }

  /// Lets the kernel that writes `view` write partial sums of squares beside it; null if it cannot.
  Value addPartials(Value view) {
    BufferUses uses = usesOf(view);
    if (uses.stores.size() != 1)
      return {};
    kernel::StoreOp store = uses.stores.front();
    int64_t features = cast<kernel::ViewType>(view.getType()).getDimSize(1), width = partialWidth(features);
    Value feature = regroup(store, features, width);
    if (!feature)
      return {};
    Location loc = store.getLoc();
    OpBuilder builder(uses.writer());
    auto type = kernel::ViewType::get(
        builder.getContext(),
        {cast<kernel::ViewType>(view.getType()).getDims()[0], lm::DimAttr::get(builder.getContext(), features / width)},
        builder.getF32Type(), "row-major");
    std::string name = (view.getDefiningOp<kernel::BufferOp>().getName() + ".squares").str();
    Value squares = kernel::BufferOp::create(builder, loc, type, builder.getStringAttr(name));

    builder.setInsertionPointAfter(store);
    // Of what was stored, so that a norm sees the statistics of what it reads.
    Value x = store.getValue();
    if (x.getType().isBF16())
      x = arith::ExtFOp::create(builder, loc, builder.getF32Type(), x);
    Value sum = kernel::SumOp::create(builder, loc, arith::MulFOp::create(builder, loc, x, x).getResult());
    Value place = arith::DivUIOp::create(builder, loc, feature, indexConstant(builder, loc, width));
    kernel::StoreOp::create(builder, loc, sum, squares, {store.getIndices()[0], place});
    return squares;
  }

  /// Gives the op that `store` stands in groups of `width` features; returns the feature it stores at, null if it does
  /// not store all `features` of a row in their order.
  static Value regroup(kernel::StoreOp store, int64_t features, int64_t width) {
    if (auto gemm = dyn_cast<kernel::GemmOp>(store->getParentOp())) {
      if (gemm.getPairs() || gemm.getGroup() || gemm.getFeatures() != features ||
          store.getIndices()[0] != gemm.getRow() || store.getIndices()[1] != gemm.getFeature())
        return {};
      gemm.setGroup(width);
      return gemm.getFeature();
    }
    auto map = dyn_cast<kernel::MapOp>(store->getParentOp());
    if (!map || map.getGroups() != 1 || !covers(map, features) || !isOwnElement(store.getIndices(), map) ||
        !map.getBody().getOps<kernel::SumOp>().empty())
      return {};
    OpBuilder builder = OpBuilder::atBlockBegin(&map.getBody().front());
    Location loc = map.getLoc();
    map.getGroup().replaceAllUsesWith(indexConstant(builder, loc, 0));
    Value first = arith::MulIOp::create(builder, loc, map.getGroup(), indexConstant(builder, loc, width));
    auto feature = arith::AddIOp::create(builder, loc, first, map.getLane());
    map.getLane().replaceAllUsesExcept(feature, feature);
    map.setGroups(map.getWidth() / width);
    map.setWidth(width);
    return feature;
  }

  /// The largest power of two that divides `width`, but no more than the target has at hand together. A power of two so
  /// that a tree of additions over the group is complete.
  int64_t partialWidth(int64_t width) const { return std::min(mostFeatures, width & -width); }

  int64_t mostFeatures = 0; ///< Under one partial sum.
  llvm::DenseMap<Value, Value> partials;
};

} // namespace
