// SPDX-License-Identifier: Apache-2.0
//
// From compute capability 9.0 on one lane asks for a whole tile by one bulk copy. Before, a tile is 16 copies of 16
// bytes by each lane, and every lane lets its copies arrive at the barrier when they are done: the warp that issues
// them never waits for them, so that as many tiles are on their way as there are stages.
#include "compiler/Codegen/GPU/GemmWeightStream.h"

#include "compiler/Codegen/GPU/GemmLayout.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

WeightStream::WeightStream(KernelEmitter &e, Value ring, Value barriers, int64_t stages, int64_t readers)
    : e(e), ring(ring), barriers(barriers), stages(stages), readers(readers) {}

bool WeightStream::fetchesByOneLane() const { return e.hasBulkCopies(); }

void WeightStream::prepare() {
  e.when(e.equal(e.thread, e.integer(0)), [&] {
    for (int64_t stage = 0; stage < stages; ++stage) {
      e.initBarrier(fullBarrier(e.integer(stage)), fetchesByOneLane() ? 1 : warpLanes);
      e.initBarrier(emptyBarrier(e.integer(stage)), readers);
    }
    if (e.hasBulkCopies())
      e.publishBarriers();
  });
}

void WeightStream::fetch(Value from, Value count) {
  constexpr int64_t bytes = GemmLayout::tileBytes, chunk = schema::kChunkBytes;
  Value stage = stageOf(count), full = fullBarrier(stage), to = e.element(ring, stage, bytes);
  // The phase before the first is over from the beginning.
  e.wait(emptyBarrier(stage), e.bitXor(phaseOf(count), 1));
  if (fetchesByOneLane()) {
    e.arriveExpecting(full, bytes);
    e.copyBulk(to, from, bytes, full);
    return;
  }
  Value place = e.mul(e.lane, chunk);
  for (int64_t begin = 0; begin < bytes; begin += warpLanes * chunk)
    e.copyAsync(e.at(to, e.add(place, begin)), e.at(from, e.widen(e.add(place, begin))));
  e.arriveWithCopies(full);
}

Value WeightStream::await(Value count) {
  Value stage = stageOf(count);
  e.wait(fullBarrier(stage), phaseOf(count));
  return e.element(ring, stage, GemmLayout::tileBytes);
}

void WeightStream::release(Value count) {
  e.syncWarp();
  e.when(e.equal(e.lane, e.integer(0)), [&] { e.arrive(emptyBarrier(stageOf(count))); });
}
