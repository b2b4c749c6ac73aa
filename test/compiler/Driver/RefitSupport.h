// SPDX-License-Identifier: Apache-2.0
//
// Plans without weights, taken apart, changed and written again with digests that are right: what the unit test and the
// fuzz target of refitting share. A damaged digest would end every attempt at the reader, far from what is tested.
#ifndef YUPANA_TEST_DRIVER_REFITSUPPORT_H
#define YUPANA_TEST_DRIVER_REFITSUPPORT_H

#include "compiler/Export/Metadata.h"
#include "compiler/Export/PlanFile.h"
#include "compiler/Support/File.h"
#include "runtime/include/yupana/yupana.h"

#include "llvm/Support/SHA256.h"

#include <algorithm>
#include <array>
#include <memory>
#include <random>

namespace yupana::test {

struct ReleasePlan {
  void operator()(yupana_plan_t *plan) const { yupana_plan_release(plan); }
};
using PlanPointer = std::unique_ptr<yupana_plan_t, ReleasePlan>;

/// Null, and the reason in `status`, when there is no plan there.
inline PlanPointer openPlan(const std::string &path, yupana_status_t &status) {
  yupana_plan_t *plan = nullptr;
  yupana_plan_open_file(path.c_str(), nullptr, &plan, &status);
  return PlanPointer(plan);
}

struct PlanSection {
  schema::SectionKind kind;
  std::vector<uint8_t> bytes;
};

/// The sections of a small plan, in their order. The first holds the metadata, as the exporter writes it.
inline Result<std::vector<PlanSection>> readSections(const std::string &path) {
  yupana_status_t status = {};
  PlanPointer plan = openPlan(path, status);
  if (!plan)
    return makeError(ExitCode::InvalidInput, "{}", status.message);
  YUPANA_ASSIGN_OR_RETURN(InputFile file, InputFile::open(path));
  std::vector<PlanSection> sections;
  for (uint32_t i = 0; i < yupana_plan_section_count(plan.get()); ++i) {
    yupana_section_info_t info = {};
    info.size = sizeof(info);
    yupana_plan_section(plan.get(), i, &info);
    sections.push_back({static_cast<schema::SectionKind>(info.kind), std::vector<uint8_t>(info.bytes)});
    YUPANA_RETURN_IF_ERROR(file.readAt(info.offset, sections.back().bytes.data(), info.bytes));
  }
  return sections;
}

/// Writes a plan of these sections, none of them empty. Every digest is right but those inside a section of digests.
inline Result<void> writeSections(const std::string &path, const std::vector<PlanSection> &sections) {
  PlanFile file;
  for (const PlanSection &section : sections)
    file.addSection(section.kind, section.bytes.size());
  YUPANA_RETURN_IF_ERROR(file.place());
  YUPANA_ASSIGN_OR_RETURN(OutputFile out, OutputFile::create(path));
  YUPANA_RETURN_IF_ERROR(out.reserve(file.bytes()));
  for (uint32_t i = 0; i < sections.size(); ++i)
    YUPANA_RETURN_IF_ERROR(file.writeSection(out, i, sections[i].bytes));
  // The digest of weights is that of the digests which follow them.
  for (uint32_t i = 0; i + 1 < sections.size(); ++i)
    if (sections[i].kind == schema::SectionKind::weights)
      file.setDigest(i, llvm::SHA256::hash(sections[i + 1].bytes));
  YUPANA_RETURN_IF_ERROR(file.writeFrame(out));
  return out.commit();
}

/// Draws changes of what a plan says of its weights: each a plausible lie that a reader of bytes alone may not notice.
class PlanChange {
public:
  explicit PlanChange(unsigned seed) : random(seed) {}

  void apply(schema::PlanT &plan) {
    schema::WeightT &weight = *plan.weights[below(plan.weights.size())];
    if (weight.parts.empty())
      return;
    schema::WeightPartT &part = *weight.parts[below(weight.parts.size())];
    // A table has no parts to give.
    schema::WeightT &other = *plan.weights[below(plan.weights.size())];
    switch (below(9)) {
    case 0:
      part.tensors[below(part.tensors.size())] = other.name;
      break;
    case 1:
      if (&other != &weight && !other.parts.empty())
        part = *other.parts[0];
      break;
    case 2:
      part.links.clear();
      break;
    case 3:
      weight.run = static_cast<uint32_t>(number());
      break;
    case 4:
      weight.layout = std::array{"row-major", "panel32", "panel32x2", "tile64x128", "rows128", "none"}[below(6)];
      break;
    case 5:
      weight.size = number();
      break;
    case 6:
      if (!other.parts.empty())
        std::swap(part, *other.parts[0]);
      break;
    case 7:
      weight.name = other.name;
      break;
    default:
      scale(weight, part);
    }
  }

private:
  size_t below(size_t count) { return std::uniform_int_distribution<size_t>(0, count - 1)(random); }
  uint64_t number() { return below(2) ? random() : below(64); }

  /// Another extent everywhere it stands, so that the reader finds no contradiction.
  void scale(schema::WeightT &weight, schema::WeightPartT &part) {
    uint64_t to = below(2) ? uint64_t{1} << below(63) : 1 + below(100);
    uint64_t from = weight.shape[below(weight.shape.size())];
    std::replace(weight.shape.begin(), weight.shape.end(), from, to);
    std::replace(part.shape.begin(), part.shape.end(), from, to);
    weight.size = UINT64_MAX >> below(20);
  }

  std::mt19937 random;
};

} // namespace yupana::test

#endif // YUPANA_TEST_DRIVER_REFITSUPPORT_H
