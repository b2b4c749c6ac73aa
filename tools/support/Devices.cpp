// SPDX-License-Identifier: Apache-2.0
//
// A device by name. Which devices exist is the runtime's to say; here a name is only taken apart.

#include "tools/support/Devices.h"

#include "tools/support/Numbers.h"

using namespace yupana;

bool DeviceOption::parse(const std::string &flag, const std::string &value, std::string &expected) {
  // Both options in one place, since every program that has one has the other.
  if (flag == "--driver") {
    expected = "the file of a CUDA driver";
    driver = value;
    return !value.empty();
  }
  expected = "auto, cpu, cuda or cuda:0 to cuda:15";
  // An option given later, or a parse that fails, leaves nothing of an earlier number.
  ordinal = 0;
  if (value == "auto" || value == "cpu") {
    kind = value == "cpu" ? YUPANA_DEVICE_CPU : YUPANA_DEVICE_ANY;
    return true;
  }
  kind = YUPANA_DEVICE_CUDA;
  if (value == "cuda")
    return true;
  // As many GPUs as a machine may be expected to have; what is there, the driver tells.
  std::optional<uint64_t> number;
  if (value.compare(0, 5, "cuda:") == 0)
    number = parseNumber(std::string_view(value).substr(5), 15);
  ordinal = static_cast<uint32_t>(number.value_or(0));
  return number.has_value();
}
