// SPDX-License-Identifier: Apache-2.0
//
// Which targets run on this machine. Each kind of device knows its own; kinds that come later in the list are
// preferred, and among the targets of one kind those of a higher rank.

#include "runtime/device/devices.h"
#include "runtime/plan/plan.h"

#include <cstdio>

using namespace yupana::runtime;

/// The name of the best target of this machine's best device; empty where it has none. Later kinds replace earlier
/// ones.
static const char *native_target(const DeviceChoice &choice) {
  const char *best = "";
  for (const DeviceKind *kind : kDevices)
    if (!choice.kind || choice.kind == kind)
      if (const char *native = kind->native(choice); *native)
        best = native;
  return best;
}

/// A device is found by the target's name, so that a plan with targets of unknown names can still be asked about.
Code yupana::runtime::fit_target(const yupana_plan_t *plan, uint32_t index, const DeviceChoice &choice,
                                 yupana_fit_t *out_fit, const Report &report) {
  if (index >= yupana_plan_target_count(plan))
    return report.fail(YUPANA_STATUS_INVALID_ARGUMENT, "there is no target %u; the plan has %u", index,
                       yupana_plan_target_count(plan));
  const char *name = plan->target(index).name()->c_str();
  const DeviceKind *kind = find_device_kind(name);
  if (!kind || (choice.kind && choice.kind != kind))
    return report.fail(YUPANA_STATUS_INCOMPATIBLE, "target '%s' is for another kind of device", name);
  return kind->fit(choice, plan->target(index), out_fit, report);
}

yupana_status_code_t yupana_plan_compatible(const yupana_plan_t *plan, uint32_t index, const yupana_device_t *device,
                                            yupana_fit_t *out_fit, yupana_status_t *out_status) {
  Report report(plan->reader.name, out_status);
  DeviceChoice choice;
  yupana_fit_t fit;
  Code code = choose_device(device, &choice, report);
  if (!code)
    code = fit_target(plan, index, choice, &fit, report);
  if (code)
    return code;
  if (out_fit)
    *out_fit = fit;
  return succeed(out_status);
}

Code yupana::runtime::best_target(const yupana_plan_t *plan, const DeviceChoice &choice, uint32_t *out_index,
                                  const Report &report) {
  int64_t best = -1;
  bool says_why = false;
  char names[256] = "";
  size_t used = 0;
  for (uint32_t i = 0; i < yupana_plan_target_count(plan); ++i) {
    const char *name = plan->target(i).name()->c_str();
    // As much of the list as fits: snprintf says what it would have written, so that the next one begins beyond the
    // end.
    if (used < sizeof(names))
      used += static_cast<size_t>(snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "", name));
    const DeviceKind *kind = find_device_kind(name);
    if (!kind || (choice.kind && choice.kind != kind))
      continue;
    yupana_fit_t fit;
    // What kind->fit() has reported stays in the status, to be told if nothing fits.
    if (kind->fit(choice, plan->target(i), &fit, report)) {
      says_why = choice.kind;
      continue;
    }
    // Kinds first, then how well the code fits (translated PTX last), then the rank within the kind.
    int64_t rank = int64_t{kind->index} << 40 | int64_t{YUPANA_FIT_BY_PTX - fit} << 32 | kind->rank(name);
    if (rank > best) {
      best = rank;
      *out_index = i;
    }
  }
  if (best >= 0)
    return succeed(report.out());
  // Where one kind of device was asked for, the reason that it gave last says more.
  if (says_why)
    return YUPANA_STATUS_INCOMPATIBLE;
  const char *native = native_target(choice);
  return report.fail(YUPANA_STATUS_INCOMPATIBLE,
                     "the plan has code for %s; this machine needs %s: compile the model for it", names,
                     *native ? native : "a level below x86-64-v3, which is not supported");
}

yupana_status_code_t yupana_plan_best_target(const yupana_plan_t *plan, const yupana_device_t *device,
                                             uint32_t *out_index, yupana_status_t *out_status) {
  Report report(plan->reader.name, out_status);
  DeviceChoice choice;
  Code code = choose_device(device, &choice, report);
  return code ? code : best_target(plan, choice, out_index, report);
}

const char *yupana_native_target(const yupana_device_t *device) {
  DeviceChoice choice;
  return choose_device(device, &choice, Report("", nullptr)) ? "" : native_target(choice);
}
