// SPDX-License-Identifier: Apache-2.0
//
// From a module at the plan level to a file: metadata, images per target, weights with their digests, tokenizer. A plan
// without weights is made in the same way, but that its weights section has tables alone: they are small, and not in
// any checkpoint.

#include "compiler/Export/Export.h"

#include "compiler/Export/Metadata.h"
#include "compiler/Export/PlanFile.h"
#include "compiler/Export/Tables.h"
#include "compiler/Export/WeightDigest.h"
#include "compiler/Export/WeightStream.h"
#include "runtime/schema/forms.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace yupana;

namespace {

/// The weights of a plan, by number.
struct Weights {
  WeightSection section; ///< Of those that the file has.
  std::vector<std::unique_ptr<PieceMaker>> missing;
  std::vector<Digest> digests; ///< Of those missing, or empty.
  std::vector<WeightPlace> places;
};

/// The maker of a weight's bytes. The plan's op and the chain say the form each, and must agree: kernels go by the
/// former.
Result<std::unique_ptr<PieceMaker>> makeWeight(plan::WeightOp planned, Operation *parameter,
                                               const TensorSource &source) {
  llvm::StringRef found = lm::getParameterLayout(parameter);
  if (found.empty())
    found = schema::kRowMajor.id;
  if (planned.getLayout() != found)
    return makeError(ExitCode::Internal, "plan.weight {} has layout {}, its chain ends in {}",
                     inQuotes(planned.getParameter().str()), planned.getLayout().str(), found.str());
  if (auto table = dyn_cast<lm::TableOp>(parameter))
    return makeTable(table);
  return streamWeight(parameter, source);
}

/// `section` is the number that the section of weights will have.
Result<Weights> collectWeights(const PlanOps &ops, const TensorSource &source, uint32_t section,
                               const ExportOptions &options) {
  Weights weights;
  for (auto [planned, parameter] : llvm::zip_equal(ops.weights, ops.parameters)) {
    YUPANA_ASSIGN_OR_RETURN(std::unique_ptr<PieceMaker> weight, makeWeight(planned, parameter, source));
    uint64_t bytes = weight->bytes();
    // A plan without weights has its tables all the same: they are in no checkpoint.
    if (options.weights != ExportWeights::Written && !isa<lm::TableOp>(parameter)) {
      weights.places.push_back({schema::kNoSection, 0, bytes});
      weights.missing.push_back(std::move(weight));
      continue;
    }
    YUPANA_RETURN_IF_ERROR(weights.section.add(std::move(weight)));
    weights.places.push_back({section, weights.section.placements().back().offset, bytes});
  }
  if (options.weights != ExportWeights::Digested)
    return weights;
  YUPANA_ASSIGN_OR_RETURN(weights.digests, digestWeights(weights.missing, options));
  auto digest = weights.digests.begin();
  for (WeightPlace &place : weights.places)
    if (place.section == schema::kNoSection)
      place.digest = *digest++;
  return weights;
}

/// Numbers of the sections, in the order of the file. They are settled before anything is written, as the metadata has
/// those of images and weights.
struct SectionNumbers {
  uint32_t metadata, firstImage, tokenizer = 0;
  WeightSections weights;
};

SectionNumbers addSections(PlanFile &plan, const PlanOps &ops, uint64_t metadataBytes, const WeightSection &weights,
                           const ExportInputs &inputs) {
  SectionNumbers numbers;
  numbers.metadata = plan.addSection(schema::SectionKind::metadata, metadataBytes);
  numbers.firstImage = numbers.metadata + 1;
  for (plan::ImageOp image : ops.images)
    plan.addSection(image.getFormat() == plan::ImageFormat::ElfX86 ? schema::SectionKind::host_code
                                                                   : schema::SectionKind::device_code,
                    image.getCode().size());
  numbers.weights = addWeightSections(plan, weights);
  if (!inputs.tokenizer.empty())
    numbers.tokenizer = plan.addSection(schema::SectionKind::tokenizer, inputs.tokenizer.size());
  return numbers;
}

Result<void> writeSections(OutputFile &file, PlanFile &plan, const PlanOps &ops, const SectionNumbers &numbers,
                           const std::vector<uint8_t> &metadata, const WeightSection &weights,
                           const ExportInputs &inputs, const ExportOptions &options) {
  YUPANA_RETURN_IF_ERROR(plan.writeSection(file, numbers.metadata, metadata));
  for (auto [index, image] : llvm::enumerate(ops.images)) {
    llvm::StringRef code = plan::ImageOp(image).getCode();
    YUPANA_RETURN_IF_ERROR(plan.writeSection(file, numbers.firstImage + index, llvm::arrayRefFromStringRef(code)));
  }
  if (!inputs.tokenizer.empty())
    YUPANA_RETURN_IF_ERROR(plan.writeSection(file, numbers.tokenizer, inputs.tokenizer));
  // Before the weights, which may take hours: what the reader refuses is refused now.
  YUPANA_RETURN_IF_ERROR(checkWithoutWeights(file, plan, options));
  return writeWeightSections(file, plan, numbers.weights, weights, options);
}

} // namespace

Result<ExportSummary> yupana::exportPlan(ModuleOp module, const TensorSource &source, const ExportInputs &inputs,
                                         const ExportOptions &options) {
  YUPANA_ASSIGN_OR_RETURN(PlanOps ops, collectPlanOps(module));
  PlanPlaces places;
  // The metadata is section 0; addSections numbers as is assumed here.
  places.firstImageSection = 1;
  uint32_t weightSection = places.firstImageSection + static_cast<uint32_t>(ops.images.size());
  YUPANA_ASSIGN_OR_RETURN(Weights weights, collectWeights(ops, source, weightSection, options));
  places.weights = weights.places;
  YUPANA_ASSIGN_OR_RETURN(std::vector<uint8_t> metadata, writeMetadata(ops, places, inputs.producer));

  PlanFile plan;
  SectionNumbers numbers = addSections(plan, ops, metadata.size(), weights.section, inputs);
  YUPANA_RETURN_IF_ERROR(plan.place());
  YUPANA_ASSIGN_OR_RETURN(OutputFile file, OutputFile::create(options.outputPath));
  YUPANA_RETURN_IF_ERROR(file.reserve(plan.bytes()));
  YUPANA_RETURN_IF_ERROR(writeSections(file, plan, ops, numbers, metadata, weights.section, inputs, options));
  YUPANA_RETURN_IF_ERROR(finishPlan(file, plan, options));
  uint64_t missingBytes = 0;
  for (const auto &weight : weights.missing)
    missingBytes += weight->bytes();
  return ExportSummary{plan.bytes(), weights.section.payload(), missingBytes, ops.weights.size()};
}
