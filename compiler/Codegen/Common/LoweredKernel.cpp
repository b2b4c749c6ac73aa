// SPDX-License-Identifier: Apache-2.0
//
// A job's text is a library with one kernel. The library is taken away once its kernel is a function, since passes and
// translations below work on the functions of a module. It is parsed into a context of its own, so that a kernel's code
// depends on nothing but this text.

#include "compiler/Codegen/Common/LoweredKernel.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

Result<LoweredKernel> LoweredKernel::lower(const KernelJob &job, const Target &target, const KernelLowering &lowering) {
  LoweredKernel lowered;
  DialectRegistry registry;
  lowering.registerDialects(registry);
  // Without threads: this process compiles one kernel, and the other cores have other kernels.
  lowered.context = std::make_unique<MLIRContext>(registry, MLIRContext::Threading::DISABLED);
  lowered.context->loadAllAvailableDialects();
  FirstError error(lowered.context.get());
  lowered.module = parseSourceString<ModuleOp>(job.text, ParserConfig(lowered.context.get()));
  if (!lowered.module)
    return error.as(ExitCode::Internal, job.symbol);

  ModuleOp module = *lowered.module;
  auto library = *module.getOps<kernel::LibraryOp>().begin();
  // What a template refuses is a kernel that it cannot write, not a broken program.
  if (failed(lowering.emitKernel(*library.getOps<kernel::FuncOp>().begin(), target)))
    return error.as(ExitCode::Unsupported, job.symbol);
  module.getBody()->getOperations().splice(module.getBody()->end(), library.getBody().front().getOperations());
  library.erase();

  PassManager passes(lowered.context.get());
  lowering.buildPipeline(passes);
  if (failed(passes.run(module)))
    return error.as(ExitCode::Unsupported, job.symbol);
  return lowered;
}

/// Templates leave numbers for the caller as attributes, which LLVM IR has no place for.
int64_t LoweredKernel::takeNumber(StringRef name) {
  auto function = *module->getOps<LLVM::LLVMFuncOp>().begin();
  return cast<IntegerAttr>(function->removeAttr(name)).getInt();
}

void codegen::registerCodegenDialects(DialectRegistry &registry) {
  registry.insert<arith::ArithDialect, cf::ControlFlowDialect, LLVM::LLVMDialect, mlir::math::MathDialect,
                  scf::SCFDialect, vector::VectorDialect, kernel::KernelDialect>();
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
}
