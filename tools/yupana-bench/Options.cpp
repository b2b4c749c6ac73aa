// SPDX-License-Identifier: Apache-2.0
//
// The command line of yupana-bench: what --help prints, which also states what is counted as work, and how words become
// options.

#include "tools/yupana-bench/Options.h"

#include "tools/support/Numbers.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <vector>

using namespace yupana;

const char *const yupana::helpText = R"(usage: yupana-bench PLAN [options]

Measures how fast a plan runs here, and how fast this machine is: prompts (prefill) and token by token (decode), in
tokens per second, beside the read bandwidth and the arithmetic peak that the same threads reach just before and after.
Token ids are random, from a fixed seed; decoding is greedy and does not stop at stop tokens.

  --prompt-tokens N     tokens of every prompt (default 512)
  --max-new-tokens N    decode steps after the prompt, each of one token per sequence (default 128)
  --batch N             sequences that run side by side (default 1)
  --repetitions N       how often prompt and decode are measured (default 5)
  --warmup N            how often they run before that (default 1)
  --step-tokens N       read prompts in steps of at most N tokens (default: what the plan allows)
  --threads N           worker threads (default: all cores this process may use)
  --kv-memory BYTES     memory for keys and values, such as 512M or 4G (default: one sequence of the longest context,
                        or more where the run needs it)
  --mmap                map the weights from the file instead of reading them
  --random-weights      run a plan compiled with --strip-weights on random weights, drawn where they lie: finite values
                        of deviation 1/sqrt(K), gains near 1, padding zero. Speed does not depend on their values
  --for TARGET          use the code of this target of the plan, such as x86-64-v3 (default: the best one that runs)
  --device DEVICE       auto, cpu, cuda or cuda:N, the GPU that the CUDA driver gives the number N (default: auto,
                        which is a GPU where there is one that the plan has code for). The machine that is measured
                        is the processor: on a GPU there are no shares without the next two options
  --bandwidth RATE      hold the run against this read bandwidth in bytes/s, such as 4.3e12, instead of measuring the
                        machine; tools/gpu-check.sh measures a GPU's
  --flops RATE          with --bandwidth: and against this arithmetic peak in FLOP/s
  --driver FILE         use this library as the CUDA driver (default: libcuda.so.1, as the system finds it)
  --per-kernel          run prompt and decode again, every launch against the clock: what each kernel takes, moves and
                        computes, and its share of the roofline, the least time that the machine's read bandwidth and
                        arithmetic peak leave. Of the repetitions the one that took the median time; beside it the least
                        time of each launch in any of them, added up: what is left where nothing disturbs the machine
  --json                one JSON object instead of a table
  --version             print the version
  --help                print this

What is counted. A decode step reads every weight once, of an embedding one row per token, and of the experts those
that are hit: k of E for one sequence, E (1 - (1 - k/E)^N) for N of them, which holds on average for even routing; and
of the cache all positions its tokens attend to. A prompt computes 2 operations per parameter and token, of the experts
those a token is sent to, of attention 4 per attended position, query head and value of a head, and of the head the
rows that are asked for; they are held against bf16 tile products for x86-64-v4-amx, against bf16 dot products for
x86-64-v4-bf16, else against float32 multiply-adds, of 256 bits for x86-64-v3. Shares are medians over the repetitions,
each held against the machine just before and after. A model that fits in the caches may exceed the bandwidth of memory.
A kernel's bytes are its weights, pages and activations, each once; its FLOPs those of matrices and attention.

Exit codes: 0 done, 1 internal error, 2 usage, 3 file missing or unreadable, 4 input invalid or corrupt, 5 not
supported, 6 plan and device do not fit, 7 not enough memory, or a result that cannot be written, 8 digest wrong, 129,
130, 141, 143 ended by a signal (hang-up, interrupt, a reader that left, termination).

Example: yupana-bench model.yplan --prompt-tokens 512 --max-new-tokens 128 --json
)";

namespace {

/// An option with a whole number. `least` is 0 where none at all is a wish that makes sense.
struct NumberFlag {
  const char *name;
  uint32_t Options::*member;
  uint32_t least;
};

constexpr NumberFlag numberFlags[] = {
    {"--prompt-tokens", &Options::promptTokens, 1},
    {"--max-new-tokens", &Options::maxNewTokens, 0},
    {"--batch", &Options::batch, 1},
    {"--repetitions", &Options::repetitions, 1},
    {"--warmup", &Options::warmup, 0},
    {"--step-tokens", &Options::stepTokens, 1},
    {"--threads", &Options::threads, 1},
};

/// An option without a value.
struct RateFlag {
  const char *name;
  double Options::*member;
};

constexpr RateFlag rateFlags[] = {{"--bandwidth", &Options::bandwidth}, {"--flops", &Options::flops}};

/// A decimal number above 0, with or without an exponent.
std::optional<double> parseRate(const std::string &text) {
  bool isDecimal = text.find_first_not_of("0123456789.eE+") == std::string::npos;
  char *end = nullptr;
  double rate = isDecimal ? std::strtod(text.c_str(), &end) : 0;
  return isDecimal && !text.empty() && !*end && rate > 0 && std::isfinite(rate) ? std::optional<double>(rate)
                                                                                : std::nullopt;
}

struct SwitchFlag {
  const char *name;
  bool Options::*member;
};

constexpr SwitchFlag switchFlags[] = {
    {"--json", &Options::json},
    {"--mmap", &Options::mapWeights},
    {"--per-kernel", &Options::perKernel},
    {"--random-weights", &Options::randomWeights},
};

/// The flag of that name; null: none.
template <typename Flag, size_t count> const Flag *find(const Flag (&flags)[count], const std::string &name) {
  const Flag *flag = std::find_if(flags, flags + count, [&](const Flag &candidate) { return name == candidate.name; });
  return flag == flags + count ? nullptr : flag;
}

/// Reads the words of a command line one after the other.
class Parser {
public:
  Parser(int argc, char **argv, Options &options, yupana_status_t &status)
      : words(argv + 1, argv + argc), options(options), status(status) {}

  yupana_status_code_t parse();

private:
  yupana_status_code_t fail(const std::string &sentence) {
    return failWith(status, YUPANA_STATUS_INVALID_ARGUMENT, sentence);
  }
  /// Reads an option, with its value where it takes one: behind "=", or the next word.
  yupana_status_code_t parseFlag(const std::string &word);
  yupana_status_code_t parseValue(const std::string &name, const std::string &value);

  std::vector<std::string> words;
  size_t next = 0;
  Options &options;
  yupana_status_t &status;
};

yupana_status_code_t Parser::parseValue(const std::string &name, const std::string &value) {
  // The beginning of the sentences below, which name what was given and what is wanted.
  std::string found = name + " is \"" + value + "\", expected ";
  // Only the plan knows its targets: whether it has this one is seen once it is open.
  if (name == "--for") {
    if (value.empty())
      return fail("--for needs the name of a target, such as x86-64-v3");
    options.target = value;
  } else if (name == "--device" || name == "--driver") {
    std::string expected;
    if (!options.device.parse(name, value, expected))
      return fail(found + expected);
  } else if (name == "--kv-memory") {
    std::optional<uint64_t> bytes = parseBytes(value);
    if (!bytes || !*bytes)
      return fail(found + "a number of bytes such as 512M");
    options.kvMemory = *bytes;
  } else if (const RateFlag *flag = find(rateFlags, name)) {
    std::optional<double> rate = parseRate(value);
    if (!rate)
      return fail(found + "a rate such as 4.3e12");
    options.*flag->member = *rate;
  } else {
    const NumberFlag *counted = find(numberFlags, name);
    std::optional<uint64_t> number = parseNumber(value, UINT32_MAX);
    if (!number || *number < counted->least)
      return fail(found + "a whole number of " + std::to_string(counted->least) + " or more");
    options.*counted->member = static_cast<uint32_t>(*number);
  }
  return YUPANA_STATUS_OK;
}

yupana_status_code_t Parser::parseFlag(const std::string &word) {
  for (const SwitchFlag &flag : switchFlags)
    if (word == flag.name) {
      options.*flag.member = true;
      return YUPANA_STATUS_OK;
    }
  size_t equals = word.find('=');
  std::string name = word.substr(0, equals);
  bool takesValue = name == "--for" || name == "--kv-memory" || name == "--device" || name == "--driver" ||
                    find(rateFlags, name) || find(numberFlags, name);
  if (!takesValue)
    return fail("unknown option " + word + " (see yupana-bench --help)");
  if (equals == std::string::npos && next == words.size())
    return fail(name + " needs a value");
  return parseValue(name, equals == std::string::npos ? words[next++] : word.substr(equals + 1));
}

yupana_status_code_t Parser::parse() {
  while (next < words.size()) {
    std::string word = words[next++];
    if (word == "--help" || word == "-h" || word == "--version") {
      options.mode = word == "--version" ? Options::Version : Options::Help;
      return YUPANA_STATUS_OK;
    }
    if (word.size() >= 2 && word[0] == '-') {
      if (yupana_status_code_t code = parseFlag(word))
        return code;
    } else if (!options.plan.empty()) {
      return fail("a second plan \"" + word + "\" is given, after \"" + options.plan + "\"");
    } else {
      options.plan = word;
    }
  }
  if (options.device.hasIdleDriver())
    return fail(DeviceOption::idleDriver);
  if ((options.bandwidth > 0) != (options.flops > 0))
    return fail("--bandwidth and --flops are the two sides of a roofline: give both");
  return options.plan.empty() ? fail("no plan given (usage: yupana-bench PLAN; see yupana-bench --help)")
                              : YUPANA_STATUS_OK;
}

} // namespace

yupana_status_code_t yupana::failWith(yupana_status_t &status, yupana_status_code_t code, const std::string &sentence) {
  status.code = code;
  std::snprintf(status.message, sizeof status.message, "%s", sentence.c_str());
  return code;
}

yupana_status_code_t yupana::parseOptions(int argc, char **argv, Options &options, yupana_status_t &status) {
  return Parser(argc, argv, options, status).parse();
}

static yupana_status_code_t checkWeights(const yupana_plan_t *plan, const Options &options, yupana_status_t &status) {
  bool lacksWeights = yupana_plan_missing_weights(plan) != 0;
  if (lacksWeights == options.randomWeights)
    return YUPANA_STATUS_OK;
  std::string name = yupana_plan_name(plan);
  if (lacksWeights)
    return failWith(status, YUPANA_STATUS_INVALID_DATA,
                    name + ": has no weights: fill it with yupana refit, or give --random-weights");
  return failWith(status, YUPANA_STATUS_INVALID_ARGUMENT,
                  "--random-weights is for plans compiled with --strip-weights, " + name + " has its weights");
}

yupana_status_code_t yupana::checkLimits(const yupana_plan_t *plan, const Options &options, yupana_status_t &status) {
  if (yupana_status_code_t code = checkWeights(plan, options, status))
    return code;
  yupana_limits_t limits = {};
  limits.size = sizeof limits;
  yupana_plan_limits(plan, &limits);
  auto fail = [&](const std::string &given, const std::string &needs, uint32_t most, const char *flag) {
    return failWith(status, YUPANA_STATUS_INVALID_ARGUMENT,
                    given + " needs " + needs + ", " + yupana_plan_name(plan) + " was compiled for at most " +
                        std::to_string(most) + "; compile it with a larger " + flag);
  };
  uint64_t positions = uint64_t{options.promptTokens} + options.maxNewTokens;
  if (positions > limits.max_context)
    return fail("--prompt-tokens " + std::to_string(options.promptTokens) + " with --max-new-tokens " +
                    std::to_string(options.maxNewTokens),
                std::to_string(positions) + " positions", limits.max_context, "--max-context");
  std::string batch = "--batch " + std::to_string(options.batch);
  if (options.batch > limits.max_batch)
    return fail(batch, std::to_string(options.batch) + " sequences in a step", limits.max_batch, "--max-batch");
  if (options.stepTokens && options.stepTokens < options.batch)
    return failWith(status, YUPANA_STATUS_INVALID_ARGUMENT,
                    batch + " needs a token of every sequence in a step, --step-tokens allows " +
                        std::to_string(options.stepTokens));
  uint32_t rows = std::min(limits.max_step_tokens, limits.max_logit_rows);
  if (options.batch > rows)
    return fail(batch, std::to_string(options.batch) + " tokens and rows of logits in a step", rows,
                "--max-step-tokens");
  return YUPANA_STATUS_OK;
}
