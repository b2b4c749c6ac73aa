// SPDX-License-Identifier: Apache-2.0
//
// Brings the keys and values of a segment to shared memory, for attention by matrix instructions.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_ATTENTIONRING_H
#define YUPANA_COMPILER_CODEGEN_GPU_ATTENTIONRING_H

#include "compiler/Codegen/GPU/Attention.h"
#include "compiler/Codegen/GPU/AttentionLayout.h"

namespace yupana::codegen::cuda {

/// Those of one segment that a token or one of several sees, [begin, end), and the blocks that they lie in, from block
/// `first` of the sequence on.
struct SegmentPositions {
  SegmentPositions(KernelEmitter &e, mlir::Value begin, mlir::Value end);

  mlir::Value begin, end, first, blocks;
};

class KeyValueRing {
public:
  /// A ring of as many stages as `layout` says, at `memory`, that all threads of the cell fill.
  KeyValueRing(AttentionCell &cell, const AttentionLayout &layout, mlir::Value memory);

  using Body = llvm::function_ref<OpEmitter::Values(mlir::Value index, mlir::Value stage, mlir::ValueRange carried)>;
  /// Runs `body` for each block of the segment, ascending: the block is in `stage`, for all threads, and what is
  /// carried goes from one to the next. Stages may be filled anew behind the next barrier of the block.
  OpEmitter::Values walk(const SegmentPositions &positions, mlir::ValueRange carried, Body body);

private:
  mlir::Value pageOf(const SegmentPositions &positions, mlir::Value index);
  void fill(const SegmentPositions &positions, mlir::Value index, mlir::Value page, mlir::Value stage);

  AttentionCell &cell;
  KernelEmitter &e;
  const AttentionLayout &layout;
  int64_t width;
  mlir::Value memory;
};

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_ATTENTIONRING_H
