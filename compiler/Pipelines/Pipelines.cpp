// SPDX-License-Identifier: Apache-2.0
//
// Which passes run, in which order, and why. A phase is what --dump-ir writes after and what yupana-opt runs by one
// name; it ends with a pass that verifies what holds from there on. Order matters within a phase where a comment says
// so, and nowhere else. Only upstream canonicalization and CSE clean up: passes leave views that nobody reads and equal
// values side by side, and clean no more than the bodies they look at again themselves.

#include "compiler/Pipelines/Pipelines.h"

#include "passes/Bufferize/Passes.h"
#include "passes/Fuse/Passes.h"
#include "passes/Import/Passes.h"
#include "passes/Layout/Passes.h"
#include "passes/Schedule/Passes.h"
#include "passes/ToKernel/Passes.h"
#include "passes/ToPlan/Passes.h"

#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

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

/// A pass that can be left out, by its name.
struct OptionalPass {
  llvm::StringRef name;
  std::function<std::unique_ptr<mlir::Pass>(const PipelineOptions &)> create;
  /// Set for a pass that does nothing unless the target wants it: makes one that asks no target.
  std::function<std::unique_ptr<mlir::Pass>(const PipelineOptions &)> createForced = {};
};

/// Fusions that shape what all programs of a target share. Each finds less to do where another has not run, and none
/// needs another.
static const std::vector<OptionalPass> &sharedFusions() {
  static const std::vector<OptionalPass> all = {
      // Pairs first: once a map has become an epilogue, what it read as two products is not seen any more.
      {"pair-gate-up", [](const PipelineOptions &options) { return createPairGateUpPass({options.target}); }},
      {"pair-rotation", [](const PipelineOptions &options) { return createPairRotationPass({options.target}); }},
      // Before epilogues are fused, so that the sums over the residual become part of them.
      {"fuse-norm-statistics",
       [](const PipelineOptions &options) { return createFuseNormStatisticsPass({options.target}); }},
      // Before weights are packed: the router's stays row-major.
      {"fuse-router", [](const PipelineOptions &) { return createFuseRouterPass(); }},
      // After those that look for gemms that do nothing but store; before programs part, since it moves a rounding.
      {"hoist-row-scale", [](const PipelineOptions &options) { return createHoistRowScalePass({options.target}); },
       [](const PipelineOptions &options) {
         return createHoistRowScalePass({options.target, true});
       }},
  };
  return all;
}

/// Fusions of one program, in their order; none needs another here either.
static const std::vector<OptionalPass> &programFusions() {
  static const std::vector<OptionalPass> all = {
      // First, since it looks for maps over pairs that are launches of their own.
      {"sort-rows-by-expert",
       [](const PipelineOptions &options) { return createSortRowsByExpertPass({options.target}); },
       [](const PipelineOptions &options) {
         return createSortRowsByExpertPass({options.target, true});
       }},
      // Before epilogues are fused: the combine has to meet both of its products.
      {"join-products", [](const PipelineOptions &options) { return createJoinProductsPass({options.target}); }},
      {"fuse-epilogues", [](const PipelineOptions &options) { return createFuseEpiloguesPass({options.target}); }},
      {"inline-producers", [](const PipelineOptions &) { return createInlineProducersPass(); }},
      // Last: members of a launch are looked into by no other pass.
      {"merge-launches", [](const PipelineOptions &) { return createMergeLaunchesPass(); }},
  };
  return all;
}

std::vector<std::string> fusionNames() {
  std::vector<std::string> names;
  for (const auto *fusions : {&sharedFusions(), &programFusions()})
    for (const OptionalPass &fusion : *fusions)
      names.push_back(fusion.name.str());
  return names;
}

std::vector<std::string> chosenFusionNames() {
  std::vector<std::string> names;
  for (const auto *fusions : {&sharedFusions(), &programFusions()})
    for (const OptionalPass &fusion : *fusions)
      if (fusion.createForced)
        names.push_back(fusion.name.str());
  return names;
}

static void addFusions(mlir::OpPassManager &pm, const std::vector<OptionalPass> &fusions,
                       const PipelineOptions &options) {
  for (const OptionalPass &fusion : fusions)
    if (!llvm::is_contained(options.disabled, fusion.name)) {
      bool forced = fusion.createForced && llvm::is_contained(options.enabled, fusion.name);
      pm.addPass(forced ? fusion.createForced(options) : fusion.create(options));
    }
}

void buildToKernelPipeline(mlir::OpPassManager &pm, const PipelineOptions &options) {
  pm.addPass(createModelToKernelPass({options.maxContext, options.maxStepTokens, options.target}));
  // Before any fusion: which values are rounded must not depend on what is fused.
  pm.addPass(createFixRoundingsPass());
  // Each op was converted by itself: a value that one stores as bfloat16 and the next reads was narrowed and widened
  // again, and constants stand wherever they were needed. Fusions match less where equal values are one.
  pm.addPass(mlir::createCanonicalizerPass());
  pm.addPass(mlir::createCSEPass());
  pm.addPass(createVerifyKernelFormPass());
}

void buildLayoutPipeline(mlir::OpPassManager &pm, const PipelineOptions &options) {
  addFusions(pm, sharedFusions(), options);
  // Views of weights and buffers that fusions no longer read: a view that nobody reads must not be packed or cloned.
  pm.addPass(mlir::createCSEPass());
  pm.addPass(createStateNumericsPass({options.target}));
  pm.addPass(createPackWeightsPass({options.target}));
  pm.addPass(createGroupCachesPass({options.target}));
  pm.addPass(createVerifyWeightLayoutPass());
}

void buildFusePipeline(mlir::OpPassManager &pm, const PipelineOptions &options) {
  // From here on programs of one target differ: nothing below changes a weight, a cache or a rounding.
  pm.addPass(createSpecializeStepsPass({options.target, options.batchInvariant}));
  addFusions(pm, programFusions(), options);
  // After fusions have found what depends on what: this one puts what products read into buffers again.
  pm.addPass(createPlaceInputsPass({options.target}));
  pm.addPass(createPadRowsPass({options.target}));
  // What bodies that became one compute twice, and conversions that cancel where a value stays in a register. After the
  // last fusion, since fusions find indices by the form in which they are built.
  pm.addPass(mlir::createCanonicalizerPass());
  pm.addPass(mlir::createCSEPass());
  pm.addPass(createVerifyKernelFormPass());
}

void buildSchedulePipeline(mlir::OpPassManager &pm, const PipelineOptions &options) {
  pm.addPass(createConfigureKernelsPass({options.target, options.candidate, options.timings}));
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
      {"import", buildImportPipeline},  {"to-kernel", buildToKernelPipeline}, {"layout", buildLayoutPipeline},
      {"fuse", buildFusePipeline},      {"schedule", buildSchedulePipeline},  {"bufferize", buildBufferizePipeline},
      {"to-plan", buildToPlanPipeline},
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
