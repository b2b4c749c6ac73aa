// SPDX-License-Identifier: Apache-2.0
//
// Weight tiles on their way through a ring in shared memory: one warp fetches, others read. Tiles are counted over all
// that the block ever fetches, so that the fetching warp runs ahead across cells and products; a stage goes to and fro
// by two barriers in shared memory, full and empty.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_GEMMWEIGHTSTREAM_H
#define YUPANA_COMPILER_CODEGEN_GPU_GEMMWEIGHTSTREAM_H

#include "compiler/Codegen/GPU/Emitter.h"

namespace yupana::codegen::cuda {

class WeightStream {
public:
  /// `ring` holds the stages, 8 KiB each, and `barriers` two of 8 bytes for each stage.
  WeightStream(KernelEmitter &e, mlir::Value ring, mlir::Value barriers, int64_t stages, int64_t readers);

  /// Once, by all threads; a barrier of all of them has to follow.
  void prepare();
  /// True for one lane, which fetches alone, or for a whole warp.
  bool fetchesByOneLane() const;
  /// Tiles that can be on their way.
  int64_t depth() const { return stages; }
  /// Fetches the tile at `from` as number `count`.
  void fetch(mlir::Value from, mlir::Value count);
  /// Waits for tile `count`, and gives where it lies.
  mlir::Value await(mlir::Value count);
  /// The warp has read tile `count`.
  void release(mlir::Value count);

private:
  mlir::Value stageOf(mlir::Value count) { return e.rem(count, stages); }
  mlir::Value phaseOf(mlir::Value count) { return e.rem(e.div(count, stages), 2); }
  mlir::Value fullBarrier(mlir::Value stage) { return e.element(barriers, stage, 8); }
  mlir::Value emptyBarrier(mlir::Value stage) { return e.at(e.element(barriers, stage, 8), stages * 8); }

  KernelEmitter &e;
  mlir::Value ring, barriers;
  int64_t stages, readers;
};

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_GEMMWEIGHTSTREAM_H
