// SPDX-License-Identifier: Apache-2.0
//
// Keys and values come by asynchronous copies of 16 bytes, a block of 64 positions to a stage, in rows padded by 16
// bytes, so that ldmatrix meets no bank twice, whatever the width. What a token does not see is not read: cleared rows
// stand for it.
#include "compiler/Codegen/GPU/AttentionRing.h"

#include "compiler/Codegen/GPU/ScalarRegion.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

SegmentPositions::SegmentPositions(KernelEmitter &e, Value begin, Value end)
    : begin(begin), end(end), first(e.div(begin, AttentionLayout::blockPositions)),
      blocks(e.sub(e.ceilDiv(end, AttentionLayout::blockPositions), first)) {}

KeyValueRing::KeyValueRing(AttentionCell &cell, const AttentionLayout &layout, Value memory)
    : cell(cell), e(cell.e), layout(layout), width(cell.width), memory(memory) {}

OpEmitter::Values KeyValueRing::walk(const SegmentPositions &positions, ValueRange carried, Body body) {
  int64_t ahead = layout.stages - 1;
  for (int64_t i = 0; i < ahead; ++i)
    fill(positions, e.integer(i), pageOf(positions, e.integer(i)), e.at(memory, i * layout.stageBytes));
  OpEmitter::Values all(carried);
  size_t count = all.size();
  all.push_back(e.integer(0));
  all.push_back(e.integer(ahead * layout.stageBytes));
  Value page = pageOf(positions, e.integer(ahead));
  if (page)
    all.push_back(page);
  auto following = [&](Value stage) {
    return e.select(e.equal(stage, e.integer(ahead * layout.stageBytes)), e.integer(0),
                    e.add(stage, layout.stageBytes));
  };
  all = e.loop(e.integer(0), positions.blocks, 1, all, [&](Value index, ValueRange values) {
    Value stage = values[count], filled = values[count + 1], next = e.add(index, ahead);
    // The block has come, for all threads, and nobody reads the stage that is filled next.
    e.waitCopies(ahead - 1);
    e.barrier();
    fill(positions, next, page ? values[count + 2] : Value(), e.at(memory, filled));
    OpEmitter::Values turn = body(index, e.at(memory, stage), values.take_front(count));
    turn.push_back(following(stage));
    turn.push_back(following(filled));
    // A block early, so that copies do not wait for it.
    if (page)
      turn.push_back(pageOf(positions, e.add(next, 1)));
    return turn;
  });
  all.truncate(count);
  return all;
}

/// The page of block `index` of the segment, where a page holds whole blocks; else null.
Value KeyValueRing::pageOf(const SegmentPositions &positions, Value index) {
  if (cell.cache.getPageTokens() % AttentionLayout::blockPositions)
    return {};
  // Behind the last block there may be no page.
  Value start = e.mul(e.add(positions.first, index), AttentionLayout::blockPositions);
  return cell.page(e.min(e.max(start, positions.begin), e.sub(positions.end, e.integer(1))));
}

/// Begins to copy block `index` of the segment, if there is one, and ends the group of copies in any case.
void KeyValueRing::fill(const SegmentPositions &positions, Value index, Value page, Value stage) {
  constexpr int64_t chunkBytes = 16, chunkElements = 8;
  e.when(e.less(index, positions.blocks), [&] {
    int64_t rowChunks = width / chunkElements, pageTokens = cell.cache.getPageTokens();
    int64_t chunks = AttentionLayout::blockPositions * rowChunks;
    Value start = e.mul(e.add(positions.first, index), AttentionLayout::blockPositions);
    auto copy = [&](Value number) {
      Value row = e.div(number, rowChunks), chunk = e.rem(number, rowChunks), position = e.add(start, row);
      Value seen =
          e.bitAnd(e.compare(arith::CmpIPredicate::sge, position, positions.begin), e.less(position, positions.end));
      Value bytes = e.select(seen, e.integer(chunkBytes), e.integer(0));
      // An address has to be one even if nothing is read from it.
      Value safe = page ? position : e.min(e.max(position, positions.begin), e.sub(positions.end, e.integer(1)));
      Value rowPage = page ? page : cell.page(safe), slot = e.rem(safe, pageTokens);
      Value to = e.add(e.mul(row, layout.rowBytes), e.mul(chunk, chunkBytes)), feature = e.mul(chunk, chunkElements);
      for (auto [cache, offset] :
           {std::pair(Value(cell.op.getKeys()), layout.keys), {cell.op.getValues(), layout.values}})
        e.copyAsync(e.at(e.at(stage, to), offset), cacheAddress(e, cache, rowPage, cell.keyHead, slot, feature), bytes);
    };
    for (int64_t begin = 0; begin < chunks; begin += e.threads) {
      Value number = e.add(e.thread, begin);
      if (begin + e.threads <= chunks)
        copy(number);
      else
        e.when(e.less(number, e.integer(chunks)), [&] { copy(number); });
    }
  });
  e.commitCopies();
}
