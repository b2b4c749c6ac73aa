// SPDX-License-Identifier: Apache-2.0
//
// What `--device` and `--driver` mean, in every program that has them.
#ifndef YUPANA_TOOLS_SUPPORT_DEVICES_H
#define YUPANA_TOOLS_SUPPORT_DEVICES_H

#include "yupana/yupana.h"

#include <string>

namespace yupana {

/// The device that a command line names.
class DeviceOption {
public:
  /// Takes the value of `flag`, "--device" or "--driver". False when it is none: `expected` then says what is.
  bool parse(const std::string &flag, const std::string &value, std::string &expected);

  /// True when a driver of GPUs is named where no GPU may be used.
  bool hasIdleDriver() const { return kind == YUPANA_DEVICE_CPU && !driver.empty(); }
  static constexpr const char *idleDriver = "--driver names a driver of GPUs, and --device cpu uses none";

  /// For the library; valid as long as this object is not changed.
  yupana_device_t get() const {
    return {sizeof(yupana_device_t), kind, ordinal, driver.empty() ? nullptr : driver.c_str()};
  }

private:
  uint32_t kind = YUPANA_DEVICE_ANY;
  uint32_t ordinal = 0;
  std::string driver;
};

} // namespace yupana

#endif // YUPANA_TOOLS_SUPPORT_DEVICES_H
