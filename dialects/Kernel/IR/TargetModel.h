// SPDX-License-Identifier: Apache-2.0
//
// What passes ask about a target. A back end answers (compiler/Codegen); the dialect finds it by the target's name, so
// that no pass knows an instruction set.

#ifndef YUPANA_DIALECTS_KERNEL_IR_TARGETMODEL_H
#define YUPANA_DIALECTS_KERNEL_IR_TARGETMODEL_H

#include "dialects/Kernel/IR/Kernel.h"

namespace yupana::kernel {

class TargetModel {
public:
  virtual ~TargetModel() = default;

  /// As the command line, a plan and the config of a kernel name it.
  virtual llvm::StringRef getName() const = 0;

  //===--------------------------------------------------------------------===//
  // Decided once per target: what every step program shares
  //===--------------------------------------------------------------------===//

  /// The form of a weight that products multiply by; an id of runtime/schema/forms.h.
  virtual llvm::StringRef getWeightForm(mlir::Type elementType) const = 0;

  /// How keys and values lie in pages; an id of the cache layouts of runtime/schema/forms.h.
  virtual llvm::StringRef getCacheLayout(mlir::Type elementType) const = 0;

  /// Positions in a page of a cache: whole tiles of its layout.
  virtual int64_t getPageTokens() const { return 64; }

  /// The distance in bytes at which addresses fall into one set of the first-level cache; 0 if the target's products
  /// read no rows where they lie.
  virtual int64_t getCriticalStride() const { return 0; }

  /// Rows of either half of an interleaved weight that follow one another.
  virtual int64_t getPairRun() const = 0;

  /// Most features under one partial sum of squares: those that the kernel that stores a row has at hand together.
  virtual int64_t getMaxPartialFeatures() const = 0;

  /// True if factors that depend on the row alone should be applied to accumulators, not to the rows that are
  /// multiplied. Changes which value is rounded, so it holds for every program.
  virtual bool hoistsRowScale() const { return false; }

  /// In which order `op`, which adds up, does so for operands of its types.
  virtual NumericsAttr getNumerics(LaunchedOpInterface op) const = 0;

  /// The same for an op that states its numerics, in a program for steps of at most `maxTokens` tokens. Only where
  /// programs do not agree may it differ from what the op states.
  virtual NumericsAttr getProgramNumerics(LaunchedOpInterface op, int64_t maxTokens) const {
    return op.getNumericsAttr();
  }

  /// True if every step program gives a token the same bits: then neither how a prompt is cut into steps nor who shares
  /// a step shows in the results.
  virtual bool programsAgree() const { return false; }

  //===--------------------------------------------------------------------===//
  // Decided per step program
  //===--------------------------------------------------------------------===//

  /// The largest T of every step program, ascending; the last is `maxTokens`.
  virtual llvm::SmallVector<int64_t> getStepBuckets(int64_t maxTokens) const = 0;

  /// True if a product whose weight is chosen by expert and one whose weight is not should be one kernel, in a program
  /// for steps of at most `maxTokens` tokens.
  virtual bool joinsSharedProducts(int64_t maxTokens) const = 0;

  /// Most features that a product may sum together in its epilogue. A cell of a gemm covers whole groups, so larger
  /// groups make fewer cells.
  virtual int64_t getMaxGroupFeatures() const { return 256; }

  /// True if a cell of `gemm` can hold groups of `group` features, or of as many pairs where it has pairs: a cell
  /// covers whole groups and whole tiles of the weight, which can be many. `gemm` has the form of its weights already.
  virtual bool holdsGroups(GemmOp gemm, int64_t group) const { return true; }

  /// True if rows should be sorted by expert before products by expert, in a program for steps of at most `maxTokens`
  /// tokens; else every expert's kernel finds its rows among the choices. Rows of other products are then placed, too:
  /// they lie in the sorted form before a product reads them.
  virtual bool sortsRows(int64_t maxTokens) const { return false; }

  /// Where rows are sorted, those of each expert begin at a multiple of this, at least 1. A panel swizzled by row
  /// repeats after 8.
  virtual int64_t getRowAlignment() const { return 8; }

  /// Where rows are sorted, the form of those that products read and do nothing else with.
  virtual llvm::StringRef getSortedForm() const { return "rows128"; }

  /// The choices for a launched op, which is no kernel.parallel, in a program for steps of at most `maxTokens` tokens.
  virtual ConfigAttrInterface chooseConfig(LaunchedOpInterface op, int64_t maxTokens) const = 0;

  /// The memory that a configured launch needs for what its blocks leave for one another; empty where it needs none.
  /// The launch finds it zero and leaves it zero.
  virtual llvm::SmallVector<ViewType> getWorkspaces(LaunchedOpInterface launch) const { return {}; }

  /// The number of blocks of a kernel.parallel of configured members whose work they share out; null where each member
  /// has cells of its own, which then follow one another.
  virtual GridAttr getSharedGrid(ParallelOp op) const { return {}; }

  /// The number of cells of a configured op. An error at `op`, and null, where its config does not belong to the
  /// target.
  virtual GridAttr getGrid(LaunchedOpInterface op) const = 0;

  /// Every config worth timing for a launched op, which is no kernel.parallel, in such a program; the first is that of
  /// chooseConfig(). With each of them the op computes the same bits. Members of one launch may take theirs by number.
  virtual llvm::SmallVector<ConfigAttrInterface> listConfigs(LaunchedOpInterface op, int64_t maxTokens) const {
    return {chooseConfig(op, maxTokens)};
  }
};

/// The model of the target called `name`; null, with an error at `op`, when `name` is empty or no back end of this
/// compiler answers to it.
const TargetModel *lookupTarget(mlir::Operation *op, llvm::StringRef name);

} // namespace yupana::kernel

#endif
