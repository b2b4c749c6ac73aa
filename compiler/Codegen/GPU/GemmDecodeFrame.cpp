// SPDX-License-Identifier: Apache-2.0
//
// Which units there are depends on the experts in use, which every block lists for itself: it is a few instructions for
// the few rows of a step, and no launch has to come before. Units of members without experts come first and are shared
// out apart from the others, so that a block knows its own ones while the launch that routes still runs.
#include "compiler/Codegen/GPU/GemmDecodeFrame.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

kernel::GPUAttr cuda::gpuConfigOf(kernel::GemmOp op) { return dyn_cast_or_null<kernel::GPUAttr>(op.getConfigAttr()); }

static std::vector<DecodeMember> membersOf(ArrayRef<kernel::GemmOp> ops) {
  std::vector<DecodeMember> members;
  for (bool byExpert : {false, true})
    for (kernel::GemmOp op : ops)
      if (DecodeMember member(op, gpuConfigOf(op)); member.byExpert == byExpert)
        members.push_back(member);
  return members;
}

static DecodeLayout layoutOf(ArrayRef<DecodeMember> members) {
  SmallVector<DecodeLayout::Member> needs;
  for (DecodeMember member : members) {
    GemmShape shape = shapeOf(member.op, 1);
    needs.push_back({member.tileRows, member.cellTiles, shape.rowValues, shape.byExpert});
  }
  return DecodeLayout(needs, members.front().rangeSteps, gpuConfigOf(members.front().op).getStages());
}

DecodeFrame::DecodeFrame(KernelEmitter &e, ArrayRef<kernel::GemmOp> ops)
    : e(e), members(membersOf(ops)), layout(layoutOf(members)) {}

unsigned DecodeFrame::knownCount() const {
  return llvm::count_if(members, [](const DecodeMember &member) { return !member.byExpert; });
}

Value DecodeFrame::placeOf(const DecodeMember &member, Value share) {
  return member.byExpert && knownCount() ? e.add(share, e.blockCount()) : share;
}

Value DecodeFrame::sumsOf(const DecodeMember &member, Value share) {
  return e.element(e.address(sums), e.widen(placeOf(member, share)), blockSums * 4);
}

void cuda::listExperts(KernelEmitter &e, const DecodeMember &member, Value list) {
  kernel::GemmOp op = member.op;
  Value ids = e.address(op.getExperts()), rows = e.size(op.getRows()), zero = e.integer(0);
  Value below = e.sub(e.shiftLeft(e.integer(1), e.lane), e.integer(1));
  auto idOf = [&](Value row) { return e.loadConstant(e.i32, e.element(ids, e.widen(row), 4)); };
  OpEmitter::Values count =
      e.loop(zero, rows, warpLanes, {zero}, [&](Value first, ValueRange found) -> OpEmitter::Values {
        Value row = e.add(first, e.lane), exists = e.less(row, rows), id = idOf(e.select(exists, row, first));
        OpEmitter::Values isNew = e.loop(zero, rows, 1, {exists}, [&](Value other, ValueRange is) -> OpEmitter::Values {
          Value isSame = e.bitAnd(e.less(other, row), e.equal(idOf(other), id));
          return {e.bitAnd(is[0], e.bitXor(isSame, 1))};
        });
        Value all = e.ballot(isNew[0]), at = e.add(found[0], e.countBits(e.bitAnd(all, below)));
        e.when(isNew[0], [&] { e.store(id, e.element(list, at, 4)); });
        return {e.add(found[0], e.countBits(all))};
      });
  e.when(e.equal(e.lane, zero), [&] { e.store(count[0], e.at(list, member.tileRows * 4)); });
}

void DecodeFrame::placeKnownUnits() {
  Value next = e.integer(0);
  for (DecodeMember &member : members) {
    member.rows = e.size(member.op.getRows());
    if (member.byExpert)
      continue;
    member.begin = next;
    // Without rows there is nothing to do, and no row to read.
    next = member.end = e.add(next, e.mul(e.min(member.rows, e.integer(1)), member.cells * member.cellUnits()));
  }
  if (knownCount())
    known.emplace(e, e.integer(0), next, nullptr);
}

void DecodeFrame::placeRoutedUnits() {
  if (!hasExperts())
    return;
  Value first = known ? members[knownCount() - 1].end : e.integer(0), next = first;
  for (auto [index, member] : llvm::enumerate(members)) {
    if (!member.byExpert)
      continue;
    member.list = place(layout.lists[index]);
    Value slots = e.load(e.i32, e.at(member.list, member.tileRows * 4));
    member.begin = next;
    next = member.end = e.add(next, e.mul(slots, member.cells * member.cellUnits()));
  }
  routed.emplace(e, first, e.sub(next, first), known ? &*known : nullptr);
}

DecodeFrame::Values DecodeFrame::byMember(Value unit, TypeRange types, unsigned first, unsigned last,
                                          function_ref<Values(unsigned)> body) {
  if (first + 1 == last)
    return body(first);
  return e.either(
      e.less(unit, members[first].end), types, [&] { return body(first); },
      [&] { return byMember(unit, types, first + 1, last, body); });
}
