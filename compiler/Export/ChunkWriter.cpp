// SPDX-License-Identifier: Apache-2.0
//
// Bytes go to the file from memory that they were digested in. Two things shape this:
// * A thread hashes two messages side by side in little more time than one, so a complete chunk waits for another.
// * The system lets one thread at a time write to a file, and the others spin until it has copied its bytes. Therefore
//   whoever finds a thread writing leaves it the chunk and goes on packing.

#include "compiler/Export/ChunkWriter.h"

#include "runtime/base/sha256.h"
#include "runtime/schema/format.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <new>
#include <sys/mman.h>
#include <utility>

using namespace yupana;

/// Of a chunk's memory: that of a large page.
static constexpr std::align_val_t alignment{uint64_t{2} << 20};

/// Chunks that may wait for the thread that writes; beyond them, where the disk is slower than the rest, threads wait.
static constexpr size_t mostUnwritten = 4;

/// Of one write: the page cache takes memory in pieces that grow with it. In a virtual machine whose host takes large
/// free blocks back, an export that wrote whole chunks took 1.4 times as long (test/benchmark/results).
static constexpr uint64_t writeBytes = uint64_t{1} << 20;

void ChunkWriter::Release::operator()(uint8_t *memory) const { ::operator delete(memory, alignment); }

ChunkWriter::ChunkWriter(const WeightSection &section, OutputFile &file, uint64_t offset, SharedWork &work)
    : section(section), file(file), offset(offset), work(work),
      digests(llvm::divideCeil(section.bytes(), schema::kDigestChunkBytes)),
      chunks(std::make_unique<Chunk[]>(digests.size())) {
  // Chunks are counted by the bytes of weights in them: gaps and padding come from nobody.
  for (const WeightSection::Placement &place : section.placements())
    for (uint64_t at = place.offset; at < place.offset + place.bytes;) {
      uint64_t chunk = at / schema::kDigestChunkBytes;
      uint64_t stop = std::min(place.offset + place.bytes, (chunk + 1) * schema::kDigestChunkBytes);
      chunks[chunk].missing += stop - at;
      at = stop;
    }
}

uint64_t ChunkWriter::chunkBytes(uint64_t chunk) const {
  return std::min(section.bytes() - chunk * schema::kDigestChunkBytes, schema::kDigestChunkBytes);
}

/// The memory of a chunk, which has some from here on.
uint8_t *ChunkWriter::open(uint64_t chunk) {
  std::lock_guard guard(lock);
  Memory &memory = chunks[chunk].memory;
  if (!memory && !unused.empty()) {
    memory = std::move(unused.back());
    unused.pop_back();
  } else if (!memory) {
    // All of one size, so that any chunk can have it.
    uint64_t bytes = std::min(section.bytes(), schema::kDigestChunkBytes);
    memory.reset(static_cast<uint8_t *>(::operator new(bytes, alignment)));
    // Every byte is used: large pages save most of the faults. Without them it is slower, no more.
    madvise(memory.get(), bytes, MADV_HUGEPAGE);
  }
  return memory.get();
}

Result<void> ChunkWriter::store(uint64_t at, const void *data, uint64_t size) {
  auto from = static_cast<const uint8_t *>(data);
  const uint64_t stored = size;
  while (size > 0) {
    uint64_t chunk = at / schema::kDigestChunkBytes, within = at % schema::kDigestChunkBytes;
    uint64_t part = std::min(size, schema::kDigestChunkBytes - within);
    std::memcpy(open(chunk) + within, from, part);
    // Whoever brings the count to zero comes after all who wrote to the chunk: release on their side, acquire on this
    // one.
    if (chunks[chunk].missing.fetch_sub(part, std::memory_order_acq_rel) == part)
      YUPANA_RETURN_IF_ERROR(complete(chunk));
    at += part;
    from += part;
    size -= part;
  }
  work.advance(stored);
  return {};
}

/// Between weights and behind the last one the section is zero; memory that was used before is not.
void ChunkWriter::zeroGaps(uint64_t chunk) {
  const uint64_t begin = chunk * schema::kDigestChunkBytes, end = begin + chunkBytes(chunk);
  uint8_t *memory = chunks[chunk].memory.get();
  auto zero = [&](uint64_t from, uint64_t to) {
    if (from < to)
      std::memset(memory + (from - begin), 0, to - from);
  };
  const std::vector<WeightSection::Placement> &places = section.placements();
  auto place = llvm::partition_point(
      places, [&](const WeightSection::Placement &place) { return place.offset + place.bytes <= begin; });
  uint64_t filled = begin;
  for (; place != places.end() && place->offset < end; ++place) {
    zero(filled, std::max(begin, place->offset));
    filled = place->offset + place->bytes;
  }
  zero(filled, end);
}

/// Every byte of `chunk` is in memory. The last chunk of a section may be shorter and is digested alone.
Result<void> ChunkWriter::complete(uint64_t chunk) {
  zeroGaps(chunk);
  if (chunkBytes(chunk) < schema::kDigestChunkBytes)
    return digestAndWrite(chunk);
  std::optional<uint64_t> other;
  {
    std::lock_guard guard(lock);
    if (!single) {
      single = chunk;
      return {};
    }
    other = std::exchange(single, std::nullopt);
  }
  return digestAndWrite({*other, chunk});
}

/// One chunk, or two of the same size.
Result<void> ChunkWriter::digestAndWrite(llvm::ArrayRef<uint64_t> numbers) {
  runtime::Sha256 hashes[2];
  const uint8_t *first = chunks[numbers.front()].memory.get();
  if (numbers.size() == 1)
    hashes[0].update(first, chunkBytes(numbers.front()));
  else
    runtime::Sha256::update_both(hashes[0], first, hashes[1], chunks[numbers.back()].memory.get(),
                                 schema::kDigestChunkBytes);
  for (auto [i, chunk] : llvm::enumerate(numbers))
    hashes[i].finish(digests[chunk].data());
  {
    std::lock_guard guard(lock);
    unwritten.insert(unwritten.end(), numbers.begin(), numbers.end());
  }
  return writeOrLeave();
}

/// Writes what is digested, unless another thread does; waits for that one where too much would be left to it.
Result<void> ChunkWriter::writeOrLeave() {
  std::unique_lock writer(writing, std::try_to_lock);
  while (!writer) {
    {
      std::lock_guard guard(lock);
      if (unwritten.size() <= mostUnwritten)
        return {};
    }
    // All others may be waiting, too: somebody has to ask whether the work is to end.
    work.advance(0);
    if (work.isStopped())
      return {};
    writer.try_lock_for(std::chrono::milliseconds(100));
  }
  return writeWaiting();
}

/// For one thread at a time.
Result<void> ChunkWriter::writeWaiting() {
  // On a slow disk much may be waiting when the work is interrupted.
  while (!work.isStopped()) {
    uint64_t chunk;
    {
      std::lock_guard guard(lock);
      if (unwritten.empty())
        return {};
      chunk = unwritten.front();
      unwritten.pop_front();
    }
    uint64_t at = offset + chunk * schema::kDigestChunkBytes;
    for (uint64_t done = 0; done < chunkBytes(chunk) && !work.isStopped(); done += writeBytes)
      YUPANA_RETURN_IF_ERROR(
          file.writeAt(at + done, chunks[chunk].memory.get() + done, std::min(writeBytes, chunkBytes(chunk) - done)));
    // From here on only the disk needs it.
    file.startWriteback(at, chunkBytes(chunk));
    std::lock_guard guard(lock);
    unused.push_back(std::move(chunks[chunk].memory));
  }
  return {};
}

Result<std::vector<Digest>> ChunkWriter::finish() {
  // The last chunk may hold nothing but the padding behind the last weight; then nobody has begun it.
  if (!digests.empty()) {
    const uint64_t last = digests.size() - 1;
    const WeightSection::Placement &weight = section.placements().back();
    if (weight.offset + weight.bytes <= last * schema::kDigestChunkBytes) {
      open(last);
      YUPANA_RETURN_IF_ERROR(complete(last));
    }
  }
  if (single)
    YUPANA_RETURN_IF_ERROR(digestAndWrite(*single));
  YUPANA_RETURN_IF_ERROR(writeWaiting());
  return std::move(digests);
}
