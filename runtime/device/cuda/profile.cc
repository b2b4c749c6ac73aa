// SPDX-License-Identifier: Apache-2.0
//
// Profiling on a GPU: an event before the first launch and one behind each, whose distances the driver tells. Launches
// are given to the stream one by one, also where a captured graph would do them at once, since a graph has no place for
// events between its launches; on a step of decoding that costs time, which then lies between the kernels and not in
// them. The GPU's clock is tied to the host's where the host has waited for the last event.

#include "runtime/device/profile.h"

#include "runtime/device/cuda/cuda_device.h"
#include "runtime/device/cuda/nvtx.h"

namespace yupana::runtime {

using namespace cuda;

namespace {

constexpr unsigned kEventTiming = 0;

/// In front of the events.
struct Events : Kept {
  uint32_t count;
  Event *list() { return reinterpret_cast<Event *>(this + 1); }
};
static_assert(sizeof(Events) % alignof(Event) == 0);

void end(Device *device, void *state) {
  CudaDevice &opened = gpu(device);
  auto *events = static_cast<Events *>(state);
  Current current(opened);
  for (uint32_t i = 0; i < events->count; ++i)
    opened.driver.destroy_event(events->list()[i]);
}

Code begin(Device *device, uint32_t launches, void **out_state, yupana_status_t *status) {
  CudaDevice &opened = gpu(device);
  uint64_t bytes = sizeof(Events) + (uint64_t{launches} + 1) * sizeof(Event);
  auto *events = static_cast<Events *>(keep(opened, bytes));
  if (!events)
    return fail(status, YUPANA_STATUS_OUT_OF_MEMORY, "no memory for events");
  Result result = kSuccess;
  {
    Current current(opened);
    result = current.result();
    for (; result == kSuccess && events->count <= launches; events->count += result == kSuccess)
      result = opened.driver.create_event(&events->list()[events->count], kEventTiming);
  }
  if (result != kSuccess) {
    end(device, events);
    return fail_call(opened, result, "events", status);
  }
  *out_state = events;
  return YUPANA_STATUS_OK;
}

/// Asks for the launches with an event behind each, and waits for the last.
Result launch_timed(CudaDevice &device, Event *events, const StepSizes &sizes, const ActiveLaunch *launches,
                    uint32_t count) {
  device.sizes[0] = sizes.tokens;
  device.sizes[1] = sizes.sequences;
  device.sizes[2] = sizes.rows;
  NvtxRange step("step", sizes.tokens);
  Result result = device.driver.record_event(events[0], device.stream);
  for (uint32_t i = 0; i < count && result == kSuccess; ++i) {
    NvtxRange range(static_cast<LoadedKernel *>(launches[i].launch->kernel)->name);
    result = launch_one(device, launches[i], /*follows=*/false);
    if (result == kSuccess)
      result = device.driver.record_event(events[i + 1], device.stream);
  }
  return result == kSuccess ? device.driver.wait_event(events[count]) : result;
}

/// Nanoseconds from one event to a later one.
Result elapsed(const CudaDevice &device, Event first, Event second, uint64_t *out) {
  float milliseconds = 0;
  Result result = device.driver.elapsed(&milliseconds, first, second);
  *out = milliseconds > 0 ? static_cast<uint64_t>(static_cast<double>(milliseconds) * 1e6) : 0;
  return result;
}

Code run(Device *device, void *state, const StepSizes &sizes, const ActiveLaunch *launches, uint32_t count,
         LaunchSpan *spans, yupana_status_t *status) {
  CudaDevice &opened = gpu(device);
  Event *events = static_cast<Events *>(state)->list();
  Code code = check_launches(opened, launches, count, status);
  if (code || !count)
    return code;
  Current current(opened);
  Result result = current.result();
  if (result == kSuccess)
    result = launch_timed(opened, events, sizes, launches, count);
  uint64_t now = profile_now(), total = 0, at = 0;
  if (result == kSuccess)
    result = elapsed(opened, events[0], events[count], &total);
  for (uint32_t i = 0; i < count && result == kSuccess; ++i) {
    spans[i] = {now - total + at, 0, launches[i].cells};
    result = elapsed(opened, events[0], events[i + 1], &at);
    spans[i].end = now - total + at;
  }
  return result == kSuccess ? YUPANA_STATUS_OK : fail_device(opened, result, status);
}

} // namespace

const DeviceProfile kCudaProfile = {begin, run, end};

} // namespace yupana::runtime
