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
constexpr int64_t tileRows = 16, tilePairs = 16, tileColumns = 16;
/// Steps of a block: 16 KiB of the panel, beside which 32 rows of as many inputs have room in 48 KiB.
constexpr int64_t longestBlock = 128;
/// Cache lines of the panel in one turn of the loop.
constexpr int64_t turnLines = tilePairs * panelStepBytes / cacheLine;

/// The tile registers by what they hold: sums of the upper 16 rows, then of the lower ones, both by left and right half
/// of the panel; inputs of the upper and the lower rows; left and right half of the panel.
enum TileRegister : int64_t { upperSums = 0, lowerSums = 2, upperInputs = 4, lowerInputs = 5, weightTiles = 6 };

} // namespace

MatrixTileEmitter::MatrixTileEmitter(KernelEmitter &e, int64_t steps, int64_t inputStride, int64_t sumStride,
                                     int64_t mostRows)
    : e(e), steps(steps), whole(steps / tilePairs * tilePairs), inputStride(inputStride), sumStride(sumStride),
      mostRows(mostRows) {}

void MatrixTileEmitter::callTile(StringRef name, ArrayRef<int64_t> registers, ValueRange operands) {
  Emitter::Values all;
  for (int64_t tile : registers)
    all.push_back(e.integer(tile, e.i8));
  llvm::append_range(all, operands);
  e.make<LLVM::CallIntrinsicOp>(e.b.getStringAttr("llvm.x86." + name), all);
}

void MatrixTileEmitter::loadTile(int64_t tile, Value address, int64_t stride) {
  callTile("tileloadd64", tile, {address, e.integer(stride)});
}

void MatrixTileEmitter::storeTile(int64_t tile, Value address, int64_t stride) {
  callTile("tilestored64", tile, {address, e.integer(stride)});
}

void MatrixTileEmitter::emitRelease(KernelEmitter &e) {
  e.make<LLVM::CallIntrinsicOp>(e.b.getStringAttr("llvm.x86.tilerelease"), ValueRange());
}

void MatrixTileEmitter::emit(const TileRows &rows) {
  auto inOneGroup = [&](const Depth &depth) { emitOneGroup(rows, depth); };
  Depth first = {e.integer(0), e.integer(whole), tilePairs, /*isFirst=*/Value(), /*isLater=*/false};
  Depth last = {e.integer(whole), e.integer(steps), steps - whole, /*isFirst=*/Value(), /*isLater=*/whole > 0};
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
  emitLeft(rows, depth, rows.count, e.integer(0), [&](int64_t tiles) { return fetchOwn(rows, depth, tiles); });
}

void MatrixTileEmitter::emitManyGroups(const TileRows &rows) {
  if (whole <= longestBlock)
    return emitBlock(rows, {e.integer(0), e.integer(whole), tilePairs, /*isFirst=*/Value(), /*isLater=*/false});
  int64_t block = llvm::alignTo(llvm::divideCeil(whole, llvm::divideCeil(whole, longestBlock)), tilePairs);
  e.loop(e.integer(0), e.integer(whole), block, {}, [&](Value begin, ValueRange) -> Emitter::Values {
    Value end = e.min(e.add(begin, block), e.integer(whole));
    emitBlock(rows, {begin, end, tilePairs, e.equal(begin, e.integer(0)), /*isLater=*/false});
    return {};
  });
}

/// All groups of 32 rows, then what is left.
void MatrixTileEmitter::emitBlock(const TileRows &rows, const Depth &depth) {
  Value groups = e.div(rows.count, groupRows), left = e.rem(rows.count, groupRows), height = e.integer(tileRows);
  configure(rows, height, height, depth.pairs);
  e.loop(e.integer(0), groups, [&](Value group) { emitGroup(rows, depth, group, 2, fetchNext(rows, depth, group)); });
  e.when(e.less(e.integer(0), left),
         [&] { emitLeft(rows, depth, left, groups, [&](int64_t) { return fetchNext(rows, depth, groups); }); });
}

void MatrixTileEmitter::emitLeft(const TileRows &rows, const Depth &depth, Value count, Value group,
                                 function_ref<Lines(int64_t)> fetch) {
  Value height = e.integer(tileRows);
  auto emitUpper = [&] {
    configure(rows, count, count, depth.pairs);
    emitGroup(rows, depth, group, 1, fetch(1));
  };
  if (mostRows <= tileRows)
    return emitUpper();
  e.when(e.less(count, e.integer(tileRows + 1)), emitUpper, [&] {
    configure(rows, height, e.sub(count, height), depth.pairs);
    emitGroup(rows, depth, group, 2, fetch(2));
  });
}

/// Palette 1 has 16 bits for the bytes of a row of each register from byte 16 on, and 8 bits for its rows from 48 on
/// (Intel SDM, "TILECFG"). Registers that the code does not use have as many rows as their neighbours.
void MatrixTileEmitter::configure(const TileRows &rows, Value upper, Value lower, int64_t pairs) {
  auto rowsOf = [](std::initializer_list<int64_t> tiles) {
    int64_t bytes = 0;
    for (int64_t tile : tiles)
      bytes |= int64_t{1} << (8 * tile);
    return bytes;
  };
  constexpr int64_t fullRow = cacheLine, left = weightTiles, right = weightTiles + 1;
  int64_t sumBytes = fullRow * 0x0001000100010001, inputBytes = pairs * 4;
  Value heights = e.add(e.mul(upper, rowsOf({upperSums, upperSums + 1, upperInputs})),
                        e.mul(lower, rowsOf({lowerSums, lowerSums + 1, lowerInputs})));
  heights = e.add(heights, e.mul(e.integer(pairs), rowsOf({left, right})));
  Value words[] = {e.integer(1),
                   e.integer(0),
                   e.integer(sumBytes),
                   e.integer(inputBytes * 0x00010001 + fullRow * 0x0001000100000000),
                   e.integer(0),
                   e.integer(0),
                   heights,
                   e.integer(0)};
  for (auto [i, word] : llvm::enumerate(words))
    e.store(word, e.at(rows.work, i * 8));
  callTile("ldtilecfg", {}, rows.work);
}

/// What a group fetches that has a panel for itself: its own weights, a turn or two ahead of its loads. (Intel Xeon,
/// one core, 32 rows, a loop over 1 GiB of weights: 14.2 GB/s one turn ahead, 12.4 from four turns on, 10.7 without;
/// plain loads read 14.4. Eight rows, two cores: 262 tokens/s into the first level, 245 to 249 into the second.)
MatrixTileEmitter::Lines MatrixTileEmitter::fetchOwn(const TileRows &rows, const Depth &depth, int64_t tiles) {
  int64_t ahead = tiles == 1 ? 4096 : 2048;
  return {e.at(e.element(rows.weights, depth.begin, panelStepBytes), ahead), e.integer(turnLines * cacheLine),
          turnLines,
          /*level=*/tiles == 1 ? 3 : 2};
}

/// What one of several groups of a block fetches: half of as many weights behind the block, if it is the first or the
/// second. Others name a line of weights that is in the first-level cache and costs nothing.
MatrixTileEmitter::Lines MatrixTileEmitter::fetchNext(const TileRows &rows, const Depth &depth, Value group) {
  constexpr int64_t slices = 2, bytes = turnLines / slices * cacheLine;
  Value fetches = e.less(group, e.integer(slices));
  Value perSlice = e.div(e.mul(e.sub(depth.end, depth.begin), panelStepBytes), slices);
  Value next = e.at(e.element(rows.weights, depth.end, panelStepBytes), e.mul(group, perSlice));
  Value own = e.element(rows.weights, depth.begin, panelStepBytes);
  return {e.select(fetches, next, own), e.select(fetches, e.integer(bytes), e.integer(0)), turnLines / slices,
          /*level=*/2};
}

/// A group of up to 32 rows, in one row of tile registers or in two.
void MatrixTileEmitter::emitGroup(const TileRows &rows, const Depth &depth, Value group, int64_t tiles,
                                  const Lines &lines) {
  Value row = e.mul(group, groupRows);
  Value sums = e.element(rows.sums, row, sumStride);
  auto place = [&](int64_t tile) { return e.at(sums, tile / 2 * tileRows * sumStride + tile % 2 * tileColumns * 4); };
  int64_t sumTiles = 2 * tiles;
  auto clear = [&] {
    for (int64_t tile = 0; tile < sumTiles; ++tile)
      callTile("tilezero", tile);
  };
  auto load = [&] {
    for (int64_t tile = 0; tile < sumTiles; ++tile)
      loadTile(tile, place(tile), sumStride);
  };
  if (depth.isFirst)
    e.when(depth.isFirst, clear, load);
  else if (depth.isLater)
    load();
  else
    clear();
  emitTurns(e.element(rows.inputs, row, inputStride), rows.weights, depth, tiles, lines);
  for (int64_t tile = 0; tile < sumTiles; ++tile)
    storeTile(tile, place(tile), sumStride);
}

void MatrixTileEmitter::emitTurns(Value inputs, Value weights, const Depth &depth, int64_t tiles, const Lines &lines) {
  e.loop(depth.begin, depth.end, tilePairs, {}, [&](Value step, ValueRange) -> Emitter::Values {
    Value input = e.element(inputs, step, 4), weight = e.element(weights, step, panelStepBytes);
    Value turn = e.div(e.sub(step, depth.begin), tilePairs);
    Value fetched = e.at(lines.from, e.mul(turn, lines.advance));
    int64_t done = 0, products = 2 * tiles, next = 0;
    auto multiply = [&](int64_t tile, int64_t half) {
      callTile("tdpbf16ps", {2 * tile + half, upperInputs + tile, weightTiles + half});
      for (++done; next < lines.count * done / products; ++next)
        e.make<LLVM::Prefetch>(e.at(fetched, next * cacheLine), /*rw=*/0, lines.level, /*cache=*/1);
    };
    loadTile(weightTiles, weight, panelStepBytes);
    for (int64_t tile = 0; tile < tiles; ++tile) {
      loadTile(upperInputs + tile, e.at(input, tile * tileRows * inputStride), inputStride);
      multiply(tile, 0);
      if (tile == 0)
        loadTile(weightTiles + 1, e.at(weight, tileColumns * 4), panelStepBytes);
      multiply(tile, 1);
    }
    return {};
  });
}
