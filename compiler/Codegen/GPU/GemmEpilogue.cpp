// SPDX-License-Identifier: Apache-2.0
//
// The body runs for a group of features at once, or, where it adds over none, for those of a weight tile. The last ones
// of a weight whose features are no multiple of that are a run of their own, of another width.
#include "compiler/Codegen/GPU/GemmEpilogue.h"

#include "compiler/Codegen/GPU/GroupRegion.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

/// The features that the body runs for at once: a group where it adds over one, else those of a tile.
static int64_t groupWidthOf(kernel::GemmOp op) {
  bool sums = !op.getBody().getOps<kernel::SumOp>().empty();
  return sums ? static_cast<int64_t>(*op.getGroup()) : op.getTileFeatures();
}

GemmEpilogue::GemmEpilogue(KernelEmitter &e, kernel::GemmOp op)
    : e(e), op(op), cellFeatures(op.getCellTiles() * op.getTileFeatures()), groupWidth(groupWidthOf(op)) {}

LogicalResult GemmEpilogue::emit(Value cell, const RowBlock &rows, const Sums &sums, function_ref<Value(Value)> takes) {
  LogicalResult result = success();
  e.loop(e.warp, rows.count, e.threads / warpLanes, {}, [&](Value index, ValueRange) -> OpEmitter::Values {
    Value row = rows.row(e, index), rowSums = e.at(sums.at, e.mul(index, sums.rowBytes));
    if (takes)
      e.when(takes(row), [&] { result = emitRow(cell, row, rowSums, sums); });
    else
      result = emitRow(cell, row, rowSums, sums);
    return {};
  });
  return result;
}

LogicalResult GemmEpilogue::emitRow(Value cell, Value row, Value rowSums, const Sums &sums) {
  int64_t features = op.getFeatures(), tail = features % groupWidth;
  SmallVector<Value> varying(op.getBody().getArguments().drop_back(2));
  varying.push_back(op.getFeature());
  ScalarRegion region(e, op.getBody(), varying);
  region.bind(op.getRow(), row);
  if (failed(region.emitRowConstants()))
    return failure();
  Value firstFeature = e.mul(cell, cellFeatures);
  Value groups =
      e.min(e.ceilDiv(e.sub(e.integer(features), firstFeature), groupWidth), e.integer(cellFeatures / groupWidth));
  LogicalResult result = success();
  auto emitWide = [&](Value feature, Value column, int64_t width) {
    if (failed(emitGroup(region, feature, column, rowSums, sums, width)))
      result = failure();
  };
  e.loop(e.integer(0), groups, [&](Value group) {
    Value column = e.mul(group, groupWidth), feature = e.add(firstFeature, column);
    if (tail == 0 || features < groupWidth)
      return emitWide(feature, column, std::min(groupWidth, features));
    e.when(
        e.less(e.add(feature, groupWidth - 1), e.integer(features)), [&] { emitWide(feature, column, groupWidth); },
        [&] { emitWide(feature, column, tail); });
  });
  return result;
}

LogicalResult GemmEpilogue::emitGroup(const ScalarRegion &region, Value firstFeature, Value firstColumn, Value rowSums,
                                      const Sums &sums, int64_t width) {
  auto bind = [&](ScalarRegion &turn, Value lane) {
    bindLane(turn, e.add(firstFeature, lane), e.add(firstColumn, lane), rowSums, sums);
  };
  return GroupRegion(e, op.getBody(), region, width, {e.lane, warpLanes}, bind).emit();
}

/// The accumulators of `feature`, which is number `column` of the cell.
void GemmEpilogue::bindLane(ScalarRegion &turn, Value feature, Value column, Value rowSums, const Sums &sums) {
  struct Math {
    KernelEmitter &e;
    Value add(Value x, Value y) { return e.add(x, y); }
    Value mul(Value x, uint64_t y) { return e.mul(x, static_cast<int64_t>(y)); }
    Value div(Value x, uint64_t y) { return e.div(x, static_cast<int64_t>(y)); }
    Value rem(Value x, uint64_t y) { return e.rem(x, static_cast<int64_t>(y)); }
  } math{e};
  turn.bind(op.getFeature(), feature);
  int64_t run = op.getRun().value_or(0);
  Value row = run != 0 ? schema::interleaved_row(math, column, run) : column;
  for (unsigned product = 0; product < op.getProductCount(); ++product)
    for (unsigned half = 0; half < op.getArity(); ++half) {
      Value begin = e.at(rowSums, product * sums.productBytes + half * run * 4);
      turn.bind(op.getAccumulator(product, half), e.load(e.f32, e.element(begin, row, 4)));
    }
}
