// SPDX-License-Identifier: Apache-2.0
//
// `yupana compile` and `yupana export`: the command line as options of the driver. Everything else, down to which
// options go together, is the driver's to check, so that a program which links it meets the same errors.

#include "tools/support/ProgressBar.h"
#include "tools/yupana/Commands.h"

#include <algorithm>
#include <memory>
#include <thread>
#include <unistd.h>

using namespace yupana;

namespace {

const char *const compileHelp = R"(usage: yupana compile FOLDER -o PLAN [options]

Compiles the Llama 4 checkpoint in FOLDER (config.json and safetensors, as Hugging Face has them) into a plan, one file
that `yupana-run` runs and that needs nothing else.

  -o PLAN               the plan to write. It appears when it is complete, not before, and replaces no file of FOLDER
                        but an older plan
  --target A,B          machines to compile for: x86-64-v3, x86-64-v4, x86-64-v4-bf16, x86-64-v4-amx, the GPUs sm_80,
                        sm_89, sm_90a, sm_100a, sm_120a, or native, the best this machine can run (default). At bf16,
                        native is x86-64-v4 beside x86-64-v4-bf16 where dot products are the slower instruction and
                        there are no tile registers; what runs the plan takes the faster code. Several targets share one
                        plan and, where their form is the same, the weights
  --precision P         what weights, activations and cache are stored in, f32 or bf16; sums are float32 in both.
                        Default: f32 for a checkpoint of F32 tensors alone, else bf16
  --max-context N       positions a sequence may hold (default: what the model allows, at most 32768)
  --max-batch N         sequences a step may hold (default 8)
  --max-step-tokens N   tokens a step may hold, of all its sequences (default 2048)
  --batch-invariant     how a prompt is cut into steps and who shares a step changes no bit of a result. That always
                        holds on CPUs; GPUs whose programs could differ then run one for steps of every size, which
                        makes decoding slower
  --name NAME           what the plan calls the model (default: the name of FOLDER; in a cache of the hub, of the
                        repository)
  --allow-nonfinite     take NaN and infinity in weights as they are; otherwise the exit code is 4
  -j N                  threads (default: all cores). The plan does not depend on it
  --emit=A,B            what GPU targets write: cubin (default; ptxas of the CUDA Toolkit makes it) or ptx, which the
                        driver compiles when the plan is loaded, or both
  --cache DIR           keep compiled kernels in DIR and take from it what is there. The plan does not depend on it
  --timing-cache FILE   take the kernels' configs from FILE, which `yupana tune --merge` writes, where it has times of
                        them; a note says how many. They change speed and no bit of a result
  --strip-weights       leave the weights out, for `yupana refit` to fill: the plan has code, tables and sizes. FOLDER
                        needs config.json alone; if it has tensors, too, the plan gets a digest of each weight
  --disable-fusion A,B  leave fusing passes out, to find a fault or to measure one: %FUSIONS%
  --enable-fusion A,B   run fusing passes that the target does not ask for: %CHOSEN%
  --dump-ir DIR         write the module after every phase to DIR/NN-PHASE.mlir, and every kernel's code
  --help                print this

Example: yupana compile ./Llama-4-Scout-17B-16E-Instruct -o scout.yplan --target x86-64-v3,x86-64-v4-bf16
)";

const char *const exportHelp = R"(usage: yupana export FILE.mlir -o PLAN

Writes the plan that a module at the plan level says, byte for byte, code included. Its weights are tables
(`lm.table`), since there is no checkpoint to read. Used for the plans that tests compare with.

  -o PLAN           the plan to write
  --producer TEXT   who the plan says made it (default: this compiler)
  -j N              threads (default: all cores)
  --help            print this
)";

/// Options of later versions: known, and refused by name.
const std::vector<std::string> plannedOptions = {"--keep-device-ir", "--quantize"};

/// Empty items stay: the driver refuses them by name, where leaving them out would hide a stray comma.
std::vector<std::string> splitList(const std::string &list) {
  std::vector<std::string> items;
  for (size_t start = 0; start <= list.size();) {
    size_t comma = std::min(list.find(',', start), list.size());
    items.push_back(list.substr(start, comma - start));
    start = comma + 1;
  }
  return items;
}

/// The help with the names that the pipeline knows, one to a line of their own where they do not fit.
std::string compileHelpText() {
  std::string text = compileHelp;
  // The names come from the pipeline, so that the help cannot fall behind it.
  auto fill = [&](const std::string &place, const std::vector<std::string> &names) {
    std::string lines;
    for (const std::string &name : names)
      lines += "\n                          " + name;
    text.replace(text.find(place), place.size(), lines);
  };
  fill(" %FUSIONS%", fusionNames());
  fill(" %CHOSEN%", chosenFusionNames());
  return text;
}

} // namespace

Result<unsigned> yupana::jobsOf(const Arguments &arguments) {
  YUPANA_ASSIGN_OR_RETURN(std::optional<uint64_t> jobs, arguments.number("-j", 1, 1024));
  // The system may not know how many cores it has and says 0.
  return jobs ? static_cast<unsigned>(*jobs) : std::max(1u, std::thread::hardware_concurrency());
}

Result<std::string> yupana::outputOf(const Arguments &arguments) {
  std::optional<std::string> output = arguments.value("-o");
  if (!output || output->empty())
    return makeError(ExitCode::Usage, "option -o: missing, expected -o PLAN");
  return *output;
}

void yupana::printSummary(const std::string &output, const CompileSummary &summary) {
  std::string plan = formatBytes(static_cast<double>(summary.planBytes));
  std::string targets = fmt::format("{}", fmt::join(summary.targets, ", "));
  // Times are there when code was compiled; a plan that is only filled or exported has none worth telling.
  if (summary.codeSeconds > 0)
    targets += fmt::format("; code took {:.1f} s, {} {:.1f} s", summary.codeSeconds,
                           summary.missingBytes ? "the file" : "weights", summary.weightSeconds);
  std::string line = summary.missingBytes
                         ? fmt::format("{}: {} without weights, which take {} more, for {}\n", output, plan,
                                       formatBytes(static_cast<double>(summary.missingBytes)), targets)
                         : fmt::format("{}: {}, of which weights {}, for {}\n", output, plan,
                                       formatBytes(static_cast<double>(summary.weightBytes)), targets);
  // Past the buffer of standard output: the plan is written, and a reader who has left is no failure any more.
  tell(STDOUT_FILENO, line);
}

/// Notes go to standard error as lines of their own; the bar draws over itself and is gone when its observer is, so an
/// error that follows stands alone.
Observer yupana::makeObserver(const std::string &verb) {
  auto bar = std::make_shared<ProgressBar>(verb);
  Observer observer;
  observer.note = [](const std::string &sentence) { tell(STDERR_FILENO, fmt::format("yupana: note: {}\n", sentence)); };
  observer.progress = [bar](uint64_t done, uint64_t total) { bar->update(done, total); };
  observer.isCancelled = wasInterrupted;
  return observer;
}

Result<void> yupana::readCompileOptions(const Arguments &arguments, CompileOptions &options) {
  options.targets = splitList(arguments.value("--target").value_or("native"));
  // Empty means that the checkpoint decides; given, it must be one of the two.
  options.precision = arguments.value("--precision").value_or("");
  if (arguments.has("--precision") && options.precision != "f32" && options.precision != "bf16")
    return makeError(ExitCode::Usage, "option --precision: found {}, expected f32 or bf16",
                     inQuotes(options.precision));
  options.name = arguments.value("--name").value_or("");
  if (arguments.has("--name") && options.name.empty())
    return makeError(ExitCode::Usage, "option --name: needs a name");
  options.allowNonFinite = arguments.has("--allow-nonfinite");
  // Fits the 32 bits that a plan has for them; what a model and the format allow is for the driver to say.
  constexpr uint64_t greatest = uint64_t{1} << 31;
  YUPANA_ASSIGN_OR_RETURN(options.maxContext, arguments.number("--max-context", 1, greatest));
  YUPANA_ASSIGN_OR_RETURN(std::optional<uint64_t> batch, arguments.number("--max-batch", 1, greatest));
  YUPANA_ASSIGN_OR_RETURN(std::optional<uint64_t> tokens, arguments.number("--max-step-tokens", 1, greatest));
  options.maxBatch = batch.value_or(options.maxBatch);
  options.maxStepTokens = tokens.value_or(options.maxStepTokens);
  YUPANA_ASSIGN_OR_RETURN(options.jobs, jobsOf(arguments));
  if (std::optional<std::string> formats = arguments.value("--emit"))
    options.formats = splitList(*formats);
  options.cacheDirectory = arguments.value("--cache").value_or("");
  if (arguments.has("--cache") && options.cacheDirectory.empty())
    return makeError(ExitCode::Usage, "option --cache: needs the name of a folder");
  options.batchInvariant = arguments.has("--batch-invariant");
  if (std::optional<std::string> disabled = arguments.value("--disable-fusion"))
    options.disabledFusions = splitList(*disabled);
  if (std::optional<std::string> enabled = arguments.value("--enable-fusion"))
    options.enabledFusions = splitList(*enabled);
  return {};
}

Result<void> yupana::runCompile(const Words &words) {
  YUPANA_ASSIGN_OR_RETURN(Arguments arguments, Arguments::parse(words,
                                                                {{"-o", true},
                                                                 {"--target", true},
                                                                 {"--precision", true},
                                                                 {"--name", true},
                                                                 {"--allow-nonfinite"},
                                                                 {"--max-context", true},
                                                                 {"--max-batch", true},
                                                                 {"--max-step-tokens", true},
                                                                 {"-j", true},
                                                                 {"--emit", true},
                                                                 {"--cache", true},
                                                                 {"--timing-cache", true},
                                                                 {"--batch-invariant"},
                                                                 {"--strip-weights"},
                                                                 {"--disable-fusion", true},
                                                                 {"--enable-fusion", true},
                                                                 {"--dump-ir", true},
                                                                 {"--help"}},
                                                                plannedOptions));
  if (arguments.has("--help"))
    return print("{}", compileHelpText()), Result<void>();
  CompileOptions options;
  YUPANA_ASSIGN_OR_RETURN(options.checkpoint, arguments.only("the checkpoint FOLDER"));
  YUPANA_ASSIGN_OR_RETURN(options.output, outputOf(arguments));
  YUPANA_RETURN_IF_ERROR(readCompileOptions(arguments, options));
  options.timingCache = arguments.value("--timing-cache").value_or("");
  if (arguments.has("--timing-cache") && options.timingCache.empty())
    return makeError(ExitCode::Usage, "option --timing-cache: needs the name of a file");
  options.stripWeights = arguments.has("--strip-weights");
  options.dumpIrDirectory = arguments.value("--dump-ir").value_or("");
  options.observer = makeObserver("weights");
  // Before anything is written: signals then leave no half of a file.
  beginWriting();
  Result<CompileSummary> summary = compile(options);
  // The bar goes with its observer, before anything is printed that it would draw over.
  options.observer = {};
  YUPANA_RETURN_IF_ERROR(summary);
  printSummary(options.output, *summary);
  return {};
}

Result<void> yupana::runExport(const Words &words) {
  YUPANA_ASSIGN_OR_RETURN(Arguments arguments,
                          Arguments::parse(words, {{"-o", true}, {"--producer", true}, {"-j", true}, {"--help"}}));
  if (arguments.has("--help"))
    return print("{}", exportHelp), Result<void>();
  ExportModuleOptions options;
  YUPANA_ASSIGN_OR_RETURN(options.input, arguments.only("the module FILE.mlir"));
  YUPANA_ASSIGN_OR_RETURN(options.output, outputOf(arguments));
  options.producer = arguments.value("--producer").value_or("");
  YUPANA_ASSIGN_OR_RETURN(options.jobs, jobsOf(arguments));
  options.observer = makeObserver("weights");
  beginWriting();
  Result<CompileSummary> summary = exportModule(options);
  options.observer = {};
  YUPANA_RETURN_IF_ERROR(summary);
  printSummary(options.output, *summary);
  return {};
}
