// SPDX-License-Identifier: Apache-2.0
//
// The command line of yupana-run: what --help prints, and how words become options. Flags that exclude each other are
// refused and none wins in silence; numbers are read whole and within their range.

#include "tools/yupana-run/Options.h"

#include "tools/support/Numbers.h"

#include <algorithm>
#include <cerrno>
#include <cfloat>
#include <cmath>
#include <cstdlib>
#include <string_view>

using namespace yupana;

const char *const yupana::helpText =
    R"(usage: yupana-run PLAN --prompt TEXT [options]
       yupana-run PLAN --user TEXT [--system TEXT] [options]
       yupana-run PLAN --chat [--system TEXT] [options]
       yupana-run PLAN --tokens IDS [--tokens IDS ...] [--logits FILE.npy] [options]
       yupana-run PLAN --tokenize | --detokenize

Runs a plan made by `yupana compile`. Text is written as it comes; Ctrl-C ends it with what there is, a second one ends
the program at once.

What to run
  --prompt TEXT         text to go on with; `-` reads standard input, less one line end at its end. The begin token
                        is put before it, and special tokens such as <|eot|> in it are special tokens
  --no-special          with --prompt: special tokens in the text are text
  --user TEXT           a message to answer, written as the checkpoint's chat template says; `-` reads standard input
                        likewise. Special tokens in it are text. The reply ends where a turn ends in the template,
                        too, whatever ids the checkpoint names
  --system TEXT         with --user and --chat: a system message before it
  --chat                a conversation: each line of standard input is a message, each reply is written as it comes.
                        What is read stays in the cache. Ctrl-C ends a reply, end of file the conversation
  --tokens IDS          token ids, as they are: a comma list such as 200000,954,7963, or a JSON file with a list of ids
                        (or a list of such lists). Repeated, the sequences run in one ragged batch

What comes back
  --json                one JSON object {prompt_tokens, tokens, text, stop, timing} at the end, a list of them for
                        several sequences; `stop` is "eos", "length" or "interrupt", `timing` is in seconds
  --logits FILE.npy     the logits of every given token, float32 [tokens, vocab], sequences one after the other.
                        Nothing is generated then, unless --max-new-tokens is given
  --profile FILE.json   what the run did and when, for ui.perfetto.dev or chrome://tracing: a lane of loading and of
                        steps, and one for each thread, or for the GPU, with every kernel, its layer, bytes and FLOPs
  --max-new-tokens N    end a reply after N tokens (default 256)

How tokens are chosen; by default as the checkpoint's generation_config.json says, in which an absent top_k is 50, as
in transformers. Without that file, or with do_sample false in it, the best token is taken
  --temperature T       0 takes the best token; above 0 draws at random, the more freely the larger T
  --top-k N             draw from the N best tokens alone; 0 from all
  --top-p P             draw from the fewest of the best tokens whose probabilities add up to P, 0 to 1; 1 from all
  --min-p P             draw from tokens at least P times as probable as the best, 0 to 1; 0 from all
  --repetition-penalty X
                        divide the logits of tokens that the sequence holds, prompt included, by X, or multiply them
                        where they are below 0; above 0, and 1 changes nothing
  --seed N              another number, other draws (default 0)

How it runs; none of these changes a logit
  --step-tokens N       read prompts in steps of at most N tokens (default: what the plan allows)
  --threads N           worker threads (default: all cores this process may use)
  --kv-memory BYTES     memory for keys and values, such as 512M or 4G (default: one sequence of the longest context)
  --mmap                map the weights from the file instead of reading them: they then take no memory of their own,
                        and processes share them; steps may be slower, since files get no huge pages
  --for TARGET          use the code of this target of the plan, such as x86-64-v3 (default: the best one that runs)
  --device DEVICE       auto, cpu, cuda or cuda:N, the GPU that the CUDA driver gives the number N (default: auto,
                        which is a GPU where there is one that the plan has code for)
  --driver FILE         use this library as the CUDA driver (default: libcuda.so.1, as the system finds it)

The tokenizer alone, line by line from standard input; reads no weights
  --tokenize            each line, a JSON string, becomes a JSON list of ids; no begin token is added
  --no-special          with --tokenize: special tokens in the text are text
  --detokenize          each line, a JSON list of ids, becomes a JSON string

  --version             print the version
  --help                print this

Exit codes: 0 done, 1 internal error, 2 usage, 3 file missing or unreadable, 4 input invalid or corrupt, 5 not
supported, 6 plan and device do not fit, 7 not enough memory or disk, or a result that cannot be written, 8 digest
wrong, 129, 130, 141, 143 ended by a signal (hang-up, interrupt, a reader that left, termination).

Example: yupana-run model.yplan --prompt "The capital of France is" --max-new-tokens 32
)";

namespace {

/// A decimal number of 0 or more.
std::optional<float> parseReal(const std::string &text) {
  char *end = nullptr;
  errno = 0;
  float value = std::strtof(text.c_str(), &end);
  // strtof also reads spaces, signs, "inf" and hexadecimal numbers.
  if (text.empty() || text.find_first_not_of("0123456789.eE-+") != std::string::npos || *end != '\0' || errno ||
      !std::isfinite(value) || value < 0)
    return std::nullopt;
  return value;
}

/// A flag of sampling with a real value.
struct RealFlag {
  const char *name;
  std::optional<float> Options::*value;
  float least, greatest;
  const char *range;
};
constexpr RealFlag realFlags[] = {
    {"--temperature", &Options::temperature, 0, FLT_MAX, "a number of 0 or more"},
    {"--top-p", &Options::topP, 0, 1, "a number from 0 to 1"},
    {"--min-p", &Options::minP, 0, 1, "a number from 0 to 1"},
    {"--repetition-penalty", &Options::repetitionPenalty, FLT_MIN, FLT_MAX, "a number above 0"},
};

/// Reads the words of a command line one after the other.
class Parser {
public:
  Parser(int argc, char **argv, Options &options, std::string &error)
      : words(argv + 1, argv + argc), options(options), error(error) {}

  int parse();

private:
  int fail(std::string message) {
    error = std::move(message);
    return exitUsage;
  }
  int parseFlag(const std::string &name);
  int parseValue(const std::string &name, const std::string &value);
  int parseNumberFlag(const std::string &name, const std::string &value);
  int parseRealFlag(const RealFlag &flag, const std::string &value);
  int setMode(Options::Mode mode);
  int check();

  std::vector<std::string> words;
  size_t next = 0;
  std::optional<std::string> attached; ///< What stands behind `=` in the flag being read.
  Options &options;
  std::string &error;
};

int Parser::setMode(Options::Mode mode) {
  if (options.mode != Options::Generate && options.mode != mode)
    return fail("--chat, --tokenize and --detokenize exclude each other");
  options.mode = mode;
  return exitDone;
}

int Parser::parseNumberFlag(const std::string &name, const std::string &value) {
  bool mayBeZero = name == "--seed" || name == "--max-new-tokens" || name == "--top-k";
  std::optional<uint64_t> number = name == "--kv-memory" ? parseBytes(value)
                                   : name == "--seed"    ? parseNumber(value)
                                                         : parseNumber(value, UINT32_MAX);
  if (!number || (!*number && !mayBeZero))
    return fail(name + " is \"" + value + "\", expected " +
                (name == "--kv-memory" ? "a number of bytes such as 512M"
                 : mayBeZero           ? "a whole number"
                                       : "a whole number above 0"));
  if (name == "--kv-memory")
    options.kvMemory = *number;
  else if (name == "--seed")
    options.seed = *number;
  else if (name == "--top-k")
    options.topK = static_cast<uint32_t>(*number);
  else if (name == "--max-new-tokens")
    options.maxNewTokens = static_cast<uint32_t>(*number);
  else if (name == "--step-tokens")
    options.stepTokens = static_cast<uint32_t>(*number);
  else
    options.threads = static_cast<uint32_t>(*number);
  return exitDone;
}

int Parser::parseRealFlag(const RealFlag &flag, const std::string &value) {
  std::optional<float> number = parseReal(value);
  if (!number || *number < flag.least || *number > flag.greatest)
    return fail(std::string(flag.name) + " is \"" + value + "\", expected " + flag.range);
  options.*flag.value = number;
  return exitDone;
}

/// A flag that is followed by a value.
int Parser::parseValue(const std::string &name, const std::string &value) {
  if (name == "--prompt" || name == "--user" || name == "--tokens") {
    options.inputs.push_back({name == "--prompt" ? Input::Prompt
                              : name == "--user" ? Input::User
                                                 : Input::Tokens,
                              value});
  } else if (name == "--system") {
    if (options.system)
      return fail("--system is given twice");
    options.system = value;
  } else if (name == "--logits") {
    if (value.empty())
      return fail("--logits needs the name of a file");
    options.logits = value;
  } else if (name == "--profile") {
    if (value.empty())
      return fail("--profile needs the name of a file");
    options.profile = value;
  } else if (name == "--for") {
    if (value.empty())
      return fail("--for needs the name of a target, such as x86-64-v3");
    options.target = value;
  } else if (name == "--device" || name == "--driver") {
    std::string expected;
    if (!options.device.parse(name, value, expected))
      return fail(name + " is \"" + value + "\", expected " + expected);
  } else {
    for (const RealFlag &flag : realFlags)
      if (name == flag.name)
        return parseRealFlag(flag, value);
    return parseNumberFlag(name, value);
  }
  return exitDone;
}

/// Values stand behind `=` or in the next word, which may begin with a dash: a prompt may, too.
int Parser::parseFlag(const std::string &name) {
  for (std::string_view valued :
       {"--prompt", "--user", "--system", "--tokens", "--logits", "--profile", "--for", "--device", "--driver",
        "--temperature", "--top-k", "--top-p", "--min-p", "--repetition-penalty", "--seed", "--max-new-tokens",
        "--step-tokens", "--threads", "--kv-memory"})
    if (name == valued) {
      if (!attached && next == words.size())
        return fail(name + " needs a value");
      return parseValue(name, attached ? *attached : words[next++]);
    }
  if (attached)
    return fail("unknown option " + name + "=" + *attached + " (see yupana-run --help)");
  if (name == "--json")
    options.json = true;
  else if (name == "--no-special")
    options.noSpecial = true;
  else if (name == "--mmap")
    options.mapWeights = true;
  else if (name == "--chat")
    return setMode(Options::Chat);
  else if (name == "--tokenize")
    return setMode(Options::Tokenize);
  else if (name == "--detokenize")
    return setMode(Options::Detokenize);
  else
    return fail("unknown option " + name + " (see yupana-run --help)");
  return exitDone;
}

/// What only the whole command line can break.
int Parser::check() {
  if (options.plan.empty())
    return fail("no plan given (usage: yupana-run PLAN --prompt TEXT; see yupana-run --help)");
  if (options.device.hasIdleDriver())
    return fail(DeviceOption::idleDriver);
  auto has = [&](Input::Kind kind) {
    return std::any_of(options.inputs.begin(), options.inputs.end(), [&](auto &input) { return input.kind == kind; });
  };
  // An option without effect is refused: who gives it expects one.
  if (options.noSpecial && options.mode != Options::Tokenize && !has(Input::Prompt))
    return fail(
        "--no-special goes with --tokenize or --prompt; special tokens in --user, --system and --chat are text");
  if (options.system && options.mode != Options::Chat && !has(Input::User))
    return fail("--system goes with --user or --chat");
  if (options.mode == Options::Generate) {
    if (options.inputs.empty())
      return fail("nothing to run: give --prompt TEXT, --user TEXT, --chat or --tokens IDS (see yupana-run --help)");
    return exitDone;
  }
  if (options.mode != Options::Chat && !options.profile.empty())
    return fail("--profile goes with what runs steps: --tokenize and --detokenize run none");
  if (!options.inputs.empty() || !options.logits.empty() || options.json)
    return fail(
        "--chat, --tokenize and --detokenize read standard input alone: no --prompt, --user, --tokens, --logits "
        "or --json");
  return exitDone;
}

int Parser::parse() {
  while (next < words.size()) {
    std::string word = words[next++];
    if (word == "--help" || word == "-h" || word == "--version") {
      options.mode = word == "--version" ? Options::Version : Options::Help;
      return exitDone;
    }
    if (word.size() < 2 || word[0] != '-') {
      if (!options.plan.empty())
        return fail("a second plan \"" + word + "\" is given, after \"" + options.plan + "\"");
      options.plan = word;
      continue;
    }
    size_t equals = word.compare(0, 2, "--") == 0 ? word.find('=') : std::string::npos;
    attached.reset();
    if (equals != std::string::npos)
      attached = word.substr(equals + 1);
    if (int code = parseFlag(word.substr(0, equals)))
      return code;
  }
  return check();
}

} // namespace

int yupana::parseOptions(int argc, char **argv, Options &options, std::string &error) {
  return Parser(argc, argv, options, error).parse();
}
