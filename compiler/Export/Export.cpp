// SPDX-License-Identifier: Apache-2.0
//
// The frame of the file, runtime/schema/format.h. Sizes of all sections are known before the first byte is written:
// metadata, images per target, weights, digests of the weights, tokenizer.

#include "compiler/Export/Export.h"

#include "compiler/Export/Metadata.h"
#include "compiler/Export/OutputFile.h"
#include "compiler/Export/Tables.h"
#include "compiler/Export/WeightSection.h"
#include "compiler/Export/WeightStream.h"
#include "compiler/Support/CheckedMath.h"
#include "runtime/schema/format.h"

#include "llvm/Support/CRC.h"
#include "llvm/Support/SHA256.h"

#include <cstddef>

using namespace mlir;
using namespace yupana;

namespace {

/// Places sections one after the other and writes the header and the table that find them again.
class PlanFile {
public:
  /// Appends a section of `bytes` bytes, more than 0, and returns its number.
  uint32_t addSection(schema::SectionKind kind, uint64_t bytes) {
    schema::SectionEntry entry = {};
    entry.kind = static_cast<uint32_t>(kind);
    // A reader that lacks the tokenizer still runs the plan on token ids.
    entry.flags = kind == schema::SectionKind::tokenizer ? 0 : static_cast<uint32_t>(schema::kSectionRequired);
    entry.size = bytes;
    entry.alignment = schema::kSectionAlignment;
    sections.push_back(entry);
    return static_cast<uint32_t>(sections.size() - 1);
  }

  /// Gives every section its offset. ExitCode::OutOfSpace when they need more than 2^64 bytes.
  Result<void> place();

  uint64_t bytes() const { return sections.back().offset + sections.back().size; }
  uint64_t offset(uint32_t section) const { return sections[section].offset; }
  void setDigest(uint32_t section, const Digest &digest) {
    std::copy(digest.begin(), digest.end(), sections[section].digest);
  }

  /// Writes a section whose bytes are at hand, and notes their digest.
  Result<void> writeSection(OutputFile &file, uint32_t section, llvm::ArrayRef<uint8_t> data);
  /// Writes header and table, once every digest is known.
  Result<void> writeFrame(OutputFile &file) const;

private:
  std::vector<schema::SectionEntry> sections;
};

template <typename T> llvm::ArrayRef<uint8_t> bytesOf(const T *values, size_t count = 1) {
  return {reinterpret_cast<const uint8_t *>(values), count * sizeof(T)};
}

Result<void> PlanFile::place() {
  std::optional<uint64_t> end = sizeof(schema::FileHeader) + sections.size() * sizeof(schema::SectionEntry);
  for (schema::SectionEntry &entry : sections) {
    std::optional<uint64_t> offset = end ? checkedAlign(*end, entry.alignment) : end;
    end = checkedAdd(offset, std::optional<uint64_t>(entry.size));
    if (!end)
      return makeError(ExitCode::OutOfSpace, "the plan needs more than 2^64 bytes");
    entry.offset = *offset;
  }
  return {};
}

Result<void> PlanFile::writeSection(OutputFile &file, uint32_t section, llvm::ArrayRef<uint8_t> data) {
  setDigest(section, llvm::SHA256::hash(data));
  return file.writeAt(sections[section].offset, data.data(), data.size());
}

Result<void> PlanFile::writeFrame(OutputFile &file) const {
  schema::FileHeader header = {};
  std::copy(std::begin(schema::kMagic), std::end(schema::kMagic), header.magic);
  header.major = schema::kMajor;
  header.minor = schema::kMinor;
  header.header_size = sizeof(header);
  header.section_count = static_cast<uint32_t>(sections.size());
  header.section_table_offset = sizeof(header);
  header.file_size = bytes();
  llvm::ArrayRef<uint8_t> table = bytesOf(sections.data(), sections.size());
  header.section_table_crc32 = llvm::crc32(table);
  header.header_crc32 = llvm::crc32(bytesOf(&header).take_front(offsetof(schema::FileHeader, header_crc32)));
  YUPANA_RETURN_IF_ERROR(file.writeAt(0, &header, sizeof(header)));
  return file.writeAt(header.section_table_offset, table.data(), table.size());
}

Result<WeightSection> collectWeights(const PlanOps &ops, const TensorSource &source) {
  WeightSection section;
  for (size_t i = 0; i < ops.weights.size(); ++i) {
    plan::WeightOp planned = ops.weights[i];
    llvm::StringRef found = lm::getParameterLayout(ops.parameters[i]);
    if (found.empty())
      found = schema::kRowMajor.id;
    if (auto table = dyn_cast<lm::TableOp>(ops.parameters[i])) {
      YUPANA_RETURN_IF_ERROR(section.add(makeTable(table)));
    } else {
      YUPANA_ASSIGN_OR_RETURN(std::unique_ptr<PieceMaker> stream, streamWeight(ops.parameters[i], source));
      YUPANA_RETURN_IF_ERROR(section.add(std::move(stream)));
    }
    if (planned.getLayout() != found)
      return makeError(ExitCode::Internal, "plan.weight {} has layout {}, its chain ends in {}",
                       inQuotes(planned.getParameter().str()), planned.getLayout().str(), found.str());
  }
  return section;
}

/// Numbers of the sections, in the order of the file.
struct SectionNumbers {
  uint32_t metadata, firstImage, weights = 0, digests = 0, tokenizer = 0;
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
  if (uint64_t bytes = weights.bytes()) {
    numbers.weights = plan.addSection(schema::SectionKind::weights, bytes);
    uint64_t chunks = (bytes - 1) / schema::kDigestChunkBytes + 1;
    numbers.digests = plan.addSection(schema::SectionKind::weight_digests, chunks * sizeof(Digest));
  }
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
    YUPANA_RETURN_IF_ERROR(plan.writeSection(file, numbers.firstImage + index, bytesOf(code.data(), code.size())));
  }
  if (!inputs.tokenizer.empty())
    YUPANA_RETURN_IF_ERROR(plan.writeSection(file, numbers.tokenizer, inputs.tokenizer));
  if (weights.bytes() != 0) {
    YUPANA_ASSIGN_OR_RETURN(std::vector<Digest> digests, weights.write(file, plan.offset(numbers.weights), options));
    llvm::ArrayRef<uint8_t> bytes = bytesOf(digests.data(), digests.size());
    YUPANA_RETURN_IF_ERROR(plan.writeSection(file, numbers.digests, bytes));
    // The digest of weights is that of their chunks' digests.
    plan.setDigest(numbers.weights, llvm::SHA256::hash(bytes));
  }
  return plan.writeFrame(file);
}

} // namespace

Result<ExportSummary> yupana::exportPlan(ModuleOp module, const TensorSource &source, const ExportInputs &inputs,
                                         const ExportOptions &options) {
  YUPANA_ASSIGN_OR_RETURN(PlanOps ops, collectPlanOps(module));
  YUPANA_ASSIGN_OR_RETURN(WeightSection weights, collectWeights(ops, source));
  PlanPlaces places;
  places.firstImageSection = 1;
  uint32_t weightSection = places.firstImageSection + static_cast<uint32_t>(ops.images.size());
  auto weightPlaces = llvm::map_to_vector(weights.placements(), [&](const WeightSection::Placement &placement) {
    return WeightPlace{weightSection, placement.offset, placement.bytes};
  });
  places.weights = weightPlaces;
  YUPANA_ASSIGN_OR_RETURN(std::vector<uint8_t> metadata, writeMetadata(ops, places, inputs.producer));

  PlanFile plan;
  SectionNumbers numbers = addSections(plan, ops, metadata.size(), weights, inputs);
  YUPANA_RETURN_IF_ERROR(plan.place());
  YUPANA_ASSIGN_OR_RETURN(OutputFile file, OutputFile::create(options.outputPath));
  YUPANA_RETURN_IF_ERROR(file.reserve(plan.bytes()));
  YUPANA_RETURN_IF_ERROR(writeSections(file, plan, ops, numbers, metadata, weights, inputs, options));
  YUPANA_RETURN_IF_ERROR(file.commit());
  return ExportSummary{plan.bytes(), weights.payload(), ops.weights.size()};
}
