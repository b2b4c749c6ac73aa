// SPDX-License-Identifier: Apache-2.0
//
// Every target runs in a child process: the stand-in is one GPU for as long as a process lives, a fault ends its
// context, and a fault of the interpreter itself must not end the command. Steps and tokens are fixed, so that two
// targets, or a target and a processor, can be compared. They are few, since an interpreter is slow, and yet take every
// way through a plan: a step of the largest size class, a piece of a prompt behind what the cache holds, single tokens
// of several sequences, which a GPU runs as a captured graph, and drawn tokens.

#include "tools/yupana/Simulate.h"

#include "runtime/schema/targets.h"
#include "tools/yupana/Commands.h"
#include "tools/yupana/PlanReport.h"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <filesystem>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace yupana;

namespace {

/// The largest difference of a row over the range of its logits. In float32 both sides are within 1e-5 of the truth. In
/// bfloat16 every store of either side rounds by up to 2^-9, and a token near a tie may go to another expert: rows as a
/// whole are close, single ones need not be.
constexpr float f32Limit = 2e-5f, bf16MedianLimit = 5e-3f;

/// What the steps of one target gave.
struct Outcome {
  yupana_status_t status = {};
  std::string report; ///< The stand-in's last one, in several lines; empty: none.
  uint32_t steps = 0;
  uint32_t vocabulary = 0;
  std::vector<float> logits; ///< [rows][vocabulary]
  std::string sampling;      ///< What is wrong with a drawn token; empty: nothing.
};

/// How many tokens each sequence goes on by in a step. At most half of what the context still holds, so that a plan for
/// short contexts goes on by single tokens, too.
using Turn = std::vector<uint32_t>;

/// Prompts of two lengths, a second piece of each, then single tokens of both sequences and of one. What the limits of
/// the plan do not hold is cut, and the list ends where nothing is left.
std::vector<Turn> planTurns(const yupana_limits_t &limits) {
  uint32_t room = std::min(limits.max_step_tokens, limits.max_logit_rows);
  uint32_t sequences = std::min({2u, limits.max_batch, room});
  std::vector<Turn> turns;
  Turn held(sequences);
  for (Turn turn : {Turn{12, 7}, Turn{3, 1}, Turn{1, 1}, Turn{1}}) {
    turn.resize(std::min<size_t>(turn.size(), sequences));
    for (size_t s = 0; s < turn.size(); ++s)
      held[s] += turn[s] = std::min({turn[s], room / sequences, (limits.max_context - held[s] + 1) / 2});
    if (std::find(turn.begin(), turn.end(), 0u) != turn.end())
      break;
    turns.push_back(turn);
  }
  return turns;
}

struct ReleaseContext {
  void operator()(yupana_context_t *context) const { yupana_context_release(context); }
};
using Context = std::unique_ptr<yupana_context_t, ReleaseContext>;

/// Runs the turns in a context.
class Steps {
public:
  Steps(const yupana_plan_t *plan, yupana_context_t *context, Outcome &out) : context(context), out(out) {
    limits.size = sizeof(limits);
    yupana_plan_limits(plan, &limits);
    model.size = sizeof(model);
    yupana_plan_model(plan, &model);
    yupana_context_info_t info = {};
    info.size = sizeof(info);
    yupana_context_info(context, &info);
    target.size = sizeof(target);
    yupana_plan_target(plan, info.target, &target);
    out.vocabulary = model.vocab_size;
  }

  /// False when `out.status` says why not.
  bool run() {
    std::vector<Turn> turns = planTurns(limits);
    sequences.resize(turns.empty() ? 0 : turns.front().size());
    for (size_t s = 0; s < sequences.size(); ++s)
      if (yupana_sequence_create(context, s + 1, &sequences[s], &out.status))
        return false;
    // Prompts are not sampled, so that a plan's sampling shows after its logits.
    // Turns 2 and 3 decode; sampling is a program of its own, which a plan need not have.
    for (size_t i = 0; i < turns.size(); ++i)
      if (!step(turns[i], target.has_sample && i >= 2))
        return false;
    return true;
  }

private:
  bool step(const Turn &turn, bool sample) {
    std::vector<std::vector<uint32_t>> tokens;
    std::vector<yupana_span_t> spans;
    for (size_t s = 0; s < turn.size(); ++s) {
      // The same tokens for every target: a linear congruential generator (Numerical Recipes) taken modulo the
      // vocabulary.
      std::vector<uint32_t> &mine = tokens.emplace_back(turn[s]);
      for (uint32_t &token : mine)
        token = next = (next * 1664525 + 1013904223) % model.vocab_size;
      yupana_span_t span = {};
      span.size = sizeof(span);
      span.sequence = sequences[s];
      span.tokens = mine.data();
      span.token_count = turn[s];
      span.rows = YUPANA_ROWS_ALL;
      span.sample = sample;
      // The first sequence is greedy, which has one right answer; the others have every parameter set to something.
      if (s)
        span.temperature = 0.8f, span.seed = 7, span.top_k = 20, span.top_p = 0.9f, span.min_p = 0.01f,
        span.repetition_penalty = 1.1f;
      spans.push_back(span);
    }
    yupana_batch_t batch = {sizeof(batch), spans.data(), static_cast<uint32_t>(spans.size()), 0};
    yupana_step_result_t result = {};
    result.size = sizeof(result);
    if (yupana_context_step(context, &batch, &result, &out.status))
      return false;
    out.logits.insert(out.logits.end(), result.logits, result.logits + size_t{result.rows} * result.vocab_size);
    ++out.steps;
    if (sample)
      checkSampled(result);
    return true;
  }

  /// The first row's token is the best one, the lowest of equals; the others are drawn.
  void checkSampled(const yupana_step_result_t &result) {
    const float *best = std::max_element(result.logits, result.logits + result.vocab_size);
    if (result.sampled[0] != static_cast<uint32_t>(best - result.logits))
      out.sampling =
          fmt::format("token {} was chosen as the best one, expected {}", result.sampled[0], best - result.logits);
    for (uint32_t row = 1; row < result.rows; ++row)
      if (result.sampled[row] >= result.vocab_size)
        out.sampling =
            fmt::format("token {} was drawn from a vocabulary of {}", result.sampled[row], result.vocab_size);
  }

  yupana_context_t *context;
  Outcome &out;
  yupana_limits_t limits = {};
  yupana_model_info_t model = {};
  yupana_target_info_t target = {};
  std::vector<yupana_sequence_t> sequences;
  uint32_t next = 1;
};

/// Runs the steps of a target on a device of this process.
void runTarget(const OpenedPlan &plan, const char *target, const yupana_device_t &device, Outcome &out) {
  yupana_context_options_t options = {};
  options.size = sizeof(options);
  options.target = target;
  options.device = &device;
  options.max_sequences = 2;
  // Room for both sequences: all turns together are shorter than 64 positions.
  options.kv_bytes = yupana_plan_kv_bytes(plan.get(), 64, 2);
  yupana_limits_t limits = {};
  limits.size = sizeof(limits);
  yupana_plan_limits(plan.get(), &limits);
  options.max_sequences = std::min(options.max_sequences, limits.max_batch);
  yupana_context_t *created = nullptr;
  if (yupana_context_create(plan.get(), &options, nullptr, &created, &out.status))
    return;
  Context context(created);
  Steps(plan.get(), context.get(), out).run();
}

/// A function of the stand-in, which this process has loaded; null when it has not.
template <typename F> F *standInFunction(const std::string &standIn, const char *name) {
  // findStandIn has loaded it; here it is only found again.
  void *library = dlopen(standIn.c_str(), RTLD_NOW | RTLD_NOLOAD);
  return library ? reinterpret_cast<F *>(dlsym(library, name)) : nullptr;
}

/// What a child leaves in a file in memory: this, then the logits, the report and what is wrong with sampling.
struct Written {
  yupana_status_t status;
  uint32_t steps, vocabulary;
  uint64_t logits, report, sampling;
};

/// To a file in memory, whose writes no signal cuts; a failure means that there is no more memory.
bool writeAll(int file, const void *data, size_t bytes) {
  const char *from = static_cast<const char *>(data);
  while (bytes) {
    ssize_t done = write(file, from, bytes);
    if (done <= 0)
      return false;
    from += done;
    bytes -= static_cast<size_t>(done);
  }
  return true;
}

bool readAll(int file, void *data, size_t bytes) {
  char *to = static_cast<char *>(data);
  while (bytes) {
    ssize_t done = read(file, to, bytes);
    if (done <= 0)
      return false;
    to += done;
    bytes -= static_cast<size_t>(done);
  }
  return true;
}

/// The child's whole life, which ends with that of its parent.
[[noreturn]] void runChild(const OpenedPlan &plan, const schema::Target &target, const std::string &standIn, int file) {
  // A simulation may take minutes; without this it would go on when its parent is killed.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The report is asked for; standard error is for the sentence of this command.
  if (int null = open("/dev/null", O_WRONLY); null >= 0)
    dup2(null, STDERR_FILENO);
  std::string capability = std::to_string(schema::gpu_architecture(target.name()->c_str()).capability);
  // The stand-in reads its settings when a driver's function is first called, which is in this process alone.
  setenv("YUPANA_SIM_CAPABILITY", capability.c_str(), 1);
  Outcome out;
  yupana_device_t device = {sizeof(device), YUPANA_DEVICE_CUDA, 0, standIn.c_str()};
  runTarget(plan, target.name()->c_str(), device, out);
  if (auto *report = standInFunction<const char *()>(standIn, "yupana_sim_report"))
    out.report = report();
  Written written = {out.status, out.steps, out.vocabulary, out.logits.size(), out.report.size(), out.sampling.size()};
  bool done = writeAll(file, &written, sizeof(written)) &&
              writeAll(file, out.logits.data(), out.logits.size() * sizeof(float)) &&
              writeAll(file, out.report.data(), out.report.size()) &&
              writeAll(file, out.sampling.data(), out.sampling.size());
  // Not exit(): buffers and handlers of the parent were copied and are the parent's to run.
  _exit(done ? 0 : 1);
}

struct OpenFile {
  explicit OpenFile(int number) : number(number) {}
  OpenFile(const OpenFile &) = delete;
  OpenFile &operator=(const OpenFile &) = delete;
  ~OpenFile() {
    if (number >= 0)
      close(number);
  }
  int number;
};

Result<Outcome> runInChild(const OpenedPlan &plan, const schema::Target &target, const std::string &standIn) {
  const char *name = target.name()->c_str();
  OpenFile file(memfd_create("simulated", MFD_CLOEXEC));
  if (file.number < 0)
    return makeError(ExitCode::OutOfSpace, "{}: no room for the results of target {}: {}", yupana_plan_name(plan.get()),
                     name, strerror(errno));
  // Or the child would write what is still in the buffer once more.
  std::fflush(stdout);
  pid_t child = fork();
  if (child < 0)
    return makeError(ExitCode::OutOfSpace, "{}: no process for target {}: {}", yupana_plan_name(plan.get()), name,
                     strerror(errno));
  if (child == 0)
    runChild(plan, target, standIn, file.number);
  // Ctrl-C reaches the child, too; the first one only sets a flag there and here.
  int ended = 0;
  while (waitpid(child, &ended, 0) < 0 && errno == EINTR) {
  }
  if (wasInterrupted())
    return makeError(ExitCode::Interrupted, "{}: interrupted", yupana_plan_name(plan.get()));
  Outcome out;
  Written written;
  // The child wrote through the same open file, so that its position is behind the results.
  lseek(file.number, 0, SEEK_SET);
  bool whole = WIFEXITED(ended) && WEXITSTATUS(ended) == 0 && readAll(file.number, &written, sizeof(written));
  if (whole) {
    // Sizes come from this very program; a child that ended well has written all of it.
    out.status = written.status;
    out.steps = written.steps;
    out.vocabulary = written.vocabulary;
    out.logits.resize(written.logits);
    out.report.resize(written.report);
    out.sampling.resize(written.sampling);
    whole = readAll(file.number, out.logits.data(), out.logits.size() * sizeof(float)) &&
            readAll(file.number, out.report.data(), out.report.size()) &&
            readAll(file.number, out.sampling.data(), out.sampling.size());
  }
  if (!whole)
    return makeError(ExitCode::Internal, "{}: the process that simulated target {} ended with {} {}",
                     yupana_plan_name(plan.get()), name, WIFSIGNALED(ended) ? "signal" : "exit code",
                     WIFSIGNALED(ended) ? WTERMSIG(ended) : WEXITSTATUS(ended));
  return out;
}

/// Per row the largest difference over the range of `expected`, in ascending order.
std::vector<float> differences(const Outcome &found, const Outcome &expected) {
  std::vector<float> rows;
  for (size_t begin = 0; begin < expected.logits.size(); begin += expected.vocabulary) {
    const float *a = &found.logits[begin], *b = &expected.logits[begin];
    float most = 0;
    for (uint32_t i = 0; i < expected.vocabulary; ++i)
      most = std::max(most, std::fabs(a[i] - b[i]));
    auto [least, greatest] = std::minmax_element(b, b + expected.vocabulary);
    // A row of equal logits has no range.
    rows.push_back(most / std::max(*greatest - *least, 1e-30f));
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

std::string firstLine(const std::string &text) { return text.substr(0, text.find('\n')); }

/// What is wrong with the outcome by itself.
Result<void> checkOutcome(const OpenedPlan &plan, const char *target, const Outcome &out) {
  const char *path = yupana_plan_name(plan.get());
  // The stand-in also reports what it refuses and the runtime does without, such as cubins.
  // The context of a faulty kernel is lost, which the runtime reports as an internal error; the stand-in knows why.
  if (out.status.code == YUPANA_STATUS_INTERNAL && !out.report.empty()) {
    print("{}\n", out.report);
    return makeError(ExitCode::InvalidInput, "{}: target {} is faulty: {}", path, target, firstLine(out.report));
  }
  if (out.status.code == YUPANA_STATUS_NOT_FINITE)
    return makeError(ExitCode::InvalidInput, "{}: target {}: {}", path, target, out.status.message);
  YUPANA_RETURN_IF_ERROR(checkStatus(static_cast<yupana_status_code_t>(out.status.code), out.status));
  size_t wrong = static_cast<size_t>(
      std::find_if(out.logits.begin(), out.logits.end(), [](float value) { return !std::isfinite(value); }) -
      out.logits.begin());
  if (wrong != out.logits.size())
    return makeError(ExitCode::InvalidInput, "{}: target {} gives {} as logit {} of row {}", path, target,
                     out.logits[wrong], wrong % out.vocabulary, wrong / out.vocabulary);
  if (!out.sampling.empty())
    return makeError(ExitCode::InvalidInput, "{}: target {}: {}", path, target, out.sampling);
  return {};
}

Result<void> compare(const OpenedPlan &plan, const char *target, const Outcome &out, const char *reference,
                     const Outcome &expected) {
  std::vector<float> rows = differences(out, expected);
  if (rows.empty())
    return {};
  float median = rows[rows.size() / 2];
  // In float32 every row must be close; in bfloat16 the typical one (see the limits above).
  bool isF32 = plan.metadata().model()->precision()->string_view() == "f32";
  print(", {:.1e} of their range from those of {}, {:.1e} at most", median, reference, rows.back());
  if (isF32 ? rows.back() <= f32Limit : median <= bf16MedianLimit)
    return {};
  print("\n");
  return makeError(
      ExitCode::InvalidInput,
      "{}: logits of target {} differ from those of {} by {:.1e} of their range, {} rows; expected at most {:.1e}",
      yupana_plan_name(plan.get()), target, reference, isF32 ? rows.back() : median,
      isF32 ? "in the worst of" : "in the median of", isF32 ? f32Limit : bf16MedianLimit);
}

/// The targets to run, of which each has PTX.
Result<std::vector<const schema::Target *>> chooseTargets(const OpenedPlan &plan, const std::string &wanted) {
  const char *path = yupana_plan_name(plan.get());
  if (uint32_t missing = yupana_plan_missing_weights(plan.get()))
    return makeError(ExitCode::InvalidInput, "{}: lacks {} of {} weights: fill it with yupana refit, then simulate it",
                     path, missing, plan.metadata().weights()->size());
  std::vector<const schema::Target *> chosen;
  std::string all;
  for (const schema::Target *target : *plan.metadata().targets()) {
    all += (all.empty() ? "" : ", ") + target->name()->str();
    bool isGpu = schema::gpu_architecture(target->name()->c_str()).capability != 0;
    if (!isGpu || (!wanted.empty() && target->name()->string_view() != wanted))
      continue;
    // The stand-in interprets text. A cubin is machine code, which it cannot run.
    if (!hasImages(*target, schema::ImageFormat::ptx))
      return makeError(ExitCode::DoesNotFit,
                       "{}: target {} has no PTX, which is what the stand-in runs: compile with --emit cubin,ptx", path,
                       target->name()->string_view());
    chosen.push_back(target);
  }
  if (chosen.empty())
    return makeError(ExitCode::DoesNotFit,
                     "{}: has code for {}, none of it to simulate: compile the model with --target {} --emit cubin,ptx",
                     path, all, schema::gpu_architecture(wanted.c_str()).capability ? wanted : "sm_90a");
  return chosen;
}

} // namespace

Result<std::string> yupana::findStandIn(const std::optional<std::string> &given) {
  constexpr const char *name = "libyupana-simdriver.so";
  std::error_code ignored;
  // Beside the program as in a build tree or a package's bin, or in the lib folder next to it.
  std::filesystem::path folder = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  std::vector<std::filesystem::path> places = {folder / name, folder.parent_path() / "lib" / name};
  if (given)
    places = {std::filesystem::absolute(*given, ignored)};
  auto found =
      std::find_if(places.begin(), places.end(), [](const auto &place) { return !access(place.c_str(), R_OK); });
  if (found == places.end())
    return makeError(ExitCode::MissingFile,
                     "{}: the stand-in for the CUDA driver is not there; build it, or name it with --driver",
                     places.back().string());
  // Loaded in this process to look at it; nothing of it runs here, and it stays loaded for the children.
  void *library = dlopen(found->c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library || !dlsym(library, "yupana_sim_report"))
    return makeError(ExitCode::Usage, "option --driver: {} is not the stand-in for the CUDA driver, {}",
                     found->string(), name);
  return found->string();
}

Result<void> yupana::simulate(const OpenedPlan &plan, const std::string &wanted, const std::string &standIn) {
  YUPANA_ASSIGN_OR_RETURN(std::vector<const schema::Target *> targets, chooseTargets(plan, wanted));
  // A plan for GPUs alone is still run: faults and logits that are not finite are found without a reference.
  yupana_device_t processor = {sizeof(processor), YUPANA_DEVICE_CPU, 0, nullptr};
  uint32_t index = 0;
  const char *reference = nullptr;
  if (yupana_plan_best_target(plan.get(), &processor, &index, nullptr) == YUPANA_STATUS_OK)
    reference = plan.metadata().targets()->Get(index)->name()->c_str();
  std::vector<Outcome> outcomes;
  for (const schema::Target *target : targets) {
    YUPANA_ASSIGN_OR_RETURN(Outcome out, runInChild(plan, *target, standIn));
    outcomes.push_back(std::move(out));
  }
  // Threads start only now, when no process is forked any more.
  Outcome expected;
  if (reference) {
    runTarget(plan, reference, processor, expected);
    YUPANA_RETURN_IF_ERROR(checkStatus(static_cast<yupana_status_code_t>(expected.status.code), expected.status));
  }
  for (size_t i = 0; i < targets.size(); ++i) {
    const char *name = targets[i]->name()->c_str();
    YUPANA_RETURN_IF_ERROR(checkOutcome(plan, name, outcomes[i]));
    print("{}: simulated {} steps, nothing found; {} rows of logits", name, outcomes[i].steps,
          outcomes[i].logits.size() / outcomes[i].vocabulary);
    if (reference) {
      YUPANA_RETURN_IF_ERROR(compare(plan, name, outcomes[i], reference, expected));
      print("\n");
    } else {
      print(", compared with nothing: the plan has no CPU target that runs here\n");
    }
  }
  return {};
}
