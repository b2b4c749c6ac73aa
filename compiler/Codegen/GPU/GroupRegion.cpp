// SPDX-License-Identifier: Apache-2.0
//
// Lane l of a group is thread l mod 32 of a warp, so the partial sums that the numerics state are one register of each
// thread, and adding them up is five shuffles. In the last turn there may be more threads than lanes: those compute
// the last lane once more, where a load is safe, and neither add it nor have an effect.
#include "compiler/Codegen/GPU/GroupRegion.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

LogicalResult GroupRegion::emit() {
  SmallVector<kernel::SumOp> open(body.getOps<kernel::SumOp>());
  while (!open.empty())
    if (failed(emitSums(region.takeReady(open))))
      return failure();
  return emitEffects();
}

LogicalResult GroupRegion::emitSummands(ArrayRef<Operation *> ops, ArrayRef<kernel::SumOp> sums, Value begin,
                                        bool isTail, OpEmitter::Values &partial) {
  ScalarRegion turn = region;
  Value lane = e.add(begin, team.index);
  bind(turn, isTail ? e.min(lane, e.integer(width - 1)) : lane);
  if (failed(turn.emitVarying(ops)))
    return failure();
  for (auto [sum, op] : llvm::zip_equal(partial, sums)) {
    kernel::SumOp summed = op;
    Value value = turn.get(summed.getValue());
    if (isTail)
      value = e.select(e.less(lane, e.integer(width)), value, e.real(0));
    sum = e.fadd(sum, value);
  }
  return success();
}

LogicalResult GroupRegion::emitSums(ArrayRef<kernel::SumOp> ready) {
  SmallVector<Value> summands = llvm::map_to_vector(ready, [](kernel::SumOp sum) -> Value { return sum.getValue(); });
  SmallVector<Operation *> ops = region.slice(summands);
  if (failed(region.emitInvariant(ops, e.equal(team.index, e.integer(0)))))
    return failure();
  int64_t whole = width / team.count * team.count;
  LogicalResult result = success();
  OpEmitter::Values partial(ready.size(), e.real(0));
  if (whole != 0)
    partial = e.loop(e.integer(0), e.integer(whole), team.count, partial, [&](Value begin, ValueRange carried) {
      OpEmitter::Values next(carried);
      result = emitSummands(ops, ready, begin, /*isTail=*/false, next);
      return next;
    });
  if (succeeded(result) && whole < width)
    result = emitSummands(ops, ready, e.integer(whole), /*isTail=*/true, partial);
  for (auto [op, sum] : llvm::zip_equal(ready, partial)) {
    kernel::SumOp summed = op;
    region.bind(summed.getResult(), e.addLanes(sum));
  }
  return result;
}

LogicalResult GroupRegion::emitEffects() {
  SmallVector<Operation *> ops = region.effects();
  if (failed(region.emitInvariant(ops, e.equal(team.index, e.integer(0)))))
    return failure();
  if (llvm::none_of(ops, [&](Operation *op) { return region.isVarying(op); }))
    return success();
  LogicalResult result = success();
  auto turn = [&](Value lane) {
    ScalarRegion copy = region;
    bind(copy, lane);
    if (failed(copy.emitVarying(ops)))
      result = failure();
  };
  // A wide group would wait for memory once a turn.
  constexpr int64_t mostTogether = 8;
  int64_t turns = width / team.count, together = turns > mostTogether ? largestDivisor(turns, mostTogether) : 1;
  int64_t whole = turns * team.count;
  if (whole != 0)
    e.loop(e.integer(0), e.integer(whole), together * team.count, {}, [&](Value begin, ValueRange) {
      for (int64_t i = 0; i < together; ++i)
        turn(e.add(e.add(begin, i * team.count), team.index));
      return OpEmitter::Values{};
    });
  if (succeeded(result) && whole < width)
    e.when(e.less(team.index, e.integer(width - whole)), [&] { turn(e.add(e.integer(whole), team.index)); });
  return result;
}
