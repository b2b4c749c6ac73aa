// SPDX-License-Identifier: Apache-2.0
//
// Attention from several tokens at once by mma.sync m16n8k16, on every architecture: each warp has 16 rows of the tile,
// which are operand A, and multiplies them by whole blocks of 64 positions, which all warps copy together. A block of
// keys is read once for all tokens of the tile. Warps whose rows see nothing of a block wait for the others.
#include "compiler/Codegen/GPU/AttentionRing.h"
#include "compiler/Codegen/GPU/AttentionRows.h"
#include "compiler/Codegen/GPU/Matrices.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

namespace {

constexpr int64_t stepDepth = 16, columnTile = 8, positions = AttentionLayout::blockPositions;

class WarpTiles {
public:
  WarpTiles(AttentionCell &cell, kernel::GPUAttr config)
      : cell(cell), e(cell.e), tile(cell, config.getTileRows()), rows(cell, tile),
        layout(cell.width, /*queryHeads=*/0, config.getStages()), memory(e.shared(layout.bytes)) {}

  void emit();

private:
  using Values = OpEmitter::Values;
  Values addBlock(Value start, Value stage, ValueRange state);
  Values scores(Value keys);
  void addValues(Value values, const RowSoftmax::Weights &weights, MutableArrayRef<Value> sums);

  AttentionCell &cell;
  KernelEmitter &e;
  TokenTile tile;
  RowSoftmax rows;
  AttentionLayout layout;
  Value memory;
  SmallVector<Values> queries;
};

} // namespace

void WarpTiles::emit() {
  e.when(tile.enter(), [&] {
    rows.enter();
    queries = rows.queries();
    SegmentPositions seen(e, tile.low, tile.high);
    auto add = [&](Value index, Value stage, ValueRange state) {
      Value start = e.mul(e.add(seen.first, index), positions);
      return e.when(rows.sees(start), state, [&] { return addBlock(start, stage, state); });
    };
    rows.write(KeyValueRing(cell, layout, memory).walk(seen, rows.zero(), add));
  });
}

WarpTiles::Values WarpTiles::addBlock(Value start, Value stage, ValueRange state) {
  Values next(state);
  Value isWhole = e.bitAnd(e.compare(arith::CmpIPredicate::sge, start, tile.allLow),
                           e.compare(arith::CmpIPredicate::sge, tile.allHigh, e.add(start, positions)));
  RowSoftmax::Weights weights = rows.add(scores(e.at(stage, layout.keys)), start, isWhole, next);
  addValues(e.at(stage, layout.values), weights, RowSoftmax::sumsOf(next));
  return next;
}

/// Lanes name rows of 16 keys, 8 positions and 8 features to a matrix: (0, 0), (0, 8), (8, 0), (8, 8), which are
/// operand B for two tiles of 8 positions.
WarpTiles::Values WarpTiles::scores(Value keys) {
  Values sums(positions / columnTile * 4, e.real(0));
  Value row = e.add(e.rem(e.lane, 8), e.mul(e.div(e.lane, 16), 8)), chunk = e.rem(e.div(e.lane, 8), 2);
  Value from = e.at(keys, e.add(e.mul(row, layout.rowBytes), e.mul(chunk, 16)));
  for (auto [step, query] : llvm::enumerate(queries))
    for (int64_t pair = 0; pair < positions / stepDepth; ++pair) {
      int64_t offset = pair * stepDepth * layout.rowBytes + static_cast<int64_t>(step) * stepDepth * 2;
      Values b = loadMatrices(e, e.at(from, offset));
      for (int64_t half = 0; half < 2; ++half)
        multiplyMatrices(e, query, ArrayRef(b).slice(2 * half, 2),
                         MutableArrayRef(sums).slice((2 * pair + half) * 4, 4));
    }
  return sums;
}

/// Adds weight times value by ascending positions, 16 at once: first the nearest numbers, then what they leave. Values
/// are transposed as they are loaded.
void WarpTiles::addValues(Value values, const RowSoftmax::Weights &weights, MutableArrayRef<Value> sums) {
  Value from = e.at(values, e.add(e.mul(e.rem(e.lane, 16), layout.rowBytes), e.mul(e.div(e.lane, 16), 16)));
  for (int64_t step = 0; step < positions / stepDepth; ++step)
    for (int64_t pair = 0; pair < cell.width / stepDepth; ++pair) {
      Values b = loadMatrices(e, e.at(from, step * stepDepth * layout.rowBytes + pair * stepDepth * 2),
                              /*isTransposed=*/true);
      for (int64_t half = 0; half < 2; ++half)
        for (const Values &part : {weights.nearest[step], weights.rest[step]})
          multiplyMatrices(e, part, ArrayRef(b).slice(2 * half, 2), sums.slice((2 * pair + half) * 4, 4));
    }
}

void cuda::emitWarpTiles(AttentionCell &cell, kernel::GPUAttr config) { WarpTiles(cell, config).emit(); }
