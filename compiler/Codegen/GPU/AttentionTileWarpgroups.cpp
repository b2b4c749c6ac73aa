// SPDX-License-Identifier: Apache-2.0
//
// Attention from several tokens at once by wgmma, for sm_90a: two warpgroups have 64 rows of the tile each, and a ninth
// warp copies keys and values for both. Queries stay in registers as operand A, as do weights; keys are operand B as
// they lie, values transposed. A stage goes to and fro by two barriers in shared memory, full and empty, whose phases
// run on over all keys and values. While one warpgroup is at its softmax the other multiplies: nothing holds them in
// step.
//
// The cache has plain rows, which a bulk copy could not swizzle; so the warp copies 16 bytes a lane. Its copies tell
// the full barrier by themselves, and who waits there fences, since wgmma reads by another path.
#include "compiler/Codegen/GPU/AttentionLayout.h"
#include "compiler/Codegen/GPU/AttentionRing.h"
#include "compiler/Codegen/GPU/AttentionRows.h"
#include "compiler/Codegen/GPU/ScalarRegion.h"
#include "compiler/Codegen/GPU/WarpgroupMatrices.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

namespace {

using Layout = WarpgroupTileLayout;
constexpr int64_t stepDepth = 16, columnTile = 8, positions = AttentionLayout::blockPositions, warps = 8;
constexpr int64_t chunkBytes = 16, chunkElements = 8;

class WarpgroupTiles {
public:
  WarpgroupTiles(AttentionCell &cell, kernel::GPUAttr config)
      : cell(cell), e(cell.e), tile(cell, config.getTileRows()), rows(cell, tile), stages(config.getStages()),
        layout(cell.width, stages), memory(e.shared(layout.bytes, sharedAlignment)) {}

  void emit();

private:
  using Values = OpEmitter::Values;
  void prepareBarriers();
  /// True if all of the block that begins at `start` is in [low, high).
  Value isWhole(Value start, Value low, Value high);

  void copyAll(const SegmentPositions &seen);
  void copyBlock(const SegmentPositions &seen, Value start, Value page, Value cache, Value count);
  void multiplyAll(const SegmentPositions &seen);
  void addBlock(Value start, Value count, Values &state);
  Values scores(Value count);
  void addValues(Value count, const RowSoftmax::Weights &weights, MutableArrayRef<Value> sums);
  /// Waits for stage number `count` and gives its address, an i32.
  Value take(Value count);
  void release(Value count);

  Value stageOf(Value count) { return e.rem(count, stages); }
  Value phaseOf(Value count) { return e.rem(e.div(count, stages), 2); }
  Value fullBarrier(Value count) { return e.element(e.at(memory, layout.full), stageOf(count), 8); }
  Value emptyBarrier(Value count) { return e.element(e.at(memory, layout.empty), stageOf(count), 8); }
  Value stageMemory(Value count) { return e.element(memory, stageOf(count), layout.stageBytes); }

  AttentionCell &cell;
  KernelEmitter &e;
  TokenTile tile;
  RowSoftmax rows;
  int64_t stages;
  Layout layout;
  Value memory;
  SmallVector<Values> queries;
};

} // namespace

void WarpgroupTiles::emit() {
  prepareBarriers();
  e.when(tile.enter(), [&] {
    SegmentPositions seen(e, tile.low, tile.high);
    e.when(
        e.less(e.warp, e.integer(warps)), [&] { multiplyAll(seen); }, [&] { copyAll(seen); });
  });
}

void WarpgroupTiles::prepareBarriers() {
  e.when(e.equal(e.thread, e.integer(0)), [&] {
    for (int64_t stage = 0; stage < stages; ++stage) {
      e.initBarrier(fullBarrier(e.integer(stage)), warpLanes);
      e.initBarrier(emptyBarrier(e.integer(stage)), warps);
    }
  });
  e.barrier();
}

Value WarpgroupTiles::isWhole(Value start, Value low, Value high) {
  return e.bitAnd(e.compare(arith::CmpIPredicate::sge, start, low),
                  e.compare(arith::CmpIPredicate::sge, high, e.add(start, positions)));
}

//===----------------------------------------------------------------------===//
// Copying
//===----------------------------------------------------------------------===//

/// Stages are counted from 0 on: keys of a block, then its values.
void WarpgroupTiles::copyAll(const SegmentPositions &seen) {
  auto pageOf = [&](Value index) {
    Value start = e.mul(e.add(seen.first, index), positions);
    return cell.page(e.min(e.max(start, seen.begin), e.sub(seen.end, e.integer(1))));
  };
  e.loop(e.integer(0), seen.blocks, 1, pageOf(e.integer(0)), [&](Value index, ValueRange page) -> Values {
    // A block early, so that copies do not wait for it.
    Value next = pageOf(e.add(index, 1)), start = e.mul(e.add(seen.first, index), positions);
    Value count = e.mul(index, 2);
    copyBlock(seen, start, page[0], cell.op.getKeys(), count);
    copyBlock(seen, start, page[0], cell.op.getValues(), e.add(count, 1));
    return {next};
  });
}

/// Positions that no row sees are cleared: whatever lies there, a weight of 0 has to make it 0.
void WarpgroupTiles::copyBlock(const SegmentPositions &seen, Value start, Value page, Value cache, Value count) {
  int64_t rowChunks = cell.width / chunkElements, tileChunks = Layout::rowFeatures / chunkElements;
  // The phase before the first is over from the beginning.
  e.wait(emptyBarrier(count), e.bitXor(phaseOf(count), 1));
  Value slot = e.rem(start, cell.cache.getPageTokens()), to = stageMemory(count);
  auto copyRows = [&](bool isWhole) {
    for (int64_t turn = 0; turn < positions * rowChunks / warpLanes; ++turn) {
      Value number = e.add(e.lane, turn * warpLanes), row = e.div(number, rowChunks), chunk = e.rem(number, rowChunks);
      Value swizzled = e.bitXor(e.rem(chunk, tileChunks), e.rem(row, schema::kSwizzleRows));
      Value place = e.add(e.add(e.mul(e.div(chunk, tileChunks), Layout::tileBytes), e.mul(row, Layout::rowBytes)),
                          e.mul(swizzled, chunkBytes));
      Value bytes;
      if (!isWhole) {
        Value position = e.add(start, row);
        Value isSeen = e.bitAnd(e.compare(arith::CmpIPredicate::sge, position, seen.begin), e.less(position, seen.end));
        bytes = e.select(isSeen, e.integer(chunkBytes), e.integer(0));
      }
      Value from = cacheAddress(e, cache, page, cell.keyHead, e.add(slot, row), e.mul(chunk, chunkElements));
      e.copyAsync(e.at(to, place), from, bytes);
    }
  };
  e.when(
      isWhole(start, seen.begin, seen.end), [&] { copyRows(true); }, [&] { copyRows(false); });
  e.arriveWithCopies(fullBarrier(count));
}

//===----------------------------------------------------------------------===//
// Multiplying
//===----------------------------------------------------------------------===//

void WarpgroupTiles::multiplyAll(const SegmentPositions &seen) {
  rows.enter();
  queries = rows.queries();
  Values state = e.loop(e.integer(0), seen.blocks, 1, rows.zero(), [&](Value index, ValueRange carried) {
    Values next(carried);
    addBlock(e.mul(e.add(seen.first, index), positions), e.mul(index, 2), next);
    return next;
  });
  rows.write(state);
}

Value WarpgroupTiles::take(Value count) {
  e.wait(fullBarrier(count), phaseOf(count));
  e.fenceAsync();
  return e.make<LLVM::PtrToIntOp>(e.i32, stageMemory(count));
}

/// Gives a stage back: each warp that has multiplied.
void WarpgroupTiles::release(Value count) {
  e.when(e.equal(e.lane, e.integer(0)), [&] { e.arrive(emptyBarrier(count)); });
}

void WarpgroupTiles::addBlock(Value start, Value count, Values &state) {
  Values all = scores(count);
  RowSoftmax::Weights weights = rows.add(all, start, isWhole(start, tile.allLow, tile.allHigh), state);
  addValues(e.add(count, 1), weights, RowSoftmax::sumsOf(state));
}

/// A step of 16 features is 32 bytes further along the rows, four of them fill a row.
WarpgroupTiles::Values WarpgroupTiles::scores(Value count) {
  constexpr int64_t rowSteps = Layout::rowFeatures / stepDepth, stepUnits = 2, tileUnits = Layout::tileBytes / 16;
  SharedOperand operand = {/*isTransposed=*/false, Layout::tileBytes};
  Value keys = describeMatrix(e, take(count), operand);
  SmallVector<WarpgroupProduct> products;
  for (auto [i, query] : llvm::enumerate(queries)) {
    auto step = static_cast<int64_t>(i);
    products.push_back({query, e.add(keys, step / rowSteps * tileUnits + step % rowSteps * stepUnits)});
  }
  Values sums(positions / columnTile * 4, e.real(0));
  issueProducts(e, products, operand, sums);
  waitForProducts(e, /*pending=*/0, sums);
  release(count);
  return sums;
}

/// Adds weight times value by ascending positions, 16 at once, which are as many rows: first the nearest numbers, then
/// what they leave.
void WarpgroupTiles::addValues(Value count, const RowSoftmax::Weights &weights, MutableArrayRef<Value> sums) {
  constexpr int64_t stepUnits = stepDepth * Layout::rowBytes / 16;
  SharedOperand operand = {/*isTransposed=*/true, Layout::tileBytes};
  Value values = describeMatrix(e, take(count), operand);
  SmallVector<WarpgroupProduct> products;
  for (int64_t step = 0; step < positions / stepDepth; ++step)
    for (const Values &part : {weights.nearest[step], weights.rest[step]})
      products.push_back({part, e.add(values, step * stepUnits)});
  issueProducts(e, products, operand, sums);
  waitForProducts(e, /*pending=*/0, sums);
  release(count);
}

void cuda::emitWarpgroupTiles(AttentionCell &cell, kernel::GPUAttr config) { WarpgroupTiles(cell, config).emit(); }
