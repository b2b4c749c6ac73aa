// SPDX-License-Identifier: Apache-2.0
//
// Units of the form `decode`, and who does which.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_GEMMUNITS_H
#define YUPANA_COMPILER_CODEGEN_GPU_GEMMUNITS_H

#include "compiler/Codegen/GPU/Emitter.h"

namespace yupana::codegen::cuda {

/// One product of a launch: its sizes, and in the kernel where its units begin.
struct DecodeMember {
  DecodeMember(kernel::GemmOp op, kernel::GPUAttr config);

  kernel::GemmOp op;
  bool byExpert;
  int64_t tileRows;         ///< Token rows that every tile is multiplied by.
  int64_t cellTiles, cells; ///< Weight tiles side by side in a cell; cells of one expert.
  int64_t rowTiles, steps;  ///< Weight tiles above one another, and side by side along K, each 128 bytes.
  int64_t rangeSteps;       ///< Steps of a range of K, but for the last.
  int64_t ranges;           ///< Of a weight tile's rows.
  mlir::Value rows;         ///< As the step has them.
  mlir::Value list;         ///< Experts in use, i32 in shared memory, and how many behind; null without experts.
  mlir::Value begin, end;   ///< Units.

  int64_t cellUnits() const { return cellTiles * ranges; }
  int64_t cellRows() const { return cellTiles * schema::kTile64x128.tile_rows; }
};

/// A unit of a member: a range of K of one weight tile's rows, so that all units are as many bytes. Those of a row of
/// tiles follow one another, then the next tile of the cell.
struct DecodeUnit {
  DecodeUnit(KernelEmitter &e, const DecodeMember &member, mlir::Value unit);

  mlir::Value cell, tile, range;
  mlir::Value slot;       ///< Which of the experts in use.
  mlir::Value tileBegin;  ///< The first unit of its weight tile's rows.
  mlir::Value begin, end; ///< Units of its cell.
  mlir::Value firstStep;  ///< Of its range.
  mlir::Value steps;
};

/// The shares of a run of units: one for each block, one behind the other, which differ by one unit at most.
class DecodeShares {
public:
  /// `behind` are shares of the units before these, if there are any: who has one unit more of those is last to have
  /// one more here.
  DecodeShares(KernelEmitter &e, mlir::Value first, mlir::Value units, const DecodeShares *behind);

  /// Where share number `share` begins; the one behind the last begins where the units end.
  mlir::Value begin(mlir::Value share);
  /// The number of the share that a unit belongs to.
  mlir::Value owner(mlir::Value unit);

  mlir::Value ownBegin, ownEnd; ///< Of this block's share.

private:
  KernelEmitter &e;
  mlir::Value first;        ///< Unit.
  mlir::Value size, longer; ///< Of the smaller shares; how many have one unit more: the first ones.
};

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_GEMMUNITS_H
