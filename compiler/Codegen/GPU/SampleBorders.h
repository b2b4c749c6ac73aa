// SPDX-License-Identifier: Apache-2.0
//
// Between which ids the filters of a row cut, as far as sums of bins tell.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_SAMPLEBORDERS_H
#define YUPANA_COMPILER_CODEGEN_GPU_SAMPLEBORDERS_H

#include "compiler/Codegen/GPU/SampleBlock.h"
#include "compiler/Codegen/GPU/SampleRow.h"

namespace yupana::codegen::cuda {

/// How many ids, and the sum of their masses: i64.
struct SampleMeasure {
  mlir::Value count, mass;
};

/// Ids of bins before `first` are kept. Those of bins up to `last` may be, and which of them it is may depend on which
/// of the bin `ofTopK` top k keeps; the rest is dropped. All three are `bins` where nothing is cut.
struct SampleBorders {
  mlir::Value first, last, ofTopK; ///< i32.
  mlir::Value isListed;            ///< i1: the ids of these bins are few enough to be listed.
  SampleMeasure aboveTopK;         ///< Of the bins before `ofTopK`.
  mlir::Value massAboveFirst;

  /// True if an id of the bin is among those that are listed.
  mlir::Value lists(KernelEmitter &e, mlir::Value bin) const;

  static SampleBorders load(KernelEmitter &e, SampleRow &row);
  void store(KernelEmitter &e, SampleRow &row) const;
};

/// Finds the borders of a row whose ids all blocks have counted into bins. All threads call it.
SampleBorders findBorders(KernelEmitter &e, SampleBlock &block, SampleRow &row, const SampleLayout &layout);

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_SAMPLEBORDERS_H
