// SPDX-License-Identifier: Apache-2.0
//
// What the threads of a block that samples do together: sums, largest values and running sums of 64-bit integers, which
// are the same in whatever order they come about.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_SAMPLEBLOCK_H
#define YUPANA_COMPILER_CODEGEN_GPU_SAMPLEBLOCK_H

#include "compiler/Codegen/GPU/Emitter.h"

namespace yupana::codegen::cuda {

class SampleBlock {
public:
  using Values = OpEmitter::Values;
  using Combiner = llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)>;

  /// `threads` of the emitter are those of the block.
  explicit SampleBlock(KernelEmitter &e);

  /// An i32 in shared memory that one thread tells the others something by.
  const mlir::Value flag;

  /// The i64 values of all threads combined, in every thread; at most `mostValues` at once.
  Values combine(Values values, Combiner by);
  Values sum(Values values);
  /// The sum of the values of all lower threads, and that of all.
  std::pair<mlir::Value, mlir::Value> scan(mlir::Value value);
  /// What `values` gives in the one thread for which the condition holds, in every thread; `otherwise` where it holds
  /// for none.
  Values ofOne(mlir::Value condition, llvm::function_ref<Values()> values, const Values &otherwise);
  /// The i64 values of a warp's lanes combined, in every lane.
  mlir::Value combineLanes(mlir::Value value, Combiner by);

private:
  static constexpr int64_t mostValues = 6;

  /// A 64-bit value that a shuffle of 32 bits brings.
  mlir::Value shuffled(mlir::Value value, llvm::function_ref<mlir::Value(mlir::Value)> shuffle);
  mlir::Value slot(size_t value, mlir::Value warp) {
    return e.element(e.at(slots, static_cast<int64_t>(value) * warps * 8), warp, 8);
  }

  KernelEmitter &e;
  const int64_t warps;
  mlir::Value slots; ///< In shared memory: i64 [mostValues][warps].
};

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_SAMPLEBLOCK_H
