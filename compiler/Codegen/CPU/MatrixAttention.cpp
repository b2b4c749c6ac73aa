// SPDX-License-Identifier: Apache-2.0
//
// Rows are the query heads of several tokens that follow one another: as many tokens as fill a tile register of 16
// rows, twice. All go through a block of keys together, scores by tile registers, the softmax by vectors, values by
// tile registers again. Keys lie in the cache as tiles of weights do, pairs of features side by side for every
// position. Values have the feature innermost, so pairs of positions are put side by side in memory of the worker, once
// for all rows of a group.
//
// Tokens of a group are of one sequence and of one block of the softmax, so that each goes through the blocks that it
// would go through alone; a tile row sees no other, and sums over positions are by tiles of 32 at multiples of 32. So a
// token has the same bits in every group. Positions that no token of a group sees are zeros there: pages may hold NaN.
#include "compiler/Codegen/CPU/MatrixAttention.h"

#include "compiler/Codegen/CPU/AttentionOperands.h"
#include "compiler/Codegen/CPU/TileRegisters.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

namespace {

constexpr int64_t tileTokens = OnlineSoftmax::tileTokens, tileRows = TileRegisters::rows;
/// Rows of tile registers that go through the keys together, and bytes of a row of scores.
constexpr int64_t mostUnits = 2, scoreBytes = tileTokens * 4;

class MatrixAttentionEmitter {
public:
  MatrixAttentionEmitter(KernelEmitter &e, kernel::AttentionOp op);

  void run();

private:
  using Tile = AttentionOperands::Tile;
  /// How many rows of tile registers have how many tokens each. Rows of tokens beyond the group's last are computed and
  /// not stored.
  struct Form {
    int64_t units, tokens;
  };
  /// Tokens that follow one another, from the first one's position on.
  struct Group {
    Value token, head, position, count;
  };

  Value countTogether(Value token, Value last);
  void emitGroup(const Group &group, Form form);
  void enterQueries(const Group &group, Form form);
  void emitScores(const Tile &tile, int64_t number, Form form);
  void enterValues(const Tile &tile, int64_t number);
  void scaleSums(Value unit);
  void emitValues(int64_t tiles, Form form);
  void emitOutput(const Group &group, Form form);
  /// The number of the first row of a token of the group.
  Value rowOf(Value token, Form form) {
    Value unit = e.div(token, form.tokens), inUnit = e.rem(token, form.tokens);
    return e.add(e.mul(unit, tileRows), e.mul(inUnit, in.group));
  }
  Value sum(Value row, Value feature) { return e.element(e.element(sums, row, in.width * 4), feature, 4); }

  KernelEmitter &e;
  kernel::AttentionOp op;
  AttentionOperands in;
  TileRegisters registers;
  int64_t unitTokens; ///< That fill the rows of a tile register.
  OnlineSoftmax softmax;
  // Memory of the worker, in rows of a group and tiles of a block.
  Value queries; ///< bfloat16[rows][width].
  Value sums;    ///< float32[rows][width] weighted sums of values.
  Value values;  ///< [tiles][pairs of positions][width] pairs of bfloat16.
  Value nothing; ///< Values of a position that is not seen.
  Value config;
};

} // namespace

bool codegen::usesTileRegisters(kernel::AttentionOp op, const Target &target) {
  kernel::CacheType keys = op.getKeys().getType();
  int64_t group = op.getQuery().getType().getDimSize(1) / (keys.getHeads() * keys.getWidth());
  // A tile of inputs is 32 features, and two tiles of weights are 32 features of values.
  return target.cpu().bf16Tile && keys.getElementType().isBF16() && keys.getWidth() % 32 == 0 && group <= tileRows;
}

MatrixAttentionEmitter::MatrixAttentionEmitter(KernelEmitter &e, kernel::AttentionOp op)
    : e(e), op(op), in(e, op), registers(e), unitTokens(tileRows / in.group),
      softmax(e, mostUnits * tileRows, in.group, op.getScale().convertToDouble(), {TileElements::BF16Matrix}) {
  constexpr int64_t rows = mostUnits * tileRows;
  queries = e.scratch(rows * in.width * 2);
  sums = e.scratch(rows * in.width * 4);
  values = e.scratch(OnlineSoftmax::blockTiles * tileTokens * in.width * 2);
  nothing = e.scratch(in.width * 2);
  config = e.scratch(TileRegisters::configBytes);
}

void MatrixAttentionEmitter::run() {
  registers.configure(config, e.integer(tileRows), e.integer(tileRows), TileRegisters::rows);
  e.pieces(in.width, 2 * vectorLanes, [&](Value feature, int64_t) {
    e.store(e.broadcast(e.integer(0, e.i32)), e.element(nothing, feature, 2), 64);
  });
  in.forTokens(mostUnits * unitTokens, [&](Value token, Value head, Value last) {
    Group group = {token, head, in.position(token), countTogether(token, last)};
    // A token alone, as in decoding, has no rows beyond its own to compute; a few tokens fill one row of registers.
    auto emitFew = [&] {
      e.when(
          e.equal(group.count, e.integer(1)),
          [&] {
            emitGroup(group, {1, 1});
          },
          [&] {
            emitGroup(group, {1, unitTokens});
          });
    };
    e.when(e.less(group.count, e.integer(unitTokens + 1)), emitFew, [&] { emitGroup(group, {mostUnits, unitTokens}); });
    return group.count;
  });
  registers.release();
}

/// How many tokens from `token` on are neighbouring positions of its sequence, in its chunk and in its block.
Value MatrixAttentionEmitter::countTogether(Value token, Value last) {
  constexpr int64_t block = OnlineSoftmax::blockTokens;
  Value position = in.position(token), sequence = in.sequence(token), low = in.lowest(position);
  Value count = e.integer(1), follows = e.equal(count, count);
  for (int64_t i = 1; i < mostUnits * unitTokens; ++i) {
    Value next = e.add(token, i), place = e.add(position, i);
    Value known = e.min(next, e.sub(last, e.integer(1)));
    for (Value holds : {e.less(next, last), e.equal(in.position(known), place), e.equal(in.sequence(known), sequence),
                        e.equal(e.div(place, block), e.div(position, block)), e.equal(in.lowest(place), low)})
      follows = e.make<arith::AndIOp>(follows, holds);
    count = e.add(count, e.make<arith::ExtUIOp>(e.i64, follows));
  }
  return count;
}

void MatrixAttentionEmitter::emitGroup(const Group &group, Form form) {
  Value sequence = in.sequence(group.token), low = in.lowest(group.position);
  Value lastPosition = e.sub(e.add(group.position, group.count), e.integer(1));
  enterQueries(group, form);
  softmax.begin();
  e.loop(e.integer(0), e.integer(form.units * tileRows), [&](Value row) {
    e.pieces(in.width, vectorLanes, [&](Value feature, int64_t) { e.store(e.splat(0), sum(row, feature), 64); });
  });
  in.forTiles(lastPosition, low, [&](Value first, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      Tile tile = in.enterTile(e.add(first, i), sequence, group.head, low, lastPosition);
      emitScores(tile, i, form);
      enterValues(tile, i);
    }
    e.loop(e.integer(0), e.integer(form.units), [&](Value unit) {
      SmallVector<Value> positions;
      for (int64_t i = 0; i < form.tokens; ++i)
        positions.push_back(e.add(group.position, e.add(e.mul(unit, form.tokens), i)));
      SmallVector<OnlineSoftmax::Seen> seen;
      for (int64_t i = 0; i < count; ++i)
        seen.push_back(in.see(e.add(first, i), low, positions));
      softmax.emit(seen, e.mul(unit, tileRows));
      scaleSums(unit);
    });
    emitValues(count, form);
  });
  emitOutput(group, form);
}

/// Rows that fill tile registers, one behind the other.
void MatrixAttentionEmitter::enterQueries(const Group &group, Form form) {
  e.loop(e.integer(0), group.count, [&](Value token) {
    Value from = in.rowsOf(op.getQuery(), e.add(group.token, token), group.head);
    Value to = e.element(queries, rowOf(token, form), in.width * 2);
    e.pieces(in.group * in.width, 2 * vectorLanes, [&](Value element, int64_t) {
      e.store(e.load(e.vectorOf(e.i32), e.element(from, element, 2)), e.element(to, element, 2), 64);
    });
  });
}

/// Scores of all positions of a tile, those that are not seen included: what they hold stays in columns of its own.
void MatrixAttentionEmitter::emitScores(const Tile &tile, int64_t number, Form form) {
  auto forSums = [&](function_ref<void(int64_t, int64_t)> body) {
    for (int64_t unit = 0; unit < form.units; ++unit)
      for (int64_t column : {0, 1})
        body(unit, column);
  };
  forSums([&](int64_t unit, int64_t column) { registers.clear(TileRegisters::sums(unit, column)); });
  int64_t stepBytes = in.keyStepBytes();
  e.loop(e.integer(0), e.integer(in.width / 2), TileRegisters::rows, {},
         [&](Value step, ValueRange) -> Emitter::Values {
           for (int64_t column : {0, 1})
             registers.load(TileRegisters::weights(column),
                            e.at(e.element(tile.keys, step, stepBytes), column * TileRegisters::rowBytes), stepBytes);
           for (int64_t unit = 0; unit < form.units; ++unit)
             registers.load(TileRegisters::inputs(unit),
                            e.at(e.element(queries, step, 4), unit * tileRows * in.width * 2), in.width * 2);
           forSums([&](int64_t unit, int64_t column) { registers.multiply(unit, column); });
           return {};
         });
  forSums([&](int64_t unit, int64_t column) {
    Value to = softmax.score(number, e.integer(unit * tileRows), column);
    registers.store(TileRegisters::sums(unit, column), to, scoreBytes);
  });
}

/// Puts the values of pairs of positions side by side, as a tile of weights has them.
void MatrixAttentionEmitter::enterValues(const Tile &tile, int64_t number) {
  int64_t rowBytes = in.width * 2;
  Value begin = tile.seen.begin, end = tile.seen.ends.front();
  Value to = e.at(values, number * tileTokens * rowBytes);
  e.loop(e.integer(0), e.integer(tileTokens / 2), [&](Value pair) {
    auto rowOf = [&](int64_t odd) {
      Value position = e.add(e.mul(pair, 2), odd);
      Value isSeen = e.make<arith::AndIOp>(e.less(position, end), e.less(begin, e.add(position, 1)));
      return e.select(isSeen, e.element(tile.values, position, rowBytes), nothing);
    };
    Value even = rowOf(0), odd = rowOf(1), pairs = e.element(to, pair, 2 * rowBytes);
    auto type = VectorType::get({2 * vectorLanes}, e.i16);
    e.pieces(in.width, 2 * vectorLanes, [&](Value feature, int64_t) {
      auto load = [&](Value row) { return e.load(type, e.element(row, feature, 2)); };
      for (auto [i, both] : llvm::enumerate(e.pairs(load(even), load(odd))))
        e.store(both, e.at(e.element(pairs, feature, 4), i * vectorLanes * 4), 64);
    });
  });
}

/// Takes sums to the largest score so far. Once that is found, factors are one and sums stay as they are.
void MatrixAttentionEmitter::scaleSums(Value unit) {
  Value first = e.mul(unit, tileRows);
  e.when(softmax.changes(first), [&] {
    e.loop(e.integer(0), e.integer(tileRows), [&](Value i) {
      Value row = e.add(first, i), factor = e.broadcast(softmax.factor(row));
      e.pieces(in.width, vectorLanes, [&](Value feature, int64_t) {
        e.store(e.fmul(e.load(e.vf32, sum(row, feature), 64), factor), sum(row, feature), 64);
      });
    });
  });
}

/// Adds the values of a block's tiles, ascending, 32 features at a time.
void MatrixAttentionEmitter::emitValues(int64_t tiles, Form form) {
  e.loop(e.integer(0), e.integer(in.width), 2 * TileRegisters::columns, {},
         [&](Value feature, ValueRange) -> Emitter::Values {
           auto forSums = [&](function_ref<void(int64_t, Value)> body) {
             for (int64_t unit = 0; unit < form.units; ++unit)
               for (int64_t column : {0, 1})
                 body(TileRegisters::sums(unit, column),
                      e.at(sum(e.integer(unit * tileRows), feature), column * TileRegisters::rowBytes));
           };
           forSums([&](int64_t tile, Value place) { registers.load(tile, place, in.width * 4); });
           for (int64_t number = 0; number < tiles; ++number) {
             Value pairs = e.element(e.at(values, number * tileTokens * in.width * 2), feature, 4);
             for (int64_t column : {0, 1})
               registers.load(TileRegisters::weights(column), e.at(pairs, column * TileRegisters::rowBytes),
                              in.width * 4);
             for (int64_t unit = 0; unit < form.units; ++unit) {
               registers.load(TileRegisters::inputs(unit), softmax.weights(number, e.integer(unit * tileRows)),
                              softmax.weightsBytes());
               for (int64_t column : {0, 1})
                 registers.multiply(unit, column);
             }
           }
           forSums([&](int64_t tile, Value place) { registers.store(tile, place, in.width * 4); });
           return {};
         });
}

/// Divides by the sum of exponentials, once and at the end.
void MatrixAttentionEmitter::emitOutput(const Group &group, Form form) {
  e.loop(e.integer(0), group.count, [&](Value token) {
    Value out = in.rowsOf(op.getOut(), e.add(group.token, token), group.head);
    e.loop(e.integer(0), e.integer(in.group), [&](Value queryHead) {
      Value row = e.add(rowOf(token, form), queryHead), total = e.broadcast(softmax.total(row));
      e.pieces(in.width, vectorLanes, [&](Value feature, int64_t) {
        Value mean = e.fdiv(e.load(e.vf32, sum(row, feature), 64), total);
        e.store(e.narrow16(mean), e.element(e.element(out, queryHead, in.width * 2), feature, 2));
      });
    });
  });
}

void codegen::emitMatrixAttention(KernelEmitter &e, kernel::AttentionOp op) { MatrixAttentionEmitter(e, op).run(); }
