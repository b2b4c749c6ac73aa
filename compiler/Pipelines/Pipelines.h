// SPDX-License-Identifier: Apache-2.0
//
// The compiler as a list of phases, each named by what holds after it. The only place that adds passes.
#ifndef YUPANA_COMPILER_PIPELINES_PIPELINES_H
#define YUPANA_COMPILER_PIPELINES_PIPELINES_H

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"

#include <string>
#include <vector>

namespace yupana {

/// What every phase may ask: the target and the compiled maxima.
struct PipelineOptions : mlir::PassPipelineOptions<PipelineOptions> {
  Option<std::string> target{*this, "target", llvm::cl::desc("The target to compile for"), llvm::cl::init("x86-64-v3")};
  Option<std::string> precision{*this, "precision", llvm::cl::desc("f32 or bf16: what the plan says it computes in"),
                                llvm::cl::init("f32")};
  ListOption<std::string> disabled{*this, "disable-fusion",
                                   llvm::cl::desc("Fusing passes to leave out, by name without the prefix")};
  ListOption<std::string> enabled{*this, "enable-fusion",
                                  llvm::cl::desc("Fusing passes to run although the target does not ask for them")};
  Option<bool> batchInvariant{*this, "batch-invariant",
                              llvm::cl::desc("No result depends on how many tokens a step has"), llvm::cl::init(false)};
  Option<std::string> timings{*this, "timings", llvm::cl::desc("A file with the configs that were the fastest")};
  Option<int64_t> candidate{*this, "candidate", llvm::cl::desc("The number of the configs to time; -1: chosen ones"),
                            llvm::cl::init(-1)};
  Option<int64_t> maxContext{*this, "max-context", llvm::cl::desc("Positions a sequence may hold"),
                             llvm::cl::init(32768)};
  Option<int64_t> maxBatch{*this, "max-batch", llvm::cl::desc("Sequences a step may hold"), llvm::cl::init(8)};
  Option<int64_t> maxStepTokens{*this, "max-step-tokens", llvm::cl::desc("Tokens a step may hold"),
                                llvm::cl::init(2048)};
  Option<int64_t> maxLogitRows{*this, "max-logit-rows", llvm::cl::desc("Rows of logits a step may ask for"),
                               llvm::cl::init(2048)};
};

/// Model level, complete: every table materialised.
void buildImportPipeline(mlir::OpPassManager &pm, const PipelineOptions &options);
/// Kernel level: every op a launched kernel, every rounding where it stays.
void buildToKernelPipeline(mlir::OpPassManager &pm, const PipelineOptions &options);
/// What all step programs of the target share has its form: weights, pairs, partial sums, caches.
void buildLayoutPipeline(mlir::OpPassManager &pm, const PipelineOptions &options);
/// A program per bucket, each with as few launches as it can have.
void buildFusePipeline(mlir::OpPassManager &pm, const PipelineOptions &options);
/// Every kernel has its tile and its grid.
void buildSchedulePipeline(mlir::OpPassManager &pm, const PipelineOptions &options);
/// Every buffer has its place in the arena.
void buildBufferizePipeline(mlir::OpPassManager &pm, const PipelineOptions &options);
/// Tables of a plan, and the library that code is generated from.
void buildToPlanPipeline(mlir::OpPassManager &pm, const PipelineOptions &options);
/// Closes the compilation, once code generation has replaced the library.
void buildClosePipeline(mlir::OpPassManager &pm, const PipelineOptions &options);

/// The names that `disable-fusion` knows, in the order the passes run.
std::vector<std::string> fusionNames();
/// Those of them that `enable-fusion` knows: they run only where the target, or that option, asks for them.
std::vector<std::string> chosenFusionNames();

struct Phase {
  std::string name; ///< As `--dump-ir` names its files and `yupana-opt` its pipelines.
  void (*build)(mlir::OpPassManager &, const PipelineOptions &);
};

/// The phases in order, up to what code is generated from. The first is the same for every target.
const std::vector<Phase> &phases();

/// Registers each phase as `--yupana-<name>-phase`, and all of them as `--yupana-pipeline`.
void registerPipelines();

/// Rows of logits that a step may ask for: every sequence's last, and, as far as `logitBytes` of memory go, more.
int64_t chooseMaxLogitRows(int64_t vocabulary, int64_t maxBatch, int64_t maxStepTokens,
                           int64_t logitBytes = int64_t{64} << 20);

} // namespace yupana

#endif // YUPANA_COMPILER_PIPELINES_PIPELINES_H
