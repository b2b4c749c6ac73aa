// SPDX-License-Identifier: Apache-2.0
//
// A counting sort in one block. A warp takes an expert and walks all pairs, 32 at a time: a vote says which of them are
// the expert's, and the votes before a lane where its pair goes. So pairs of one expert keep their order without an
// atomic, and every place has one writer.
#include "compiler/Codegen/GPU/Kernels.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

namespace {

class GroupEmitter {
public:
  GroupEmitter(KernelEmitter &e, kernel::GroupOp op)
      : e(e), op(op), experts(op.getExpertCount()), counts(e.shared(experts * 4)), begins(e.shared((experts + 1) * 4)) {
    kernel::ViewType choices = op.getExperts().getType();
    pairs = e.size(choices.getDims()[0].times(choices.getDimSize(1)));
  }

  void run();

private:
  /// The bits of those of the 32 pairs from `begin` on that chose the expert.
  Value votes(Value begin, Value expert);
  void forWarpExperts(function_ref<void(Value expert)> body);
  void placeOffsets();
  void placePairs(Value expert);

  KernelEmitter &e;
  kernel::GroupOp op;
  int64_t experts;
  Value counts, begins; ///< In shared memory: pairs of each expert, and offsets.
  Value pairs;
};

} // namespace

void GroupEmitter::forWarpExperts(function_ref<void(Value expert)> body) {
  e.loop(e.warp, e.integer(experts), e.threads / warpLanes, {}, [&](Value expert, ValueRange) {
    body(expert);
    return OpEmitter::Values{};
  });
}

Value GroupEmitter::votes(Value begin, Value expert) {
  Value pair = e.add(begin, e.lane), last = e.sub(pairs, e.integer(1));
  // A lane behind the last pair reads that one, and does not vote.
  Value place = e.element(e.address(op.getExperts()), e.widen(e.min(pair, last)), 4);
  Value chosen = e.equal(e.loadFrom(op.getExperts(), e.i32, place), expert);
  return e.ballot(e.bitAnd(chosen, e.less(pair, pairs)));
}

void GroupEmitter::run() {
  Value zero = e.integer(0);
  forWarpExperts([&](Value expert) {
    Value count = e.loop(zero, pairs, warpLanes, zero, [&](Value begin, ValueRange sum) {
      return OpEmitter::Values{e.add(sum[0], e.countBits(votes(begin, expert)))};
    })[0];
    e.when(e.equal(e.lane, zero), [&] { e.store(count, e.element(counts, expert, 4)); });
  });
  e.barrier();
  e.when(e.equal(e.thread, zero), [&] { placeOffsets(); });
  e.barrier();
  forWarpExperts([&](Value expert) { placePairs(expert); });
  // What no expert has.
  Value end = e.load(e.i32, e.element(begins, e.integer(experts), 4));
  e.loop(e.add(end, e.thread), e.size(op.getOrder().getType().getDims()[0]), e.threads, {}, [&](Value at, ValueRange) {
    e.store(e.integer(-1), e.element(e.address(op.getOrder()), e.widen(at), 4));
    return OpEmitter::Values{};
  });
}

/// Adds the counts up, each rounded to the next multiple of the alignment. There are a few hundred at most.
void GroupEmitter::placeOffsets() {
  int64_t alignment = op.getAlignment();
  auto write = [&](Value expert, Value offset) {
    e.store(offset, e.element(begins, expert, 4));
    e.store(offset, e.element(e.address(op.getOffsets()), e.widen(expert), 4));
  };
  Value end = e.loop(e.integer(0), e.integer(experts), 1, e.integer(0), [&](Value expert, ValueRange sum) {
    write(expert, sum[0]);
    Value next = e.add(sum[0], e.load(e.i32, e.element(counts, expert, 4)));
    return OpEmitter::Values{e.mul(e.ceilDiv(next, alignment), alignment)};
  })[0];
  write(e.integer(experts), end);
}

/// Writes the expert's pairs in ascending order, and -1 from there to the next expert.
void GroupEmitter::placePairs(Value expert) {
  Value order = e.address(op.getOrder()), before = e.sub(e.shiftLeft(e.integer(1), e.lane), e.integer(1));
  Value begin = e.load(e.i32, e.element(begins, expert, 4));
  Value filled = e.loop(e.integer(0), pairs, warpLanes, begin, [&](Value first, ValueRange next) {
    Value mine = votes(first, expert);
    Value isMine = e.compare(arith::CmpIPredicate::ne, e.bitAnd(mine, e.shiftLeft(e.integer(1), e.lane)), e.integer(0));
    e.when(isMine, [&] {
      Value at = e.add(next[0], e.countBits(e.bitAnd(mine, before)));
      e.store(e.add(first, e.lane), e.element(order, e.widen(at), 4));
    });
    return OpEmitter::Values{e.add(next[0], e.countBits(mine))};
  })[0];
  Value end = e.load(e.i32, e.element(begins, e.add(expert, 1), 4));
  e.loop(e.add(filled, e.lane), end, warpLanes, {}, [&](Value at, ValueRange) {
    e.store(e.integer(-1), e.element(order, e.widen(at), 4));
    return OpEmitter::Values{};
  });
}

LogicalResult cuda::emitTemplate(KernelEmitter &e, kernel::GroupOp op) {
  GroupEmitter(e, op).run();
  return success();
}
