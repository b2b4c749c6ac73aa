// SPDX-License-Identifier: Apache-2.0
//
// A plan without weights has everything else in its final form, so that refitting is copying: sections as they are,
// metadata with the places of the weights, and a weights section made as the exporter makes it. What the file holds is
// read through the runtime, which checks it, and nothing is written before it is known that every weight can be made.

#include "compiler/Driver/Refit.h"

#include "compiler/Driver/Compilation.h"
#include "compiler/Driver/FinalChecks.h"
#include "compiler/Driver/OpenCheckpoint.h"
#include "compiler/Driver/RefitParts.h"
#include "compiler/Export/Metadata.h"
#include "compiler/Export/PlanFile.h"
#include "compiler/Export/WeightDigest.h"
#include "compiler/Export/WeightStream.h"
#include "compiler/Support/File.h"
#include "dialects/Plan/IR/Plan.h"
#include "runtime/include/yupana/yupana.h"
#include "runtime/schema/format.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>

using namespace mlir;
using namespace yupana;

namespace {

struct ReleasePlan {
  void operator()(yupana_plan_t *plan) const { yupana_plan_release(plan); }
};
using PlanPointer = std::unique_ptr<yupana_plan_t, ReleasePlan>;

Result<void> checkStatus(yupana_status_code_t code, const yupana_status_t &status) {
  if (code == YUPANA_STATUS_OK)
    return {};
  return Error{static_cast<ExitCode>(yupana_status_exit_code(code)), status.message};
}

/// Opens a plan that lacks weights and compares every digest of what it has.
Result<PlanPointer> openStripped(const std::string &path) {
  yupana_plan_t *opened = nullptr;
  yupana_status_t status;
  YUPANA_RETURN_IF_ERROR(checkStatus(yupana_plan_open_file(path.c_str(), nullptr, &opened, &status), status));
  PlanPointer plan(opened);
  if (yupana_plan_missing_weights(plan.get()) == 0)
    return makeError(ExitCode::InvalidInput, "{}: has its weights, expected a plan compiled with --strip-weights",
                     path);
  // Digests now and not while copying: what is damaged must be known before a file is written.
  YUPANA_RETURN_IF_ERROR(checkStatus(yupana_plan_verify(plan.get(), nullptr, &status), status));
  return plan;
}

yupana_section_info_t sectionOf(const yupana_plan_t *plan, uint32_t index) {
  yupana_section_info_t info = {};
  info.size = sizeof(info);
  yupana_plan_section(plan, index, &info);
  return info;
}

/// Bytes that the plan has already: those of a table.
class StoredBytes : public PieceMaker {
public:
  StoredBytes(const InputFile &file, uint64_t offset, uint64_t size) : file(file), offset(offset), size(size) {}

  uint64_t bytes() const override { return size; }
  // A table has as many pieces as it has megabytes; the last may be shorter.
  uint64_t pieces() const override { return llvm::divideCeil(size, pieceBytes); }
  Result<void> make(uint64_t index, PieceMemory &memory, PieceSink sink) const override {
    uint64_t at = index * pieceBytes;
    memory.packed.resize(std::min(pieceBytes, size - at));
    YUPANA_RETURN_IF_ERROR(file.readAt(offset + at, memory.packed.data(), memory.packed.size()));
    return sink(at, memory.packed.data(), memory.packed.size());
  }

private:
  static constexpr uint64_t pieceBytes = uint64_t{1} << 20;

  const InputFile &file;
  uint64_t offset, size;
};

/// One refitting. Members are in the order of their making: `source` needs the checkpoint, `module` the context.
class Refitter {
public:
  Refitter(const RefitOptions &options, yupana_plan_t *plan, InputFile file, const OpenedCheckpoint &checkpoint,
           const CheckpointState &before)
      : options(options), plan(plan), file(std::move(file)), checkpoint(checkpoint), before(before),
        root(*schema::GetPlan(yupana_plan_metadata(plan, nullptr))),
        source(checkpoint.source(root.model()->precision()->str(), options.allowNonFinite)), metadata(root.UnPack()),
        context(MLIRContext::Threading::DISABLED) {
    loadDialects(context);
  }

  Result<CompileSummary> run();

private:
  using Makers = std::vector<std::unique_ptr<PieceMaker>>;

  Result<void> collectMissing();
  Result<Makers> makeWeights();
  Result<void> compareDigests(const Makers &makers);
  Result<void> placeSections(const WeightSection &weights);
  Result<void> describeWeights(const WeightSection &weights);
  Result<void> write(const WeightSection &weights);

  const RefitOptions &options;
  yupana_plan_t *plan;
  InputFile file; ///< The plan's.
  const OpenedCheckpoint &checkpoint;
  const CheckpointState &before; ///< The checkpoint's files when it was opened.
  const schema::Plan &root;
  std::unique_ptr<TensorSource> source;
  std::unique_ptr<schema::PlanT> metadata; ///< What the new plan says.
  MLIRContext context;
  OwningOpRef<ModuleOp> module;        ///< Of the weights that are missing.
  SmallVector<plan::WeightOp> missing; ///< Of every weight; null for one that the plan has.
  PlanFile out;
  WeightSections weightSections;
  std::vector<uint32_t> copies; ///< Of every section of the plan, its number in the new one, or 0 for none.
  std::vector<uint8_t> metadataBytes;
};

Result<void> Refitter::collectMissing() {
  YUPANA_ASSIGN_OR_RETURN(module, deriveWeights(context, root, options.plan, checkpoint));
  // It has an op for each weight that lacks its bytes, in the order of the plan.
  auto derived = module->getOps<plan::WeightOp>();
  auto next = derived.begin();
  for (const schema::Weight *weight : *root.weights())
    missing.push_back(weight->section() == schema::kNoSection ? *next++ : plan::WeightOp());
  return {};
}

Result<Refitter::Makers> Refitter::makeWeights() {
  Makers makers;
  for (auto [index, weight] : llvm::enumerate(missing)) {
    const schema::Weight &stored = *root.weights()->Get(static_cast<uint32_t>(index));
    if (!weight) {
      // Tables are in the plan already; they are copied to their new places by the same writer as the weights.
      uint64_t offset = sectionOf(plan, stored.section()).offset + stored.offset();
      makers.push_back(std::make_unique<StoredBytes>(file, offset, stored.size()));
      continue;
    }
    // deriveWeights has declared it beside the weight.
    Operation *parameter = module->lookupSymbol(weight.getParameter());
    YUPANA_ASSIGN_OR_RETURN(std::unique_ptr<PieceMaker> stream, streamWeight(parameter, *source));
    // The plan may be by another version or by hand: weights of another size than it says have no place in it.
    if (stream->bytes() != stored.size())
      return makeError(ExitCode::InvalidInput, "{}: weight {} has {} bytes in the plan, its form takes {}",
                       options.plan, inQuotes(stored.name()->str()), stored.size(), stream->bytes());
    makers.push_back(std::move(stream));
  }
  return makers;
}

/// Before anything is written, at the price of making every weight twice.
Result<void> Refitter::compareDigests(const Makers &makers) {
  for (const schema::Weight *weight : *root.weights())
    if (weight->section() == schema::kNoSection && !weight->digest())
      return makeError(ExitCode::InvalidInput,
                       "{}: knows no digest of weight {}, since it was compiled from a configuration alone; refit it "
                       "without --same-digests",
                       options.plan, inQuotes(weight->name()->str()));
  YUPANA_ASSIGN_OR_RETURN(std::vector<Digest> digests,
                          digestWeights(makers, exportOptionsFor(options.output, options.jobs, options.observer)));
  for (auto [index, digest] : llvm::enumerate(digests)) {
    const schema::Weight &weight = *root.weights()->Get(static_cast<uint32_t>(index));
    if (weight.section() == schema::kNoSection && !std::equal(digest.begin(), digest.end(), weight.digest()->begin()))
      return makeError(ExitCode::BadDigest,
                       "{}: weight {}, from tensor {}, has other values than those that {} was "
                       "compiled from",
                       checkpoint.folder, inQuotes(weight.name()->str()),
                       inQuotes(weight.parts()->Get(0)->tensors()->Get(0)->str()), options.plan);
  }
  return {};
}

/// Sections in the order of the exporter (metadata, images, weights with their digests, all else), since a refitted
/// plan equals a compiled one byte for byte.
Result<void> Refitter::placeSections(const WeightSection &weights) {
  uint32_t count = yupana_plan_section_count(plan);
  copies.assign(count, 0);
  auto copyKind = [&](auto wanted) {
    for (uint32_t i = 0; i < count; ++i)
      if (auto kind = static_cast<schema::SectionKind>(sectionOf(plan, i).kind); wanted(kind))
        // Number 0 is the metadata, which no copied section has.
        copies[i] = out.addSection(kind, sectionOf(plan, i).bytes);
  };
  auto isImage = [](schema::SectionKind kind) {
    return kind == schema::SectionKind::host_code || kind == schema::SectionKind::device_code;
  };
  // Its size is known when the places of the weights are.
  uint32_t metadataSection = out.addSection(schema::SectionKind::metadata, 1);
  copyKind(isImage);
  weightSections = addWeightSections(out, weights);
  copyKind([](schema::SectionKind kind) { return kind == schema::SectionKind::tokenizer; });
  YUPANA_RETURN_IF_ERROR(describeWeights(weights));
  out.resizeSection(metadataSection, metadataBytes.size());
  return out.place();
}

Result<void> Refitter::describeWeights(const WeightSection &weights) {
  for (auto [index, weight] : llvm::enumerate(missing)) {
    const WeightSection::Placement &place = weights.placements()[index];
    schema::WeightT &entry = *metadata->weights[index];
    if (weight) {
      WeightPlace described{weightSections.weights, place.offset, place.bytes};
      // By the exporter's own code, so that the entry is what compiling would have written.
      YUPANA_ASSIGN_OR_RETURN(metadata->weights[index],
                              describeWeight(weight, module->lookupSymbol(weight.getParameter()), described));
    } else {
      entry.section = weightSections.weights;
      entry.offset = place.offset;
    }
  }
  // Sections may have other numbers now that weights stand between them.
  for (auto &target : metadata->targets)
    for (auto &kernel : target->kernels)
      for (schema::KernelImage &image : kernel->images)
        image = {copies[image.section()], image.registers(), image.shared_bytes(), image.spill_bytes(), image.format()};
  YUPANA_ASSIGN_OR_RETURN(metadataBytes, packMetadata(*metadata));
  return {};
}

Result<void> Refitter::write(const WeightSection &weights) {
  YUPANA_ASSIGN_OR_RETURN(OutputFile output, OutputFile::create(options.output));
  // The room first: a full disk shows before the weights are made.
  YUPANA_RETURN_IF_ERROR(output.reserve(out.bytes()));
  YUPANA_RETURN_IF_ERROR(out.writeSection(output, 0, metadataBytes));
  for (auto [index, copy] : llvm::enumerate(copies)) {
    if (copy == 0)
      continue;
    // Sections that are copied are code and the tokenizer, which fit in memory.
    std::vector<uint8_t> bytes(sectionOf(plan, static_cast<uint32_t>(index)).bytes);
    yupana_status_t status;
    YUPANA_RETURN_IF_ERROR(checkStatus(
        yupana_plan_read_section(plan, static_cast<uint32_t>(index), bytes.data(), bytes.size(), &status), status));
    YUPANA_RETURN_IF_ERROR(out.writeSection(output, copy, bytes));
  }
  ExportOptions exporting = exportOptionsFor(options.output, options.jobs, options.observer, &before);
  YUPANA_RETURN_IF_ERROR(checkWithoutWeights(output, out, exporting));
  YUPANA_RETURN_IF_ERROR(writeWeightSections(output, out, weightSections, weights, exporting));
  return finishPlan(output, out, exporting);
}

Result<CompileSummary> Refitter::run() {
  YUPANA_RETURN_IF_ERROR(collectMissing());
  YUPANA_ASSIGN_OR_RETURN(Makers makers, makeWeights());
  if (options.sameDigests)
    YUPANA_RETURN_IF_ERROR(compareDigests(makers));
  // All weights in the order of the plan, tables among them, as the exporter lays them out.
  WeightSection weights;
  for (std::unique_ptr<PieceMaker> &maker : makers)
    YUPANA_RETURN_IF_ERROR(weights.add(std::move(maker)));
  YUPANA_RETURN_IF_ERROR(placeSections(weights));
  YUPANA_RETURN_IF_ERROR(write(weights));
  CompileSummary summary;
  // No code was made, so that there are no times to tell.
  summary.planBytes = out.bytes();
  summary.weightBytes = weights.payload();
  for (const auto &target : metadata->targets)
    summary.targets.push_back(target->name);
  return summary;
}

} // namespace

Result<CompileSummary> yupana::refit(const RefitOptions &options) {
  YUPANA_ASSIGN_OR_RETURN(PlanPointer plan, openStripped(options.plan));
  // Opened a second time, for the bytes of tables: yupana_plan_read_section gives none of a section of weights.
  YUPANA_ASSIGN_OR_RETURN(InputFile file, InputFile::open(options.plan));
  CheckpointState before(options.checkpoint);
  YUPANA_ASSIGN_OR_RETURN(OpenedCheckpoint checkpoint,
                          openCheckpoint(options.checkpoint, /*mayLackTensors=*/false, options.observer));
  YUPANA_ASSIGN_OR_RETURN(std::vector<std::string> inputs, filesOf(options.checkpoint));
  inputs.push_back(options.plan);
  YUPANA_RETURN_IF_ERROR(keepInputs(options.output, inputs));
  YUPANA_RETURN_IF_ERROR(OutputFile::check(options.output));
  return Refitter(options, plan.get(), std::move(file), checkpoint, before).run();
}
