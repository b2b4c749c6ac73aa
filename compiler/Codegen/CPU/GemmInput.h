// SPDX-License-Identifier: Apache-2.0
//
// Where the rows of a GEMM's input come from: read in place, or computed by the input region into memory of the worker.
#ifndef YUPANA_COMPILER_CODEGEN_CPU_GEMMINPUT_H
#define YUPANA_COMPILER_CODEGEN_CPU_GEMMINPUT_H

#include "compiler/Codegen/CPU/GemmTile.h"

namespace yupana::codegen {

/// The rows of one block: consecutive ones, or those of a list.
struct RowBlock {
  mlir::Value begin; ///< The first row, where there is no list.
  mlir::Value list;  ///< Address of i32 row numbers, or null.
  mlir::Value count;

  /// Row `index` of the block.
  mlir::Value row(Emitter &e, mlir::Value index) const;
  /// Row `index + ahead` of the block, or its last.
  mlir::Value rowAhead(Emitter &e, mlir::Value index, int64_t ahead) const;
};

/// Computes `region` (row, k) for the rows of a block and k in [0, depth), and stores the elements row by row, `stride`
/// bytes apart, as float32 or as bfloat16 bits. What follows the last element, up to 64 bytes, is zero.
mlir::LogicalResult emitInputRows(KernelEmitter &e, mlir::Region &region, int64_t depth, bool asBF16,
                                  const RowBlock &rows, mlir::Value to, int64_t stride);

/// The input of one product.
class GemmInput {
public:
  /// Blocks have at most `mostRows` rows.
  GemmInput(KernelEmitter &e, kernel::GemmOp op, unsigned product, TileElements elements, int64_t mostRows);

  /// Bytes from a row to the next.
  int64_t stride() const { return rowStride; }
  /// True if rows are computed, not read in place.
  bool isStaged() const { return static_cast<bool>(staged); }
  /// Computes the rows of a block, if they are staged.
  mlir::LogicalResult stage(const RowBlock &rows);
  /// Where the first row of a block is, once it has been staged.
  mlir::Value address(const RowBlock &rows);

private:
  KernelEmitter &e;
  kernel::GemmOp op;
  unsigned product;
  TileElements elements;
  int64_t depth, rowStride;
  mlir::Value staged; ///< Null where rows are read in place.
};

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_CPU_GEMMINPUT_H
