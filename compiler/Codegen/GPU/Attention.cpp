// SPDX-License-Identifier: Apache-2.0
//
// A cell is one token and one key head; each query head that shares it is a warp's. Softmax runs online over blocks of
// 32 positions at absolute multiples of 32, so the bits of a row depend on its position alone: for scores lanes are
// positions, each of which multiplies its whole key; for values lanes are features. Keys and values are read from their
// pages as they lie, row-major.
#include "compiler/Codegen/GPU/Kernels.h"
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

class AttentionEmitter {
public:
  AttentionEmitter(KernelEmitter &e, kernel::AttentionOp op);

  void run();

private:
  /// What online softmax carries from block to block: the largest score, the lane's partial sum of exponentials, and
  /// the lane's weighted sums of values.
  struct State {
    Value largest, total;
    OpEmitter::Values sums;
  };
  /// The block's positions that the token sees, [begin, end).
  struct Block {
    Value begin, end;
  };

  void emitHead(Value head);
  void enterQuery(Value rowHead);
  State addBlock(const Block &block, const State &before);
  Value score(Value position);
  void addValues(const Block &block, Value power, OpEmitter::Values &sums);
  void emitOutput(Value rowHead, const State &state);

  Value physicalPage(Value position);
  Value widenElement(Value loaded);
  /// Vectors of i32 that hold elements of the cache, as float32 in order.
  void unpack(Value words, int64_t count, OpEmitter::Values &elements);
  OpEmitter::Values loadElements(Value address, int64_t count);
  /// The first feature of a run of the lane; run `i` of a feature vector has 32 · runFeatures features.
  Value firstFeature(int64_t run) { return e.add(e.mul(e.lane, runFeatures), run * warpLanes * runFeatures); }
  /// Runs `body` where the lane has a feature in run `i`.
  void whenInside(int64_t run, function_ref<void()> body);

  KernelEmitter &e;
  kernel::AttentionOp op;
  kernel::CacheType cache;
  int64_t width, heads, group, bytes;
  bool isBF16;
  /// Features that a lane has side by side, and how many such runs.
  int64_t runFeatures, runs;
  Value token, keyHead, position, low, sequence;
  Value query; ///< Of the warp, in shared memory: float32 [width].
};

} // namespace

AttentionEmitter::AttentionEmitter(KernelEmitter &e, kernel::AttentionOp op)
    : e(e), op(op), cache(op.getKeys().getType()), width(cache.getWidth()), heads(cache.getHeads()),
      group(op.getQuery().getType().getDimSize(1) / (heads * width)), bytes(cache.getElementBytes()),
      isBF16(cache.getElementType().isBF16()), runFeatures(1) {
  while (runFeatures < 4 && width % (2 * runFeatures * warpLanes) == 0)
    runFeatures *= 2;
  runs = llvm::divideCeil(width, runFeatures * warpLanes);
  int64_t queryBytes = llvm::alignTo(width * 4, 16);
  query = e.element(e.shared(e.threads / warpLanes * queryBytes), e.warp, queryBytes);
}

void AttentionEmitter::run() {
  token = e.div(e.cell, heads);
  keyHead = e.rem(e.cell, heads);
  auto ofToken = [&](Value view) { return e.loadFrom(view, e.i32, e.element(e.address(view), e.widen(token), 4)); };
  position = ofToken(op.getPositions());
  sequence = ofToken(op.getSequences());
  int64_t chunk = op.getChunk();
  low = chunk ? e.mul(e.div(position, chunk), chunk) : e.integer(0);
  e.loop(e.warp, e.integer(group), e.threads / warpLanes, {}, [&](Value head, ValueRange) {
    emitHead(head);
    return OpEmitter::Values{};
  });
}

void AttentionEmitter::emitHead(Value head) {
  Value rowHead = e.add(e.mul(e.widen(e.add(e.mul(token, heads), keyHead)), group), e.widen(head));
  enterQuery(rowHead);
  OpEmitter::Values state = {e.real(-std::numeric_limits<float>::infinity()), e.real(0)};
  state.append(runs * runFeatures, e.real(0));
  Value first = e.div(low, blockPositions), last = e.div(position, blockPositions);
  state = e.loop(first, e.add(last, 1), 1, state, [&](Value index, ValueRange carried) {
    Value start = e.mul(index, blockPositions);
    Block block = {e.max(low, start), e.min(e.add(position, 1), e.add(start, blockPositions))};
    State next = addBlock(block, {carried[0], carried[1], OpEmitter::Values(carried.drop_front(2))});
    OpEmitter::Values values = {next.largest, next.total};
    values.append(next.sums);
    return values;
  });
  emitOutput(rowHead, {state[0], state[1], OpEmitter::Values(ArrayRef<Value>(state).drop_front(2))});
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Value AttentionEmitter::physicalPage(Value position) {
  int64_t entries = op.getPages().getType().getDimSize(1);
  Value entry = e.add(e.mul(e.widen(sequence), entries), e.widen(e.div(position, cache.getPageTokens())));
  return e.loadFrom(op.getPages(), e.i32, e.element(e.address(op.getPages()), entry, 4));
}

Value AttentionEmitter::widenElement(Value loaded) { return isBF16 ? e.make<arith::ExtFOp>(e.f32, loaded) : loaded; }

void AttentionEmitter::unpack(Value words, int64_t count, OpEmitter::Values &elements) {
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
OpEmitter::Values AttentionEmitter::loadElements(Value address, int64_t count) {
  OpEmitter::Values elements;
  int64_t size = count * bytes;
  if (size % 4 != 0) {
    elements.push_back(widenElement(e.loadConstant(cache.getElementType(), address)));
    return elements;
  }
  Type words = size == 4 ? e.i32 : Type(VectorType::get({size / 4}, e.i32));
  unpack(e.loadConstant(words, address, static_cast<unsigned>(size)), size / 4, elements);
  return elements;
}

/// Copies the query of the warp's head to shared memory, where all lanes read the same feature at once.
void AttentionEmitter::enterQuery(Value rowHead) {
  Value from = e.element(e.address(op.getQuery()), rowHead, width * bytes);
  e.syncWarp();
  e.loop(e.lane, e.integer(width), warpLanes, {}, [&](Value feature, ValueRange) {
    Value place = e.element(from, e.widen(feature), bytes);
    Value loaded = e.loadFrom(op.getQuery(), cache.getElementType(), place);
    e.store(widenElement(loaded), e.element(query, feature, 4));
    return OpEmitter::Values{};
  });
  e.syncWarp();
}

void AttentionEmitter::whenInside(int64_t run, function_ref<void()> body) {
  if ((run + 1) * warpLanes * runFeatures <= width)
    return body();
  e.when(e.less(firstFeature(run), e.integer(width)), body);
}

//===----------------------------------------------------------------------===//
// A block of positions
//===----------------------------------------------------------------------===//

AttentionEmitter::State AttentionEmitter::addBlock(const Block &block, const State &before) {
  Value lowest = e.real(-std::numeric_limits<float>::infinity());
  Value mine = e.add(e.mul(e.div(block.begin, blockPositions), blockPositions), e.lane);
  Value seen = e.bitAnd(e.compare(arith::CmpIPredicate::sge, mine, block.begin), e.less(mine, block.end));
  // A lane whose position is not seen takes one that is: other pages may not be there.
  Value safe = e.min(e.max(mine, block.begin), e.sub(block.end, e.integer(1)));
  Value scaled = e.fmul(score(safe), e.real(op.getScale().convertToDouble()));
  scaled = e.select(seen, scaled, lowest);
  State next;
  next.largest = e.fmax(e.maxLanes(scaled), before.largest);
  Value factor = e.exp(e.fsub(before.largest, next.largest));
  Value power = e.select(seen, e.exp(e.fsub(scaled, next.largest)), e.real(0));
  next.total = e.fadd(e.fmul(before.total, factor), power);
  for (Value sum : before.sums)
    next.sums.push_back(e.fmul(sum, factor));
  addValues(block, power, next.sums);
  return next;
}

/// The product of the query and the key at `position`, by ascending feature.
Value AttentionEmitter::score(Value position) {
  Value slot = e.rem(position, e.integer(cache.getPageTokens()));
  Value key = cacheAddress(e, op.getKeys(), physicalPage(position), keyHead, slot, e.integer(0));
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
void AttentionEmitter::addValues(const Block &block, Value power, OpEmitter::Values &sums) {
  sums = e.loop(block.begin, block.end, 1, sums, [&](Value position, ValueRange carried) {
    Value weight = e.shuffle(power, e.rem(position, e.integer(blockPositions)));
    Value slot = e.rem(position, e.integer(cache.getPageTokens())), page = physicalPage(position);
    OpEmitter::Values next(carried);
    for (int64_t run = 0; run < runs; ++run) {
      // A lane beyond the last feature reads that one and writes nothing.
      Value feature = e.min(firstFeature(run), e.integer(width - runFeatures));
      Value place = cacheAddress(e, op.getValues(), page, keyHead, slot, feature);
      OpEmitter::Values values = loadElements(place, runFeatures);
      for (int64_t i = 0; i < runFeatures; ++i) {
        Value &sum = next[run * runFeatures + i];
        sum = e.fma(weight, values[i], sum);
      }
    }
    return next;
  });
}

void AttentionEmitter::emitOutput(Value rowHead, const State &state) {
  Value total = e.addLanes(state.total);
  Value out = e.element(e.address(op.getOut()), rowHead, width * bytes);
  for (int64_t run = 0; run < runs; ++run)
    whenInside(run, [&] {
      for (int64_t i = 0; i < runFeatures; ++i) {
        Value value = e.fdiv(state.sums[run * runFeatures + i], total);
        if (isBF16)
          value = e.make<arith::TruncFOp>(cache.getElementType(), value);
        e.store(value, e.at(e.element(out, e.widen(firstFeature(run)), bytes), i * bytes));
      }
    });
}

LogicalResult cuda::emitTemplate(KernelEmitter &e, kernel::AttentionOp op) {
  kernel::CacheType keys = op.getKeys().getType();
  if (keys.getLayout() != schema::kCacheRowMajor.id)
    return op.emitError() << "reads a cache in layout " << keys.getLayout() << ", a GPU kernel takes "
                          << schema::kCacheRowMajor.id;
  if (int64_t bytes = keys.getPageBytes(); bytes == 0 || bytes % keyLoadBytes)
    return op.emitError() << "reads pages of " << bytes << " bytes, expected the positive multiple of " << keyLoadBytes
                          << " that a cache group gives";
  AttentionEmitter(e, op).run();
  return success();
}
