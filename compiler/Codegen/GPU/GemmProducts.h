// SPDX-License-Identifier: Apache-2.0
//
// How a block multiplies the rows it has by the weight tiles of its cell. The forms differ in how weights and tokens
// come into shared memory and which instructions multiply them there; all leave the accumulators in the same place.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_GEMMPRODUCTS_H
#define YUPANA_COMPILER_CODEGEN_GPU_GEMMPRODUCTS_H

#include "compiler/Codegen/GPU/GemmInput.h"
#include "compiler/Codegen/GPU/GemmLayout.h"

#include <memory>

namespace yupana::codegen::cuda {

/// What all parts of a GEMM's generator know.
struct GemmFrame {
  GemmFrame(KernelEmitter &e, kernel::GemmOp op, kernel::GPUAttr config);

  KernelEmitter &e;
  kernel::GemmOp op;
  kernel::GPUAttr config;
  GemmLayout layout;
  int64_t cellTiles, rowTiles;           ///< Weight tiles side by side in a cell, and in a weight.
  llvm::SmallVector<int64_t> stepCounts; ///< Steps of 128 bytes of K, for each product.
  mlir::Value memory;                    ///< The layout's shared memory.
  mlir::Value cell, expert;              ///< The cell among those of a range of rows, or of an expert; the expert.

  bool isBF16() { return op.getWeightType(0).getElementType().isBF16(); }
  mlir::Value place(int64_t offset) { return e.at(memory, offset); }
  /// Where the first step of tile `tile` of the cell lies. Tiles that the weight does not have are other tiles, whose
  /// accumulators nobody reads.
  mlir::Value weightTile(unsigned product, mlir::Value tile);
  /// Inputs of all products, staged by `team`.
  std::vector<GemmInput> createInputs(GemmInput::Team team, bool copies);
};

class GemmProducts {
public:
  virtual ~GemmProducts() = default;

  /// Once, before anything else.
  virtual void prepare() {}
  /// Multiplies `rows` by all tiles of the cell, and leaves the accumulators of all products at layout.sums. `turn`, an
  /// i32, counts the calls that the block has made before. All threads of the cell call it; a barrier has to follow.
  virtual mlir::LogicalResult emit(const RowBlock &rows, mlir::Value turn) = 0;
};

/// The form `mma`: four warps copy asynchronously and multiply, by mma.sync in bfloat16 and by fused multiply-adds in
/// float32.
std::unique_ptr<GemmProducts> createWarpProducts(GemmFrame &frame);

/// The form `wgmma` of sm_90a: four warps fetch, by bulk copies and by the input regions, four others multiply by
/// wgmma. bfloat16 alone.
std::unique_ptr<GemmProducts> createWarpgroupProducts(GemmFrame &frame);

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_GEMMPRODUCTS_H
