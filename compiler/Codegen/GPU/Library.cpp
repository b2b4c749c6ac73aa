// SPDX-License-Identifier: Apache-2.0
//
// From a library to its images. Every kernel has images of its own, one for each format that was asked for, since
// that is how kernels are made: in processes of their own, from a cache. A driver takes them as they are, so that no
// link step stands between. The order of images is that of kernels, then of formats.
#include "compiler/Codegen/Common/LoweredKernel.h"
#include "compiler/Codegen/GPU/CodegenGPU.h"
#include "compiler/Codegen/GPU/Emitter.h"
#include "compiler/Codegen/GPU/Kernels.h"
#include "compiler/Codegen/GPU/Serializer.h"
#include "compiler/Codegen/Jobs/Jobs.h"
#include "compiler/Codegen/Jobs/Tools.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

namespace {

/// What compiles the kernels of one library.
class KernelCompiler {
public:
  KernelCompiler(const Target &target, ArrayRef<plan::ImageFormat> formats, const std::string &output)
      : target(target), formats(formats), output(output) {}

  /// Finds the tools that the formats need.
  Result<void> prepare();
  /// All that a kernel's code depends on beside its text.
  std::string made() const;
  Result<CompiledKernel> compile(const KernelJob &job) const;

private:
  Result<KernelCode> code(plan::ImageFormat format, const std::string &ptx, const std::string &symbol) const;

  const Target &target;
  ArrayRef<plan::ImageFormat> formats;
  const std::string &output;
  std::optional<cuda::Assembler> assembler;
  std::optional<TemporaryFolder> folder;
};

} // namespace

Result<void> KernelCompiler::prepare() {
  if (!llvm::is_contained(formats, plan::ImageFormat::Cubin))
    return {};
  YUPANA_ASSIGN_OR_RETURN(assembler, cuda::Assembler::find(output));
  YUPANA_ASSIGN_OR_RETURN(TemporaryFolder created, TemporaryFolder::create(output));
  folder.emplace(std::move(created));
  return {};
}

std::string KernelCompiler::made() const {
  auto names =
      llvm::map_range(formats, [](plan::ImageFormat format) { return plan::stringifyImageFormat(format).str(); });
  return fmt::format("target {} as {} by ptxas {}", target.name,
                     fmt::join(std::vector<std::string>(names.begin(), names.end()), ","),
                     assembler ? assembler->version() : "none");
}

Result<KernelCode> KernelCompiler::code(plan::ImageFormat format, const std::string &ptx,
                                        const std::string &symbol) const {
  if (format == plan::ImageFormat::Cubin)
    return assembler->assemble(ptx, target, symbol, folder->file(""));
  return KernelCode{format, ptx};
}

Result<CompiledKernel> KernelCompiler::compile(const KernelJob &job) const {
  constexpr KernelLowering lowering = {cuda::registerCodegenGPUDialects, cuda::emitKernel, cuda::buildGpuLowerPipeline};
  YUPANA_ASSIGN_OR_RETURN(LoweredKernel lowered, LoweredKernel::lower(job, target, lowering));
  CompiledKernel kernel;
  kernel.sharedBytes = lowered.takeNumber(cuda::sharedBytesName);
  YUPANA_ASSIGN_OR_RETURN(MachineCode text, cuda::writePtx(lowered.getModule(), target, job.symbol));
  kernel.llvmIR = std::move(text.llvmIR);
  for (plan::ImageFormat format : formats) {
    YUPANA_ASSIGN_OR_RETURN(KernelCode made, code(format, text.bytes, job.symbol));
    kernel.code.push_back(std::move(made));
  }
  return kernel;
}

Result<CompiledLibrary> codegen::compileGpuLibrary(kernel::LibraryOp library, const Target &target,
                                                   const CodegenOptions &options) {
  std::vector<plan::ImageFormat> formats = options.formats;
  if (formats.empty())
    formats.push_back(plan::ImageFormat::Cubin);
  KernelCompiler compiler(target, formats, options.output);
  YUPANA_RETURN_IF_ERROR(compiler.prepare());
  YUPANA_ASSIGN_OR_RETURN(
      std::vector<CompiledKernel> kernels,
      compileKernels(library, options, compiler.made(), [&](const KernelJob &job) { return compiler.compile(job); }));
  CompiledLibrary compiled;
  for (auto [func, kernel] : llvm::zip_equal(library.getOps<kernel::FuncOp>(), kernels)) {
    LibraryKernel entry{func.getSymName().str(), /*scratchBytes=*/0, kernel.sharedBytes, {}, cuda::overlaps(target)};
    for (KernelCode &code : kernel.code) {
      entry.images.push_back({compiled.images.size(), code.registers, code.sharedBytes, code.spillBytes});
      compiled.images.push_back({code.format, std::move(code.bytes)});
    }
    compiled.kernels.push_back(std::move(entry));
  }
  return compiled;
}
