// SPDX-License-Identifier: Apache-2.0
//
// What does not depend on how scores and values are multiplied. Pages of a sequence are a row of the page table. As
// many rows of values as a tile has keys take as much room and follow one another, so that both parts of a cache have a
// tile at one offset.
#include "compiler/Codegen/CPU/AttentionOperands.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

constexpr int64_t tileTokens = OnlineSoftmax::tileTokens;

AttentionOperands::AttentionOperands(KernelEmitter &e, kernel::AttentionOp op)
    : width(op.getKeys().getType().getWidth()), heads(op.getKeys().getType().getHeads()),
      group(op.getQuery().getType().getDimSize(1) / (heads * width)), bytes(op.getKeys().getType().getElementBytes()),
      e(e), op(op) {}

Value AttentionOperands::position(Value token) {
  return e.widen(e.load(e.i32, e.element(e.address(op.getPositions()), token, 4)));
}

Value AttentionOperands::sequence(Value token) {
  return e.widen(e.load(e.i32, e.element(e.address(op.getSequences()), token, 4)));
}

Value AttentionOperands::lowest(Value position) {
  int64_t chunk = op.getChunk();
  return chunk ? e.mul(e.div(position, chunk), chunk) : e.integer(0);
}

Value AttentionOperands::rowsOf(Value view, Value token, Value head) {
  int64_t rowBytes = cast<kernel::ViewType>(view.getType()).getDimSize(1) * bytes;
  return e.element(e.element(e.address(view), token, rowBytes), head, group * width * bytes);
}

int64_t AttentionOperands::keyStepBytes() {
  kernel::CacheType cache = op.getKeys().getType();
  return schema::tile_elements(cache.getForm(), cache.getPackedShape()) * bytes;
}

AttentionOperands::Tile AttentionOperands::enterTile(Value index, Value sequence, Value head, Value low,
                                                     ArrayRef<Value> positions) {
  kernel::CacheType cache = op.getKeys().getType();
  const schema::PackedForm &keys = cache.getForm();
  int64_t perPage = cache.getPageTokens() / tileTokens;
  Value row = e.mul(sequence, op.getPages().getType().getDimSize(1));
  Value page = e.load(e.i32, e.element(e.address(op.getPages()), e.add(row, e.div(index, perPage)), 4));
  Value pageOffset = e.mul(e.widen(page), cache.getPageBytes());
  Value inPage = schema::row_tile_index(e, keys, cache.getPackedShape(), head, e.rem(index, perPage));
  int64_t tileBytes = schema::row_tile_elements(keys, cache.getPackedShape()) * bytes;
  Value offset = e.add(pageOffset, e.mul(inPage, tileBytes));
  return {e.at(e.address(op.getKeys()), offset), e.at(e.address(op.getValues()), offset), see(index, low, positions)};
}

/// Only the first tile may begin before `low`, and only the last goes beyond a token.
OnlineSoftmax::Seen AttentionOperands::see(Value index, Value low, ArrayRef<Value> positions) {
  Value start = e.mul(index, tileTokens);
  OnlineSoftmax::Seen seen = {e.max(e.sub(low, start), e.integer(0)), {}};
  for (Value position : positions)
    seen.ends.push_back(e.min(e.add(e.sub(position, start), 1), e.integer(tileTokens)));
  return seen;
}

void AttentionOperands::forBlocks(Value position, Value low, function_ref<void(Value first, Value count)> body) {
  constexpr int64_t blockTiles = OnlineSoftmax::blockTiles, blockTokens = OnlineSoftmax::blockTokens;
  Value firstTile = e.div(low, tileTokens), lastTile = e.add(e.div(position, tileTokens), 1);
  e.loop(e.div(low, blockTokens), e.add(e.div(position, blockTokens), 1), [&](Value block) {
    Value start = e.mul(block, blockTiles);
    Value first = e.max(start, firstTile), last = e.min(e.add(start, blockTiles), lastTile);
    body(first, e.sub(last, first));
  });
}

void AttentionOperands::forTiles(Value position, Value low, function_ref<void(Value first, int64_t count)> body) {
  forBlocks(position, low, [&](Value first, Value count) {
    e.switchOn(count, 1, OnlineSoftmax::blockTiles, [&](int64_t count) { body(first, count); });
  });
}

/// The tokens of a head follow one another, and keys and values stay in the second level of cache from one to the next.
void AttentionOperands::forTokens(int64_t most, function_ref<Value(Value token, Value head, Value last)> body) {
  Value zero = e.integer(0), tokens = e.size(op.getRows());
  Value heads = e.div(e.sub(e.add(e.last, tokens), e.integer(1)), tokens);
  e.loop(e.div(e.first, tokens), heads, [&](Value head) {
    Value begin = e.mul(head, tokens);
    Value first = e.max(e.sub(e.first, begin), zero), last = e.min(e.sub(e.last, begin), tokens);
    if (most == 1)
      return e.loop(first, last, [&](Value token) { body(token, head, last); });
    e.loop(first, last, 1, {first}, [&](Value token, ValueRange next) {
      // A token that was taken with one before it is passed over.
      return e.when(e.equal(token, next[0]), next,
                    [&]() -> Emitter::Values { return {e.add(token, body(token, head, last))}; });
    });
  });
}
