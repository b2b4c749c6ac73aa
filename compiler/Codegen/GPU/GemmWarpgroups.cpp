// SPDX-License-Identifier: Apache-2.0
//
// The block's second warpgroup fetches: one of its threads asks for weight tiles by bulk copies, and all of them stage
// tokens. The first multiplies whole stages by wgmma. A stage goes to and fro by two barriers in shared memory, full
// and empty, whose phases run on from product to product, tile to tile and block of rows to block of rows, so that the
// fetching warps run ahead across all of them. One product is left running while the next stage is waited for.
#include "compiler/Codegen/GPU/GemmProducts.h"
#include "compiler/Codegen/GPU/GemmTile.h"
#include "compiler/Codegen/GPU/WarpgroupMatrices.h"

#include <numeric>

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

namespace {

constexpr int64_t groupThreads = 128;
/// One for each warp that multiplies.
constexpr int64_t emptyArrivals = groupThreads / warpLanes;
/// One for each thread that fetches, and one that expects the bulk copy.
constexpr int64_t fullArrivals = groupThreads + 1;

class WarpgroupProducts : public GemmProducts {
public:
  explicit WarpgroupProducts(GemmFrame &frame)
      : frame(frame), e(frame.e), tileEmitter(e, /*isBF16=*/true, frame.config.getTileRows()),
        inputs(frame.createInputs({e.sub(e.thread, e.integer(groupThreads)), groupThreads}, /*copies=*/false)),
        stages(frame.config.getStages()),
        tileSteps(std::accumulate(frame.stepCounts.begin(), frame.stepCounts.end(), int64_t(0))) {}

  void prepare() override;
  LogicalResult emit(const RowBlock &rows, Value turn) override;

private:
  LogicalResult fetch(const RowBlock &rows, Value begin);
  LogicalResult fetchStep(unsigned product, Value weights, Value step, Value count);
  void multiplyAll(Value begin);
  void multiply(unsigned product, Value tile, Value begin);
  void release(Value count);

  Value stageOf(Value count) { return e.rem(count, stages); }
  Value phaseOf(Value count) { return e.rem(e.div(count, stages), 2); }
  Value fullBarrier(Value stage) { return e.element(frame.place(frame.layout.barriers), stage, 8); }
  Value emptyBarrier(Value stage) { return e.element(frame.place(frame.layout.barriers + stages * 8), stage, 8); }
  Value stageMemory(Value stage) { return e.element(frame.place(frame.layout.ring), stage, frame.layout.stageBytes); }

  GemmFrame &frame;
  KernelEmitter &e;
  TileEmitter tileEmitter;
  std::vector<GemmInput> inputs;
  int64_t stages;
  int64_t tileSteps; ///< Steps of all products for one weight tile.
};

} // namespace

void WarpgroupProducts::prepare() {
  e.when(e.equal(e.thread, e.integer(0)), [&] {
    for (int64_t stage = 0; stage < stages; ++stage) {
      e.initBarrier(fullBarrier(e.integer(stage)), fullArrivals);
      e.initBarrier(emptyBarrier(e.integer(stage)), emptyArrivals);
    }
    e.publishBarriers();
  });
  e.barrier();
}

LogicalResult WarpgroupProducts::emit(const RowBlock &rows, Value turn) {
  for (GemmInput &input : inputs)
    if (failed(input.emitRowSums(rows)))
      return failure();
  e.barrier();
  Value begin = e.mul(turn, frame.cellTiles * tileSteps);
  LogicalResult result = success();
  e.when(
      e.less(e.thread, e.integer(groupThreads)), [&] { multiplyAll(begin); }, [&] { result = fetch(rows, begin); });
  return result;
}

//===----------------------------------------------------------------------===//
// Fetching
//===----------------------------------------------------------------------===//

/// Steps are counted from `begin` on, over all tiles and products.
LogicalResult WarpgroupProducts::fetch(const RowBlock &rows, Value begin) {
  LogicalResult result = success();
  for (GemmInput &input : inputs)
    if (failed(input.enter(rows)))
      return failure();
  e.loop(e.integer(0), e.integer(frame.cellTiles), [&](Value tile) {
    Value count = e.add(begin, e.mul(tile, tileSteps));
    for (unsigned product = 0; product < inputs.size(); ++product) {
      Value weights = frame.weightTile(product, tile);
      e.loop(e.integer(0), e.integer(frame.stepCounts[product]), [&](Value step) {
        if (failed(fetchStep(product, weights, step, e.add(count, step))))
          result = failure();
      });
      count = e.add(count, frame.stepCounts[product]);
    }
  });
  return result;
}

LogicalResult WarpgroupProducts::fetchStep(unsigned product, Value weights, Value step, Value count) {
  Value stage = stageOf(count), to = stageMemory(stage), full = fullBarrier(stage);
  // The phase before the first is over from the beginning.
  e.wait(emptyBarrier(stage), e.bitXor(phaseOf(count), 1));
  e.when(e.equal(e.thread, e.integer(groupThreads)), [&] {
    e.arriveExpecting(full, GemmLayout::tileBytes);
    e.copyBulk(to, e.element(weights, e.widen(step), GemmLayout::tileBytes), GemmLayout::tileBytes, full);
  });
  LogicalResult result = inputs[product].stage(e.at(to, GemmLayout::tileBytes), step);
  e.fenceAsync();
  e.arrive(full);
  return result;
}

//===----------------------------------------------------------------------===//
// Multiplying
//===----------------------------------------------------------------------===//

void WarpgroupProducts::multiplyAll(Value begin) {
  e.loop(e.integer(0), e.integer(frame.cellTiles), [&](Value tile) {
    Value count = e.add(begin, e.mul(tile, tileSteps));
    for (unsigned product = 0; product < inputs.size(); ++product) {
      multiply(product, tile, count);
      count = e.add(count, frame.stepCounts[product]);
    }
  });
}

/// Gives the stage of step `count` back.
void WarpgroupProducts::release(Value count) {
  e.when(e.equal(e.lane, e.integer(0)), [&] { e.arrive(emptyBarrier(stageOf(count))); });
}

void WarpgroupProducts::multiply(unsigned product, Value tile, Value begin) {
  Value zero = e.integer(0), one = e.integer(1);
  auto turn = [&](Value step, ValueRange carried) -> OpEmitter::Values {
    OpEmitter::Values sums(carried);
    Value count = e.add(begin, step), stage = stageOf(count);
    e.wait(fullBarrier(stage), phaseOf(count));
    Value memory = stageMemory(stage);
    beginProducts(e, memory, e.at(memory, GemmLayout::tileBytes), frame.config.getTileRows(), sums);
    waitForProducts(e, 1, sums);
    e.when(e.less(zero, step), [&] { release(e.sub(count, one)); });
    return sums;
  };
  OpEmitter::Values sums = e.loop(zero, e.integer(frame.stepCounts[product]), 1, tileEmitter.zeros(), turn);
  waitForProducts(e, 0, sums);
  release(e.add(begin, frame.stepCounts[product] - 1));
  const GemmLayout &layout = frame.layout;
  Value to =
      e.at(frame.place(layout.sums + product * layout.productBytes), e.mul(tile, schema::kTile64x128.tile_rows * 4));
  tileEmitter.store(sums, to, layout.sumStride);
}

std::unique_ptr<GemmProducts> cuda::createWarpgroupProducts(GemmFrame &frame) {
  return std::make_unique<WarpgroupProducts>(frame);
}
