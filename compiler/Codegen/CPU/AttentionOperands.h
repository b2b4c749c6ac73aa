// SPDX-License-Identifier: Apache-2.0
//
// Where attention finds what it reads and writes: rows of tokens, and tiles of keys and values in the pages of a cache.
#ifndef YUPANA_COMPILER_CODEGEN_CPU_ATTENTIONOPERANDS_H
#define YUPANA_COMPILER_CODEGEN_CPU_ATTENTIONOPERANDS_H

#include "compiler/Codegen/CPU/OnlineSoftmax.h"

namespace yupana::codegen {

class AttentionOperands {
public:
  AttentionOperands(KernelEmitter &e, kernel::AttentionOp op);

  /// Where a tile of keys and its values are, and which of its positions tokens see.
  struct Tile {
    mlir::Value keys, values;
    OnlineSoftmax::Seen seen;
  };

  /// The position and the sequence of a token, as i64.
  mlir::Value position(mlir::Value token);
  mlir::Value sequence(mlir::Value token);
  /// The first position that a token at `position` sees: with chunked attention that of its chunk.
  mlir::Value lowest(mlir::Value position);
  /// Where the queries, or outputs, of a token and key head lie: [group][width] elements.
  mlir::Value rowsOf(mlir::Value view, mlir::Value token, mlir::Value head);
  /// Looks up the page of tile `index`, which tokens at these positions see.
  Tile enterTile(mlir::Value index, mlir::Value sequence, mlir::Value head, mlir::Value low,
                 llvm::ArrayRef<mlir::Value> positions);
  /// Which positions of tile `index` they see. Every position is at least `low`.
  OnlineSoftmax::Seen see(mlir::Value index, mlir::Value low, llvm::ArrayRef<mlir::Value> positions);
  /// Runs body(first, count) for the blocks of a softmax from the one of `low` to the one of `position`: for those of
  /// their tiles, numbered from `first` on, that have a position between the two. Their number is a value, or known.
  void forBlocks(mlir::Value position, mlir::Value low,
                 llvm::function_ref<void(mlir::Value first, mlir::Value count)> body);
  void forTiles(mlir::Value position, mlir::Value low, llvm::function_ref<void(mlir::Value first, int64_t count)> body);
  /// Runs body(token, head, last) for the tokens of each head that are among the cells of a call, ascending up to
  /// `last`. It gives how many tokens it took, at most `most`, and is not run for those it took beyond the first.
  void forTokens(int64_t most,
                 llvm::function_ref<mlir::Value(mlir::Value token, mlir::Value head, mlir::Value last)> body);
  /// Bytes from a feature, or pair of features, in a tile of keys to the next.
  int64_t keyStepBytes();

  const int64_t width, heads, group; ///< Elements of a head, key heads, query heads of a key head.
  const int64_t bytes;               ///< Of an element of the cache.

private:
  KernelEmitter &e;
  kernel::AttentionOp op;
};

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_CPU_ATTENTIONOPERANDS_H
