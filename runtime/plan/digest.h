// SPDX-License-Identifier: Apache-2.0
//
// Reading sections and comparing them with their digests; weights by all threads of a pool at once.

#ifndef YUPANA_RUNTIME_PLAN_DIGEST_H
#define YUPANA_RUNTIME_PLAN_DIGEST_H

#include "runtime/device/cpu/thread_pool.h"
#include "runtime/plan/frame.h"

namespace yupana::runtime {

/// Reads section `index`, not one of weights, into `dst` and compares its digest. UNREADABLE, DIGEST_MISMATCH.
Code read_verified(const yupana_reader_t &reader, const Frame &frame, uint32_t index, void *dst, const Report &report);

/// Counts bytes done over several pieces of work and passes them on, on one thread.
class Progress {
public:
  Progress(const yupana_progress_t *sink, uint64_t total) : sink_(sink), total_(total) {}
  void add(uint64_t bytes) { done_.fetch_add(bytes, std::memory_order_relaxed); }
  /// True when the receiver has asked to stop. For the thread that called into the library only.
  bool report();
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

private:
  const yupana_progress_t *sink_;
  uint64_t total_;
  std::atomic<uint64_t> done_{0};
  std::atomic<bool> cancelled_{false};
};

/// What went wrong in a weights section.
struct ChunkFault {
  static constexpr uint64_t kNone = UINT64_MAX;
  uint64_t unreadable = kNone; // the lowest chunk that could not be read
  uint64_t damaged = kNone;    // the lowest whose digest differs
};

/// How the chunks of a weights section are gone through.
struct ChunkWork {
  const yupana_reader_t *reader;
  uint64_t file_offset;
  uint64_t bytes;
  uint8_t *dst;           // where the section goes; null: nowhere, the bytes are only compared
  bool read;              // false: `dst` holds the bytes already
  const uint8_t *digests; // 32 bytes per chunk; null: not compared
};

/// Goes through all chunks with all threads of the pool, which claim them in ascending order. CANCELLED, or OK with
/// `*out_fault` filled in, or OUT_OF_MEMORY for the windows that a null `dst` needs.
Code process_chunks(ThreadPool &pool, const Allocator &allocator, const ChunkWork &work, Progress &progress,
                    ChunkFault *out_fault, const Report &report);

} // namespace yupana::runtime

#endif
