// SPDX-License-Identifier: Apache-2.0
#include "compiler/Codegen/CPU/Kernels.h"
#include "compiler/Codegen/CPU/ScalarRegion.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

namespace {

class MapEmitter {
public:
  MapEmitter(KernelEmitter &e, kernel::MapOp op) : e(e), op(op), width(op.getWidth()) {}

  LogicalResult run(const kernel::X86Attr &config);

private:
  LogicalResult emitGroup(Value row, Value group);
  LogicalResult emitSums(ScalarRegion &region, SmallVector<kernel::SumOp> ready);
  LogicalResult emitEffects(ScalarRegion &region);
  LogicalResult overLanes(const ScalarRegion &region, ArrayRef<Operation *> ops, Emitter::Values &carried,
                          function_ref<void(const ScalarRegion &, ActiveLanes, Emitter::Values &)> then);

  KernelEmitter &e;
  kernel::MapOp op;
  int64_t width;
};

} // namespace

LogicalResult MapEmitter::run(const kernel::X86Attr &config) {
  Value begin = e.mul(e.first, config.getRows());
  Value end = e.min(e.mul(e.last, config.getRows()), e.size(op.getRows()));
  LogicalResult result = success();
  e.loop(begin, end, [&](Value row) {
    if (op.getGroups() == 1)
      result = emitGroup(row, e.integer(0));
    else
      e.loop(e.integer(0), e.integer(op.getGroups()), [&](Value group) { result = emitGroup(row, group); });
  });
  return result;
}

LogicalResult MapEmitter::emitGroup(Value row, Value group) {
  ScalarRegion region(e, op.getBody(), op.getLane());
  region.bind(op.getRow(), LaneValue::uniform(row));
  region.bind(op.getGroup(), LaneValue::uniform(group));
  // Sums that depend on no other open sum share a pass over the lanes.
  SmallVector<kernel::SumOp> open(op.getBody().getOps<kernel::SumOp>());
  while (!open.empty()) {
    SmallVector<kernel::SumOp> ready, later;
    for (kernel::SumOp sum : open) {
      bool waits = llvm::any_of(region.slice(sum.getValue()), llvm::IsaPred<kernel::SumOp>);
      (waits ? later : ready).push_back(sum);
    }
    if (failed(emitSums(region, ready)))
      return failure();
    open = std::move(later);
  }
  return emitEffects(region);
}

/// Writes `ops` for all lanes, 16 at a time. `then` sees what they computed and updates what one piece hands to the
/// next.
LogicalResult MapEmitter::overLanes(const ScalarRegion &region, ArrayRef<Operation *> ops, Emitter::Values &carried,
                                    function_ref<void(const ScalarRegion &, ActiveLanes, Emitter::Values &)> then) {
  LogicalResult result = success();
  carried = e.pieces(width, vectorLanes, carried, [&](Value begin, int64_t count, ValueRange values) {
    ScalarRegion piece = region;
    piece.bind(op.getLane(), LaneValue::consecutive(begin));
    if (failed(piece.emitVarying(ops, ActiveLanes{count})))
      result = failure();
    Emitter::Values next(values);
    if (succeeded(result))
      then(piece, ActiveLanes{count}, next);
    return next;
  });
  return result;
}

LogicalResult MapEmitter::emitSums(ScalarRegion &region, SmallVector<kernel::SumOp> ready) {
  SmallVector<Value> summands = llvm::map_to_vector(ready, [](kernel::SumOp sum) -> Value { return sum.getValue(); });
  SmallVector<Operation *> ops = region.slice(summands);
  if (failed(region.emitInvariant(ops)))
    return failure();
  LaneMath math(e);
  Emitter::Values partial(ready.size(), e.splat(0));
  LogicalResult result =
      overLanes(region, ops, partial, [&](const ScalarRegion &piece, ActiveLanes active, auto &sums) {
        for (auto [sum, summand] : llvm::zip_equal(sums, summands)) {
          Value vector = math.vector(piece.get(summand));
          if (active.count < vectorLanes)
            vector = e.select(e.laneRange(e.integer(0), e.integer(active.count)), vector, e.splat(0));
          sum = e.fadd(sum, vector);
        }
      });
  for (auto [sum, vector] : llvm::zip_equal(ready, partial))
    region.bind(sum.getResult(), LaneValue::uniform(e.addLanes(vector)));
  return result;
}

LogicalResult MapEmitter::emitEffects(ScalarRegion &region) {
  SmallVector<Operation *> ops = region.effects();
  if (failed(region.emitInvariant(ops)))
    return failure();
  Emitter::Values none;
  return overLanes(region, ops, none, [](const ScalarRegion &, ActiveLanes, Emitter::Values &) {});
}

LogicalResult codegen::emitMap(KernelEmitter &e, kernel::MapOp op) {
  FailureOr<kernel::X86Attr> config = e.config(op);
  return failed(config) ? failure() : MapEmitter(e, op).run(*config);
}
