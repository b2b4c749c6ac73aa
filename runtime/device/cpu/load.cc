// SPDX-License-Identifier: Apache-2.0
//
// Weights into the host's memory. Workers claim chunks in ascending order, read them to where they stay and hash what
// was just read while it is in the cache, so that reading and hashing overlap and the lowest damaged chunk is found.
// Where there are chunks enough for everyone a worker takes two at a time, which are hashed in the time of one.

#include "runtime/base/sha256.h"
#include "runtime/device/cpu/cpu_device.h"
#include "runtime/schema/format.h"

#include <cstring>

namespace yupana::runtime {

namespace {

// Small enough that what was just read is hashed out of the cache, large enough to keep a disk busy.
constexpr uint64_t kWindowBytes = uint64_t{256} << 10;
/// Most chunks that a worker takes at a time.
constexpr uint32_t kTogether = 2;

/// Shared by the workers of one cpu_load.
struct ChunkJob {
  const ChunkWork *work;
  Progress *progress;
  uint8_t *windows;  // kTogether of each worker
  uint32_t together; // chunks that a worker takes at a time
  std::atomic<uint64_t> next{0};
  Lowest unreadable, damaged;
};

/// Chunks [first, first + count) in step, count 1 or 2: see Sha256::update_both.
void process_chunks(ChunkJob &job, uint64_t first, uint32_t count, uint32_t worker) {
  const ChunkWork &work = *job.work;
  Sha256 hash[kTogether];
  for (uint64_t at = 0; at < schema::kDigestChunkBytes; at += kWindowBytes) {
    // In every window, so that Ctrl-C is answered within milliseconds, however large a chunk is.
    if (job.progress->cancelled())
      return;
    const uint8_t *window[kTogether] = {};
    uint64_t bytes[kTogether] = {};
    for (uint32_t i = 0; i < count; ++i) {
      uint64_t begin = (first + i) * schema::kDigestChunkBytes + at;
      if (begin >= work.bytes)
        break;
      bytes[i] = work.bytes - begin < kWindowBytes ? work.bytes - begin : kWindowBytes;
      // Without a destination weights are only verified, in a window that is used again.
      uint8_t *to = work.dst ? work.dst + begin : job.windows + (worker * kTogether + i) * kWindowBytes;
      if (work.read && !work.reader->read(work.reader->user, to, bytes[i], work.file_offset + begin))
        return job.unreadable.add(first + i);
      window[i] = to;
    }
    if (!bytes[0])
      break;
    if (work.digests) {
      // The second chunk may be the last one of the weights, and shorter: the rest of the first is hashed alone.
      Sha256::update_both(hash[0], window[0], hash[1], window[1], bytes[1]);
      hash[0].update(window[0] + bytes[1], bytes[0] - bytes[1]);
    }
    job.progress->add(bytes[0] + bytes[1]);
    // The one worker that is the caller's thread, since the callback is the caller's.
    if (worker == 0)
      job.progress->report();
  }
  for (uint32_t i = 0; work.digests && i < count; ++i) {
    uint8_t digest[Sha256::kBytes];
    hash[i].finish(digest);
    if (memcmp(digest, work.digests + (first + i) * Sha256::kBytes, Sha256::kBytes) != 0)
      job.damaged.add(first + i);
  }
}

void run_chunks(void *argument, uint32_t worker) {
  auto &job = *static_cast<ChunkJob *>(argument);
  uint64_t chunks = ceil_div(job.work->bytes, schema::kDigestChunkBytes);
  // Chunks are claimed in order and finished once claimed, so the lowest bad one is found whoever meets it.
  while (!job.progress->cancelled() && !job.unreadable.any() && !job.damaged.any()) {
    uint64_t chunk = job.next.fetch_add(job.together, std::memory_order_relaxed);
    if (chunk >= chunks)
      return;
    process_chunks(job, chunk, chunks - chunk < job.together ? 1 : job.together, worker);
  }
}

/// Shared by the workers of one cpu_fill.
struct FillJob {
  static constexpr uint32_t kNone = UINT32_MAX;
  const yupana_filler_t *filler;
  const Array<FillItem> *items;
  Progress *progress;
  std::atomic<uint32_t> next{0};
  std::atomic<uint32_t> failed{kNone};
};

void run_fill(void *argument, uint32_t worker) {
  auto &job = *static_cast<FillJob *>(argument);
  while (!job.progress->cancelled() && job.failed.load(std::memory_order_relaxed) == FillJob::kNone) {
    uint32_t i = job.next.fetch_add(1, std::memory_order_relaxed);
    if (i >= job.items->size())
      return;
    FillItem &item = (*job.items)[i];
    // Filled by an earlier context, or not used by this target.
    if (item.state != FillItem::wanted)
      continue;
    if (!job.filler->fill(job.filler->user, i, item.dst, item.bytes))
      return job.failed.store(i, std::memory_order_relaxed);
    item.state = FillItem::filled;
    job.progress->add(item.bytes);
    if (worker == 0)
      job.progress->report();
  }
}

} // namespace

Code cpu_load(Device *device, const Allocator &host, const ChunkWork &work, Progress &progress, ChunkFault *out_fault,
              const Report &report) {
  ThreadPool &pool = cpu(device).pool;
  Memory windows;
  if (!work.dst)
    if (Code code = windows.allocate(host, pool.threads() * kTogether * kWindowBytes, kCacheLine, "reading windows",
                                     report.out()))
      return code;
  ChunkJob job;
  job.work = &work;
  job.progress = &progress;
  job.windows = windows.data();
  constexpr uint64_t kFewTurns = 4; // fewer turns than these leave workers waiting for the last one
  uint64_t turns = work.bytes / (schema::kDigestChunkBytes * kTogether * pool.threads());
  job.together = turns < kFewTurns ? 1 : kTogether;
  if (!progress.report())
    pool.run(run_chunks, &job);
  // Also asks the caller a last time, who may have cancelled during the last chunk.
  if (progress.report())
    return report.fail(YUPANA_STATUS_CANCELLED, "reading was cancelled");
  out_fault->unreadable = job.unreadable.get();
  out_fault->damaged = job.damaged.get();
  return YUPANA_STATUS_OK;
}

Code cpu_fill(Device *device, const yupana_filler_t &filler, const Array<FillItem> &items, Progress &progress,
              const Report &report) {
  FillJob job = {&filler, &items, &progress};
  if (!progress.report())
    cpu(device).pool.run(run_fill, &job);
  if (progress.report())
    return report.fail(YUPANA_STATUS_CANCELLED, "reading was cancelled");
  uint32_t failed = job.failed.load(std::memory_order_relaxed);
  if (failed == FillJob::kNone)
    return YUPANA_STATUS_OK;
  return report.fail(YUPANA_STATUS_UNREADABLE, "weight %u could not be filled", failed);
}

} // namespace yupana::runtime
