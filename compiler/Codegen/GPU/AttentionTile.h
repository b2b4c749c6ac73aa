// SPDX-License-Identifier: Apache-2.0
//
// The tokens of a block that attends from several at once: of one sequence as many as fill the rows of a tile with
// their query heads. Row i of the tile is query head i mod G of token i div G, for G heads of a group.
//
// A tile ends where tokens of the step begin that are a multiple of its size, and where a sequence ends. So row r
// belongs to tile number r div N + its sequence, and all rows of one number follow one another: numbers ascend in the
// step, which is how a block finds its tile without a list of them. Some numbers have no rows.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_ATTENTIONTILE_H
#define YUPANA_COMPILER_CODEGEN_GPU_ATTENTIONTILE_H

#include "compiler/Codegen/GPU/Attention.h"

namespace yupana::codegen::cuda {

/// A row as the step has it.
struct TileRow {
  mlir::Value isThere; ///< An i1: tiles end early.
  mlir::Value
      index; ///< Its number among the query heads of all tokens, an i64; of the last token where it is not there.
  mlir::Value low, position; ///< The first and the last position that it sees.
};

class TokenTile {
public:
  TokenTile(AttentionCell &cell, int64_t rows);

  /// Finds the tile of the block, and the cell's sequence and key head. True if it has rows; else nothing else here may
  /// be used.
  mlir::Value enter();
  TileRow rowAt(mlir::Value number);

  mlir::Value begin, end;      ///< Its tokens.
  mlir::Value low, high;       ///< The positions that one of them sees at least, [low, high).
  mlir::Value allLow, allHigh; ///< Those that all of them see.

private:
  mlir::Value sequenceOf(mlir::Value token);
  mlir::Value firstToken(mlir::Value number);
  mlir::Value countTokens();

  AttentionCell &cell;
  KernelEmitter &e;
  int64_t tokens; ///< Most of them.
  mlir::Value allTokens;
};

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_ATTENTIONTILE_H
