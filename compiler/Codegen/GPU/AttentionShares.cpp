// SPDX-License-Identifier: Apache-2.0
//
// A step of few tokens has few cells. So blocks share the segments of all of them, leave their states in a workspace,
// and the last to arrive at a cell merges them, in the order in which one block would have: no bit depends on who
// computed a segment, and so neither on how many blocks there are nor on who shares the step.
#include "compiler/Codegen/GPU/Attention.h"
#include "compiler/Codegen/GPU/AttentionLayout.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

namespace {

/// Segments of all tokens and key heads, one after the other, a token's heads in order and their segments ascending.
class SharedSegments {
public:
  SharedSegments(AttentionCell &cell, AttentionForm &form, const AttentionShape &shape)
      : cell(cell), form(form), e(cell.e), shape(shape), layout(shape.width), headBytes(layout.headWords * 4),
        segmentBytes(shape.group * headBytes), states(cell.op.getWorkspaces()[0]), arrivals(cell.op.getWorkspaces()[1]),
        flag(e.shared(4)) {}

  /// Blocks take segments in turn, so that they have equal shares up to one, and those of one token end together.
  void emit();

private:
  /// Segments that a token's positions lie in.
  Value countOf(Value token) {
    Value position = cell.positionOf(token);
    return e.add(e.sub(e.div(position, shape.segment), e.div(cell.lowOf(position), shape.segment)), 1);
  }
  void emitUnit(Value unit);
  void emitSegment(Value count, Value index);
  void mergeHead(Value first, Value count, Value head);
  void clear(Value first, Value count);

  AttentionCell &cell;
  AttentionForm &form;
  KernelEmitter &e;
  AttentionShape shape;
  AttentionStates layout;
  int64_t headBytes, segmentBytes;
  Value states, arrivals, flag;
};

} // namespace

void SharedSegments::emit() {
  Value tokens = e.size(cell.op.getRows());
  Value units = e.loop(e.integer(0), tokens, 1, e.integer(0), [&](Value token, ValueRange sum) {
    return OpEmitter::Values{e.add(sum[0], e.mul(countOf(token), cell.heads))};
  })[0];
  Value blocks = e.blockCount();
  Value turns = e.div(e.sub(e.add(units, blocks), e.add(e.cell, 1)), blocks);
  e.loop(e.integer(0), turns, [&](Value turn) { emitUnit(e.add(e.cell, e.mul(turn, blocks))); });
}

void SharedSegments::emitUnit(Value unit) {
  // What is left of the unit's number once the segments of earlier tokens are counted off; negative behind its token.
  Value zero = e.integer(0);
  OpEmitter::Values found =
      e.loop(zero, e.size(cell.op.getRows()), 1, {zero, zero, zero, unit}, [&](Value token, ValueRange carried) {
        Value count = countOf(token), left = carried[3], all = e.mul(count, cell.heads);
        Value isHere = e.bitAnd(e.compare(arith::CmpIPredicate::sge, left, zero), e.less(left, all));
        return OpEmitter::Values{e.select(isHere, token, carried[0]), e.select(isHere, count, carried[1]),
                                 e.select(isHere, left, carried[2]), e.sub(left, all)};
      });
  Value count = found[1];
  cell.enter(found[0], e.div(found[2], count));
  emitSegment(count, e.rem(found[2], count));
}

void SharedSegments::emitSegment(Value count, Value index) {
  Value tokenHead = e.add(e.mul(e.widen(cell.token), cell.heads), e.widen(cell.keyHead));
  Value first = e.element(e.address(states), tokenHead, shape.mostSegments() * segmentBytes);
  Value start = e.mul(e.add(e.div(cell.low, shape.segment), index), shape.segment);
  Value end = e.min(e.add(cell.position, 1), e.add(start, shape.segment));
  Value isOnly = e.equal(count, e.integer(1));
  form.forHeads([&] {
    SoftmaxState state = form.compute(e.max(cell.low, start), end);
    e.when(
        isOnly, [&] { form.write(form.merge(form.zero(), state)); },
        [&] { form.store(state, e.element(first, e.widen(index), segmentBytes)); });
  });
  e.when(e.compare(arith::CmpIPredicate::ne, count, e.integer(1)), [&] {
    Value isLast = e.arriveLast(e.element(e.address(arrivals), tokenHead, 4), e.integer(1), count, flag);
    e.when(isLast, [&] {
      e.loop(e.warp, e.integer(shape.group), e.threads / warpLanes, {}, [&](Value head, ValueRange) {
        mergeHead(first, count, head);
        return OpEmitter::Values{};
      });
      e.barrier();
      clear(first, count);
    });
  });
}

/// Merges the segments of one query head, a warp's, whose lanes have four features each, and stores the output. First
/// lanes are segments: each finds the largest score up to its own and the two factors that merging it takes, which the
/// lanes then hand round. Some segments are read at once, since no other block is left to hide what that takes.
void SharedSegments::mergeHead(Value first, Value count, Value head) {
  constexpr int64_t atOnce = 8, runWords = 4;
  auto pair = VectorType::get({2}, e.f32), quad = VectorType::get({runWords}, e.f32);
  Value lowest = e.real(-std::numeric_limits<float>::infinity());
  Value place = e.at(first, e.widen(e.mul(head, headBytes)));
  // A lane without features reads the last ones.
  Value run = e.min(e.lane, e.integer(cell.width / runWords - 1));
  Value values = e.at(place, e.widen(e.mul(e.add(run, AttentionStates::sumsWord / runWords), runWords * 4)));
  auto segmentAt = [&](Value base, Value index) {
    return e.at(base, e.mul(e.widen(e.min(index, e.sub(count, e.integer(1)))), segmentBytes));
  };
  OpEmitter::Values carried = {lowest, e.real(0)};
  carried.append(runWords, e.real(0));
  carried = e.loop(e.integer(0), count, warpLanes, carried, [&](Value base, ValueRange before) {
    Value mine = e.add(base, e.lane), state = e.load(pair, segmentAt(place, mine), 8);
    Value isThere = e.less(mine, count);
    Value own = e.select(isThere, e.extract(state, 0), lowest), total = e.extract(state, 1);
    Value most = e.fmax(before[0], own);
    for (int64_t distance = 1; distance < warpLanes; distance *= 2) {
      Value other = e.shuffle(most, e.max(e.sub(e.lane, e.integer(distance)), e.integer(0)));
      most = e.select(e.less(e.lane, e.integer(distance)), most, e.fmax(other, most));
    }
    Value last = e.shuffle(most, e.max(e.sub(e.lane, e.integer(1)), e.integer(0)));
    last = e.select(e.equal(e.lane, e.integer(0)), before[0], last);
    Value ofBefore = e.exp(e.fsub(last, most)), ofSegment = e.exp(e.fsub(own, most));
    OpEmitter::Values sums(before.drop_front(1));
    Value end = e.min(e.sub(count, base), e.integer(warpLanes));
    sums = e.loop(e.integer(0), end, atOnce, sums, [&](Value index, ValueRange inner) {
      OpEmitter::Values loaded, sums(inner);
      for (int64_t i = 0; i < atOnce; ++i)
        loaded.push_back(e.load(quad, segmentAt(values, e.add(base, e.add(index, i))), 16));
      for (int64_t i = 0; i < atOnce; ++i) {
        Value number = e.add(index, i), factor = e.shuffle(ofBefore, number), weight = e.shuffle(ofSegment, number);
        OpEmitter::Values added = {e.shuffle(total, number)};
        for (int64_t j = 0; j < runWords; ++j)
          added.push_back(e.extract(loaded[i], j));
        for (auto [sum, value] : llvm::zip(sums, added))
          sum = e.select(e.less(number, end), e.fadd(e.fmul(sum, factor), e.fmul(value, weight)), sum);
      }
      return sums;
    });
    OpEmitter::Values next = {e.shuffle(most, e.integer(warpLanes - 1))};
    next.append(sums);
    return next;
  });
  e.when(e.less(e.lane, e.integer(cell.width / runWords)), [&] {
    OpEmitter::Values out;
    for (int64_t j = 0; j < runWords; ++j)
      out.push_back(e.make<arith::TruncFOp>(cell.cache.getElementType(), e.fdiv(carried[2 + j], carried[1])));
    Value row = e.element(e.address(cell.op.getOut()), e.add(cell.firstHead(), e.widen(head)), cell.width * 2);
    e.store(e.vector(out), e.at(row, e.widen(e.mul(e.lane, runWords * 2))), 8);
  });
}

/// The next launch finds zeros.
void SharedSegments::clear(Value first, Value count) {
  constexpr int64_t chunkBytes = 16;
  Value zeros = e.vector(OpEmitter::Values(4, e.integer(0)));
  e.loop(e.thread, e.mul(count, segmentBytes / chunkBytes), e.threads, {}, [&](Value chunk, ValueRange) {
    e.store(zeros, e.element(first, e.widen(chunk), chunkBytes), chunkBytes);
    return OpEmitter::Values{};
  });
}

void cuda::emitSharedSegments(AttentionCell &cell, AttentionForm &form, const AttentionShape &shape) {
  SharedSegments(cell, form, shape).emit();
}
