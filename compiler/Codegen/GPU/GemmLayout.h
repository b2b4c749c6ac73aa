// SPDX-License-Identifier: Apache-2.0
//
// Where a GEMM has what in the shared memory of a block. All numbers are bytes, places are counted from the beginning
// of the block's memory. Of the forms `mma` and `wgmma`:
//
//   ring    [stages][weight tile of 64 rows x 128 bytes of K, token rows x the same K]: both swizzled as tile64x128 is
//   sums    [product][token row][weight row of the cell] accumulators in float32, rows padded by 16 bytes
//   values  [row sum of an input region][token row] in float32
//   list    the rows of an expert that the block has, i32, then how many there are, and where to look for more
//   barriers  [full, empty][stages] of 8 bytes, with the form `wgmma`
//
// Where the form `wgmma` reads panels:
//
//   ring    [stages][two weight tiles, token rows x 128 bytes of K]
//   sums    [token row, some of them at a time][weight row of both tiles], as above
//   barriers  [full, empty][stages]
//
// Of the form `decode`, whose block does units of all products of a launch, one after the other:
//
//   ring    [stages][weight tile of 64 rows x 128 bytes of K], swizzled
//   tokens  [2][step of a range of K][token row x 128 bytes], swizzled: of the unit at work, and of the next one
//   sums    [token row][weight row of the cell], as above, for the product that has most
//   values  of every product, as above
//   lists   of every product by experts: those in use, i32, then how many
//   flag    i32
//   barriers  [full, empty][stages], and with experts one more for the lists
#ifndef YUPANA_COMPILER_CODEGEN_GPU_GEMMLAYOUT_H
#define YUPANA_COMPILER_CODEGEN_GPU_GEMMLAYOUT_H

#include "compiler/Codegen/GPU/Choices.h"

#include "llvm/Support/MathExtras.h"

namespace yupana::codegen::cuda {

struct GemmLayout {
  /// Of one stage's weights, and of one row of its tokens.
  static constexpr int64_t tileBytes = int64_t(schema::kTile64x128.tile_rows) * schema::kTile64x128.row_bytes;
  static constexpr int64_t rowBytes = schema::kTile64x128.row_bytes;

  GemmLayout(const GemmShape &shape, kernel::GPUForm form, int64_t tileRows, int64_t stages)
      : tileRows(tileRows), stageBytes(tileBytes + tileRows * rowBytes),
        sumStride((shape.cellTiles * schema::kTile64x128.tile_rows + 4) * 4), productBytes(tileRows * sumStride),
        ring(0), sums(stages * stageBytes), values(sums + shape.products * productBytes),
        list(values + shape.rowValues * tileRows * 4),
        barriers(llvm::alignTo(list + (shape.byExpert ? tileRows * 4 + 8 : 0), 8)),
        bytes(barriers + (form == kernel::GPUForm::WGMMA ? 2 * stages * 8 : 0)) {}

  int64_t tileRows;
  int64_t stageBytes;
  int64_t sumStride, productBytes; ///< From a token row to the next, from a product to the next.
  int64_t ring, sums, values, list, barriers;
  int64_t bytes; ///< Of all.
};

struct PanelLayout {
  /// From a token row of the sums to the next.
  static constexpr int64_t sumStride = (2 * int64_t(schema::kTile64x128.tile_rows) + 4) * 4;

  /// Sums are there once, or for each of `groups` warpgroups that have units of their own.
  PanelLayout(int64_t tileRows, int64_t stages, int64_t groups)
      : stageBytes(2 * GemmLayout::tileBytes + tileRows * GemmLayout::rowBytes), sumRows(tileRows % 64 ? tileRows : 64),
        sumBytes(sumRows * sumStride), sums(stages * stageBytes), barriers(sums + groups * sumBytes),
        turns(barriers + 2 * stages * 8), bytes(turns + (groups > 1 ? groups * 8 : 0)) {}

  int64_t stageBytes;
  int64_t sumRows;  ///< Token rows whose sums are there at once.
  int64_t sumBytes; ///< Of them.
  int64_t ring = 0, sums, barriers, turns;
  int64_t bytes;
};

struct DecodeLayout {
  /// What a product of the launch needs. `rangeSteps` are steps of 128 bytes of K in a range.
  struct Member {
    int64_t tileRows, cellTiles, rowValues;
    bool byExpert;
  };

  DecodeLayout(llvm::ArrayRef<Member> members, int64_t rangeSteps, int64_t stages) {
    int64_t tokenBytes = 0, sumBytes = 0;
    for (const Member &member : members) {
      tokenBytes = std::max(tokenBytes, rangeSteps * member.tileRows * GemmLayout::rowBytes);
      sumBytes = std::max(sumBytes, member.tileRows * sumStride(member.cellTiles));
    }
    halfTokens = tokenBytes;
    tokens = stages * GemmLayout::tileBytes;
    sums = tokens + 2 * tokenBytes;
    int64_t next = sums + sumBytes;
    bool byExpert = false;
    for (const Member &member : members) {
      values.push_back(next);
      next += member.rowValues * member.tileRows * 4;
      lists.push_back(next);
      next += member.byExpert ? (member.tileRows + 1) * 4 : 0;
      byExpert |= member.byExpert;
    }
    flag = next;
    barriers = llvm::alignTo(flag + 4, 8);
    listed = barriers + 2 * stages * 8;
    bytes = listed + (byExpert ? 8 : 0);
  }

  /// From a token row of the sums to the next.
  static int64_t sumStride(int64_t cellTiles) { return (cellTiles * schema::kTile64x128.tile_rows + 4) * 4; }

  int64_t halfTokens; ///< Of one unit.
  int64_t ring = 0, tokens, sums, flag, barriers, listed;
  llvm::SmallVector<int64_t> values, lists; ///< By product.
  int64_t bytes;
};

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_GEMMLAYOUT_H
