// SPDX-License-Identifier: Apache-2.0
//
// Lanes exchange values, warps leave theirs in shared memory, and every thread reads those of all warps. A barrier
// before a function returns frees the slots for the next one.
#include "compiler/Codegen/GPU/SampleBlock.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

SampleBlock::SampleBlock(KernelEmitter &e)
    : flag(e.shared(4)), e(e), warps(e.threads / warpLanes), slots(e.shared(mostValues * warps * 8)) {}

Value SampleBlock::shuffled(Value value, function_ref<Value(Value)> shuffle) {
  Value low = shuffle(e.narrow(value)), high = shuffle(e.narrow(e.shiftRight(value, 32)));
  return e.bitOr(e.shiftLeft(e.widen(high), e.integer(32, e.i64)), e.widen(low));
}

/// Lanes may come from a branch, or from a loop that they leave one turn apart.
Value SampleBlock::combineLanes(Value value, Combiner by) {
  e.syncWarp();
  for (int64_t half = warpLanes / 2; half > 0; half /= 2)
    value = by(value, shuffled(value, [&](Value word) { return e.shuffleXor(word, half); }));
  return value;
}

SampleBlock::Values SampleBlock::combine(Values values, Combiner by) {
  for (auto [i, value] : llvm::enumerate(values)) {
    Value mine = combineLanes(value, by), place = slot(i, e.warp);
    e.when(e.equal(e.lane, e.integer(0)), [&] { e.store(mine, place); });
  }
  e.barrier();
  Values result;
  for (size_t i = 0; i < values.size(); ++i) {
    Value all = e.load(e.i64, slot(i, e.integer(0)));
    for (int64_t warp = 1; warp < warps; ++warp)
      all = by(all, e.load(e.i64, slot(i, e.integer(warp))));
    result.push_back(all);
  }
  e.barrier();
  return result;
}

SampleBlock::Values SampleBlock::sum(Values values) {
  return combine(std::move(values), [&](Value x, Value y) { return e.add(x, y); });
}

std::pair<Value, Value> SampleBlock::scan(Value value) {
  Value upTo = value, none = e.integer(0, e.i64);
  e.syncWarp();
  for (int64_t distance = 1; distance < warpLanes; distance *= 2) {
    Value from = e.max(e.sub(e.lane, e.integer(distance)), e.integer(0));
    Value other = shuffled(upTo, [&](Value word) { return e.shuffle(word, from); });
    upTo = e.add(upTo, e.select(e.less(e.lane, e.integer(distance)), none, other));
  }
  e.when(e.equal(e.lane, e.integer(warpLanes - 1)), [&] { e.store(upTo, slot(0, e.warp)); });
  e.barrier();
  Value before = none, all = none;
  for (int64_t warp = 0; warp < warps; ++warp) {
    Value ofWarp = e.load(e.i64, slot(0, e.integer(warp)));
    before = e.add(before, e.select(e.less(e.integer(warp), e.warp), ofWarp, none));
    all = e.add(all, ofWarp);
  }
  e.barrier();
  return {e.add(before, e.sub(upTo, value)), all};
}

SampleBlock::Values SampleBlock::ofOne(Value condition, function_ref<Values()> values, const Values &otherwise) {
  auto write = [&](Value isWriter, function_ref<Values()> written) {
    e.when(isWriter, [&] {
      for (auto [i, value] : llvm::enumerate(written()))
        e.store(value, slot(i, e.integer(0)));
    });
    e.barrier();
  };
  write(e.equal(e.thread, e.integer(0)), [&] { return otherwise; });
  write(condition, values);
  Values found;
  for (size_t i = 0; i < otherwise.size(); ++i)
    found.push_back(e.load(e.i64, slot(i, e.integer(0))));
  e.barrier();
  return found;
}
