// SPDX-License-Identifier: Apache-2.0
//
// The list of device kinds: the only place outside their folders that names them.

#ifndef YUPANA_RUNTIME_DEVICE_DEVICES_H
#define YUPANA_RUNTIME_DEVICE_DEVICES_H

#include "runtime/device/device.h"

namespace yupana::runtime {

inline constexpr uint32_t kDeviceKinds = 2;
/// Devices of one kind that can be told apart.
inline constexpr uint32_t kMaxOrdinals = 16;
/// One of each kind but the last, which has them all.
inline constexpr uint32_t kDeviceSlots = kDeviceKinds - 1 + kMaxOrdinals;

/// In ascending order of preference and of yupana_device_kind_t. The first is the host's processor, which also hashes
/// files.
extern const DeviceKind *const kDevices[kDeviceKinds];

/// The kind that runs a target, whether this machine has such a device or not; null when none does.
const DeviceKind *find_device_kind(const char *target);

/// Which device the caller means. INVALID_ARGUMENT.
Code choose_device(const yupana_device_t *given, DeviceChoice *out_choice, const Report &report);

/// Closes a device at the end of a scope.
struct OpenedDevice {
  OpenedDevice() = default;
  OpenedDevice(const OpenedDevice &) = delete;
  OpenedDevice &operator=(const OpenedDevice &) = delete;
  ~OpenedDevice() {
    if (device)
      device->kind->close(device);
  }
  Device *device = nullptr;
};

} // namespace yupana::runtime

#endif
