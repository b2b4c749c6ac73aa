// SPDX-License-Identifier: Apache-2.0
//
// Running launches against the clock: for each kind of device, a second way beside DeviceKind::run that does the same
// launches with the same results and says when each began and ended. In an archive of its own, which only programs that
// profile link.

#ifndef YUPANA_RUNTIME_DEVICE_PROFILE_H
#define YUPANA_RUNTIME_DEVICE_PROFILE_H

#include "runtime/device/device.h"

namespace yupana::runtime {

/// What one worker did of one launch. Nanoseconds of CLOCK_MONOTONIC; a worker that found no cell has 0 cells.
struct LaunchSpan {
  uint64_t begin;
  uint64_t end; // of its last cell, without the barrier behind it
  uint32_t cells;
};

struct DeviceProfile {
  /// Prepares for programs of at most `launches` launches. `*out_state` belongs to the device. OUT_OF_MEMORY, INTERNAL.
  Code (*begin)(Device *device, uint32_t launches, void **out_state, yupana_status_t *out_status);
  /// DeviceKind::run, after which all launches are done and `spans` [count][device->workers], zero before, is filled
  /// in.
  Code (*run)(Device *device, void *state, const StepSizes &sizes, const ActiveLaunch *launches, uint32_t count,
              LaunchSpan *spans, yupana_status_t *out_status);
  /// Before the device is closed; `state` is of begin.
  void (*end)(Device *device, void *state);
};

extern const DeviceProfile kCpuProfile, kCudaProfile;

/// Of every kind of device, in the order of kDevices.
extern const DeviceProfile *const kDeviceProfiles[];

/// CLOCK_MONOTONIC.
uint64_t profile_now();

} // namespace yupana::runtime

#endif
