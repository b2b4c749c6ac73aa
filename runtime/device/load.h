// SPDX-License-Identifier: Apache-2.0
//
// What fills the memory of weights: chunks of a section that are read and hashed on the way, and weights that a caller
// makes. A device does the work, with its own threads and its own way to the memory; this is what it is given.

#ifndef YUPANA_RUNTIME_DEVICE_LOAD_H
#define YUPANA_RUNTIME_DEVICE_LOAD_H

#include "runtime/base/memory.h"

#include <atomic>

namespace yupana::runtime {

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

/// The lowest of the numbers that several threads add, kNone before the first.
class Lowest {
public:
  static constexpr uint64_t kNone = UINT64_MAX;

  void add(uint64_t number) {
    uint64_t now = get();
    while (number < now && !lowest_.compare_exchange_weak(now, number, std::memory_order_relaxed)) {
    }
  }
  uint64_t get() const { return lowest_.load(std::memory_order_relaxed); }
  bool any() const { return get() != kNone; }

private:
  std::atomic<uint64_t> lowest_{kNone};
};

/// What went wrong in a weights section.
struct ChunkFault {
  static constexpr uint64_t kNone = Lowest::kNone;
  uint64_t unreadable = kNone; // the lowest chunk that could not be read
  uint64_t damaged = kNone;    // the lowest whose digest differs
};

/// A weights section to be gone through in chunks of schema::kDigestChunkBytes.
struct ChunkWork {
  const yupana_reader_t *reader;
  uint64_t file_offset;
  uint64_t bytes;
  uint8_t *dst;           // where the section goes, memory of the device; null: nowhere, the bytes are only compared
  bool read;              // false: `dst` holds the bytes already
  const uint8_t *digests; // 32 bytes per chunk; null: not compared
};

/// A weight that may be made by a caller; what is loaded from the file is `absent` here.
struct FillItem {
  enum State : uint32_t { absent, wanted, filled };
  uint8_t *dst; // memory of the device
  uint64_t bytes;
  State state;
};

} // namespace yupana::runtime

#endif
