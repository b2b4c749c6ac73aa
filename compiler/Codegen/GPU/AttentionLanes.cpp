// SPDX-License-Identifier: Apache-2.0
//
// Softmax runs online over blocks of 32 positions: for scores lanes are positions, each of which multiplies its whole
// key; for values lanes are features. Each query head is a warp's.
#include "compiler/Codegen/GPU/Attention.h"
#include "compiler/Codegen/GPU/ScalarRegion.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

namespace {

/// Positions of a block: one for each lane.
constexpr int64_t blockPositions = warpLanes;
/// Bytes that one load takes of a key.
constexpr int64_t keyLoadBytes = 16;

class LaneAttention : public AttentionForm {
public:
  explicit LaneAttention(AttentionCell &cell);

  void forHeads(function_ref<void()> body) override;
  SoftmaxState zero() override;
  SoftmaxState compute(Value begin, Value end) override;
  void write(const SoftmaxState &state) override;
  void store(const SoftmaxState &, Value) override { llvm_unreachable("its cells are not shared among blocks"); }

protected:
  size_t headOf(size_t) const override { return 0; }

private:
  /// The block's positions that the token sees, [begin, end).
  struct Block {
    Value begin, end;
  };

  void enterQuery();
  SoftmaxState addBlock(const Block &block, const SoftmaxState &before);
  Value score(Value position);
  void addValues(const Block &block, Value power, OpEmitter::Values &sums);

  Value widenElement(Value loaded) { return isBF16 ? e.make<arith::ExtFOp>(e.f32, loaded) : loaded; }
  /// Vectors of i32 that hold elements of the cache, as float32 in order.
  void unpack(Value words, int64_t count, OpEmitter::Values &elements);
  OpEmitter::Values loadElements(Value address, int64_t count);
  /// The first feature of a run of the lane; run `i` of a feature vector has 32 · runFeatures features.
  Value firstFeature(int64_t run) { return e.add(e.mul(e.lane, runFeatures), run * warpLanes * runFeatures); }
  /// Runs `body` where the lane has a feature in run `i`.
  void whenInside(int64_t run, function_ref<void()> body);

  kernel::AttentionOp op;
  int64_t width, bytes;
  bool isBF16;
  /// Features that a lane has side by side, and how many such runs.
  int64_t runFeatures = 1, runs;
  Value rowHead; ///< The warp's query head, a row of queries.
  Value query;   ///< Of the warp, in shared memory: float32 [width].
};

} // namespace

LaneAttention::LaneAttention(AttentionCell &cell)
    : AttentionForm(cell), op(cell.op), width(cell.width), bytes(cell.bytes),
      isBF16(cell.cache.getElementType().isBF16()) {
  while (runFeatures < 4 && width % (2 * runFeatures * warpLanes) == 0)
    runFeatures *= 2;
  runs = llvm::divideCeil(width, runFeatures * warpLanes);
  int64_t queryBytes = llvm::alignTo(width * 4, 16);
  query = e.element(e.shared(e.threads / warpLanes * queryBytes), e.warp, queryBytes);
}

void LaneAttention::forHeads(function_ref<void()> body) {
  e.loop(e.warp, e.integer(cell.group), e.threads / warpLanes, {}, [&](Value head, ValueRange) {
    rowHead = e.add(cell.firstHead(), e.widen(head));
    enterQuery();
    body();
    return OpEmitter::Values{};
  });
}

SoftmaxState LaneAttention::zero() {
  return {
      {e.real(-std::numeric_limits<float>::infinity())}, {e.real(0)}, OpEmitter::Values(runs * runFeatures, e.real(0))};
}

SoftmaxState LaneAttention::compute(Value begin, Value end) {
  Value first = e.div(begin, blockPositions), blocks = e.ceilDiv(end, blockPositions);
  OpEmitter::Values all = e.loop(first, blocks, 1, zero().flat(), [&](Value index, ValueRange carried) {
    Value start = e.mul(index, blockPositions);
    Block block = {e.max(begin, start), e.min(end, e.add(start, blockPositions))};
    return addBlock(block, SoftmaxState::of(carried, 1)).flat();
  });
  SoftmaxState state = SoftmaxState::of(all, 1);
  // What lanes have of the sum so far is each lane's own.
  state.totals[0] = e.addLanes(state.totals[0]);
  return state;
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

void LaneAttention::unpack(Value words, int64_t count, OpEmitter::Values &elements) {
  for (int64_t i = 0; i < count; ++i) {
    Value word = count == 1 ? words : e.extract(words, i);
    if (isBF16) {
      elements.push_back(e.bitcast(e.f32, e.shiftLeft(word, e.integer(16))));
      elements.push_back(e.bitcast(e.f32, e.bitAnd(word, 0xffff0000)));
    } else {
      elements.push_back(e.bitcast(e.f32, word));
    }
  }
}

/// `count` elements of the cache that begin at a multiple of their size, in float32.
OpEmitter::Values LaneAttention::loadElements(Value address, int64_t count) {
  OpEmitter::Values elements;
  int64_t size = count * bytes;
  if (size % 4 != 0) {
    elements.push_back(widenElement(e.loadConstant(cell.cache.getElementType(), address)));
    return elements;
  }
  Type words = size == 4 ? e.i32 : Type(VectorType::get({size / 4}, e.i32));
  unpack(e.loadConstant(words, address, static_cast<unsigned>(size)), size / 4, elements);
  return elements;
}

/// Copies the query of the warp's head to shared memory, where all lanes read the same feature at once.
void LaneAttention::enterQuery() {
  Value from = e.element(e.address(op.getQuery()), rowHead, width * bytes);
  e.syncWarp();
  e.loop(e.lane, e.integer(width), warpLanes, {}, [&](Value feature, ValueRange) {
    Value place = e.element(from, e.widen(feature), bytes);
    Value loaded = e.loadFrom(op.getQuery(), cell.cache.getElementType(), place);
    e.store(widenElement(loaded), e.element(query, feature, 4));
    return OpEmitter::Values{};
  });
  e.syncWarp();
}

void LaneAttention::whenInside(int64_t run, function_ref<void()> body) {
  if ((run + 1) * warpLanes * runFeatures <= width)
    return body();
  e.when(e.less(firstFeature(run), e.integer(width)), body);
}

//===----------------------------------------------------------------------===//
// A block of positions
//===----------------------------------------------------------------------===//

SoftmaxState LaneAttention::addBlock(const Block &block, const SoftmaxState &before) {
  Value lowest = e.real(-std::numeric_limits<float>::infinity());
  Value mine = e.add(e.mul(e.div(block.begin, blockPositions), blockPositions), e.lane);
  Value seen = e.bitAnd(e.compare(arith::CmpIPredicate::sge, mine, block.begin), e.less(mine, block.end));
  // A lane whose position is not seen takes one that is: other pages may not be there.
  Value safe = e.min(e.max(mine, block.begin), e.sub(block.end, e.integer(1)));
  Value scaled = e.select(seen, e.fmul(score(safe), e.real(cell.scale)), lowest);
  SoftmaxState next;
  next.largest = {e.fmax(e.maxLanes(scaled), before.largest[0])};
  Value factor = e.exp(e.fsub(before.largest[0], next.largest[0]));
  Value power = e.select(seen, e.exp(e.fsub(scaled, next.largest[0])), e.real(0));
  next.totals = {e.fadd(e.fmul(before.totals[0], factor), power)};
  for (Value sum : before.sums)
    next.sums.push_back(e.fmul(sum, factor));
  addValues(block, power, next.sums);
  return next;
}

/// The product of the query and the key at `position`, by ascending feature.
Value LaneAttention::score(Value position) {
  Value slot = e.rem(position, e.integer(cell.cache.getPageTokens()));
  Value key = cacheAddress(e, op.getKeys(), cell.page(position), cell.keyHead, slot, e.integer(0));
  int64_t perLoad = width * bytes % keyLoadBytes == 0 ? keyLoadBytes / bytes : 1;
  return e.loop(e.integer(0), e.integer(width), perLoad, e.real(0), [&](Value feature, ValueRange carried) {
    OpEmitter::Values keys = loadElements(e.element(key, e.widen(feature), bytes), perLoad);
    Value sum = carried[0], queries = e.element(query, feature, 4);
    for (int64_t i = 0; i < perLoad; ++i)
      sum = e.fma(e.load(e.f32, e.at(queries, i * 4)), keys[i], sum);
    return OpEmitter::Values{sum};
  })[0];
}

/// Adds the block's values, ascending. Positions that are not seen are not touched: they may hold NaN.
void LaneAttention::addValues(const Block &block, Value power, OpEmitter::Values &sums) {
  sums = e.loop(block.begin, block.end, 1, sums, [&](Value position, ValueRange carried) {
    Value weight = e.shuffle(power, e.rem(position, e.integer(blockPositions)));
    Value slot = e.rem(position, e.integer(cell.cache.getPageTokens())), page = cell.page(position);
    OpEmitter::Values next(carried);
    for (int64_t run = 0; run < runs; ++run) {
      // A lane beyond the last feature reads that one and writes nothing.
      Value feature = e.min(firstFeature(run), e.integer(width - runFeatures));
      Value place = cacheAddress(e, op.getValues(), page, cell.keyHead, slot, feature);
      OpEmitter::Values values = loadElements(place, runFeatures);
      for (int64_t i = 0; i < runFeatures; ++i) {
        Value &sum = next[run * runFeatures + i];
        sum = e.fma(weight, values[i], sum);
      }
    }
    return next;
  });
}

void LaneAttention::write(const SoftmaxState &state) {
  Value out = e.element(e.address(op.getOut()), rowHead, width * bytes);
  for (int64_t run = 0; run < runs; ++run)
    whenInside(run, [&] {
      for (int64_t i = 0; i < runFeatures; ++i) {
        Value value = e.fdiv(state.sums[run * runFeatures + i], state.totals[0]);
        if (isBF16)
          value = e.make<arith::TruncFOp>(cell.cache.getElementType(), value);
        e.store(value, e.at(e.element(out, e.widen(firstFeature(run)), bytes), i * bytes));
      }
    });
}

std::unique_ptr<AttentionForm> cuda::createLaneAttention(AttentionCell &cell) {
  return std::make_unique<LaneAttention>(cell);
}
