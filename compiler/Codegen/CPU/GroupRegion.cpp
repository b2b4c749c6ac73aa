// SPDX-License-Identifier: Apache-2.0
//
// Runs a region over a group of features. Sums that do not depend on one another share a pass over the lanes; a sum
// that needs another waits for the next pass, and everything with an effect for the last one. Values that passes share
// are computed again in each: a group may be some thousands of lanes wide, and keeping them would cost a store and a
// load for what is mostly a load and a multiplication. Lanes behind the group's end add zero, so they do not count in a
// sum.

#include "compiler/Codegen/CPU/GroupRegion.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

LogicalResult GroupRegion::emit() {
  SmallVector<kernel::SumOp> open(body.getOps<kernel::SumOp>());
  while (!open.empty())
    if (failed(emitSums(region.takeReady(open))))
      return failure();
  return emitEffects();
}

/// Writes `ops` for all lanes, 16 at a time. `then` sees what they computed and updates what one piece hands to the
/// next.
LogicalResult GroupRegion::overLanes(ArrayRef<Operation *> ops, Emitter::Values &carried,
                                     function_ref<void(const ScalarRegion &, ActiveLanes, Emitter::Values &)> then) {
  LogicalResult result = success();
  carried = e.pieces(width, vectorLanes, carried, [&](Value begin, int64_t count, ValueRange values) {
    ScalarRegion piece = region;
    bindLanes(piece, begin, ActiveLanes{count});
    if (failed(piece.emitVarying(ops, ActiveLanes{count})))
      result = failure();
    Emitter::Values next(values);
    if (succeeded(result))
      then(piece, ActiveLanes{count}, next);
    return next;
  });
  return result;
}

/// Adds up lane by lane in 16 partial sums and these in a tree at the end, as #kernel.numerics states.
LogicalResult GroupRegion::emitSums(ArrayRef<kernel::SumOp> ready) {
  SmallVector<Value> summands = llvm::map_to_vector(ready, [](kernel::SumOp sum) -> Value { return sum.getValue(); });
  SmallVector<Operation *> ops = region.slice(summands);
  if (failed(region.emitInvariant(ops)))
    return failure();
  LaneMath math(e);
  Emitter::Values partial(ready.size(), e.splat(0));
  LogicalResult result = overLanes(ops, partial, [&](const ScalarRegion &piece, ActiveLanes active, auto &sums) {
    for (auto [sum, summand] : llvm::zip_equal(sums, summands)) {
      Value vector = math.vector(piece.get(summand));
      if (active.count < vectorLanes)
        vector = e.select(e.laneRange(e.integer(0), e.integer(active.count)), vector, e.splat(0));
      sum = e.fadd(sum, vector);
    }
  });
  for (auto [sum, vector] : llvm::zip_equal(ready, partial)) {
    kernel::SumOp op = sum;
    region.bind(op.getResult(), LaneValue::uniform(e.addLanes(vector)));
  }
  return result;
}

LogicalResult GroupRegion::emitEffects() {
  SmallVector<Operation *> ops = region.effects();
  if (failed(region.emitInvariant(ops)))
    return failure();
  Emitter::Values none;
  return overLanes(ops, none, [](const ScalarRegion &, ActiveLanes, Emitter::Values &) {});
}
