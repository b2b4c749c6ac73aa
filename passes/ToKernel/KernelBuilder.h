// SPDX-License-Identifier: Apache-2.0
//
// Builds launched ops and their scalar regions.

#ifndef YUPANA_PASSES_TOKERNEL_KERNELBUILDER_H
#define YUPANA_PASSES_TOKERNEL_KERNELBUILDER_H

#include "dialects/Kernel/IR/Kernel.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"

namespace yupana {

/// The first dimension of a view, which may be symbolic, and the second, which may not.
inline lm::DimAttr rowsOf(mlir::Value view) { return mlir::cast<kernel::ViewType>(view.getType()).getDims()[0]; }
inline int64_t featuresOf(mlir::Value view) { return mlir::cast<kernel::ViewType>(view.getType()).getDimSize(1); }

/// The float and index arithmetic of a scalar region, at the builder's insertion point.
class ScalarBuilder {
public:
  ScalarBuilder(mlir::OpBuilder &builder, mlir::Location loc) : builder(builder), loc(loc) {}

  mlir::Value index(int64_t value);
  mlir::Value constant(double value);
  mlir::Value add(mlir::Value a, mlir::Value b);
  mlir::Value sub(mlir::Value a, mlir::Value b);
  mlir::Value mul(mlir::Value a, mlir::Value b);
  mlir::Value div(mlir::Value a, mlir::Value b);
  mlir::Value rem(mlir::Value a, mlir::Value b);
  mlir::Value sqrt(mlir::Value a);
  mlir::Value exp(mlir::Value a);
  mlir::Value erf(mlir::Value a);
  mlir::Value negate(mlir::Value a);
  mlir::Value sum(mlir::Value a);
  /// Loads an element; bf16 is widened to f32.
  mlir::Value load(mlir::Value view, mlir::ValueRange indices);
  /// Loads an i32 and widens it to an index; step inputs and routing results are never negative.
  mlir::Value loadIndex(mlir::Value view, mlir::ValueRange indices);
  /// Rounds to the view's element type and stores.
  void store(mlir::Value value, mlir::Value view, mlir::ValueRange indices);
  /// f32 of a bf16 value; others as they are.
  mlir::Value widen(mlir::Value value);
  /// `value` in the element type.
  mlir::Value round(mlir::Value value, mlir::Type element);
  /// activation(gate) · up.
  mlir::Value gated(mlir::Value gate, mlir::Value up, lm::Activation activation);

  mlir::OpBuilder &builder;
  mlir::Location loc;
};

/// The state of one program's lowering: tensors that have become views, and names for new buffers.
class KernelBuilder {
public:
  struct Sizes {
    int64_t maxContext, pageTokens;
  };

  KernelBuilder(mlir::OpBuilder &builder, const Sizes &sizes) : builder(builder), sizes(sizes) {}

  /// The view a tensor has become.
  mlir::Value view(mlir::Value tensor) { return views.lookup(tensor); }
  void setView(mlir::Value tensor, mlir::Value view) { views.map(tensor, view); }

  /// The view type of a tensor type.
  kernel::ViewType viewType(mlir::Type tensor);
  /// A new buffer of this type; its name is `prefix` and a number.
  mlir::Value buffer(llvm::StringRef prefix, kernel::ViewType type, mlir::Location loc);
  /// A new buffer that the result tensor becomes.
  mlir::Value resultBuffer(mlir::Value tensor);
  /// The view of a weight or table, named once per program.
  mlir::Value weight(mlir::Operation *user, mlir::FlatSymbolRefAttr symbol);
  mlir::Value optionalWeight(mlir::Operation *user, mlir::FlatSymbolRefAttr symbol);

  using MapBody = llvm::function_ref<void(ScalarBuilder &, mlir::Value row, mlir::Value group, mlir::Value lane)>;
  /// A `kernel.map` over rows × groups × width.
  void map(mlir::Location loc, lm::DimAttr rows, int64_t groups, int64_t width, MapBody body);

  using GemmBody = llvm::function_ref<void(ScalarBuilder &, mlir::Value acc, mlir::Value row, mlir::Value feature)>;
  /// A `kernel.gemm` of one product that reads its input in place; `experts` may be null.
  void gemm(mlir::Location loc, mlir::Value input, mlir::Value weight, mlir::Value experts, GemmBody body);
  /// A `kernel.gemm` that stores its accumulators, with an optional bias, in a new buffer of `element`.
  mlir::Value project(mlir::Location loc, llvm::StringRef name, mlir::Value input, mlir::Value weight,
                      mlir::Type element, mlir::Value experts = {}, mlir::Value bias = {});
  /// A `kernel.map` of activation(gate) · up over a new buffer.
  mlir::Value gated(mlir::Location loc, mlir::Value gate, mlir::Value up, lm::Activation activation);

  mlir::OpBuilder &builder;
  const Sizes sizes;

private:
  mlir::IRMapping views;
  llvm::DenseMap<mlir::Attribute, mlir::Value> weights;
  llvm::StringMap<unsigned> names;
};

/// Lowers one op of `lm`; failure, with a diagnostic, for an op it does not know.
mlir::LogicalResult lowerLMOp(mlir::Operation *op, KernelBuilder &kernels);
/// Lowers one op of `moe`.
mlir::LogicalResult lowerMoEOp(mlir::Operation *op, KernelBuilder &kernels);

} // namespace yupana

#endif
