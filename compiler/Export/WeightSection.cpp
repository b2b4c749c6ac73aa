// SPDX-License-Identifier: Apache-2.0
//
// Weights lie one after the other, aligned, with zeros between them. Threads make their pieces in ascending order of
// the file, as far as the form allows, so that few chunks of it are begun at once; what becomes of those is
// ChunkWriter's.

#include "compiler/Export/WeightSection.h"

#include "compiler/Export/ChunkWriter.h"
#include "compiler/Export/SharedWork.h"
#include "compiler/Support/CheckedMath.h"
#include "runtime/schema/format.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

using namespace yupana;

/// Readable bytes after a weight: a whole vector may be read at its last element.
static constexpr uint64_t readableAfter = 64;

Result<void> WeightSection::add(std::unique_ptr<PieceMaker> weight) {
  // Also behind the last weight, so that what follows the section is never read as a part of it.
  std::optional<uint64_t> next = checkedAdd(end, weight->bytes());
  next = checkedAdd(next, std::optional<uint64_t>(readableAfter));
  next = next ? checkedAlign(*next, schema::kWeightAlignment) : next;
  if (!next)
    return makeError(ExitCode::InvalidInput, "the weights need more than 2^64 bytes");
  places.push_back({end, weight->bytes()});
  payloadBytes += weight->bytes();
  end = *next;
  weights.push_back(std::move(weight));
  return {};
}

namespace {

/// One writing of a section: what its threads share.
class SectionWriter {
public:
  SectionWriter(llvm::ArrayRef<std::unique_ptr<PieceMaker>> weights, const WeightSection &section, OutputFile &file,
                uint64_t offset, const ExportOptions &options);

  Result<std::vector<Digest>> run();

private:
  Result<void> makePiece(uint64_t index, PieceMemory &memory);

  llvm::ArrayRef<std::unique_ptr<PieceMaker>> weights;
  const WeightSection &section;
  SharedWork work;
  ChunkWriter writer;
  std::vector<uint64_t> firstPieces; ///< Number of each weight's first piece, and of all pieces.
};

SectionWriter::SectionWriter(llvm::ArrayRef<std::unique_ptr<PieceMaker>> weights, const WeightSection &section,
                             OutputFile &file, uint64_t offset, const ExportOptions &options)
    : weights(weights), section(section), work(options, section.payload()), writer(section, file, offset, work) {
  firstPieces.push_back(0);
  for (const auto &weight : weights)
    firstPieces.push_back(firstPieces.back() + weight->pieces());
}

Result<void> SectionWriter::makePiece(uint64_t index, PieceMemory &memory) {
  // The last weight whose first piece is not beyond the index.
  size_t weight = std::upper_bound(firstPieces.begin(), firstPieces.end(), index) - firstPieces.begin() - 1;
  uint64_t start = section.placements()[weight].offset;
  return weights[weight]->make(index - firstPieces[weight], memory, [&](uint64_t at, const void *data, uint64_t size) {
    return writer.store(start + at, data, size);
  });
}

Result<std::vector<Digest>> SectionWriter::run() {
  auto makeNext = [this](uint64_t index, PieceMemory &memory) { return makePiece(index, memory); };
  YUPANA_RETURN_IF_ERROR(work.run(firstPieces.back(), makeNext));
  return writer.finish();
}

} // namespace

Result<std::vector<Digest>> WeightSection::write(OutputFile &file, uint64_t offset,
                                                 const ExportOptions &options) const {
  return SectionWriter(weights, *this, file, offset, options).run();
}
