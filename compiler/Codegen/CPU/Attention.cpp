// SPDX-License-Identifier: Apache-2.0
//
// A cell is one token and one key head; the query heads that share it go through the keys together. Softmax runs online
// over blocks of 32 positions at absolute multiples of 32, so the bits of a row depend on its position alone. In
// bfloat16 scores are sums over pairs of features, the odd one first, as in a GEMM; weights of values stay float32.
#include "compiler/Codegen/CPU/GemmTile.h"
#include "compiler/Codegen/CPU/Kernels.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

namespace {

// A row tile of the keys' layout, in either element type: its scores are whole vectors.
constexpr int64_t blockTokens = schema::kCacheKeys32.wide_keys->tile_rows;
static_assert(blockTokens == schema::kCacheKeys32.narrow_keys->tile_rows);
constexpr int64_t blockVectors = blockTokens / vectorLanes;

class AttentionEmitter {
public:
  AttentionEmitter(KernelEmitter &e, kernel::AttentionOp op);

  void run();

private:
  /// Where a block of keys is, and which of its positions the token sees: [begin, end).
  struct Block {
    Value keys, values, begin, end;
  };

  void emitCell(Value token, Value head);
  Block enterBlock(Value index, Value sequence, Value head, Value low, Value position);
  Value enterQueries(Value rowHead);
  void emitScores(ArrayRef<Block> blocks, Value queries);
  void addFeature(ArrayRef<Value> keys, Value query, int64_t count, MutableArrayRef<Value> sums);
  void emitSoftmax(ArrayRef<Block> blocks);
  void emitLargest(int64_t block, Value head, ArrayRef<Value> seen);
  void emitFactors(int64_t blocks);
  void emitPowers(ArrayRef<SmallVector<Value>> seen, Value head);
  SmallVector<Value> scaledScores(int64_t block, Value head, ArrayRef<Value> seen);
  void emitValues(ArrayRef<Block> blocks);
  void emitValueTile(ArrayRef<Block> blocks, Value head, int64_t heads, Value vector, int64_t vectors);
  Value loadValues(Value address);
  void emitOutput(Value out);

  /// Where scores of a head's block lie, later their exponentials, for one of the blocks that are taken together.
  Value score(int64_t block, Value head, int64_t vector = 0) {
    return e.at(e.element(scores, e.add(head, block * group), blockTokens * 4), vector * vectorLanes * 4);
  }
  /// Where a number of each head lies, for one of these blocks; whole vectors of heads may be read and written.
  Value ofHead(Value numbers, int64_t block, Value head) { return e.element(numbers, e.add(head, block * padded), 4); }
  /// Where 16 features of a head's weighted sum lie; 64 bytes are a vector of float32.
  Value sum(Value head, Value vector) { return e.at(e.element(sums, head, vectors * 64), e.mul(vector, 64)); }

  KernelEmitter &e;
  kernel::AttentionOp op;
  int64_t width, heads, group, vectors;
  int64_t padded;               ///< Heads of a group in whole vectors.
  TileElements elements;        ///< Of queries and keys.
  int64_t bytes;                ///< Of an element of the cache.
  int64_t headTile, vectorTile; ///< Query heads, and vectors of a value, that are kept in registers at once.
  int64_t together;             ///< Blocks that are taken at once.
  Value zero;
  // Of each head of the group: the largest score so far; 16 partial sums of exponentials; [vectors][16] weighted sums
  // of values. For each block that is taken at once: [32] scores, then their exponentials; the largest score with this
  // block; the factor of what was summed before it.
  Value largest, totals, sums, scores, maxima, factors;
  Value widened; ///< [group][width] queries in float32, where keys are widened; else null.
};

} // namespace

AttentionEmitter::AttentionEmitter(KernelEmitter &e, kernel::AttentionOp op)
    : e(e), op(op), width(op.getKeys().getType().getWidth()), heads(op.getKeys().getType().getHeads()),
      group(op.getQuery().getType().getDimSize(1) / (heads * width)), vectors(llvm::divideCeil(width, vectorLanes)),
      padded(llvm::alignTo(group, vectorLanes)),
      elements(TileElements::of(op.getKeys().getType().getElementType(), e.target)),
      bytes(op.getKeys().getType().getElementBytes()) {
  // With 16 registers of half a vector each, 2 heads by 2 vectors take 8 for sums, 4 for keys or values and 1 for what
  // is broadcast. With 32 registers, 6 heads by 4 vectors take 24 for sums, 4 for values and 1 for what is broadcast.
  bool large = e.target.cpu().vectorRegisters >= 32;
  headTile = large ? 6 : 2;
  vectorTile = large ? 4 : 2;
  // A score is one chain, and the heads of a group are fewer chains than keep two pipes of dot products busy.
  together = large ? 2 : 1;
  zero = e.integer(0);
  scores = e.local(e.f32, together * group * blockTokens);
  largest = e.local(e.f32, padded);
  maxima = e.local(e.f32, together * padded);
  factors = e.local(e.f32, together * padded);
  totals = e.local(e.f32, group * vectorLanes);
  sums = e.local(e.f32, group * vectors * vectorLanes);
  // A vector beyond the last query: widening writes whole ones.
  if (elements.kind == TileElements::BF16Widened)
    widened = e.local(e.f32, group * width + vectorLanes);
}

/// Neighbouring cells are the heads of one token.
void AttentionEmitter::run() {
  e.loop(e.first, e.last, [&](Value cell) { emitCell(e.div(cell, heads), e.rem(cell, heads)); });
}

void AttentionEmitter::emitCell(Value token, Value head) {
  Value position = e.widen(e.load(e.i32, e.element(e.address(op.getPositions()), token, 4)));
  Value sequence = e.widen(e.load(e.i32, e.element(e.address(op.getSequences()), token, 4)));
  Value rowHead = e.add(e.mul(token, heads), head);
  Value queries = enterQueries(rowHead);
  // With chunked attention a token sees its own chunk alone.
  int64_t chunk = op.getChunk();
  Value low = chunk ? e.mul(e.div(position, chunk), chunk) : zero;

  // From minus infinity, the first block's factor is exp(-infinity) = 0, and sums of zeros stay zeros.
  e.loop(zero, e.integer(group), [&](Value i) {
    e.store(e.real(-std::numeric_limits<float>::infinity()), e.element(largest, i, 4));
    e.store(e.splat(0), e.element(totals, i, 64), 64);
    e.loop(zero, e.integer(vectors), [&](Value vector) { e.store(e.splat(0), sum(i, vector), 64); });
  });
  // The blocks from the first visible position's to the token's own: each has a visible position.
  Value last = e.add(e.div(position, blockTokens), 1);
  e.loop(e.div(low, blockTokens), last, together, {}, [&](Value first, ValueRange) -> Emitter::Values {
    Value count = together == 1 ? e.integer(1) : e.min(e.sub(last, first), e.integer(together));
    e.switchOn(count, 1, together, [&](int64_t known) {
      SmallVector<Block> blocks;
      for (int64_t i = 0; i < known; ++i)
        blocks.push_back(enterBlock(e.add(first, i), sequence, head, low, position));
      emitScores(blocks, queries);
      emitSoftmax(blocks);
      emitValues(blocks);
    });
    return {};
  });
  emitOutput(e.element(e.address(op.getOut()), rowHead, group * width * bytes));
}

/// The address of the group's queries, as the scores multiply them.
Value AttentionEmitter::enterQueries(Value rowHead) {
  Value queries = e.element(e.address(op.getQuery()), rowHead, group * width * bytes);
  if (!widened)
    return queries;
  e.pieces(group * width, vectorLanes, [&](Value begin, int64_t) {
    Value bits = e.load(e.vectorOf(e.i16), e.element(queries, begin, 2));
    e.store(e.widenBF16(bits), e.element(widened, begin, 4));
  });
  return widened;
}

/// Looks up the page of block `index` and bounds what the token sees of it.
AttentionEmitter::Block AttentionEmitter::enterBlock(Value index, Value sequence, Value head, Value low,
                                                     Value position) {
  kernel::CacheType cache = op.getKeys().getType();
  const schema::PackedForm &keys = cache.getForm();
  int64_t perPage = cache.getPageTokens() / blockTokens;
  // Pages of a sequence are a row of the page table.
  Value row = e.mul(sequence, op.getPages().getType().getDimSize(1));
  Value page = e.load(e.i32, e.element(e.address(op.getPages()), e.add(row, e.div(index, perPage)), 4));
  Value pageOffset = e.mul(e.widen(page), cache.getPageBytes());
  // A block of keys is a row tile; as many rows of values take as much room and follow one another, so that both parts
  // have the block at one offset.
  Value inPage = schema::row_tile_index(e, keys, cache.getPackedShape(), head, e.rem(index, perPage));
  int64_t blockBytes = schema::row_tile_elements(keys, cache.getPackedShape()) * bytes;
  Value offset = e.add(pageOffset, e.mul(inPage, blockBytes));
  Value start = e.mul(index, blockTokens);
  // Only the first block may begin before `low`, and only the last goes beyond the token.
  return {e.at(e.address(op.getKeys()), offset), e.at(e.address(op.getValues()), offset),
          e.max(e.sub(low, start), zero), e.min(e.add(e.sub(position, start), 1), e.integer(blockTokens))};
}

/// Scores of all 32 positions, those that are not there included: what they hold stays in lanes of its own.
void AttentionEmitter::emitScores(ArrayRef<Block> blocks, Value queries) {
  kernel::CacheType cache = op.getKeys().getType();
  int64_t stepBytes = schema::tile_elements(cache.getForm(), cache.getPackedShape()) * bytes;
  int64_t steps = elements.steps(width), queryBytes = elements.inputStepBytes();
  int64_t vectorCount = blocks.size() * blockVectors;
  // Keys that are widened stay in registers beside their halves, which leaves one head's fewer for two blocks.
  bool isTight = blocks.size() > 1 && elements.kind == TileElements::BF16Widened;
  e.pieces(group, isTight ? headTile - 1 : headTile, [&](Value head, int64_t count) {
    Value query = e.element(queries, head, width * elements.inputBytes());
    Emitter::Values sums(count * vectorCount, e.splat(0));
    sums = e.loop(zero, e.integer(steps), 1, sums, [&](Value step, ValueRange carried) {
      Emitter::Values next(carried), keys;
      for (const Block &block : blocks)
        keys.push_back(e.element(block.keys, step, stepBytes));
      addFeature(keys, e.element(query, step, queryBytes), count, next);
      return next;
    });
    for (int64_t i = 0; i < count; ++i)
      for (int64_t vector = 0; vector < vectorCount; ++vector)
        e.store(sums[i * vectorCount + vector], score(vector / blockVectors, e.add(head, i), vector % blockVectors),
                64);
  });
}

/// Adds the products of one feature, or pair of features, to the scores of `count` heads, a head's by block.
void AttentionEmitter::addFeature(ArrayRef<Value> blockKeys, Value query, int64_t count, MutableArrayRef<Value> sums) {
  bool dot = elements.kind == TileElements::BF16Dot, widens = elements.kind == TileElements::BF16Widened;
  Emitter::Values keys;
  for (Value key : blockKeys)
    for (int64_t vector = 0; vector < blockVectors; ++vector)
      keys.push_back(e.load(elements.isPaired() ? e.vectorOf(e.i32) : e.vf32, e.at(key, vector * vectorLanes * 4)));
  auto addAll = [&](Type type, int64_t offset, ArrayRef<Value> by) {
    for (int64_t i = 0; i < count; ++i) {
      Value input = e.broadcast(e.load(type, e.at(query, i * width * elements.inputBytes() + offset)));
      for (auto [sum, key] : llvm::zip_equal(sums.slice(i * by.size(), by.size()), by))
        sum = dot ? e.dotBF16(sum, input, key) : e.fma(input, key, sum);
    }
  };
  if (!widens)
    return addAll(dot ? e.i32 : e.f32, 0, keys);
  // In one fixed order, so that the bits are those of a dot product, which adds the odd feature first.
  for (bool odd : {true, false}) {
    auto halves = llvm::map_to_vector(keys, [&](Value pairs) { return e.widenHalf(pairs, odd); });
    addAll(e.f32, odd * 4, halves);
  }
}

/// Turns scores into exponentials and says by what factor the sums so far shrink with each block.
void AttentionEmitter::emitSoftmax(ArrayRef<Block> blocks) {
  SmallVector<SmallVector<Value>> seen(blocks.size());
  for (auto [block, lanes] : llvm::zip_equal(blocks, seen))
    for (int64_t vector = 0; vector < blockVectors; ++vector) {
      Value shift = e.integer(vector * vectorLanes);
      lanes.push_back(e.laneRange(e.sub(block.begin, shift), e.sub(block.end, shift)));
    }
  // Heads that stand side by side in the code do not wait for one another.
  auto overHeads = [&](function_ref<void(Value)> emit) {
    e.pieces(group, headTile, [&](Value head, int64_t count) {
      for (int64_t i = 0; i < count; ++i)
        emit(e.add(head, i));
    });
  };
  overHeads([&](Value head) {
    for (size_t block = 0; block < blocks.size(); ++block)
      emitLargest(block, head, seen[block]);
  });
  emitFactors(blocks.size());
  overHeads([&](Value head) { emitPowers(seen, head); });
}

/// Scores are scaled after the product, as transformers does it. What is not seen takes part in no maximum and adds
/// nothing.
SmallVector<Value> AttentionEmitter::scaledScores(int64_t block, Value head, ArrayRef<Value> seen) {
  Value lowest = e.splat(-std::numeric_limits<float>::infinity()), scale = e.splat(op.getScale().convertToDouble());
  SmallVector<Value> scaled;
  for (int64_t vector = 0; vector < blockVectors; ++vector)
    scaled.push_back(e.select(seen[vector], e.fmul(e.load(e.vf32, score(block, head, vector), 64), scale), lowest));
  return scaled;
}

void AttentionEmitter::emitLargest(int64_t block, Value head, ArrayRef<Value> seen) {
  SmallVector<Value> scaled = scaledScores(block, head, seen);
  Value before = e.load(e.f32, block == 0 ? e.element(largest, head, 4) : ofHead(maxima, block - 1, head));
  e.store(e.fmax(e.maxLanes(e.fmax(scaled[0], scaled[1])), before), ofHead(maxima, block, head));
}

/// At most 1: sums of earlier blocks shrink when a larger score appears (online softmax, Milakov and Gimelshein 2018).
/// One exponential for 16 heads.
void AttentionEmitter::emitFactors(int64_t blocks) {
  e.pieces(padded, vectorLanes, [&](Value head, int64_t) {
    Value before = e.load(e.vf32, e.element(largest, head, 4), 64);
    for (int64_t block = 0; block < blocks; ++block) {
      Value now = e.load(e.vf32, ofHead(maxima, block, head), 64);
      e.store(e.exp(e.fsub(before, now)), ofHead(factors, block, head), 64);
      before = now;
    }
    e.store(before, e.element(largest, head, 4), 64);
  });
}

void AttentionEmitter::emitPowers(ArrayRef<SmallVector<Value>> seen, Value head) {
  Value total = e.load(e.vf32, e.element(totals, head, 64), 64);
  for (size_t block = 0; block < seen.size(); ++block) {
    Value now = e.broadcast(e.load(e.f32, ofHead(maxima, block, head)));
    total = e.fmul(total, e.broadcast(e.load(e.f32, ofHead(factors, block, head))));
    SmallVector<Value> scaled = scaledScores(block, head, seen[block]);
    for (int64_t vector = 0; vector < blockVectors; ++vector) {
      Value power = e.select(seen[block][vector], e.exp(e.fsub(scaled[vector], now)), e.splat(0));
      e.store(power, score(block, head, vector), 64);
      total = e.fadd(total, power);
    }
  }
  e.store(total, e.element(totals, head, 64), 64);
}

/// Adds the blocks' values, ascending. Positions that are not seen are not touched: they may hold NaN.
void AttentionEmitter::emitValues(ArrayRef<Block> blocks) {
  e.pieces(group, headTile, [&](Value head, int64_t count) {
    e.pieces(vectors, vectorTile,
             [&](Value vector, int64_t size) { emitValueTile(blocks, head, count, vector, size); });
  });
}

/// Weighted sums of `count` heads and `size` vectors, which stay in registers for all blocks.
void AttentionEmitter::emitValueTile(ArrayRef<Block> blocks, Value head, int64_t count, Value vector, int64_t size) {
  auto sumOf = [&](int64_t i, int64_t j) { return sum(e.add(head, i), e.add(vector, j)); };
  Emitter::Values tile;
  for (int64_t i = 0; i < count; ++i)
    for (int64_t j = 0; j < size; ++j)
      tile.push_back(e.load(e.vf32, sumOf(i, j), 64));
  for (auto [number, block] : llvm::enumerate(blocks)) {
    for (int64_t i = 0; i < count; ++i) {
      Value factor = e.broadcast(e.load(e.f32, ofHead(factors, number, e.add(head, i))));
      for (int64_t j = 0; j < size; ++j)
        tile[i * size + j] = e.fmul(tile[i * size + j], factor);
    }
    Value weights = score(number, head), values = e.at(block.values, e.mul(vector, vectorLanes * bytes));
    tile = e.loop(block.begin, block.end, 1, tile, [&](Value token, ValueRange carried) {
      Emitter::Values next(carried), rows;
      Value row = e.element(values, token, width * bytes);
      for (int64_t j = 0; j < size; ++j)
        rows.push_back(loadValues(e.at(row, j * vectorLanes * bytes)));
      for (int64_t i = 0; i < count; ++i) {
        // Weights of a head are blockTokens apart.
        Value weight = e.broadcast(e.load(e.f32, e.at(e.element(weights, token, 4), i * blockTokens * 4)));
        for (int64_t j = 0; j < size; ++j)
          next[i * size + j] = e.fma(weight, rows[j], next[i * size + j]);
      }
      return next;
    });
  }
  for (int64_t i = 0; i < count; ++i)
    for (int64_t j = 0; j < size; ++j)
      e.store(tile[i * size + j], sumOf(i, j), 64);
}

/// Values in float32, as they are summed in either type.
Value AttentionEmitter::loadValues(Value address) {
  return elements.isPaired() ? e.widenBF16(e.load(e.vectorOf(e.i16), address)) : e.load(e.vf32, address);
}

/// Divides by the sum of exponentials, once and at the end.
void AttentionEmitter::emitOutput(Value out) {
  e.loop(zero, e.integer(group), [&](Value head) {
    Value total = e.broadcast(e.addLanes(e.load(e.vf32, e.element(totals, head, 64), 64)));
    Value row = e.element(out, head, width * bytes);
    e.pieces(width, vectorLanes, [&](Value feature, int64_t count) {
      Value weighted = e.load(e.vf32, sum(head, e.div(feature, vectorLanes)), 64);
      Value value = e.fdiv(weighted, total);
      // The last vector may have fewer features than lanes.
      e.storeLanes(elements.isPaired() ? e.narrow16(value) : value, e.element(row, feature, bytes), count);
    });
  });
}

LogicalResult codegen::emitTemplate(KernelEmitter &e, kernel::AttentionOp op) {
  kernel::CacheType keys = op.getKeys().getType();
  if (keys.getLayout() != schema::kCacheKeys32.id)
    return op.emitError() << "reads a cache in layout " << keys.getLayout() << ", a CPU kernel takes "
                          << schema::kCacheKeys32.id;
  if (int64_t bytes = keys.getPageBytes(); bytes == 0 || bytes % 4)
    return op.emitError() << "reads pages of " << bytes
                          << " bytes, expected the positive multiple of 4 that a cache group gives";
  AttentionEmitter(e, op).run();
  return success();
}
