// SPDX-License-Identifier: Apache-2.0
//
// Attention of several tokens of a sequence at once, as a prompt has them: a block of keys and values is made ready
// once for the query heads of all of them. How it is multiplied is up to who derives from this.
//
// Rows are numbered by units of 16, which have the query heads of as many tokens as fill them, so that the softmax
// takes a unit as one vector.
#ifndef YUPANA_COMPILER_CODEGEN_CPU_GROUPATTENTION_H
#define YUPANA_COMPILER_CODEGEN_CPU_GROUPATTENTION_H

#include "compiler/Codegen/CPU/AttentionOperands.h"

namespace yupana::codegen {

class GroupAttentionEmitter {
public:
  /// Of queries and keys of `elements`, in heads that fit(). Groups have up to `mostUnits` units, and no more tokens
  /// than a tile has positions.
  GroupAttentionEmitter(KernelEmitter &e, kernel::AttentionOp op, TileElements elements, int64_t mostUnits);
  virtual ~GroupAttentionEmitter() = default;

  /// True if heads have whole runs of 32 features, and no more query heads share a key head than a unit has rows.
  static bool fits(kernel::AttentionOp op);

protected:
  using Tile = AttentionOperands::Tile;
  /// Tokens that follow one another, from the first one's position on.
  struct Group {
    mlir::Value token, head, position, count;
  };
  /// How many units have how many tokens each. Rows of tokens beyond the group's last are computed and not stored.
  struct Form {
    mlir::Value units;
    int64_t tokens;
    int64_t knownUnits; ///< The number of units where it is a constant, else 0.
  };
  static constexpr int64_t unitRows = 16;
  /// Features that sums are taken of together.
  static constexpr int64_t sliceWidth = 2 * vectorLanes;
  /// Bytes from the scores of a row, and from its sums, to those of the next.
  static constexpr int64_t scoreBytes = OnlineSoftmax::tileTokens * 4;
  int64_t sumBytes() const { return in.width * 4; }

  /// Writes the code of all cells, group by group.
  void emitCells();
  void emitGroup(const Group &group, Form form);

  /// Writes the code of a group, which may be of a single token, in the form that fits it.
  virtual void chooseForm(const Group &group) = 0;
  /// Scores of all positions of a tile, the number `number` of its block: softmax.score(number, row). Those of
  /// positions that are not seen may be anything.
  virtual void emitScores(const Tile &tile, mlir::Value number, Form form) = 0;
  /// Makes the values of a tile ready. Positions that no token of the group sees count as zeros: pages may hold NaN.
  virtual void enterValues(const Tile &tile, mlir::Value number) = 0;
  /// Takes the sums to the largest scores so far, by softmax.factor(), then adds the values of a block's first `tiles`
  /// tiles, ascending, times softmax.weights(). The group's first token stands `ahead` positions behind the begin of
  /// the first of them.
  virtual void emitValues(mlir::Value tiles, mlir::Value ahead, Form form) = 0;
  /// Writes `count` elements of queries as they are multiplied.
  virtual void enterElements(mlir::Value from, mlir::Value to, int64_t count);

  /// Puts the values of pairs of positions side by side, as a tile of weights has them. Those of 32 features from
  /// `feature` on and of the pair number `pair` go to placeOf(pair, feature).
  void pairValues(const Tile &tile, llvm::function_ref<mlir::Value(mlir::Value pair, mlir::Value feature)> placeOf);
  /// Where the values of a position of the tile are, those of zeros if it is not seen.
  mlir::Value valuesOf(const Tile &tile, mlir::Value position);
  mlir::Value sum(mlir::Value row, mlir::Value feature) {
    return e.element(e.element(sums, row, sumBytes()), feature, 4);
  }

  KernelEmitter &e;
  kernel::AttentionOp op;
  AttentionOperands in;
  TileElements elements;
  const int64_t unitTokens; ///< That fill a unit.
  const int64_t mostUnits, mostRows;
  OnlineSoftmax softmax;
  mlir::Value queries; ///< [mostRows][width], in memory of the worker.

private:
  void emitSoftmax(const Group &group, mlir::Value low, mlir::Value first, mlir::Value count, Form form);
  mlir::Value countTogether(mlir::Value token, mlir::Value last);
  void enterQueries(const Group &group, Form form);
  void emitOutput(const Group &group, Form form);
  mlir::Value rowOf(mlir::Value token, Form form);

  mlir::Value sums;    ///< float32[mostRows][width] weighted sums of values, in memory of the worker.
  mlir::Value nothing; ///< Values of a position that is not seen.
};

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_CPU_GROUPATTENTION_H
