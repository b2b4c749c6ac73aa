// SPDX-License-Identifier: Apache-2.0
//
// From a library to its image: every kernel becomes an object file (Jobs.h says how they are run), and all objects in
// the order of the kernels one shared object, so that a plan maps its code once.
#include "compiler/Codegen/CPU/Kernels.h"
#include "compiler/Codegen/CPU/Object.h"
#include "compiler/Codegen/Jobs/Jobs.h"

#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

namespace {

void registerDialects(DialectRegistry &registry) {
  registry.insert<arith::ArithDialect, cf::ControlFlowDialect, LLVM::LLVMDialect, mlir::math::MathDialect,
                  scf::SCFDialect, vector::VectorDialect, kernel::KernelDialect>();
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
}

Result<CompiledKernel> compileKernel(const KernelJob &job, const Target &target) {
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
  YUPANA_ASSIGN_OR_RETURN(CompiledObject object, compileToObject(*module, target, job.symbol));
  CompiledKernel compiled;
  compiled.code.push_back({plan::ImageFormat::ElfX86, std::move(object.bytes)});
  compiled.llvmIR = std::move(object.llvmIR);
  compiled.scratchBytes = scratchBytes.getInt();
  return compiled;
}

} // namespace

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
  YUPANA_ASSIGN_OR_RETURN(std::string elf, linkObjects(objects, lldPath));
  compiled.images.push_back({plan::ImageFormat::ElfX86, std::move(elf)});
  return compiled;
}
