// SPDX-License-Identifier: Apache-2.0
//
// Rows that the product can read where they lie are read there. Others, gathered, computed or of another width, are
// staged by the input region into memory of the worker, once for all cells of a call. Behind a staged row there is room
// for a whole vector, so that the last store needs no mask; what it writes there is zero, which a product may read as
// the second half of an odd pair.

#include "compiler/Codegen/CPU/GemmInput.h"
#include "compiler/Codegen/CPU/RowFetch.h"
#include "compiler/Codegen/CPU/ScalarRegion.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

Value RowBlock::row(Emitter &e, Value index) const {
  return list ? e.widen(e.load(e.i32, e.element(list, index, 4))) : e.add(begin, index);
}

Value RowBlock::rowAhead(Emitter &e, Value index, int64_t ahead) const {
  return row(e, e.min(e.add(index, ahead), e.sub(count, e.integer(1))));
}

/// Writes the elements [begin, begin + count) of a row. The row is followed by room for whole vectors.
static LogicalResult emitElements(KernelEmitter &e, Region &region, const ScalarRegion &row, bool asBF16, Value to,
                                  Value begin, int64_t count) {
  // Argument 0 is the row and argument 1 the column of the input that is computed.
  Value yielded = cast<kernel::YieldOp>(region.front().getTerminator()).getValue();
  ScalarRegion piece = row;
  piece.bind(region.getArgument(1), LaneValue::consecutive(begin, vectorLanes));
  if (failed(piece.emitVarying(piece.slice(yielded), ActiveLanes{count})))
    return failure();
  Value value = LaneMath(e).vector(piece.get(yielded));
  // What the region gives beyond the row is of no meaning, perhaps NaN, which zeros in a weight's padding would not
  // hide.
  if (count < vectorLanes) {
    Value none = e.broadcast(yielded.getType().isBF16() ? e.integer(0, e.i16) : e.real(0));
    value = e.select(e.laneRange(e.integer(0), e.integer(count)), value, none);
  }
  if (yielded.getType().isBF16() && !asBF16)
    value = e.widenBF16(value);
  e.store(value, e.element(to, begin, asBF16 ? 2 : 4));
  return success();
}

LogicalResult codegen::emitInputRows(KernelEmitter &e, Region &region, int64_t depth, bool asBF16, const RowBlock &rows,
                                     Value to, int64_t stride) {
  LogicalResult result = success();
  Value yielded = cast<kernel::YieldOp>(region.front().getTerminator()).getValue();
  RowFetch fetch(e, region, region.getArgument(0), region.getArgument(1));
  e.loop(e.integer(0), rows.count, [&](Value i) {
    Value next = rows.rowAhead(e, i, 1);
    ScalarRegion row(e, region, region.getArgument(1));
    row.bind(region.getArgument(0), LaneValue::uniform(rows.row(e, i)));
    if (failed(row.emitInvariant(row.slice(yielded))))
      result = failure();
    e.pieces(depth, vectorLanes, [&](Value begin, int64_t count) {
      fetch.emit(next, begin, count);
      if (succeeded(result))
        result = emitElements(e, region, row, asBF16, e.element(to, i, stride), begin, count);
    });
  });
  return result;
}

GemmInput::GemmInput(KernelEmitter &e, kernel::GemmOp op, unsigned product, TileElements elements, int64_t mostRows)
    : e(e), op(op), product(product), elements(elements), depth(op.getDepth(product)) {
  rowStride = depth * elements.inputBytes();
  // A step reads a pair of bf16: behind an odd row the second half must be zero, which it is only in a staged copy.
  bool wholeSteps = elements.kind == TileElements::F32 || depth % 2 == 0;
  Value plain = op.getPlainInput(product);
  // Rows of a list do not follow one another in memory.
  bool follow = !op.getExperts() || op.getOrder();
  bool inPlace = plain && cast<kernel::ViewType>(plain.getType()).isRowMajor() && follow && wholeSteps &&
                 elements.kind != TileElements::BF16Widened;
  if (inPlace) {
    rowStride = cast<kernel::ViewType>(plain.getType()).getDimSize(1) * elements.inputBytes();
    return;
  }
  // A line more than the row needs: rows a power of two apart would share the same few places of the cache.
  rowStride = llvm::alignTo(rowStride, 64) + 64;
  staged = e.scratch(mostRows * rowStride);
}

LogicalResult GemmInput::stage(const RowBlock &rows) {
  if (!staged)
    return success();
  return emitInputRows(e, op.getInputs()[product], depth, elements.takesBF16(), rows, staged, rowStride);
}

Value GemmInput::address(const RowBlock &rows) {
  // Rows that are read in place follow one another without a gap.
  return staged ? staged : e.element(e.address(op.getPlainInput(product)), rows.begin, rowStride);
}
