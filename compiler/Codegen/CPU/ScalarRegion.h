// SPDX-License-Identifier: Apache-2.0
//
// Walks the scalar region of a launched op and writes it for 16 lanes at once. It knows `arith`, `math` and the region
// ops of the kernel dialect, and no fusion by name.
#ifndef YUPANA_COMPILER_CODEGEN_CPU_SCALARREGION_H
#define YUPANA_COMPILER_CODEGEN_CPU_SCALARREGION_H

#include "compiler/Codegen/CPU/LaneValue.h"
#include "compiler/Codegen/Common/RegionAnalysis.h"

namespace yupana::codegen {

class ScalarRegion {
  auto isBound() const {
    return [this](mlir::Value value) { return values.contains(value); };
  }

public:
  /// `varying` are the block arguments whose value differs between lanes.
  ScalarRegion(KernelEmitter &emitter, mlir::Region &region, mlir::ValueRange varying);

  /// Gives a block argument, or a sum, the value it has where the next ops are written.
  void bind(mlir::Value value, const LaneValue &as) { values[value] = as; }
  LaneValue get(mlir::Value value) const { return values.lookup(value); }

  llvm::SmallVector<mlir::Operation *> slice(mlir::ValueRange roots) const { return analysis.slice(roots, isBound()); }
  llvm::SmallVector<mlir::Operation *> effects() const { return analysis.effects(isBound()); }
  llvm::SmallVector<kernel::SumOp> takeReady(llvm::SmallVector<kernel::SumOp> &open) const {
    return analysis.takeReady(open, isBound());
  }

  /// Writes those of `ops` whose value is the same in all lanes: before the loop over lanes.
  mlir::LogicalResult emitInvariant(llvm::ArrayRef<mlir::Operation *> ops);
  /// Writes the others, inside the loop. Their values are bound in this object: call it on a copy for each piece of
  /// lanes.
  mlir::LogicalResult emitVarying(llvm::ArrayRef<mlir::Operation *> ops, ActiveLanes active);

private:
  mlir::LogicalResult emit(mlir::Operation *op, ActiveLanes active);
  mlir::LogicalResult emitElementwise(mlir::Operation *op);
  mlir::LogicalResult emitIndexCast(mlir::Operation *op, bool isSigned);
  mlir::LogicalResult emitConversion(mlir::Operation *op);
  mlir::LogicalResult emitRowSum(kernel::RowSumOp op);
  bool emitIndexArithmetic(mlir::Operation *op);
  void emitStore(kernel::StoreOp op, ActiveLanes active);
  void emitTail(kernel::StoreOp op, llvm::ArrayRef<LaneValue> indices, ActiveLanes active);
  mlir::LogicalResult emitAppend(kernel::AppendOp op, ActiveLanes active);
  bool isPair(mlir::Operation *first, mlir::Operation *next);
  mlir::LogicalResult emitPair(mlir::Operation *first, mlir::Operation *next, ActiveLanes active);
  LaneValue placeOf(kernel::AppendOp op, ActiveLanes active);
  LaneValue indexOf(kernel::ViewType view, llvm::ArrayRef<LaneValue> indices);
  LaneValue loadElement(mlir::Value view, llvm::ArrayRef<LaneValue> indices, ActiveLanes active);

  KernelEmitter &e;
  LaneMath math;
  RegionAnalysis analysis;
  llvm::DenseMap<mlir::Value, LaneValue> values;
};

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_CPU_SCALARREGION_H
