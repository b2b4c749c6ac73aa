// SPDX-License-Identifier: Apache-2.0
//
// LLVM's own pipeline for NVPTX, with what MLIR's serializer cannot be told: addresses of shared memory in 32 bits, no
// contraction, and PTX 9.0, since with its default LLVM aborts at instructions that Hopper needs.
#include "compiler/Codegen/GPU/Serializer.h"

#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"

#include <mutex>

using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

extern "C" {
void LLVMInitializeNVPTXTargetInfo();
void LLVMInitializeNVPTXTarget();
void LLVMInitializeNVPTXTargetMC();
void LLVMInitializeNVPTXAsmPrinter();
}

namespace {

const llvm::Triple &gpuTriple() {
  static const llvm::Triple triple("nvptx64-nvidia-cuda");
  return triple;
}

/// 32-bit addresses of shared memory are a global option of LLVM and no part of a target machine.
void initialise() {
  LLVMInitializeNVPTXTargetInfo();
  LLVMInitializeNVPTXTarget();
  LLVMInitializeNVPTXTargetMC();
  LLVMInitializeNVPTXAsmPrinter();
  auto &options = llvm::cl::getRegisteredOptions();
  if (llvm::cl::Option *shortPointers = options.lookup("nvptx-short-ptr");
      shortPointers && shortPointers->getNumOccurrences() == 0)
    shortPointers->addOccurrence(0, "nvptx-short-ptr", "true");
}

Result<std::unique_ptr<llvm::TargetMachine>> createMachine(const Target &target) {
  static std::once_flag once;
  std::call_once(once, initialise);
  std::string problem;
  const llvm::Target *backend = llvm::TargetRegistry::lookupTarget(gpuTriple(), problem);
  if (!backend)
    return makeError(ExitCode::Internal, "target {}: LLVM was built without it: {}", target.name, problem);
  llvm::TargetOptions options;
  // A multiplication and an addition stay two roundings; where one is meant the kernel says fma.
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  return std::unique_ptr<llvm::TargetMachine>(
      backend->createTargetMachine(gpuTriple(), llvm::StringRef(target.name), "+ptx90", options, std::nullopt,
                                   std::nullopt, llvm::CodeGenOptLevel::Aggressive));
}

/// What no optimisation may assume to exist: memcpy, memset and the mathematical library.
llvm::TargetLibraryInfoImpl noLibrary() {
  llvm::TargetLibraryInfoImpl library(gpuTriple());
  library.disableAllFunctions();
  return library;
}

void optimise(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::PipelineTuningOptions tuning;
  // A thread is a lane already; what is loaded as a vector the templates say.
  tuning.LoopVectorization = false;
  tuning.LoopInterleaving = false;
  tuning.SLPVectorization = false;
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

Result<std::string> emitAssembly(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::SmallString<0> text;
  llvm::raw_svector_ostream stream(text);
  llvm::legacy::PassManager passes;
  passes.add(new llvm::TargetLibraryInfoWrapperPass(noLibrary()));
  passes.add(llvm::createTargetTransformInfoWrapperPass(machine.getTargetIRAnalysis()));
  if (machine.addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::AssemblyFile))
    return makeError(ExitCode::Internal, "LLVM cannot write assembly for {}", gpuTriple().str());
  passes.run(module);
  return text.str().str();
}

/// Operations without an instruction are calls that only the text shows.
Result<void> checkSelfContained(llvm::StringRef ptx, const std::string &symbol) {
  llvm::StringRef rest = ptx;
  while (!rest.empty()) {
    auto [line, after] = rest.split('\n');
    rest = after;
    if (!line.starts_with(".extern .func"))
      continue;
    // The name follows the result, if there is one, and precedes the parameters.
    llvm::StringRef declared = line.drop_front(llvm::StringRef(".extern .func").size()).trim();
    if (declared.consume_front("("))
      declared = declared.split(')').second.trim();
    return makeError(ExitCode::Unsupported, "kernel {}: needs the library function '{}', GPU code has none", symbol,
                     declared.take_until([](char c) { return c == '(' || c == ' ' || c == ';'; }).str());
  }
  return {};
}

/// True if PTX takes the name as it is; what it does not LLVM may replace, and the runtime would not find.
bool isPtxName(llvm::StringRef name) {
  auto isLetter = [](char c) { return llvm::isAlpha(c) || c == '_' || c == '$'; };
  return !name.empty() && isLetter(name.front()) &&
         llvm::all_of(name, [&](char c) { return isLetter(c) || llvm::isDigit(c); });
}

} // namespace

Result<PtxText> cuda::writePtx(mlir::ModuleOp module, const Target &target, const std::string &symbol) {
  if (!isPtxName(symbol))
    return makeError(ExitCode::Unsupported, "kernel {}: its name cannot stand in PTX, expected letters, digits and _",
                     symbol);
  YUPANA_ASSIGN_OR_RETURN(std::unique_ptr<llvm::TargetMachine> machine, createMachine(target));
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code = mlir::translateModuleToLLVMIR(module, context, symbol);
  if (!code)
    return makeError(ExitCode::Internal, "kernel {}: cannot be translated to LLVM IR", symbol);
  code->setTargetTriple(gpuTriple());
  code->setDataLayout(machine->createDataLayout());
  for (llvm::Function &function : *code) {
    function.addFnAttr(llvm::Attribute::NoUnwind);
    if (!function.isDeclaration())
      function.addFnAttr("no-builtins");
  }
  // LLVM's packages check nothing while they run: what is invalid would become code that does anything.
  std::string problem;
  llvm::raw_string_ostream problems(problem);
  if (llvm::verifyModule(*code, &problems))
    return makeError(ExitCode::Internal, "kernel {}: is invalid LLVM IR: {}", symbol, inQuotes(problem));
  optimise(*code, *machine);
  PtxText result;
  llvm::raw_string_ostream(result.llvmIR) << *code;
  YUPANA_ASSIGN_OR_RETURN(result.ptx, emitAssembly(*code, *machine));
  YUPANA_RETURN_IF_ERROR(checkSelfContained(result.ptx, symbol));
  return result;
}
