// SPDX-License-Identifier: Apache-2.0
//
// The first phase runs once. Its module is then taken through the other phases and code generation for every target,
// and the results are merged, which stores weights once that several targets read in one form.

#include "compiler/Driver/Compilation.h"

#include "compiler/Codegen/BackEnd.h"
#include "compiler/Driver/Diagnostics.h"
#include "compiler/Driver/MergePlans.h"
#include "compiler/Driver/OpenCheckpoint.h"
#include "compiler/Pipelines/Pipelines.h"
#include "dialects/MoE/IR/MoE.h"
#include "dialects/Plan/IR/Plan.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/AsmState.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FileSystem.h"

using namespace mlir;
using namespace yupana;

void yupana::loadDialects(MLIRContext &context) {
  DialectRegistry registry;
  codegen::registerBackEnds(registry);
  context.appendDialectRegistry(registry);
  context.loadDialect<lm::LMDialect, moe::MoEDialect, kernel::KernelDialect, plan::PlanDialect, arith::ArithDialect,
                      func::FuncDialect, math::MathDialect>();
  // An error is one sentence; printed with its op it could fill pages.
  context.printOpOnDiagnostic(false);
}

Result<void> yupana::checkCancelled(const Observer &observer) {
  if (observer.isCancelled && observer.isCancelled())
    return makeError(ExitCode::Interrupted, "interrupted, nothing was written");
  return {};
}

namespace {

void setOptions(PipelineOptions &pipeline, const CompileOptions &options, const Maxima &maxima,
                llvm::StringRef target) {
  pipeline.target = target.str();
  pipeline.precision = options.precision;
  pipeline.disabled = options.disabledFusions;
  pipeline.enabled = options.enabledFusions;
  pipeline.batchInvariant = options.batchInvariant;
  pipeline.timings = options.timingCache;
  pipeline.candidate = options.candidate ? static_cast<int64_t>(*options.candidate) : -1;
  pipeline.maxContext = static_cast<int64_t>(maxima.context);
  pipeline.maxBatch = static_cast<int64_t>(maxima.batch);
  pipeline.maxStepTokens = static_cast<int64_t>(maxima.stepTokens);
  pipeline.maxLogitRows = static_cast<int64_t>(maxima.logitRows);
}

class Compilation {
public:
  // Everything is borrowed: a compilation lives within the call that makes it.
  Compilation(MLIRContext &context, const Maxima &maxima, const CompileOptions &options)
      : context(context), maxima(maxima), options(options) {}

  Result<OwningOpRef<ModuleOp>> run(OwningOpRef<ModuleOp> model);
  std::vector<CandidateKernel> takeKernels() { return std::move(kernels); }

private:
  using Build = void (*)(OpPassManager &, const PipelineOptions &);

  Result<void> runPhase(ModuleOp module, llvm::StringRef name, Build build, const std::string &target);
  Result<void> generateCode(ModuleOp module, const std::string &target);
  void takeSignatures(kernel::LibraryOp library);
  /// Writes the module to NN-<phase>.mlir, with the target's name before the suffix when there are several.
  Result<void> dump(ModuleOp module, size_t number, llvm::StringRef phase, const std::string &target);

  MLIRContext &context;
  const Maxima &maxima;
  const CompileOptions &options;
  std::vector<CandidateKernel> kernels;
};

Result<void> Compilation::runPhase(ModuleOp module, llvm::StringRef name, Build build, const std::string &target) {
  // Between phases: passes have no place to ask.
  YUPANA_RETURN_IF_ERROR(checkCancelled(options.observer));
  PipelineOptions pipeline;
  setOptions(pipeline, options, maxima, target);
  // Before the passes run: it catches what they report for as long as it lives.
  DiagnosticCollector diagnostics(context);
  PassManager passes(&context);
  build(passes, pipeline);
  if (failed(passes.run(module)))
    return diagnostics.takeError(ExitCode::Internal, fmt::format("phase {}", name.str()));
  for (const std::string &remark : diagnostics.takeRemarks())
    note(options.observer, remark);
  return {};
}

/// Lists the kernels that are to be timed. Without their signatures they have the text, and so the code, that any
/// compilation gives them.
void Compilation::takeSignatures(kernel::LibraryOp library) {
  auto textOf = [](Attribute attribute) {
    std::string text;
    llvm::raw_string_ostream(text) << attribute;
    return text;
  };
  for (kernel::FuncOp func : library.getOps<kernel::FuncOp>()) {
    Operation *launched = &func.getBody().front().front();
    auto signature = launched->getAttrOfType<kernel::SignatureAttr>(kernel::SignatureAttr::attributeName);
    if (!signature)
      continue;
    launched->removeAttr(kernel::SignatureAttr::attributeName);
    CandidateKernel kernel{func.getSymName().str(),
                           signature.getDigest().str(),
                           static_cast<uint64_t>(signature.getTokens()),
                           static_cast<uint64_t>(signature.getConfigs()),
                           {}};
    func.walk<WalkOrder::PreOrder>([&](kernel::LaunchedOpInterface op) {
      if (op.getConfigAttr())
        kernel.configs.push_back(textOf(op.getConfigAttr()));
    });
    kernels.push_back(std::move(kernel));
  }
}

Result<void> Compilation::dump(ModuleOp module, size_t number, llvm::StringRef phase, const std::string &target) {
  if (options.dumpIrDirectory.empty())
    return {};
  std::string suffix = target.empty() || options.targets.size() == 1 ? "" : "." + target;
  std::string path = fmt::format("{}/{:02}-{}{}.mlir", options.dumpIrDirectory, number, phase.str(), suffix);
  std::error_code error;
  llvm::raw_fd_ostream stream(path, error);
  if (error)
    return makeError(ExitCode::MissingFile, "{}: cannot be created: {}", path, error.message());
  // The IR of large models has megabytes; errors of the disk are asked for once, at the end.
  module.print(stream);
  stream.close();
  error = stream.error();
  // A stream that is destroyed with an error would end the program.
  stream.clear_error();
  if (error)
    return makeError(ExitCode::OutOfSpace, "{}: cannot be written: {}", path, error.message());
  return {};
}

Result<void> Compilation::generateCode(ModuleOp module, const std::string &target) {
  YUPANA_RETURN_IF_ERROR(checkCancelled(options.observer));
  auto libraries = module.getOps<kernel::LibraryOp>();
  auto targets = module.getOps<plan::TargetOp>();
  if (!llvm::hasSingleElement(libraries) || !llvm::hasSingleElement(targets))
    return makeError(ExitCode::Internal,
                     "phase to-plan left no kernel.library or no plan.target, expected one of each");
  kernel::LibraryOp library = *libraries.begin();
  plan::TargetOp plan = *targets.begin();

  takeSignatures(library);
  YUPANA_ASSIGN_OR_RETURN(const codegen::BackEnd *backEnd, codegen::lookupBackEnd(target));
  codegen::CodegenOptions codegenOptions;
  codegenOptions.jobs = options.jobs;
  codegenOptions.output = options.output;
  if (!options.cacheDirectory.empty())
    codegenOptions.cacheDirectory = options.cacheDirectory;
  // In the order of the back end, so that a plan does not depend on that of the option.
  for (plan::ImageFormat format : backEnd->getImageFormats())
    if (llvm::is_contained(options.formats, plan::stringifyImageFormat(format)))
      codegenOptions.formats.push_back(format);
  if (!options.dumpIrDirectory.empty()) {
    codegenOptions.dumpDirectory = options.dumpIrDirectory + "/kernels." + target;
    if (std::error_code error = llvm::sys::fs::create_directories(*codegenOptions.dumpDirectory))
      return makeError(ExitCode::MissingFile, "{}: cannot be created: {}", *codegenOptions.dumpDirectory,
                       error.message());
  }
  Result<codegen::CompiledLibrary> code = backEnd->compileLibrary(library, codegenOptions);
  // A signal from the terminal also ends the linker: what it says then is not the reason.
  YUPANA_RETURN_IF_ERROR(checkCancelled(options.observer));
  if (!code)
    return withContext(code.takeError(), target);
  // A launch names its kernel by number, which is a place in this list: both sides must have the same order.
  auto kernels = llvm::to_vector(plan.getBody().getOps<plan::KernelOp>());
  if (!llvm::equal(kernels, code->kernels, [](plan::KernelOp kernel, const codegen::LibraryKernel &compiled) {
        return kernel.getSymbol() == llvm::StringRef(compiled.symbol);
      }))
    return makeError(ExitCode::Internal, "{}: generated code exports other kernels than the plan names", target);
  // Images stand first in the target; kernels refer to them by their number.
  auto inside = OpBuilder::atBlockBegin(&plan.getBody().front());
  for (const codegen::Image &image : code->images)
    plan::ImageOp::create(inside, plan.getLoc(), image.format, image.bytes);
  for (auto [kernel, compiled] : llvm::zip_equal(kernels, code->kernels)) {
    plan::KernelOp op = kernel;
    op.setScratch(compiled.scratchBytes);
    op.setWaits(compiled.waits);
    auto images = llvm::map_to_vector(compiled.images, [&](const codegen::KernelImage &image) -> Attribute {
      return plan::KernelImageAttr::get(&context, image.image, image.registers, image.sharedBytes, image.spillBytes);
    });
    op.setImagesAttr(inside.getArrayAttr(images));
  }
  // Known only now that the code is there: what of a block's shared memory the launch must ask for.
  plan.walk([&](plan::LaunchOp launch) { launch.setShared(code->kernels[launch.getKernel()].sharedBytes); });
  // The plan has its code now; a kernel.library is no part of the plan level.
  library->erase();
  return {};
}

Result<OwningOpRef<ModuleOp>> Compilation::run(OwningOpRef<ModuleOp> model) {
  const std::vector<Phase> &all = phases();
  // The first phase is the same for every target.
  YUPANA_RETURN_IF_ERROR(runPhase(*model, all.front().name, all.front().build, options.targets.front()));
  YUPANA_RETURN_IF_ERROR(dump(*model, 1, all.front().name, ""));

  std::vector<OwningOpRef<ModuleOp>> plans;
  for (const std::string &target : options.targets) {
    // The passes change the module, so that each target begins with a copy of what the first phase left.
    OwningOpRef<ModuleOp> module = model->clone();
    for (size_t i = 1; i < all.size(); ++i) {
      YUPANA_RETURN_IF_ERROR(runPhase(*module, all[i].name, all[i].build, target));
      YUPANA_RETURN_IF_ERROR(dump(*module, i + 1, all[i].name, target));
    }
    YUPANA_RETURN_IF_ERROR(generateCode(*module, target));
    plans.push_back(std::move(module));
  }
  YUPANA_ASSIGN_OR_RETURN(OwningOpRef<ModuleOp> plan, mergePlanModules(std::move(plans)));
  YUPANA_RETURN_IF_ERROR(runPhase(*plan, "close", buildClosePipeline, options.targets.front()));
  YUPANA_RETURN_IF_ERROR(dump(*plan, all.size() + 1, "plan", ""));
  return plan;
}

} // namespace

Result<OwningOpRef<ModuleOp>> yupana::compileModule(OwningOpRef<ModuleOp> model, const Maxima &maxima,
                                                    const CompileOptions &options,
                                                    std::vector<CandidateKernel> &kernels) {
  if (!options.dumpIrDirectory.empty())
    if (std::error_code error = llvm::sys::fs::create_directories(options.dumpIrDirectory))
      return makeError(ExitCode::MissingFile, "{}: cannot be created: {}", options.dumpIrDirectory, error.message());
  MLIRContext &context = *model->getContext();
  Compilation compilation(context, maxima, options);
  YUPANA_ASSIGN_OR_RETURN(OwningOpRef<ModuleOp> plan, compilation.run(std::move(model)));
  kernels = compilation.takeKernels();
  return plan;
}

/// For modules that no pipeline made: the verifier that ends a compilation, so that the exporter may rely on it in
/// both.
Result<void> yupana::verifyPlanModule(ModuleOp module, const std::string &file) {
  MLIRContext &context = *module.getContext();
  DiagnosticCollector diagnostics(context);
  PassManager passes(&context);
  buildClosePipeline(passes, PipelineOptions());
  if (failed(passes.run(module)))
    return diagnostics.takeError(ExitCode::InvalidInput, file);
  return {};
}
