// SPDX-License-Identifier: Apache-2.0
//
// Gemms whose accumulators come in pairs, and the interleaved weights they multiply by.

#ifndef YUPANA_PASSES_LAYOUT_PAIREDGEMM_H
#define YUPANA_PASSES_LAYOUT_PAIREDGEMM_H

#include "dialects/Kernel/Transforms/Bodies.h"

#include "mlir/IR/BuiltinOps.h"

namespace yupana::fusion {

/// The declaration that a gemm's only weight names.
kernel::WeightOp weightOf(kernel::GemmOp gemm);

/// Who used which weight when a pass began. Found by one walk over the module: asking for one weight costs the same.
class WeightUses {
public:
  explicit WeightUses(mlir::ModuleOp module) : users(tables, module) {}

  /// True if this gemm alone uses its only weight, an `lm.weight` that is not packed. Another use would need the weight
  /// a second time in another form.
  bool isOnlyUse(kernel::GemmOp gemm);

private:
  mlir::SymbolTableCollection tables;
  mlir::SymbolUserMap users;
};

/// Declares the `lm.weight` of rows half, half + 2, .. of another; returns its name.
mlir::FlatSymbolRefAttr everySecondRow(kernel::WeightOp weight, int64_t half, mlir::ModuleOp module);

/// Declares the `lm.interleaved` of two weights of one type, by `run` rows; returns its name.
mlir::FlatSymbolRefAttr interleave(mlir::FlatSymbolRefAttr first, mlir::FlatSymbolRefAttr second, int64_t run,
                                   mlir::ModuleOp module);

/// Builds a gemm with pairs in front of a map, and continues in it what others did.
class PairedGemm {
public:
  /// Takes rows, experts and input from `like`; its weight is `weight`.
  PairedGemm(kernel::GemmOp like, int64_t pairs, mlir::FlatSymbolRefAttr weight, kernel::MapOp before);

  /// The body's feature, which counts pairs; of half 0 or 1 of a pair of neighbours.
  mlir::Value feature() { return gemm.getFeature(); }
  mlir::Value featureOfHalf(int64_t half);

  /// Computes for accumulator `half` what `from` computes for its feature; returns the value it stored.
  mlir::Value continueWith(const PlainGemm &from, int64_t half, mlir::Value feature);

  /// Moves the map's body behind that, with loads replaced as `replaceLoads` says, and erases the map.
  void absorb(kernel::MapOp map, llvm::function_ref<void(BodyCloner &)> replaceLoads);

private:
  mlir::OpBuilder builder;
  kernel::GemmOp gemm;
};

} // namespace yupana::fusion

#endif
