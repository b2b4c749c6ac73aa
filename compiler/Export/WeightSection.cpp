// SPDX-License-Identifier: Apache-2.0

#include "compiler/Export/WeightSection.h"

#include "compiler/Support/CheckedMath.h"
#include "runtime/schema/format.h"

#include "llvm/Support/MathExtras.h"
#include "llvm/Support/SHA256.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <thread>

using namespace yupana;

/// Readable bytes after a weight: a whole vector may be read at its last element.
static constexpr uint64_t readableAfter = 64;

Result<void> WeightSection::add(std::unique_ptr<PieceMaker> weight) {
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
  void work();
  Result<void> makePiece(uint64_t index, PieceMemory &memory);
  Result<void> store(uint64_t at, const void *data, uint64_t size);
  Result<void> digestChunk(uint64_t chunk);
  void fail(Error error);
  void report();
  Error interrupted() const {
    return makeError(ExitCode::Interrupted, "{}: interrupted, nothing was written", options.outputPath);
  }

  llvm::ArrayRef<std::unique_ptr<PieceMaker>> weights;
  const WeightSection &section;
  OutputFile &file;
  uint64_t offset;
  const ExportOptions &options;
  std::vector<uint64_t> firstPieces; ///< Number of each weight's first piece, and of all pieces.
  std::vector<Digest> digests;
  /// Bytes of weights that each chunk still waits for.
  std::unique_ptr<std::atomic<uint64_t>[]> missing;
  std::atomic<uint64_t> nextPiece{0};
  std::atomic<uint64_t> done{0};
  std::atomic<bool> stopped{false};
  std::mutex lock; ///< Guards `failure`, `lastReport` and the calls of options.progress.
  std::optional<Error> failure;
  std::chrono::steady_clock::time_point lastReport;
};

SectionWriter::SectionWriter(llvm::ArrayRef<std::unique_ptr<PieceMaker>> weights, const WeightSection &section,
                             OutputFile &file, uint64_t offset, const ExportOptions &options)
    : weights(weights), section(section), file(file), offset(offset), options(options) {
  firstPieces.push_back(0);
  for (const auto &weight : weights)
    firstPieces.push_back(firstPieces.back() + weight->pieces());
  digests.resize(llvm::divideCeil(section.bytes(), schema::kDigestChunkBytes));
  missing = std::make_unique<std::atomic<uint64_t>[]>(digests.size());
  for (const WeightSection::Placement &place : section.placements())
    for (uint64_t at = place.offset; at < place.offset + place.bytes;) {
      uint64_t chunk = at / schema::kDigestChunkBytes;
      uint64_t stop = std::min(place.offset + place.bytes, (chunk + 1) * schema::kDigestChunkBytes);
      missing[chunk] += stop - at;
      at = stop;
    }
}

Result<void> SectionWriter::digestChunk(uint64_t chunk) {
  uint64_t at = chunk * schema::kDigestChunkBytes;
  uint64_t stop = std::min(section.bytes(), at + schema::kDigestChunkBytes);
  std::vector<uint8_t> window(uint64_t{1} << 20);
  llvm::SHA256 hash;
  for (; at < stop; at += window.size()) {
    uint64_t size = std::min<uint64_t>(window.size(), stop - at);
    YUPANA_RETURN_IF_ERROR(file.readAt(offset + at, window.data(), size));
    hash.update(llvm::ArrayRef(window.data(), size));
  }
  digests[chunk] = hash.final();
  return {};
}

Result<void> SectionWriter::store(uint64_t at, const void *data, uint64_t size) {
  YUPANA_RETURN_IF_ERROR(file.writeAt(offset + at, data, size));
  done += size;
  for (uint64_t stop = at + size; at < stop;) {
    uint64_t chunk = at / schema::kDigestChunkBytes;
    uint64_t part = std::min(stop, (chunk + 1) * schema::kDigestChunkBytes) - at;
    // Whoever brings the count to zero comes after all who wrote to the chunk.
    if (missing[chunk].fetch_sub(part, std::memory_order_acq_rel) == part)
      YUPANA_RETURN_IF_ERROR(digestChunk(chunk));
    at += part;
  }
  return {};
}

Result<void> SectionWriter::makePiece(uint64_t index, PieceMemory &memory) {
  size_t weight = std::upper_bound(firstPieces.begin(), firstPieces.end(), index) - firstPieces.begin() - 1;
  uint64_t start = section.placements()[weight].offset;
  return weights[weight]->make(index - firstPieces[weight], memory, [&](uint64_t at, const void *data, uint64_t size) {
    return store(start + at, data, size);
  });
}

void SectionWriter::fail(Error error) {
  std::lock_guard guard(lock);
  stopped = true;
  if (!failure)
    failure = std::move(error);
}

void SectionWriter::report() {
  if (!options.progress)
    return;
  std::unique_lock guard(lock, std::try_to_lock);
  auto now = std::chrono::steady_clock::now();
  if (!guard || now - lastReport < std::chrono::milliseconds(100))
    return;
  lastReport = now;
  if (options.progress(done, section.payload()))
    return;
  stopped = true;
  if (!failure)
    failure = interrupted();
}

void SectionWriter::work() {
  PieceMemory memory;
  while (!stopped) {
    uint64_t index = nextPiece++;
    if (index >= firstPieces.back())
      return;
    if (Result<void> made = makePiece(index, memory); !made)
      return fail(made.takeError());
    report();
  }
}

Result<std::vector<Digest>> SectionWriter::run() {
  // Chunks that hold nothing but the padding at the end.
  for (uint64_t chunk = 0; chunk < digests.size(); ++chunk)
    if (missing[chunk] == 0)
      YUPANA_RETURN_IF_ERROR(digestChunk(chunk));
  uint64_t workers = std::max<uint64_t>(1, std::min<uint64_t>(options.jobs, firstPieces.back()));
  std::vector<std::thread> threads;
  for (uint64_t i = 1; i < workers; ++i)
    threads.emplace_back([this] { work(); });
  work();
  for (std::thread &thread : threads)
    thread.join();
  if (!failure && options.progress && !options.progress(done, section.payload()))
    failure = interrupted();
  if (failure)
    return std::move(*failure);
  return std::move(digests);
}

} // namespace

Result<std::vector<Digest>> WeightSection::write(OutputFile &file, uint64_t offset,
                                                 const ExportOptions &options) const {
  return SectionWriter(weights, *this, file, offset, options).run();
}
