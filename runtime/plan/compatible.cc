// SPDX-License-Identifier: Apache-2.0
//
// Which targets run on this machine. Each kind of device knows its own; kinds that come later in the list are
// preferred, and among the targets of one kind those of a higher rank.

#include "runtime/device/devices.h"
#include "runtime/plan/plan.h"

#include <cstdio>

using namespace yupana::runtime;

yupana_status_code_t yupana_plan_compatible(const yupana_plan_t *plan, uint32_t index, yupana_status_t *out_status) {
  Report report(plan->reader.name, out_status);
  if (index >= yupana_plan_target_count(plan))
    return report.fail(YUPANA_STATUS_INVALID_ARGUMENT, "there is no target %u; the plan has %u", index,
                       yupana_plan_target_count(plan));
  const char *name = plan->target(index).name()->c_str();
  const DeviceKind *kind = find_device_kind(name);
  if (!kind)
    return report.fail(YUPANA_STATUS_INCOMPATIBLE, "target '%s' is for a device this runtime does not drive", name);
  if (const char *missing = kind->missing(name))
    return report.fail(YUPANA_STATUS_INCOMPATIBLE, "target '%s' needs %s, which this machine does not have", name,
                       missing);
  return succeed(out_status);
}

yupana_status_code_t yupana_plan_best_target(const yupana_plan_t *plan, uint32_t *out_index,
                                             yupana_status_t *out_status) {
  int64_t best = -1;
  char names[256] = "";
  size_t used = 0;
  for (uint32_t i = 0; i < yupana_plan_target_count(plan); ++i) {
    const char *name = plan->target(i).name()->c_str();
    const DeviceKind *kind = find_device_kind(name);
    int64_t rank = kind ? int64_t{kind->index} << 32 | kind->rank(name) : -1;
    if (rank > best && !kind->missing(name)) {
      best = rank;
      *out_index = i;
    }
    if (used < sizeof(names))
      used += static_cast<size_t>(snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "", name));
  }
  if (best >= 0)
    return succeed(out_status);
  const char *native = yupana_native_target();
  return Report(plan->reader.name, out_status)
      .fail(YUPANA_STATUS_INCOMPATIBLE, "the plan has code for %s; this machine needs %s: compile the model for it",
            names, *native ? native : "a level below x86-64-v3, which is not supported");
}

const char *yupana_native_target(void) {
  const char *best = "";
  for (const DeviceKind *kind : kDevices)
    if (*kind->native())
      best = kind->native();
  return best;
}
