// SPDX-License-Identifier: Apache-2.0
//
// Multiplies one weight tile by the token rows of a block, both in shared memory. Which thread holds which accumulator
// is known here alone: store() writes them to memory.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_GEMMTILE_H
#define YUPANA_COMPILER_CODEGEN_GPU_GEMMTILE_H

#include "compiler/Codegen/GPU/Emitter.h"

namespace yupana::codegen::cuda {

class TileEmitter {
public:
  using Values = OpEmitter::Values;
  /// Threads that multiply together: four warps.
  static constexpr int64_t threads = 128;

  /// 64 weight rows by `tileRows` token rows, a multiple of 8, of bfloat16 or float32.
  TileEmitter(KernelEmitter &e, bool isBF16, int64_t tileRows);

  /// A thread's accumulators, all zero.
  Values zeros();
  /// Adds 128 bytes of K: of weights [64][128 bytes] and tokens [tileRows][128 bytes], swizzled.
  void multiply(mlir::Value weights, mlir::Value tokens, Values &sums);
  /// Stores the accumulators as float32: token t and weight row r to `to` + t · `stride` + r · 4. Where `tokens` is
  /// given, those of the first `tokens` alone.
  void store(mlir::ValueRange sums, mlir::Value to, int64_t stride, mlir::Value tokens = {});
  /// Adds the accumulators to what stands there.
  void addTo(mlir::ValueRange sums, mlir::Value to, int64_t stride);

private:
  void multiplyBF16(mlir::Value weights, mlir::Value tokens, Values &sums);
  void multiplyF32(mlir::Value weights, mlir::Value tokens, Values &sums);
  /// Every accumulator with its place and its token.
  void forPlaces(mlir::ValueRange sums, mlir::Value to, int64_t stride,
                 llvm::function_ref<void(mlir::Value sum, mlir::Value place, mlir::Value token)> body);

  KernelEmitter &e;
  bool isBF16;
  int64_t tileRows;
};

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_GEMMTILE_H
