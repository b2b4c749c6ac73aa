// SPDX-License-Identifier: Apache-2.0
//
// A unit of a group's rows fills a tile register; two units go through the keys together. Keys lie in the cache as
// tiles of weights do, pairs of features side by side for every position. Values have the feature innermost, so pairs
// of positions are put side by side in memory of the worker. A token alone, as in decoding, has no rows beyond its own
// to compute, and takes the same way.
#include "compiler/Codegen/CPU/MatrixAttention.h"

#include "compiler/Codegen/CPU/GroupAttention.h"
#include "compiler/Codegen/CPU/TileRegisters.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

namespace {

class MatrixAttentionEmitter : public GroupAttentionEmitter {
public:
  MatrixAttentionEmitter(KernelEmitter &e, kernel::AttentionOp op);

  void run();

private:
  void chooseForm(const Group &group) override;
  void emitScores(const Tile &tile, Value number, Form form) override;
  void enterValues(const Tile &tile, Value number) override;
  void emitValues(Value tiles, Value ahead, Form form) override;

  void scaleSums(Value unit);

  Value valuesOfTile(Value number) { return e.element(values, number, OnlineSoftmax::tileTokens * in.width * 2); }

  TileRegisters registers;
  // Memory of the worker.
  Value values; ///< [tiles][pairs of positions][width] pairs of bfloat16.
  Value config;
};

} // namespace

bool codegen::usesTileRegisters(kernel::AttentionOp op, const Target &target) {
  // A tile of inputs is 32 features, and two tiles of weights are 32 features of values.
  return target.cpu().bf16Tile && op.getKeys().getType().getElementType().isBF16() && GroupAttentionEmitter::fits(op);
}

MatrixAttentionEmitter::MatrixAttentionEmitter(KernelEmitter &e, kernel::AttentionOp op)
    : GroupAttentionEmitter(e, op, {TileElements::BF16Matrix}, /*mostUnits=*/2), registers(e) {
  static_assert(unitRows == TileRegisters::rows);
  values = e.scratch(OnlineSoftmax::blockTiles * OnlineSoftmax::tileTokens * in.width * 2);
  config = e.scratch(TileRegisters::configBytes);
}

void MatrixAttentionEmitter::run() {
  registers.configure(config, e.integer(unitRows), e.integer(unitRows), TileRegisters::rows);
  emitCells();
  registers.release();
}

/// A few tokens fill one row of registers.
void MatrixAttentionEmitter::chooseForm(const Group &group) {
  auto emit = [&](int64_t units, int64_t tokens) { emitGroup(group, {e.integer(units), tokens, units}); };
  auto emitFew = [&] {
    e.when(
        e.equal(group.count, e.integer(1)), [&] { emit(1, 1); }, [&] { emit(1, unitTokens); });
  };
  e.when(e.less(group.count, e.integer(unitTokens + 1)), emitFew, [&] { emit(mostUnits, unitTokens); });
}

/// What a position that is not seen holds stays in a column of its own.
void MatrixAttentionEmitter::emitScores(const Tile &tile, Value number, Form form) {
  auto forSums = [&](function_ref<void(int64_t, int64_t)> body) {
    for (int64_t unit = 0; unit < form.knownUnits; ++unit)
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
           for (int64_t unit = 0; unit < form.knownUnits; ++unit)
             registers.load(TileRegisters::inputs(unit),
                            e.at(e.element(queries, step, 4), unit * unitRows * in.width * 2), in.width * 2);
           forSums([&](int64_t unit, int64_t column) { registers.multiply(unit, column); });
           return {};
         });
  forSums([&](int64_t unit, int64_t column) {
    Value to = softmax.score(number, e.integer(unit * unitRows), column);
    registers.store(TileRegisters::sums(unit, column), to, scoreBytes);
  });
}

void MatrixAttentionEmitter::enterValues(const Tile &tile, Value number) {
  pairValues(tile, [&](Value pair, Value feature) {
    return e.element(e.element(valuesOfTile(number), pair, in.width * 4), feature, 4);
  });
}

/// Takes sums to the largest score so far. Once that is found, factors are one and sums stay as they are.
void MatrixAttentionEmitter::scaleSums(Value unit) {
  Value first = e.mul(unit, unitRows);
  e.when(softmax.changes(first), [&] {
    e.loop(e.integer(0), e.integer(unitRows), [&](Value i) {
      Value row = e.add(first, i), factor = e.broadcast(softmax.factor(row));
      e.pieces(in.width, vectorLanes, [&](Value feature, int64_t) {
        e.store(e.fmul(e.load(e.vf32, sum(row, feature), 64), factor), sum(row, feature), 64);
      });
    });
  });
}

void MatrixAttentionEmitter::emitValues(Value tiles, Value, Form form) {
  for (int64_t unit = 0; unit < form.knownUnits; ++unit)
    scaleSums(e.integer(unit));
  e.loop(e.integer(0), e.integer(in.width), sliceWidth, {}, [&](Value feature, ValueRange) -> Emitter::Values {
    auto forSums = [&](function_ref<void(int64_t, Value)> body) {
      for (int64_t unit = 0; unit < form.knownUnits; ++unit)
        for (int64_t column : {0, 1})
          body(TileRegisters::sums(unit, column),
               e.at(sum(e.integer(unit * unitRows), feature), column * TileRegisters::rowBytes));
    };
    forSums([&](int64_t tile, Value place) { registers.load(tile, place, in.width * 4); });
    e.loop(e.integer(0), tiles, [&](Value number) {
      Value pairs = e.element(valuesOfTile(number), feature, 4);
      for (int64_t column : {0, 1})
        registers.load(TileRegisters::weights(column), e.at(pairs, column * TileRegisters::rowBytes), in.width * 4);
      for (int64_t unit = 0; unit < form.knownUnits; ++unit) {
        registers.load(TileRegisters::inputs(unit), softmax.weights(number, e.integer(unit * unitRows)),
                       softmax.weightsBytes());
        for (int64_t column : {0, 1})
          registers.multiply(unit, column);
      }
    });
    forSums([&](int64_t tile, Value place) { registers.store(tile, place, in.width * 4); });
    return {};
  });
}

void codegen::emitMatrixAttention(KernelEmitter &e, kernel::AttentionOp op) { MatrixAttentionEmitter(e, op).run(); }
