// SPDX-License-Identifier: Apache-2.0
//
// Candidates are whole plans, not lone kernels: a kernel is then timed as it runs, after the kernel before it and with
// the caches that this one leaves, and the runtime needs no way to start one that has no model around it. All kernels
// change their config from one plan to the next, so a folder has as many plans as the kernel with most configs needs.

#include "compiler/Support/File.h"
#include "tools/support/PlanIdentity.h"
#include "tools/yupana/Tune.h"
#include "yupana/yupana.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sys/stat.h>

using namespace yupana;
namespace fs = std::filesystem;

namespace {

/// Removes the folder of compiled kernels that candidates share, which nobody needs where they are timed.
struct SharedKernels {
  std::string folder;
  ~SharedKernels() { remove(); }
  void remove() const {
    std::error_code ignored;
    if (!folder.empty())
      fs::remove_all(folder, ignored);
  }
};

/// True if the folder was not there.
Result<bool> makeFolder(const std::string &folder) {
  std::error_code error;
  fs::file_status status = fs::status(folder, error);
  bool usable = !fs::exists(status) || (fs::is_directory(status) && fs::is_empty(folder, error) && !error);
  if (!usable)
    return makeError(ExitCode::Usage, "{}: exists and is not an empty folder, expected the name of a new one", folder);
  bool isNew = fs::create_directories(folder, error);
  if (error)
    return makeError(ExitCode::MissingFile, "{}: cannot be created: {}", folder, error.message());
  return isNew;
}

Result<void> writeText(const std::string &path, const std::string &text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file)
    return makeError(ExitCode::OutOfSpace, "{}: cannot be written: {}", path, std::strerror(errno));
  return {};
}

/// A plan as the runtime opens it: its limits, and what tells it from others.
Result<std::string> openPlan(const std::string &path, yupana_limits_t &limits) {
  yupana_plan_t *plan = nullptr;
  yupana_status_t status = {};
  if (yupana_status_code_t code = yupana_plan_open_file(path.c_str(), nullptr, &plan, &status))
    return Error{static_cast<ExitCode>(yupana_status_exit_code(code)), status.message};
  limits = {};
  limits.size = sizeof limits;
  yupana_plan_limits(plan, &limits);
  std::string identity = planIdentity(plan);
  yupana_plan_release(plan);
  return identity;
}

/// One sequence with as long a prompt as a step holds, and as many sequences as a step may have, with prompts that fill
/// it together; in each, decode steps of all sequences. Every prompt is read in one step, so that its time is that of
/// the kernels of one size.
std::vector<TuneShape> chooseShapes(const yupana_limits_t &limits) {
  constexpr uint64_t newTokens = 16, longest = 2048;
  std::vector<TuneShape> shapes;
  uint64_t most = std::min({limits.max_batch, limits.max_logit_rows, limits.max_step_tokens});
  for (uint64_t batch : std::set<uint64_t>{1, most}) {
    uint64_t room = limits.max_context > newTokens ? limits.max_context - newTokens : 1;
    uint64_t prompt = std::min({std::max<uint64_t>(1, limits.max_step_tokens / batch), room, longest});
    shapes.push_back({prompt, batch, std::min<uint64_t>(newTokens, limits.max_context - prompt)});
  }
  return shapes;
}

} // namespace

Result<PrepareSummary> yupana::prepareTuning(const PrepareOptions &options) {
  YUPANA_ASSIGN_OR_RETURN(bool isNew, makeFolder(options.folder));
  CompileOptions compiling = options.compile;
  compiling.stripWeights = true;
  SharedKernels shared;
  if (compiling.cacheDirectory.empty())
    compiling.cacheDirectory = shared.folder = options.folder + "/kernels";
  TuneFolder folder;
  folder.compiler = fmt::format("yupana {}", compilerVersion());
  folder.rounds = options.rounds;
  yupana_limits_t limits = {};
  uint64_t count = 1;
  for (uint64_t number = 0; number < count; ++number) {
    TuneCandidate candidate;
    candidate.plan = fmt::format("candidate-{:02}.yplan", folder.candidates.size());
    compiling.output = options.folder + "/" + candidate.plan;
    compiling.candidate = number;
    Result<CompileSummary> compiled = compile(compiling);
    // Notes are about the checkpoint: once is enough.
    if (number == 0)
      compiling.observer.note = {};
    // The first one shows that the model is supported, and what code generation refuses is one of these.
    bool isRefused =
        !compiled && (compiled.error().code == ExitCode::Internal || compiled.error().code == ExitCode::Unsupported);
    if (isRefused && number > 0) {
      if (options.compile.observer.note)
        options.compile.observer.note(fmt::format("candidate {} is left out: {}", number, compiled.error().message));
      continue;
    }
    if (!compiled && number == 0 && isNew) {
      // Nothing was prepared, so that the folder goes, too.
      shared.remove();
      std::error_code ignored;
      fs::remove(options.folder, ignored);
    }
    YUPANA_RETURN_IF_ERROR(compiled);
    YUPANA_ASSIGN_OR_RETURN(candidate.identity, openPlan(compiling.output, limits));
    candidate.kernels = std::move(compiled->kernels);
    for (const CandidateKernel &kernel : candidate.kernels)
      count = std::max(count, kernel.candidates);
    if (options.candidates)
      count = std::min(count, options.candidates);
    folder.target = compiled->targets.front();
    folder.candidates.push_back(std::move(candidate));
  }
  for (const TargetSupport &target : targetSupport())
    folder.isGpu |= target.isGpu && target.name == folder.target;
  folder.shapes = chooseShapes(limits);
  YUPANA_RETURN_IF_ERROR(writeText(options.folder + "/tune.json", folder.text()));
  std::string script = options.folder + "/time.sh";
  YUPANA_RETURN_IF_ERROR(writeText(script, folder.script()));
  constexpr mode_t executable = 0755;
  if (::chmod(script.c_str(), executable) != 0)
    return makeError(ExitCode::OutOfSpace, "{}: cannot be made a program: {}", script, std::strerror(errno));
  return PrepareSummary{folder.candidates.size(), folder.candidates.front().kernels.size(), folder.shapes.size()};
}
