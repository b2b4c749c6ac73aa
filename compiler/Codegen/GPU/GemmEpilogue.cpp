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

/// The features that the body runs for at once: a group where it adds over one, else those of a tile, or of a cell
/// where it runs for several rows, too.
static int64_t groupWidthOf(kernel::GemmOp op, int64_t cellFeatures, int64_t together) {
  bool sums = !op.getBody().getOps<kernel::SumOp>().empty();
  return sums ? static_cast<int64_t>(*op.getGroup()) : together > 1 ? cellFeatures : op.getTileFeatures();
}

GemmEpilogue::GemmEpilogue(KernelEmitter &e, kernel::GemmOp op, int64_t cellTiles, int64_t together)
    : e(e), op(op), cellFeatures((cellTiles ? cellTiles : op.getCellTiles()) * op.getTileFeatures()),
      groupWidth(groupWidthOf(op, cellFeatures, together)), together(together) {}

LogicalResult GemmEpilogue::emit(Value cell, const RowBlock &rows, const Sums &sums, function_ref<Value(Value)> takes) {
  LogicalResult result = success();
  int64_t warps = e.threads / warpLanes, all = warps * together;
  Value whole = e.integer(0);
  auto emitOne = [&](Value index) {
    auto emitRow = [&] { result = succeeded(result) ? emitRows(cell, rows, index, sums) : failure(); };
    takes ? e.when(takes(rows.row(e, index)), emitRow) : emitRow();
  };
  if (together > 1) {
    whole = e.mul(e.div(rows.count, all), all);
    e.loop(e.warp, whole, all, {}, [&](Value first, ValueRange) -> OpEmitter::Values {
      SmallVector<Value> indices;
      Value takesAll = e.integer(1, e.i1);
      for (int64_t i = 0; i < together; ++i) {
        indices.push_back(e.add(first, i * warps));
        if (takes)
          takesAll = e.bitAnd(takesAll, takes(rows.row(e, indices.back())));
      }
      auto emitAll = [&] { result = emitRows(cell, rows, indices, sums); };
      if (!takes)
        emitAll();
      else
        e.when(takesAll, emitAll, [&] {
          e.loop(e.integer(0), e.integer(together), [&](Value i) { emitOne(e.add(first, e.mul(i, warps))); });
        });
      return {};
    });
  }
  e.loop(e.add(whole, e.warp), rows.count, warps, {}, [&](Value index, ValueRange) -> OpEmitter::Values {
    emitOne(index);
    return {};
  });
  return result;
}

LogicalResult GemmEpilogue::emitRows(Value cell, const RowBlock &block, ArrayRef<Value> indices, const Sums &sums) {
  SmallVector<Value> rows, rowSums;
  for (Value index : indices) {
    rows.push_back(block.row(e, index));
    rowSums.push_back(e.at(sums.at, e.mul(index, sums.rowBytes)));
  }
  return emitGroups(cell, rows, rowSums, sums);
}

LogicalResult GemmEpilogue::emitGroups(Value cell, ArrayRef<Value> rows, ArrayRef<Value> rowSums, const Sums &sums) {
  int64_t features = op.getFeatures(), tail = features % groupWidth;
  SmallVector<Value> varying(op.getBody().getArguments().drop_back(2));
  varying.push_back(op.getFeature());
  std::vector<ScalarRegion> regions;
  for (Value row : rows) {
    regions.emplace_back(e, op.getBody(), varying);
    regions.back().bind(op.getRow(), row);
    if (failed(regions.back().emitRowConstants()))
      return failure();
  }
  Value firstFeature = e.mul(cell, cellFeatures);
  Value groups =
      e.min(e.ceilDiv(e.sub(e.integer(features), firstFeature), groupWidth), e.integer(cellFeatures / groupWidth));
  LogicalResult result = success();
  auto emitWide = [&](Value feature, Value column, int64_t width) {
    for (auto [region, own] : llvm::zip_equal(regions, rowSums))
      if (failed(emitGroup(region, feature, column, own, sums, width)))
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
