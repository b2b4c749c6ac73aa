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
  std::vector<DecodeMember> members; ///< Those without experts first.
  DecodeLayout layout;
  mlir::Value sums, counters; ///< The workspaces.
  int64_t blockSums = 0;      ///< Elements of the sums' workspace for a block.
  mlir::Value memory;         ///< The layout's shared memory.
  std::optional<WeightStream> stream;
  /// Of the units of members without experts, which no routing changes, and of those with; none where there are none.
  std::optional<DecodeShares> known, routed;

  mlir::Value place(int64_t offset) { return e.at(memory, offset); }
  /// How many members have no experts.
  unsigned knownCount() const;
  bool hasExperts() const { return knownCount() < members.size(); }
  DecodeShares &sharesOf(const DecodeMember &member) { return member.byExpert ? *routed : *known; }
  /// Which of the workspace's places the cell has that share number `share` begins.
  mlir::Value placeOf(const DecodeMember &member, mlir::Value share);
  /// Where the sums of that cell lie.
  mlir::Value sumsOf(const DecodeMember &member, mlir::Value share);

  /// Gives the members without experts their units, and the block its share of them.
  void placeKnownUnits();
  /// The same for the others, when all experts in use are listed. Holds where it stands: readers and the fetching warp
  /// call it each.
  void placeRoutedUnits();
  /// Code for the member that `unit` belongs to, one of those from `first` to `last`.
  Values byMember(mlir::Value unit, mlir::TypeRange types, unsigned first, unsigned last,
                  llvm::function_ref<Values(unsigned)> body);
};

/// One warp lists the experts that rows have chosen, in the order of the first row of each, and how many they are.
void listExperts(KernelEmitter &e, const DecodeMember &member, mlir::Value list);

/// Fetches the tiles of the block's units: by the threads that the stream wants. What other launches write is touched
/// behind the barrier of the lists alone.
void fetchUnits(DecodeFrame &frame);

/// Reads the tiles of the block's units and multiplies tokens by them. All readers call it.
mlir::LogicalResult readUnits(DecodeFrame &frame);

/// What follows the last of the block's units of a cell. All readers call it.
mlir::LogicalResult endCell(DecodeFrame &frame, unsigned member, const DecodeUnit &unit);

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_GEMMDECODEFRAME_H
