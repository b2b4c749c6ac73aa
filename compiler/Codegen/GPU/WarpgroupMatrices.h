// SPDX-License-Identifier: Apache-2.0
//
// The instructions of one warpgroup of sm_90a that multiply bfloat16 matrices, of which the second lies in shared
// memory in rows of 128 bytes, swizzled, and the first there, too, or in registers. They run asynchronously:
// accumulators, and registers of the first matrix, are not touched until they are waited for.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_WARPGROUPMATRICES_H
#define YUPANA_COMPILER_CODEGEN_GPU_WARPGROUPMATRICES_H

#include "compiler/Codegen/GPU/Emitter.h"

namespace yupana::codegen::cuda {

/// How operand B lies: K along the rows of 128 bytes, N rows of them; or N along the rows, K rows of them, and the next
/// 64 of N `tileBytes` further.
struct SharedOperand {
  bool isTransposed;
  int64_t tileBytes;
};

/// What an instruction is told of such a matrix, for the address of its first row, an i32.
mlir::Value describeMatrix(KernelEmitter &e, mlir::Value address, SharedOperand operand);

/// A product of 64 rows, four registers of which are a lane's, and what a descriptor says.
struct WarpgroupProduct {
  OpEmitter::Values a;
  mlir::Value b;
};

/// Issues the products, one after the other, that are added to `sums`, and makes them one group. An instruction has
/// twice as many columns as a lane has sums.
void issueProducts(KernelEmitter &e, llvm::ArrayRef<WarpgroupProduct> products, SharedOperand operand,
                   llvm::MutableArrayRef<mlir::Value> sums);

/// Begins to add 128 bytes of K of each of the tiles at `weights`, 64 rows, times `rows` token rows at `tokens`, a
/// multiple of 8 of at most 256; all four warps of the warpgroup. The accumulators `sums` are those of one tile after
/// those of another, and lie as those of TileEmitter do. One group of products, added in the order of k whatever `rows`
/// is.
void beginProducts(KernelEmitter &e, llvm::ArrayRef<mlir::Value> weights, mlir::Value tokens, int64_t rows,
                   llvm::MutableArrayRef<mlir::Value> sums);

/// Waits until at most `pending` groups of this warp are not complete.
void waitForProducts(KernelEmitter &e, int64_t pending, llvm::MutableArrayRef<mlir::Value> sums);

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_WARPGROUPMATRICES_H
