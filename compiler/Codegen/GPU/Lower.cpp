// SPDX-License-Identifier: Apache-2.0
//
// The pipeline behind the templates, down to the llvm and nvvm dialects, in the order of that for CPUs and for the same
// reasons (CPU/Lower.cpp).

#include "compiler/Codegen/Common/LoweredKernel.h"
#include "compiler/Codegen/Common/Passes.h"
#include "compiler/Codegen/GPU/CodegenGPU.h"
#include "compiler/Codegen/GPU/Passes.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

void cuda::buildGpuLowerPipeline(OpPassManager &passes) {
  passes.addPass(common::createApproximateMathPass());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  // Addresses that do not change from turn to turn leave the loop here, where loops are still ops; LLVM would find most
  // of them, but not across the inline assembly of asynchronous instructions.
  passes.addPass(createLoopInvariantCodeMotionPass());
  passes.addPass(createSCFToControlFlowPass());
  passes.addPass(createConvertMathToLLVMPass());
  passes.addPass(createArithToLLVMConversionPass());
  passes.addPass(createConvertControlFlowToLLVMPass());
  passes.addPass(createConvertNVVMToLLVMPass());
  passes.addPass(createReconcileUnrealizedCastsPass());
}

void cuda::registerCodegenGPUPasses() {
  registerPasses();
  PassPipelineRegistration<>("yupana-gpu-lower", "Takes kernels of a GPU to the llvm and nvvm dialects",
                             buildGpuLowerPipeline);
}

void cuda::registerCodegenGPUDialects(DialectRegistry &registry) {
  registerCodegenDialects(registry);
  registry.insert<NVVM::NVVMDialect>();
  registerNVVMDialectTranslation(registry);
}
