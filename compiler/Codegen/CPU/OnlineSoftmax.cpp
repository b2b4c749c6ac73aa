// SPDX-License-Identifier: Apache-2.0
//
// Everything is in powers of two, so that the scale and the conversion from powers of e are one multiplication, within
// the multiply-add that takes the largest score away. In bfloat16 weights are rounded to it before they are summed and
// before they multiply values, as transformers does it: values are then dot products, too. The total is of rounded
// weights, so that a weighted mean of equal values is that value.
#include "compiler/Codegen/CPU/OnlineSoftmax.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

static constexpr float infinity = std::numeric_limits<float>::infinity();

OnlineSoftmax::OnlineSoftmax(KernelEmitter &e, int64_t rows, int64_t heads, double scale, TileElements elements)
    : e(e), heads(heads), rows(rows), scale(scale * llvm::numbers::log2e), elements(elements) {
  int64_t padded = llvm::alignTo(rows, vectorLanes);
  scores = e.local(e.f32, blockTiles * rows * tileTokens);
  largest = e.local(e.f32, padded);
  factors = e.local(e.f32, padded);
  totals = e.local(e.f32, rows * vectorLanes);
  rounded = elements.takesBF16() ? e.local(e.i16, blockTiles * rows * tileTokens) : scores;
}

Value OnlineSoftmax::score(Value tile, Value row, int64_t vector) {
  return e.at(e.element(scores, e.add(row, e.mul(tile, rows)), tileTokens * 4), vector * vectorLanes * 4);
}

Value OnlineSoftmax::weights(Value tile, Value row) {
  return e.element(rounded, e.add(row, e.mul(tile, rows)), weightsBytes());
}

Value OnlineSoftmax::factor(Value row) { return e.load(e.f32, e.element(factors, row, 4)); }

Value OnlineSoftmax::changes(Value row) {
  Value factors16 = e.load(e.vf32, e.element(factors, row, 4), 64);
  Value differs = e.make<arith::CmpFOp>(arith::CmpFPredicate::UNE, factors16, e.splat(1));
  return e.make<vector::ReductionOp>(vector::CombiningKind::OR, differs);
}

Value OnlineSoftmax::total(Value row) { return e.addLanes(e.load(e.vf32, e.element(totals, row, 64), 64)); }

/// From minus infinity, the first block's factor is as good as 0, and sums of zeros stay zeros.
void OnlineSoftmax::begin() {
  e.pieces(llvm::alignTo(rows, vectorLanes), vectorLanes,
           [&](Value row, int64_t) { e.store(e.splat(-infinity), e.element(largest, row, 4), 64); });
  e.loop(e.integer(0), e.integer(rows), [&](Value row) { e.store(e.splat(0), e.element(totals, row, 64), 64); });
}

OnlineSoftmax::Lanes OnlineSoftmax::lanesOf(const Seen &seen) {
  Lanes lanes(seen.ends.size());
  for (auto [end, vectors] : llvm::zip_equal(seen.ends, lanes))
    for (int64_t vector = 0; vector < tileVectors; ++vector) {
      auto from = [&](Value position) { return e.narrow(e.sub(position, e.integer(vector * vectorLanes))); };
      vectors.push_back(e.laneRange(from(seen.begin), from(end)));
    }
  return lanes;
}

void OnlineSoftmax::emit(ArrayRef<Seen> tiles, Value row) {
  auto seen = llvm::map_to_vector(tiles, [&](const Seen &tile) { return lanesOf(tile); });
  int64_t tokens = tiles.front().ends.size();
  auto tokenOf = [&](int64_t row) { return tokens == 1 ? 0 : row / heads; };
  // The largest scores of all rows are found together, in code where none waits for another.
  e.pieces(tokens * heads, vectorLanes, [&](Value begin, int64_t count) {
    Value first = e.add(row, begin);
    SmallVector<Value> most(count);
    for (auto [i, of] : llvm::enumerate(most))
      for (auto [tile, lanes] : llvm::enumerate(seen))
        for (auto [vector, isSeen] : llvm::enumerate(lanes[tokenOf(i)])) {
          Value scored = e.load(e.vf32, score(tile, e.add(first, i), vector), 64);
          scored = e.select(isSeen, scored, e.splat(-infinity));
          of = of ? e.fmax(of, scored) : scored;
        }
    Value before = e.load(e.vf32, e.element(largest, first, 4), 64);
    Value now = e.fmax(e.fmul(largestScores(most), e.splat(scale)), before);
    Value factor = exp2(e.fsub(before, now));
    e.store(now, e.element(largest, first, 4), 64);
    e.store(factor, e.element(factors, first, 4), 64);
    int64_t ofToken = tokens == 1 ? count : heads;
    for (int64_t begin = 0; begin < count; begin += ofToken)
      e.loop(e.integer(begin), e.integer(begin + ofToken),
             [&](Value i) { emitWeights(seen, tokenOf(begin), e.add(first, i)); });
  });
}

/// The largest lane of each vector, in the lane of its number. Two vectors are compared by halves at once and become
/// one, so that several heads take few steps more than one does.
Value OnlineSoftmax::largestScores(ArrayRef<Value> vectors) {
  SmallVector<Value> state(vectors);
  state.resize(llvm::PowerOf2Ceil(vectors.size()), vectors.back());
  for (int64_t run = vectorLanes; run > 1; run /= 2) {
    // Each vector has runs of so many lanes, one for each head; halves of those of two vectors are the next one's runs.
    SmallVector<int64_t> low, high;
    for (int64_t begin = 0; begin < 2 * vectorLanes; begin += run)
      for (int64_t lane = begin; lane < begin + run / 2; ++lane) {
        low.push_back(lane);
        high.push_back(lane + run / 2);
      }
    if (state.size() == 1)
      state.push_back(state[0]);
    SmallVector<Value> next;
    for (size_t i = 0; i < state.size(); i += 2)
      next.push_back(e.fmax(e.make<vector::ShuffleOp>(state[i], state[i + 1], low),
                            e.make<vector::ShuffleOp>(state[i], state[i + 1], high)));
    state = next;
  }
  return state[0];
}

/// 2^x within 1e-7 of itself, of x at most 1; 2^-126 of everything below, NaN of NaN. The polynomial is the minimax one
/// of relative error on [-1/2, 1/2] with 1 at 0, by Remez' algorithm.
Value OnlineSoftmax::exp2(Value x) {
  constexpr double lowest = -126, bias = 127, magic = 0x1.8p23 + bias;
  constexpr double coefficients[] = {1.5594678e-4, 1.3406643e-3, 9.6176928e-3, 5.5503104e-2, 0.24022653, 0.69314724, 1};
  x = e.select(e.greater(e.splat(lowest), x), e.splat(lowest), x);
  // The sum's lowest bits are the nearest integer and the bias of exponents.
  Value shifted = e.fadd(x, e.splat(magic));
  Value rest = e.fsub(x, e.fsub(shifted, e.splat(magic)));
  Value power = e.splat(coefficients[0]);
  for (double coefficient : llvm::drop_begin(coefficients))
    power = e.fma(power, rest, e.splat(coefficient));
  Value bits = e.make<arith::BitcastOp>(e.vectorOf(e.i32), shifted);
  Value exponent = e.make<arith::ShLIOp>(bits, e.broadcast(e.integer(23, e.i32)));
  // A product and no sum of exponents: NaN has bits that could make a number of it.
  return e.fmul(power, e.make<arith::BitcastOp>(e.vf32, exponent));
}

/// Of one row of the token number `token`, whose largest score and factor are stored.
void OnlineSoftmax::emitWeights(ArrayRef<Lanes> seen, int64_t token, Value row) {
  Value total = e.fmul(e.load(e.vf32, e.element(totals, row, 64), 64), e.broadcast(factor(row)));
  Value less = e.make<arith::NegFOp>(e.broadcast(e.load(e.f32, e.element(largest, row, 4))));
  for (auto [tile, lanes] : llvm::enumerate(seen)) {
    SmallVector<Value> powers;
    for (auto [vector, isSeen] : llvm::enumerate(lanes[token])) {
      Value scored = e.load(e.vf32, score(tile, row, vector), 64);
      Value power = exp2(e.fma(scored, e.splat(scale), less));
      powers.push_back(e.select(isSeen, power, e.splat(0)));
    }
    total = emitTile(tile, row, powers, total);
  }
  e.store(total, e.element(totals, row, 64), 64);
}

/// Stores the weights of a tile and adds them to `total`. In bfloat16 a lane sums pairs of positions, the odd one
/// first, as a dot product with ones does.
Value OnlineSoftmax::emitTile(int64_t tile, Value row, ArrayRef<Value> powers, Value total) {
  static_assert(tileVectors == 2);
  Value to = weights(tile, row);
  if (elements.takesBF16()) {
    constexpr int64_t ones = 0x3f803f80;
    Value pairs = e.narrow32(powers[0], powers[1]);
    e.store(pairs, to, 64);
    return e.dotBF16(total, pairs, e.broadcast(e.integer(ones, e.i32)));
  }
  SmallVector<Value> stored(powers);
  SmallVector<int64_t> odd, even;
  for (int64_t lane = 0; lane < tileTokens; lane += 2) {
    even.push_back(lane);
    odd.push_back(lane + 1);
  }
  if (elements.isPaired())
    for (Value &power : stored)
      power = e.widenBF16(e.narrow16(power));
  for (auto [vector, power] : llvm::enumerate(stored))
    e.store(power, e.at(to, vector * vectorLanes * 4), 64);
  if (!elements.isPaired())
    return e.fadd(e.fadd(total, stored[0]), stored[1]);
  total = e.fadd(total, e.make<vector::ShuffleOp>(stored[0], stored[1], odd));
  return e.fadd(total, e.make<vector::ShuffleOp>(stored[0], stored[1], even));
}
