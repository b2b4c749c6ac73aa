// SPDX-License-Identifier: Apache-2.0
//
// Matches a map that alone reads what one gemm or map stores, at its own row and feature. The writer's body goes on
// with the map's, and the buffer between them disappears. Values are not rounded on the way (fix-roundings), so no bit
// changes; nothing between the two may touch what either of them writes. This saves a launch, a barrier and a trip of
// the values through memory. It runs after the passes that look for products which do nothing but store. A product of
// pairs may store two neighbours; the map then goes on from both, each at its own feature.

#include "dialects/Kernel/Transforms/Bodies.h"
#include "dialects/Kernel/Transforms/TargetPass.h"
#include "passes/Fuse/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Matchers.h"

#define DEBUG_TYPE "yupana-fuse-epilogues"

namespace yupana {
#define GEN_PASS_DEF_FUSEEPILOGUESPASS
#include "passes/Fuse/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;
using namespace yupana::fusion;

namespace {

/// How a producer's body stores the buffer that a map goes on from: one value per feature, or two neighbours per pair.
struct Producer {
  kernel::LaunchedOpInterface op;
  SmallVector<kernel::StoreOp, 2> stores; ///< In the order of the features.
  Value feature;                          ///< Of the body; counts pairs where there are two stores.
  Value row;
};

bool sums(kernel::LaunchedOpInterface op) { return !op.getScalarBody()->getOps<kernel::SumOp>().empty(); }

/// True if `index` is 2 · feature + half.
bool isNeighbour(Value index, Value feature, int64_t half) {
  if (half) {
    auto add = index.getDefiningOp<arith::AddIOp>();
    return add && matchPattern(add.getRhs(), m_One()) && isNeighbour(add.getLhs(), feature, 0);
  }
  auto mul = index.getDefiningOp<arith::MulIOp>();
  return mul && mul.getLhs() == feature && getConstantIntValue(mul.getRhs()) == 2;
}

/// The op that stores `view`, where the map alone loads it and takes each element at the place where it was stored. A
/// gemm may store single features or pairs of neighbours; a map has to run over the same rows as one group and add
/// nothing up, since its body moves into groups of another width.
std::optional<Producer> producerOf(Value view, kernel::MapOp map) {
  BufferUses uses = usesOf(view);
  kernel::LaunchedOpInterface op = uses.writer();
  if (uses.hasOthers || !op || uses.reader() != map ||
      !llvm::all_of(uses.loads, [&](auto load) { return isOwnElement(load.getIndices(), map); }))
    return std::nullopt;
  if (auto gemm = dyn_cast<kernel::GemmOp>(op.getOperation())) {
    if (gemm.getRows() != map.getRows())
      return std::nullopt;
    Producer producer = {op, {}, gemm.getFeature(), gemm.getRow()};
    auto storesAt = [&](auto &&matches) {
      return llvm::find_if(uses.stores, [&](kernel::StoreOp store) {
        return store.getIndices().size() == 2 && store.getIndices()[0] == gemm.getRow() &&
               matches(store.getIndices()[1]);
      });
    };
    if (uses.stores.size() == 1 &&
        storesAt([&](Value index) { return index == gemm.getFeature(); }) != uses.stores.end())
      producer.stores.push_back(uses.stores.front());
    for (int64_t half : {0, 1})
      if (auto found = storesAt([&](Value index) { return isNeighbour(index, gemm.getFeature(), half); });
          uses.stores.size() == 2 && found != uses.stores.end())
        producer.stores.push_back(*found);
    bool all = producer.stores.size() == uses.stores.size() &&
               covers(map, gemm.getFeatures() * static_cast<int64_t>(producer.stores.size()));
    return all ? std::optional(producer) : std::nullopt;
  }
  auto other = dyn_cast<kernel::MapOp>(op.getOperation());
  bool own = other && uses.stores.size() == 1 && other.getRows() == map.getRows() && other.getGroups() == 1 &&
             covers(map, other.getWidth()) && isOwnElement(uses.stores.front().getIndices(), other) && !sums(other);
  return own ? std::optional(Producer{op, {uses.stores.front()}, Value(), other.getRow()}) : std::nullopt;
}

struct FuseEpiloguesPass : kernel::TargetPass<yupana::impl::FuseEpiloguesPassBase<FuseEpiloguesPass>> {
  using TargetPass::TargetPass;

  void runOnModule(const kernel::TargetModel &model) override {
    target = &model;
    for (auto program : getOperation().getOps<kernel::ProgramOp>()) {
      // What a map becomes part of stands in its place, and the maps behind it look at that.
      for (auto map : llvm::make_early_inc_range(program.getBody().getOps<kernel::MapOp>()))
        while (map && fuse(map))
          continue;
    }
  }

private:
  /// Continues one producer with a map; `map` becomes the one that took its place, null where a gemm did. Maps come
  /// first: what they become may still go on from a gemm.
  bool fuse(kernel::MapOp &map) {
    SmallVector<std::pair<Producer, Value>> gemms;
    for (Value view : loadedViews(map.getBody())) {
      std::optional<Producer> producer = producerOf(view, map);
      if (!producer || !canContinue(*producer, view, map))
        continue;
      if (isa<kernel::MapOp>(producer->op.getOperation())) {
        map = intoMap(*producer, view, map);
        return true;
      }
      gemms.push_back({*producer, view});
    }
    return llvm::any_of(gemms, [&](auto &gemm) { return intoGemm(gemm.first, gemm.second, map); });
  }

  static bool canContinue(Producer &producer, Value view, kernel::MapOp map) {
    kernel::Accesses written = producer.op.getAccesses(), read = map.getAccesses();
    bool readsMore =
        llvm::any_of(written.writes, [&](Value other) { return other != view && read.all.contains(other); });
    return !readsMore && haveSameNumerics(producer.op, map) && canSinkTo(producer.op, map);
  }

  //===--------------------------------------------------------------------===//
  // A gemm goes on
  //===--------------------------------------------------------------------===//

  bool intoGemm(Producer &producer, Value view, kernel::MapOp &map) {
    auto gemm = cast<kernel::GemmOp>(producer.op.getOperation());
    int64_t members = producer.stores.size(), width = map.getWidth();
    if (members == 2 && width % 2)
      return false;
    if (sums(map)) {
      // The whole group must lie within the features that a target keeps together; a gemm has one group size for all
      // its sums.
      int64_t group = width / members;
      if (width > target->getMaxGroupFeatures() || !target->holdsGroups(gemm, group) ||
          (gemm.getGroup() && static_cast<int64_t>(*gemm.getGroup()) != group))
        return false;
      gemm.setGroup(group);
    }
    OpBuilder builder(gemm.getBody().front().getTerminator());
    SmallVector<BodyCloner, 2> cloners;
    for (auto [member, store] : llvm::enumerate(producer.stores)) {
      cloners.emplace_back(builder, mapMember(builder, map, gemm, member, members));
      for (kernel::LoadOp load : usesOf(view).loads)
        cloners.back().replaceLoad(load, kernel::StoreOp(store).getValue());
    }
    for (Operation &op : map.getBody().front()) {
      if (auto sum = dyn_cast<kernel::SumOp>(op); sum && members == 2) {
        addMembers(builder, sum, cloners);
        continue;
      }
      for (BodyCloner &cloner : cloners)
        cloner.clone(op);
    }
    for (kernel::StoreOp store : producer.stores)
      store.erase();
    // Views that the map writes or reads are named between the two, so the gemm moves down and not the map up.
    gemm->moveBefore(map);
    map.erase();
    map = {};
    cleanUp(gemm);
    return true;
  }

  /// Row, group and lane of a map for a feature of the gemm: `member` of a pair of neighbours, or the feature itself.
  static IRMapping mapMember(OpBuilder &builder, kernel::MapOp map, kernel::GemmOp gemm, int64_t member,
                             int64_t members) {
    IRMapping mapping;
    Location loc = gemm.getLoc();
    if (members == 1) {
      mapFeature(builder, map, gemm.getRow(), gemm.getFeature(), mapping);
      return mapping;
    }
    // Pairs lie within groups: group and lane come from the pair, for both members alike.
    Value two = indexConstant(builder, loc, 2), pair = gemm.getFeature(), inGroup = pair;
    Value group = indexConstant(builder, loc, 0);
    if (map.getGroups() != 1) {
      Value pairs = indexConstant(builder, loc, map.getWidth() / 2);
      group = arith::DivUIOp::create(builder, loc, pair, pairs);
      inGroup = arith::RemUIOp::create(builder, loc, pair, pairs);
    }
    auto neighbour = [&](Value of) -> Value {
      Value even = arith::MulIOp::create(builder, loc, of, two);
      return member ? arith::AddIOp::create(builder, loc, even, indexConstant(builder, loc, 1)).getResult() : even;
    };
    mapFeature(builder, map, gemm.getRow(), neighbour(pair), group, neighbour(inGroup), mapping);
    return mapping;
  }

  /// The sum over features is one over pairs of what the members of a pair add up to.
  static void addMembers(OpBuilder &builder, kernel::SumOp sum, MutableArrayRef<BodyCloner> cloners) {
    Location loc = sum.getLoc();
    Value both =
        arith::AddFOp::create(builder, loc, cloners[0].lookup(sum.getValue()), cloners[1].lookup(sum.getValue()));
    Value total = kernel::SumOp::create(builder, loc, both);
    for (BodyCloner &cloner : cloners)
      cloner.map(sum.getResult(), total);
  }

  //===--------------------------------------------------------------------===//
  // A map goes on
  //===--------------------------------------------------------------------===//

  /// The producer's body comes first in the map, at the map's own feature.
  static kernel::MapOp intoMap(Producer &producer, Value view, kernel::MapOp map) {
    auto other = cast<kernel::MapOp>(producer.op.getOperation());
    kernel::StoreOp store = producer.stores.front();
    OpBuilder builder(map);
    Location loc = map.getLoc();
    auto joined = kernel::MapOp::create(builder, loc, map.getRows(), map.getGroups(), map.getWidth(),
                                        map.getNumericsAttr() ? map.getNumericsAttr() : other.getNumericsAttr(),
                                        kernel::GridAttr(), kernel::ConfigAttrInterface());
    Type index = builder.getIndexType();
    builder.createBlock(&joined.getBody(), {}, {index, index, index}, {loc, loc, loc});
    kernel::EndOp::create(builder, loc);
    builder.setInsertionPoint(joined.getBody().front().getTerminator());

    Value first = arith::MulIOp::create(builder, loc, joined.getGroup(), indexConstant(builder, loc, map.getWidth()));
    Value feature = map.getGroups() == 1 ? joined.getLane()
                                         : arith::AddIOp::create(builder, loc, first, joined.getLane()).getResult();
    IRMapping before;
    mapFeature(builder, other, joined.getRow(), feature, before);
    BodyCloner producerCloner(builder, before);
    for (Operation &op : other.getBody().front())
      if (&op != store.getOperation())
        producerCloner.clone(op);

    IRMapping own;
    for (auto [from, to] : llvm::zip_equal(map.getBody().getArguments(), joined.getBody().getArguments()))
      own.map(from, to);
    BodyCloner cloner(builder, own);
    for (kernel::LoadOp load : usesOf(view).loads)
      cloner.replaceLoad(load, producerCloner.lookup(store.getValue()));
    cloner.cloneAll(map.getBody().front());
    map.erase();
    other.erase();
    cleanUp(joined);
    return joined;
  }

  const kernel::TargetModel *target = nullptr;
};

} // namespace
