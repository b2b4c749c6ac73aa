// SPDX-License-Identifier: Apache-2.0
//
// The frame of a plan file, runtime/schema/format.h: header, section table, and where each section lies.
#ifndef YUPANA_COMPILER_EXPORT_PLANFILE_H
#define YUPANA_COMPILER_EXPORT_PLANFILE_H

#include "compiler/Export/WeightSection.h"
#include "runtime/schema/format.h"

#include "llvm/ADT/ArrayRef.h"

#include <utility>
#include <vector>

namespace yupana {

/// Places sections one after the other, in the order they are added, and writes the header and the table that find them
/// again. Sizes are settled before place(), digests before writeFrame().
class PlanFile {
public:
  /// Appends a section of `bytes` bytes, more than 0, and returns its number.
  uint32_t addSection(schema::SectionKind kind, uint64_t bytes);
  void resizeSection(uint32_t section, uint64_t bytes) { sections[section].size = bytes; }

  /// Gives every section its offset. ExitCode::OutOfSpace when they need more than 2^64 bytes.
  Result<void> place();

  uint64_t bytes() const { return sections.back().offset + sections.back().size; }
  uint64_t offset(uint32_t section) const { return sections[section].offset; }
  void setDigest(uint32_t section, const Digest &digest);

  /// Writes a section whose bytes are at hand, and notes their digest.
  Result<void> writeSection(OutputFile &file, uint32_t section, llvm::ArrayRef<uint8_t> data);
  /// Writes header and table, once every digest is known.
  Result<void> writeFrame(OutputFile &file) const;

private:
  std::vector<schema::SectionEntry> sections;
};

/// The numbers of a plan's weights and of their digests. A plan whose every weight is missing has neither section.
struct WeightSections {
  uint32_t weights = 0, digests = 0;
};

/// Asks `options.check` about a plan of which all but the weights is written. Its header is then taken back, so that a
/// file without its weights is no plan.
Result<void> checkWithoutWeights(OutputFile &file, const PlanFile &plan, const ExportOptions &options);

/// Writes header and table, asks `options.check`, and gives the file its name.
Result<void> finishPlan(OutputFile &file, const PlanFile &plan, const ExportOptions &options);

/// Appends the sections that `weights` needs: none when it is empty.
WeightSections addWeightSections(PlanFile &plan, const WeightSection &weights);

/// Writes both sections, with their digests. `options` gives the threads and who is told.
Result<void> writeWeightSections(OutputFile &file, PlanFile &plan, WeightSections numbers, const WeightSection &weights,
                                 const ExportOptions &options);

} // namespace yupana

#endif // YUPANA_COMPILER_EXPORT_PLANFILE_H
