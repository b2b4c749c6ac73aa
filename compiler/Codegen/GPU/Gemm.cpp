// SPDX-License-Identifier: Apache-2.0
//
// A block does a cell: a run of weight tiles for some token rows, or for the rows of one expert. Tile after tile and
// product after product, weights and tokens come through a ring of stages in shared memory while earlier stages are
// multiplied. The accumulators of the cell meet in shared memory, where the epilogue reads them: a warp takes a row,
// its lanes are features, so that a group of any width is summed and neighbouring features are stored together,
// whatever registers the multiplication left them in.
#include "compiler/Codegen/GPU/GemmInput.h"
#include "compiler/Codegen/GPU/GemmLayout.h"
#include "compiler/Codegen/GPU/GemmTile.h"
#include "compiler/Codegen/GPU/GroupRegion.h"
#include "compiler/Codegen/GPU/Kernels.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

namespace {

class GemmEmitter {
public:
  GemmEmitter(KernelEmitter &e, kernel::GemmOp op, kernel::GPUAttr config);

  LogicalResult run();

private:
  LogicalResult check();
  void emitCell();
  void emitRange(Value range);
  void emitSorted();
  void emitExpert();
  void collectRows(Value from);
  void emitBlock(const RowBlock &rows);
  void emitTile(Value tile, const RowBlock &rows);
  void multiply(unsigned product, Value tile);
  Value weightTile(unsigned product, Value tile);
  void fill(unsigned product, Value weights, Value step, Value stage);
  void copyWeights(Value to, Value from);
  void emitEpilogue(const RowBlock &rows);
  void emitRow(Value index, const RowBlock &rows);
  void emitGroup(const ScalarRegion &region, Value firstFeature, Value firstColumn, Value sums, int64_t width);
  void bindLane(ScalarRegion &turn, Value feature, Value column, Value sums);
  Value steps(unsigned product) { return e.integer(stepCounts[product]); }
  void sync() { e.barrier(0, config.getThreads()); }

  KernelEmitter &e;
  kernel::GemmOp op;
  kernel::GPUAttr config;
  GemmLayout layout;
  TileEmitter tileEmitter;
  int64_t cells, cellTiles, cellFeatures, rowTiles;
  int64_t groupWidth; ///< Features that one run of the body covers.
  SmallVector<int64_t> stepCounts;
  Value ring, sums, list;
  Value cell, expert; ///< The cell among those of a range of rows or of an expert; the expert.
  std::vector<GemmInput> inputs;
  LogicalResult result = success();
};

} // namespace

/// The features that the body runs for at once: a group where it adds over one, else those of a tile.
static int64_t groupWidthOf(kernel::GemmOp op) {
  bool sums = !op.getBody().getOps<kernel::SumOp>().empty();
  return sums ? static_cast<int64_t>(*op.getGroup()) : op.getTileFeatures();
}

GemmEmitter::GemmEmitter(KernelEmitter &e, kernel::GemmOp op, kernel::GPUAttr config)
    : e(e), op(op), config(config), layout(shapeOf(op, 1), config.getTileRows(), config.getStages()),
      tileEmitter(e, op.getWeightType(0).getElementType().isBF16(), config.getTileRows()), cells(op.getCells()),
      cellTiles(op.getCellTiles()), cellFeatures(cellTiles * op.getTileFeatures()),
      rowTiles(schema::row_tiles(op.getWeightType(0).getForm(), op.getWeightType(0).getPackedShape())),
      groupWidth(groupWidthOf(op)) {}

LogicalResult GemmEmitter::check() {
  for (unsigned product = 0; product < op.getProductCount(); ++product)
    if (&op.getWeightType(product).getForm() != &schema::kTile64x128)
      return op.emitOpError() << "multiplies by " << op.getWeightType(product) << ", a GPU kernel takes a "
                              << schema::kTile64x128.id << " weight";
  int64_t depth = schema::kTile64x128.row_bytes / static_cast<int64_t>(op.getWeightType(0).getElementBytes());
  int64_t features = schema::kTile64x128.tile_rows;
  if (config.getForm() != kernel::GPUForm::MMA || config.getTileFeatures() != features ||
      config.getTileDepth() != depth || config.getThreads() != TileEmitter::threads)
    return op.emitOpError() << "is configured by " << config << ", expected form mma with a tile of " << features
                            << " x rows x " << depth << " and " << TileEmitter::threads << " threads";
  int64_t most = e.target.gpu().sharedBlockBytes;
  if (layout.bytes > most)
    return op.emitOpError() << "needs " << layout.bytes << " bytes of shared memory for a tile of "
                            << config.getTileRows() << " rows in " << config.getStages() << " stages, a block of "
                            << e.target.name << " has " << most;
  return success();
}

LogicalResult GemmEmitter::run() {
  if (failed(check()))
    return failure();
  Value memory = e.shared(layout.bytes, sharedAlignment);
  ring = e.at(memory, layout.ring);
  sums = e.at(memory, layout.sums);
  list = e.at(memory, layout.list);
  Value values = e.at(memory, layout.values);
  for (unsigned product = 0; product < op.getProductCount(); ++product) {
    inputs.push_back(GemmInput(e, op, product, config.getTileRows(), TileEmitter::threads, values));
    auto own = op.getInputs()[product].getOps<kernel::RowSumOp>();
    values = e.at(values, std::distance(own.begin(), own.end()) * config.getTileRows() * 4);
    stepCounts.push_back(
        schema::column_tiles(op.getWeightType(product).getForm(), op.getWeightType(product).getPackedShape()));
  }
  if (e.threads == TileEmitter::threads)
    emitCell();
  else
    e.when(e.less(e.thread, e.integer(TileEmitter::threads)), [&] { emitCell(); });
  return result;
}

//===----------------------------------------------------------------------===//
// Cells and rows
//===----------------------------------------------------------------------===//

void GemmEmitter::emitCell() {
  cell = e.rem(e.cell, cells);
  Value outer = e.div(e.cell, cells);
  if (!op.getExperts())
    return emitRange(outer);
  expert = outer;
  op.getOrder() ? emitSorted() : emitExpert();
}

void GemmEmitter::emitRange(Value range) {
  Value begin = e.mul(range, config.getTileRows());
  emitBlock({begin, Value(), e.min(e.sub(e.size(op.getRows()), begin), e.integer(config.getTileRows()))});
}

/// The rows of an expert follow one another; those behind its last pair are fillers. Every warp counts the pairs.
void GemmEmitter::emitSorted() {
  Value offsets = e.address(op.getExperts()), order = e.address(op.getOrder());
  auto offset = [&](Value index) { return e.loadConstant(e.i32, e.element(offsets, e.widen(index), 4)); };
  Value begin = offset(expert), end = offset(e.add(expert, 1));
  OpEmitter::Values pairs =
      e.loop(begin, end, warpLanes, {e.integer(0)}, [&](Value first, ValueRange count) -> OpEmitter::Values {
        Value place = e.add(first, e.lane), exists = e.less(place, end);
        Value pair = e.loadConstant(e.i32, e.element(order, e.widen(e.select(exists, place, begin)), 4));
        Value isPair = e.bitAnd(exists, e.compare(arith::CmpIPredicate::sge, pair, e.integer(0)));
        return {e.add(count[0], e.countBits(e.ballot(isPair)))};
      });
  e.loop(begin, e.add(begin, pairs[0]), config.getTileRows(), {}, [&](Value first, ValueRange) -> OpEmitter::Values {
    Value left = e.sub(e.add(begin, pairs[0]), first);
    emitBlock({first, Value(), e.min(left, e.integer(config.getTileRows()))});
    return {};
  });
}

/// As many blocks as the expert's rows fill. How many that are is found on the way.
void GemmEmitter::emitExpert() {
  Value rows = e.size(op.getRows()), count = e.at(list, config.getTileRows() * 4), next = e.at(count, 4);
  e.loop(e.integer(0), rows, config.getTileRows(), {e.integer(0)}, [&](Value, ValueRange carried) -> OpEmitter::Values {
    return e.when(e.less(carried[0], rows), carried, [&]() -> OpEmitter::Values {
      e.when(e.equal(e.warp, e.integer(0)), [&] { collectRows(carried[0]); });
      sync();
      Value found = e.load(e.i32, count), from = e.load(e.i32, next);
      e.when(e.less(e.integer(0), found), [&] { emitBlock({Value(), list, found}); });
      // The lists are read before they are written again.
      sync();
      return {from};
    });
  });
}

/// A warp lists the next rows of the expert, ascending, as many as a block holds, and remembers where it stopped.
void GemmEmitter::collectRows(Value from) {
  Value ids = e.address(op.getExperts()), rows = e.size(op.getRows());
  Value most = e.integer(config.getTileRows()), count = e.at(list, config.getTileRows() * 4), next = e.at(count, 4);
  Value below = e.sub(e.shiftLeft(e.integer(1), e.lane), e.integer(1));
  OpEmitter::Values total =
      e.loop(from, rows, warpLanes, {e.integer(0)}, [&](Value first, ValueRange carried) -> OpEmitter::Values {
        Value row = e.add(first, e.lane), exists = e.less(row, rows);
        Value id = e.loadConstant(e.i32, e.element(ids, e.widen(e.select(exists, row, first)), 4));
        Value mine = e.bitAnd(exists, e.equal(id, expert)), all = e.ballot(mine);
        Value place = e.add(carried[0], e.countBits(e.bitAnd(all, below)));
        e.when(e.bitAnd(mine, e.less(place, most)), [&] { e.store(row, e.element(list, place, 4)); });
        e.when(e.bitAnd(mine, e.equal(place, most)), [&] { e.store(row, next); });
        return {e.add(carried[0], e.countBits(all))};
      });
  e.when(e.equal(e.lane, e.integer(0)), [&] {
    e.store(e.min(total[0], most), count);
    e.when(e.less(total[0], e.add(most, 1)), [&] { e.store(rows, next); });
  });
}

void GemmEmitter::emitBlock(const RowBlock &rows) {
  for (GemmInput &input : inputs)
    if (failed(input.emitRowSums(rows))) {
      result = failure();
      return;
    }
  if (cellTiles == 1)
    emitTile(e.integer(0), rows);
  else
    e.loop(e.integer(0), e.integer(cellTiles), [&](Value tile) { emitTile(tile, rows); });
  sync();
  emitEpilogue(rows);
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

void GemmEmitter::emitTile(Value tile, const RowBlock &rows) {
  for (unsigned product = 0; product < op.getProductCount(); ++product) {
    // Row sums are there, and nobody reads a stage of the product before.
    sync();
    if (failed(inputs[product].enter(rows))) {
      result = failure();
      return;
    }
    multiply(product, tile);
  }
}

/// Where the first step of a weight tile lies. Tiles of the last cell that the weight does not have are other tiles,
/// whose accumulators nobody reads.
Value GemmEmitter::weightTile(unsigned product, Value tile) {
  Value index = e.min(e.add(e.mul(cell, cellTiles), tile), e.integer(rowTiles - 1));
  Value wide = e.widen(index);
  if (op.isGrouped(product))
    wide = e.add(e.mul(e.widen(expert), rowTiles), wide);
  return e.element(e.address(op.getWeights()[product]), wide, stepCounts[product] * GemmLayout::tileBytes);
}

void GemmEmitter::copyWeights(Value to, Value from) {
  constexpr int64_t chunk = schema::kChunkBytes, turn = TileEmitter::threads * chunk;
  Value place = e.mul(e.thread, chunk);
  for (int64_t begin = 0; begin < GemmLayout::tileBytes; begin += turn)
    e.copyAsync(e.at(to, e.add(place, begin)), e.at(from, e.widen(e.add(place, begin))));
}

/// Begins to fill the stage at `stage` with step `step`, and closes the group of copies, with or without one in it.
void GemmEmitter::fill(unsigned product, Value weights, Value step, Value stage) {
  e.when(e.less(step, steps(product)), [&] {
    Value to = e.at(ring, stage);
    copyWeights(to, e.element(weights, e.widen(step), GemmLayout::tileBytes));
    if (failed(inputs[product].stage(e.at(to, GemmLayout::tileBytes), step)))
      result = failure();
  });
  e.commitCopies();
}

/// Step s lies in stage s mod stages. While it is multiplied, the steps up to s + stages - 1 are on their way; the
/// barrier before it says that it has come, and that the stage filled next is no longer read.
void GemmEmitter::multiply(unsigned product, Value tile) {
  int64_t ahead = config.getStages() - 1;
  Value weights = weightTile(product, tile), zero = e.integer(0);
  e.loop(zero, e.integer(ahead), [&](Value step) { fill(product, weights, step, e.mul(step, layout.stageBytes)); });
  OpEmitter::Values carried = tileEmitter.zeros();
  size_t count = carried.size();
  carried.push_back(zero);
  carried.push_back(e.integer(ahead * layout.stageBytes));
  auto following = [&](Value stage) {
    return e.select(e.equal(stage, e.integer(ahead * layout.stageBytes)), zero, e.add(stage, layout.stageBytes));
  };
  OpEmitter::Values last =
      e.loop(zero, steps(product), 1, carried, [&](Value step, ValueRange values) -> OpEmitter::Values {
        Value stage = values[count], filled = values[count + 1], here = e.at(ring, stage);
        e.waitCopies(ahead - 1);
        sync();
        fill(product, weights, e.add(step, ahead), filled);
        OpEmitter::Values next(values.take_front(count));
        tileEmitter.multiply(here, e.at(here, GemmLayout::tileBytes), next);
        next.push_back(following(stage));
        next.push_back(following(filled));
        return next;
      });
  Value to = e.at(e.at(sums, product * layout.productBytes), e.mul(tile, schema::kTile64x128.tile_rows * 4));
  tileEmitter.store(ArrayRef(last).take_front(count), to, layout.sumStride);
}

//===----------------------------------------------------------------------===//
// Epilogue
//===----------------------------------------------------------------------===//

void GemmEmitter::emitEpilogue(const RowBlock &rows) {
  e.loop(e.warp, rows.count, TileEmitter::threads / warpLanes, {}, [&](Value index, ValueRange) -> OpEmitter::Values {
    emitRow(index, rows);
    return {};
  });
}

void GemmEmitter::emitRow(Value index, const RowBlock &rows) {
  int64_t features = op.getFeatures(), tail = features % groupWidth;
  SmallVector<Value> varying(op.getBody().getArguments().drop_back(2));
  varying.push_back(op.getFeature());
  ScalarRegion region(e, op.getBody(), varying);
  region.bind(op.getRow(), rows.row(e, index));
  if (failed(region.emitRowConstants())) {
    result = failure();
    return;
  }
  Value firstFeature = e.mul(cell, cellFeatures), rowSums = e.at(sums, e.mul(index, layout.sumStride));
  Value groups =
      e.min(e.ceilDiv(e.sub(e.integer(features), firstFeature), groupWidth), e.integer(cellFeatures / groupWidth));
  e.loop(e.integer(0), groups, [&](Value group) {
    Value column = e.mul(group, groupWidth), feature = e.add(firstFeature, column);
    if (tail == 0 || features < groupWidth)
      return emitGroup(region, feature, column, rowSums, std::min(groupWidth, features));
    e.when(
        e.less(e.add(feature, groupWidth - 1), e.integer(features)),
        [&] { emitGroup(region, feature, column, rowSums, groupWidth); },
        [&] { emitGroup(region, feature, column, rowSums, tail); });
  });
}

void GemmEmitter::emitGroup(const ScalarRegion &region, Value firstFeature, Value firstColumn, Value rowSums,
                            int64_t width) {
  auto bind = [&](ScalarRegion &turn, Value lane) {
    bindLane(turn, e.add(firstFeature, lane), e.add(firstColumn, lane), rowSums);
  };
  if (failed(GroupRegion(e, op.getBody(), region, width, {e.lane, warpLanes}, bind).emit()))
    result = failure();
}

/// The accumulators of `feature`, which is number `column` of the cell.
void GemmEmitter::bindLane(ScalarRegion &turn, Value feature, Value column, Value rowSums) {
  struct Math {
    KernelEmitter &e;
    Value add(Value x, Value y) { return e.add(x, y); }
    Value mul(Value x, uint64_t y) { return e.mul(x, static_cast<int64_t>(y)); }
    Value div(Value x, uint64_t y) { return e.div(x, static_cast<int64_t>(y)); }
    Value rem(Value x, uint64_t y) { return e.rem(x, static_cast<int64_t>(y)); }
  } math{e};
  turn.bind(op.getFeature(), feature);
  int64_t run = op.getRun().value_or(0);
  Value row = run != 0 ? schema::interleaved_row(math, column, run) : column;
  for (unsigned product = 0; product < op.getProductCount(); ++product)
    for (unsigned half = 0; half < op.getArity(); ++half) {
      Value begin = e.at(rowSums, product * layout.productBytes + half * run * 4);
      turn.bind(op.getAccumulator(product, half), e.load(e.f32, e.element(begin, row, 4)));
    }
}

LogicalResult cuda::emitGemm(KernelEmitter &e, kernel::GemmOp op) {
  FailureOr<kernel::GPUAttr> config = e.config(op);
  return failed(config) ? failure() : GemmEmitter(e, op, *config).run();
}
