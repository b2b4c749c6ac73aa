// SPDX-License-Identifier: Apache-2.0
//
// Filling a plan that was compiled without weights.
#ifndef YUPANA_COMPILER_DRIVER_REFIT_H
#define YUPANA_COMPILER_DRIVER_REFIT_H

#include "compiler/Driver/Driver.h"

namespace yupana {

struct RefitOptions {
  std::string plan;       ///< Compiled with CompileOptions::stripWeights.
  std::string checkpoint; ///< A folder in Hugging Face form.
  std::string output;     ///< The plan to write; ExitCode::Usage when it is `plan` or a file of the checkpoint.
  /// Demand the values that the plan was compiled from: ExitCode::BadDigest for others, ExitCode::InvalidInput for a
  /// plan that was compiled from a configuration alone and knows no values.
  bool sameDigests = false;
  bool allowNonFinite = false; ///< As in CompileOptions.
  unsigned jobs = 1;           ///< Threads; at least 1. The plan does not depend on it.
  Observer observer;
};

/// Writes the plan with every weight it lacks made from the checkpoint, whose tensors may be arranged otherwise than
/// those the plan was compiled from: another prefix, other shards, experts fused or one by one, other element types.
/// Code, tables, name, tokenizer and all else are the plan's. From the checkpoint that the plan was compiled from this
/// gives what compiling it with its weights gives, byte for byte.
///
/// ExitCode::InvalidInput, and no file, when the plan lacks no weights or the checkpoint has other shapes;
/// ExitCode::BadDigest for a damaged plan; else the codes of compile().
Result<CompileSummary> refit(const RefitOptions &options);

} // namespace yupana

#endif // YUPANA_COMPILER_DRIVER_REFIT_H
