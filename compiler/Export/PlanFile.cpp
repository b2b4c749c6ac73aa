// SPDX-License-Identifier: Apache-2.0
//
// Sizes of all sections are known before the first byte is written, so that the file is reserved whole and threads
// write anywhere in it. Header and table come last: without them the file is no plan. What it is of a plan without its
// weights is shown to whoever checks it and taken back.

#include "compiler/Export/PlanFile.h"

#include "compiler/Support/CheckedMath.h"
#include "runtime/base/sha256.h"

#include "llvm/Support/CRC.h"

#include <algorithm>
#include <cstddef>

using namespace yupana;

template <typename T> static llvm::ArrayRef<uint8_t> bytesOf(const T *values, size_t count = 1) {
  return {reinterpret_cast<const uint8_t *>(values), count * sizeof(T)};
}

static Digest digestOf(llvm::ArrayRef<uint8_t> data) {
  Digest digest;
  runtime::Sha256::digest(data.data(), data.size(), digest.data());
  return digest;
}

uint32_t PlanFile::addSection(schema::SectionKind kind, uint64_t bytes) {
  schema::SectionEntry entry = {};
  entry.kind = static_cast<uint32_t>(kind);
  // A reader that lacks the tokenizer still runs the plan on token ids.
  entry.flags = kind == schema::SectionKind::tokenizer ? 0 : static_cast<uint32_t>(schema::kSectionRequired);
  entry.size = bytes;
  entry.alignment = kind == schema::SectionKind::weights ? schema::kWeightSectionAlignment : schema::kSectionAlignment;
  sections.push_back(entry);
  return static_cast<uint32_t>(sections.size() - 1);
}

void PlanFile::setDigest(uint32_t section, const Digest &digest) {
  std::copy(digest.begin(), digest.end(), sections[section].digest);
}

/// As the reader demands it: each section at the first multiple of its alignment behind the one before it.
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

/// Padding between sections is never written: the file was reserved, and is zero there.
Result<void> PlanFile::writeSection(OutputFile &file, uint32_t section, llvm::ArrayRef<uint8_t> data) {
  setDigest(section, digestOf(data));
  return file.writeAt(sections[section].offset, data.data(), data.size());
}

/// The checksums are computed last, over what is then written; the digests of all sections must be set.
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

Result<void> yupana::checkWithoutWeights(OutputFile &file, const PlanFile &plan, const ExportOptions &options) {
  if (!options.check)
    return {};
  // The digests of the weights are not known yet and are zero in both of the places that opening compares.
  YUPANA_RETURN_IF_ERROR(plan.writeFrame(file));
  YUPANA_RETURN_IF_ERROR(options.check(file, plan.bytes()));
  // Without its magic number the file is no plan again, should the process be killed.
  const schema::FileHeader none = {};
  return file.writeAt(0, &none, sizeof(none));
}

Result<void> yupana::finishPlan(OutputFile &file, const PlanFile &plan, const ExportOptions &options) {
  YUPANA_RETURN_IF_ERROR(plan.writeFrame(file));
  if (options.check)
    YUPANA_RETURN_IF_ERROR(options.check(file, plan.bytes()));
  return file.commit();
}

/// A plan whose weights are all missing, and that has no tables, has neither section.
WeightSections yupana::addWeightSections(PlanFile &plan, const WeightSection &weights) {
  if (weights.bytes() == 0)
    return {};
  WeightSections numbers;
  numbers.weights = plan.addSection(schema::SectionKind::weights, weights.bytes());
  uint64_t chunks = (weights.bytes() - 1) / schema::kDigestChunkBytes + 1;
  numbers.digests = plan.addSection(schema::SectionKind::weight_digests, chunks * sizeof(Digest));
  return numbers;
}

Result<void> yupana::writeWeightSections(OutputFile &file, PlanFile &plan, WeightSections numbers,
                                         const WeightSection &weights, const ExportOptions &options) {
  if (weights.bytes() == 0)
    return {};
  YUPANA_ASSIGN_OR_RETURN(std::vector<Digest> digests, weights.write(file, plan.offset(numbers.weights), options));
  llvm::ArrayRef<uint8_t> bytes = bytesOf(digests.data(), digests.size());
  YUPANA_RETURN_IF_ERROR(plan.writeSection(file, numbers.digests, bytes));
  // The digest of weights is that of their chunks' digests.
  plan.setDigest(numbers.weights, digestOf(bytes));
  return {};
}
