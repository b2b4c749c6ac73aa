// SPDX-License-Identifier: Apache-2.0
//
// What can be refused before anything is loaded. A system gives out more memory than it has and ends a process that
// uses it, which may be another one; so what a context fills at once (weights and activations, which are cleared) is
// held against what is there. Pages of the cache are not counted: they take memory when they are first used. Memory of
// a caller's own allocator may be set aside already, and mapped weights are the file's. In an archive of its own, since
// the core's budget is for what every step needs.

#include "runtime/exec/room.h"

namespace yupana::runtime {

namespace {

/// Bytes of weights that no other context has brought here already.
uint64_t bytes_of_weights(yupana_plan_t &plan, const Device &device, const Array<uint32_t> &used) {
  bool counted[schema::kMaxSections] = {};
  uint64_t bytes = 0;
  pthread_mutex_lock(&plan.lock);
  for (uint32_t i = 0; i < used.size(); ++i) {
    const schema::Weight &weight = *plan.root->weights()->Get(i);
    if (!used[i])
      continue;
    uint32_t section = weight.section();
    if (section == schema::kNoSection) {
      bytes = saturating_add(bytes, plan.filled[device.slot].users ? 0 : weight.size());
    } else if (!counted[section]) {
      counted[section] = true;
      bool is_here = plan.states[device.slot * plan.frame.sections.size() + section].users > 0;
      bytes = saturating_add(bytes, is_here ? 0 : plan.section(section).size);
    }
  }
  pthread_mutex_unlock(&plan.lock);
  return bytes;
}

} // namespace

Code check_room(const yupana_context_t &context, const yupana_context_options_t &options, const Array<uint32_t> &used,
                const Report &report) {
  if (!context.device->kind->has_host_memory || !context.allocator.is_system() || !context.plan->allocator.is_system())
    return YUPANA_STATUS_OK;
  uint64_t needed = options.map_weights ? 0 : bytes_of_weights(*context.plan, *context.device, used);
  for (const schema::Arena *arena : *context.target().arenas())
    needed = saturating_add(needed, arena->size());
  uint64_t available = yupana_available_memory();
  if (needed <= available)
    return YUPANA_STATUS_OK;
  return report.fail(YUPANA_STATUS_OUT_OF_MEMORY,
                     "weights and activations need %llu bytes of memory, %llu are available",
                     static_cast<unsigned long long>(needed), static_cast<unsigned long long>(available));
}

Code check_weights_present(const yupana_context_t &context, const yupana_context_options_t &options,
                           const Array<uint32_t> &used, const Report &report) {
  const yupana_filler_t *filler = options.filler;
  if (filler && filler->size >= offsetof(yupana_filler_t, period) && filler->fill)
    return YUPANA_STATUS_OK;
  for (uint32_t i = 0; i < used.size(); ++i)
    if (used[i] && context.root().weights()->Get(i)->section() == schema::kNoSection)
      return report.fail(YUPANA_STATUS_INVALID_DATA, "the plan has no weights: fill it with yupana refit");
  return YUPANA_STATUS_OK;
}

} // namespace yupana::runtime
