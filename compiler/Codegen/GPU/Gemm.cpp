// SPDX-License-Identifier: Apache-2.0
//
// A block does a cell: a run of weight tiles for some token rows, or for the rows of one expert. GemmProducts
// multiplies them and leaves the accumulators of the cell in shared memory, where the epilogue reads them. The form
// `decode`, whose blocks do parts of cells, has a generator of its own.
#include "compiler/Codegen/GPU/GemmDecode.h"
#include "compiler/Codegen/GPU/GemmEpilogue.h"
#include "compiler/Codegen/GPU/GemmPanels.h"
#include "compiler/Codegen/GPU/GemmProducts.h"
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
  void emitRange(Value range);
  void emitSorted();
  void emitExpert();
  void collectRows(Value from);
  void emitBlock(const RowBlock &rows, Value turn);

  KernelEmitter &e;
  kernel::GemmOp op;
  GemmFrame frame;
  GemmEpilogue epilogue;
  int64_t tileRows;
  Value list, found, next; ///< Rows of an expert, how many there are, and where to look for more.
  std::unique_ptr<GemmProducts> products;
  LogicalResult result = success();
};

} // namespace

//===----------------------------------------------------------------------===//
// The frame
//===----------------------------------------------------------------------===//

GemmFrame::GemmFrame(KernelEmitter &e, kernel::GemmOp op, kernel::GPUAttr config)
    : e(e), op(op), config(config), layout(shapeOf(op, 1), config.getForm(), config.getTileRows(), config.getStages()),
      cellTiles(op.getCellTiles()),
      rowTiles(schema::row_tiles(op.getWeightType(0).getForm(), op.getWeightType(0).getPackedShape())) {
  for (unsigned product = 0; product < op.getProductCount(); ++product)
    stepCounts.push_back(
        schema::column_tiles(op.getWeightType(product).getForm(), op.getWeightType(product).getPackedShape()));
}

Value GemmFrame::weightTile(unsigned product, Value tile) {
  Value index = e.widen(e.min(e.add(e.mul(cell, cellTiles), tile), e.integer(rowTiles - 1)));
  if (op.isGrouped(product))
    index = e.add(e.mul(e.widen(expert), rowTiles), index);
  return e.element(e.address(op.getWeights()[product]), index, stepCounts[product] * GemmLayout::tileBytes);
}

std::vector<GemmInput> GemmFrame::createInputs(GemmInput::Team team, bool copies) {
  std::vector<GemmInput> inputs;
  int64_t values = layout.values;
  for (unsigned product = 0; product < op.getProductCount(); ++product) {
    inputs.push_back(GemmInput(e, op, product, config.getTileRows(), team, copies, place(values)));
    auto sums = op.getInputs()[product].getOps<kernel::RowSumOp>();
    values += std::distance(sums.begin(), sums.end()) * config.getTileRows() * 4;
  }
  return inputs;
}

//===----------------------------------------------------------------------===//
// Cells and rows
//===----------------------------------------------------------------------===//

GemmEmitter::GemmEmitter(KernelEmitter &e, kernel::GemmOp op, kernel::GPUAttr config)
    : e(e), op(op), frame(e, op, config), epilogue(e, op), tileRows(config.getTileRows()) {}

LogicalResult GemmEmitter::check() {
  for (unsigned product = 0; product < op.getProductCount(); ++product)
    if (&op.getWeightType(product).getForm() != &schema::kTile64x128)
      return op.emitOpError() << "multiplies by " << op.getWeightType(product) << ", a GPU kernel takes a "
                              << schema::kTile64x128.id << " weight";
  kernel::GPUAttr config = frame.config;
  bool warpgroups = config.getForm() == kernel::GPUForm::WGMMA;
  int64_t depth = schema::kTile64x128.row_bytes / static_cast<int64_t>(op.getWeightType(0).getElementBytes());
  int64_t features = schema::kTile64x128.tile_rows, threads = warpgroups ? 256 : 128;
  bool fits = config.getForm() == kernel::GPUForm::MMA || (warpgroups && frame.isBF16());
  if (!fits || config.getTileFeatures() != features || config.getTileDepth() != depth || config.getThreads() != threads)
    return op.emitOpError() << "is configured by " << config << ", expected form mma with a tile of " << features
                            << " x rows x " << depth << " and 128 threads, or in bfloat16 form wgmma with 256";
  int64_t most = e.target.gpu().sharedBlockBytes;
  if (frame.layout.bytes > most)
    return op.emitOpError() << "needs " << frame.layout.bytes << " bytes of shared memory for a tile of "
                            << config.getTileRows() << " rows in " << config.getStages() << " stages, a block of "
                            << e.target.name << " has " << most;
  return success();
}

LogicalResult GemmEmitter::run() {
  if (failed(check()))
    return failure();
  frame.memory = e.shared(frame.layout.bytes, sharedAlignment);
  list = frame.place(frame.layout.list);
  found = e.at(list, tileRows * 4);
  next = e.at(found, 4);
  products =
      frame.config.getForm() == kernel::GPUForm::WGMMA ? createWarpgroupProducts(frame) : createWarpProducts(frame);
  products->prepare();
  frame.cell = e.rem(e.cell, op.getCells());
  Value outer = e.div(e.cell, op.getCells());
  if (!op.getExperts()) {
    emitRange(outer);
    return result;
  }
  frame.expert = outer;
  op.getOrder() ? emitSorted() : emitExpert();
  return result;
}

void GemmEmitter::emitRange(Value range) {
  Value begin = e.mul(range, tileRows);
  emitBlock({begin, Value(), e.min(e.sub(e.size(op.getRows()), begin), e.integer(tileRows))}, e.integer(0));
}

/// The rows of an expert follow one another; those behind its last pair are fillers. Every warp counts the pairs.
void GemmEmitter::emitSorted() {
  Value offsets = e.address(op.getExperts()), order = e.address(op.getOrder());
  auto offset = [&](Value index) { return e.loadConstant(e.i32, e.element(offsets, e.widen(index), 4)); };
  Value begin = offset(frame.expert), end = offset(e.add(frame.expert, 1));
  OpEmitter::Values pairs =
      e.loop(begin, end, warpLanes, {e.integer(0)}, [&](Value first, ValueRange count) -> OpEmitter::Values {
        Value place = e.add(first, e.lane), exists = e.less(place, end);
        Value pair = e.loadConstant(e.i32, e.element(order, e.widen(e.select(exists, place, begin)), 4));
        Value isPair = e.bitAnd(exists, e.compare(arith::CmpIPredicate::sge, pair, e.integer(0)));
        return {e.add(count[0], e.countBits(e.ballot(isPair)))};
      });
  e.loop(e.integer(0), e.ceilDiv(pairs[0], tileRows), [&](Value turn) {
    Value first = e.mul(turn, tileRows), left = e.sub(pairs[0], first);
    emitBlock({e.add(begin, first), Value(), e.min(left, e.integer(tileRows))}, turn);
    // Nobody reads what this block of rows left in shared memory when the next one begins.
    e.barrier();
  });
}

/// As many blocks of rows as the expert's rows fill. How many that are is found on the way.
void GemmEmitter::emitExpert() {
  Value rows = e.size(op.getRows());
  e.loop(e.integer(0), e.ceilDiv(rows, tileRows), 1, {e.integer(0)},
         [&](Value turn, ValueRange carried) -> OpEmitter::Values {
           return e.when(e.less(carried[0], rows), carried, [&]() -> OpEmitter::Values {
             e.when(e.equal(e.warp, e.integer(0)), [&] { collectRows(carried[0]); });
             e.barrier();
             Value count = e.load(e.i32, found), from = e.load(e.i32, next);
             e.when(e.less(e.integer(0), count), [&] { emitBlock({Value(), list, count}, turn); });
             // Nobody reads the list or the sums when they are written again.
             e.barrier();
             return {from};
           });
         });
}

/// A warp lists the next rows of the expert, ascending, as many as a block holds, and remembers where it stopped.
void GemmEmitter::collectRows(Value from) {
  Value ids = e.address(op.getExperts()), rows = e.size(op.getRows()), most = e.integer(tileRows);
  Value below = e.sub(e.shiftLeft(e.integer(1), e.lane), e.integer(1));
  OpEmitter::Values total =
      e.loop(from, rows, warpLanes, {e.integer(0)}, [&](Value first, ValueRange carried) -> OpEmitter::Values {
        Value row = e.add(first, e.lane), exists = e.less(row, rows);
        Value id = e.loadConstant(e.i32, e.element(ids, e.widen(e.select(exists, row, first)), 4));
        Value mine = e.bitAnd(exists, e.equal(id, frame.expert)), all = e.ballot(mine);
        Value place = e.add(carried[0], e.countBits(e.bitAnd(all, below)));
        e.when(e.bitAnd(mine, e.less(place, most)), [&] { e.store(row, e.element(list, place, 4)); });
        e.when(e.bitAnd(mine, e.equal(place, most)), [&] { e.store(row, next); });
        return {e.add(carried[0], e.countBits(all))};
      });
  e.when(e.equal(e.lane, e.integer(0)), [&] {
    e.store(e.min(total[0], most), found);
    e.when(e.less(total[0], e.add(most, 1)), [&] { e.store(rows, next); });
  });
}

void GemmEmitter::emitBlock(const RowBlock &rows, Value turn) {
  if (failed(products->emit(rows, turn))) {
    result = failure();
    return;
  }
  e.barrier();
  const GemmLayout &layout = frame.layout;
  if (failed(epilogue.emit(frame.cell, rows, {frame.place(layout.sums), layout.sumStride, layout.productBytes})))
    result = failure();
}

LogicalResult cuda::emitTemplate(KernelEmitter &e, kernel::GemmOp op) {
  FailureOr<kernel::GPUAttr> config = e.config(op);
  if (failed(config))
    return failure();
  if (config->getForm() == kernel::GPUForm::Decode && config->getTileDepth() == 0)
    return op.emitOpError() << "is configured by " << *config << ", expected a tile";
  if (config->getForm() == kernel::GPUForm::Decode)
    return emitDecode(e, op, op);
  if (readsPanels(*config))
    return emitPanels(e, op);
  return GemmEmitter(e, op, *config).run();
}
