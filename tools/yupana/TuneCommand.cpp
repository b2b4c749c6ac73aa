// SPDX-License-Identifier: Apache-2.0
//
// `yupana tune`: the command line as calls of Tune.h.

#include "tools/yupana/Commands.h"
#include "tools/yupana/Tune.h"

#include <unistd.h>

using namespace yupana;

namespace {

const char *const tuneHelp = R"(usage: yupana tune --prepare FOLDER --target T -o DIR [options]
       yupana tune --merge DIR... -o FILE

Finds the fastest way to cut the kernels of a model where there is no compiler. --prepare compiles the checkpoint in
FOLDER without its weights, once for each choice that the target has, into the new folder DIR. DIR goes to the machine
in question, where DIR/time.sh times every kernel with yupana-bench alone. Back here, --merge reads the times into FILE,
which `yupana compile --timing-cache FILE` takes. No choice changes a bit of a result.

  --prepare             make DIR: plans, tune.json, which says what they are, and time.sh
  --merge               read DIR/results of one or more folders; of each kernel the config with the shortest median,
                        over the rounds and in relation to the usual config's, goes into FILE. Entries that FILE has
                        for other kernels stay
  -o PATH               with --prepare the folder to make, which must not exist or be empty; with --merge the file to
                        write
  --candidates N        with --prepare: at most N plans (default: all; the first has the usual configs)
  --rounds N            with --prepare: how often time.sh times each plan (default 3)
  --target T            the machine to compile for, one alone (default: native)
  --precision P         this and what follows: as for `yupana compile`, and as the plans in question are compiled,
                        since other kernels have other times
  --max-context N       positions a sequence may hold
  --max-batch N         sequences a step may hold
  --max-step-tokens N   tokens a step may hold
  --batch-invariant     one program for steps of every size
  --name NAME           what the plans call the model
  -j N                  threads
  --emit=A,B            what a GPU target writes
  --cache DIR           keep compiled kernels in DIR
  --disable-fusion A,B  leave fusing passes out
  --enable-fusion A,B   run fusing passes that the target does not ask for
  --help                print this

Example: yupana tune --prepare ./Llama-4-Scout-17B-16E-Instruct --target sm_90a -o scout-tune
         scout-tune/time.sh --device cuda
         yupana tune --merge scout-tune -o sm_90a.json
)";

Result<void> prepare(const Arguments &arguments) {
  PrepareOptions options;
  YUPANA_ASSIGN_OR_RETURN(options.compile.checkpoint, arguments.only("the checkpoint FOLDER"));
  YUPANA_RETURN_IF_ERROR(readCompileOptions(arguments, options.compile));
  if (options.compile.targets.size() != 1)
    return makeError(ExitCode::Usage, "option --target: found {} targets, expected one, since a folder is timed on one",
                     options.compile.targets.size());
  // By its own name: `native` may become two targets.
  if (options.compile.targets.front() == "native")
    for (const TargetSupport &target : targetSupport())
      if (target.runsHere)
        options.compile.targets.front() = target.name;
  YUPANA_ASSIGN_OR_RETURN(std::optional<uint64_t> candidates, arguments.number("--candidates", 1, 100));
  YUPANA_ASSIGN_OR_RETURN(std::optional<uint64_t> rounds, arguments.number("--rounds", 1, 1000));
  options.candidates = candidates.value_or(0);
  options.rounds = rounds.value_or(options.rounds);
  options.folder = *arguments.value("-o");
  options.compile.observer = makeObserver("weights");
  beginWriting();
  Result<PrepareSummary> summary = prepareTuning(options);
  options.compile.observer = {};
  YUPANA_RETURN_IF_ERROR(summary);
  tell(STDOUT_FILENO,
       fmt::format("{}: {} plans of {} kernels, to be timed at {} shapes by {}/time.sh\n", options.folder,
                   summary->candidates, summary->kernels, summary->shapes, options.folder));
  return {};
}

Result<void> merge(const Arguments &arguments) {
  for (const char *option :
       {"--candidates", "--rounds", "--target", "--precision", "--max-context", "--max-batch", "--max-step-tokens",
        "--batch-invariant", "--name", "-j", "--emit", "--cache", "--disable-fusion", "--enable-fusion"})
    if (arguments.has(option))
      return makeError(ExitCode::Usage, "option {}: is for --prepare, found --merge", option);
  if (arguments.positional().empty())
    return makeError(ExitCode::Usage, "the folder DIR is missing, see --help");
  std::string output = *arguments.value("-o");
  beginWriting();
  YUPANA_ASSIGN_OR_RETURN(MergeSummary summary, mergeTimings(arguments.positional(), output, makeObserver("results")));
  tell(STDOUT_FILENO, fmt::format("{}: {} kernels were timed, {} of them are faster with other configs\n", output,
                                  summary.kernels, summary.faster));
  return {};
}

} // namespace

Result<void> yupana::runTune(const Words &words) {
  YUPANA_ASSIGN_OR_RETURN(Arguments arguments, Arguments::parse(words, {{"--prepare"},
                                                                        {"--merge"},
                                                                        {"-o", true},
                                                                        {"--candidates", true},
                                                                        {"--rounds", true},
                                                                        {"--target", true},
                                                                        {"--precision", true},
                                                                        {"--name", true},
                                                                        {"--max-context", true},
                                                                        {"--max-batch", true},
                                                                        {"--max-step-tokens", true},
                                                                        {"--batch-invariant"},
                                                                        {"-j", true},
                                                                        {"--emit", true},
                                                                        {"--cache", true},
                                                                        {"--disable-fusion", true},
                                                                        {"--enable-fusion", true},
                                                                        {"--help"}}));
  if (arguments.has("--help"))
    return print("{}", tuneHelp), Result<void>();
  if (arguments.has("--prepare") == arguments.has("--merge"))
    return makeError(ExitCode::Usage, "found {} of --prepare and --merge, expected one of them, see --help",
                     arguments.has("--prepare") ? "both" : "neither");
  if (arguments.value("-o").value_or("").empty())
    return makeError(ExitCode::Usage, "option -o: missing, expected -o {}",
                     arguments.has("--prepare") ? "DIR" : "FILE");
  return arguments.has("--prepare") ? prepare(arguments) : merge(arguments);
}
