// SPDX-License-Identifier: Apache-2.0
//
// How the body of one kernel is continued in another: indices of the one are expressed by those of the other, and its
// ops are cloned in front of the other's terminator. Legal wherever both run for the same row and feature, which the
// passes check; the values are then those that a store and a load would have handed over. Lane and group are mapped
// first and indices that are a multiple of the feature are mapped as a whole, because passes that come later recognise
// an element by the linear form of its index, and (f / w) · w + f mod w would not be recognised as f.

#include "dialects/Kernel/Transforms/Bodies.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/CSE.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::fusion;

Value fusion::indexConstant(OpBuilder &builder, Location loc, int64_t value) {
  return arith::ConstantIndexOp::create(builder, loc, value);
}

/// Group and lane first, then every index of the body that is a multiple of the feature, whatever ops it was made by.
void fusion::mapFeature(OpBuilder &builder, kernel::MapOp map, Value row, Value feature, Value group, Value lane,
                        IRMapping &mapping) {
  Location loc = map.getLoc();
  mapping.map(map.getRow(), row);
  mapping.map(map.getGroup(), group);
  mapping.map(map.getLane(), lane);
  for (Operation &op : map.getBody().front()) {
    if (op.getNumResults() != 1 || !isa<IndexType>(op.getResult(0).getType()))
      continue;
    std::optional<LaneIndex> index = laneIndex(op.getResult(0), map);
    bool ofFeature = index && index->lane != 0 &&
                     (map.getGroups() == 1 || index->group == index->lane * static_cast<int64_t>(map.getWidth()));
    if (!ofFeature)
      continue;
    Value value = feature;
    if (index->lane != 1)
      value = arith::MulIOp::create(builder, loc, value, indexConstant(builder, loc, index->lane));
    if (index->constant != 0)
      value = arith::AddIOp::create(builder, loc, value, indexConstant(builder, loc, index->constant));
    mapping.map(op.getResult(0), value);
  }
}

void fusion::mapFeature(OpBuilder &builder, kernel::MapOp map, Value row, Value feature, IRMapping &mapping) {
  Location loc = map.getLoc();
  // A single group has the number 0, and its lane is the feature.
  if (map.getGroups() == 1)
    return mapFeature(builder, map, row, feature, indexConstant(builder, loc, 0), feature, mapping);
  Value width = indexConstant(builder, loc, map.getWidth());
  Value group = arith::DivUIOp::create(builder, loc, feature, width);
  mapFeature(builder, map, row, feature, group, arith::RemUIOp::create(builder, loc, feature, width), mapping);
}

//===----------------------------------------------------------------------===//
// Bodies
//===----------------------------------------------------------------------===//

void BodyCloner::clone(Operation &op) {
  // What was given a value, such as a load that is replaced, must not be computed again.
  if (op.hasTrait<OpTrait::IsTerminator>() || (op.getNumResults() == 1 && mapping.contains(op.getResult(0))))
    return;
  builder.clone(op, mapping);
}

void BodyCloner::cloneAll(Block &block) {
  for (Operation &op : block)
    clone(op);
}

/// Only then may its body be continued elsewhere: nobody else sees what it stores, and it stores nothing more.
std::optional<PlainGemm> fusion::plainGemmOf(Value view, kernel::LaunchedOpInterface reader) {
  BufferUses uses = usesOf(view);
  auto gemm = dyn_cast_or_null<kernel::GemmOp>(uses.writer().getOperation());
  if (uses.hasOthers || uses.stores.size() != 1 || uses.reader() != reader || !gemm || gemm.getPairs() ||
      gemm.getGroup())
    return std::nullopt;
  kernel::StoreOp store = uses.stores.front();
  bool storesOne = gemm.getAccesses().writes.size() == 1;
  if (!storesOne || store.getIndices().size() != 2 || store.getIndices()[0] != gemm.getRow() ||
      store.getIndices()[1] != gemm.getFeature())
    return std::nullopt;
  return PlainGemm{gemm, store};
}

//===----------------------------------------------------------------------===//
// Cleaning up
//===----------------------------------------------------------------------===//

void fusion::cleanUp(kernel::LaunchedOpInterface op) {
  IRRewriter rewriter(op.getContext());
  // Dead ops first: of equal ops the first stays. The result only says whether anything was found.
  (void)runRegionDCE(rewriter, op->getRegions());
  DominanceInfo dominance(op);
  eliminateCommonSubExpressions(rewriter, dominance, op);
}
