// SPDX-License-Identifier: Apache-2.0
//
// What the fusing passes share: who writes and reads a buffer, which feature an index names, and how the body of one
// kernel is continued in another.

#ifndef YUPANA_PASSES_FUSE_FUSION_H
#define YUPANA_PASSES_FUSE_FUSION_H

#include "dialects/Kernel/IR/Kernel.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"

#include <optional>

namespace yupana::fusion {

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

/// The op of the program that `op` stands in, itself where it is one.
kernel::LaunchedOpInterface launchedOf(mlir::Operation *op);

/// Every use of a buffer in its program.
struct BufferUses {
  llvm::SmallVector<kernel::StoreOp> stores;
  llvm::SmallVector<kernel::LoadOp> loads;
  /// Read or written other than by a load or a store in a region: as an operand of a kernel, by another program, or by
  /// the runtime.
  bool hasOthers = false;

  /// The op all stores stand in, if they stand in one.
  kernel::LaunchedOpInterface writer() const;
  /// The op all loads stand in, if they stand in one.
  kernel::LaunchedOpInterface reader() const;
};

/// Does another program name the same memory? Programs share buffers by name.
bool isShared(kernel::BufferOp buffer);

/// Nothing is known of a view that is no buffer: `hasOthers`.
BufferUses usesOf(mlir::Value view);

/// The views loaded in a body, in order.
llvm::SetVector<mlir::Value> loadedViews(mlir::Region &body);

/// May `earlier` be moved down to `later`? Nothing between them may touch what it writes or write what it reads;
/// `later` itself may.
bool canSinkTo(kernel::LaunchedOpInterface earlier, kernel::LaunchedOpInterface later);

//===----------------------------------------------------------------------===//
// Indices
//===----------------------------------------------------------------------===//

/// An index of a map as group · `group` + lane · `lane` + `constant`.
struct LaneIndex {
  int64_t group = 0, lane = 0, constant = 0;
};

/// None where the index depends on anything else, or not in this way.
std::optional<LaneIndex> laneIndex(mlir::Value index, kernel::MapOp map);

/// Is (row, index) the element of a map's own row and feature, group · width + lane?
bool isOwnElement(mlir::ValueRange indices, kernel::MapOp map);

/// Has a map one lane for each of so many features, no more and no fewer?
bool covers(kernel::MapOp map, int64_t features);

/// Does a value in a region differ with one of the region's arguments?
bool dependsOn(mlir::Value value, mlir::BlockArgument argument);

/// Maps row, group and lane of a map to those of a feature, which is group · width + lane, and every index of its body
/// that is a multiple of the feature and a constant to just that.
void mapFeature(mlir::OpBuilder &builder, kernel::MapOp map, mlir::Value row, mlir::Value feature,
                mlir::IRMapping &mapping);
/// As `mapFeature` for a feature whose group and lane are known.
void mapFeature(mlir::OpBuilder &builder, kernel::MapOp map, mlir::Value row, mlir::Value feature, mlir::Value group,
                mlir::Value lane, mlir::IRMapping &mapping);

mlir::Value indexConstant(mlir::OpBuilder &builder, mlir::Location loc, int64_t value);

//===----------------------------------------------------------------------===//
// Bodies
//===----------------------------------------------------------------------===//

/// Clones the ops of a block one by one. Loads that are given a value are replaced by it; where such a value was
/// rounded to bf16 only to be stored and is widened at once, the value before rounding is taken: a value is rounded
/// once a store.
class BodyCloner {
public:
  BodyCloner(mlir::OpBuilder &builder, mlir::IRMapping mapping) : builder(builder), mapping(std::move(mapping)) {}

  void replaceLoad(kernel::LoadOp load, mlir::Value stored);
  /// Clones `op` unless it is a terminator or has been mapped.
  void clone(mlir::Operation &op);
  void cloneAll(mlir::Block &block);
  mlir::Value lookup(mlir::Value value) const { return mapping.lookupOrDefault(value); }
  void map(mlir::Value from, mlir::Value to) { mapping.map(from, to); }

private:
  mlir::OpBuilder &builder;
  mlir::IRMapping mapping;
  llvm::DenseSet<mlir::Value> replaced;
};

/// The value before a rounding to bf16; the value itself where there is none.
mlir::Value beforeRounding(mlir::Value value);

/// A gemm that does nothing with its accumulators but store one value per feature at [row, feature].
struct PlainGemm {
  kernel::GemmOp gemm;
  kernel::StoreOp store;
};

/// The gemm that writes `view` in this way and that `reader` alone reads; none otherwise, or with pairs or groups.
std::optional<PlainGemm> plainGemmOf(mlir::Value view, kernel::LaunchedOpInterface reader);

/// Removes what no effect needs and joins equal ops, region by region.
void tidy(kernel::LaunchedOpInterface op);

/// Erases buffers, weights, caches and inputs of a program that nothing uses.
void eraseUnusedViews(kernel::ProgramOp program);

} // namespace yupana::fusion

#endif
