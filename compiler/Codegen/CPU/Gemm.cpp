// SPDX-License-Identifier: Apache-2.0
//
// A cell is one panel of 32 outputs for a range of token rows. Rows are cut into register tiles as equal in height as
// they can be. Accumulators of all rows lie in a buffer between blocks of k, and the scalar region is run on them at
// the end. Each is one chain of fused multiply-adds over ascending k, so no cut shows in the bits.
#include "compiler/Codegen/CPU/Kernels.h"
#include "compiler/Codegen/CPU/ScalarRegion.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

namespace {

constexpr int64_t panelOutputs = 32;
constexpr int64_t panelStepBytes = panelOutputs * 4; ///< Of one k.
constexpr int64_t cacheLine = 64;
/// Steps of k that a multiplying loop takes at once.
constexpr int64_t unroll = 2;
/// Cache lines of the panel in one loop step.
constexpr int64_t stepLines = unroll * panelStepBytes / cacheLine;
/// Weights that a pass over many rows reads again and again, a first-level cache of them.
constexpr int64_t weightBlockBytes = 32768;
/// Most rows with accumulators in the buffer, which lies on the stack.
constexpr int64_t mostRows = 264;
/// How far ahead of a single tile weights are fetched: far enough to cover memory's latency at full bandwidth.
constexpr int64_t streamAhead = 8192;

class GemmEmitter {
public:
  GemmEmitter(KernelEmitter &e, kernel::GemmOp op, kernel::X86Attr config);

  LogicalResult run();

private:
  /// Rows that meet a panel together.
  struct Rows {
    Value panel;   ///< Index of the panel.
    Value weights; ///< Its address.
    Value begin;   ///< First row.
    Value count;   ///< How many.
  };
  /// A block of k, in whole loop steps.
  struct Depth {
    Value begin, end;
    bool fromZero; ///< Do the accumulators begin here?
  };
  /// What a loop fetches for later: `lines` cache lines per step, from an address given for k = 0. `level` as
  /// llvm.prefetch counts: 3 for the first level of cache, 2 for the second.
  struct Prefetch {
    Value from;
    int64_t lines;
    int32_t level;
  };

  int64_t tileColumns(int64_t height) const;
  int64_t lowestEvenHeight() const;
  Rows enterCell(Value cell);
  void emitRows(const Rows &rows);
  void emitOneTile(const Rows &rows);
  void emitManyTiles(const Rows &rows);
  void emitBlock(const Rows &rows, const Depth &depth);
  Prefetch fetchNext(const Rows &rows, const Depth &depth, Value slice, int64_t slices);
  void emitTile(const Rows &rows, const Depth &depth, const Prefetch &prefetch, Value row, Value column, int64_t height,
                int64_t columns);
  void multiply(Value inputs, Value weights, Value k, int64_t steps, int64_t height, Emitter::Values &sums);
  void emitLastStep(const Rows &rows);
  void emitEpilogue(const Rows &rows);
  LogicalResult emitRegion(const ScalarRegion &row, const Rows &rows, Value rowBuffer, Value vector);

  KernelEmitter &e;
  kernel::GemmOp op;
  kernel::X86Attr config;
  int64_t outputs, depth, panels;
  int64_t paired;    ///< The part of the depth in whole loop steps.
  int64_t blockRows; ///< Rows of the buffer.
  int64_t single;    ///< Most rows that one tile covers when it is the only one.
  Value buffer;      ///< [blockRows][32] accumulators.
  LogicalResult result = success();
};

} // namespace

GemmEmitter::GemmEmitter(KernelEmitter &e, kernel::GemmOp op, kernel::X86Attr config)
    : e(e), op(op), config(config), outputs(op.getOutputs()), depth(op.getDepth()),
      panels(llvm::divideCeil(outputs, panelOutputs)), paired(depth / unroll * unroll) {
  // A lone tile may be half as tall again as the best one of many: reading the panel twice would cost more.
  single = config.getTileRows();
  while (single + 1 <= config.getTileRows() * 3 / 2 && tileColumns(single + 1) != 0)
    ++single;
  blockRows = std::max(single, std::min<int64_t>(config.getRows(), mostRows));
  buffer = e.local(e.f32, blockRows * panelOutputs);
}

/// Columns of a tile of this height: the whole panel if its accumulators, one step's weights and a broadcast input stay
/// in registers, with one to spare; 0 if nothing does.
int64_t GemmEmitter::tileColumns(int64_t height) const {
  for (int64_t columns : {panelOutputs, config.getTileColumns()}) {
    int64_t vectors = columns / e.target.lanes();
    if (height * vectors + vectors + 1 < e.target.vectorRegisters)
      return columns;
  }
  return 0;
}

/// The least height that an even split of more than `single` rows has.
int64_t GemmEmitter::lowestEvenHeight() const {
  int64_t low = config.getTileRows();
  for (int64_t rows = single + 1; rows <= 4 * single; ++rows)
    low = std::min<int64_t>(low, rows / llvm::divideCeil(rows, config.getTileRows()));
  return low;
}

//===----------------------------------------------------------------------===//
// Cells, rows, blocks of k
//===----------------------------------------------------------------------===//

LogicalResult GemmEmitter::run() {
  if (op.getWeight().getType().getLayout() != "panel32" || !op.getInput().getType().isRowMajor())
    return op.emitError() << "multiplies " << op.getInput().getType() << " by " << op.getWeight().getType()
                          << ", a CPU kernel takes a row-major input and a panel32 weight";
  if (tileColumns(config.getTileRows()) == 0)
    return op.emitError() << "has a tile of " << config.getTileRows() << " x " << config.getTileColumns() << ", which "
                          << e.target.vectorRegisters << " registers of " << e.target.lanes() << " lanes do not hold";
  e.loop(e.first, e.last, [&](Value index) {
    Rows cell = enterCell(index);
    e.loop(e.integer(0), cell.count, blockRows, {}, [&](Value done, ValueRange) -> Emitter::Values {
      Value count = e.min(e.sub(cell.count, done), e.integer(blockRows));
      emitRows({cell.panel, cell.weights, e.add(cell.begin, done), count});
      return {};
    });
  });
  return result;
}

GemmEmitter::Rows GemmEmitter::enterCell(Value index) {
  Value panel = e.rem(index, panels), outer = e.div(index, panels);
  Value weights = e.address(op.getWeight());
  if (op.getOffsets()) {
    Value offset = e.element(e.address(op.getOffsets()), outer, 4);
    Value begin = e.widen(e.load(e.i32, offset)), end = e.widen(e.load(e.i32, e.at(offset, 4)));
    return {panel, e.element(weights, index, depth * panelStepBytes), begin, e.sub(end, begin)};
  }
  Value begin = e.mul(outer, config.getRows());
  Value end = e.min(e.add(begin, config.getRows()), e.size(op.getInput().getType().getDims()[0]));
  return {panel, e.element(weights, panel, depth * panelStepBytes), begin, e.sub(end, begin)};
}

void GemmEmitter::emitRows(const Rows &rows) {
  if (blockRows <= single)
    emitOneTile(rows);
  else
    e.when(
        e.less(rows.count, e.integer(single + 1)), [&] { emitOneTile(rows); }, [&] { emitManyTiles(rows); });
  if (paired < depth)
    emitLastStep(rows);
  emitEpilogue(rows);
}

/// Few rows: every weight is used once, or once per pass, so the whole depth is one block and memory sets the pace.
void GemmEmitter::emitOneTile(const Rows &rows) {
  constexpr int32_t firstLevel = 3;
  Depth whole = {e.integer(0), e.integer(paired), /*fromZero=*/true};
  e.switchOn(rows.count, 1, single, [&](int64_t height) {
    int64_t columns = tileColumns(height), passes = panelOutputs / columns;
    e.pieces(panelOutputs, columns, [&](Value column, int64_t) {
      Prefetch prefetch = passes == 1 ? Prefetch{e.at(rows.weights, streamAhead), stepLines, firstLevel}
                                      : fetchNext(rows, whole, e.div(column, columns), passes);
      emitTile(rows, whole, prefetch, e.integer(0), column, height, columns);
    });
  });
}

/// Many rows: the weights of a block of k meet all of them before the next block's do.
void GemmEmitter::emitManyTiles(const Rows &rows) {
  int64_t longest = weightBlockBytes / (config.getTileColumns() * 4);
  if (paired <= longest)
    return emitBlock(rows, {e.integer(0), e.integer(paired), /*fromZero=*/true});
  int64_t block = llvm::alignTo(llvm::divideCeil(paired, llvm::divideCeil(paired, longest)), unroll);
  e.loop(e.integer(0), e.mul(rows.count, panelOutputs), vectorLanes, {}, [&](Value i, ValueRange) -> Emitter::Values {
    e.store(e.splat(0), e.element(buffer, i, 4), 64);
    return {};
  });
  e.loop(e.integer(0), e.integer(paired), block, {}, [&](Value begin, ValueRange) -> Emitter::Values {
    emitBlock(rows, {begin, e.min(e.add(begin, block), e.integer(paired)), /*fromZero=*/false});
    return {};
  });
}

void GemmEmitter::emitBlock(const Rows &rows, const Depth &depth) {
  int64_t columns = config.getTileColumns(), passes = panelOutputs / columns;
  Value tiles = e.ceilDiv(rows.count, config.getTileRows());
  Value low = e.div(rows.count, tiles), taller = e.rem(rows.count, tiles);
  e.pieces(panelOutputs, columns, [&](Value column, int64_t) {
    e.loop(e.integer(0), tiles, 1, e.integer(0), [&](Value tile, ValueRange row) -> Emitter::Values {
      Value height = e.add(low, e.make<arith::ExtUIOp>(e.i64, e.less(tile, taller)));
      // There are at least two tiles in every pass.
      Value slice = e.add(e.mul(e.div(column, columns), 2), e.rem(tile, 2));
      Prefetch prefetch = fetchNext(rows, depth, slice, 2 * passes);
      e.switchOn(height, lowestEvenHeight(), config.getTileRows(),
                 [&](int64_t known) { emitTile(rows, depth, prefetch, row[0], column, known, columns); });
      return {e.add(row[0], height)};
    });
  });
}

//===----------------------------------------------------------------------===//
// Register tiles
//===----------------------------------------------------------------------===//

/// Memory is to be busy all the time, so the passes over a block share the fetching of as many weights behind it.
GemmEmitter::Prefetch GemmEmitter::fetchNext(const Rows &rows, const Depth &depth, Value slice, int64_t slices) {
  constexpr int32_t secondLevel = 2;
  int64_t bytes = panelStepBytes / slices;
  Value from = e.add(e.mul(e.mul(e.sub(depth.end, depth.begin), slice), bytes), e.mul(depth.end, panelStepBytes));
  return {e.at(rows.weights, e.sub(from, e.mul(depth.begin, bytes))), stepLines / slices, secondLevel};
}

/// Multiplies `height` rows from `row` of `rows` by the `columns` of the panel from `column`.
void GemmEmitter::emitTile(const Rows &rows, const Depth &depth, const Prefetch &prefetch, Value row, Value column,
                           int64_t height, int64_t columns) {
  int64_t vectors = columns / vectorLanes;
  Value inputs = e.element(e.address(op.getInput()), e.add(rows.begin, row), this->depth * 4);
  Value weights = e.element(rows.weights, column, 4);
  Value sums = e.element(e.element(buffer, row, panelOutputs * 4), column, 4);
  auto place = [&](int64_t i) { return e.at(sums, (i / vectors * panelOutputs + i % vectors * vectorLanes) * 4); };
  Emitter::Values values;
  for (int64_t i = 0; i < height * vectors; ++i)
    values.push_back(depth.fromZero ? e.splat(0) : e.load(e.vf32, place(i), 64));
  values = e.loop(depth.begin, depth.end, unroll, values, [&](Value k, ValueRange carried) {
    Value ahead = e.element(prefetch.from, k, prefetch.lines * cacheLine / unroll);
    for (int64_t line = 0; line < prefetch.lines; ++line)
      e.make<LLVM::Prefetch>(e.at(ahead, line * cacheLine), /*rw=*/0, prefetch.level, /*cache=*/1);
    Emitter::Values next(carried);
    multiply(inputs, weights, k, unroll, height, next);
    return next;
  });
  for (int64_t i = 0; i < height * vectors; ++i)
    e.store(values[i], place(i), 64);
}

/// Adds the products of k, .., k + steps - 1 to the sums of `height` rows.
void GemmEmitter::multiply(Value inputs, Value weights, Value k, int64_t steps, int64_t height, Emitter::Values &sums) {
  Value weightStep = e.element(weights, k, panelStepBytes), inputStep = e.element(inputs, k, 4);
  int64_t vectors = sums.size() / height;
  for (int64_t step = 0; step < steps; ++step) {
    Emitter::Values outputs;
    for (int64_t vector = 0; vector < vectors; ++vector)
      outputs.push_back(e.load(e.vf32, e.at(weightStep, step * panelStepBytes + vector * vectorLanes * 4), 64));
    for (int64_t row = 0; row < height; ++row) {
      Value input = e.broadcast(e.load(e.f32, e.at(inputStep, (row * depth + step) * 4)));
      for (int64_t vector = 0; vector < vectors; ++vector) {
        Value &sum = sums[row * vectors + vector];
        sum = e.fma(input, outputs[vector], sum);
      }
    }
  }
}

/// The step that an odd depth leaves, row by row: not worth a place in every tile.
void GemmEmitter::emitLastStep(const Rows &rows) {
  e.loop(e.integer(0), rows.count, [&](Value row) {
    Value inputs = e.element(e.address(op.getInput()), e.add(rows.begin, row), depth * 4);
    Value place = e.element(buffer, row, panelOutputs * 4);
    Emitter::Values sums;
    for (int64_t column = 0; column < panelOutputs; column += vectorLanes)
      sums.push_back(e.load(e.vf32, e.at(place, column * 4), 64));
    multiply(inputs, rows.weights, e.integer(paired), depth - paired, 1, sums);
    for (int64_t column = 0; column < panelOutputs; column += vectorLanes)
      e.store(sums[column / vectorLanes], e.at(place, column * 4), 64);
  });
}

//===----------------------------------------------------------------------===//
// Epilogue
//===----------------------------------------------------------------------===//

void GemmEmitter::emitEpilogue(const Rows &rows) {
  Value firstFeature = e.mul(rows.panel, panelOutputs);
  Value vectors =
      e.min(e.ceilDiv(e.sub(e.integer(outputs), firstFeature), vectorLanes), e.integer(panelOutputs / vectorLanes));
  e.loop(e.integer(0), rows.count, [&](Value i) {
    ScalarRegion region(e, op.getBody(), ValueRange{op.getAccumulator(), op.getFeature()});
    region.bind(op.getRow(), LaneValue::uniform(e.add(rows.begin, i)));
    if (failed(region.emitInvariant(region.effects())))
      result = failure();
    Value rowBuffer = e.element(buffer, i, panelOutputs * 4);
    e.loop(e.integer(0), vectors, [&](Value vector) {
      if (succeeded(result))
        result = emitRegion(region, rows, rowBuffer, vector);
    });
  });
}

LogicalResult GemmEmitter::emitRegion(const ScalarRegion &row, const Rows &rows, Value rowBuffer, Value vector) {
  Value sums = e.load(e.vf32, e.element(rowBuffer, vector, vectorLanes * 4), 64);
  Value feature = e.add(e.mul(rows.panel, panelOutputs), e.mul(vector, vectorLanes));
  auto emit = [&](int64_t count) {
    ScalarRegion region = row;
    region.bind(op.getAccumulator(), LaneValue::varying(sums));
    region.bind(op.getFeature(), LaneValue::consecutive(feature));
    return region.emitVarying(region.effects(), ActiveLanes{count});
  };
  int64_t tail = outputs % vectorLanes;
  if (tail == 0)
    return emit(vectorLanes);
  if (outputs < vectorLanes)
    return emit(tail);
  LogicalResult whole = success(), part = success();
  e.when(
      e.less(e.add(feature, vectorLanes - 1), e.integer(outputs)), [&] { whole = emit(vectorLanes); },
      [&] { part = emit(tail); });
  return success(succeeded(whole) && succeeded(part));
}

LogicalResult codegen::emitGemm(KernelEmitter &e, kernel::GemmOp op) {
  FailureOr<kernel::X86Attr> config = e.config(op);
  return failed(config) ? failure() : GemmEmitter(e, op, *config).run();
}
