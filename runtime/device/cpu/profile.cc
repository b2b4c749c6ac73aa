// SPDX-License-Identifier: Apache-2.0
//
// Profiling on a CPU: the walk over launches with a clock beside it. Each worker writes times of its own alone, so
// watching adds no traffic between threads, only two or three readings of the clock to a launch.

#include "runtime/device/profile.h"

#include "runtime/device/cpu/walk.h"

namespace yupana::runtime {

namespace {

struct Clock {
  LaunchSpan *spans;
  uint32_t workers;

  LaunchSpan &span(uint32_t launch, uint32_t worker) const { return spans[uint64_t{launch} * workers + worker]; }
  void begin(uint32_t launch, uint32_t worker) const { span(launch, worker).begin = profile_now(); }
  void end(uint32_t launch, uint32_t worker, uint32_t cells) const {
    LaunchSpan &of = span(launch, worker);
    of.end = profile_now();
    of.cells += cells;
  }
};

Code begin(Device *, uint32_t, void **out_state, yupana_status_t *) {
  *out_state = nullptr;
  return YUPANA_STATUS_OK;
}

Code run(Device *device, void *, const StepSizes &sizes, const ActiveLaunch *launches, uint32_t count,
         LaunchSpan *spans, yupana_status_t *) {
  WatchedRun<Clock> watched;
  watched.watch = {spans, device->workers};
  watched.start(device, sizes, launches, count);
  return YUPANA_STATUS_OK;
}

void end(Device *, void *) {}

} // namespace

const DeviceProfile kCpuProfile = {begin, run, end};

} // namespace yupana::runtime
