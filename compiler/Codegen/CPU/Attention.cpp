// SPDX-License-Identifier: Apache-2.0
//
// A cell is one token and one key head. Its rows, the query heads that share the key head, go through the keys
// together. Softmax runs online over blocks of 64 positions at absolute multiples of 64, so the bits of a row depend on
// its position alone. In bfloat16 scores are sums over pairs of features and outputs sums over pairs of positions, the
// odd one first, as in a GEMM.
//
// Neighbouring tokens of a prompt go through the keys together where heads allow it; what is here is the way of a token
// alone, which waits for memory and touches each key and value once.
#include "compiler/Codegen/CPU/GroupAttention.h"
#include "compiler/Codegen/CPU/Kernels.h"
#include "compiler/Codegen/CPU/MatrixAttention.h"
#include "compiler/Codegen/CPU/VectorAttention.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

namespace {

constexpr int64_t tileVectors = OnlineSoftmax::tileVectors;

class AttentionEmitter {
public:
  AttentionEmitter(KernelEmitter &e, kernel::AttentionOp op);

  /// The rows of one key head of a token.
  void emitRows(Value token, Value head);

private:
  using Tile = AttentionOperands::Tile;
  /// Rows and vectors that are kept in registers at once: sums of rows times vectors.
  struct RegisterTile {
    int64_t rows, vectors;
  };

  RegisterTile registerTile(int64_t rows);
  Value enterQueries(Value token, Value head);
  void emitScores(ArrayRef<Tile> tiles, Value queries);
  void emitScores(ArrayRef<Tile> tiles, int64_t first, Value queries, Value row, int64_t rows);
  void addFeature(ArrayRef<Value> keys, Value query, int64_t rows, MutableArrayRef<Value> sums);
  void emitValues(ArrayRef<Tile> tiles);
  void addTile(const Tile &tile, Value values, Value weights, int64_t vectors, Emitter::Values &sums);
  void addPosition(Value row, Value weights, int64_t vectors, MutableArrayRef<Value> sums);
  void addPair(Value evenRow, Value oddRow, Value weights, int64_t vectors, MutableArrayRef<Value> sums);
  void addProducts(ArrayRef<Value> values, Value weights, MutableArrayRef<Value> sums);
  void emitOutput(Value token, Value head);

  /// Where 16 features of a row's weighted sum lie; 64 bytes are a vector of float32.
  Value sum(Value row, Value vector) { return e.at(e.element(sums, row, vectors * 64), e.mul(vector, 64)); }

  KernelEmitter &e;
  kernel::AttentionOp op;
  AttentionOperands operands;
  int64_t width, group, bytes; ///< As the operands have them.
  int64_t vectors;             ///< Of a head.
  TileElements elements;       ///< Of queries and keys.
  OnlineSoftmax softmax;
  Value zero;
  Value sums;    ///< Of each row, [vectors][16] weighted sums of values.
  Value widened; ///< [rows][width] queries in float32, where keys are widened; else null.
  bool splits;   ///< Sums of 32 features are those of the even ones, then those of the odd ones.
};

} // namespace

AttentionEmitter::AttentionEmitter(KernelEmitter &e, kernel::AttentionOp op)
    : e(e), op(op), operands(e, op), width(operands.width), group(operands.group), bytes(operands.bytes),
      vectors(llvm::divideCeil(width, vectorLanes)),
      elements(TileElements::ofVectors(op.getKeys().getType().getElementType(), e.target)),
      softmax(e, group, group, op.getScale().convertToDouble(), elements) {
  zero = e.integer(0);
  sums = e.local(e.f32, group * vectors * vectorLanes);
  // Values that lie side by side are widened as pairs: one load and two operations for 32 of them, where halves of a
  // register would take two loads and four. The sums stay apart until they are stored.
  splits = elements.kind == TileElements::BF16Widened && width % (2 * vectorLanes) == 0;
  // A vector beyond the last query: widening writes whole ones.
  if (elements.kind == TileElements::BF16Widened)
    widened = e.local(e.f32, group * width + vectorLanes);
}

/// With 16 registers of half a vector each, 2 rows by 2 vectors take 8 for sums, 4 for keys or values and 1 for what is
/// broadcast. With 32 registers, 24 are for sums. A sum is one chain, and few rows by 2 vectors are fewer chains than
/// keep two pipes of dot products busy.
AttentionEmitter::RegisterTile AttentionEmitter::registerTile(int64_t rows) {
  if (e.target.cpu().vectorRegisters < 32)
    return {2, 2};
  if (rows <= 6)
    return {rows, 4};
  constexpr int64_t most = 12;
  int64_t pieces = llvm::divideCeil(rows, most), height = llvm::divideCeil(rows, pieces);
  return {height, 2};
}

void AttentionEmitter::emitRows(Value token, Value head) {
  Value position = operands.position(token), sequence = operands.sequence(token);
  Value queries = enterQueries(token, head);
  Value low = operands.lowest(position);

  softmax.begin();
  e.loop(zero, e.integer(group), [&](Value row) {
    e.loop(zero, e.integer(vectors), [&](Value vector) { e.store(e.splat(0), sum(row, vector), 64); });
  });
  operands.forTiles(position, low, [&](Value first, int64_t count) {
    SmallVector<Tile> tiles;
    for (int64_t i = 0; i < count; ++i)
      tiles.push_back(operands.enterTile(e.add(first, i), sequence, head, low, position));
    emitScores(tiles, queries);
    softmax.emit(llvm::map_to_vector(tiles, [](const Tile &tile) { return tile.seen; }), zero);
    emitValues(tiles);
  });
  emitOutput(token, head);
}

/// The address of the rows' queries, as the scores multiply them.
Value AttentionEmitter::enterQueries(Value token, Value head) {
  Value queries = operands.rowsOf(op.getQuery(), token, head);
  if (!widened)
    return queries;
  e.pieces(group * width, vectorLanes, [&](Value begin, int64_t) {
    Value bits = e.load(e.vectorOf(e.i16), e.element(queries, begin, 2));
    e.store(e.widenBF16(bits), e.element(widened, begin, 4));
  });
  return widened;
}

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

/// Scores of all positions of the tiles, those that are not there included: what they hold stays in lanes of its own.
void AttentionEmitter::emitScores(ArrayRef<Tile> tiles, Value queries) {
  RegisterTile most = registerTile(group);
  size_t together = most.vectors / tileVectors;
  // Keys that are widened stay in registers beside their halves, which leaves one row fewer for two tiles.
  if (together > 1 && elements.kind == TileElements::BF16Widened)
    most.rows = std::min<int64_t>(most.rows, 5);
  e.pieces(group, most.rows, [&](Value row, int64_t rows) {
    for (size_t first = 0; first < tiles.size(); first += together)
      emitScores(tiles.slice(first).take_front(together), first, queries, row, rows);
  });
}

/// Of rows from `row` on by tiles that are numbered from `first` on in their block.
void AttentionEmitter::emitScores(ArrayRef<Tile> tiles, int64_t first, Value queries, Value row, int64_t rows) {
  int64_t stepBytes = operands.keyStepBytes();
  int64_t steps = elements.steps(width), queryBytes = elements.inputStepBytes();
  int64_t vectorCount = tiles.size() * tileVectors;
  Value query = e.element(queries, row, width * elements.inputBytes());
  Emitter::Values scores(rows * vectorCount, e.splat(0));
  scores = e.loop(zero, e.integer(steps), 1, scores, [&](Value step, ValueRange carried) {
    Emitter::Values next(carried), keys;
    for (const Tile &tile : tiles)
      keys.push_back(e.element(tile.keys, step, stepBytes));
    addFeature(keys, e.element(query, step, queryBytes), rows, next);
    return next;
  });
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t vector = 0; vector < vectorCount; ++vector)
      e.store(scores[i * vectorCount + vector],
              softmax.score(first + vector / tileVectors, e.add(row, i), vector % tileVectors), 64);
}

/// Adds the products of one feature, or pair of features, to the scores of `rows` rows, a row's by tile.
void AttentionEmitter::addFeature(ArrayRef<Value> tileKeys, Value query, int64_t rows, MutableArrayRef<Value> sums) {
  bool dot = elements.kind == TileElements::BF16Dot, widens = elements.kind == TileElements::BF16Widened;
  Emitter::Values keys;
  for (Value key : tileKeys)
    for (int64_t vector = 0; vector < tileVectors; ++vector)
      keys.push_back(e.load(elements.isPaired() ? e.vectorOf(e.i32) : e.vf32, e.at(key, vector * vectorLanes * 4)));
  auto addAll = [&](Type type, int64_t offset, ArrayRef<Value> by) {
    for (int64_t i = 0; i < rows; ++i) {
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

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

/// Adds the tiles' values, ascending. Positions that are not seen are not touched: they may hold NaN.
void AttentionEmitter::emitValues(ArrayRef<Tile> tiles) {
  RegisterTile most = registerTile(group);
  e.pieces(group, most.rows, [&](Value row, int64_t rows) {
    e.pieces(vectors, most.vectors, [&](Value vector, int64_t count) {
      auto sumOf = [&](int64_t i, int64_t j) { return sum(e.add(row, i), e.add(vector, j)); };
      Emitter::Values sums;
      for (int64_t i = 0; i < rows; ++i) {
        Value factor = e.broadcast(softmax.factor(e.add(row, i)));
        for (int64_t j = 0; j < count; ++j)
          sums.push_back(e.fmul(e.load(e.vf32, sumOf(i, j), 64), factor));
      }
      for (auto [number, tile] : llvm::enumerate(tiles))
        addTile(tile, e.at(tile.values, e.mul(vector, vectorLanes * bytes)), softmax.weights(number, row), count, sums);
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < count; ++j)
          e.store(sums[i * count + j], sumOf(i, j), 64);
    });
  });
}

/// Adds a tile's values, position by position in float32 and by pairs of positions in bfloat16. `values` and `weights`
/// are the addresses of the first position's.
void AttentionEmitter::addTile(const Tile &tile, Value values, Value weights, int64_t vectors, Emitter::Values &sums) {
  using Add = function_ref<void(Value row, Value weights, MutableArrayRef<Value> sums)>;
  auto over = [&](Value begin, Value end, int64_t step, Add add) {
    sums = e.loop(begin, end, step, sums, [&](Value position, ValueRange carried) {
      Emitter::Values next(carried);
      add(e.element(values, position, width * bytes), e.element(weights, position, elements.inputBytes()), next);
      return next;
    });
  };
  Value begin = tile.seen.begin, end = tile.seen.ends.front();
  if (!elements.isPaired())
    return over(begin, end, 1, [&](Value row, Value weights, MutableArrayRef<Value> sums) {
      addPosition(row, weights, vectors, sums);
    });
  int64_t rowBytes = width * bytes;
  // A chunk of an odd length may begin with the second of a pair. The first one's weight is zero.
  if (op.getChunk() % 2) {
    Value whole = e.add(begin, e.rem(begin, 2));
    over(begin, whole, 1, [&](Value row, Value weights, MutableArrayRef<Value> sums) {
      addPair(Value(), row, e.at(weights, -elements.inputBytes()), vectors, sums);
    });
    begin = whole;
  }
  Value whole = e.sub(end, e.rem(end, 2));
  over(begin, whole, 2, [&](Value row, Value weights, MutableArrayRef<Value> sums) {
    addPair(row, e.at(row, rowBytes), weights, vectors, sums);
  });
  over(whole, end, 1,
       [&](Value row, Value weights, MutableArrayRef<Value> sums) { addPair(row, Value(), weights, vectors, sums); });
}

/// Adds a row of float32 values times each query row's weight.
void AttentionEmitter::addPosition(Value row, Value weights, int64_t vectors, MutableArrayRef<Value> sums) {
  Emitter::Values values;
  for (int64_t vector = 0; vector < vectors; ++vector)
    values.push_back(e.load(e.vf32, e.at(row, vector * vectorLanes * bytes)));
  addProducts(values, weights, sums);
}

/// Adds the values of a pair of positions times each query row's weights, the odd one first. A position without a row
/// is not seen: its weights are zeros, and so are its values.
void AttentionEmitter::addPair(Value evenRow, Value oddRow, Value weights, int64_t vectors,
                               MutableArrayRef<Value> sums) {
  auto load = [&](Value row, int64_t vector, int64_t count) -> Value {
    auto type = VectorType::get({count * vectorLanes}, e.i16);
    return row ? e.load(type, e.at(row, vector * vectorLanes * bytes))
               : e.make<arith::ConstantOp>(e.b.getZeroAttr(type));
  };
  auto halves = [&](Value row, int64_t vector) -> Emitter::Values {
    if (!row)
      return {e.splat(0), e.splat(0)};
    Value pairs = e.load(e.vectorOf(e.i32), e.at(row, vector * vectorLanes * bytes));
    return {e.widenHalf(pairs, /*odd=*/false), e.widenHalf(pairs, /*odd=*/true)};
  };
  Emitter::Values values;
  if (elements.kind == TileElements::BF16Dot) {
    // Loads of half a register would bound the loop. (AMD EPYC: 0.65 of the peak with them, 0.94 with whole ones.)
    constexpr int64_t most = 2;
    for (int64_t vector = 0; vector < vectors; vector += most) {
      int64_t count = std::min(most, vectors - vector);
      llvm::append_range(values, e.pairs(load(evenRow, vector, count), load(oddRow, vector, count)));
    }
    return addProducts(values, weights, sums);
  }
  for (auto [row, position] : {std::pair(oddRow, 1), std::pair(evenRow, 0)}) {
    values.clear();
    for (int64_t vector = 0; vector < vectors; vector += splits ? 2 : 1)
      if (splits)
        llvm::append_range(values, halves(row, vector));
      else
        values.push_back(e.widenBF16(load(row, vector, 1)));
    addProducts(values, e.at(weights, position * elements.inputBytes()), sums);
  }
}

/// Adds vectors of values, or of pairs of them, times each query row's weight, or pair of them.
void AttentionEmitter::addProducts(ArrayRef<Value> values, Value weights, MutableArrayRef<Value> sums) {
  bool dot = elements.kind == TileElements::BF16Dot;
  for (size_t row = 0; row * values.size() < sums.size(); ++row) {
    Value weight = e.broadcast(e.load(dot ? e.i32 : e.f32, e.at(weights, row * softmax.weightsBytes())));
    for (auto [sum, value] : llvm::zip_equal(sums.slice(row * values.size(), values.size()), values))
      sum = dot ? e.dotBF16(sum, weight, value) : e.fma(weight, value, sum);
  }
}

//===----------------------------------------------------------------------===//
// Output
//===----------------------------------------------------------------------===//

/// Divides by the sum of exponentials, once and at the end.
void AttentionEmitter::emitOutput(Value token, Value head) {
  Value out = operands.rowsOf(op.getOut(), token, head);
  e.loop(zero, e.integer(group), [&](Value row) {
    Value total = e.broadcast(softmax.total(row)), to = e.element(out, row, width * bytes);
    auto output = [&](Value vector) { return e.fdiv(e.load(e.vf32, sum(row, vector), 64), total); };
    if (splits)
      return e.pieces(vectors, 2, [&](Value vector, int64_t) {
        Value even = e.narrow16(output(vector)), odd = e.narrow16(output(e.add(vector, 1)));
        e.store(e.pairs(even, odd).front(), e.element(to, vector, vectorLanes * bytes), bytes);
      });
    e.pieces(width, vectorLanes, [&](Value feature, int64_t count) {
      Value value = output(e.div(feature, vectorLanes));
      // The last vector may have fewer features than lanes.
      e.storeLanes(elements.isPaired() ? e.narrow16(value) : value, e.element(to, feature, bytes), count);
    });
  });
}

static void emitByVectors(KernelEmitter &e, kernel::AttentionOp op) {
  AttentionEmitter alone(e, op);
  auto emitAlone = [&](Value token, Value head) { alone.emitRows(token, head); };
  if (GroupAttentionEmitter::fits(op))
    return emitVectorAttention(e, op, emitAlone);
  AttentionOperands(e, op).forTokens(1, [&](Value token, Value head, Value) -> Value {
    emitAlone(token, head);
    return e.integer(1);
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
  if (op.getScale().isNegative() || op.getScale().isZero())
    return op.emitError() << "has scale " << op.getScale().convertToDouble() << ", expected a positive one";
  if (usesTileRegisters(op, e.target))
    emitMatrixAttention(e, op);
  else
    emitByVectors(e, op);
  return success();
}
