// SPDX-License-Identifier: Apache-2.0
//
// A file of timings (compiler/Support/TimingFile.h) as a pass and the driver use it.
#ifndef YUPANA_PASSES_SCHEDULE_TIMINGS_H
#define YUPANA_PASSES_SCHEDULE_TIMINGS_H

#include "compiler/Support/TimingFile.h"
#include "dialects/Kernel/IR/TargetModel.h"

#include "llvm/ADT/StringMap.h"

namespace yupana {

/// The configs that were the fastest, by target and kernel.
class Timings {
public:
  using Configs = llvm::SmallVector<kernel::ConfigAttrInterface>;

  /// Reads the file. The errors of readTimingFile(); ExitCode::InvalidInput also for a target that no back end answers
  /// to, and for a config that is none or belongs to another target.
  static Result<Timings> read(const std::string &path, mlir::MLIRContext &context);

  /// Of all members of a launch, in order; null where the file has none.
  const Configs *find(llvm::StringRef target, llvm::StringRef signature) const;
  /// Entries for a target.
  size_t count(llvm::StringRef target) const;

private:
  llvm::StringMap<llvm::StringMap<Configs>> targets;
};

} // namespace yupana

#endif // YUPANA_PASSES_SCHEDULE_TIMINGS_H
