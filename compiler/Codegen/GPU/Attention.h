// SPDX-License-Identifier: Apache-2.0
//
// What the forms of attention share: where a token's keys and values are, and what is done with the states of
// segments. A form computes the state of one segment and knows which thread has which part of it.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_ATTENTION_H
#define YUPANA_COMPILER_CODEGEN_GPU_ATTENTION_H

#include "compiler/Codegen/GPU/Choices.h"
#include "compiler/Codegen/GPU/Emitter.h"

#include <memory>

namespace yupana::codegen::cuda {

/// An op, and the token and key head that a block is at.
struct AttentionCell {
  AttentionCell(KernelEmitter &e, kernel::AttentionOp op);

  /// Goes to a token and a key head.
  void enter(mlir::Value token, mlir::Value keyHead);
  /// The same for all tokens of a sequence: pages are known, and nothing that is a token's.
  void enterSequence(mlir::Value sequence, mlir::Value keyHead);
  mlir::Value positionOf(mlir::Value token);
  /// The first position that a token at `position` sees.
  mlir::Value lowOf(mlir::Value position);
  /// The physical page of a position that the token sees.
  mlir::Value page(mlir::Value position);
  /// Number of the group's first query head among those of all tokens, an i64: a row of `width` elements of the queries
  /// and of the output.
  mlir::Value firstHead() const;

  KernelEmitter &e;
  kernel::AttentionOp op;
  kernel::CacheType cache;
  int64_t width, heads; ///< Of keys.
  int64_t group;        ///< Query heads of a key head.
  int64_t bytes;        ///< Of an element of queries, keys, values and the output.
  double scale;
  mlir::Value token, keyHead, sequence;
  mlir::Value position, low; ///< The last position that the token sees, its own, and the first.
};

/// A softmax that is not finished, as far as a thread has part in it: of each query head the largest score and the sum
/// of exponentials, and some weighted sums of values.
struct SoftmaxState {
  OpEmitter::Values largest, totals, sums;

  /// All of them, as loops carry them, and back.
  OpEmitter::Values flat() const;
  static SoftmaxState of(mlir::ValueRange flat, size_t heads);
};

/// What comes after `before` merged with it, as `#kernel.numerics` states. Sum number i belongs to head `headOf(i)`.
SoftmaxState mergeStates(KernelEmitter &e, const SoftmaxState &before, const SoftmaxState &segment,
                         llvm::function_ref<size_t(size_t)> headOf);

class AttentionForm {
public:
  explicit AttentionForm(AttentionCell &cell) : cell(cell), e(cell.e) {}
  virtual ~AttentionForm() = default;

  /// Runs `body` for the query heads of the cell, as many at once as a thread has part in. All threads that do the cell
  /// are here.
  virtual void forHeads(llvm::function_ref<void()> body) = 0;
  /// The state of nothing.
  virtual SoftmaxState zero() = 0;
  /// The state of the positions [begin, end), at least one, of one segment.
  virtual SoftmaxState compute(mlir::Value begin, mlir::Value end) = 0;
  /// Divides and stores the output.
  virtual void write(const SoftmaxState &state) = 0;
  /// Stores the state of the group's query heads to `place`, in float32 as AttentionStates has it.
  virtual void store(const SoftmaxState &state, mlir::Value place) = 0;

  SoftmaxState merge(const SoftmaxState &before, const SoftmaxState &segment) {
    return mergeStates(e, before, segment, [this](size_t sum) { return headOf(sum); });
  }

protected:
  /// Which of the state's heads a weighted sum belongs to.
  virtual size_t headOf(size_t sum) const = 0;

  AttentionCell &cell;
  KernelEmitter &e;
};

/// Emits all segments of all cells, shared among the blocks of the launch, of an op with the workspaces that
/// workspacesOf() gives. A form by matrix instructions.
void emitSharedSegments(AttentionCell &cell, AttentionForm &form, const AttentionShape &shape);

/// Products by fused multiply-adds: a warp has one query head at a time. For every width and type.
std::unique_ptr<AttentionForm> createLaneAttention(AttentionCell &cell);
/// Products by matrix instructions: the block has all query heads at once, and keys and values come through a ring of
/// `stages`.
std::unique_ptr<AttentionForm> createMatrixAttention(AttentionCell &cell, int64_t stages);

/// Attention from several tokens of a sequence at once, whose heads are the rows of matrix instructions: by those of
/// warps, and by those of warpgroups with a warp that copies.
void emitWarpTiles(AttentionCell &cell, kernel::GPUAttr config);
void emitWarpgroupTiles(AttentionCell &cell, kernel::GPUAttr config);

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_ATTENTION_H
