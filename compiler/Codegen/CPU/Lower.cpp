// SPDX-License-Identifier: Apache-2.0
//
// From the kernel dialect to the llvm dialect: the pass that runs the templates, and the pipeline behind it.
#include "compiler/Codegen/CPU/CodegenCPU.h"
#include "compiler/Codegen/CPU/Kernels.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

LogicalResult codegen::emitKernel(kernel::FuncOp func, const CpuTarget &target) {
  KernelEmitter e(func, target);
  LogicalResult result =
      llvm::TypeSwitch<Operation *, LogicalResult>(&func.getBody().front().front())
          .Case([&](kernel::MapOp op) { return emitMap(e, op); })
          .Case([&](kernel::GemmOp op) { return emitGemm(e, op); })
          .Case([&](kernel::AttentionOp op) { return emitAttention(e, op); })
          .Case([&](kernel::RouteOp op) { return emitRoute(e, op); })
          .Case([&](kernel::SortTokensOp op) { return emitSortTokens(e, op); })
          .Case([&](kernel::SampleOp op) { return emitSample(e, op); })
          .Default([](Operation *op) { return op->emitError() << "'" << op->getName() << "' has no CPU kernel"; });
  e.finish();
  if (succeeded(result))
    func.erase();
  return result;
}

namespace {

class KernelToLLVMPass : public PassWrapper<KernelToLLVMPass, OperationPass<ModuleOp>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(KernelToLLVMPass)

  StringRef getArgument() const override { return "yupana-kernel-to-llvm"; }
  StringRef getDescription() const override {
    return "Writes every kernel of a library as a function over arith, math, scf, vector and llvm";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, LLVM::LLVMDialect, mlir::math::MathDialect, scf::SCFDialect,
                    vector::VectorDialect>();
  }

  void runOnOperation() override {
    for (kernel::LibraryOp library : getOperation().getOps<kernel::LibraryOp>()) {
      Result<const CpuTarget *> target = lookupCpuTarget(library.getTarget().str());
      if (!target) {
        library.emitError() << target.error().message;
        return signalPassFailure();
      }
      for (kernel::FuncOp func : llvm::make_early_inc_range(library.getOps<kernel::FuncOp>()))
        if (failed(emitKernel(func, **target)))
          return signalPassFailure();
    }
  }
};

/// Rewrites functions that no instruction computes by ones that are, so that no kernel calls a library: polynomials, on
/// vectors and scalars with the same steps and therefore the same bits.
class ApproximateMathPass : public PassWrapper<ApproximateMathPass, OperationPass<>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ApproximateMathPass)

  StringRef getArgument() const override { return "yupana-approximate-math"; }
  StringRef getDescription() const override { return "Replaces transcendental functions by polynomials"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, mlir::math::MathDialect, vector::VectorDialect>();
  }

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    mlir::math::populateExpansionPatterns(
        patterns, {"tan", "sinh", "cosh", "asinh", "acosh", "atanh", "fpowi", "powf", "exp2", "rsqrt"});
    populateMathPolynomialApproximationPatterns(patterns, [](StringRef) { return true; });
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace

void codegen::buildCpuLowerPipeline(OpPassManager &passes) {
  passes.addPass(std::make_unique<ApproximateMathPass>());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  passes.addPass(createSCFToControlFlowPass());
  passes.addPass(createConvertVectorToLLVMPass());
  passes.addPass(createConvertMathToLLVMPass());
  passes.addPass(createArithToLLVMConversionPass());
  passes.addPass(createConvertControlFlowToLLVMPass());
  passes.addPass(createReconcileUnrealizedCastsPass());
}

void codegen::registerCodegenCPUPasses() {
  PassRegistration<KernelToLLVMPass>();
  PassRegistration<ApproximateMathPass>();
  PassPipelineRegistration<>("yupana-cpu-lower", "Takes kernels to the llvm dialect", buildCpuLowerPipeline);
}
