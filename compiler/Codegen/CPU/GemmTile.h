// SPDX-License-Identifier: Apache-2.0
//
// Token rows times one panel of 32 weight rows, by register tiles. Each accumulator is one chain of fused multiply-adds
// over ascending k (pairs of k in bf16, the odd one first), so no cut shows in the bits.
#ifndef YUPANA_COMPILER_CODEGEN_CPU_GEMMTILE_H
#define YUPANA_COMPILER_CODEGEN_CPU_GEMMTILE_H

#include "compiler/Codegen/CPU/Emitter.h"

namespace yupana::codegen {

inline constexpr int64_t panelRows = schema::kPanel32.tile_rows;
static_assert(panelRows == schema::kPanel32x2.tile_rows);

/// How the elements of a product lie in memory and are multiplied. A step of the loop over k reads one tile of the
/// weight's form, 128 bytes of the panel: one k of float32 or two of bfloat16.
struct TileElements {
  enum Kind {
    F32,         ///< Inputs and weights float32.
    BF16Dot,     ///< Inputs and weights bfloat16, multiplied in pairs by a dot product.
    BF16Widened, ///< Weights bfloat16, inputs widened to float32 beforehand.
    BF16Matrix,  ///< Inputs and weights bfloat16, multiplied in tile registers (MatrixTile.h).
  } kind;

  /// For weights of this type on this target.
  static TileElements of(mlir::Type weight, const Target &target);
  /// As vectors multiply them, whether the target has tile registers or not.
  static TileElements ofVectors(mlir::Type weight, const Target &target);

  /// The form that weights have.
  const schema::PackedForm &form() const { return isPaired() ? schema::kPanel32x2 : schema::kPanel32; }
  int64_t steps(int64_t depth) const { return llvm::divideCeil(depth, form().columns); }
  /// Bytes of one input element, and of the input of one step.
  int64_t inputBytes() const { return takesBF16() ? 2 : 4; }
  int64_t inputStepBytes() const { return kind == BF16Widened ? 8 : 4; }
  bool isPaired() const { return kind != F32; }
  bool takesBF16() const { return kind == BF16Dot || kind == BF16Matrix; }
};

/// Bytes of a panel in one step.
inline constexpr int64_t panelStepBytes = panelRows * schema::kPanel32.columns * 4;
static_assert(panelStepBytes == panelRows * schema::kPanel32x2.columns * 2);

/// Rows that meet a panel together.
struct TileRows {
  mlir::Value inputs;  ///< Address of the first row.
  mlir::Value weights; ///< Address of the panel.
  mlir::Value sums;    ///< Address of the accumulators of the first row, 64-byte aligned.
  mlir::Value count;   ///< How many rows, at least 1.
  mlir::Value zeros;   ///< Address of a panel's row of zeros, 64-byte aligned.
  mlir::Value work;    ///< Address of TileEmitter::workBytes() to work in, 64-byte aligned.
};

class TileEmitter {
public:
  /// `inputStride` and `sumStride` are the bytes from a row to the next; at most `mostRows` come at a time, and those
  /// that share a panel are usually a few tiles if `meetsFewRows`, as the rows of an expert are.
  TileEmitter(KernelEmitter &e, kernel::X86Attr config, TileElements elements, int64_t depth, int64_t inputStride,
              int64_t sumStride, int64_t mostRows, bool meetsFewRows);

  /// True if the registers of the target hold the tile of the config.
  bool fits() const;

  /// Bytes of memory in which weights that were widened wait for the next tile, or the configuration of tile registers
  /// to be loaded.
  int64_t workBytes() const;

  /// Writes sums[row][0 .. 31] = inputs[row] · panel for all rows, by a function that products of one kernel share.
  void emit(const TileRows &rows);

private:
  std::string name() const;
  void emitBody(const TileRows &rows);
  /// Where a tile finds its weights.
  enum class Weights {
    Packed, ///< In the panel.
    Widen,  ///< In the panel, pairs of bfloat16; their float32 are left in memory.
    Widened ///< Where an earlier tile left them.
  };
  /// A block of steps, in whole turns of the loop.
  struct Depth {
    mlir::Value begin, end;
    mlir::Value isFirst; ///< Null if it is the only one. Accumulators begin in the first.
  };
  /// Cache lines that a loop fetches for later: `count` in a turn, from an address given for the loop's first step on.
  struct Lines {
    mlir::Value from;
    mlir::Value advance; ///< Bytes from a step to the next.
    int64_t count;
  };
  /// Into which level of cache, as llvm.prefetch counts them: 3 for the first, 2 for the second.
  struct Prefetch {
    llvm::SmallVector<Lines, 2> lines;
    int32_t level;
  };

  /// Where the operands of a step of the loop begin.
  struct Step {
    mlir::Value inputs, weights;
    mlir::Value widened; ///< Null if weights are packed.
  };

  /// What is to be fetched in a turn of `products` products.
  struct Fetcher {
    Emitter::Values lines;
    int32_t level;
    int64_t products;
    int64_t done = 0, next = 0;
  };

  int64_t longestBlock() const;
  int64_t tileColumns(int64_t height) const;
  int64_t lowestEvenHeight() const;
  void emitOneTile(const TileRows &rows);
  void emitManyTiles(const TileRows &rows);
  void emitBlock(const TileRows &rows, const Depth &depth);
  void emitPass(const TileRows &rows, const Depth &depth, mlir::Value column);
  Prefetch prefetchBlock(const TileRows &rows, const Depth &depth, mlir::Value column, mlir::Value tile,
                         mlir::Value tiles, mlir::Value input);
  Lines fetchNext(const TileRows &rows, const Depth &depth, mlir::Value slice, int64_t slices);
  void emitTile(const TileRows &rows, const Depth &depth, Weights source, const Prefetch &prefetch, mlir::Value row,
                mlir::Value column, int64_t height, int64_t columns);
  Fetcher enterTurn(const Prefetch &prefetch, mlir::Value step, int64_t products);
  void fetch(Fetcher *fetcher);
  void multiply(const Step &step, Weights source, int64_t height, Emitter::Values &sums, Fetcher *fetcher);
  void multiplyWidened(const Step &step, Weights source, int64_t height, Emitter::Values &sums, Fetcher *fetcher);
  void multiplyRows(mlir::Value inputs, llvm::ArrayRef<mlir::Value> weights, int64_t height, Emitter::Values &sums,
                    Fetcher *fetcher);
  void emitLastStep(const TileRows &rows, int64_t step);

  KernelEmitter &e;
  kernel::X86Attr config;
  TileElements elements;
  int64_t steps;
  int64_t unroll;    ///< Steps in a turn of the loop.
  int64_t turnLines; ///< Cache lines of the panel in a turn.
  int64_t whole;     ///< The part of the steps in whole turns.
  int64_t inputStride, sumStride, mostRows;
  bool meetsFewRows;
  int64_t single; ///< Most rows that one tile covers when it is the only one.
};

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_CPU_GEMMTILE_H
