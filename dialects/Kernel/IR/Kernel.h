// SPDX-License-Identifier: Apache-2.0
//
// The `kernel` dialect: one op per launched kernel. See Rationale.md one folder up. This header has what the generated
// ones need before them (grid terms, accesses, resources of effects) and what several passes ask of a view or an op.

#ifndef YUPANA_DIALECTS_KERNEL_IR_KERNEL_H
#define YUPANA_DIALECTS_KERNEL_IR_KERNEL_H

#include "dialects/LM/IR/LM.h"
#include "dialects/MoE/IR/MoE.h"
#include "runtime/schema/forms.h"

#include "llvm/ADT/StringMap.h"

namespace yupana::kernel {
class TargetModel;
} // namespace yupana::kernel

#include "llvm/ADT/SetVector.h"

#include <optional>

#include "dialects/Kernel/IR/KernelDialect.h.inc"
#include "dialects/Kernel/IR/KernelEnums.h.inc"

namespace yupana::kernel {

/// One term of a grid, which is a postfix expression: a size or a constant is pushed, an operator takes two.
struct GridTerm {
  GridOp op;
  int64_t value = 0; ///< Of a constant, 0 of all others.

  /// True for a constant and for the sizes of a step or a device.
  bool isOperand() const { return op <= GridOp::LogitRows || op == GridOp::SMs; }
  /// As it is written, quoted unless it is a constant.
  std::string str() const;

  friend bool operator==(const GridTerm &x, const GridTerm &y) { return x.op == y.op && x.value == y.value; }
  friend llvm::hash_code hash_value(const GridTerm &term) { return llvm::hash_combine(term.op, term.value); }
};

} // namespace yupana::kernel

#include "dialects/Kernel/IR/KernelAttrInterfaces.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/Kernel/IR/KernelTypes.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Kernel/IR/KernelAttrs.h.inc"

namespace yupana::kernel {

/// The views and caches a launched op touches, in the order they first appear.
struct Accesses {
  llvm::SetVector<mlir::Value> reads;
  llvm::SetVector<mlir::Value> writes;
  /// Operands first, then what the regions take from outside.
  llvm::SetVector<mlir::Value> all;
};

/// Memory of a step: buffers, weights, tables and what the runtime writes before the step.
struct StepMemory : mlir::SideEffects::Resource::Base<StepMemory> {
  llvm::StringRef getName() final { return "kernel.step"; }
};

/// Memory that outlives a step: caches and the history.
struct LastingMemory : mlir::SideEffects::Resource::Base<LastingMemory> {
  llvm::StringRef getName() final { return "kernel.lasting"; }
};

/// What `LaunchedOpInterface` does unless an op knows better.
namespace detail {
llvm::SmallVector<mlir::Region *> collectScalarRegions(mlir::Operation *op);
Accesses collectAccesses(mlir::Operation *op);
mlir::LogicalResult verifyAccesses(mlir::Operation *op);
void addEffects(const Accesses &accesses, llvm::SmallVectorImpl<mlir::MemoryEffects::EffectInstance> &effects);
} // namespace detail

} // namespace yupana::kernel

#include "dialects/Kernel/IR/KernelOpInterfaces.h.inc"
#define GET_OP_CLASSES
#include "dialects/Kernel/IR/KernelOps.h.inc"

namespace yupana::kernel {

/// The largest step: what T, S and R stand for at most.
struct StepMaxima {
  int64_t tokens, sequences, logitRows;
};

/// Bytes of a view in the largest step, padding of its form included; none when they are more than 2^64.
std::optional<uint64_t> getBytes(ViewType type, const StepMaxima &maxima);

/// The view, in whatever form, that an input region reads at its own row and k and nothing else; null when it computes.
mlir::Value getPlainView(mlir::Region &input);

/// True for a buffer that is a workspace, in a program or as an argument of an outlined kernel.
bool isWorkspace(mlir::Value view);

/// True if what one of two launched ops adds up may be added up in the other: their numerics agree in what both state,
/// or one of them has none.
bool haveSameNumerics(LaunchedOpInterface x, LaunchedOpInterface y);

} // namespace yupana::kernel

#endif
