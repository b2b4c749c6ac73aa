// SPDX-License-Identifier: Apache-2.0
//
// Runs the same prompts again and again in one context and takes the times of reading them and of decoding. Repetitions
// alternate with measurements of the machine, so that each is held against what the machine did just before and just
// after: shared machines change their speed from second to second. Prompts are random ids, the same in every run;
// experts are then hit about evenly, which is what Cost.cpp expects.

#include "tools/yupana-bench/Benchmark.h"

#include "tools/support/Process.h"
#include "tools/support/ProgressBar.h"
#include "tools/support/Targets.h"
#include "tools/yupana-bench/RandomWeights.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <sys/resource.h>
#include <unistd.h>

using namespace yupana;

namespace {

volatile std::sig_atomic_t interrupted = 0;

/// Only sets the flag, the one thing a handler may do here; the run looks at it before each step and while it loads.
void onInterrupt(int) { interrupted = 1; }

/// Seconds since some fixed moment, of a clock that nobody sets.
double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// The most memory the process has had, in bytes.
uint64_t peakRss() {
  rusage usage = {};
  // ru_maxrss is in kilobytes on Linux.
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

/// The memory the process has now, in bytes.
uint64_t currentRss() {
  unsigned long long total = 0, resident = 0;
  FILE *file = std::fopen("/proc/self/statm", "re");
  if (!file)
    return 0;
  bool read = std::fscanf(file, "%llu %llu", &total, &resident) == 2;
  std::fclose(file);
  return read ? resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

/// Passes the progress of loading on to a bar, and Ctrl-C to the library.
int reportLoading(void *user, uint64_t done, uint64_t total) {
  static_cast<ProgressBar *>(user)->update(done, total);
  return interrupted;
}

/// [sequences][tokens] random ids, the same in every run. Id 0 is left out: a row of zeros is not what a model meets.
std::vector<std::vector<uint32_t>> drawPrompts(uint32_t sequences, uint32_t tokens, uint32_t vocabulary) {
  uint64_t state = 0x5EED;
  std::vector<std::vector<uint32_t>> prompts(sequences, std::vector<uint32_t>(tokens));
  for (std::vector<uint32_t> &prompt : prompts)
    for (uint32_t &token : prompt) {
      // SplitMix64 (Steele, Lea, Flood 2014).
      uint64_t z = state += 0x9E3779B97F4A7C15u;
      z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
      z = (z ^ z >> 27) * 0x94D049BB133111EBu;
      // A vocabulary of one token leaves no other id to draw.
      token = vocabulary > 1 ? static_cast<uint32_t>(1 + (z ^ z >> 31) % (vocabulary - 1)) : 0;
    }
  return prompts;
}

/// Runs the same prompts again and again in one context.
class Runner {
public:
  Runner(const yupana_plan_t *plan, yupana_context_t *context, const Options &options, yupana_status_t &status)
      : context(context), options(options), status(status) {
    yupana_model_info_t model = {};
    model.size = sizeof model;
    yupana_plan_model(plan, &model);
    yupana_limits_t limits = {};
    limits.size = sizeof limits;
    yupana_plan_limits(plan, &limits);
    // A plan's limit bounds what is asked for, so that one command line serves plans of several limits.
    stepTokens = options.stepTokens ? std::min(options.stepTokens, limits.max_step_tokens) : limits.max_step_tokens;
    yupana_context_info_t info = {};
    info.size = sizeof info;
    yupana_context_info(context, &info);
    runsApart = info.runs_apart != 0;
    prompts = drawPrompts(options.batch, options.promptTokens, model.vocab_size);
  }

  /// Reads the prompts and runs the decode steps once, in new sequences. `times` is told which is which; may be null.
  yupana_status_code_t run(double &promptSeconds, double &decodeSeconds, KernelTimes *times = nullptr);

private:
  yupana_status_code_t createSequences();
  yupana_status_code_t releaseSequences();
  yupana_status_code_t readPrompts();
  yupana_status_code_t decode();
  yupana_status_code_t step();
  yupana_status_code_t submit();
  yupana_status_code_t wait();
  void addSpan(uint32_t sequence, const uint32_t *tokens, uint32_t count, bool last);

  yupana_context_t *context;
  const Options &options;
  yupana_status_t &status;
  uint32_t stepTokens;
  bool runsApart; ///< Steps run beside the host.
  std::vector<std::vector<uint32_t>> prompts;
  std::vector<yupana_sequence_t> sequences;
  std::vector<uint32_t> newest; ///< The last token of each sequence.
  std::vector<yupana_span_t> spans;
  std::vector<uint32_t> sampling; ///< Which sequences get a token from the step.
};

/// New sequences, since those of an earlier run hold their cached positions. Their creation is in no measured time.
yupana_status_code_t Runner::createSequences() {
  sequences.assign(options.batch, 0);
  newest.assign(options.batch, 0);
  for (uint32_t i = 0; i < options.batch; ++i)
    if (yupana_status_code_t code = yupana_sequence_create(context, i, &sequences[i], &status))
      return code;
  return YUPANA_STATUS_OK;
}

/// Gives the pages back to the next run. After a failed run nobody calls this: the context goes as a whole.
yupana_status_code_t Runner::releaseSequences() {
  for (yupana_sequence_t sequence : sequences)
    if (yupana_status_code_t code = yupana_sequence_release(context, sequence, &status))
      return code;
  return YUPANA_STATUS_OK;
}

/// A span of the next step. `tokens` must live until that step has run. Only the `last` span of a prompt asks for
/// logits and a token: rows of the head for other tokens would be work that nobody needs.
void Runner::addSpan(uint32_t sequence, const uint32_t *tokens, uint32_t count, bool last) {
  yupana_span_t span = {};
  span.size = sizeof span;
  span.sequence = sequences[sequence];
  span.tokens = tokens;
  span.token_count = count;
  span.rows = last ? YUPANA_ROWS_LAST : YUPANA_ROWS_NONE;
  span.sample = last;
  spans.push_back(span);
  if (last)
    sampling.push_back(sequence);
}

yupana_status_code_t Runner::submit() {
  if (interrupted)
    return failWith(status, YUPANA_STATUS_CANCELLED, "interrupted");
  yupana_batch_t batch = {};
  batch.size = sizeof batch;
  batch.spans = spans.data();
  batch.span_count = static_cast<uint32_t>(spans.size());
  // Sampling runs where the logits lie; copying a row of the whole vocabulary back would be measured as decoding.
  batch.keep_logits = 1;
  yupana_status_code_t code = yupana_context_submit(context, &batch, &status);
  spans.clear();
  return code;
}

/// Takes the new tokens of the first step in flight. Of several, all have the same rows.
yupana_status_code_t Runner::wait() {
  yupana_step_result_t result = {};
  result.size = sizeof result;
  if (yupana_status_code_t code = yupana_context_wait(context, &result, &status))
    return code;
  // Every span that asked for a row also samples, so the rows are those of `sampling`, in its order.
  for (size_t row = 0; row < sampling.size(); ++row)
    newest[sampling[row]] = result.sampled[row];
  return YUPANA_STATUS_OK;
}

/// Runs the spans and takes the new tokens.
yupana_status_code_t Runner::step() {
  if (yupana_status_code_t code = submit())
    return code;
  yupana_status_code_t code = wait();
  sampling.clear();
  return code;
}

/// Fills each step with one sequence after the other.
yupana_status_code_t Runner::readPrompts() {
  // A sequence has at most one span in a step: one that is cut fills its step, which then runs before the next piece is
  // added.
  uint32_t room = stepTokens;
  for (uint32_t i = 0; i < options.batch; ++i)
    for (uint32_t done = 0; done < options.promptTokens;) {
      uint32_t take = std::min(options.promptTokens - done, room);
      addSpan(i, prompts[i].data() + done, take, done + take == options.promptTokens);
      done += take;
      room -= take;
      if (room)
        continue;
      if (yupana_status_code_t code = step())
        return code;
      room = stepTokens;
    }
  // The last step need not be full.
  return spans.empty() ? YUPANA_STATUS_OK : step();
}

/// A step of decoding is submitted before the one before it is waited for where that gains something, as yupana-run
/// does.
yupana_status_code_t Runner::decode() {
  uint32_t ahead = runsApart ? 1 : 0, waited = 0;
  std::vector<uint32_t> tokens;
  for (uint32_t i = 0; i < options.maxNewTokens + ahead; ++i) {
    if (i < options.maxNewTokens) {
      // The spans point into `tokens`, a copy, since waiting overwrites `newest`.
      tokens = newest;
      sampling.clear();
      for (uint32_t s = 0; s < options.batch; ++s) {
        addSpan(s, &tokens[s], 1, true);
        spans.back().token_from_previous = i > waited;
      }
      if (yupana_status_code_t code = submit())
        return code;
    }
    if (i < ahead)
      continue;
    if (yupana_status_code_t code = wait())
      return code;
    ++waited;
  }
  sampling.clear();
  return YUPANA_STATUS_OK;
}

/// The clock is read where a step has returned its tokens, so that work queued on a GPU is counted where it belongs.
yupana_status_code_t Runner::run(double &promptSeconds, double &decodeSeconds, KernelTimes *times) {
  if (yupana_status_code_t code = createSequences())
    return code;
  double start = now();
  if (yupana_status_code_t code = readPrompts())
    return code;
  double middle = now();
  if (times)
    times->beginDecode();
  if (yupana_status_code_t code = decode())
    return code;
  decodeSeconds = now() - middle;
  promptSeconds = middle - start;
  return releaseSequences();
}

struct ReleaseContext {
  void operator()(yupana_context_t *context) const { yupana_context_release(context); }
};
using ContextPointer = std::unique_ptr<yupana_context_t, ReleaseContext>;

yupana_status_code_t createContext(yupana_plan_t *plan, const Options &options, ContextPointer &context,
                                   yupana_status_t &status) {
  yupana_limits_t limits = {};
  limits.size = sizeof limits;
  yupana_plan_limits(plan, &limits);
  // In 64 bits: the lengths are checked against the plan by checkLimits, but their product with the batch is not.
  uint64_t positions = (uint64_t{options.promptTokens} + options.maxNewTokens) * options.batch;
  if (options.mapWeights)
    explainLostMappings(options.plan.c_str());
  ProgressBar bar("loading");
  yupana_progress_t progress = {sizeof progress, &bar, reportLoading};
  yupana_context_options_t contextOptions = {};
  contextOptions.size = sizeof contextOptions;
  contextOptions.target = options.target.empty() ? nullptr : options.target.c_str();
  contextOptions.threads = options.threads;
  contextOptions.max_sequences = options.batch;
  // At least one whole context, as --help states: peaks of memory of different lengths can then be compared. More where
  // several prompts need it.
  contextOptions.kv_bytes = options.kvMemory ? options.kvMemory
                                             : std::max(yupana_plan_kv_bytes(plan, limits.max_context, 1),
                                                        yupana_plan_kv_bytes(plan, positions, options.batch));
  contextOptions.map_weights = options.mapWeights;
  contextOptions.progress = &progress;
  yupana_device_t device = options.device.get();
  contextOptions.device = &device;
  // On the stack: the library keeps neither the filler nor the progress beyond the call.
  RandomWeights weights(*schema::GetPlan(yupana_plan_metadata(plan, nullptr)));
  yupana_filler_t filler = weights.filler();
  if (options.randomWeights)
    contextOptions.filler = &filler;
  yupana_context_t *created = nullptr;
  yupana_status_code_t code = yupana_context_create(plan, &contextOptions, nullptr, &created, &status);
  // After a failure there is none.
  context.reset(created);
  return code;
}

/// True if a processor runs the target. All kernels of a target are for one kind of device, so the first one tells.
bool runsOnProcessor(const yupana_plan_t *plan, uint32_t target) {
  const schema::Kernel &first =
      *schema::GetPlan(yupana_plan_metadata(plan, nullptr))->targets()->Get(target)->kernels()->Get(0);
  return first.images()->Get(0)->format() == schema::ImageFormat::elf_x86_64;
}

/// Again with a profiler, in runs of their own, so that its clock readings are in none of the times above.
yupana_status_code_t measureKernels(Runner &runner, const yupana_plan_t *plan, yupana_context_t *context,
                                    const Options &options, Measurements &out, yupana_status_t &status) {
  const schema::Plan &root = *schema::GetPlan(yupana_plan_metadata(plan, nullptr));
  std::vector<std::vector<PhaseTimes>> runs; ///< By phase.
  for (uint32_t i = 0; i < options.repetitions; ++i) {
    // A profiler takes the place of the one before, whose `times` is gone; no step runs in between.
    KernelTimes times(root, *root.targets()->Get(out.target));
    yupana_profiler_t profiler = times.profiler();
    if (yupana_status_code_t code = yupana_context_profile(context, &profiler, &status))
      return code;
    double prompt = 0, decode = 0;
    if (yupana_status_code_t code = runner.run(prompt, decode, &times))
      return code;
    std::vector<PhaseTimes> phases = times.phases();
    runs.resize(phases.size());
    for (size_t phase = 0; phase < phases.size(); ++phase)
      runs[phase].push_back(std::move(phases[phase]));
  }
  for (std::vector<PhaseTimes> &phase : runs)
    out.kernels.push_back(medianRun(std::move(phase)));
  return yupana_context_profile(context, nullptr, &status);
}

/// The machine, too, if its processor is what the plan runs on and is to be held against.
yupana_status_code_t measure(Runner &runner, const Options &options, bool measuresMachine, Measurements &out) {
  double prompt = 0, decode = 0;
  for (uint32_t i = 0; i < options.warmup; ++i)
    if (yupana_status_code_t code = runner.run(prompt, decode))
      return code;
  // The buffer that the machine is measured with is no memory of the model: the peak is read around it.
  out.peakRss = peakRss();
  auto measureAgain = [&out, measuresMachine] {
    if (!measuresMachine)
      return;
    // Without AVX2, or without memory for the buffer, there is no speed and the count below tells.
    if (std::optional<MachineSpeed> speed = measureMachine(out.threads))
      out.machine.push_back(*speed);
  };
  measureAgain();
  for (uint32_t i = 0; i < options.repetitions; ++i) {
    if (yupana_status_code_t code = runner.run(prompt, decode))
      return code;
    out.promptSeconds.push_back(prompt);
    if (options.maxNewTokens)
      out.decodeSeconds.push_back(decode);
    // The process's peak now includes the buffer, so what it holds between measurements stands in for it.
    out.peakRss = std::max(out.peakRss, currentRss());
    measureAgain();
  }
  // If one of the measurements failed, repetitions cannot be paired with those before and after them.
  if (out.machine.size() != size_t{options.repetitions} + 1)
    out.machine.clear();
  return YUPANA_STATUS_OK;
}

} // namespace

void yupana::catchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = onInterrupt;
  // Restarted calls see no EINTR; after the first signal the default action is back, so a second Ctrl-C ends at once.
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &action, nullptr);
}

yupana_status_code_t yupana::runBenchmark(const Options &options, yupana_plan_t *&plan, Measurements &measurements,
                                          yupana_status_t &status) {
  double start = now();
  if (yupana_status_code_t code = yupana_plan_open_file(options.plan.c_str(), nullptr, &plan, &status))
    return code;
  uint32_t index = 0;
  if (!options.target.empty())
    // The index is not needed: the call only turns an unknown name into a sentence before weights are loaded.
    if (yupana_status_code_t code = findTarget(plan, options.target, index, status))
      return code;
  if (yupana_status_code_t code = checkLimits(plan, options, status))
    return code;
  ContextPointer context;
  if (yupana_status_code_t code = createContext(plan, options, context, status))
    return code;
  measurements.loadSeconds = now() - start;
  yupana_context_info_t info = {};
  info.size = sizeof info;
  // Which target and how many threads the library chose where the options leave it open.
  yupana_context_info(context.get(), &info);
  measurements.target = info.target;
  measurements.threads = info.threads;
  Runner runner(plan, context.get(), options, status);
  bool measuresMachine = runsOnProcessor(plan, info.target) && options.bandwidth <= 0;
  if (yupana_status_code_t code = measure(runner, options, measuresMachine, measurements))
    return code;
  return options.perKernel ? measureKernels(runner, plan, context.get(), options, measurements, status)
                           : YUPANA_STATUS_OK;
}
