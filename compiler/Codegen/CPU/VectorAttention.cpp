// SPDX-License-Identifier: Apache-2.0
//
// Scores and sums of values are products of rows by a panel of keys or of values, in register tiles as a GEMM has
// them. Where bfloat16 is widened, a tile of keys and one of values are widened once for all rows of a group, which
// would take as long as the products do for the rows of one token alone. Sums have the order that they have there:
// ascending, of pairs the odd one first.
#include "compiler/Codegen/CPU/VectorAttention.h"

#include "compiler/Codegen/CPU/GroupAttention.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

namespace {

constexpr int64_t tileTokens = OnlineSoftmax::tileTokens;
/// Bytes of the keys of a tile for one feature, or pair of features, as they are multiplied.
constexpr int64_t keyBytes = tileTokens * 4;

class VectorAttentionEmitter : public GroupAttentionEmitter {
public:
  VectorAttentionEmitter(KernelEmitter &e, kernel::AttentionOp op,
                         function_ref<void(Value token, Value head)> emitAlone);

  using GroupAttentionEmitter::emitCells;

private:
  static constexpr int64_t sliceBytes = sliceWidth * 4; ///< Of a step.

  /// A panel of 4-byte lanes: float32, or pairs of bfloat16 for dot products. The steps are an even number.
  struct Panel {
    Value begin;
    int64_t stride; ///< Bytes from a step to the next.
    Value steps;
    bool widens = false; ///< Pairs of bfloat16, of which each is two steps.
  };
  /// Rows of 4-byte inputs, one for each step of the panel.
  struct Rows {
    Value begin;
    int64_t stride; ///< Bytes from a row to the next.
    int64_t count;
  };

  void chooseForm(const Group &group) override;
  void enterElements(Value from, Value to, int64_t count) override;
  void emitScores(const Tile &tile, Value number, Form form) override;
  void enterValues(const Tile &tile, Value number) override;
  void emitValues(Value tiles, Value ahead, Form form) override;

  Value enterKeys(const Tile &tile);
  void widenValues(const Tile &tile, Value to);
  Value enterFloats(const Tile &tile, Value to);
  Value valuesOfTile(Value number) { return e.element(values, number, valueSteps() * in.width * 4); }
  Value placeOf(Value panel, Value step, Value feature);
  Panel panelOf(Value number, Value feature, Value steps);
  void widen(Value from, Value to, int64_t count);
  void forRows(Form form, function_ref<void(Value row, int64_t count)> body);
  Emitter::Values loadStep(const Panel &panel, Value step, int64_t ahead);
  void multiply(const Rows &rows, const Panel &panel, Emitter::Values &sums);

  /// Steps of a product by a tile of values.
  int64_t valueSteps() const { return isDot() ? tileTokens / 2 : tileTokens; }
  bool isDot() const { return elements.kind == TileElements::BF16Dot; }
  bool isWidened() const { return elements.kind == TileElements::BF16Widened; }

  function_ref<void(Value token, Value head)> emitAlone;
  int64_t columns;   ///< Vectors of a register tile.
  int64_t tallest;   ///< Rows of one.
  Value widenedKeys; ///< float32[width][tileTokens], in memory of the worker, or null.
  Value values;      ///< Of each tile of a block as they are multiplied, in memory of the worker.
  Value floats;      ///< Addresses of the values of each tile of a block where they are float32, else null.
};

} // namespace

VectorAttentionEmitter::VectorAttentionEmitter(KernelEmitter &e, kernel::AttentionOp op,
                                               function_ref<void(Value token, Value head)> emitAlone)
    : GroupAttentionEmitter(e, op, TileElements::ofVectors(op.getKeys().getType().getElementType(), e.target),
                            /*mostUnits=*/8),
      emitAlone(emitAlone) {
  // As for a GEMM, 6 x 16 sums in 16 registers of 8 lanes. In 32 of 16 lanes a unit of rows is two tiles of 8 x 32.
  bool hasMany = e.target.cpu().vectorRegisters >= 32;
  columns = hasMany ? 2 : 1;
  tallest = hasMany ? 12 : 6;
  if (isWidened() && !hasMany)
    widenedKeys = e.scratch(in.width * keyBytes);
  values = e.scratch(OnlineSoftmax::blockTiles * tileTokens * in.width * elements.inputBytes());
  if (!elements.isPaired())
    floats = e.local(e.ptr, OnlineSoftmax::blockTiles);
}

void VectorAttentionEmitter::chooseForm(const Group &group) {
  Value units = e.ceilDiv(group.count, unitTokens);
  e.when(
      e.equal(group.count, e.integer(1)), [&] { emitAlone(group.token, group.head); },
      [&] {
        emitGroup(group, {units, unitTokens, /*knownUnits=*/0});
      });
}

void VectorAttentionEmitter::enterElements(Value from, Value to, int64_t count) {
  if (isWidened())
    return widen(from, to, count);
  GroupAttentionEmitter::enterElements(from, to, count);
}

/// bfloat16 to float32.
void VectorAttentionEmitter::widen(Value from, Value to, int64_t count) {
  e.pieces(count, vectorLanes, [&](Value element, int64_t) {
    Value bits = e.load(e.vectorOf(e.i16), e.element(from, element, 2));
    e.store(e.widenBF16(bits), e.element(to, element, 4), 64);
  });
}

/// The rows of all units in pieces as equal in height as they can be, none higher than a register tile.
void VectorAttentionEmitter::forRows(Form form, function_ref<void(Value row, int64_t count)> body) {
  int64_t rows = form.tokens * in.group, pieces = llvm::divideCeil(rows, tallest);
  int64_t low = rows / pieces, taller = rows % pieces;
  e.loop(e.integer(0), form.units, [&](Value unit) {
    Value first = e.mul(unit, unitRows);
    auto emit = [&](int64_t begin, int64_t end, int64_t count) {
      if (begin < end)
        e.loop(e.integer(begin), e.integer(end), count, {}, [&](Value row, ValueRange) -> Emitter::Values {
          body(e.add(first, row), count);
          return {};
        });
    };
    emit(0, taller * (low + 1), low + 1);
    emit(taller * (low + 1), rows, low);
  });
}

/// The columns of a panel `ahead` steps behind the even number `step`.
Emitter::Values VectorAttentionEmitter::loadStep(const Panel &panel, Value step, int64_t ahead) {
  Value from = panel.widens ? e.element(panel.begin, e.div(step, 2), panel.stride)
                            : e.at(e.element(panel.begin, step, panel.stride), ahead * panel.stride);
  Type lanes = isDot() || panel.widens ? e.vectorOf(e.i32) : e.vf32;
  Emitter::Values vectors;
  for (int64_t column = 0; column < columns; ++column) {
    Value loaded = e.load(lanes, e.at(from, column * vectorLanes * 4));
    vectors.push_back(panel.widens ? e.widenHalf(loaded, /*odd=*/ahead == 1) : loaded);
  }
  return vectors;
}

/// Adds rows times columns of a panel to `sums`, those of a row after those of the one before.
void VectorAttentionEmitter::multiply(const Rows &rows, const Panel &panel, Emitter::Values &sums) {
  constexpr int64_t unroll = 2;
  sums = e.loop(e.integer(0), panel.steps, unroll, sums, [&](Value step, ValueRange carried) {
    Emitter::Values next(carried);
    for (int64_t i = 0; i < unroll; ++i) {
      int64_t ahead = isWidened() ? unroll - 1 - i : i;
      Emitter::Values vectors = loadStep(panel, step, ahead);
      for (int64_t row = 0; row < rows.count; ++row) {
        Value place = e.at(e.element(rows.begin, step, 4), row * rows.stride + ahead * 4);
        Value input = e.broadcast(e.load(isDot() ? e.i32 : e.f32, place));
        for (auto [column, vector] : llvm::enumerate(vectors)) {
          Value &sum = next[row * columns + column];
          sum = isDot() ? e.dotBF16(sum, input, vector) : e.fma(input, vector, sum);
        }
      }
    }
    return next;
  });
}

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

/// Where the keys of a tile are as they are multiplied. Low tiles widen them in memory once, high ones within each
/// product, where it is two operations beside many. (Intel Xeon, single runs, from memory: with 16 registers 6 % faster
/// at 512 tokens and as fast at 2,048, with 32 registers 4 % faster and 12 % slower.)
Value VectorAttentionEmitter::enterKeys(const Tile &tile) {
  if (!widenedKeys)
    return tile.keys;
  e.loop(e.integer(0), e.integer(in.width / 2), [&](Value pair) {
    Value from = e.element(tile.keys, pair, in.keyStepBytes()), to = e.element(widenedKeys, pair, 2 * keyBytes);
    for (int64_t byte = 0; byte < keyBytes; byte += vectorLanes * 4) {
      Value pairs = e.load(e.vectorOf(e.i32), e.at(from, byte));
      for (int64_t odd : {0, 1})
        e.store(e.widenHalf(pairs, odd), e.at(to, odd * keyBytes + byte), 64);
    }
  });
  return widenedKeys;
}

void VectorAttentionEmitter::emitScores(const Tile &tile, Value number, Form form) {
  Value keys = enterKeys(tile);
  int64_t queryBytes = in.width * elements.inputBytes();
  forRows(form, [&](Value row, int64_t count) {
    for (int64_t vector = 0; vector < OnlineSoftmax::tileVectors; vector += columns) {
      Emitter::Values scores(count * columns, e.splat(0));
      Panel panel = {e.at(keys, vector * vectorLanes * 4), keyBytes, e.integer(isDot() ? in.width / 2 : in.width),
                     /*widens=*/isWidened() && !widenedKeys};
      multiply({e.element(queries, row, queryBytes), queryBytes, count}, panel, scores);
      for (int64_t i = 0; i < count; ++i)
        for (int64_t column = 0; column < columns; ++column)
          e.store(scores[i * columns + column], softmax.score(number, e.add(row, i), vector + column), 64);
    }
  });
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

/// Values that have to be made ready lie in slices of 32 features, [slices][steps][32], since lines a power of two
/// apart would share the same few places of the cache.
Value VectorAttentionEmitter::placeOf(Value panel, Value step, Value feature) {
  Value slice = e.element(panel, e.div(feature, sliceWidth), valueSteps() * sliceBytes);
  return e.element(e.element(slice, step, sliceBytes), e.rem(feature, sliceWidth), 4);
}

void VectorAttentionEmitter::enterValues(const Tile &tile, Value number) {
  Value to = valuesOfTile(number);
  if (isDot())
    pairValues(tile, [&](Value pair, Value feature) { return placeOf(to, pair, feature); });
  else if (isWidened())
    widenValues(tile, to);
  else
    e.store(enterFloats(tile, to), e.element(floats, number, 8));
}

void VectorAttentionEmitter::widenValues(const Tile &tile, Value to) {
  e.loop(e.integer(0), e.integer(tileTokens), [&](Value position) {
    Value row = valuesOf(tile, position);
    e.pieces(in.width, sliceWidth, [&](Value feature, int64_t count) {
      widen(e.element(row, feature, in.bytes), placeOf(to, position, feature), count);
    });
  });
}

/// Float32 that are all seen are multiplied where they lie, row by row.
Value VectorAttentionEmitter::enterFloats(const Tile &tile, Value to) {
  Value isWhole = e.make<arith::AndIOp>(e.less(tile.seen.begin, e.integer(1)),
                                        e.equal(tile.seen.ends.front(), e.integer(tileTokens)));
  e.when(
      isWhole, [] {},
      [&] {
        e.loop(e.integer(0), e.integer(tileTokens), [&](Value position) {
          enterElements(valuesOf(tile, position), e.element(to, position, in.width * 4), in.width);
        });
      });
  return e.select(isWhole, tile.values, to);
}

/// The values of a tile from `feature` on.
VectorAttentionEmitter::Panel VectorAttentionEmitter::panelOf(Value number, Value feature, Value steps) {
  if (elements.isPaired())
    return {placeOf(valuesOfTile(number), e.integer(0), feature), sliceBytes, steps};
  Value tile = e.load(e.ptr, e.element(floats, number, 8));
  return {e.element(tile, feature, 4), in.width * 4, steps};
}

void VectorAttentionEmitter::emitValues(Value tiles, Value ahead, Form form) {
  e.loop(e.integer(0), e.integer(in.width), columns * vectorLanes, {},
         [&](Value feature, ValueRange) -> Emitter::Values {
           forRows(form, [&](Value row, int64_t count) {
             auto sumOf = [&](int64_t i) {
               return e.at(sum(e.add(row, i / columns), feature), i % columns * vectorLanes * 4);
             };
             Emitter::Values sums;
             for (int64_t i = 0; i < count; ++i) {
               Value factor = e.broadcast(softmax.factor(e.add(row, i)));
               for (int64_t column = 0; column < columns; ++column)
                 sums.push_back(e.fmul(e.load(e.vf32, sumOf(i * columns + column), 64), factor));
             }
             // What the last token of the unit does not see has weights of zero, and may be left out.
             Value seen = e.add(ahead, e.mul(e.add(e.div(row, unitRows), 1), form.tokens));
             sums = e.loop(e.integer(0), tiles, 1, sums, [&](Value number, ValueRange carried) {
               Value end = e.min(e.sub(seen, e.mul(number, tileTokens)), e.integer(tileTokens));
               int64_t perTurn = isDot() ? 4 : 2;
               Value steps = e.mul(e.div(e.max(e.add(end, perTurn - 1), e.integer(0)), perTurn), 2);
               Emitter::Values next(carried);
               multiply({softmax.weights(number, row), softmax.weightsBytes(), count}, panelOf(number, feature, steps),
                        next);
               return next;
             });
             for (int64_t i = 0; i < count * columns; ++i)
               e.store(sums[i], sumOf(i), 64);
           });
           return {};
         });
}

void codegen::emitVectorAttention(KernelEmitter &e, kernel::AttentionOp op,
                                  function_ref<void(Value token, Value head)> emitAlone) {
  VectorAttentionEmitter(e, op, emitAlone).emitCells();
}
