// SPDX-License-Identifier: Apache-2.0
//
// Tokens of a group are of one sequence and of one block of the softmax, so that each goes through the blocks that it
// would go through alone; a row sees no other, and positions that it does not see have weights of zero. Sums over
// positions are by tiles of 32 at multiples of 32. So a token has the same bits in every group.
#include "compiler/Codegen/CPU/GroupAttention.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

static int64_t queryHeadsPerKey(kernel::AttentionOp op) {
  kernel::CacheType keys = op.getKeys().getType();
  return op.getQuery().getType().getDimSize(1) / (keys.getHeads() * keys.getWidth());
}

bool GroupAttentionEmitter::fits(kernel::AttentionOp op) {
  return op.getKeys().getType().getWidth() % sliceWidth == 0 && queryHeadsPerKey(op) <= unitRows;
}

GroupAttentionEmitter::GroupAttentionEmitter(KernelEmitter &e, kernel::AttentionOp op, TileElements elements,
                                             int64_t mostUnits)
    : e(e), op(op), in(e, op), elements(elements), unitTokens(unitRows / in.group),
      mostUnits(std::min(mostUnits, OnlineSoftmax::tileTokens / unitTokens)), mostRows(this->mostUnits * unitRows),
      softmax(e, mostRows, in.group, op.getScale().convertToDouble(), elements) {
  queries = e.scratch(mostRows * in.width * elements.inputBytes());
  sums = e.scratch(mostRows * sumBytes());
  nothing = e.scratch(in.width * in.bytes);
}

void GroupAttentionEmitter::emitCells() {
  e.pieces(in.width * in.bytes, vectorLanes * 4,
           [&](Value byte, int64_t) { e.store(e.broadcast(e.integer(0, e.i32)), e.element(nothing, byte, 1), 64); });
  in.forTokens(mostUnits * unitTokens, [&](Value token, Value head, Value last) {
    Group group = {token, head, in.position(token), countTogether(token, last)};
    chooseForm(group);
    return group.count;
  });
}

/// How many tokens from `token` on are neighbouring positions of its sequence, in its chunk and in its block.
Value GroupAttentionEmitter::countTogether(Value token, Value last) {
  constexpr int64_t block = OnlineSoftmax::blockTokens;
  Value position = in.position(token), sequence = in.sequence(token), low = in.lowest(position);
  Value end = e.min(last, e.add(token, mostUnits * unitTokens));
  return e.loop(e.add(token, 1), end, 1, {e.integer(1)}, [&](Value next, ValueRange carried) -> Emitter::Values {
    Value count = carried[0], place = e.add(position, count);
    // All before it belong, or `next` would be further away than their number.
    Value follows = e.equal(e.sub(next, token), count);
    for (Value holds : {e.equal(in.position(next), place), e.equal(in.sequence(next), sequence),
                        e.equal(e.div(place, block), e.div(position, block)), e.equal(in.lowest(place), low)})
      follows = e.make<arith::AndIOp>(follows, holds);
    return {e.add(count, e.make<arith::ExtUIOp>(e.i64, follows))};
  })[0];
}

/// The number of the first row of a token of the group.
Value GroupAttentionEmitter::rowOf(Value token, Form form) {
  Value unit = e.div(token, form.tokens), inUnit = e.rem(token, form.tokens);
  return e.add(e.mul(unit, unitRows), e.mul(inUnit, in.group));
}

void GroupAttentionEmitter::emitGroup(const Group &group, Form form) {
  Value sequence = in.sequence(group.token), low = in.lowest(group.position);
  Value lastPosition = e.sub(e.add(group.position, group.count), e.integer(1));
  enterQueries(group, form);
  softmax.begin();
  e.loop(e.integer(0), e.mul(form.units, unitRows), [&](Value row) {
    e.pieces(in.width, vectorLanes, [&](Value feature, int64_t) { e.store(e.splat(0), sum(row, feature), 64); });
  });
  in.forBlocks(lastPosition, low, [&](Value first, Value count) {
    e.loop(e.integer(0), count, [&](Value number) {
      Tile tile = in.enterTile(e.add(first, number), sequence, group.head, low, lastPosition);
      emitScores(tile, number, form);
      enterValues(tile, number);
    });
    emitSoftmax(group, low, first, count, form);
    emitValues(count, e.sub(group.position, e.mul(first, OnlineSoftmax::tileTokens)), form);
  });
  emitOutput(group, form);
}

/// Of the rows of all units, over the `count` tiles of a block from number `first` on. The code is that of a whole
/// block, and a tile beyond `count` has no position that is seen.
void GroupAttentionEmitter::emitSoftmax(const Group &group, Value low, Value first, Value count, Form form) {
  e.loop(e.integer(0), form.units, [&](Value unit) {
    SmallVector<Value> positions;
    for (int64_t i = 0; i < form.tokens; ++i)
      positions.push_back(e.add(group.position, e.add(e.mul(unit, form.tokens), i)));
    SmallVector<OnlineSoftmax::Seen> seen;
    for (int64_t i = 0; i < OnlineSoftmax::blockTiles; ++i) {
      seen.push_back(in.see(e.add(first, i), low, positions));
      Value isThere = e.less(e.integer(i), count);
      seen.back().begin = e.select(isThere, seen.back().begin, e.integer(OnlineSoftmax::tileTokens));
    }
    softmax.emit(seen, e.mul(unit, unitRows));
  });
}

/// The query heads of each token, one behind the other.
void GroupAttentionEmitter::enterQueries(const Group &group, Form form) {
  e.loop(e.integer(0), group.count, [&](Value token) {
    enterElements(in.rowsOf(op.getQuery(), e.add(group.token, token), group.head),
                  e.element(queries, rowOf(token, form), in.width * elements.inputBytes()), in.group * in.width);
  });
}

void GroupAttentionEmitter::enterElements(Value from, Value to, int64_t count) {
  e.pieces(count * in.bytes, vectorLanes * 4, [&](Value byte, int64_t) {
    e.store(e.load(e.vectorOf(e.i32), e.element(from, byte, 1)), e.element(to, byte, 1), 64);
  });
}

Value GroupAttentionEmitter::valuesOf(const Tile &tile, Value position) {
  Value isSeen =
      e.make<arith::AndIOp>(e.less(position, tile.seen.ends.front()), e.less(tile.seen.begin, e.add(position, 1)));
  return e.select(isSeen, e.element(tile.values, position, in.width * in.bytes), nothing);
}

void GroupAttentionEmitter::pairValues(const Tile &tile, function_ref<Value(Value pair, Value feature)> placeOf) {
  e.loop(e.integer(0), e.integer(OnlineSoftmax::tileTokens / 2), [&](Value pair) {
    Value position = e.mul(pair, 2);
    Value even = valuesOf(tile, position), odd = valuesOf(tile, e.add(position, 1));
    auto type = VectorType::get({sliceWidth}, e.i16);
    e.pieces(in.width, sliceWidth, [&](Value feature, int64_t) {
      auto load = [&](Value row) { return e.load(type, e.element(row, feature, 2)); };
      Value to = placeOf(pair, feature);
      for (auto [i, both] : llvm::enumerate(e.pairs(load(even), load(odd))))
        e.store(both, e.at(to, i * vectorLanes * 4), 64);
    });
  });
}

/// Divides by the sum of exponentials, once and at the end.
void GroupAttentionEmitter::emitOutput(const Group &group, Form form) {
  e.loop(e.integer(0), group.count, [&](Value token) {
    Value out = in.rowsOf(op.getOut(), e.add(group.token, token), group.head);
    e.loop(e.integer(0), e.integer(in.group), [&](Value queryHead) {
      Value row = e.add(rowOf(token, form), queryHead), total = e.broadcast(softmax.total(row));
      Value to = e.element(out, queryHead, in.width * in.bytes);
      e.pieces(in.width, vectorLanes, [&](Value feature, int64_t) {
        Value mean = e.fdiv(e.load(e.vf32, sum(row, feature), 64), total);
        e.store(elements.isPaired() ? e.narrow16(mean) : mean, e.element(to, feature, in.bytes));
      });
    });
  });
}
