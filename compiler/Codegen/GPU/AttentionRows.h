// SPDX-License-Identifier: Apache-2.0
//
// The softmax of a tile's rows, 16 of which are a warp's, as matrix instructions hold them: a lane has the rows l div 4
// and 8 further, and of every 8 columns 2 (l mod 4) and the next one. Columns are positions in scores and features in
// weighted values. Accumulators of mma.sync and wgmma lie alike, and those of one product are operand A of the next.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_ATTENTIONROWS_H
#define YUPANA_COMPILER_CODEGEN_GPU_ATTENTIONROWS_H

#include "compiler/Codegen/GPU/AttentionTile.h"

namespace yupana::codegen::cuda {

class RowSoftmax {
public:
  using Values = OpEmitter::Values;

  /// What loops carry, in this order: of both rows the largest score, then two partial sums of exponentials each, then
  /// weighted sums of values, four for every 8 features.
  static constexpr size_t largestAt = 0, totalsAt = 2, sumsAt = 6;

  /// Operand A of the products with values, for each 16 positions: weights as the nearest bfloat16 numbers, and as
  /// those nearest to what they leave.
  struct Weights {
    llvm::SmallVector<Values> nearest, rest;
  };

  RowSoftmax(AttentionCell &cell, TokenTile &tile) : cell(cell), e(cell.e), tile(tile) {}

  /// Goes to the warp's rows of the tile.
  void enter();
  /// True, in all lanes, if one of the warp's rows may see one of the positions of a block that begins at `start`.
  mlir::Value sees(mlir::Value start);
  /// Operand A of the products with keys, for each 16 features.
  llvm::SmallVector<Values> queries();
  /// The state of nothing.
  Values zero();
  /// Adds the block of positions that begins at `start` to the state, all but its weighted values, which it makes ready
  /// for them. `isWhole` is true if every row sees all of it.
  Weights add(Values scores, mlir::Value start, mlir::Value isWhole, Values &state);
  static llvm::MutableArrayRef<mlir::Value> sumsOf(Values &state) {
    return llvm::MutableArrayRef(state).drop_front(sumsAt);
  }
  /// Divides and stores the output.
  void write(Values state);

private:
  Values masked(Values scores, mlir::Value start);
  Weights splitWeights(llvm::ArrayRef<mlir::Value> weights);
  mlir::Value maximum(mlir::Value x, mlir::Value y) { return e.make<mlir::arith::MaxNumFOp>(x, y); }
  mlir::Value pack(mlir::Value first, mlir::Value second);
  /// 2^x by the unit that has it.
  mlir::Value power(mlir::Value x);
  /// The lane's first column of 8.
  mlir::Value column() { return e.mul(e.rem(e.lane, 4), 2); }

  AttentionCell &cell;
  KernelEmitter &e;
  TokenTile &tile;
  TileRow rows[2];
  mlir::Value low, high; ///< The positions that one of the warp's rows sees at least, none if it has no rows.
};

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_ATTENTIONROWS_H
