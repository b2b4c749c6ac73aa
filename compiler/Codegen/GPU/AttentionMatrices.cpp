// SPDX-License-Identifier: Apache-2.0
//
// Four warps go through blocks of 64 positions. For scores keys are operand A of mma.sync m16n8k16, 16 positions to a
// warp, and the group's query heads are the columns of B, 8 to an instruction; a group that is smaller has columns of
// zeros. For values the features are the rows of A, transposed as they are loaded, and the weights are B. A weight is
// float32: it goes in as two bfloat16 numbers, so that rounding it costs less than the additions do.
#include "compiler/Codegen/GPU/Attention.h"
#include "compiler/Codegen/GPU/AttentionRing.h"
#include "compiler/Codegen/GPU/Matrices.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

namespace {

using Layout = AttentionLayout;
constexpr int64_t warps = Layout::threads / warpLanes;
/// Positions of a warp in a block, and k of an instruction.
constexpr int64_t warpPositions = Layout::blockPositions / warps, stepDepth = 16;
static_assert(warpPositions == 16);
/// Columns of an instruction: query heads.
constexpr int64_t tileHeads = 8;

class MatrixAttention : public AttentionForm {
public:
  MatrixAttention(AttentionCell &cell, int64_t stages);

  void forHeads(function_ref<void()> body) override;
  SoftmaxState zero() override;
  SoftmaxState compute(Value begin, Value end) override;
  void write(const SoftmaxState &state) override;
  void store(const SoftmaxState &state, Value place) override;

protected:
  /// Sums are ordered by tile of features, tile of heads and register; registers 0 and 2 are of one head.
  size_t headOf(size_t sum) const override { return sum / 4 % headTiles * 2 + sum % 2; }

private:
  using Values = OpEmitter::Values;
  void enterQueries();
  Value place(int64_t offset) { return e.at(base, offset); }
  Values scores(Value keys);
  /// The largest of each of the thread's heads in the block, of all warps.
  Values largestOf(ArrayRef<Value> scores);
  SoftmaxState addBlock(const SegmentPositions &positions, Value index, Value stage, const SoftmaxState &before);
  void storeWeight(Value weight, Value head, Value position);
  void addValues(Value values, Values &sums);
  /// Sums over the partial sums of all positions of a block, of each of the thread's heads.
  Values addPartials(ArrayRef<Value> partials);
  /// Tiles of 16 features that a warp has: number w, w + 4 and so on. `body` runs where there is one.
  void whenFeatures(int64_t turn, function_ref<void(Value)> body);
  /// Runs `body` for every weighted sum of the thread, with the sum's number, its query head and its feature.
  void forSums(function_ref<void(size_t, Value, Value)> body);
  /// The lane's first head of a tile of heads; it has the next one, too.
  Value headOfLane(int64_t tile) { return e.add(e.mul(e.rem(e.lane, 4), 2), tile * tileHeads); }

  int64_t width, headTiles;
  int64_t featureTurns; ///< Most tiles of features that a warp has.
  Layout layout;
  Value base;     ///< Of the block's shared memory.
  Values queries; ///< B fragments: [tile of heads][step of 16 features][2].
};

} // namespace

MatrixAttention::MatrixAttention(AttentionCell &cell, int64_t stages)
    : AttentionForm(cell), width(cell.width), headTiles(llvm::divideCeil(cell.group, tileHeads)),
      featureTurns(llvm::divideCeil(width / stepDepth, warps)), layout(width, headTiles * tileHeads, stages) {
  base = e.shared(layout.bytes);
}

void MatrixAttention::forHeads(function_ref<void()> body) {
  enterQueries();
  body();
}

/// A lane has the query head l div 4 of each tile of heads, and its features 2 (l mod 4) and the next one, those and
/// the ones 8 further, of each step.
void MatrixAttention::enterQueries() {
  queries.clear();
  Value lane = e.mul(e.rem(e.lane, 4), 4);
  for (int64_t tile = 0; tile < headTiles; ++tile) {
    Value head = e.add(e.div(e.lane, 4), tile * tileHeads), isHead = e.less(head, e.integer(cell.group));
    Value row = e.add(cell.firstHead(), e.widen(e.min(head, e.integer(cell.group - 1))));
    Value from = e.at(e.element(e.address(cell.op.getQuery()), row, width * 2), e.widen(lane));
    for (int64_t half = 0; half < width / 8; ++half) {
      Value loaded = e.loadFrom(cell.op.getQuery(), e.i32, e.at(from, half * 16));
      queries.push_back(e.select(isHead, loaded, e.integer(0)));
    }
  }
}

SoftmaxState MatrixAttention::zero() {
  size_t heads = 2 * headTiles;
  return {Values(heads, e.real(-std::numeric_limits<float>::infinity())), Values(heads, e.real(0)),
          Values(featureTurns * headTiles * 4, e.real(0))};
}

//===----------------------------------------------------------------------===//
// A segment
//===----------------------------------------------------------------------===//

SoftmaxState MatrixAttention::compute(Value begin, Value end) {
  SegmentPositions positions(e, begin, end);
  SoftmaxState state = zero();
  size_t heads = state.largest.size();
  // Of the sum of exponentials a thread has two partial sums for each head, those of positions l div 4 and 8 further.
  state.totals.append(heads, e.real(0));
  auto add = [&](Value index, Value stage, ValueRange carried) {
    SoftmaxState before = {Values(carried.take_front(heads)), Values(carried.slice(heads, 2 * heads)),
                           Values(carried.drop_front(3 * heads))};
    return addBlock(positions, index, stage, before).flat();
  };
  Values all = KeyValueRing(cell, layout, place(layout.ring)).walk(positions, state.flat(), add);
  state.largest.assign(all.begin(), all.begin() + heads);
  state.totals = addPartials(ArrayRef(all).slice(heads, 2 * heads));
  state.sums.assign(all.begin() + 3 * heads, all.end());
  return state;
}

//===----------------------------------------------------------------------===//
// A block of positions
//===----------------------------------------------------------------------===//

/// Products of the warp's 16 keys and all query heads: [tile of heads][4]. Registers 0 and 1 are of position l div 4, 2
/// and 3 of the one 8 further, 0 and 2 of the lane's first head.
MatrixAttention::Values MatrixAttention::scores(Value keys) {
  Values sums(headTiles * 4, e.real(0));
  Value row = e.add(e.mul(e.warp, warpPositions), e.rem(e.lane, warpPositions));
  Value from = e.at(keys, e.add(e.mul(row, layout.rowBytes), e.mul(e.div(e.lane, warpPositions), 16)));
  for (int64_t step = 0; step < width / stepDepth; ++step) {
    Values a = loadMatrices(e, e.at(from, step * stepDepth * 2));
    for (int64_t tile = 0; tile < headTiles; ++tile)
      multiplyMatrices(e, a, ArrayRef(queries).slice((tile * width / stepDepth + step) * 2, 2),
                       MutableArrayRef(sums).slice(4 * tile, 4));
  }
  return sums;
}

MatrixAttention::Values MatrixAttention::largestOf(ArrayRef<Value> scores) {
  int64_t rowBytes = headTiles * tileHeads * 4;
  auto pair = VectorType::get({2}, e.f32);
  Value maxima = place(layout.maxima);
  for (int64_t tile = 0; tile < headTiles; ++tile) {
    Values both;
    for (int64_t i = 0; i < 2; ++i) {
      Value most = e.fmax(scores[4 * tile + i], scores[4 * tile + i + 2]);
      for (int64_t bits : {4, 8, 16})
        most = e.fmax(most, e.shuffleXor(most, bits));
      both.push_back(most);
    }
    e.when(e.less(e.lane, e.integer(4)), [&] {
      Value to = e.add(e.mul(e.warp, rowBytes), e.mul(headOfLane(tile), 4));
      e.store(e.vector(both), e.at(maxima, to), 8);
    });
  }
  e.barrier();
  Values largest;
  for (int64_t tile = 0; tile < headTiles; ++tile) {
    Value from = e.at(maxima, e.mul(headOfLane(tile), 4));
    Values both;
    for (int64_t warp = 0; warp < warps; ++warp) {
      Value loaded = e.load(pair, e.at(from, warp * rowBytes), 8);
      for (int64_t i = 0; i < 2; ++i) {
        Value most = e.extract(loaded, i);
        warp == 0 ? both.push_back(most) : void(both[i] = e.fmax(both[i], most));
      }
    }
    largest.append(both);
  }
  return largest;
}

SoftmaxState MatrixAttention::addBlock(const SegmentPositions &positions, Value index, Value stage,
                                       const SoftmaxState &before) {
  Value lowest = e.real(-std::numeric_limits<float>::infinity());
  Values scaled = scores(e.at(stage, layout.keys));
  Value inBlock = e.add(e.mul(e.warp, warpPositions), e.div(e.lane, 4));
  Value start = e.mul(e.add(positions.first, index), Layout::blockPositions);
  Value seen[2], places[2];
  for (int64_t half = 0; half < 2; ++half) {
    places[half] = e.add(inBlock, half * 8);
    Value position = e.add(start, places[half]);
    seen[half] =
        e.bitAnd(e.compare(arith::CmpIPredicate::sge, position, positions.begin), e.less(position, positions.end));
  }
  for (size_t i = 0; i < scaled.size(); ++i)
    scaled[i] = e.select(seen[i / 2 % 2], e.fmul(scaled[i], e.real(cell.scale)), lowest);
  SoftmaxState next;
  Values factors;
  for (auto [most, last] : llvm::zip(largestOf(scaled), before.largest)) {
    next.largest.push_back(e.fmax(most, last));
    factors.push_back(e.exp(e.fsub(last, next.largest.back())));
  }
  size_t heads = factors.size();
  next.totals.resize(2 * heads);
  for (size_t i = 0; i < scaled.size(); ++i) {
    size_t head = i / 4 * 2 + i % 2, half = i / 2 % 2, partial = half * heads + head;
    Value weight = e.select(seen[half], e.exp(e.fsub(scaled[i], next.largest[head])), e.real(0));
    next.totals[partial] = e.fadd(e.fmul(before.totals[partial], factors[head]), weight);
    storeWeight(weight, e.add(headOfLane(static_cast<int64_t>(head / 2)), static_cast<int64_t>(head % 2)),
                places[half]);
  }
  for (auto [i, sum] : llvm::enumerate(before.sums))
    next.sums.push_back(e.fmul(sum, factors[headOf(i)]));
  e.barrier();
  addValues(e.at(stage, layout.values), next.sums);
  return next;
}

/// The nearest bfloat16, and the nearest to what that leaves.
void MatrixAttention::storeWeight(Value weight, Value head, Value position) {
  Type bf16 = cell.cache.getElementType();
  Value to = e.at(place(layout.weights), e.add(e.mul(head, Layout::weightRowBytes), e.mul(position, 2)));
  Value high = e.make<arith::TruncFOp>(bf16, weight);
  e.store(high, to);
  Value left = e.fsub(weight, e.make<arith::ExtFOp>(e.f32, high));
  e.store(e.make<arith::TruncFOp>(bf16, left), e.at(to, layout.weightBytes));
}

void MatrixAttention::whenFeatures(int64_t turn, function_ref<void(Value)> body) {
  Value tile = e.add(e.warp, turn * warps);
  if ((turn + 1) * warps * stepDepth <= width)
    return body(tile);
  e.when(e.less(tile, e.integer(width / stepDepth)), [&] { body(tile); });
}

/// Adds weight times value by ascending positions, 16 at once: first the nearest numbers, then what they leave.
void MatrixAttention::addValues(Value values, Values &sums) {
  constexpr int64_t steps = Layout::blockPositions / stepDepth;
  // Lanes name rows of a value, 8 positions and 8 features to a matrix: (0, 0), (0, 8), (8, 0), (8, 8).
  Value row = e.add(e.rem(e.lane, 8), e.mul(e.div(e.lane, 16), 8)), chunk = e.rem(e.div(e.lane, 8), 2);
  Value from = e.at(values, e.add(e.mul(row, layout.rowBytes), e.mul(chunk, 16)));
  // A matrix of weights is 8 heads by 8 positions, so four of them are two steps.
  Value weights =
      e.at(place(layout.weights), e.add(e.mul(e.rem(e.lane, 8), Layout::weightRowBytes), e.mul(e.div(e.lane, 8), 16)));
  for (int64_t step = 0; step < steps; step += 2) {
    SmallVector<Values> parts;
    for (int64_t tile = 0; tile < headTiles; ++tile)
      for (int64_t part = 0; part < 2; ++part)
        parts.push_back(loadMatrices(e, e.at(weights, tile * tileHeads * Layout::weightRowBytes +
                                                          part * layout.weightBytes + step * stepDepth * 2)));
    for (int64_t turn = 0; turn < featureTurns; ++turn) {
      MutableArrayRef<Value> own = MutableArrayRef(sums).slice(turn * headTiles * 4, headTiles * 4);
      auto multiply = [&](Value features, Values now) {
        Value column = e.at(from, e.mul(features, stepDepth * 2));
        for (int64_t half = 0; half < 2; ++half) {
          Values a = loadMatrices(e, e.at(column, (step + half) * stepDepth * layout.rowBytes),
                                  /*isTransposed=*/true);
          for (int64_t i = 0; i < 2 * headTiles; ++i)
            multiplyMatrices(e, a, ArrayRef(parts[i]).slice(2 * half, 2), MutableArrayRef(now).slice(i / 2 * 4, 4));
        }
        return now;
      };
      Value features = e.add(e.warp, turn * warps);
      Values now(own);
      if ((turn + 1) * warps * stepDepth <= width)
        now = multiply(features, now);
      else
        now = e.when(e.less(features, e.integer(width / stepDepth)), now, [&] { return multiply(features, now); });
      llvm::copy(now, own.begin());
    }
  }
}

//===----------------------------------------------------------------------===//
// The end of a segment
//===----------------------------------------------------------------------===//

MatrixAttention::Values MatrixAttention::addPartials(ArrayRef<Value> partials) {
  size_t heads = partials.size() / 2;
  int64_t rowBytes = Layout::blockPositions * 4;
  Value all = place(layout.partials), totals = place(layout.totals);
  for (size_t i = 0; i < partials.size(); ++i) {
    size_t head = i % heads, half = i / heads;
    Value row = e.add(headOfLane(static_cast<int64_t>(head / 2)), static_cast<int64_t>(head % 2));
    Value column = e.add(e.add(e.mul(e.warp, warpPositions), e.div(e.lane, 4)), static_cast<int64_t>(half) * 8);
    e.store(partials[i], e.at(all, e.add(e.mul(row, rowBytes), e.mul(column, 4))));
  }
  // Also, nobody reads the ring any more, which the next segment fills.
  e.barrier();
  for (int64_t turn = 0; turn < headTiles * tileHeads / warps; ++turn) {
    Value head = e.add(e.warp, turn * warps);
    Value from = e.at(all, e.add(e.mul(head, rowBytes), e.mul(e.lane, 4)));
    Value total = e.addLanes(e.fadd(e.load(e.f32, from), e.load(e.f32, e.at(from, warpLanes * 4))));
    e.when(e.equal(e.lane, e.integer(0)), [&] { e.store(total, e.at(totals, e.mul(head, 4))); });
  }
  e.barrier();
  Values sums;
  for (size_t head = 0; head < heads; ++head)
    sums.push_back(e.load(e.f32, e.at(e.at(totals, e.mul(headOfLane(static_cast<int64_t>(head / 2)), 4)),
                                      static_cast<int64_t>(head % 2) * 4)));
  return sums;
}

void MatrixAttention::forSums(function_ref<void(size_t, Value, Value)> body) {
  size_t heads = 2 * static_cast<size_t>(headTiles);
  for (int64_t turn = 0; turn < featureTurns; ++turn)
    whenFeatures(turn, [&](Value features) {
      Value feature = e.add(e.mul(features, stepDepth), e.div(e.lane, 4));
      for (size_t head = 0; head < heads; ++head) {
        Value row = e.add(headOfLane(static_cast<int64_t>(head / 2)), static_cast<int64_t>(head % 2));
        e.when(e.less(row, e.integer(cell.group)), [&] {
          for (size_t half = 0; half < 2; ++half)
            body((static_cast<size_t>(turn * headTiles) + head / 2) * 4 + half * 2 + head % 2, row,
                 e.add(feature, static_cast<int64_t>(half) * 8));
        });
      }
    });
}

void MatrixAttention::write(const SoftmaxState &state) {
  Value first = e.element(e.address(cell.op.getOut()), cell.firstHead(), width * 2);
  forSums([&](size_t sum, Value head, Value feature) {
    Value value = e.fdiv(state.sums[sum], state.totals[headOf(sum)]);
    e.store(e.make<arith::TruncFOp>(cell.cache.getElementType(), value),
            e.at(first, e.widen(e.mul(e.add(e.mul(head, width), feature), 2))));
  });
}

void MatrixAttention::store(const SoftmaxState &state, Value place) {
  int64_t headWords = AttentionStates(width).headWords;
  auto at = [&](Value head, Value word) { return e.at(place, e.widen(e.mul(e.add(e.mul(head, headWords), word), 4))); };
  forSums([&](size_t sum, Value head, Value feature) {
    e.store(state.sums[sum], at(head, e.add(feature, AttentionStates::sumsWord)));
  });
  // The largest scores and the totals of all heads are every warp's, those of two heads every lane's below four.
  e.when(e.less(e.thread, e.integer(4)), [&] {
    for (size_t head = 0; head < state.largest.size(); ++head) {
      Value row = e.add(headOfLane(static_cast<int64_t>(head / 2)), static_cast<int64_t>(head % 2));
      e.when(e.less(row, e.integer(cell.group)), [&] {
        e.store(e.vector({state.largest[head], state.totals[head]}), at(row, e.integer(0)), 8);
      });
    }
  });
}

std::unique_ptr<AttentionForm> cuda::createMatrixAttention(AttentionCell &cell, int64_t stages) {
  return std::make_unique<MatrixAttention>(cell, stages);
}
