// SPDX-License-Identifier: Apache-2.0
//
// What every generator asks of a scalar region before it writes its ops: which of them differ between lanes, which of
// them a value needs, and in which passes over the lanes its sums can be computed. It writes nothing.
#ifndef YUPANA_COMPILER_CODEGEN_COMMON_REGIONANALYSIS_H
#define YUPANA_COMPILER_CODEGEN_COMMON_REGIONANALYSIS_H

#include "dialects/Kernel/IR/Kernel.h"

#include "llvm/ADT/DenseSet.h"

namespace yupana::codegen {

class RegionAnalysis {
public:
  /// True if a value has been computed already, so that nothing is needed for it.
  using IsBound = llvm::function_ref<bool(mlir::Value)>;

  /// `varying` are the block arguments whose value differs between lanes.
  RegionAnalysis(mlir::Region &region, mlir::ValueRange varying);

  /// True if the op takes or gives a value that differs between lanes. A sum takes one and is the same in all lanes.
  bool isVarying(mlir::Operation *op) const { return varyingOps.contains(op); }

  /// The ops of the region that `roots` need, in order, leaving out what is bound; sums are needed but not looked into.
  llvm::SmallVector<mlir::Operation *> slice(mlir::ValueRange roots, IsBound isBound) const;
  /// All ops with an effect and what they need.
  llvm::SmallVector<mlir::Operation *> effects(IsBound isBound) const;
  /// Takes the sums out of `open` that depend on none that stays there: one pass over the lanes computes them.
  llvm::SmallVector<kernel::SumOp> takeReady(llvm::SmallVector<kernel::SumOp> &open, IsBound isBound) const;

private:
  mlir::Block *block;
  /// What differs between lanes, ops without results included.
  llvm::DenseSet<mlir::Operation *> varyingOps;
};

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_COMMON_REGIONANALYSIS_H
