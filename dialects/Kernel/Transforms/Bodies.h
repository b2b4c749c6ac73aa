// SPDX-License-Identifier: Apache-2.0
//
// What the fusing passes share: how the body of one kernel is continued in another.

#ifndef YUPANA_DIALECTS_KERNEL_TRANSFORMS_BODIES_H
#define YUPANA_DIALECTS_KERNEL_TRANSFORMS_BODIES_H

#include "dialects/Kernel/Analysis/Analysis.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"

namespace yupana::fusion {

using kernel::BufferUses;
using kernel::canSinkTo;
using kernel::covers;
using kernel::dependsOn;
using kernel::halfOfPair;
using kernel::haveSameNumerics;
using kernel::isOwnElement;
using kernel::isShared;
using kernel::LaneIndex;
using kernel::laneIndex;
using kernel::launchedOf;
using kernel::loadedViews;
using kernel::usesOf;

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

/// Clones the ops of a block one by one. Loads that are given a value are replaced by it.
class BodyCloner {
public:
  BodyCloner(mlir::OpBuilder &builder, mlir::IRMapping mapping) : builder(builder), mapping(std::move(mapping)) {}

  void replaceLoad(kernel::LoadOp load, mlir::Value stored) { mapping.map(load.getValue(), stored); }
  /// Clones `op` unless it is a terminator or has been mapped.
  void clone(mlir::Operation &op);
  void cloneAll(mlir::Block &block);
  mlir::Value lookup(mlir::Value value) const { return mapping.lookupOrDefault(value); }
  void map(mlir::Value from, mlir::Value to) { mapping.map(from, to); }

private:
  mlir::OpBuilder &builder;
  mlir::IRMapping mapping;
};

/// A gemm that does nothing with its accumulators but store one value per feature at [row, feature].
struct PlainGemm {
  kernel::GemmOp gemm;
  kernel::StoreOp store;
};

/// The gemm that writes `view` in this way and that `reader` alone reads; none otherwise, or with pairs or groups.
std::optional<PlainGemm> plainGemmOf(mlir::Value view, kernel::LaunchedOpInterface reader);

/// Runs upstream dead-code elimination and CSE on the regions of one op. A pass calls it for the ops it has changed,
/// not for the program: that would cost each pass as much as its own work.
void cleanUp(kernel::LaunchedOpInterface op);

} // namespace yupana::fusion

#endif
