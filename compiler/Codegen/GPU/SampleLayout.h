// SPDX-License-Identifier: Apache-2.0
//
// How a row of logits is cut among blocks, and where they leave for one another what they have found.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_SAMPLELAYOUT_H
#define YUPANA_COMPILER_CODEGEN_GPU_SAMPLELAYOUT_H

#include "dialects/Kernel/IR/Kernel.h"

namespace yupana::codegen::cuda {

struct SampleLayout {
  explicit SampleLayout(int64_t vocabulary);

  /// Threads of a block; how often blocks share out a row, each time after what the time before has found.
  static constexpr int64_t threads = 256, phases = 3;
  /// Most ids that a filter may come to cut among and that are listed for one block.
  static constexpr int64_t entries = 1024;

  int64_t vocabulary;
  int64_t perLoad;   ///< Logits side by side in a load.
  int64_t threadIds; ///< Neighbouring ids that a thread has of a part.
  int64_t partIds;   ///< Of a part, which a block has.
  int64_t parts;     ///< Of a row, no more than threads.
  int64_t bins;      ///< Equal ranges of logits below the largest; the last has all that is too low to have a mass.

  // The state of a row in bytes from where it begins: 0 at first and at last.
  static constexpr int64_t best = 0;        ///< The largest order: i64.
  static constexpr int64_t lowest = 8;      ///< The complement of the lowest finite key above its sign: i32.
  static constexpr int64_t stage = 12;      ///< Phases whose results are there: i32.
  static constexpr int64_t arrivals = 16;   ///< Blocks that are done, of each phase: i32.
  static constexpr int64_t entryCount = 28; ///< i32.
  static constexpr int64_t borders = 32;    ///< As SampleBorders stores them.
  static constexpr int64_t sums = 80;       ///< Masses of each part that are certain to be kept: i64.
  int64_t counts, masses;                   ///< Of each bin: i32, i64.
  int64_t list;                             ///< Orders of ids that may be kept: i64.
  int64_t rowBytes;
};

/// The workspaces of an op: the states of its rows, and how many blocks have begun.
llvm::SmallVector<kernel::ViewType> workspacesOf(kernel::SampleOp op);

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_SAMPLELAYOUT_H
