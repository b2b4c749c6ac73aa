// SPDX-License-Identifier: Apache-2.0
//
// From a library to its image: every kernel becomes an object file (Jobs.h says how they are run), and all objects in
// the order of the kernels one shared object, so that a plan maps its code once. Linking has its place behind the jobs
// and not in them: objects come from the cache or from a process, images belong to a plan.

#include "compiler/Codegen/CPU/CodegenCPU.h"
#include "compiler/Codegen/CPU/Kernels.h"
#include "compiler/Codegen/CPU/Object.h"
#include "compiler/Codegen/Common/LoweredKernel.h"
#include "compiler/Codegen/Jobs/Jobs.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

static Result<CompiledKernel> compileKernel(const KernelJob &job, const Target &target) {
  constexpr KernelLowering lowering = {registerCodegenDialects, emitKernel, buildCpuLowerPipeline};
  YUPANA_ASSIGN_OR_RETURN(LoweredKernel lowered, LoweredKernel::lower(job, target, lowering));
  CompiledKernel compiled;
  compiled.scratchBytes = lowered.takeNumber(scratchBytesName);
  YUPANA_ASSIGN_OR_RETURN(MachineCode object, compileToObject(lowered.getModule(), target, job.symbol));
  compiled.code.push_back({plan::ImageFormat::ElfX86, std::move(object.bytes)});
  compiled.llvmIR = std::move(object.llvmIR);
  return compiled;
}

Result<CompiledLibrary> codegen::compileCpuLibrary(kernel::LibraryOp library, const Target &target,
                                                   const CodegenOptions &options, const std::string &lldPath) {
  YUPANA_ASSIGN_OR_RETURN(std::vector<CompiledKernel> kernels,
                          compileKernels(library, options, fmt::format("target {}", target.name),
                                         [&](const KernelJob &job) { return compileKernel(job, target); }));
  CompiledLibrary compiled;
  std::vector<std::string> objects;
  for (auto [func, kernel] : llvm::zip_equal(library.getOps<kernel::FuncOp>(), kernels)) {
    compiled.kernels.push_back({func.getSymName().str(), kernel.scratchBytes, /*sharedBytes=*/0, {KernelImage{0}}});
    objects.push_back(std::move(kernel.code.front().bytes));
  }
  YUPANA_ASSIGN_OR_RETURN(std::string elf, linkObjects(objects, lldPath, options.output));
  compiled.images.push_back({plan::ImageFormat::ElfX86, std::move(elf)});
  return compiled;
}
