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

/// Fetches the tiles of one unit, the first as number `count`, and gives the number of the next.
static Value fetchUnit(DecodeFrame &frame, const DecodeMember &member, Value number, Value count) {
  KernelEmitter &e = frame.e;
  kernel::GemmOp op = member.op;
  DecodeUnit unit(e, member, number);
  Value first = e.integer(0, e.i64);
  if (member.list)
    first = e.mul(e.widen(e.load(e.i32, e.element(member.list, unit.slot, 4))), member.rowTiles);
  // Tiles that the weight does not have are its last one, whose accumulators nobody reads.
  Value row = e.min(e.add(e.mul(unit.cell, member.cellTiles), unit.tile), e.integer(member.rowTiles - 1));
  Value step = e.add(e.mul(e.add(first, e.widen(row)), member.steps), e.widen(unit.firstStep));
  Value from = e.element(e.address(op.getWeights()[0]), step, GemmLayout::tileBytes);
  return e.loop(e.integer(0), unit.steps, 1, {count}, [&](Value inner, ValueRange carried) -> OpEmitter::Values {
    frame.stream->fetch(e.element(from, e.widen(inner), GemmLayout::tileBytes), carried[0]);
    return {e.add(carried[0], 1)};
  })[0];
}

void cuda::fetchUnits(DecodeFrame &frame) {
  KernelEmitter &e = frame.e;
  unsigned known = frame.knownCount(), all = frame.members.size();
  Value count = e.integer(0);
  auto fetchShare = [&](const DecodeShares &shares, unsigned first, unsigned last) {
    count = e.loop(shares.ownBegin, shares.ownEnd, 1, {count}, [&](Value number, ValueRange before) {
      return frame.byMember(number, e.i32, first, last, [&](unsigned index) -> OpEmitter::Values {
        return {fetchUnit(frame, frame.members[index], number, before[0])};
      });
    })[0];
  };
  if (known)
    fetchShare(*frame.known, 0, known);
  if (!frame.hasExperts())
    return;
  e.wait(frame.place(frame.layout.listed), e.integer(0));
  frame.placeRoutedUnits();
  fetchShare(*frame.routed, known, all);
}
