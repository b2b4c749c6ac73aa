// SPDX-License-Identifier: Apache-2.0
//
// Settles what the options leave open: targets, precision, compiled maxima. Whatever can be refused is refused before
// the model is imported, since compiling and writing weights can take long.

#include "compiler/Driver/Driver.h"

#include "compiler/Codegen/BackEnd.h"
#include "compiler/Driver/CheckpointSource.h"
#include "compiler/Driver/Compilation.h"
#include "compiler/Driver/Diagnostics.h"
#include "compiler/Driver/FinalChecks.h"
#include "compiler/Driver/OpenCheckpoint.h"
#include "compiler/Pipelines/Pipelines.h"
#include "compiler/Support/File.h"
#include "dialects/Plan/IR/Plan.h"
#include "frontends/Tokenizer/Tokenizer.h"
#include "passes/Schedule/Timings.h"
#include "runtime/include/yupana/yupana.h"

#include "mlir/Parser/Parser.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>

using namespace mlir;
using namespace yupana;

std::string_view yupana::compilerVersion() { return YUPANA_VERSION; }

std::vector<TargetSupport> yupana::targetSupport() {
  std::vector<TargetSupport> list;
  for (const Target &target : targets()) {
    auto found =
        llvm::find_if(codegen::backEnds(), [&](const auto &backEnd) { return &backEnd->getTarget() == &target; });
    bool exists = found != codegen::backEnds().end();
    list.push_back({target.name, !target.isCpu(), exists, exists && (*found)->runsHere()});
  }
  return list;
}

namespace {

/// Positions a plan is compiled for unless the user asks for more. Page tables and rotary tables grow with it, and few
/// prompts need the millions that configurations allow.
constexpr uint64_t defaultContext = 32768;
/// Larger maxima than these no reader of plans accepts.
constexpr uint64_t greatestContext = uint64_t{1} << 31;
constexpr uint64_t greatestBatch = uint64_t{1} << 16;
constexpr uint64_t greatestStepTokens = uint64_t{1} << 24;

/// The targets by their own names, none twice, in ascending order of what they demand; tells what `native` is.
Result<std::vector<std::string>> resolveTargets(const CompileOptions &options) {
  std::vector<std::string> names;
  for (const std::string &name : options.targets) {
    YUPANA_ASSIGN_OR_RETURN(const codegen::BackEnd *backEnd, codegen::lookupBackEnd(name));
    if (name == "native")
      note(options.observer, fmt::format("target: {} (native)", std::string_view(backEnd->getName())));
    names.emplace_back(backEnd->getName());
  }
  // In the order of the back ends, so that a plan does not depend on the order of the names.
  std::vector<std::string> ordered;
  for (const auto &backEnd : codegen::backEnds())
    if (llvm::is_contained(names, backEnd->getName()))
      ordered.emplace_back(backEnd->getName());
  if (ordered.empty())
    return makeError(ExitCode::Usage, "no target was given, expected {} or native", codegen::listBackEnds());
  return ordered;
}

/// Where this machine multiplies faster without its dot products of bfloat16, `native` is also the level below, which
/// has none: the two share the weights, and the runtime takes whatever is the faster where the plan runs.
void addFasterTarget(CompileOptions &options) {
  yupana_device_t processor = {sizeof(processor), YUPANA_DEVICE_CPU, 0, nullptr};
  std::string_view fastest = yupana_native_target(&processor);
  const codegen::BackEnd &native = **codegen::lookupBackEnd("native");
  if (!native.getTarget().isCpu() || fastest == std::string_view(native.getName()) ||
      llvm::is_contained(options.targets, fastest))
    return;
  note(options.observer,
       fmt::format("target: {}, too: here it multiplies faster than {}", fastest, std::string_view(native.getName())));
  auto last = llvm::find(options.targets, native.getName());
  options.targets.emplace(last, fastest);
}

/// ExitCode::Usage unless every format is one that a target may be asked for. A format that only some targets have is
/// fine: the others have one way to write their code.
Result<void> checkFormats(const CompileOptions &options) {
  std::vector<std::string_view> known;
  for (const std::string &target : options.targets) {
    YUPANA_ASSIGN_OR_RETURN(const codegen::BackEnd *backEnd, codegen::lookupBackEnd(target));
    for (plan::ImageFormat format : backEnd->getImageFormats())
      if (std::string_view name = plan::stringifyImageFormat(format); !llvm::is_contained(known, name))
        known.push_back(name);
  }
  if (known.empty() && !options.formats.empty())
    return makeError(ExitCode::Usage, "option --emit: code for {} has one format, expected a GPU among the targets",
                     fmt::join(options.targets, ", "));
  for (const std::string &name : options.formats)
    if (!llvm::is_contained(known, name))
      return makeError(ExitCode::Usage, "option --emit: found {}, expected {}", inQuotes(name),
                       fmt::join(known, " or "));
  return {};
}

/// ExitCode::Usage when a file of --dump-ir would be one of `inputs`. Their names come from phases and kernels that are
/// not known yet, so that none of the folder's files that could have such a name may be an input.
Result<void> keepInputsFromDumps(const std::string &folder, const std::vector<std::string> &inputs) {
  namespace fs = std::filesystem;
  std::error_code ended;
  constexpr int deepest = 1; // FOLDER/NN-phase.mlir and FOLDER/kernels.TARGET/KERNEL.o
  constexpr auto follow = fs::directory_options::follow_directory_symlink;
  for (fs::recursive_directory_iterator entry(folder, follow, ended), end; !ended && entry != end;
       entry.increment(ended)) {
    if (entry.depth() == deepest)
      entry.disable_recursion_pending();
    static const std::set<std::string> extensions = {".mlir", ".ll", ".o", ".ptx", ".cubin"};
    if (extensions.count(entry->path().extension()))
      YUPANA_RETURN_IF_ERROR(keepInputs(entry->path(), inputs));
  }
  return {};
}

/// "f32" or "bf16". Without a wish, the type of the checkpoint: float32 for a model in bf16 would store zeros.
Result<std::string> choosePrecision(const CompileOptions &options, const OpenedCheckpoint &checkpoint) {
  if (options.precision.empty())
    return std::string(checkpoint.text.allF32 ? "f32" : "bf16");
  if (options.precision == "f32" || options.precision == "bf16")
    return options.precision;
  return makeError(ExitCode::Usage, "precision {}: unknown, expected f32 or bf16", inQuotes(options.precision));
}

/// Names are checked here and not by the pipeline, which would ignore one that it does not know.
Result<void> checkFusions(const CompileOptions &options) {
  auto check = [](const std::vector<std::string> &names, const std::vector<std::string> &known) -> Result<void> {
    for (const std::string &name : names)
      if (!llvm::is_contained(known, name))
        return makeError(ExitCode::Usage, "fusing pass {}: unknown, expected one of {}", inQuotes(name),
                         fmt::join(known, ", "));
    return {};
  };
  YUPANA_RETURN_IF_ERROR(check(options.disabledFusions, fusionNames()));
  YUPANA_RETURN_IF_ERROR(check(options.enabledFusions, chosenFusionNames()));
  // Which of the two the user meant cannot be known.
  for (const std::string &name : options.enabledFusions)
    if (llvm::is_contained(options.disabledFusions, name))
      return makeError(ExitCode::Usage, "fusing pass {}: enabled and disabled, expected one of the two",
                       inQuotes(name));
  return {};
}

/// Reads the timings once before the work, since no phase knows the exit code of a file that is wrong.
Result<void> checkTuning(const CompileOptions &options, MLIRContext &context) {
  if (options.candidate && (options.targets.size() != 1 || !options.timingCache.empty()))
    return makeError(ExitCode::Usage, "candidates are compiled for one target and without timings");
  if (options.timingCache.empty())
    return {};
  Result<Timings> timings = Timings::read(options.timingCache, context);
  return timings ? Result<void>() : timings.takeError();
}

Result<void> checkMaximum(std::string_view option, uint64_t value, uint64_t greatest) {
  if (value >= 1 && value <= greatest)
    return {};
  return makeError(ExitCode::Usage, "{} is {}, expected 1 to {}", option, value, greatest);
}

Result<Maxima> chooseMaxima(const CompileOptions &options, const llama4::TextConfig &config) {
  Maxima maxima;
  // A request beyond what the model was made for is granted with a note; the default never goes there.
  maxima.context = options.maxContext.value_or(std::min(config.maxPositions, defaultContext));
  maxima.batch = options.maxBatch;
  maxima.stepTokens = options.maxStepTokens;
  YUPANA_RETURN_IF_ERROR(checkMaximum("--max-context", maxima.context, greatestContext));
  YUPANA_RETURN_IF_ERROR(checkMaximum("--max-batch", maxima.batch, greatestBatch));
  YUPANA_RETURN_IF_ERROR(checkMaximum("--max-step-tokens", maxima.stepTokens, greatestStepTokens));
  if (maxima.context > config.maxPositions)
    note(options.observer, fmt::format("--max-context {} is more than the {} positions the model was made for",
                                       maxima.context, config.maxPositions));
  // A step may ask for the last row of every sequence, so it must hold a token of each.
  if (maxima.stepTokens < maxima.batch)
    return makeError(ExitCode::Usage, "--max-step-tokens is {}, expected at least --max-batch, which is {}",
                     maxima.stepTokens, maxima.batch);
  maxima.logitRows = static_cast<uint64_t>(chooseMaxLogitRows(static_cast<int64_t>(config.vocabSize),
                                                              static_cast<int64_t>(maxima.batch),
                                                              static_cast<int64_t>(maxima.stepTokens)));
  return maxima;
}

/// The tokenizer's section; settles which tokens end a reply, which are the model's and the tokenizer's together, and
/// tells when none does.
Result<std::vector<uint8_t>> readTokenizer(const CompileOptions &options, llama4::ModelConfig &config) {
  std::vector<std::string> notes;
  YUPANA_ASSIGN_OR_RETURN(CompiledTokenizer tokenizer, compileTokenizer(options.checkpoint, config.text.vocabSize,
                                                                        notes, options.observer.isCancelled));
  config.tokenizerEos = tokenizer.endToken;
  for (const std::string &sentence : notes)
    note(options.observer, sentence);
  if (config.stopTokens().empty())
    note(options.observer,
         fmt::format("{}: names no token that ends a reply (eos_token_id in generation_config.json and config.json, "
                     "eos_token in tokenizer_config.json), so {}",
                     options.checkpoint,
                     tokenizer.endOfTurn.empty()
                         ? "replies end at --max-new-tokens alone"
                         : fmt::format("replies to --prompt end at --max-new-tokens alone and chats at {}",
                                       inQuotes(tokenizer.endOfTurn))));
  return std::move(tokenizer.section);
}

std::string thisCompiler() { return fmt::format("yupana {}", compilerVersion()); }

} // namespace

/// Everything that the user can get wrong comes first: names, formats, the checkpoint, files that would be overwritten,
/// maxima, the tokenizer. Then come the phases, and the output file is opened when the plan is there.
Result<CompileSummary> yupana::compile(const CompileOptions &given) {
  CompileOptions options = given;
  YUPANA_RETURN_IF_ERROR(checkFusions(options));
  YUPANA_RETURN_IF_ERROR(checkModelName(options.name));
  YUPANA_ASSIGN_OR_RETURN(options.targets, resolveTargets(options));
  YUPANA_RETURN_IF_ERROR(checkFormats(options));
  // Passes run on one thread: the parallel work is in code generation and in the weights, which have threads of their
  // own.
  MLIRContext context(MLIRContext::Threading::DISABLED);
  loadDialects(context);
  YUPANA_RETURN_IF_ERROR(checkTuning(options, context));
  CheckpointState before(options.checkpoint);
  YUPANA_ASSIGN_OR_RETURN(OpenedCheckpoint checkpoint,
                          openCheckpoint(options.checkpoint, options.stripWeights, options.observer));
  YUPANA_ASSIGN_OR_RETURN(std::vector<std::string> inputFiles, filesOf(options.checkpoint));
  if (!options.timingCache.empty())
    inputFiles.push_back(options.timingCache);
  YUPANA_RETURN_IF_ERROR(keepInputs(options.output, inputFiles));
  YUPANA_RETURN_IF_ERROR(OutputFile::check(options.output));
  if (!options.dumpIrDirectory.empty())
    YUPANA_RETURN_IF_ERROR(keepInputsFromDumps(options.dumpIrDirectory, inputFiles));
  YUPANA_ASSIGN_OR_RETURN(options.precision, choosePrecision(options, checkpoint));
  if (llvm::is_contained(given.targets, "native") && options.precision == "bf16")
    addFasterTarget(options);
  YUPANA_ASSIGN_OR_RETURN(Maxima maxima, chooseMaxima(options, checkpoint.config.text));
  ExportInputs inputs{thisCompiler(), {}};
  YUPANA_ASSIGN_OR_RETURN(inputs.tokenizer, readTokenizer(options, checkpoint.config));
  YUPANA_RETURN_IF_ERROR(checkFitsPlan(options.checkpoint, checkpoint.config));

  YUPANA_ASSIGN_OR_RETURN(OwningOpRef<ModuleOp> model,
                          llama4::importModel(context, checkpoint.config, checkpoint.text,
                                              checkpoint.importOptions(options.precision, options.name)));
  // Weights are symbols up to here: nothing is read from the tensors before the plan is there.
  auto secondsSince = [](std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  auto start = std::chrono::steady_clock::now();
  std::vector<CandidateKernel> kernels;
  YUPANA_ASSIGN_OR_RETURN(OwningOpRef<ModuleOp> plan, compileModule(std::move(model), maxima, options, kernels));
  double codeSeconds = secondsSince(start);
  YUPANA_RETURN_IF_ERROR(checkCancelled(options.observer));
  start = std::chrono::steady_clock::now();
  // The checkpoint is held to the state it had before its headers were read.
  ExportOptions exporting = exportOptionsFor(options.output, options.jobs, options.observer, &before);
  if (options.stripWeights)
    // What is made to be timed is never filled, so that its weights are not read.
    exporting.weights = checkpoint.tensors && !options.candidate ? ExportWeights::Digested : ExportWeights::Sized;
  std::unique_ptr<TensorSource> source = checkpoint.source(options.precision, options.allowNonFinite);
  YUPANA_ASSIGN_OR_RETURN(ExportSummary summary, exportPlan(*plan, *source, inputs, exporting));
  return CompileSummary{summary.fileBytes, summary.weightBytes, summary.missingBytes, options.targets,
                        codeSeconds,       secondsSince(start), std::move(kernels)};
}

Result<CompileSummary> yupana::exportModule(const ExportModuleOptions &options) {
  YUPANA_ASSIGN_OR_RETURN(std::string text, readWholeFile(options.input, uint64_t{1} << 30));
  YUPANA_RETURN_IF_ERROR(keepInputs(options.output, {options.input}));
  MLIRContext context(MLIRContext::Threading::DISABLED);
  loadDialects(context);
  // Ends before the verifier, which has a collector of its own.
  OwningOpRef<ModuleOp> module;
  {
    DiagnosticCollector diagnostics(context);
    module = parseSourceString<ModuleOp>(text, ParserConfig(&context), options.input);
    if (!module)
      return diagnostics.takeError(ExitCode::InvalidInput, options.input);
  }
  YUPANA_RETURN_IF_ERROR(verifyPlanModule(*module, options.input));
  NoTensors source;
  ExportInputs inputs{options.producer.empty() ? thisCompiler() : options.producer, {}};
  YUPANA_ASSIGN_OR_RETURN(
      ExportSummary summary,
      exportPlan(*module, source, inputs, exportOptionsFor(options.output, options.jobs, options.observer)));
  CompileSummary result;
  result.planBytes = summary.fileBytes;
  result.weightBytes = summary.weightBytes;
  result.missingBytes = summary.missingBytes;
  for (auto target : module->getOps<plan::TargetOp>())
    result.targets.push_back(target.getName().str());
  return result;
}
