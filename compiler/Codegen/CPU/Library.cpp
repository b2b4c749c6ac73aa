// SPDX-License-Identifier: Apache-2.0
//
// Kernels are compiled in parallel, each from its text in a context of its own: nothing one does can reach another, so
// neither their number nor their order shows in the result.
#include "compiler/Codegen/CPU/Kernels.h"
#include "compiler/Codegen/CPU/Object.h"

#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <atomic>
#include <thread>

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

namespace {

struct Job {
  std::string symbol;
  std::string text; ///< A module with a library that holds this kernel alone.
};

/// The first error reported in a context.
class FirstError {
public:
  explicit FirstError(MLIRContext *context)
      : handler(context, [this](Diagnostic &diagnostic) {
          if (diagnostic.getSeverity() == DiagnosticSeverity::Error && message.empty())
            message = diagnostic.str();
          return success();
        }) {}

  Error as(ExitCode code, const std::string &symbol) const {
    return makeError(code, "kernel {}: {}", symbol,
                     message.empty() ? std::string("failed without a message") : message);
  }

private:
  std::string message;
  ScopedDiagnosticHandler handler;
};

void registerDialects(DialectRegistry &registry) {
  registry.insert<arith::ArithDialect, cf::ControlFlowDialect, LLVM::LLVMDialect, mlir::math::MathDialect,
                  scf::SCFDialect, vector::VectorDialect, kernel::KernelDialect>();
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
}

Result<CompiledKernel> compileKernel(const Job &job, const Target &target) {
  DialectRegistry registry;
  registerDialects(registry);
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  FirstError error(&context);
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(job.text, ParserConfig(&context));
  if (!module)
    return error.as(ExitCode::Internal, job.symbol);

  auto library = *module->getOps<kernel::LibraryOp>().begin();
  if (failed(emitKernel(*library.getOps<kernel::FuncOp>().begin(), target)))
    return error.as(ExitCode::Unsupported, job.symbol);
  module->getBody()->getOperations().splice(module->getBody()->end(), library.getBody().front().getOperations());
  library.erase();

  PassManager passes(&context);
  buildCpuLowerPipeline(passes);
  if (failed(passes.run(*module)))
    return error.as(ExitCode::Unsupported, job.symbol);
  auto function = *module->getOps<LLVM::LLVMFuncOp>().begin();
  auto scratchBytes = cast<IntegerAttr>(function->removeAttr(scratchBytesName));
  YUPANA_ASSIGN_OR_RETURN(CompiledKernel compiled, compileToObject(*module, target, job.symbol));
  compiled.scratchBytes = scratchBytes.getInt();
  return compiled;
}

std::vector<Job> listJobs(kernel::LibraryOp library) {
  std::vector<Job> jobs;
  for (kernel::FuncOp func : library.getOps<kernel::FuncOp>()) {
    Job job{func.getSymName().str(), {}};
    llvm::raw_string_ostream stream(job.text);
    stream << "kernel.library @library target \"" << library.getTarget() << "\" {\n";
    func->print(stream, OpPrintingFlags().useLocalScope());
    stream << "\n}\n";
    jobs.push_back(std::move(job));
  }
  return jobs;
}

Result<void> dumpKernel(const Job &job, const CompiledKernel &kernel, const std::string &folder) {
  if (std::error_code error = llvm::sys::fs::create_directories(folder))
    return makeError(ExitCode::OutOfSpace, "{}: cannot be created: {}", folder, error.message());
  const std::pair<const char *, const std::string &> files[] = {
      {".mlir", job.text}, {".ll", kernel.llvmIR}, {".o", kernel.object}};
  for (const auto &[extension, content] : files) {
    llvm::SmallString<128> path(folder);
    llvm::sys::path::append(path, job.symbol + extension);
    std::error_code error;
    llvm::raw_fd_ostream stream(path, error);
    if (error)
      return makeError(ExitCode::OutOfSpace, "{}: cannot be written: {}", path.c_str(), error.message());
    stream << content;
  }
  return {};
}

/// The kernels' results, in their order.
std::vector<std::optional<Result<CompiledKernel>>> runJobs(const std::vector<Job> &jobs, const Target &target,
                                                           unsigned workers) {
  std::vector<std::optional<Result<CompiledKernel>>> results(jobs.size());
  std::atomic<size_t> next = 0;
  auto work = [&] {
    for (size_t i = next++; i < jobs.size(); i = next++)
      results[i] = compileKernel(jobs[i], target);
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < std::min<size_t>(workers, jobs.size()); ++i)
    threads.emplace_back(work);
  work();
  for (std::thread &thread : threads)
    thread.join();
  return results;
}

} // namespace

Result<CompiledLibrary> codegen::compileCpuLibrary(kernel::LibraryOp library, const Target &target,
                                                   const CodegenOptions &options, const std::string &lldPath) {
  std::vector<Job> jobs = listJobs(library);
  CompiledLibrary compiled;
  std::vector<std::string> objects;
  auto results = runJobs(jobs, target, options.jobs);
  for (size_t i = 0; i < jobs.size(); ++i) {
    YUPANA_ASSIGN_OR_RETURN(CompiledKernel kernel, std::move(*results[i]));
    if (options.dumpDirectory)
      YUPANA_RETURN_IF_ERROR(dumpKernel(jobs[i], kernel, *options.dumpDirectory));
    compiled.kernels.push_back({jobs[i].symbol, kernel.scratchBytes, /*sharedBytes=*/0, {KernelImage{0}}});
    objects.push_back(std::move(kernel.object));
  }
  YUPANA_ASSIGN_OR_RETURN(std::string elf, linkObjects(objects, lldPath));
  compiled.images.push_back({plan::ImageFormat::ElfX86, std::move(elf)});
  return compiled;
}
