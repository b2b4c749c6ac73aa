// SPDX-License-Identifier: Apache-2.0
//
// Units of products that read panels, and who does which: a unit is a cell of two weight tiles times a turn of token
// rows. Blocks take them in turns, so that those which run at once have neighbouring ones. The blocks of a cluster have
// units of the same rows, of neighbouring cells.
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
/// The blocks of a cluster, where there are clusters.
inline constexpr int64_t panelCluster = 2;
int64_t panelCells(kernel::GemmOp op);

/// How many units a product has at most, whatever the experts' rows are.
kernel::GridAttr panelUnits(kernel::GemmOp op, int64_t tileRows);

class PanelTurns {
public:
  /// `stride` clusters share the units, of which each has at most `tileRows` rows. A cluster is one block where `rank`
  /// is null, or else two, of which `rank` is this one's number; then the product has an even number of cells.
  PanelTurns(KernelEmitter &e, kernel::GemmOp op, int64_t tileRows, mlir::Value stride, mlir::Value rank);

  using Values = OpEmitter::Values;
  using Body = llvm::function_ref<Values(const PanelUnit &unit, mlir::ValueRange carried)>;

  /// Runs the body for the cluster's unit `next` of the product and every `stride`th behind it; gives where the cluster
  /// goes on, counted from the end of the product, and in `carried` what the body has carried from unit to unit.
  mlir::Value forEach(mlir::Value next, Values &carried, Body body);

private:
  Values forRows(mlir::Value expert, mlir::Value begin, mlir::Value end, mlir::ValueRange carried, Body body);

  KernelEmitter &e;
  kernel::GemmOp op;
  int64_t tileRows, cells; ///< Cells that a cluster has at once count as one.
  mlir::Value stride, rank;
};

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_GEMMTURNS_H
