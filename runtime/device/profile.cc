// SPDX-License-Identifier: Apache-2.0
//
// The list of ways to profile, beside that of devices: to add a kind of device, name its table here, too. Times are of
// one clock, so that spans of a GPU and of the host's threads can stand in one picture.

#include "runtime/device/profile.h"

#include <ctime>

namespace yupana::runtime {

const DeviceProfile *const kDeviceProfiles[] = {&kCpuProfile, &kCudaProfile};

uint64_t profile_now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1000000000 + static_cast<uint64_t>(time.tv_nsec);
}

} // namespace yupana::runtime
