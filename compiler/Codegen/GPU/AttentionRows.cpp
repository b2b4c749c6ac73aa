// SPDX-License-Identifier: Apache-2.0
//
// A row is changed by the positions that it sees and by no others: where it sees none of a block, its largest score
// stays, the factor is 1 and every weight is 0. So its bits depend neither on the tile nor on the other rows. Scores
// stay unscaled; e^(scale · (s - m)) is 2^(c · s - c · m), one multiply-add and one instruction of the special function
// unit, of which there are as many as the tile has scores.
#include "compiler/Codegen/GPU/AttentionRows.h"

#include "compiler/Codegen/GPU/AttentionLayout.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

namespace {

constexpr int64_t warpRows = 16, halfRows = 8, columnTile = 8, stepDepth = 16;
constexpr int64_t positions = AttentionLayout::blockPositions;
constexpr float lowest = -std::numeric_limits<float>::infinity();

} // namespace

void RowSoftmax::enter() {
  Value first = e.mul(e.warp, warpRows);
  for (int64_t half = 0; half < 2; ++half)
    rows[half] = tile.rowAt(e.add(e.add(first, e.div(e.lane, 4)), half * halfRows));
  TileRow least = tile.rowAt(first), most = tile.rowAt(e.add(first, warpRows - 1));
  low = least.low;
  high = e.select(least.isThere, e.add(most.position, 1), e.integer(0));
}

Value RowSoftmax::sees(Value start) { return e.bitAnd(e.less(start, high), e.less(low, e.add(start, positions))); }

SmallVector<RowSoftmax::Values> RowSoftmax::queries() {
  Value query = cell.op.getQuery();
  Value from[2];
  for (int64_t half = 0; half < 2; ++half)
    from[half] = e.at(e.element(e.address(query), rows[half].index, cell.width * 2), e.widen(e.mul(column(), 2)));
  SmallVector<Values> steps;
  for (int64_t step = 0; step < cell.width / stepDepth; ++step) {
    Values a;
    for (int64_t i = 0; i < 4; ++i)
      a.push_back(e.loadFrom(query, e.i32, e.at(from[i % 2], (step * stepDepth + i / 2 * columnTile) * 2)));
    steps.push_back(a);
  }
  return steps;
}

RowSoftmax::Values RowSoftmax::zero() {
  Values state(totalsAt, e.real(lowest));
  state.append(sumsAt - totalsAt + static_cast<size_t>(cell.width / 2), e.real(0));
  return state;
}

//===----------------------------------------------------------------------===//
// A block of positions
//===----------------------------------------------------------------------===//

Value RowSoftmax::power(Value x) {
  return e.make<LLVM::CallIntrinsicOp>(e.f32, e.b.getStringAttr("llvm.nvvm.ex2.approx.ftz"), ValueRange{x})
      .getResult(0);
}

RowSoftmax::Values RowSoftmax::masked(Values scores, Value start) {
  for (int64_t half = 0; half < 2; ++half) {
    // Counted from the lane's first position on, the row sees those from `first` to `last`.
    Value begin = e.add(start, column()), last = e.sub(rows[half].position, begin), first;
    if (cell.op.getChunk())
      first = e.sub(rows[half].low, begin);
    for (int64_t i = 0; i < positions / columnTile * 2; ++i) {
      Value offset = e.integer(i / 2 * columnTile + i % 2), &score = scores[i / 2 * 4 + 2 * half + i % 2];
      Value isSeen = e.compare(arith::CmpIPredicate::sge, last, offset);
      if (first)
        isSeen = e.bitAnd(isSeen, e.compare(arith::CmpIPredicate::sge, offset, first));
      score = e.select(isSeen, score, e.real(lowest));
    }
  }
  return scores;
}

RowSoftmax::Weights RowSoftmax::add(Values scores, Value start, Value isWhole, Values &state) {
  scores = e.either(
      isWhole, TypeRange(ValueRange(scores)), [&] { return scores; }, [&] { return masked(scores, start); });
  Value scale = e.real(cell.scale * llvm::numbers::log2e);
  for (size_t half = 0; half < 2; ++half) {
    auto own = [&](size_t i) -> Value & { return scores[i / 2 * 4 + 2 * half + i % 2]; };
    constexpr size_t count = positions / columnTile * 2;
    Value most = own(0);
    for (size_t i = 1; i < count; ++i)
      most = maximum(most, own(i));
    for (int64_t bits : {1, 2})
      most = maximum(most, e.shuffleXor(most, bits));
    Value &largest = state[largestAt + half];
    Value next = maximum(largest, most);
    // A row that has seen nothing yet has to have an exponent all the same.
    Value exponent = maximum(e.fmul(next, scale), e.real(std::numeric_limits<float>::lowest()));
    Value factor = power(e.fsub(e.fmul(largest, scale), exponent)), minus = e.make<arith::NegFOp>(exponent);
    largest = next;
    auto totals = MutableArrayRef(state).slice(totalsAt + 2 * half, 2);
    for (Value &total : totals)
      total = e.fmul(total, factor);
    for (size_t i = 0; i < count; ++i) {
      own(i) = power(e.fma(own(i), scale, minus));
      totals[i % 2] = e.fadd(totals[i % 2], own(i));
    }
    MutableArrayRef<Value> sums = sumsOf(state);
    for (size_t i = 0; i < sums.size(); ++i)
      if (i / 2 % 2 == half)
        sums[i] = e.fmul(sums[i], factor);
  }
  return splitWeights(scores);
}

/// A register of two bfloat16 numbers, the first in the lower half.
Value RowSoftmax::pack(Value first, Value second) {
  auto pair = VectorType::get({2}, cell.cache.getElementType());
  auto packed =
      e.make<LLVM::CallIntrinsicOp>(pair, e.b.getStringAttr("llvm.nvvm.ff2bf16x2.rn"), ValueRange{second, first});
  return e.bitcast(e.i32, packed.getResult(0));
}

RowSoftmax::Weights RowSoftmax::splitWeights(ArrayRef<Value> weights) {
  Weights split;
  for (size_t step = 0; step < positions / stepDepth; ++step) {
    Values nearest, rest;
    for (size_t i = 0; i < 4; ++i) {
      Value first = weights[8 * step + 2 * i], second = weights[8 * step + 2 * i + 1], both = pack(first, second);
      nearest.push_back(both);
      Value low = e.bitcast(e.f32, e.shiftLeft(both, e.integer(16)));
      Value high = e.bitcast(e.f32, e.bitAnd(both, 0xffff0000));
      rest.push_back(pack(e.fsub(first, low), e.fsub(second, high)));
    }
    split.nearest.push_back(nearest);
    split.rest.push_back(rest);
  }
  return split;
}

//===----------------------------------------------------------------------===//
// The end
//===----------------------------------------------------------------------===//

void RowSoftmax::write(Values state) {
  Value out = e.address(cell.op.getOut());
  for (size_t half = 0; half < 2; ++half) {
    // Partial sums i and i + 4, then i and i + 2, of two lanes each; then i and i + 1.
    auto totals = MutableArrayRef(state).slice(totalsAt + 2 * half, 2);
    for (int64_t bits : {2, 1})
      for (Value &total : totals)
        total = e.fadd(total, e.shuffleXor(total, bits));
    Value share = e.fdiv(e.real(1), e.fadd(totals[0], totals[1]));
    Value to = e.at(e.element(out, rows[half].index, cell.width * 2), e.widen(e.mul(column(), 2)));
    ArrayRef<Value> sums = sumsOf(state);
    e.when(rows[half].isThere, [&] {
      for (size_t i = 0; i < sums.size(); i += 4)
        e.store(pack(e.fmul(sums[i + 2 * half], share), e.fmul(sums[i + 2 * half + 1], share)),
                e.at(to, static_cast<int64_t>(i / 4 * columnTile * 2)));
    });
  }
}
