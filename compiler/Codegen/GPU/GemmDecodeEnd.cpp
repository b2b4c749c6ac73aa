// SPDX-License-Identifier: Apache-2.0
//
// The end of a cell of the form `decode`. Where one block has all units of it, its sums are in shared memory. Where
// several do, each leaves what it has in a workspace, and whoever comes last adds all ranges in ascending order: no bit
// depends on where the borders of shares lie. The last one runs the body, which masks the rows of other experts.
#include "compiler/Codegen/GPU/GemmDecodeFrame.h"
#include "compiler/Codegen/GPU/GemmEpilogue.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

namespace {

class DecodeCellEnd {
public:
  DecodeCellEnd(DecodeFrame &frame, const DecodeMember &member, const DecodeUnit &unit)
      : frame(frame), e(frame.e), member(member), unit(unit), shares(frame.sharesOf(member)) {}

  LogicalResult run();

private:
  using Values = OpEmitter::Values;

  /// Neighbouring sums of a row that a thread has at once.
  static constexpr int64_t width = 4;

  Value endTogether();
  void forSums(function_ref<void(Value tileBegin, Value sum, Value at)> body);
  Value addRanges(Value left, Value first);

  Type wideType() { return VectorType::get({width}, e.f32); }
  Value load(Value address) { return e.load(wideType(), address, width * 4); }
  void store(Value value, Value address) { e.store(value, address, width * 4); }

  DecodeFrame &frame;
  KernelEmitter &e;
  const DecodeMember &member;
  const DecodeUnit &unit;
  DecodeShares &shares;
};

} // namespace

LogicalResult DecodeCellEnd::run() {
  kernel::GemmOp op = member.op;
  LogicalResult result = success();
  Value isWhole = e.bitAnd(e.compare(arith::CmpIPredicate::sge, unit.begin, shares.ownBegin),
                           e.compare(arith::CmpIPredicate::sle, unit.end, shares.ownEnd));
  Values isDone = e.either(
      isWhole, e.i1,
      [&]() -> Values {
        e.barrier();
        return {isWhole};
      },
      [&]() -> Values { return {endTogether()}; });
  e.when(isDone[0], [&] {
    Value ids = member.byExpert ? e.address(op.getExperts()) : Value();
    Value expert = member.byExpert ? e.load(e.i32, e.element(member.list, unit.slot, 4)) : Value();
    auto isChosen = [&](Value row) { return e.equal(e.loadConstant(e.i32, e.element(ids, e.widen(row), 4)), expert); };
    GemmEpilogue epilogue(e, op);
    GemmEpilogue::Sums sums = {frame.place(frame.layout.sums), DecodeLayout::sumStride(member.cellTiles), 0};
    RowBlock rows = {e.integer(0), Value(), member.rows};
    if (failed(member.byExpert ? epilogue.emit(unit.cell, rows, sums, isChosen) : epilogue.emit(unit.cell, rows, sums)))
      result = failure();
  });
  return result;
}

/// Leaves what the block has summed of the tiles that it began, and adds all ranges up where the block comes last: true
/// then, with the sums of the cell in shared memory.
Value DecodeCellEnd::endTogether() {
  Value owner = shares.owner(unit.begin), left = frame.sumsOf(member, owner);
  e.barrier();
  forSums([&](Value tileBegin, Value sum, Value at) {
    Value isOurs =
        e.bitAnd(e.compare(arith::CmpIPredicate::sge, tileBegin, shares.ownBegin), e.less(tileBegin, shares.ownEnd));
    e.when(isOurs, [&] { store(load(sum), e.at(left, e.widen(at))); });
  });
  Value done = e.sub(e.min(unit.end, shares.ownEnd), e.max(unit.begin, shares.ownBegin));
  Value counter = e.element(e.address(frame.counters), e.widen(frame.placeOf(member, owner)), 4);
  Value isLast = e.arriveLast(counter, done, e.integer(member.cellUnits()), frame.place(frame.layout.flag));
  e.when(isLast, [&] {
    forSums([&](Value tileBegin, Value sum, Value at) {
      // The block that began the tile has added the first ranges.
      Value first = e.sub(shares.begin(e.add(shares.owner(tileBegin), 1)), tileBegin);
      store(addRanges(e.at(left, e.widen(at)), first), sum);
    });
    e.barrier();
  });
  return isLast;
}

/// All sums of a cell, `width` at once, shared out among the threads, which have eight rows of a tile together: the
/// first unit of their weight tile, where they lie in shared memory and how far from the beginning of the cell's place
/// in the workspace.
void DecodeCellEnd::forSums(function_ref<void(Value tileBegin, Value sum, Value at)> body) {
  int64_t rowParts = member.cellRows() / width, stride = DecodeLayout::sumStride(member.cellTiles);
  e.loop(e.thread, e.mul(member.rows, rowParts), DecodeFrame::readers, {}, [&](Value i, ValueRange) -> Values {
    Value row = e.div(i, rowParts), column = e.mul(e.rem(i, rowParts), width);
    Value tile = e.div(column, schema::kTile64x128.tile_rows);
    body(e.add(unit.begin, e.mul(tile, member.ranges)),
         e.at(frame.place(frame.layout.sums), e.add(e.mul(row, stride), e.mul(column, 4))), e.mul(i, width * 4));
    return {};
  });
}

/// Adds to the sums at `left` those of the ranges from `first` on, and leaves the workspace zero. Several loads are on
/// their way at once: ptxas keeps them so only if what is behind the last range is chosen before it is added, not
/// after.
Value DecodeCellEnd::addRanges(Value left, Value first) {
  constexpr int64_t batch = 8;
  Value zero = e.make<arith::ConstantOp>(cast<TypedAttr>(e.b.getZeroAttr(wideType())));
  // What changes no sum, whatever its sign.
  Value nothing = e.make<arith::ConstantOp>(DenseElementsAttr::get(cast<ShapedType>(wideType()), -0.0f));
  Value ranges = e.integer(member.ranges);
  auto rangeAt = [&](Value range) { return e.element(left, e.widen(range), member.tileRows * member.cellRows() * 4); };
  Value begun = load(left);
  store(zero, left);
  return e.loop(first, ranges, batch, {begun}, [&](Value range, ValueRange so) -> Values {
    Values loaded;
    for (int64_t j = 0; j < batch; ++j)
      loaded.push_back(load(rangeAt(e.min(e.add(range, j), e.integer(member.ranges - 1)))));
    Value all = so[0];
    for (int64_t j = 0; j < batch; ++j)
      all = e.fadd(all, e.select(e.less(e.add(range, j), ranges), loaded[j], nothing));
    for (int64_t j = 0; j < batch; ++j)
      e.when(e.less(e.add(range, j), ranges), [&] { store(zero, rangeAt(e.add(range, j))); });
    return {all};
  })[0];
}

LogicalResult cuda::endCell(DecodeFrame &frame, unsigned member, const DecodeUnit &unit) {
  return DecodeCellEnd(frame, frame.members[member], unit).run();
}
