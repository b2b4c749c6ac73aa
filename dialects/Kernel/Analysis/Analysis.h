// SPDX-License-Identifier: Apache-2.0
//
// What passes ask about a program of kernels: who writes and reads a buffer, what may move past what, and which feature
// an index names.

#ifndef YUPANA_DIALECTS_KERNEL_ANALYSIS_ANALYSIS_H
#define YUPANA_DIALECTS_KERNEL_ANALYSIS_ANALYSIS_H

#include "dialects/Kernel/IR/Kernel.h"

#include <optional>

namespace yupana::kernel {

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

/// The op of the program that `op` stands in, itself where it is one.
LaunchedOpInterface launchedOf(mlir::Operation *op);

/// Every use of a buffer in its program.
struct BufferUses {
  llvm::SmallVector<StoreOp> stores;
  llvm::SmallVector<LoadOp> loads;
  /// Read or written other than by a load or a store in a region: as an operand of a kernel, by another program, or by
  /// the runtime.
  bool hasOthers = false;

  /// The op all stores stand in, if they stand in one.
  LaunchedOpInterface writer() const;
  /// The op all loads stand in, if they stand in one.
  LaunchedOpInterface reader() const;
};

/// True if another program names the same memory: programs share buffers by name.
bool isShared(BufferOp buffer);

/// Nothing is known of a view that is no buffer: `hasOthers`.
BufferUses usesOf(mlir::Value view);

/// The views loaded in a body, in order.
llvm::SetVector<mlir::Value> loadedViews(mlir::Region &body);

/// True if `earlier` may be moved down to `later`: nothing between them touches what it writes or writes what it reads;
/// `later` itself may.
bool canSinkTo(LaunchedOpInterface earlier, LaunchedOpInterface later);

//===----------------------------------------------------------------------===//
// Indices
//===----------------------------------------------------------------------===//

/// An index of a map as group · `group` + lane · `lane` + `constant`.
struct LaneIndex {
  int64_t group = 0, lane = 0, constant = 0;
};

/// None where the index depends on anything else, or not in this way.
std::optional<LaneIndex> laneIndex(mlir::Value index, MapOp map);

/// True if (row, index) is the element of a map's own row and feature, group · width + lane.
bool isOwnElement(mlir::ValueRange indices, MapOp map);

/// The half, 0 or 1, of the pair of neighbours 2p and 2p + 1, p = group · width + lane, that (row, index) names in a
/// map; none if it names another element.
std::optional<int64_t> halfOfPair(mlir::ValueRange indices, MapOp map);

/// True if the map has exactly one lane for each of so many features.
bool covers(MapOp map, int64_t features);

/// True if a value in a region depends on one of the region's arguments.
bool dependsOn(mlir::Value value, mlir::BlockArgument argument);

/// The buffers that a map reads along its row, each at an index that differs between lanes, in order.
llvm::SmallVector<mlir::Value> viewsAlongRow(MapOp map);

} // namespace yupana::kernel

#endif
