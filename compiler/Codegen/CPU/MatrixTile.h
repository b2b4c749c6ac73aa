// SPDX-License-Identifier: Apache-2.0
//
// Token rows times one panel of 32 weight rows, by the tile registers of AMX. The order of additions is
// `even_odd_blocks` of kernel.numerics, whatever the number of rows.
#ifndef YUPANA_COMPILER_CODEGEN_CPU_MATRIXTILE_H
#define YUPANA_COMPILER_CODEGEN_CPU_MATRIXTILE_H

#include "compiler/Codegen/CPU/GemmTile.h"
#include "compiler/Codegen/CPU/TileRegisters.h"

namespace yupana::codegen {

class MatrixTileEmitter {
public:
  /// Of rows and panels that have `steps` pairs of k; strides are bytes from a row to the next. At most `mostRows` come
  /// at a time.
  MatrixTileEmitter(KernelEmitter &e, int64_t steps, int64_t inputStride, int64_t sumStride, int64_t mostRows);

  /// Token rows that meet a panel in registers together.
  static constexpr int64_t groupRows = 32;
  /// Bytes of TileRows::work: one configuration of the tile registers.
  static constexpr int64_t workBytes = TileRegisters::configBytes;

  /// Writes sums[row][0 .. 31] = inputs[row] · panel for all rows. Leaves the tile registers in use.
  void emit(const TileRows &rows);

private:
  /// A block of steps, in whole loads of a tile register or as one that is not full.
  struct Depth {
    mlir::Value begin, end;
    int64_t pairs;       ///< Pairs of k in a load: 16, or fewer.
    mlir::Value isFirst; ///< True if the sums begin here.
  };
  /// Cache lines that a loop fetches for later: `count` in a turn, from an address given for its first turn on.
  struct Lines {
    mlir::Value from, advance;
    int64_t count;
    int32_t level; ///< As llvm.prefetch counts caches.
  };

  void emitOneGroup(const TileRows &rows, const Depth &depth);
  void emitManyGroups(const TileRows &rows);
  void emitBlock(const TileRows &rows, const Depth &depth);
  void emitLeft(const TileRows &rows, const Depth &depth, mlir::Value count, mlir::Value group,
                llvm::function_ref<Lines(int64_t)> fetch);
  Lines fetchOwn(const TileRows &rows, const Depth &depth, int64_t tileRowCount);
  Lines fetchNext(const TileRows &rows, const Depth &depth, mlir::Value group);
  void emitGroup(const TileRows &rows, const Depth &depth, mlir::Value group, int64_t tileRowCount, const Lines &lines);
  void emitTurns(mlir::Value inputs, mlir::Value weights, const Depth &depth, int64_t tileRowCount, const Lines &lines);

  KernelEmitter &e;
  TileRegisters tiles;
  int64_t steps;
  int64_t whole; ///< The part of the steps that fills tile registers.
  int64_t inputStride, sumStride, mostRows;
};

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_CPU_MATRIXTILE_H
