// SPDX-License-Identifier: Apache-2.0

#include "compiler/Pipelines/Pipelines.h"

#include "passes/Bufferize/Passes.h"
#include "passes/Fuse/Passes.h"
#include "passes/Import/Passes.h"
#include "passes/Layout/Passes.h"
#include "passes/Schedule/Passes.h"
#include "passes/ToKernel/Passes.h"
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

/// The fusing passes in their order. Each finds less to do where another has not run, and none needs another.
static const std::vector<std::pair<llvm::StringRef, std::function<std::unique_ptr<mlir::Pass>()>>> &fusingPasses() {
  static const std::vector<std::pair<llvm::StringRef, std::function<std::unique_ptr<mlir::Pass>()>>> all = {
      // Pairs first: once a map has become an epilogue, what it read as two products is not seen any more.
      {"pair-gate-up", createPairGateUpPass},
      {"pair-rotation", createPairRotationPass},
      // Before epilogues are fused, so that the sums over the residual become part of them.
      {"fuse-norm-statistics", createFuseNormStatisticsPass},
      // Before epilogues are fused: the combine has to meet both of its products.
      {"join-products", createJoinProductsPass},
      {"fuse-epilogues", createFuseEpiloguesPass},
      // Behind the statistics: a norm that sums is no producer that could be repeated.
      {"inline-producers", createInlineProducersPass},
      // Behind the producers: the router's norm becomes part of it.
      {"fuse-router", createFuseRouterPass},
      // Last: members of a launch are looked into by no other pass.
      {"merge-launches", createMergeLaunchesPass},
  };
  return all;
}

std::vector<std::string> fusionNames() {
  std::vector<std::string> names;
  for (const auto &[name, create] : fusingPasses())
    names.push_back(name.str());
  return names;
}

void buildFusePipeline(mlir::OpPassManager &pm, const PipelineOptions &options) {
  pm.addPass(createModelToKernelPass({options.maxContext, options.maxStepTokens, options.pageTokens}));
  // Before any fusion: which values are rounded must not depend on what is fused.
  pm.addPass(createFixRoundingsPass());
  for (const auto &[name, create] : fusingPasses())
    if (!llvm::is_contained(options.disabled, name))
      pm.addPass(create());
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
  registerToKernelPasses();
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
