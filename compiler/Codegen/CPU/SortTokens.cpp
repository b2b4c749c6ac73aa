// SPDX-License-Identifier: Apache-2.0
#include "compiler/Codegen/CPU/Kernels.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

/// A stable counting sort. While pairs are placed, offsets[e] runs from the first to one past the last slot of expert
/// e, which is where e + 1 begins: one shift at the end puts every offset where it belongs, so no other memory is
/// needed.
LogicalResult codegen::emitSortTokens(KernelEmitter &e, kernel::SortTokensOp op) {
  int64_t experts = op.getOffsets().getType().getDimSize(0) - 1;
  Value expertOf = e.address(op.getExperts()), offsets = e.address(op.getOffsets());
  Value order = e.address(op.getOrder()), slots = e.address(op.getSlots());
  auto offset = [&](Value expert) { return e.element(offsets, expert, 4); };
  auto expertOfPair = [&](Value pair) { return e.widen(e.load(e.i32, e.element(expertOf, pair, 4))); };
  auto increment = [&](Value address) {
    Value before = e.load(e.i32, address);
    e.store(e.add(before, 1), address);
    return e.widen(before);
  };
  Value zero = e.integer(0);

  e.when(e.less(e.first, e.last), [&] {
    Value pairs = e.size(op.getOrder().getType().getDims()[0]);
    e.loop(zero, e.integer(experts + 1), [&](Value i) { e.store(e.integer(0, e.i32), offset(i)); });
    e.loop(zero, pairs, [&](Value pair) { increment(offset(e.add(expertOfPair(pair), 1))); });
    e.loop(zero, e.integer(experts), [&](Value i) {
      Value next = e.add(e.load(e.i32, offset(i)), e.load(e.i32, offset(e.add(i, 1))));
      e.store(next, offset(e.add(i, 1)));
    });
    e.loop(zero, pairs, [&](Value pair) {
      Value slot = increment(offset(expertOfPair(pair)));
      e.store(e.narrow(pair), e.element(order, slot, 4));
      e.store(e.narrow(slot), e.element(slots, pair, 4));
    });
    e.loop(zero, e.integer(experts), [&](Value i) {
      Value from = e.sub(e.integer(experts - 1), i);
      e.store(e.load(e.i32, offset(from)), offset(e.add(from, 1)));
    });
    e.store(e.integer(0, e.i32), offsets);
  });
  return success();
}
