// SPDX-License-Identifier: Apache-2.0
//
// A kernel is compiled from its text, in a context and a process of its own: nothing that one does can reach another,
// so neither their number nor their order shows in the result, and the text is all that a cache has to be asked for.
// Whatever else decides about the code (the program itself, LLVM's version, the formats asked for) is part of the key.
// Kernels come back in the order of the library and not in that of their completion.

#include "compiler/Codegen/Jobs/Jobs.h"

#include "compiler/Codegen/Jobs/KernelCache.h"
#include "compiler/Codegen/Jobs/Tools.h"
#include "compiler/Codegen/Jobs/Workers.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

FirstError::FirstError(MLIRContext *context)
    : handler(context, [this](Diagnostic &diagnostic) {
        // Later errors mostly follow from the first.
        if (diagnostic.getSeverity() == DiagnosticSeverity::Error && message.empty())
          message = diagnostic.str();
        return success();
      }) {}

Error FirstError::as(ExitCode code, const std::string &symbol) const {
  return makeError(code, "kernel {}: {}", symbol, message.empty() ? std::string("failed without a message") : message);
}

/// A job for each kernel, in the order of the library.
static std::vector<KernelJob> listJobs(kernel::LibraryOp library) {
  std::vector<KernelJob> jobs;
  for (kernel::FuncOp func : library.getOps<kernel::FuncOp>()) {
    KernelJob job{func.getSymName().str(), {}};
    llvm::raw_string_ostream stream(job.text);
    // A library of one kernel, under a name of its own, so that equal kernels of two libraries share an entry.
    stream << "kernel.library @library target \"" << library.getTarget() << "\" {\n";
    // In local scope: without aliases, which would stand outside the text.
    func->print(stream, OpPrintingFlags().useLocalScope());
    stream << "\n}\n";
    jobs.push_back(std::move(job));
  }
  return jobs;
}

static const char *extensionOf(plan::ImageFormat format) {
  switch (format) {
  case plan::ImageFormat::ElfX86:
    return ".o";
  case plan::ImageFormat::Cubin:
    return ".cubin";
  case plan::ImageFormat::Ptx:
    return ".ptx";
  }
  return "";
}

/// Writes what a kernel was made from and what it became, for people; what is there already is replaced.
static Result<void> dumpKernel(const KernelJob &job, const CompiledKernel &kernel, const std::string &folder) {
  if (std::error_code error = llvm::sys::fs::create_directories(folder))
    return makeError(ExitCode::OutOfSpace, "{}: cannot be created: {}", folder, error.message());
  auto write = [&](const char *extension, const std::string &content) {
    llvm::SmallString<128> path(folder);
    llvm::sys::path::append(path, job.symbol + extension);
    return writeFile(path.str().str(), content);
  };
  YUPANA_RETURN_IF_ERROR(write(".mlir", job.text));
  YUPANA_RETURN_IF_ERROR(write(".ll", kernel.llvmIR));
  for (const KernelCode &code : kernel.code)
    YUPANA_RETURN_IF_ERROR(write(extensionOf(code.format), code.bytes));
  return {};
}

Result<std::vector<CompiledKernel>>
codegen::compileKernels(kernel::LibraryOp library, const CodegenOptions &options, StringRef made,
                        function_ref<Result<CompiledKernel>(const KernelJob &)> compile) {
  std::vector<KernelJob> jobs = listJobs(library);
  std::vector<std::optional<CompiledKernel>> kernels(jobs.size());
  std::optional<KernelCache> cache;
  std::vector<std::string> keys;
  if (options.cacheDirectory) {
    YUPANA_ASSIGN_OR_RETURN(cache, KernelCache::open(*options.cacheDirectory));
    for (auto [job, kernel] : llvm::zip_equal(jobs, kernels)) {
      // The program that compiles, what else decides, the kernel's text.
      keys.push_back(fmt::format("{}\n{}\n{}", compilerIdentity(), made.str(), job.text));
      kernel = cache->find(keys.back());
    }
  }

  // What the cache lacks is compiled; `missing` takes a job of the pool back to its kernel.
  std::vector<size_t> missing;
  std::vector<std::string> names;
  for (size_t i = 0; i < jobs.size(); ++i)
    if (!kernels[i]) {
      missing.push_back(i);
      names.push_back(jobs[i].symbol);
    }
  YUPANA_ASSIGN_OR_RETURN(std::vector<std::string> packed,
                          runInProcesses(names, options.jobs, [&](size_t i) -> Result<std::string> {
                            YUPANA_ASSIGN_OR_RETURN(CompiledKernel kernel, compile(jobs[missing[i]]));
                            return packKernel(kernel);
                          }));
  for (auto [i, bytes] : llvm::zip_equal(missing, packed)) {
    kernels[i] = unpackKernel(bytes);
    if (!kernels[i])
      return makeError(ExitCode::Internal, "kernel {}: its compilation sent {} bytes that are no kernel",
                       jobs[i].symbol, bytes.size());
    if (cache)
      YUPANA_RETURN_IF_ERROR(cache->keep(keys[i], *kernels[i]));
  }

  std::vector<CompiledKernel> result;
  for (auto [job, kernel] : llvm::zip_equal(jobs, kernels)) {
    if (options.dumpDirectory)
      YUPANA_RETURN_IF_ERROR(dumpKernel(job, *kernel, *options.dumpDirectory));
    result.push_back(std::move(*kernel));
  }
  return result;
}
