// SPDX-License-Identifier: Apache-2.0
//
// The pipeline behind the templates, down to the llvm dialect.
#include "compiler/Codegen/CPU/CodegenCPU.h"
#include "compiler/Codegen/CPU/Passes.h"
#include "compiler/Codegen/Common/Passes.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

void codegen::buildCpuLowerPipeline(OpPassManager &passes) {
  passes.addPass(common::createApproximateMathPass());
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
  registerPasses();
  common::registerPasses();
  PassPipelineRegistration<>("yupana-cpu-lower", "Takes kernels to the llvm dialect", buildCpuLowerPipeline);
}
