// SPDX-License-Identifier: Apache-2.0
//
// The program `yupana`: finds the command, runs it, and turns its error into a sentence and an exit code.

#include "tools/yupana/Commands.h"

#include "compiler/Support/Printable.h"
#include "compiler/Support/TemporaryFile.h"
#include "runtime/schema/format.h"

#include "llvm/Config/llvm-config.h"
#include "llvm/Support/ErrorHandling.h"

#include <csignal>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

using namespace yupana;

namespace {

const char *const help = R"(usage: yupana COMMAND [options]

Compiles Llama 4 checkpoints, ahead of time, into plans that `yupana-run` runs.

  compile FOLDER -o PLAN   compile a checkpoint
  refit PLAN FOLDER -o NEW fill a plan that was compiled with --strip-weights
  check PLAN [--json]      would a plan run here? What this machine lacks, and memory needed against what is free
  inspect PLAN [--json]    say what is inside a plan: targets, memory to the byte, weights, kernels
  verify PLAN              compare every digest of a plan and check every bound; --simulate runs its GPU code
  tune --prepare FOLDER …  make a folder of plans whose kernels the runtime times where there is no compiler; --merge
                           reads the times into a file for `compile --timing-cache`
  targets [--json]         list the machines that plans can be for, and which of them this one is
  version                  print the version

`yupana COMMAND --help` tells the options of a command.

Exit codes: 0 done, 1 internal error, 2 usage, 3 file missing or unreadable, 4 input invalid or corrupt, 5 not
supported, 6 plan and device do not fit, 7 not enough memory or disk, or a result that cannot be written, 8 digest
wrong, 129, 130, 141, 143 ended by a signal (hang-up, interrupt, a reader that left, termination).
)";

struct Command {
  const char *name;
  Result<void> (*run)(const Words &);
};

/// `export` is not in the help: it is there for the tests' plans.
constexpr Command commands[] = {
    {"compile", runCompile}, {"check", runCheck},     {"inspect", runInspect},
    {"verify", runVerify},   {"version", runVersion}, {"export", runExport},
    {"refit", runRefit},     {"targets", runTargets}, {"tune", runTune},
};

/// Set by the handler alone; sig_atomic_t is what a handler may write.
volatile std::sig_atomic_t interrupted = 0;

/// The second Ctrl-C ends the program at once, for when the first is not noticed in time.
void onInterrupt(int) {
  if (interrupted) {
    removeTemporaries();
    // Only what is safe in a handler: removing files by names made before, and leaving without cleaning up.
    ::_exit(static_cast<int>(ExitCode::Interrupted));
  }
  interrupted = 1;
}

/// Grows the stack as far as code generation has ever needed it. The kernel, which cannot refuse it later, ends a
/// process with SIGSEGV whose stack would grow past a limit on address space.
[[gnu::noinline]] void growStack() {
  constexpr size_t bytes = size_t{1} << 20, page = 4096;
  rlimit limit = {};
  if (::getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur < 2 * bytes)
    // A limit too close to be met is left alone; code generation then fails or not as it would have.
    return;
  // Room for as much is asked for first, in a place where it can be refused.
  void *probe = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (probe == MAP_FAILED)
    endOutOfMemory();
  ::munmap(probe, bytes);
  // Downwards, page by page, as a stack grows by itself.
  [[maybe_unused]] volatile char touched[bytes];
  for (size_t i = bytes; i >= page; i -= page)
    touched[i - 1] = 0;
}

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

/// Asked by long work at its own pace: nothing is stopped from outside.
bool yupana::wasInterrupted() { return interrupted != 0; }

void yupana::catchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = onInterrupt;
  // System calls go on where they were, so that no read or write has to look for EINTR.
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
}

void yupana::beginWriting() {
  // A reader of the messages that leaves must not end the work on the file.
  catchInterrupts();
  signal(SIGPIPE, SIG_IGN);
  removeTemporariesOnSignals();
}

Result<void> yupana::runVersion(const Words &words) {
  YUPANA_ASSIGN_OR_RETURN(Arguments arguments, Arguments::parse(words, {{"--help"}}));
  if (arguments.has("--help"))
    return print("usage: yupana version\n\nPrints the version, the plan format it writes, and that of LLVM.\n"),
           Result<void>();
  if (!arguments.positional().empty())
    return makeError(ExitCode::Usage, "found {}, expected nothing after version", inQuotes(arguments.positional()[0]));
  print("yupana {} (plan format {}.{}, LLVM {})\n", compilerVersion(), schema::kMajor, schema::kMinor,
        LLVM_VERSION_STRING);
  return {};
}

static ExitCode run(const Words &words) {
  if (words.empty()) {
    tell(STDERR_FILENO, help);
    return ExitCode::Usage;
  }
  std::string name = words.front();
  if (name == "--help" || name == "-h" || name == "help") {
    print("{}", help);
    return ExitCode::Done;
  }
  // The customary spelling of a command that every program has as an option.
  if (name == "--version")
    name = "version";
  Result<void> result = runCommand(name, Words(words.begin() + 1, words.end()));
  if (result)
    return ExitCode::Done;
  // Names of files and tensors may hold anything; a terminal acts on control characters.
  tell(STDERR_FILENO, fmt::format("yupana: {}\n", withoutControls(result.error().message)));
  return result.error().code;
}

int main(int argc, char **argv) {
  beginProcess("yupana", removeTemporaries);
  growStack();
  llvm::install_bad_alloc_error_handler([](void *, const char *, bool) { endOutOfMemory(); });
  return endProcess(static_cast<int>(run(Words(argv + 1, argv + argc))));
}
