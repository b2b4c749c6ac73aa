// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the form `decode` share: the products of a launch, where its blocks have what in shared memory, and
// who does which units. A part each fetches weights, reads them, and ends cells.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_GEMMDECODEFRAME_H
#define YUPANA_COMPILER_CODEGEN_GPU_GEMMDECODEFRAME_H

#include "compiler/Codegen/GPU/GemmLayout.h"
#include "compiler/Codegen/GPU/GemmTile.h"
#include "compiler/Codegen/GPU/GemmUnits.h"
#include "compiler/Codegen/GPU/GemmWeightStream.h"

#include <optional>
#include <vector>

namespace yupana::codegen::cuda {

/// The config of a product; null if it has none for a GPU.
kernel::GPUAttr gpuConfigOf(kernel::GemmOp op);

struct DecodeFrame {
  using Values = OpEmitter::Values;
  /// Threads that read; those of the warp behind them fetch.
  static constexpr int64_t readers = TileEmitter::threads;

  DecodeFrame(KernelEmitter &e, llvm::ArrayRef<kernel::GemmOp> ops);

  KernelEmitter &e;
  std::vector<DecodeMember> members;
  DecodeLayout layout;
  mlir::Value sums, counters; ///< The workspaces.
  int64_t blockSums = 0;      ///< Elements of the sums' workspace for a block.
  mlir::Value memory;         ///< The layout's shared memory.
  std::optional<WeightStream> stream;
  std::optional<DecodeShares> shares;
  mlir::Value begin, end; ///< Units of this block.

  mlir::Value place(int64_t offset) { return e.at(memory, offset); }
  /// Where the tokens of a unit are staged.
  mlir::Value tokensOf(mlir::Value unit);
  /// Where the sums of the cell lie that `block` has begun.
  mlir::Value workspaceOf(mlir::Value block);
  /// Gives every member its units and the block its share. Experts in use have been listed.
  void placeUnits();
  /// Code for the member that `unit` belongs to.
  Values byMember(mlir::Value unit, mlir::TypeRange types, llvm::function_ref<Values(unsigned)> body,
                  unsigned first = 0);
};

/// One warp lists the experts that rows have chosen, in the order of the first row of each, and how many they are.
void listExperts(KernelEmitter &e, const DecodeMember &member, mlir::Value list);

/// Fetches the tiles of the block's units: by the threads that the stream wants.
void fetchUnits(DecodeFrame &frame);

/// Reads the tiles of the block's units, at least one, and multiplies tokens by them. All readers call it.
mlir::LogicalResult readUnits(DecodeFrame &frame);

/// What follows the last of the block's units of a cell. All readers call it.
mlir::LogicalResult endCell(DecodeFrame &frame, unsigned member, const DecodeUnit &unit);

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_GEMMDECODEFRAME_H
