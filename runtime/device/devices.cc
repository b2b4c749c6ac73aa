// SPDX-License-Identifier: Apache-2.0
//
// The devices that this runtime drives. To add one, write its folder and its table of functions, give the table the
// next index, and name it here; nothing else in the runtime knows it. Those later in the list are preferred where a
// plan has targets of several.

#include "runtime/device/devices.h"

#include "runtime/device/cpu/cpu_device.h"
#include "runtime/device/cuda/cuda_kind.h"

namespace yupana::runtime {

const DeviceKind *const kDevices[kDeviceKinds] = {&kCpuDevice, &kCudaDevice};

const DeviceKind *find_device_kind(const char *target) {
  for (const DeviceKind *kind : kDevices)
    if (kind->rank(target) >= 0)
      return kind;
  return nullptr;
}

Code choose_device(const yupana_device_t *given, DeviceChoice *out, const Report &report) {
  yupana_device_t device = given ? read_sized(given) : yupana_device_t{};
  if (device.kind > kDeviceKinds || device.ordinal >= kMaxOrdinals)
    return report.fail(YUPANA_STATUS_INVALID_ARGUMENT, "there is no device %u of kind %u", device.ordinal, device.kind);
  *out = {device.kind ? kDevices[device.kind - 1] : nullptr, device.ordinal, device.driver};
  return YUPANA_STATUS_OK;
}

bool Progress::report() {
  if (sink_ && sink_->report && !cancelled() &&
      sink_->report(sink_->user, done_.load(std::memory_order_relaxed), total_))
    cancelled_.store(true, std::memory_order_relaxed);
  return cancelled();
}

} // namespace yupana::runtime
