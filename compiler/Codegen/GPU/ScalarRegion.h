// SPDX-License-Identifier: Apache-2.0
//
// Walks the scalar region of a launched op and writes it for one lane, a thread. It knows `arith`, `math` and the
// region ops of the kernel dialect, and no fusion by name. Values of index type are i32.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_SCALARREGION_H
#define YUPANA_COMPILER_CODEGEN_GPU_SCALARREGION_H

#include "compiler/Codegen/Common/RegionAnalysis.h"
#include "compiler/Codegen/GPU/Emitter.h"

namespace yupana::codegen::cuda {

/// Where element `indices`, each an i32, of a view or weight in whatever form lies in global memory.
mlir::Value elementAddress(KernelEmitter &e, mlir::Value view, mlir::ValueRange indices);

/// Where a feature of a key or value lies in global memory: of `head` and `lane` at the position that `slot` counts
/// from the beginning of physical page `page`; all i32.
mlir::Value cacheAddress(KernelEmitter &e, mlir::Value cache, mlir::Value page, mlir::Value head, mlir::Value slot,
                         mlir::Value lane);

/// The sum of a row of a view [.., width] of float32, with 32 partial sums: the same in every lane. All 32 lanes of the
/// warp take part and have the same row.
mlir::Value addRow(KernelEmitter &e, mlir::Value view, mlir::Value row);

class ScalarRegion {
  auto isBound() const {
    return [this](mlir::Value value) { return values.contains(value); };
  }

public:
  /// `varying` are the block arguments whose value differs between the lanes that run the region together.
  ScalarRegion(KernelEmitter &emitter, mlir::Region &region, mlir::ValueRange varying);

  /// Gives a value of the region, a block argument, a sum or any other, the one it has where the next ops are written.
  void bind(mlir::Value value, mlir::Value as) { values[value] = as; }
  mlir::Value get(mlir::Value value) const { return values.lookup(value); }

  /// As those of RegionAnalysis; what is bound is not needed.
  llvm::SmallVector<mlir::Operation *> slice(mlir::ValueRange roots) const { return analysis.slice(roots, isBound()); }
  llvm::SmallVector<mlir::Operation *> effects() const { return analysis.effects(isBound()); }
  llvm::SmallVector<kernel::SumOp> takeReady(llvm::SmallVector<kernel::SumOp> &open) const {
    return analysis.takeReady(open, isBound());
  }
  bool isVarying(mlir::Operation *op) const { return analysis.isVarying(op); }

  /// Writes those of `ops` whose value is the same in all lanes: before the loop over lanes. Those with an effect are
  /// done where `leads`, an i1, holds, which is in one lane. Row sums need all lanes of the warp.
  mlir::LogicalResult emitInvariant(llvm::ArrayRef<mlir::Operation *> ops, mlir::Value leads);
  /// Writes what an effect or a sum needs, is the same in all lanes and follows from no sum: once for many groups.
  mlir::LogicalResult emitRowConstants();
  /// Writes the others, inside the loop. Their values are bound in this object: call it on a copy for each turn.
  mlir::LogicalResult emitVarying(llvm::ArrayRef<mlir::Operation *> ops);

private:
  mlir::LogicalResult emit(mlir::Operation *op);
  mlir::LogicalResult emitElementwise(mlir::Operation *op);
  mlir::LogicalResult emitConversion(mlir::Operation *op);
  mlir::LogicalResult emitRowSum(kernel::RowSumOp op);
  void emitIndexCast(mlir::Operation *op, bool isSigned);
  void emitStore(kernel::StoreOp op);
  mlir::LogicalResult emitAppend(kernel::AppendOp op);
  llvm::SmallVector<mlir::Value> getAll(mlir::OperandRange operands) const;

  KernelEmitter &e;
  mlir::Region &region;
  RegionAnalysis analysis;
  llvm::DenseMap<mlir::Value, mlir::Value> values;
};

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_SCALARREGION_H
