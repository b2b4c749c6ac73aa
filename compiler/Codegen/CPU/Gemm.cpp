// SPDX-License-Identifier: Apache-2.0
//
// A cell is a run of panels for a range of token rows, or for the rows of one expert. A call takes the cells of one
// range or expert together: inputs that have to be computed are computed once for all of them, and for all calls that
// follow it on the worker in the same launch. Accumulators of a block of rows lie in scratch memory, not in registers,
// when the epilogue runs: it may need several features of a row at once, sums over a group among them, which no
// register tile holds.

#include "compiler/Codegen/CPU/GemmInput.h"
#include "compiler/Codegen/CPU/GroupRegion.h"
#include "compiler/Codegen/CPU/Kernels.h"
#include "compiler/Codegen/CPU/MatrixTile.h"
#include "compiler/Codegen/CPU/RowFetch.h"

#include <numeric>

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

namespace {

/// Most rows with accumulators in memory at once.
constexpr int64_t mostRows = 264;
/// How far ahead of the epilogue's row what it reads and writes is fetched: no further, since rows a power of two apart
/// share the same few places of the cache.
constexpr int64_t rowsAhead = 8;

class GemmEmitter {
public:
  GemmEmitter(KernelEmitter &e, kernel::GemmOp op, kernel::X86Attr config);

  LogicalResult run();

private:
  /// The cells [first, last) of one range of rows, or of one expert.
  struct Cells {
    Value outer, first, last;
  };

  LogicalResult check();
  Cells cellsOf(Value outer);
  void runExperts();
  void emitRange(const Cells &cells);
  void emitExpert(const Cells &cells);
  void emitBlocks(const Cells &cells, Value begin, Value end);
  void emitSorted(const Cells &cells);
  Value collectRows(Value expert, Value from);
  void emitBlock(const Cells &cells, const RowBlock &rows, Value from);
  void emitCell(Value outer, Value cell, const RowBlock &rows, ValueRange inputs);
  void emitPanel(Value outer, Value panel, Value column, const RowBlock &rows, ValueRange inputs);
  void emitEpilogue(Value cell, const RowBlock &rows);
  void emitGroup(ScalarRegion region, Value firstFeature, Value firstColumn, Value buffer, int64_t width);
  void bindLanes(ScalarRegion &piece, Value feature, Value column, Value buffer, ActiveLanes active);

  KernelEmitter &e;
  kernel::GemmOp op;
  kernel::X86Attr config;
  TileElements elements;
  int64_t cells, cellPanels, panels;
  int64_t featuresPerPanel;
  int64_t groupWidth; ///< Features of one run of the body.
  int64_t blockRows;
  int64_t sumStride; ///< Bytes of one row of accumulators.
  Value sums;        ///< [product][blockRows][cellPanels * panelRows] accumulators.
  Value zeros;       ///< A panel's row of them.
  Value work;        ///< Memory that tiles work in.
  Value list, next;  ///< Rows of an expert, and where to look for more of them, where rows are not sorted.
  SmallVector<GemmInput> inputs;
  LogicalResult result = success();
};

} // namespace

GemmEmitter::GemmEmitter(KernelEmitter &e, kernel::GemmOp op, kernel::X86Attr config)
    : e(e), op(op), config(config), elements(TileElements::of(op.getWeightType(0).getElementType(), e.target)),
      cells(op.getCells()), cellPanels(op.getCellTiles()),
      panels(schema::row_tiles(op.getWeightType(0).getForm(), op.getWeightType(0).getPackedShape())),
      featuresPerPanel(op.getTileFeatures()), groupWidth(op.getGroup().value_or(featuresPerPanel)),
      blockRows(std::min<int64_t>(config.getRows(), mostRows)), sumStride(cellPanels * panelRows * 4) {
  // A region may read a vector that begins in the last row and ends behind it.
  sums = e.scratch(op.getProductCount() * blockRows * sumStride + vectorLanes * 4);
  zeros = e.scratch(panelRows * 4);
  work = e.scratch(TileEmitter(e, config, elements, /*depth=*/0, 0, 0, blockRows, false).workBytes());
  if (op.getExperts() && !op.getOrder()) {
    list = e.scratch((blockRows + 1) * 4);
    next = e.scratch(8);
  }
  for (unsigned product = 0; product < op.getProductCount(); ++product)
    inputs.emplace_back(e, op, product, elements, blockRows);
}

LogicalResult GemmEmitter::check() {
  for (unsigned product = 0; product < op.getProductCount(); ++product) {
    if (&op.getWeightType(product).getForm() != &elements.form())
      return op.emitOpError() << "multiplies by " << op.getWeightType(product) << ", a CPU kernel takes a "
                              << elements.form().id << " weight";
    TileEmitter tile(e, config, elements, op.getDepth(product), 0, 0, blockRows, /*meetsFewRows=*/false);
    if (!tile.fits() && elements.kind == TileElements::BF16Matrix)
      return op.emitOpError() << "has a tile of " << config.getTileRows() << " x " << config.getTileColumns()
                              << ", tile registers hold one of " << MatrixTileEmitter::groupRows << " x " << panelRows;
    if (!tile.fits())
      return op.emitOpError() << "has a tile of " << config.getTileRows() << " x " << config.getTileColumns()
                              << ", which " << e.target.cpu().vectorRegisters << " registers of "
                              << e.target.cpu().lanes() << " lanes do not hold";
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Cells and rows
//===----------------------------------------------------------------------===//

LogicalResult GemmEmitter::run() {
  if (failed(check()))
    return failure();
  for (int64_t column = 0; column < panelRows; column += vectorLanes)
    e.store(e.splat(0), e.at(zeros, column * 4), 64);
  if (op.getExperts())
    runExperts();
  else
    e.loop(e.div(e.first, cells), e.ceilDiv(e.last, cells), [&](Value outer) { emitRange(cellsOf(outer)); });
  if (elements.kind == TileElements::BF16Matrix)
    TileRegisters(e).release();
  return result;
}

/// The cells of a range of rows, or of an expert, whose cells follow one another.
GemmEmitter::Cells GemmEmitter::cellsOf(Value outer) {
  Value begin = e.mul(outer, cells);
  return {outer, e.max(e.sub(e.first, begin), e.integer(0)), e.min(e.sub(e.last, begin), e.integer(cells))};
}

/// Maps cells to experts. With many rows, consecutive cells belong to the same expert, so that a worker computes the
/// expert's inputs once for several cells. With few rows, consecutive cells belong to different experts, so that
/// experts without rows are spread over all workers.
void GemmEmitter::runExperts() {
  constexpr int64_t rowsPerExpert = 4;
  int64_t experts = op.getExpertCount();
  Value many = e.less(e.integer(rowsPerExpert * experts - 1), e.size(op.getRows()));
  auto inTurn = [&](Value cell, Value expert) { return e.ceilDiv(e.max(e.sub(cell, expert), e.integer(0)), experts); };
  e.loop(e.integer(0), e.integer(experts), [&](Value expert) {
    Cells together = cellsOf(expert);
    Cells range = {expert, e.select(many, together.first, inTurn(e.first, expert)),
                   e.select(many, together.last, inTurn(e.last, expert))};
    e.when(e.less(range.first, range.last), [&] { op.getOrder() ? emitSorted(range) : emitExpert(range); });
  });
}

/// The rows of a range, in one block where the accumulators of all have room.
void GemmEmitter::emitRange(const Cells &range) {
  Value begin = e.mul(range.outer, config.getRows());
  Value end = e.min(e.add(begin, config.getRows()), e.size(op.getRows()));
  if (config.getRows() <= blockRows)
    return emitBlock(range, {begin, Value(), e.sub(end, begin)}, begin);
  emitBlocks(range, begin, end);
}

void GemmEmitter::emitBlocks(const Cells &range, Value begin, Value end) {
  e.loop(begin, end, blockRows, {}, [&](Value first, ValueRange) -> Emitter::Values {
    emitBlock(range, {first, Value(), e.min(e.sub(end, first), e.integer(blockRows))}, first);
    return {};
  });
}

/// The rows of an expert follow one another; those behind its last pair are fillers.
void GemmEmitter::emitSorted(const Cells &range) {
  Value offsets = e.address(op.getExperts()), order = e.address(op.getOrder());
  // Where the pairs of an expert begin in the order; the end of the last expert is there, too.
  auto offset = [&](Value expert) { return e.widen(e.load(e.i32, e.element(offsets, expert, 4))); };
  Value begin = offset(range.outer);
  Emitter::Values end =
      e.loop(begin, offset(e.add(range.outer, 1)), 1, {begin}, [&](Value place, ValueRange carried) -> Emitter::Values {
        // Negative numbers are fillers, which stand behind the pairs.
        Value pair = e.load(e.i32, e.element(order, place, 4));
        return {e.select(e.less(pair, e.integer(0, e.i32)), carried[0], e.add(place, 1))};
      });
  emitBlocks(range, begin, end[0]);
}

/// As many blocks as the expert's rows fill. How many that are is found on the way.
void GemmEmitter::emitExpert(const Cells &range) {
  Value rows = e.size(op.getRows());
  e.store(e.integer(0), next);
  // The bound is for an expert that has all rows; once its rows are done the remaining turns do nothing.
  e.loop(e.integer(0), rows, blockRows, {}, [&](Value, ValueRange) -> Emitter::Values {
    Value from = e.load(e.i64, next);
    e.when(e.less(from, rows), [&] {
      Value count = collectRows(range.outer, from);
      e.when(e.less(e.integer(0), count), [&] { emitBlock(range, {Value(), list, count}, from); });
    });
    return {};
  });
}

/// Lists the next rows of an expert, ascending, as many as a block holds, and remembers where it stopped.
Value GemmEmitter::collectRows(Value expert, Value from) {
  Value wanted = e.narrow(expert), ids = e.address(op.getExperts()), rows = e.size(op.getRows());
  Value most = e.integer(blockRows);
  // Every row is written behind the list and stays there only if it belongs: cheaper than a branch.
  Emitter::Values end =
      e.loop(from, rows, 1, {e.integer(0), rows}, [&](Value row, ValueRange carried) -> Emitter::Values {
        Value count = carried[0];
        Value mine = e.equal(e.load(e.i32, e.element(ids, row, 4)), wanted);
        Value fits = e.make<arith::AndIOp>(mine, e.less(count, most));
        Value over = e.make<arith::AndIOp>(mine, e.equal(count, most));
        e.store(e.narrow(row), e.element(list, count, 4));
        return {e.add(count, e.make<arith::ExtUIOp>(e.i64, fits)), e.select(over, e.min(row, carried[1]), carried[1])};
      });
  e.store(end[1], next);
  return end[0];
}

/// Makes the inputs of a block ready, then runs the cells on them. With many workers a range's cells come in many
/// calls, and the worker that made its rows ready may have them still: `from` tells them from others of the same range.
void GemmEmitter::emitBlock(const Cells &range, const RowBlock &rows, Value from) {
  if (llvm::any_of(inputs, [](const GemmInput &input) { return input.isStaged(); })) {
    Value key = e.add(e.mul(e.add(range.outer, 1), int64_t{1} << 32), from);
    e.makeReady(key, [&] {
      for (GemmInput &input : inputs)
        if (failed(input.stage(rows)))
          result = failure();
    });
  }
  Emitter::Values addresses;
  for (GemmInput &input : inputs)
    addresses.push_back(input.address(rows));
  e.loop(range.first, range.last, [&](Value cell) { emitCell(range.outer, cell, rows, addresses); });
}

/// The accumulators of a cell, one panel after the other, then the epilogue.
void GemmEmitter::emitCell(Value outer, Value cell, const RowBlock &rows, ValueRange addresses) {
  if (cellPanels == 1) {
    emitPanel(outer, cell, e.integer(0), rows, addresses);
  } else {
    Value first = e.mul(cell, cellPanels), last = e.min(e.add(first, cellPanels), e.integer(panels));
    e.loop(first, last,
           [&](Value panel) { emitPanel(outer, panel, e.mul(e.sub(panel, first), panelRows), rows, addresses); });
  }
  emitEpilogue(cell, rows);
}

/// Multiplies all products of one panel; `column` is where its accumulators lie in a row of the cell's.
void GemmEmitter::emitPanel(Value outer, Value panel, Value column, const RowBlock &rows, ValueRange addresses) {
  for (unsigned product = 0; product < op.getProductCount(); ++product) {
    kernel::ViewType weight = op.getWeightType(product);
    int64_t panelBytes =
        schema::row_tile_elements(weight.getForm(), weight.getPackedShape()) * weight.getElementBytes();
    Value index = op.isGrouped(product)
                      ? schema::row_tile_index(e, weight.getForm(), weight.getPackedShape(), outer, panel)
                      : panel;
    TileEmitter tile(e, config, elements, op.getDepth(product), inputs[product].stride(), sumStride, blockRows,
                     /*meetsFewRows=*/static_cast<bool>(op.getExperts()));
    tile.emit({addresses[product], e.element(e.address(op.getWeights()[product]), index, panelBytes),
               e.element(e.at(sums, product * blockRows * sumStride), column, 4), rows.count, zeros, work});
  }
}

//===----------------------------------------------------------------------===//
// Epilogue
//===----------------------------------------------------------------------===//

/// Runs the body for each row and group of a cell. The last group may be narrower than the others; its width is a
/// constant in code of its own, so that the others need no masks.
void GemmEmitter::emitEpilogue(Value cell, const RowBlock &rows) {
  int64_t features = op.getFeatures(), cellFeatures = cellPanels * featuresPerPanel;
  Value firstFeature = e.mul(cell, cellFeatures);
  Value groups =
      e.min(e.ceilDiv(e.sub(e.integer(features), firstFeature), groupWidth), e.integer(cellFeatures / groupWidth));
  SmallVector<Value> varying(op.getBody().getArguments().drop_back(2));
  varying.push_back(op.getFeature());
  RowFetch fetch(e, op.getBody(), op.getRow(), op.getFeature());
  e.loop(e.integer(0), rows.count, [&](Value i) {
    Value ahead = rows.rowAhead(e, i, rowsAhead);
    ScalarRegion region(e, op.getBody(), varying);
    region.bind(op.getRow(), LaneValue::uniform(rows.row(e, i)));
    Value buffer = e.element(sums, i, sumStride);
    e.loop(e.integer(0), groups, [&](Value group) {
      Value column = e.mul(group, groupWidth), feature = e.add(firstFeature, column);
      fetch.emit(ahead, feature, groupWidth);
      // Groups of a cell begin at multiples of their width, so only the last of all features can be narrower.
      int64_t tail = features % groupWidth;
      if (tail == 0 || features < groupWidth)
        return emitGroup(region, feature, column, buffer, std::min(groupWidth, features));
      e.when(
          e.less(e.add(feature, groupWidth - 1), e.integer(features)),
          [&] { emitGroup(region, feature, column, buffer, groupWidth); },
          [&] { emitGroup(region, feature, column, buffer, tail); });
    });
  });
}

void GemmEmitter::emitGroup(ScalarRegion region, Value firstFeature, Value firstColumn, Value buffer, int64_t width) {
  auto bind = [&](ScalarRegion &piece, Value begin, ActiveLanes active) {
    bindLanes(piece, e.add(firstFeature, begin), e.add(firstColumn, begin), buffer, active);
  };
  if (failed(GroupRegion(e, op.getBody(), std::move(region), width, bind).emit()))
    result = failure();
}

/// The accumulators of `feature` and those after it, which lie from `column` of the cell on.
void GemmEmitter::bindLanes(ScalarRegion &piece, Value feature, Value column, Value buffer, ActiveLanes active) {
  LaneMath math(e);
  // What is known of where lanes begin keeps index arithmetic cheap.
  int64_t multiple = std::gcd(groupWidth, vectorLanes);
  piece.bind(op.getFeature(), LaneValue::consecutive(feature, multiple));
  LaneValue place = LaneValue::consecutive(column, multiple);
  int64_t run = op.getRun().value_or(0);
  // Interleaved weights have runs of features of both halves in turn.
  if (run != 0)
    place = schema::interleaved_row(math, place, run);
  for (unsigned product = 0; product < op.getProductCount(); ++product)
    for (unsigned half = 0; half < op.getArity(); ++half) {
      Value base = e.at(buffer, product * blockRows * sumStride + half * run * 4);
      piece.bind(op.getAccumulator(product, half), math.load(e.f32, base, place, active));
    }
}

LogicalResult codegen::emitTemplate(KernelEmitter &e, kernel::GemmOp op) {
  FailureOr<kernel::X86Attr> config = e.config(op);
  return failed(config) ? failure() : GemmEmitter(e, op, *config).run();
}
