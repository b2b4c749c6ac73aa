// SPDX-License-Identifier: Apache-2.0
//
// The inner product of rows by one panel. Rows are cut into register tiles as equal in height as they can be, since a
// tile of one row reads as many weights as one of eight. With few rows the whole depth is one block and memory sets the
// pace; with many, the depth is cut so that a block of weights stays in a near cache while all rows meet it, and
// accumulators lie in memory between blocks of k. Storing and loading a float32 changes no bit, so both ways add in
// one order. Depths, heights and columns are constants in the code: only the number of rows is asked at run time.

#include "compiler/Codegen/CPU/GemmTile.h"
#include "compiler/Codegen/CPU/MatrixTile.h"

#include <fmt/format.h>

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

namespace {

constexpr int64_t cacheLine = 64;
/// Steps that a multiplying loop takes at once. A float32 step of a tile narrower than the panel has so few products
/// that a line fetched in every turn of two is more than memory gives. (AMD EPYC, float32 of 256 bits, 512 tokens, two
/// threads: 6 % faster.)
int64_t stepsAtOnce(kernel::X86Attr config, TileElements elements) {
  return elements.kind == TileElements::F32 && config.getTileColumns() < panelRows ? 4 : 2;
}

/// Where a single tile of so many rows fetches its weights: into which cache, and how many bytes ahead. One or two rows
/// leave the core nothing to do but read, so the first-level cache is filled from near: further ahead, fetches queue up
/// for its buffers before the loads that the core waits for. (Intel Xeon, two cores, one row: 31 GB/s at 512 to 2048
/// bytes, 27 at 4096, 24 at 8192.) With more rows the inputs no longer stay in the first-level cache, and their loads
/// need its buffers, too; fetches into the second level leave them free. (Eight rows, widened: 11 % more bytes a second
/// than by the first level, no difference from 4096 to 16384 bytes.)
struct Stream {
  int32_t level;
  int64_t ahead;
};
/// Levels as llvm.prefetch counts them.
constexpr int32_t firstLevel = 3, secondLevel = 2;
constexpr Stream streamOf(int64_t rows) { return rows <= 2 ? Stream{firstLevel, 2048} : Stream{secondLevel, 8192}; }

} // namespace

TileElements TileElements::of(Type weight, const Target &target) {
  if (weight.isBF16() && target.cpu().bf16Tile)
    return {BF16Matrix};
  return ofVectors(weight, target);
}

TileElements TileElements::ofVectors(Type weight, const Target &target) {
  if (weight.isF32())
    return {F32};
  return {target.cpu().bf16Dot ? BF16Dot : BF16Widened};
}

TileEmitter::TileEmitter(KernelEmitter &e, kernel::X86Attr config, TileElements elements, int64_t depth,
                         int64_t inputStride, int64_t sumStride, int64_t mostRows, bool meetsFewRows)
    : e(e), config(config), elements(elements), steps(elements.steps(depth)), unroll(stepsAtOnce(config, elements)),
      turnLines(unroll * panelStepBytes / cacheLine), whole(steps / unroll * unroll), inputStride(inputStride),
      sumStride(sumStride), mostRows(mostRows), meetsFewRows(meetsFewRows) {
  // A lone tile may be half as tall again as the best one of many: reading the panel twice would cost more.
  single = config.getTileRows();
  while (single + 1 <= config.getTileRows() * 3 / 2 && tileColumns(single + 1) != 0)
    ++single;
}

/// Columns of a tile of this height: the whole panel if its accumulators, one step's weights and a broadcast input stay
/// in registers, with one to spare; 0 if nothing does. Pairs of weights stay beside their widened halves where there
/// are 32 registers; with 16 each half loads them anew.
int64_t TileEmitter::tileColumns(int64_t height) const {
  for (int64_t columns : {panelRows, config.getTileColumns()}) {
    int64_t vectors = columns / e.target.cpu().lanes();
    int64_t registers = e.target.cpu().vectorRegisters;
    int64_t weights = elements.kind == TileElements::BF16Widened && registers >= 32 ? 2 * vectors : vectors;
    if (height * vectors + weights + 1 < registers)
      return columns;
  }
  return 0;
}

bool TileEmitter::fits() const {
  if (elements.kind == TileElements::BF16Matrix)
    return config.getTileRows() == MatrixTileEmitter::groupRows && config.getTileColumns() == panelRows;
  return tileColumns(config.getTileRows()) != 0;
}

/// The least height that an even split of more than `single` rows has.
int64_t TileEmitter::lowestEvenHeight() const {
  int64_t low = config.getTileRows();
  for (int64_t rows = single + 1; rows <= 4 * single; ++rows)
    low = std::min<int64_t>(low, rows / llvm::divideCeil(rows, config.getTileRows()));
  return low;
}

/// All that the code depends on.
std::string TileEmitter::name() const {
  const char *kinds[] = {"f32", "bf16_dot", "bf16_widened", "bf16_matrix"};
  return fmt::format("tiles_{}_{}x{}_k{}_apart{}_{}_rows{}{}", kinds[elements.kind], config.getTileRows(),
                     config.getTileColumns(), steps, inputStride, sumStride, mostRows, meetsFewRows ? "_few" : "");
}

/// Queries, keys and values, or the routed and the shared expert's down, have depth and strides in common. Code for
/// all heights of a tile is most of a kernel's, and so is the time that it takes to compile.
void TileEmitter::emit(const TileRows &rows) {
  e.call(name(), {rows.inputs, rows.weights, rows.sums, rows.count, rows.zeros, rows.work}, [&](ValueRange given) {
    emitBody({given[0], given[1], given[2], given[3], given[4], given[5]});
  });
}

void TileEmitter::emitBody(const TileRows &rows) {
  if (elements.kind == TileElements::BF16Matrix)
    return MatrixTileEmitter(e, steps, inputStride, sumStride, mostRows).emit(rows);
  if (mostRows <= single)
    emitOneTile(rows);
  else
    e.when(
        e.less(rows.count, e.integer(single + 1)), [&] { emitOneTile(rows); }, [&] { emitManyTiles(rows); });
  for (int64_t step = whole; step < steps; ++step)
    emitLastStep(rows, step);
}

/// Few rows: every weight is used once, or once per pass, so the whole depth is one block and memory sets the pace.
void TileEmitter::emitOneTile(const TileRows &rows) {
  Depth all = {e.integer(0), e.integer(whole), /*isFirst=*/Value()};
  e.switchOn(rows.count, 1, std::min(single, mostRows), [&](int64_t height) {
    int64_t columns = tileColumns(height), passes = panelRows / columns;
    e.pieces(panelRows, columns, [&](Value column, int64_t) {
      Stream stream = streamOf(height);
      Lines lines = passes == 1 ? Lines{e.at(rows.weights, stream.ahead), e.integer(panelStepBytes), turnLines}
                                : fetchNext(rows, all, e.div(column, columns), passes);
      emitTile(rows, all, Weights::Packed, {{lines}, passes == 1 ? stream.level : secondLevel}, e.integer(0), column,
               height, columns);
    });
  });
}

/// Steps whose weights a pass over many rows reads again and again. Multiply-adds keep the loads of inputs and weights
/// so busy that weights have to be in the first-level cache. A dot product does twice their work, and the second level
/// is fast enough for it, so longer blocks load and store accumulators less often. (AMD EPYC: 64 KiB make products 2 to
/// 6 % faster than 32 KiB. Intel Xeon, float32: 4 % slower out of the second level than the first; widened weights,
/// which take twice the bytes, no slower by 32 KiB of pairs than by 16.)
int64_t TileEmitter::longestBlock() const {
  int64_t bytes = elements.kind == TileElements::BF16Dot ? 65536 : 32768;
  return bytes / (config.getTileColumns() * 4);
}

int64_t TileEmitter::workBytes() const {
  if (elements.kind == TileElements::BF16Matrix)
    return MatrixTileEmitter::workBytes;
  if (elements.kind != TileElements::BF16Widened || mostRows <= single)
    return 0;
  return longestBlock() * 2 * config.getTileColumns() * 4;
}

/// Many rows: the weights of a block of k meet all of them before the next block's do.
void TileEmitter::emitManyTiles(const TileRows &rows) {
  int64_t longest = longestBlock();
  if (whole <= longest)
    return emitBlock(rows, {e.integer(0), e.integer(whole), /*isFirst=*/Value()});
  int64_t block = llvm::alignTo(llvm::divideCeil(whole, llvm::divideCeil(whole, longest)), unroll);
  e.loop(e.integer(0), e.integer(whole), block, {}, [&](Value begin, ValueRange) -> Emitter::Values {
    emitBlock(rows, {begin, e.min(e.add(begin, block), e.integer(whole)), e.equal(begin, e.integer(0))});
    return {};
  });
}

void TileEmitter::emitBlock(const TileRows &rows, const Depth &depth) {
  e.pieces(panelRows, config.getTileColumns(), [&](Value column, int64_t) { emitPass(rows, depth, column); });
}

/// All rows by the columns of a tile. Where weights are widened, the first tile leaves them in memory for the others:
/// of 52 vector operations that a step of a tile of 12 rows takes, 4 widen, in the same two pipes on some processors.
/// (Intel Xeon, 512 tokens: products 6 to 8 % faster.)
void TileEmitter::emitPass(const TileRows &rows, const Depth &depth, Value column) {
  int64_t columns = config.getTileColumns();
  Value tiles = e.ceilDiv(rows.count, config.getTileRows());
  Value low = e.div(rows.count, tiles), taller = e.rem(rows.count, tiles);
  auto emitNext = [&](Value tile, Value row, Weights source) {
    Value height = e.add(low, e.make<arith::ExtUIOp>(e.i64, e.less(tile, taller)));
    Value input = e.element(e.element(rows.inputs, row, inputStride), depth.begin, elements.inputStepBytes());
    Prefetch prefetch = prefetchBlock(rows, depth, column, tile, tiles, input);
    e.switchOn(height, lowestEvenHeight(), config.getTileRows(),
               [&](int64_t known) { emitTile(rows, depth, source, prefetch, row, column, known, columns); });
    return e.add(row, height);
  };
  Value begin = e.integer(0), row = e.integer(0);
  Weights source = Weights::Packed;
  if (elements.kind == TileElements::BF16Widened) {
    row = emitNext(begin, row, Weights::Widen);
    begin = e.integer(1);
    source = Weights::Widened;
  }
  e.loop(begin, tiles, 1, row,
         [&](Value tile, ValueRange carried) -> Emitter::Values { return {emitNext(tile, carried[0], source)}; });
}

/// What one of several tiles of a block fetches; `input` is where its own inputs begin. A pass fetches its part of the
/// next block in slices of a line a turn, each by a tile of its own: memory does not keep up with bursts. (AMD EPYC,
/// experts with 32 rows: 3 to 5 % faster than two lines a turn by two tiles of four.) Tiles without a slice name one
/// line that is in the first-level cache and costs nothing; a fetch from further away holds a buffer that loads of
/// inputs need, even when it finds the line in the second level.
TileEmitter::Prefetch TileEmitter::prefetchBlock(const TileRows &rows, const Depth &depth, Value column, Value tile,
                                                 Value tiles, Value input) {
  int64_t passes = panelRows / config.getTileColumns(), slices = turnLines / passes;
  Value inputAdvance = e.integer(elements.inputStepBytes());
  Prefetch prefetch = {{}, secondLevel};
  // Whoever claims cells finds the first panel in memory. Where few tiles meet a block, it pays that the first one
  // runs ahead of itself; lines that the block before fetched come nearer. (AMD EPYC, experts with 32 rows: 3 %
  // faster. With 144 rows it gains nothing, and the idle fetches of the other tiles cost 3 %.)
  if (meetsFewRows) {
    Value isFirst = e.equal(e.add(tile, column), e.integer(0));
    Value own = e.at(e.element(rows.weights, depth.begin, panelStepBytes), streamOf(config.getTileRows()).ahead);
    prefetch.lines.push_back(
        {e.select(isFirst, own, input), e.select(isFirst, e.integer(panelStepBytes), inputAdvance), turnLines});
  }
  // There are at least two tiles, so that two lines a turn are enough for all slices.
  Value pass = e.mul(e.div(column, config.getTileColumns()), slices);
  for (int64_t i = 0; i < slices / 2; ++i) {
    Value slice = e.add(tile, e.mul(tiles, i)), isOwn = e.less(slice, e.integer(slices));
    Lines next = fetchNext(rows, depth, e.add(pass, slice), slices * passes);
    prefetch.lines.push_back(
        {e.select(isOwn, next.from, input), e.select(isOwn, next.advance, inputAdvance), next.count});
  }
  return prefetch;
}

/// Memory is to be busy all the time, so the passes over a block share the fetching of as many weights behind it.
TileEmitter::Lines TileEmitter::fetchNext(const TileRows &rows, const Depth &depth, Value slice, int64_t slices) {
  int64_t bytes = panelStepBytes / slices;
  Value from = e.add(e.mul(e.mul(e.sub(depth.end, depth.begin), slice), bytes), e.mul(depth.end, panelStepBytes));
  return {e.at(rows.weights, from), e.integer(bytes), turnLines / slices};
}

/// Multiplies `height` rows from `row` of `rows` by the `columns` of the panel from `column`.
void TileEmitter::emitTile(const TileRows &rows, const Depth &depth, Weights source, const Prefetch &prefetch,
                           Value row, Value column, int64_t height, int64_t columns) {
  int64_t vectors = columns / vectorLanes;
  Value inputs = e.element(rows.inputs, row, inputStride);
  Value weights = e.element(rows.weights, column, 4);
  Value sums = e.element(e.element(rows.sums, row, sumStride), column, 4);
  auto place = [&](int64_t i) { return e.at(sums, i / vectors * sumStride + i % vectors * vectorLanes * 4); };
  Emitter::Values values(height * vectors, e.splat(0));
  // The first block loads zeros for every row: vectors that are selected instead would not all stay in registers.
  if (depth.isFirst) {
    Value from = e.select(depth.isFirst, rows.zeros, sums);
    Value stride = e.select(depth.isFirst, e.integer(0), e.integer(sumStride));
    for (auto [i, value] : llvm::enumerate(values))
      value = e.load(e.vf32, e.at(e.at(from, e.mul(stride, i / vectors)), i % vectors * vectorLanes * 4), 64);
  }
  values = e.loop(depth.begin, depth.end, unroll, values, [&](Value step, ValueRange carried) {
    int64_t products = unroll * height * vectors * (elements.kind == TileElements::BF16Widened ? 2 : 1);
    Value local = e.sub(step, depth.begin);
    Fetcher fetcher = enterTurn(prefetch, local, products);
    Emitter::Values next(carried);
    Value input = e.element(inputs, step, elements.inputStepBytes()), weight = e.element(weights, step, panelStepBytes);
    Value widened = source == Weights::Packed ? Value() : e.element(rows.work, local, 2 * columns * 4);
    for (int64_t i = 0; i < unroll; ++i)
      multiply({e.at(input, i * elements.inputStepBytes()), e.at(weight, i * panelStepBytes),
                widened ? e.at(widened, i * 2 * columns * 4) : Value()},
               source, height, next, &fetcher);
    return next;
  });
  for (int64_t i = 0; i < height * vectors; ++i)
    e.store(values[i], place(i), 64);
}

/// What a turn fetches that begins `step` steps after the loop does.
TileEmitter::Fetcher TileEmitter::enterTurn(const Prefetch &prefetch, Value step, int64_t products) {
  Fetcher fetcher = {{}, prefetch.level, products};
  for (const Lines &lines : prefetch.lines)
    for (int64_t i = 0; i < lines.count; ++i)
      fetcher.lines.push_back(e.at(e.at(lines.from, e.mul(step, lines.advance)), i * cacheLine));
  return fetcher;
}

/// Called after each product of a turn. Fetches stand between products, since several in a row fill the buffers of the
/// first-level cache and stop the loads behind them (8 rows from memory: 25 % more bytes a second).
void TileEmitter::fetch(Fetcher *fetcher) {
  if (!fetcher)
    return;
  int64_t lines = fetcher->lines.size();
  ++fetcher->done;
  for (; fetcher->next * fetcher->products < fetcher->done * lines; ++fetcher->next)
    e.make<LLVM::Prefetch>(fetcher->lines[fetcher->next], /*rw=*/0, fetcher->level, /*cache=*/1);
}

/// Adds the products of one step to the sums of `height` rows.
void TileEmitter::multiply(const Step &step, Weights source, int64_t height, Emitter::Values &sums, Fetcher *fetcher) {
  if (elements.kind == TileElements::BF16Widened)
    return multiplyWidened(step, source, height, sums, fetcher);
  Emitter::Values weights;
  for (size_t vector = 0; vector < sums.size() / height; ++vector)
    weights.push_back(
        e.load(elements.isPaired() ? e.vectorOf(e.i32) : e.vf32, e.at(step.weights, vector * vectorLanes * 4), 64));
  multiplyRows(step.inputs, weights, height, sums, fetcher);
}

/// All rows by the odd k, then by the even one: the order of the dot product, and half of the weights live at a time.
void TileEmitter::multiplyWidened(const Step &step, Weights source, int64_t height, Emitter::Values &sums,
                                  Fetcher *fetcher) {
  int64_t vectors = sums.size() / height;
  Emitter::Values pairs;
  for (int64_t vector = 0; source != Weights::Widened && vector < vectors; ++vector)
    pairs.push_back(e.load(e.vectorOf(e.i32), e.at(step.weights, vector * vectorLanes * 4), 64));
  for (int64_t odd : {1, 0}) {
    Emitter::Values halves;
    for (int64_t vector = 0; vector < vectors; ++vector) {
      int64_t place = ((1 - odd) * vectors + vector) * vectorLanes * 4;
      halves.push_back(source == Weights::Widened ? e.load(e.vf32, e.at(step.widened, place), 64)
                                                  : e.widenHalf(pairs[vector], odd));
      if (source == Weights::Widen)
        e.store(halves.back(), e.at(step.widened, place), 64);
    }
    multiplyRows(e.at(step.inputs, odd * 4), halves, height, sums, fetcher);
  }
}

/// Adds, to the sums of each row, its input times the weights.
void TileEmitter::multiplyRows(Value inputs, ArrayRef<Value> weights, int64_t height, Emitter::Values &sums,
                               Fetcher *fetcher) {
  bool dot = elements.kind == TileElements::BF16Dot;
  for (int64_t row = 0; row < height; ++row) {
    Value input = e.broadcast(e.load(dot ? e.i32 : e.f32, e.at(inputs, row * inputStride)));
    for (size_t vector = 0; vector < weights.size(); ++vector) {
      Value &sum = sums[row * weights.size() + vector];
      sum = dot ? e.dotBF16(sum, input, weights[vector]) : e.fma(input, weights[vector], sum);
      fetch(fetcher);
    }
  }
}

/// A step that whole turns leave, row by row: not worth a place in every tile.
void TileEmitter::emitLastStep(const TileRows &rows, int64_t step) {
  Value weights = e.at(rows.weights, step * panelStepBytes);
  e.loop(e.integer(0), rows.count, [&](Value row) {
    Value inputs = e.at(e.element(rows.inputs, row, inputStride), step * elements.inputStepBytes());
    Value place = e.element(rows.sums, row, sumStride);
    Emitter::Values sums;
    for (int64_t column = 0; column < panelRows; column += vectorLanes)
      sums.push_back(e.load(e.vf32, e.at(place, column * 4), 64));
    multiply({inputs, weights, /*widened=*/Value()}, Weights::Packed, 1, sums, /*fetcher=*/nullptr);
    for (int64_t column = 0; column < panelRows; column += vectorLanes)
      e.store(sums[column / vectorLanes], e.at(place, column * 4), 64);
  });
}
