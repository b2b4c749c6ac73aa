// SPDX-License-Identifier: Apache-2.0
//
// From pieces in memory to a digested section on the disk.
#ifndef YUPANA_COMPILER_EXPORT_CHUNKWRITER_H
#define YUPANA_COMPILER_EXPORT_CHUNKWRITER_H

#include "compiler/Export/OutputFile.h"
#include "compiler/Export/SharedWork.h"
#include "compiler/Export/WeightSection.h"

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace yupana {

/// Gathers the bytes of a section in chunks of schema::kDigestChunkBytes; digests a chunk and writes it when its last
/// byte is there. A chunk has its memory from its first byte until it is written: those that callers have begun, and
/// a few that wait. All members may be called by several threads at once.
class ChunkWriter {
public:
  /// For the section at `offset` of `file`, as a part of `work`. All must outlive the writer.
  ChunkWriter(const WeightSection &section, OutputFile &file, uint64_t offset, SharedWork &work);

  /// Takes bytes [at, at + size) of the section, each byte of a weight once, and tells `work` of them. May digest and
  /// write what is then complete, unless the work is to end early. ExitCode::OutOfSpace when that cannot be written.
  Result<void> store(uint64_t at, const void *data, uint64_t size);
  /// Writes what is left; the digest of every chunk. After the last store(), unless the work ended early.
  Result<std::vector<Digest>> finish();

private:
  struct Release {
    void operator()(uint8_t *memory) const;
  };
  using Memory = std::unique_ptr<uint8_t, Release>;

  struct Chunk {
    std::atomic<uint64_t> missing{0}; ///< Bytes of weights that are not there yet.
    Memory memory;
  };

  uint64_t chunkBytes(uint64_t chunk) const;
  uint8_t *open(uint64_t chunk);
  void zeroGaps(uint64_t chunk);
  Result<void> complete(uint64_t chunk);
  Result<void> digestAndWrite(llvm::ArrayRef<uint64_t> numbers);
  Result<void> writeWaiting();
  Result<void> writeOrLeave();

  const WeightSection &section;
  OutputFile &file;
  uint64_t offset;
  SharedWork &work;
  std::vector<Digest> digests; ///< Of each chunk.
  std::unique_ptr<Chunk[]> chunks;

  std::mutex lock; ///< Guards the memory of chunks being begun, and what follows.
  std::vector<Memory> unused;
  std::optional<uint64_t> single; ///< Complete, to be digested with the next one.
  std::deque<uint64_t> unwritten; ///< Digested.
  std::timed_mutex writing;       ///< Held by the one thread that writes.
};

} // namespace yupana

#endif // YUPANA_COMPILER_EXPORT_CHUNKWRITER_H
