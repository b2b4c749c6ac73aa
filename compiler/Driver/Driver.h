// SPDX-License-Identifier: Apache-2.0
//
// The compiler as a function: from a checkpoint folder to a plan file. What the program `yupana` is built on.
#ifndef YUPANA_COMPILER_DRIVER_DRIVER_H
#define YUPANA_COMPILER_DRIVER_DRIVER_H

#include "compiler/Support/Error.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace yupana {

/// The version of the compiler, "0.1.0".
std::string_view compilerVersion();

/// What the caller is told while work goes on. All members may be empty; they are called by one thread at a time.
struct Observer {
  /// A sentence for the user: what was chosen, what was left out.
  std::function<void(const std::string &)> note;
  /// Bytes of weights written, of how many.
  std::function<void(uint64_t done, uint64_t total)> progress;
  /// True if the work should stop; asked between phases and while weights are written.
  std::function<bool()> isCancelled;
};

struct CompileOptions {
  std::string checkpoint; ///< A folder in Hugging Face form.
  std::string output;     ///< The plan to write; ExitCode::Usage when it is a file of the checkpoint.
  /// Names as on the command line, `native` among them; at least one, code for each goes into the plan.
  std::vector<std::string> targets = {"native"};
  /// What the plan calls the model, UTF-8; empty: the name of the folder, or in a cache of the hub of the repository.
  std::string name;
  /// Take NaN and infinity in weights as they are; else ExitCode::InvalidInput where one is read.
  bool allowNonFinite = false;
  /// "f32" or "bf16"; empty: f32 for a checkpoint of F32 tensors alone, else bf16.
  std::string precision;
  /// Fusing passes to leave out, named as yupana-opt names them, without the prefix.
  std::vector<std::string> disabledFusions;
  /// Fusing passes to run although the target does not ask for them; none that is left out.
  std::vector<std::string> enabledFusions;
  /// No result depends on how a prompt is cut into steps or on who shares a step: targets whose programs could differ
  /// get one for all steps. For others, all CPUs among them, the plan is the same with and without it.
  bool batchInvariant = false;
  /// Compiled maxima. maxContext empty: the least of the model's and 32768.
  std::optional<uint64_t> maxContext;
  uint64_t maxBatch = 8;
  uint64_t maxStepTokens = 2048;
  /// Threads; at least 1. The plan does not depend on it.
  unsigned jobs = 1;
  /// Leave the weights out: sizes, and what each is made from, are in the plan, which refit() fills. `checkpoint` may
  /// then be a configuration alone; if there are tensors, the plan has a digest of each weight.
  bool stripWeights = false;
  /// A folder, created when it does not exist, that keeps compiled kernels for the next compilation; empty: none. The
  /// plan does not depend on it.
  std::string cacheDirectory;
  /// What targets with a choice write, "cubin" or "ptx" or both; empty: what is usual for each. ExitCode::Usage when no
  /// target has that choice.
  std::vector<std::string> formats;
  /// A file of timings, as mergeTimings() of the program `yupana` writes it, whose configs the kernels take that it has
  /// entries for; a note says how many. Empty: none.
  std::string timingCache;
  /// Take this one of each kernel's configs that are worth timing, from 0, and the last where there are fewer;
  /// CompileSummary::kernels then says what was taken. One target alone, and no `timingCache`.
  std::optional<uint64_t> candidate;
  /// A folder, created when it does not exist, that receives NN-<phase>.mlir after every phase; empty: none. Like
  /// `output`, none of its files may be one of the checkpoint.
  std::string dumpIrDirectory;
  Observer observer;
};

/// What can be done with a target.
struct TargetSupport {
  std::string_view name; ///< Lives as long as the program.
  bool isGpu = false;
  bool hasCodeGenerator = false;
  bool runsHere = false; ///< Of targets with a code generator alone: this machine has a device that runs its code.
};

/// Every target that plans may be for, in the order of runtime/schema/targets.h.
std::vector<TargetSupport> targetSupport();

/// The names that `disabledFusions` may hold, in the order the passes run.
std::vector<std::string> fusionNames();
/// The names that `enabledFusions` may hold.
std::vector<std::string> chosenFusionNames();

/// A kernel of a plan that is made to be timed.
struct CandidateKernel {
  std::string symbol;               ///< In the plan.
  std::string signature;            ///< The same for the same kernel in every plan, whatever its configs.
  uint64_t tokens = 0;              ///< Most tokens of the steps that it runs in.
  uint64_t candidates = 0;          ///< How many of CompileOptions::candidate differ for it.
  std::vector<std::string> configs; ///< Of all members of its launch, in order.
};

struct CompileSummary {
  uint64_t planBytes = 0;
  uint64_t weightBytes = 0;             ///< In the plan.
  uint64_t missingBytes = 0;            ///< Of the weights that were left out.
  std::vector<std::string> targets;     ///< As resolved, none twice.
  double codeSeconds = 0;               ///< From the imported model to the machine code of all kernels.
  double weightSeconds = 0;             ///< From then to a plan that is on the disk under its name.
  std::vector<CandidateKernel> kernels; ///< With CompileOptions::candidate alone.
};

/// Compiles. Errors have the exit code that the program ends with.
Result<CompileSummary> compile(const CompileOptions &options);

struct ExportModuleOptions {
  std::string input;  ///< A module at the plan level, as text; every weight of it is an `lm.table`.
  std::string output; ///< The plan to write; ExitCode::Usage when it is the input.
  /// Who the plan says made it; empty: this compiler.
  std::string producer;
  unsigned jobs = 1;
  Observer observer;
};

/// Writes the plan that a module says, without a checkpoint and without any pass but the verifier of the plan level.
Result<CompileSummary> exportModule(const ExportModuleOptions &options);

} // namespace yupana

#endif // YUPANA_COMPILER_DRIVER_DRIVER_H
