// SPDX-License-Identifier: Apache-2.0
//
// Tile after tile and product after product, weights and tokens come through a ring of stages in shared memory while
// earlier stages are multiplied. All four warps do both: asynchronous copies need no thread of their own, and a barrier
// for each step is what keeps them together. Works for every architecture from sm_80 on.
#include "compiler/Codegen/GPU/GemmProducts.h"
#include "compiler/Codegen/GPU/GemmTile.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

namespace {

class WarpProducts : public GemmProducts {
public:
  explicit WarpProducts(GemmFrame &frame)
      : frame(frame), e(frame.e), tileEmitter(e, frame.isBF16(), frame.config.getTileRows()),
        inputs(frame.createInputs({e.thread, TileEmitter::threads}, /*copies=*/true)) {}

  LogicalResult emit(const RowBlock &rows, Value turn) override;

private:
  LogicalResult emitTile(Value tile, const RowBlock &rows);
  LogicalResult multiply(unsigned product, Value tile);
  LogicalResult fill(unsigned product, Value weights, Value step, Value stage);
  void copyWeights(Value to, Value from);

  GemmFrame &frame;
  KernelEmitter &e;
  TileEmitter tileEmitter;
  std::vector<GemmInput> inputs;
};

} // namespace

LogicalResult WarpProducts::emit(const RowBlock &rows, Value) {
  for (GemmInput &input : inputs)
    if (failed(input.emitRowSums(rows)))
      return failure();
  if (frame.cellTiles == 1)
    return emitTile(e.integer(0), rows);
  LogicalResult result = success();
  e.loop(e.integer(0), e.integer(frame.cellTiles), [&](Value tile) { result = emitTile(tile, rows); });
  return result;
}

LogicalResult WarpProducts::emitTile(Value tile, const RowBlock &rows) {
  for (unsigned product = 0; product < inputs.size(); ++product) {
    // Row sums are there, and nobody reads a stage of the product before.
    e.barrier();
    if (failed(inputs[product].enter(rows)) || failed(multiply(product, tile)))
      return failure();
  }
  return success();
}

void WarpProducts::copyWeights(Value to, Value from) {
  constexpr int64_t chunk = schema::kChunkBytes, turn = TileEmitter::threads * chunk;
  Value place = e.mul(e.thread, chunk);
  for (int64_t begin = 0; begin < GemmLayout::tileBytes; begin += turn)
    e.copyAsync(e.at(to, e.add(place, begin)), e.at(from, e.widen(e.add(place, begin))));
}

/// Begins to fill the stage at `stage` with step `step`, and closes the group of copies, with or without one in it.
LogicalResult WarpProducts::fill(unsigned product, Value weights, Value step, Value stage) {
  LogicalResult result = success();
  e.when(e.less(step, e.integer(frame.stepCounts[product])), [&] {
    Value to = e.at(frame.place(frame.layout.ring), stage);
    copyWeights(to, e.element(weights, e.widen(step), GemmLayout::tileBytes));
    result = inputs[product].stage(e.at(to, GemmLayout::tileBytes), step);
  });
  e.commitCopies();
  return result;
}

/// Step s lies in stage s mod stages. While it is multiplied, the steps up to s + stages - 1 are on their way; the
/// barrier before it says that it has come, and that the stage filled next is no longer read.
LogicalResult WarpProducts::multiply(unsigned product, Value tile) {
  const GemmLayout &layout = frame.layout;
  int64_t ahead = frame.config.getStages() - 1;
  Value weights = frame.weightTile(product, tile), zero = e.integer(0);
  LogicalResult result = success();
  e.loop(zero, e.integer(ahead),
         [&](Value step) { result = fill(product, weights, step, e.mul(step, layout.stageBytes)); });
  OpEmitter::Values carried = tileEmitter.zeros();
  size_t count = carried.size();
  carried.push_back(zero);
  carried.push_back(e.integer(ahead * layout.stageBytes));
  auto following = [&](Value stage) {
    return e.select(e.equal(stage, e.integer(ahead * layout.stageBytes)), zero, e.add(stage, layout.stageBytes));
  };
  auto turn = [&](Value step, ValueRange values) -> OpEmitter::Values {
    Value stage = values[count], filled = values[count + 1], here = e.at(frame.place(layout.ring), stage);
    e.waitCopies(ahead - 1);
    e.barrier();
    if (failed(fill(product, weights, e.add(step, ahead), filled)))
      result = failure();
    OpEmitter::Values next(values.take_front(count));
    tileEmitter.multiply(here, e.at(here, GemmLayout::tileBytes), next);
    next.push_back(following(stage));
    next.push_back(following(filled));
    return next;
  };
  OpEmitter::Values last = e.loop(zero, e.integer(frame.stepCounts[product]), 1, carried, turn);
  Value to =
      e.at(frame.place(layout.sums + product * layout.productBytes), e.mul(tile, schema::kTile64x128.tile_rows * 4));
  tileEmitter.store(ArrayRef(last).take_front(count), to, layout.sumStride);
  return result;
}

std::unique_ptr<GemmProducts> cuda::createWarpProducts(GemmFrame &frame) {
  return std::make_unique<WarpProducts>(frame);
}
