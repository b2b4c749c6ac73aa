// SPDX-License-Identifier: Apache-2.0
//
// Brings the keys and values of a segment to shared memory, for attention by matrix instructions.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_ATTENTIONRING_H
#define YUPANA_COMPILER_CODEGEN_GPU_ATTENTIONRING_H

#include "compiler/Codegen/GPU/Attention.h"
#include "compiler/Codegen/GPU/AttentionLayout.h"

namespace yupana::codegen::cuda {

/// Those of one segment that a token sees, [begin, end), and the blocks that they lie in, from block `first` of the
/// sequence on.
struct SegmentPositions {
  SegmentPositions(KernelEmitter &e, mlir::Value begin, mlir::Value end);

  mlir::Value begin, end, first, blocks;
};

class KeyValueRing {
public:
  KeyValueRing(AttentionCell &cell, const AttentionLayout &layout);

  /// The page of block `index` of the segment, where a page holds whole blocks; else null.
  mlir::Value pageOf(const SegmentPositions &positions, mlir::Value index);
  /// Begins to copy block `index` of the segment to the stage, if there is one, and ends the group of copies in any
  /// case.
  void fill(const SegmentPositions &positions, mlir::Value index, mlir::Value page, mlir::Value stage);

private:
  AttentionCell &cell;
  KernelEmitter &e;
  const AttentionLayout &layout;
  int64_t width;
};

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_ATTENTIONRING_H
