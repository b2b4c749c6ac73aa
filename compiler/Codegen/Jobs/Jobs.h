// SPDX-License-Identifier: Apache-2.0
//
// What the back ends of all targets share: kernels are taken out of a library as text, compiled in processes of their
// own or found in a cache, and dumped for those who ask.
#ifndef YUPANA_COMPILER_CODEGEN_JOBS_JOBS_H
#define YUPANA_COMPILER_CODEGEN_JOBS_JOBS_H

#include "compiler/Codegen/BackEnd.h"
#include "compiler/Codegen/Jobs/CompiledKernel.h"

#include "mlir/IR/Diagnostics.h"

namespace yupana::codegen {

struct KernelJob {
  std::string symbol;
  std::string text; ///< A module with a library that holds this kernel alone.
};

/// Compiles every kernel of `library`, in their order, as `options` say: jobs, cache and dumps (<symbol>.mlir,
/// <symbol>.ll and a file per format). `compile` runs in a process of its own and must depend on nothing but the job
/// and what `made` says: the target, formats, and the tools that take part. Errors name the kernel.
Result<std::vector<CompiledKernel>>
compileKernels(kernel::LibraryOp library, const CodegenOptions &options, llvm::StringRef made,
               llvm::function_ref<Result<CompiledKernel>(const KernelJob &)> compile);

/// The first error reported in a context, for as long as this lives.
class FirstError {
public:
  explicit FirstError(mlir::MLIRContext *context);

  Error as(ExitCode code, const std::string &symbol) const;

private:
  std::string message;
  mlir::ScopedDiagnosticHandler handler;
};

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_JOBS_JOBS_H
