// SPDX-License-Identifier: Apache-2.0
//
// A counting sort in one cell: pairs are some thousands, and a second pass over them costs less than a barrier between
// workers would. The counts of the experts become the places where the next pair of each goes, so pairs of one expert
// keep their order.
#include "compiler/Codegen/CPU/Kernels.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

LogicalResult codegen::emitTemplate(KernelEmitter &e, kernel::GroupOp op) {
  int64_t experts = op.getExpertCount(), alignment = op.getAlignment();
  Value ids = e.address(op.getExperts()), offsets = e.address(op.getOffsets()), order = e.address(op.getOrder());
  kernel::ViewType choices = op.getExperts().getType();
  Value pairs = e.size(choices.getDims()[0].times(choices.getDimSize(1))), zero = e.integer(0);
  Value next = e.scratch(experts * 8);
  /// Where the count, or the next place, of the expert of a pair is kept.
  auto ofPair = [&](Value pair) { return e.element(next, e.widen(e.load(e.i32, e.element(ids, pair, 4))), 8); };

  e.loop(zero, e.integer(experts), [&](Value expert) { e.store(zero, e.element(next, expert, 8)); });
  e.loop(zero, pairs, [&](Value pair) {
    Value count = ofPair(pair);
    e.store(e.add(e.load(e.i64, count), 1), count);
  });
  Emitter::Values end =
      e.loop(zero, e.integer(experts), 1, {zero}, [&](Value expert, ValueRange carried) -> Emitter::Values {
        Value place = e.element(next, expert, 8), count = e.load(e.i64, place);
        e.store(e.narrow(carried[0]), e.element(offsets, expert, 4));
        e.store(carried[0], place);
        return {e.mul(e.ceilDiv(e.add(carried[0], count), alignment), alignment)};
      });
  e.store(e.narrow(end[0]), e.element(offsets, e.integer(experts), 4));
  e.loop(zero, e.size(op.getOrder().getType().getDims()[0]),
         [&](Value place) { e.store(e.integer(-1, e.i32), e.element(order, place, 4)); });
  e.loop(zero, pairs, [&](Value pair) {
    Value place = ofPair(pair), at = e.load(e.i64, place);
    e.store(e.narrow(pair), e.element(order, at, 4));
    e.store(e.add(at, 1), place);
  });
  return success();
}
