// SPDX-License-Identifier: Apache-2.0
//
// Where filters cut, to the id: what a filter leaves is said by one order, that of the last id that stays.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_SAMPLEFILTERS_H
#define YUPANA_COMPILER_CODEGEN_GPU_SAMPLEFILTERS_H

#include "compiler/Codegen/GPU/SampleBorders.h"

#include <functional>

namespace yupana::codegen::cuda {

/// The ids that filters may cut among, and what is above all of them.
struct SampleChoice {
  using Values = OpEmitter::Values;
  /// An id, and whether it is one of those that top k, and that top p, cuts among.
  struct Entry {
    mlir::Value order, mass, ofTopK, ofTopP;
  };
  using Body = llvm::function_ref<Values(const Entry &, mlir::ValueRange carried)>;

  /// Runs the body for the ids of a thread.
  std::function<Values(mlir::ValueRange init, Body)> each;
  /// All orders are above `low` and none is above `high`.
  mlir::Value low, high;
  mlir::Value hasTopK, hasTopP; ///< False where the filter drops nothing.
  SampleMeasure aboveTopK;      ///< What is above those that top k cuts among; its mass is all where it drops nothing.
  mlir::Value massAboveTopP;    ///< The same for top p.
};

/// The order from which on ids stay. All threads call it, and all get it.
mlir::Value findCut(KernelEmitter &e, SampleBlock &block, SampleRow &row, const SampleChoice &choice);

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_SAMPLEFILTERS_H
