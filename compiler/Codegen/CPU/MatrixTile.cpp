// SPDX-License-Identifier: Apache-2.0
//
// The inner product of rows by one panel where there are tile registers: eight of 16 rows of 64 bytes. Four hold the
// sums of 32 rows by the 32 columns of the panel, two 32 k of the rows and two the same k of the panel. A panel for dot
// products has the form that tdpbf16ps multiplies by, pairs of k side by side for every column, so both instructions
// read the same weights. How many rows and columns of a register are in use is state of the core, loaded from memory:
// code has no heights and needs no masks, and what lies behind the last row is not read.
//
// Four products take 64 cycles and read 4 KiB, which the first-level cache gives and the second does not. So where many
// rows meet a panel its depth is cut in blocks that stay in the first level, and inputs come from the second. (Intel
// Xeon, one core, 256 rows of 1024 k: half of the peak; 0.8 in a loop that finds everything in the first level, since
// loads and products share what a core can begin; a third where rows and panel are read from the second.)

#include "compiler/Codegen/CPU/MatrixTile.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

namespace {

constexpr int64_t cacheLine = 64;
/// Rows of a tile register, and the pairs of k and the columns of one of weights.
constexpr int64_t tileRows = TileRegisters::rows, tilePairs = TileRegisters::rows, tileColumns = TileRegisters::columns;
/// Steps of a block: 16 KiB of the panel, beside which 32 rows of as many inputs have room in 48 KiB.
constexpr int64_t longestBlock = 128;
/// Cache lines of the panel in one turn of the loop.
constexpr int64_t turnLines = tilePairs * panelStepBytes / cacheLine;
/// Levels of cache as llvm.prefetch counts them.
constexpr int32_t firstLevel = 3, secondLevel = 2;
/// Groups of a block that fetch weights behind it.
constexpr int64_t fetchers = 2;

} // namespace

MatrixTileEmitter::MatrixTileEmitter(KernelEmitter &e, int64_t steps, int64_t inputStride, int64_t sumStride,
                                     int64_t mostRows)
    : e(e), tiles(e), steps(steps), whole(steps / tilePairs * tilePairs), inputStride(inputStride),
      sumStride(sumStride), mostRows(mostRows) {}

void MatrixTileEmitter::emit(const TileRows &rows) {
  auto inOneGroup = [&](const Depth &depth) { emitOneGroup(rows, depth); };
  Depth first = {e.integer(0), e.integer(whole), tilePairs, e.integer(true, e.i1)};
  Depth last = {e.integer(whole), e.integer(steps), steps - whole, e.integer(whole == 0, e.i1)};
  auto emitDepth = [&](auto emitFirst, auto emitLast) {
    if (whole > 0)
      emitFirst(first);
    if (whole < steps)
      emitLast(last);
  };
  if (mostRows <= groupRows)
    return emitDepth(inOneGroup, inOneGroup);
  e.when(
      e.less(rows.count, e.integer(groupRows + 1)), [&] { emitDepth(inOneGroup, inOneGroup); },
      [&] {
        emitDepth([&](const Depth &) { emitManyGroups(rows); }, [&](const Depth &depth) { emitBlock(rows, depth); });
      });
}

/// Up to 32 rows read every weight once, so the whole depth is one block and memory sets the pace. More than 16 are a
/// group whose lower tiles may be lower, others a group of upper tiles alone.
void MatrixTileEmitter::emitOneGroup(const TileRows &rows, const Depth &depth) {
  emitLeft(rows, depth, rows.count, e.integer(0),
           [&](int64_t tileRowCount) { return fetchOwn(rows, depth, tileRowCount); });
}

void MatrixTileEmitter::emitManyGroups(const TileRows &rows) {
  if (whole <= longestBlock)
    return emitBlock(rows, {e.integer(0), e.integer(whole), tilePairs, e.integer(true, e.i1)});
  int64_t block = llvm::alignTo(llvm::divideCeil(whole, llvm::divideCeil(whole, longestBlock)), tilePairs);
  e.loop(e.integer(0), e.integer(whole), block, {}, [&](Value begin, ValueRange) -> Emitter::Values {
    Value end = e.min(e.add(begin, block), e.integer(whole));
    emitBlock(rows, {begin, end, tilePairs, e.equal(begin, e.integer(0))});
    return {};
  });
}

/// All groups of 32 rows, then what is left.
void MatrixTileEmitter::emitBlock(const TileRows &rows, const Depth &depth) {
  Value groups = e.div(rows.count, groupRows), left = e.rem(rows.count, groupRows), height = e.integer(tileRows);
  tiles.configure(rows.work, height, height, depth.pairs);
  Value fetching = e.min(groups, e.integer(fetchers));
  e.loop(e.integer(0), fetching, [&](Value group) { emitGroup(rows, depth, group, 2, fetchNext(rows, depth, group)); });
  e.loop(fetching, groups, [&](Value group) {
    emitGroup(rows, depth, group, 2, Lines{rows.weights, /*advance=*/e.integer(0), /*count=*/0, secondLevel});
  });
  e.when(e.less(e.integer(0), left),
         [&] { emitLeft(rows, depth, left, groups, [&](int64_t) { return fetchNext(rows, depth, groups); }); });
}

void MatrixTileEmitter::emitLeft(const TileRows &rows, const Depth &depth, Value count, Value group,
                                 function_ref<Lines(int64_t)> fetch) {
  Value height = e.integer(tileRows);
  auto emitUpper = [&] {
    tiles.configure(rows.work, count, count, depth.pairs);
    emitGroup(rows, depth, group, 1, fetch(1));
  };
  if (mostRows <= tileRows)
    return emitUpper();
  e.when(e.less(count, e.integer(tileRows + 1)), emitUpper, [&] {
    tiles.configure(rows.work, height, e.sub(count, height), depth.pairs);
    emitGroup(rows, depth, group, 2, fetch(2));
  });
}

/// What a group fetches that has a panel for itself: its own weights, a turn or two ahead of its loads. (Intel Xeon,
/// one core, 32 rows, a loop over 1 GiB of weights: 14.2 GB/s one turn ahead, 12.4 from four turns on, 10.7 without;
/// plain loads read 14.4. Eight rows, two cores: 262 tokens/s into the first level, 245 to 249 into the second.)
MatrixTileEmitter::Lines MatrixTileEmitter::fetchOwn(const TileRows &rows, const Depth &depth, int64_t tileRowCount) {
  int64_t ahead = tileRowCount == 1 ? 4096 : 2048;
  return {e.at(e.element(rows.weights, depth.begin, panelStepBytes), ahead), e.integer(turnLines * cacheLine),
          turnLines, tileRowCount == 1 ? firstLevel : secondLevel};
}

/// What one of several groups of a block fetches: half of as many weights behind the block, if it is the first or the
/// second. The last group, which may be a third one, then names a line of weights that is near and costs nothing.
MatrixTileEmitter::Lines MatrixTileEmitter::fetchNext(const TileRows &rows, const Depth &depth, Value group) {
  constexpr int64_t bytes = turnLines / fetchers * cacheLine;
  Value fetches = e.less(group, e.integer(fetchers));
  Value perSlice = e.div(e.mul(e.sub(depth.end, depth.begin), panelStepBytes), fetchers);
  Value next = e.at(e.element(rows.weights, depth.end, panelStepBytes), e.mul(group, perSlice));
  Value own = e.element(rows.weights, depth.begin, panelStepBytes);
  return {e.select(fetches, next, own), e.select(fetches, e.integer(bytes), e.integer(0)), turnLines / fetchers,
          secondLevel};
}

/// A group of up to 32 rows, in one row of sums or in two.
void MatrixTileEmitter::emitGroup(const TileRows &rows, const Depth &depth, Value group, int64_t tileRowCount,
                                  const Lines &lines) {
  Value row = e.mul(group, groupRows);
  Value sums = e.element(rows.sums, row, sumStride);
  auto forSums = [&](function_ref<void(int64_t, Value)> body) {
    for (int64_t i = 0; i < tileRowCount; ++i)
      for (int64_t column : {0, 1})
        body(TileRegisters::sums(i, column), e.at(sums, i * tileRows * sumStride + column * tileColumns * 4));
  };
  e.when(
      depth.isFirst, [&] { forSums([&](int64_t tile, Value) { tiles.clear(tile); }); },
      [&] { forSums([&](int64_t tile, Value place) { tiles.load(tile, place, sumStride); }); });
  emitTurns(e.element(rows.inputs, row, inputStride), rows.weights, depth, tileRowCount, lines);
  forSums([&](int64_t tile, Value place) { tiles.store(tile, place, sumStride); });
}

void MatrixTileEmitter::emitTurns(Value inputs, Value weights, const Depth &depth, int64_t tileRowCount,
                                  const Lines &lines) {
  e.loop(depth.begin, depth.end, tilePairs, {}, [&](Value step, ValueRange) -> Emitter::Values {
    Value input = e.element(inputs, step, 4), weight = e.element(weights, step, panelStepBytes);
    Value turn = e.div(e.sub(step, depth.begin), tilePairs);
    Value fetched = e.at(lines.from, e.mul(turn, lines.advance));
    int64_t done = 0, products = 2 * tileRowCount, next = 0;
    auto multiply = [&](int64_t row, int64_t column) {
      tiles.multiply(row, column);
      for (++done; next < lines.count * done / products; ++next)
        e.make<LLVM::Prefetch>(e.at(fetched, next * cacheLine), /*rw=*/0, lines.level, /*cache=*/1);
    };
    tiles.load(TileRegisters::weights(0), weight, panelStepBytes);
    for (int64_t row = 0; row < tileRowCount; ++row) {
      tiles.load(TileRegisters::inputs(row), e.at(input, row * tileRows * inputStride), inputStride);
      multiply(row, 0);
      if (row == 0)
        tiles.load(TileRegisters::weights(1), e.at(weight, tileColumns * 4), panelStepBytes);
      multiply(row, 1);
    }
    return {};
  });
}
