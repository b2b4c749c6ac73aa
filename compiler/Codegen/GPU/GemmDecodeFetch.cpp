// SPDX-License-Identifier: Apache-2.0
//
// The fifth warp of a block of the form `decode`. It knows weights alone: its ring runs on from unit to unit, cell to
// cell and product to product. Nobody writes weights, so it does not wait for the launch before: the ring is full when
// that ends. Only for tiles of experts it waits, for the list that readers make of them when they have waited.
#include "compiler/Codegen/GPU/GemmDecodeFrame.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

/// Where the tiles of a unit lie, one behind the other.
static Value tilesOf(DecodeFrame &frame, const DecodeMember &member, const DecodeUnit &unit) {
  KernelEmitter &e = frame.e;
  kernel::GemmOp op = member.op;
  Value first = e.integer(0, e.i64);
  if (member.list)
    first = e.mul(e.widen(e.load(e.i32, e.element(member.list, unit.slot, 4))), member.rowTiles);
  // Tiles that the weight does not have are its last one, whose accumulators nobody reads.
  Value row = e.min(e.add(e.mul(unit.cell, member.cellTiles), unit.tile), e.integer(member.rowTiles - 1));
  Value step = e.add(e.mul(e.add(first, e.widen(row)), member.steps), e.widen(unit.firstStep));
  return e.element(e.address(op.getWeights()[0]), step, GemmLayout::tileBytes);
}

/// Fetches the tiles of one unit, the first as number `count`, and gives the number of the next.
static Value fetchUnit(DecodeFrame &frame, const DecodeMember &member, Value number, Value count) {
  KernelEmitter &e = frame.e;
  DecodeUnit unit(e, member, number);
  Value from = tilesOf(frame, member, unit);
  return e.loop(e.integer(0), unit.steps, 1, {count}, [&](Value inner, ValueRange carried) -> OpEmitter::Values {
    frame.stream->fetch(e.element(from, e.widen(inner), GemmLayout::tileBytes), carried[0]);
    return {e.add(carried[0], 1)};
  })[0];
}

/// Behind the unit that fills the ring, asks for the next ones, which come into the L2 cache while the launch before
/// ends: 64 KiB of each block are 17 MB on an H200, a third of its cache and as much as memory gives in 4 µs.
static void prefetchBehind(DecodeFrame &frame, Value number) {
  constexpr int64_t most = 2;
  KernelEmitter &e = frame.e;
  if (!e.hasBulkCopies())
    return;
  const DecodeShares &known = *frame.known;
  int64_t ringUnits = llvm::divideCeil(frame.stream->depth(), frame.members.front().rangeSteps);
  e.when(e.equal(number, e.add(known.ownBegin, ringUnits - 1)), [&] {
    Value first = e.add(number, 1), last = e.min(e.add(first, most), known.ownEnd);
    e.loop(first, last, 1, {}, [&](Value next, ValueRange) {
      return frame.byMember(next, {}, 0, frame.knownCount(), [&](unsigned index) -> OpEmitter::Values {
        DecodeUnit unit(e, frame.members[index], next);
        e.prefetchBulk(tilesOf(frame, frame.members[index], unit), e.mul(unit.steps, GemmLayout::tileBytes));
        return {};
      });
    });
  });
}

void cuda::fetchUnits(DecodeFrame &frame) {
  using Values = OpEmitter::Values;
  KernelEmitter &e = frame.e;
  unsigned known = frame.knownCount(), all = frame.members.size();
  Value count = e.integer(0);
  auto fetchShare = [&](const DecodeShares &shares, unsigned first, unsigned last) {
    count = e.loop(shares.ownBegin, shares.ownEnd, 1, {count}, [&](Value number, ValueRange before) {
      Values next = frame.byMember(number, e.i32, first, last, [&](unsigned index) -> Values {
        return {fetchUnit(frame, frame.members[index], number, before[0])};
      });
      if (first < known)
        prefetchBehind(frame, number);
      return next;
    })[0];
  };
  if (known)
    fetchShare(*frame.known, 0, known);
  if (frame.hasExperts()) {
    e.wait(frame.place(frame.layout.listed), e.integer(0));
    frame.placeRoutedUnits();
    fetchShare(*frame.routed, known, all);
  }
  // All that is left to do needs no memory: now the next launch may ask for its weights.
  e.waitForEarlier();
  e.startNext();
}
