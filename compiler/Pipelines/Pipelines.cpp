// SPDX-License-Identifier: Apache-2.0

#include "compiler/Pipelines/Pipelines.h"

#include "passes/Bufferize/Passes.h"
#include "passes/Fuse/Passes.h"
#include "passes/Import/Passes.h"
#include "passes/Layout/Passes.h"
#include "passes/Schedule/Passes.h"
#include "passes/ToPlan/Passes.h"

#include "mlir/Pass/PassRegistry.h"

#include <algorithm>

namespace yupana {

//===----------------------------------------------------------------------===//
// Model level
//===----------------------------------------------------------------------===//

void buildImportPipeline(mlir::OpPassManager &pm, const PipelineOptions &options) {
  pm.addPass(createMaterializeTablesPass({options.maxContext}));
  pm.addPass(createVerifyModelFormPass());
}

//===----------------------------------------------------------------------===//
// Kernel level
//===----------------------------------------------------------------------===//

void buildFusePipeline(mlir::OpPassManager &pm, const PipelineOptions &options) {
  pm.addPass(createModelToKernelPass({options.maxContext, options.maxStepTokens, options.pageTokens}));
  pm.addPass(createVerifyKernelFormPass());
}

void buildLayoutPipeline(mlir::OpPassManager &pm, const PipelineOptions &) {
  pm.addPass(createPackWeightsPass());
  pm.addPass(createGroupCachesPass());
  pm.addPass(createVerifyWeightLayoutPass());
}

void buildSchedulePipeline(mlir::OpPassManager &pm, const PipelineOptions &options) {
  pm.addPass(createConfigureKernelsPass({options.target}));
  pm.addPass(createVerifySchedulePass());
}

void buildBufferizePipeline(mlir::OpPassManager &pm, const PipelineOptions &options) {
  pm.addPass(createPlanMemoryPass({options.maxStepTokens, options.maxBatch, options.maxLogitRows}));
  pm.addPass(createVerifyNoUnplannedMemoryPass());
}

//===----------------------------------------------------------------------===//
// Plan level
//===----------------------------------------------------------------------===//

void buildToPlanPipeline(mlir::OpPassManager &pm, const PipelineOptions &options) {
  pm.addPass(createOutlineKernelsPass({options.target}));
  // After outlining: a kernel's number is the place of its function in the library.
  pm.addPass(createKernelToPlanPass(
      {options.precision, options.maxContext, options.maxBatch, options.maxStepTokens, options.maxLogitRows}));
}

void buildClosePipeline(mlir::OpPassManager &pm, const PipelineOptions &) { pm.addPass(createVerifyPlanFormPass()); }

//===----------------------------------------------------------------------===//
// All of it
//===----------------------------------------------------------------------===//

const std::vector<Phase> &phases() {
  static const std::vector<Phase> all = {
      {"import", buildImportPipeline},     {"fuse", buildFusePipeline},           {"layout", buildLayoutPipeline},
      {"schedule", buildSchedulePipeline}, {"bufferize", buildBufferizePipeline}, {"to-plan", buildToPlanPipeline},
  };
  return all;
}

void registerPipelines() {
  registerImportPasses();
  registerFusePasses();
  registerLayoutPasses();
  registerSchedulePasses();
  registerBufferizePasses();
  registerToPlanPasses();
  for (const Phase &phase : phases())
    mlir::PassPipelineRegistration<PipelineOptions>("yupana-" + phase.name + "-phase",
                                                    "Run the " + phase.name + " phase", phase.build);
  mlir::PassPipelineRegistration<PipelineOptions>("yupana-pipeline", "Run every phase up to code generation",
                                                  [](mlir::OpPassManager &pm, const PipelineOptions &options) {
                                                    for (const Phase &phase : phases())
                                                      phase.build(pm, options);
                                                  });
}

int64_t chooseMaxLogitRows(int64_t vocabulary, int64_t maxBatch, int64_t maxStepTokens, int64_t logitBytes) {
  return std::max(maxBatch, std::min(maxStepTokens, logitBytes / (4 * vocabulary)));
}

} // namespace yupana
