// SPDX-License-Identifier: Apache-2.0
#include "compiler/Codegen/CPU/Object.h"

#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"

#include <mutex>

using namespace yupana;
using namespace yupana::codegen;

extern "C" {
void LLVMInitializeX86TargetInfo();
void LLVMInitializeX86Target();
void LLVMInitializeX86TargetMC();
void LLVMInitializeX86AsmPrinter();
}

namespace {

const llvm::Triple &hostTriple() {
  static const llvm::Triple triple("x86_64-unknown-linux-gnu");
  return triple;
}

Result<std::unique_ptr<llvm::TargetMachine>> createMachine(const Target &target) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
  });
  std::string problem;
  const llvm::Target *backend = llvm::TargetRegistry::lookupTarget(hostTriple(), problem);
  if (!backend)
    return makeError(ExitCode::Internal, "target {}: LLVM was built without it: {}", target.name, problem);
  llvm::TargetOptions options;
  // A multiplication and an addition stay two roundings; where one is meant the kernel says fma.
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  return std::unique_ptr<llvm::TargetMachine>(backend->createTargetMachine(
      hostTriple(), llvm::StringRef(target.cpu().cpu), llvm::StringRef(target.cpu().features), options,
      llvm::Reloc::PIC_, llvm::CodeModel::Small, llvm::CodeGenOptLevel::Aggressive));
}

/// What no optimisation may assume to exist: memcpy, memset and the mathematical library.
llvm::TargetLibraryInfoImpl noLibrary() {
  llvm::TargetLibraryInfoImpl library(hostTriple());
  library.disableAllFunctions();
  return library;
}

void setAttributes(llvm::Module &module, const Target &target) {
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr(llvm::Attribute::NoUnwind);
    function.addFnAttr("no-builtins");
    function.addFnAttr("prefer-vector-width", std::to_string(target.cpu().vectorBits));
    function.setAlignment(llvm::Align(64));
  }
}

void optimise(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::PipelineTuningOptions tuning;
  // The templates write vectors already, unroll what gains by it, and give every reduction an order that has to stay.
  tuning.LoopVectorization = false;
  tuning.LoopInterleaving = false;
  tuning.SLPVectorization = false;
  tuning.LoopUnrolling = false;
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine, tuning);
  functions.registerPass([] { return llvm::TargetLibraryAnalysis(noLibrary()); });
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3).run(module, modules);
}

Result<std::string> emitObject(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::SmallString<0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  passes.add(new llvm::TargetLibraryInfoWrapperPass(noLibrary()));
  passes.add(llvm::createTargetTransformInfoWrapperPass(machine.getTargetIRAnalysis()));
  if (machine.addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::ObjectFile))
    return makeError(ExitCode::Internal, "LLVM cannot write object files for {}", hostTriple().str());
  passes.run(module);
  return bytes.str().str();
}

/// The instructions of some operations are calls that only the object shows.
Result<void> checkSelfContained(const std::string &object, const std::string &symbol) {
  auto file = llvm::object::ObjectFile::createELFObjectFile(llvm::MemoryBufferRef(object, symbol));
  if (!file)
    return makeError(ExitCode::Internal, "kernel {}: {}", symbol, llvm::toString(file.takeError()));
  for (const llvm::object::SymbolRef &reference : (*file)->symbols()) {
    llvm::Expected<uint32_t> flags = reference.getFlags();
    llvm::Expected<llvm::StringRef> name = reference.getName();
    if (!flags || !name)
      return makeError(ExitCode::Internal, "kernel {}: the object has an unreadable symbol", symbol);
    if ((*flags & llvm::object::SymbolRef::SF_Undefined) && !name->empty())
      return makeError(ExitCode::Unsupported, "kernel {}: needs the library function '{}', host code has none", symbol,
                       name->str());
  }
  return {};
}

} // namespace

Result<CompiledObject> codegen::compileToObject(mlir::ModuleOp module, const Target &target,
                                                const std::string &symbol) {
  YUPANA_ASSIGN_OR_RETURN(std::unique_ptr<llvm::TargetMachine> machine, createMachine(target));
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code = mlir::translateModuleToLLVMIR(module, context, symbol);
  if (!code)
    return makeError(ExitCode::Internal, "kernel {}: cannot be translated to LLVM IR", symbol);
  code->setTargetTriple(hostTriple());
  code->setDataLayout(machine->createDataLayout());
  setAttributes(*code, target);
  optimise(*code, *machine);
  CompiledObject result;
  llvm::raw_string_ostream(result.llvmIR) << *code;
  YUPANA_ASSIGN_OR_RETURN(result.bytes, emitObject(*code, *machine));
  YUPANA_RETURN_IF_ERROR(checkSelfContained(result.bytes, symbol));
  return result;
}
