// SPDX-License-Identifier: Apache-2.0

#include "runtime/device/cpu/levels.h"
#include "runtime/plan/plan.h"

#include <cstdio>

using namespace yupana::runtime;

yupana_status_code_t yupana_plan_compatible(const yupana_plan_t *plan, uint32_t index, yupana_status_t *out_status) {
  Report report(plan->reader.name, out_status);
  if (index >= yupana_plan_target_count(plan))
    return report.fail(YUPANA_STATUS_INVALID_ARGUMENT, "there is no target %u; the plan has %u", index,
                       yupana_plan_target_count(plan));
  const char *name = plan->target(index).name()->c_str();
  int level = find_cpu_level(name);
  if (level < 0)
    return report.fail(YUPANA_STATUS_INCOMPATIBLE, "target '%s' is for a device this runtime does not drive", name);
  if (const char *missing = missing_cpu_feature(static_cast<uint32_t>(level)))
    return report.fail(YUPANA_STATUS_INCOMPATIBLE, "target '%s' needs %s, which this machine does not have", name,
                       missing);
  return succeed(out_status);
}

yupana_status_code_t yupana_plan_best_target(const yupana_plan_t *plan, uint32_t *out_index,
                                             yupana_status_t *out_status) {
  int best = -1;
  char names[256] = "";
  size_t used = 0;
  for (uint32_t i = 0; i < yupana_plan_target_count(plan); ++i) {
    const char *name = plan->target(i).name()->c_str();
    int level = find_cpu_level(name);
    if (level > best && !missing_cpu_feature(static_cast<uint32_t>(level))) {
      best = level;
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
