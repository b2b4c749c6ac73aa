// SPDX-License-Identifier: Apache-2.0

#include "runtime/plan/digest.h"

#include "runtime/base/sha256.h"

#include <cstring>

namespace yupana::runtime {

namespace {

// Small enough that what was just read is hashed out of the cache, large enough to keep a disk busy.
constexpr uint64_t kWindowBytes = uint64_t{512} << 10;

void format_digest(const uint8_t digest[32], char out[17]) {
  for (int i = 0; i < 8; ++i) {
    out[2 * i] = "0123456789abcdef"[digest[i] >> 4];
    out[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
  }
  out[16] = '\0';
}

/// Shared by the workers of one process_chunks.
struct ChunkJob {
  const ChunkWork *work;
  Progress *progress;
  uint8_t *windows;
  std::atomic<uint64_t> next{0};
  std::atomic<uint64_t> unreadable{ChunkFault::kNone};
  std::atomic<uint64_t> damaged{ChunkFault::kNone};
};

void lower(std::atomic<uint64_t> &value, uint64_t to) {
  uint64_t now = value.load(std::memory_order_relaxed);
  while (to < now && !value.compare_exchange_weak(now, to, std::memory_order_relaxed)) {
  }
}

void process_chunk(ChunkJob &job, uint64_t chunk, uint32_t worker) {
  const ChunkWork &work = *job.work;
  uint64_t begin = chunk * schema::kDigestChunkBytes;
  uint64_t left = work.bytes - begin;
  uint64_t end = begin + (left < schema::kDigestChunkBytes ? left : schema::kDigestChunkBytes);
  Sha256 hash;
  for (uint64_t at = begin; at < end; at += kWindowBytes) {
    if (job.progress->cancelled())
      return;
    uint64_t bytes = end - at < kWindowBytes ? end - at : kWindowBytes;
    uint8_t *window = work.dst ? work.dst + at : job.windows + worker * kWindowBytes;
    if (work.read && !work.reader->read(work.reader->user, window, bytes, work.file_offset + at))
      return lower(job.unreadable, chunk);
    if (work.digests)
      hash.update(window, bytes);
    job.progress->add(bytes);
    if (worker == 0)
      job.progress->report();
  }
  if (!work.digests)
    return;
  uint8_t digest[Sha256::kBytes];
  hash.finish(digest);
  if (memcmp(digest, work.digests + chunk * Sha256::kBytes, Sha256::kBytes) != 0)
    lower(job.damaged, chunk);
}

void run_chunks(void *argument, uint32_t worker) {
  auto &job = *static_cast<ChunkJob *>(argument);
  uint64_t chunks = digest_chunks(job.work->bytes);
  // Chunks are claimed in order and finished once claimed, so the lowest bad one is found whoever meets it.
  while (!job.progress->cancelled() && job.unreadable.load(std::memory_order_relaxed) == ChunkFault::kNone &&
         job.damaged.load(std::memory_order_relaxed) == ChunkFault::kNone) {
    uint64_t chunk = job.next.fetch_add(1, std::memory_order_relaxed);
    if (chunk >= chunks)
      return;
    process_chunk(job, chunk, worker);
  }
}

} // namespace

bool Progress::report() {
  if (sink_ && sink_->report && !cancelled() &&
      sink_->report(sink_->user, done_.load(std::memory_order_relaxed), total_))
    cancelled_.store(true, std::memory_order_relaxed);
  return cancelled();
}

Code read_verified(const yupana_reader_t &reader, const Frame &frame, uint32_t index, void *dst, const Report &report) {
  const schema::SectionEntry &entry = frame.sections[index];
  if (!reader.read(reader.user, dst, entry.size, entry.offset))
    return report.fail(YUPANA_STATUS_UNREADABLE, "section %u of %llu bytes cannot be read", index,
                       static_cast<unsigned long long>(entry.size));
  uint8_t digest[Sha256::kBytes];
  Sha256::digest(dst, entry.size, digest);
  if (memcmp(digest, entry.digest, sizeof(digest)) == 0)
    return YUPANA_STATUS_OK;
  char found[17], expected[17];
  format_digest(digest, found);
  format_digest(entry.digest, expected);
  return report.fail(YUPANA_STATUS_DIGEST_MISMATCH, "section %u of kind %u has SHA-256 %s...; expected %s...", index,
                     entry.kind, found, expected);
}

Code process_chunks(ThreadPool &pool, const Allocator &allocator, const ChunkWork &work, Progress &progress,
                    ChunkFault *out_fault, const Report &report) {
  Memory windows;
  if (!work.dst)
    if (Code code =
            windows.allocate(allocator, pool.threads() * kWindowBytes, kCacheLine, "reading windows", report.out()))
      return code;
  ChunkJob job;
  job.work = &work;
  job.progress = &progress;
  job.windows = windows.data();
  if (!progress.report())
    pool.run(run_chunks, &job);
  if (progress.report())
    return report.fail(YUPANA_STATUS_CANCELLED, "reading was cancelled");
  out_fault->unreadable = job.unreadable.load(std::memory_order_relaxed);
  out_fault->damaged = job.damaged.load(std::memory_order_relaxed);
  return YUPANA_STATUS_OK;
}

} // namespace yupana::runtime
