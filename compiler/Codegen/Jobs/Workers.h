// SPDX-License-Identifier: Apache-2.0
#ifndef YUPANA_COMPILER_CODEGEN_JOBS_WORKERS_H
#define YUPANA_COMPILER_CODEGEN_JOBS_WORKERS_H

#include "compiler/Support/Error.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <string>
#include <vector>

namespace yupana::codegen {

/// Runs `work(i)` for every i below names.size(), each in a process of its own, at most `workers` (at least 1) at once,
/// and returns what they gave, in order. The process is a fork of this one: it sees all of its memory as it is now, and
/// nothing that it changes is seen here.
///
/// Fails with the error of the lowest i that has one. A process that crashes is ExitCode::Internal: the error names
/// names[i], the signal and the first line that the process said on its standard error. ExitCode::OutOfSpace when no
/// process can be started, and for one that is killed or ends itself with that code.
///
/// No other thread of this process may hold a lock that `work` needs; those of malloc do not matter.
Result<std::vector<std::string>> runInProcesses(llvm::ArrayRef<std::string> names, unsigned workers,
                                                llvm::function_ref<Result<std::string>(size_t)> work);

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_JOBS_WORKERS_H
