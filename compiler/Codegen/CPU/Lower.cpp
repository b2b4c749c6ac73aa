// SPDX-License-Identifier: Apache-2.0
//
// The pipeline behind the templates, down to the llvm dialect. Math comes first: its polynomials are arith and vector
// ops that the rest lowers like any other, and a math op that reached LLVM would become a call of libm. Canonicalize
// and CSE run while loops are still loops and indices still arith, since templates write the same address more than
// once and rely on this. Then structured control flow, then vectors, math and arith, and last what is left between
// them, so no cast outlives the pipeline.

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
