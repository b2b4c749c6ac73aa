// SPDX-License-Identifier: Apache-2.0
//
// The softmax of attention for some query rows, block by block (online softmax, Milakov and Gimelshein 2018). What is
// summed up so far is weighted against the largest score so far, and shrinks by a factor when a block has a larger one.
// A row is a query head of a token; those of a token follow one another.
#ifndef YUPANA_COMPILER_CODEGEN_CPU_ONLINESOFTMAX_H
#define YUPANA_COMPILER_CODEGEN_CPU_ONLINESOFTMAX_H

#include "compiler/Codegen/CPU/GemmTile.h"

namespace yupana::codegen {

class OnlineSoftmax {
public:
  /// Positions of a tile of keys, whose scores are whole vectors.
  static constexpr int64_t tileTokens = schema::kCacheKeys32.wide_keys->tile_rows;
  static_assert(tileTokens == schema::kCacheKeys32.narrow_keys->tile_rows);
  static constexpr int64_t tileVectors = tileTokens / vectorLanes;
  /// Tiles of a block, whose positions have one largest score together.
  static constexpr int64_t blockTiles = 2, blockTokens = blockTiles * tileTokens;

  /// The positions of a tile that are seen: from `begin` on, by every token to an end of its own.
  struct Seen {
    mlir::Value begin;
    llvm::SmallVector<mlir::Value, 2> ends;
  };

  /// Of up to `rows` rows, `heads` of each token; weights are e^(`scale` · (score - largest)), and `scale` is positive.
  /// `elements` are those of queries and keys.
  OnlineSoftmax(KernelEmitter &e, int64_t rows, int64_t heads, double scale, TileElements elements);

  /// Starts new rows.
  void begin();
  /// Turns the scores of a block's tiles into weights, adds these to the totals and gives the factors, for the rows of
  /// the tokens from `row` on, a multiple of 16. Every token sees a position of the block.
  void emit(llvm::ArrayRef<Seen> tiles, mlir::Value row);

  /// The address of a score, float32[tileTokens] for a tile of the block and a row. Of positions that are not seen it
  /// may be anything, NaN included.
  mlir::Value score(mlir::Value tile, mlir::Value row, int64_t vector = 0);
  mlir::Value score(int64_t tile, mlir::Value row, int64_t vector = 0) { return score(e.integer(tile), row, vector); }
  /// The address of the weights of a tile and row: zeros for what is not seen. In bfloat16 they are rounded to it, and
  /// are bfloat16[tileTokens] where dot products or tile registers multiply them; else float32[tileTokens].
  mlir::Value weights(mlir::Value tile, mlir::Value row);
  mlir::Value weights(int64_t tile, mlir::Value row) { return weights(e.integer(tile), row); }
  /// Bytes from the weights of a row to those of the next.
  int64_t weightsBytes() const { return tileTokens * elements.inputBytes(); }
  /// What a row's sums over earlier blocks are to be multiplied by.
  mlir::Value factor(mlir::Value row);
  /// True if one of the 16 rows from `row` on has a factor other than one.
  mlir::Value changes(mlir::Value row);
  /// The sum of the weights that `emit` gave a row, as they were rounded.
  mlir::Value total(mlir::Value row);

private:
  /// Which lanes of a tile are seen, by token and vector.
  using Lanes = llvm::SmallVector<llvm::SmallVector<mlir::Value>>;

  Lanes lanesOf(const Seen &seen);
  mlir::Value largestScores(llvm::ArrayRef<mlir::Value> vectors);
  mlir::Value exp2(mlir::Value x);
  void emitWeights(llvm::ArrayRef<Lanes> seen, int64_t token, mlir::Value row);
  mlir::Value emitTile(int64_t tile, mlir::Value row, llvm::ArrayRef<mlir::Value> powers, mlir::Value total);

  KernelEmitter &e;
  int64_t heads, rows;
  double scale; ///< In powers of two, not of e.
  TileElements elements;
  // float32: scores of [blockTiles][rows][tileTokens]; of each row the largest scaled score so far, the factor of the
  // last block, and 16 partial sums of weights.
  mlir::Value scores, largest, factors, totals;
  mlir::Value rounded; ///< [blockTiles][rows] weights; the scores' place where they are as wide.
};

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_CPU_ONLINESOFTMAX_H
