// SPDX-License-Identifier: Apache-2.0
//
// LLVM's O3 without what would change or hide a template's decisions. Vectorizers are off: on a CPU the templates write
// vectors and give every reduction an order that has to stay, on a GPU a thread is a lane. A multiplication and an
// addition stay two roundings. A kernel runs without a library, so no pass may assume that memcpy or a mathematical
// function exists; what needs one all the same shows in the output, where each back end looks for it.
#include "compiler/Codegen/Common/MachineCode.h"

#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"

using namespace yupana;
using namespace yupana::codegen;

namespace {

Result<std::unique_ptr<llvm::TargetMachine>> createMachine(const Machine &machine, const std::string &symbol) {
  llvm::Triple triple(machine.triple);
  std::string problem;
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, problem);
  if (!target)
    return makeError(ExitCode::Internal, "kernel {}: LLVM was built without {}: {}", symbol, machine.triple, problem);
  llvm::TargetOptions options;
  // Neither LLVM nor the machine may make one rounding of two.
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  return std::unique_ptr<llvm::TargetMachine>(
      target->createTargetMachine(triple, machine.processor, machine.features, options, machine.relocation,
                                  llvm::CodeModel::Small, llvm::CodeGenOptLevel::Aggressive));
}

/// Says of every function that it does not exist, so that no loop becomes a call of memset.
llvm::TargetLibraryInfoImpl noLibrary(const llvm::TargetMachine &machine) {
  llvm::TargetLibraryInfoImpl library(machine.getTargetTriple());
  library.disableAllFunctions();
  return library;
}

/// The standard pipeline of O3, as PassBuilder makes it, on analyses of this call alone.
void optimise(llvm::Module &module, llvm::TargetMachine &machine, bool unrollsLoops) {
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = false;
  tuning.LoopInterleaving = false;
  tuning.SLPVectorization = false;
  tuning.LoopUnrolling = unrollsLoops;
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine, tuning);
  // First, since registerFunctionAnalyses keeps what is registered already.
  functions.registerPass([&] { return llvm::TargetLibraryAnalysis(noLibrary(machine)); });
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3).run(module, modules);
}

Result<std::string> emit(llvm::Module &module, llvm::TargetMachine &machine, llvm::CodeGenFileType output) {
  llvm::SmallString<0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  // The back end asks a pass manager of its own.
  passes.add(new llvm::TargetLibraryInfoWrapperPass(noLibrary(machine)));
  passes.add(llvm::createTargetTransformInfoWrapperPass(machine.getTargetIRAnalysis()));
  if (machine.addPassesToEmitFile(passes, stream, nullptr, output))
    return makeError(ExitCode::Internal, "LLVM cannot write this kind of file for {}", machine.getTargetTriple().str());
  passes.run(module);
  return bytes.str().str();
}

} // namespace

Result<MachineCode> codegen::writeMachineCode(mlir::ModuleOp module, const Machine &machine, const std::string &symbol,
                                              llvm::function_ref<void(llvm::Function &)> prepare) {
  YUPANA_ASSIGN_OR_RETURN(std::unique_ptr<llvm::TargetMachine> target, createMachine(machine, symbol));
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code = mlir::translateModuleToLLVMIR(module, context, symbol);
  if (!code)
    return makeError(ExitCode::Internal, "kernel {}: cannot be translated to LLVM IR", symbol);
  code->setTargetTriple(target->getTargetTriple());
  code->setDataLayout(target->createDataLayout());
  for (llvm::Function &function : *code) {
    if (function.isDeclaration())
      continue;
    // Nothing in a kernel throws.
    function.addFnAttr(llvm::Attribute::NoUnwind);
    // What noLibrary() says, for passes that ask the function.
    function.addFnAttr("no-builtins");
    if (prepare)
      prepare(function);
  }
  // LLVM's packages check nothing while they run: what is invalid would become code that does anything.
  std::string problem;
  llvm::raw_string_ostream problems(problem);
  if (llvm::verifyModule(*code, &problems))
    return makeError(ExitCode::Internal, "kernel {}: is invalid LLVM IR: {}", symbol, inQuotes(problem));
  optimise(*code, *target, machine.unrollsLoops);
  // After the passes: the text that people ask for is what the machine code was made from.
  MachineCode result;
  llvm::raw_string_ostream(result.llvmIR) << *code;
  YUPANA_ASSIGN_OR_RETURN(result.bytes, emit(*code, *target, machine.output));
  return result;
}
