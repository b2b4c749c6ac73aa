// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_RUNTIME_PLAN_PLAN_H
#define YUPANA_RUNTIME_PLAN_PLAN_H

#include "runtime/plan/check.h"
#include "runtime/plan/frame.h"

#include <atomic>
#include <pthread.h>

namespace yupana::runtime {

/// What contexts share of a section. Guarded by yupana_plan_t::lock.
struct SectionState {
  Memory weights;        // loaded while `users` > 0; kArenaPadding readable bytes follow the section's
  const uint8_t *mapped; // instead of `weights`, by the reader
  uint32_t users;        // contexts
  bool weights_verified; // the loaded bytes have been compared with their digests
  bool seen_good;        // the bytes of the file have, at some time
};

/// What contexts share of the weights whose bytes are not in the file. Guarded by yupana_plan_t::lock.
struct FilledWeights {
  struct Place {
    uint64_t offset; // in `memory`
    uint64_t filled; // 1 when the bytes are there
  };
  Memory memory;       // of all of them while `users` > 0; what nobody fills stays untouched
  Array<Place> places; // an entry per weight of the plan
  uint32_t users = 0;  // contexts
};

/// Readable bytes after every arena, so that kernels may read whole vectors at its end.
inline constexpr uint64_t kArenaPadding = 256;

} // namespace yupana::runtime

/// Everything but `references`, `states` and `filled` is constant after yupana_plan_open.
struct yupana_plan_t {
  std::atomic<uint32_t> references{1};
  yupana::runtime::Allocator allocator;
  yupana_reader_t reader = {};
  yupana::runtime::Frame frame;
  yupana::runtime::Memory metadata;
  const yupana::schema::Plan *root = nullptr;
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  yupana::runtime::SectionState *states = nullptr; // one per section
  yupana::runtime::FilledWeights filled;

  const yupana::schema::SectionEntry &section(uint32_t index) const { return frame.sections[index]; }
  const yupana::schema::Target &target(uint32_t index) const { return *root->targets()->Get(index); }
};

#endif
