// SPDX-License-Identifier: Apache-2.0
//
// How token rows come into shared memory: copied from where they lie, or computed by the input region.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_GEMMINPUT_H
#define YUPANA_COMPILER_CODEGEN_GPU_GEMMINPUT_H

#include "compiler/Codegen/GPU/ScalarRegion.h"

#include <optional>
#include <vector>

namespace yupana::codegen::cuda {

/// The rows that a block multiplies together.
struct RowBlock {
  mlir::Value begin; ///< The first of rows that follow one another; null for listed rows.
  mlir::Value list;  ///< Where their i32 numbers lie in shared memory.
  mlir::Value count; ///< How many, at least 1.

  /// Row `index` of the block.
  mlir::Value row(KernelEmitter &e, mlir::Value index) const;
};

/// Stages the tokens of one product for one step of K after the other: rows of 128 bytes, swizzled as tile64x128 is.
/// Rows beyond the block's last and elements beyond the depth are zero.
class GemmInput {
public:
  /// The threads that stage together: `count` of them, of which this is number `index`.
  struct Team {
    mlir::Value index;
    int64_t count;
  };

  /// `values` is where the row sums of this product's region lie, [sum][tileRows] in float32. Rows are copied
  /// asynchronously, where that can be done, if `copies`.
  GemmInput(KernelEmitter &e, kernel::GemmOp op, unsigned product, int64_t tileRows, Team team, bool copies,
            mlir::Value values);

  /// Computes the row sums of the region for all rows, a warp a row. All threads of the cell take part, and a barrier
  /// of theirs has to follow.
  mlir::LogicalResult emitRowSums(const RowBlock &rows);
  /// Computes what each thread of the team needs for its rows, whatever k is.
  mlir::LogicalResult enter(const RowBlock &rows);
  /// Stages step `step`, an i32, to `to`. Asynchronous copies belong to the thread's open group.
  mlir::LogicalResult stage(mlir::Value to, mlir::Value step);

private:
  /// One of the rows that a thread stages a chunk of.
  struct Row {
    mlir::Value index; ///< In the block.
    mlir::Value row;   ///< In the input; that of the last row where there are no more.
    mlir::Value exists;
    std::optional<ScalarRegion> region;
  };
  /// A load whose last index is k itself, so that the elements of a chunk are neighbours.
  struct ChunkLoad {
    kernel::LoadOp load;
    llvm::SmallVector<mlir::Value> elements;
  };

  bool isChunkLoad(kernel::LoadOp load) const;
  void copyChunk(const Row &row, mlir::Value to, mlir::Value k, mlir::Value isInside);
  mlir::FailureOr<mlir::Value> computeChunk(const Row &row, mlir::Value k);
  ChunkLoad loadChunk(const ScalarRegion &region, kernel::LoadOp load, mlir::Value k);

  KernelEmitter &e;
  mlir::Region &region;
  mlir::Value yielded;
  int64_t tileRows, depth, chunkElements;
  Team team;
  mlir::Value values;
  mlir::Value chunk;  ///< Which 16 bytes of a row the thread stages.
  mlir::Value copied; ///< The view whose rows are copied; null where they are computed.
  std::vector<Row> threadRows;
};

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_GEMMINPUT_H
