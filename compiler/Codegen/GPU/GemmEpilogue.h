// SPDX-License-Identifier: Apache-2.0
//
// What follows the products of a GEMM, the same for all forms: accumulators lie in shared memory, a warp takes a row,
// its lanes are features, so that a group of any width is summed and neighbouring features are stored together,
// whatever registers the multiplication had them in.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_GEMMEPILOGUE_H
#define YUPANA_COMPILER_CODEGEN_GPU_GEMMEPILOGUE_H

#include "compiler/Codegen/GPU/GemmInput.h"
#include "compiler/Codegen/GPU/ScalarRegion.h"

namespace yupana::codegen::cuda {

class GemmEpilogue {
public:
  /// Accumulators of a cell in shared memory: that of product p, row t of the block and weight row r of the cell lies
  /// at `at` + p · `productBytes` + t · `rowBytes` + r · 4.
  struct Sums {
    mlir::Value at;
    int64_t rowBytes, productBytes;
  };

  /// For cells of `cellTiles` weight tiles, a multiple of the op's own; of those where it is 0. A warp does `together`
  /// rows at once while there are as many for all and all are taken, so that it waits for what the body loads once.
  GemmEpilogue(KernelEmitter &e, kernel::GemmOp op, int64_t cellTiles = 0, int64_t together = 1);

  /// Runs the body for the rows of cell `cell`; where `takes` is given, for those alone for which it gives true. All
  /// threads of the cell call it, when all accumulators are there.
  mlir::LogicalResult emit(mlir::Value cell, const RowBlock &rows, const Sums &sums,
                           llvm::function_ref<mlir::Value(mlir::Value row)> takes = {});

private:
  mlir::LogicalResult emitRows(mlir::Value cell, const RowBlock &rows, llvm::ArrayRef<mlir::Value> indices,
                               const Sums &sums);
  mlir::LogicalResult emitGroups(mlir::Value cell, llvm::ArrayRef<mlir::Value> rows,
                                 llvm::ArrayRef<mlir::Value> rowSums, const Sums &sums);
  mlir::LogicalResult emitGroup(const ScalarRegion &region, mlir::Value firstFeature, mlir::Value firstColumn,
                                mlir::Value rowSums, const Sums &sums, int64_t width);
  void bindLane(ScalarRegion &turn, mlir::Value feature, mlir::Value column, mlir::Value rowSums, const Sums &sums);

  KernelEmitter &e;
  kernel::GemmOp op;
  int64_t cellFeatures;
  int64_t groupWidth; ///< Features that one run of the body covers.
  int64_t together;
};

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_GEMMEPILOGUE_H
