// SPDX-License-Identifier: Apache-2.0
//
// An opened plan: its reader, its verified metadata, and the weights that its contexts share. All but the shared
// weights is immutable and read by any thread without a lock.

#ifndef YUPANA_RUNTIME_PLAN_PLAN_H
#define YUPANA_RUNTIME_PLAN_PLAN_H

#include "runtime/device/devices.h"
#include "runtime/plan/check.h"
#include "runtime/plan/frame.h"

#include <atomic>
#include <pthread.h>

namespace yupana::runtime {

/// What contexts on one device share of a section. Guarded by yupana_plan_t::lock.
struct SectionState {
  Memory weights;        // loaded while `users` > 0; kArenaPadding readable bytes follow the section's
  const uint8_t *mapped; // instead of `weights`, by the reader
  uint32_t users;        // contexts
  bool weights_verified; // the loaded bytes have been compared with their digests
  bool seen_good;        // the bytes of the file have, at some time
};

/// What they share of the weights whose bytes are not in the file. Guarded by yupana_plan_t::lock.
struct FilledWeights {
  Memory memory;         // of all of them while `users` > 0; what nobody fills stays untouched
  Array<FillItem> items; // an entry per weight of the plan
  uint32_t users = 0;    // contexts
};

/// Readable bytes after every arena, so that kernels may read whole vectors at its end.
inline constexpr uint64_t kArenaPadding = 256;

/// How the code of target `index` meets the device chosen. INVALID_ARGUMENT (no such target), INCOMPATIBLE.
Code fit_target(const yupana_plan_t *plan, uint32_t index, const DeviceChoice &choice, yupana_fit_t *out_fit,
                const Report &report);
/// The target that meets it best, of all devices where the choice is any. INCOMPATIBLE.
Code best_target(const yupana_plan_t *plan, const DeviceChoice &choice, uint32_t *out_index, const Report &report);

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
  yupana::runtime::SectionState *states = nullptr; // [kDeviceSlots][sections]
  yupana::runtime::FilledWeights filled[yupana::runtime::kDeviceSlots];

  uint64_t state_count() const { return frame.sections.size() * yupana::runtime::kDeviceSlots; }
  const yupana::schema::SectionEntry &section(uint32_t index) const { return frame.sections[index]; }
  const yupana::schema::Target &target(uint32_t index) const { return *root->targets()->Get(index); }
};

#endif
