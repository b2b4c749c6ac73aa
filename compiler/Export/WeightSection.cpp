// SPDX-License-Identifier: Apache-2.0
//
// Weights lie one after the other, aligned, and are made in pieces by any thread in any order; the file is sparse until
// a piece is written, and the gaps between weights stay zero. A chunk is digested by reading it back when its last byte
// is there, while it is still in the page cache: hashing then runs beside packing, and no byte is kept in memory for
// it. It waits for one more chunk, since a thread hashes two messages side by side in little more time than one.

#include "compiler/Export/WeightSection.h"

#include "compiler/Export/SharedWork.h"
#include "compiler/Support/CheckedMath.h"
#include "runtime/base/sha256.h"
#include "runtime/schema/format.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
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
  Result<void> store(uint64_t at, const void *data, uint64_t size);
  Result<void> complete(uint64_t chunk);
  Result<void> digestChunks(llvm::ArrayRef<uint64_t> chunks);
  uint64_t chunkBytes(uint64_t chunk) const {
    return std::min(section.bytes() - chunk * schema::kDigestChunkBytes, schema::kDigestChunkBytes);
  }

  llvm::ArrayRef<std::unique_ptr<PieceMaker>> weights;
  const WeightSection &section;
  OutputFile &file;
  uint64_t offset;
  SharedWork work;
  std::vector<uint64_t> firstPieces; ///< Number of each weight's first piece, and of all pieces.
  std::vector<Digest> digests;
  /// Bytes of weights that each chunk still waits for.
  std::unique_ptr<std::atomic<uint64_t>[]> missing;
  std::mutex lock;                 ///< Guards `waiting`.
  std::optional<uint64_t> waiting; ///< A complete chunk that is to be digested with the next one.
};

SectionWriter::SectionWriter(llvm::ArrayRef<std::unique_ptr<PieceMaker>> weights, const WeightSection &section,
                             OutputFile &file, uint64_t offset, const ExportOptions &options)
    : weights(weights), section(section), file(file), offset(offset), work(options, section.payload()) {
  firstPieces.push_back(0);
  for (const auto &weight : weights)
    firstPieces.push_back(firstPieces.back() + weight->pieces());
  digests.resize(llvm::divideCeil(section.bytes(), schema::kDigestChunkBytes));
  missing = std::make_unique<std::atomic<uint64_t>[]>(digests.size());
  // Chunks are counted by the bytes of weights in them: gaps and padding come from nobody.
  for (const WeightSection::Placement &place : section.placements())
    for (uint64_t at = place.offset; at < place.offset + place.bytes;) {
      uint64_t chunk = at / schema::kDigestChunkBytes;
      uint64_t stop = std::min(place.offset + place.bytes, (chunk + 1) * schema::kDigestChunkBytes);
      missing[chunk] += stop - at;
      at = stop;
    }
}

/// Every byte of `chunk` is in the file. The last chunk of a section may be shorter and is digested alone.
Result<void> SectionWriter::complete(uint64_t chunk) {
  if (chunkBytes(chunk) < schema::kDigestChunkBytes)
    return digestChunks(chunk);
  std::optional<uint64_t> other;
  {
    std::lock_guard<std::mutex> guard(lock);
    if (!waiting) {
      waiting = chunk;
      return {};
    }
    other = std::exchange(waiting, std::nullopt);
  }
  return digestChunks({*other, chunk});
}

/// One chunk, or two of the same size.
Result<void> SectionWriter::digestChunks(llvm::ArrayRef<uint64_t> chunks) {
  // Small enough for the cache, large enough that calls cost little.
  constexpr uint64_t windowBytes = uint64_t{64} << 10;
  std::vector<uint8_t> windows(chunks.size() * windowBytes);
  uint8_t *first = windows.data(), *second = first + windowBytes;
  runtime::Sha256 hashes[2];
  uint64_t total = chunkBytes(chunks.front());
  for (uint64_t done = 0; done < total; done += windowBytes) {
    uint64_t size = std::min(windowBytes, total - done);
    for (auto [i, chunk] : llvm::enumerate(chunks))
      YUPANA_RETURN_IF_ERROR(
          file.readAt(offset + chunk * schema::kDigestChunkBytes + done, first + i * windowBytes, size));
    if (chunks.size() == 1)
      hashes[0].update(first, size);
    else
      runtime::Sha256::update_both(hashes[0], first, hashes[1], second, size);
  }
  for (auto [i, chunk] : llvm::enumerate(chunks)) {
    hashes[i].finish(digests[chunk].data());
    // From here on only the disk needs it.
    file.startWriteback(offset + chunk * schema::kDigestChunkBytes, total);
  }
  return {};
}

Result<void> SectionWriter::store(uint64_t at, const void *data, uint64_t size) {
  YUPANA_RETURN_IF_ERROR(file.writeAt(offset + at, data, size));
  work.advance(size);
  for (uint64_t stop = at + size; at < stop;) {
    uint64_t chunk = at / schema::kDigestChunkBytes;
    uint64_t part = std::min(stop, (chunk + 1) * schema::kDigestChunkBytes) - at;
    // Whoever brings the count to zero comes after all who wrote to the chunk: release on their side, acquire on this
    // one.
    if (missing[chunk].fetch_sub(part, std::memory_order_acq_rel) == part)
      YUPANA_RETURN_IF_ERROR(complete(chunk));
    at += part;
  }
  return {};
}

Result<void> SectionWriter::makePiece(uint64_t index, PieceMemory &memory) {
  // The last weight whose first piece is not beyond the index.
  size_t weight = std::upper_bound(firstPieces.begin(), firstPieces.end(), index) - firstPieces.begin() - 1;
  uint64_t start = section.placements()[weight].offset;
  return weights[weight]->make(index - firstPieces[weight], memory, [&](uint64_t at, const void *data, uint64_t size) {
    return store(start + at, data, size);
  });
}

Result<std::vector<Digest>> SectionWriter::run() {
  // Chunks that hold nothing but the padding at the end.
  for (uint64_t chunk = 0; chunk < digests.size(); ++chunk)
    if (missing[chunk] == 0)
      YUPANA_RETURN_IF_ERROR(complete(chunk));
  auto makeNext = [this](uint64_t index, PieceMemory &memory) { return makePiece(index, memory); };
  YUPANA_RETURN_IF_ERROR(work.run(firstPieces.back(), makeNext));
  if (waiting)
    YUPANA_RETURN_IF_ERROR(digestChunks(*waiting));
  return std::move(digests);
}

} // namespace

Result<std::vector<Digest>> WeightSection::write(OutputFile &file, uint64_t offset,
                                                 const ExportOptions &options) const {
  return SectionWriter(weights, *this, file, offset, options).run();
}
