// SPDX-License-Identifier: Apache-2.0
//
// Every warp looks for the tile of its block by itself: 32 lanes try a token each and vote, so that two thousand tokens
// take three rounds of loads. The last tiles of a step, which see most positions, go to the first blocks, so that none
// of them is left when the others have ended.
#include "compiler/Codegen/GPU/AttentionTile.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

TokenTile::TokenTile(AttentionCell &cell, int64_t rows) : cell(cell), e(cell.e), tokens(rows / cell.group) {}

Value TokenTile::sequenceOf(Value token) {
  Value sequences = cell.op.getSequences();
  return e.loadFrom(sequences, e.i32, e.element(e.address(sequences), e.widen(token), 4));
}

Value TokenTile::enter() {
  allTokens = e.size(cell.op.getRows());
  Value tiles = e.add(e.ceilDiv(allTokens, tokens), e.size(cell.op.getPages().getType().getDims()[0]));
  Value number = e.sub(tiles, e.add(e.div(e.cell, cell.heads), 1));
  begin = firstToken(number);
  // Behind the last token there is nothing to read.
  Value safe = e.min(begin, e.sub(allTokens, e.integer(1)));
  Value sequence = sequenceOf(safe);
  Value isThere = e.bitAnd(e.less(begin, allTokens), e.equal(e.add(e.div(safe, tokens), sequence), number));
  begin = safe;
  cell.enterSequence(sequence, e.rem(e.cell, cell.heads));
  end = e.add(begin, countTokens());
  Value first = cell.positionOf(begin), last = cell.positionOf(e.sub(end, e.integer(1)));
  low = cell.lowOf(first);
  high = e.add(last, 1);
  allLow = cell.lowOf(last);
  allHigh = e.add(first, 1);
  return isThere;
}

/// The first token whose tile has at least this number; behind the last token if there is none.
Value TokenTile::firstToken(Value number) {
  Value zero = e.integer(0);
  auto loop = e.make<scf::WhileOp>(TypeRange{e.i32, e.i32}, ValueRange{zero, allTokens});
  OpBuilder::InsertionGuard guard(e.b);
  Block *before = e.b.createBlock(&loop.getBefore(), {}, TypeRange{e.i32, e.i32}, {e.loc, e.loc});
  e.make<scf::ConditionOp>(e.less(before->getArgument(0), before->getArgument(1)), before->getArguments());
  Block *after = e.b.createBlock(&loop.getAfter(), {}, TypeRange{e.i32, e.i32}, {e.loc, e.loc});
  // It is in [least, most].
  Value least = after->getArgument(0), most = after->getArgument(1);
  Value step = e.ceilDiv(e.sub(most, least), warpLanes), tried = e.add(least, e.mul(e.lane, step));
  Value isInside = e.less(tried, most), safe = e.select(isInside, tried, least);
  Value isBefore = e.less(e.add(e.div(safe, tokens), sequenceOf(safe)), number);
  Value count = e.countBits(e.ballot(e.bitAnd(isInside, isBefore)));
  Value isFirst = e.equal(count, zero), reached = e.add(least, e.mul(count, step));
  Value nextLeast = e.select(isFirst, least, e.add(e.sub(reached, step), 1));
  Value nextMost = e.select(isFirst, least, e.min(reached, most));
  e.make<scf::YieldOp>(ValueRange{nextLeast, nextMost});
  return loop.getResult(0);
}

/// Tokens of the tile from `begin` on.
Value TokenTile::countTokens() {
  Value last = e.min(e.mul(e.add(e.div(begin, tokens), 1), tokens), allTokens), count = e.integer(0);
  for (int64_t turn = 0; turn < tokens; turn += warpLanes) {
    Value token = e.add(begin, e.add(e.lane, turn)), isInside = e.less(token, last);
    Value isSame = e.equal(sequenceOf(e.select(isInside, token, begin)), cell.sequence);
    count = e.add(count, e.countBits(e.ballot(e.bitAnd(isInside, isSame))));
  }
  return count;
}

TileRow TokenTile::rowAt(Value number) {
  Value token = e.add(begin, e.div(number, cell.group)), safe = e.min(token, e.sub(end, e.integer(1)));
  TileRow row;
  row.isThere = e.less(token, end);
  Value head = e.add(e.mul(cell.keyHead, cell.group), e.rem(number, cell.group));
  row.index = e.add(e.mul(e.widen(safe), cell.heads * cell.group), e.widen(head));
  row.position = cell.positionOf(safe);
  row.low = cell.lowOf(row.position);
  return row;
}
