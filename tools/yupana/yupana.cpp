// SPDX-License-Identifier: Apache-2.0
//
// The program `yupana`: finds the command, runs it, and turns its error into a sentence and an exit code.

#include "tools/yupana/Commands.h"

#include "runtime/schema/format.h"

#include "llvm/Config/llvm-config.h"

#include <csignal>
#include <cstdio>

using namespace yupana;

namespace {

const char *const help = R"(usage: yupana COMMAND [options]

Compiles Llama 4 checkpoints, ahead of time, into plans that `yupana-run` runs.

  compile FOLDER -o PLAN   compile a checkpoint
  refit PLAN FOLDER -o NEW fill a plan that was compiled with --strip-weights
  check PLAN [--json]      would a plan run here? What this machine lacks, and memory needed against what is free
  inspect PLAN [--json]    say what is inside a plan: targets, memory to the byte, weights, kernels
  verify PLAN              compare every digest of a plan and check every bound; --simulate runs its GPU code
  targets [--json]         list the machines that plans can be for, and which of them this one is
  version                  print the version

`yupana COMMAND --help` tells the options of a command.

Exit codes: 0 done, 1 internal error, 2 usage, 3 file missing or unreadable, 4 input invalid or corrupt, 5 not
supported, 6 plan and device do not fit, 7 not enough memory or disk, 8 digest wrong, 130 interrupted.
)";

struct Command {
  const char *name;
  Result<void> (*run)(const Words &);
};

constexpr Command commands[] = {
    {"compile", runCompile}, {"check", runCheck},   {"inspect", runInspect}, {"verify", runVerify},
    {"version", runVersion}, {"export", runExport}, {"refit", runRefit},     {"targets", runTargets},
};

volatile std::sig_atomic_t interrupted = 0;

void onInterrupt(int) { interrupted = 1; }

Result<void> runCommand(const std::string &name, const Words &words) {
  for (const Command &command : commands)
    if (name == command.name)
      return command.run(words);
  return makeError(ExitCode::Usage, "command {}: unknown, see yupana --help", inQuotes(name));
}

} // namespace

Result<std::string> yupana::targetOption(const Arguments &arguments) {
  std::optional<std::string> target = arguments.value("--for");
  if (target && target->empty())
    return makeError(ExitCode::Usage, "option --for: needs the name of a target, such as x86-64-v3");
  return target.value_or("");
}

bool yupana::wasInterrupted() { return interrupted != 0; }

void yupana::catchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = onInterrupt;
  // The second Ctrl-C ends the program at once, for when the first is not noticed in time.
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
}

Result<void> yupana::runVersion(const Words &words) {
  YUPANA_ASSIGN_OR_RETURN(Arguments arguments, Arguments::parse(words, {{"--help"}}));
  if (arguments.has("--help"))
    return fmt::print("usage: yupana version\n\nPrints the version, the plan format it writes, and that of LLVM.\n"),
           Result<void>();
  if (!arguments.positional().empty())
    return makeError(ExitCode::Usage, "found {}, expected nothing after version", inQuotes(arguments.positional()[0]));
  fmt::print("yupana {} (plan format {}.{}, LLVM {})\n", compilerVersion(), schema::kMajor, schema::kMinor,
             LLVM_VERSION_STRING);
  return {};
}

int main(int argc, char **argv) {
  Words words(argv + 1, argv + argc);
  if (words.empty()) {
    fmt::print(stderr, "{}", help);
    return static_cast<int>(ExitCode::Usage);
  }
  std::string name = words.front();
  if (name == "--help" || name == "-h" || name == "help") {
    fmt::print("{}", help);
    return 0;
  }
  if (name == "--version")
    name = "version";
  Result<void> result = runCommand(name, Words(words.begin() + 1, words.end()));
  if (result && std::fflush(stdout) == 0)
    return 0;
  Error error = result ? makeError(ExitCode::MissingFile, "standard output cannot be written") : result.takeError();
  fmt::print(stderr, "yupana: {}\n", error.message);
  return static_cast<int>(error.code);
}
