// SPDX-License-Identifier: Apache-2.0
//
// Units of products that read panels, and who does which: a unit is a cell of two weight tiles times a turn of token
// rows. Blocks take them in turns, so that those which run at once have neighbouring ones.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_GEMMTURNS_H
#define YUPANA_COMPILER_CODEGEN_GPU_GEMMTURNS_H

#include "compiler/Codegen/GPU/Emitter.h"

namespace yupana::codegen::cuda {

struct PanelUnit {
  mlir::Value cell;
  mlir::Value expert; ///< Zero without experts.
  mlir::Value begin;  ///< The first row, and how many: at least 1.
  mlir::Value count;
};

/// The weight tiles that a cell covers, and the cells of a weight, or of each expert's.
inline constexpr int64_t panelCellTiles = 2;
int64_t panelCells(kernel::GemmOp op);

/// How many units a product has at most, whatever the experts' rows are.
kernel::GridAttr panelUnits(kernel::GemmOp op, int64_t tileRows);

class PanelTurns {
public:
  /// `stride` blocks share the units, of which each has at most `tileRows` rows.
  PanelTurns(KernelEmitter &e, kernel::GemmOp op, int64_t tileRows, mlir::Value stride);

  using Body = llvm::function_ref<mlir::Value(const PanelUnit &unit, mlir::Value carried)>;

  /// Runs the body for unit `next` of the product and every `stride`th behind it; gives where the block goes on,
  /// counted from the end of the product, and in `carried` what the body has carried from unit to unit.
  mlir::Value forEach(mlir::Value next, mlir::Value &carried, Body body);

private:
  using Values = OpEmitter::Values;

  Values forRows(mlir::Value expert, mlir::Value begin, mlir::Value end, mlir::ValueRange carried, Body body);

  KernelEmitter &e;
  kernel::GemmOp op;
  int64_t tileRows, cells;
  mlir::Value stride;
};

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_GEMMTURNS_H
