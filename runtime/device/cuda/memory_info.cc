// SPDX-License-Identifier: Apache-2.0
//
// How much memory a GPU has, for those who ask before they make a context. The driver tells it only within a context,
// so the primary one is held for the moment.

#include "runtime/device/cuda/driver.h"
#include "runtime/device/devices.h"

using namespace yupana::runtime;
using namespace yupana::runtime::cuda;

namespace {

Result ask(const Driver &driver, Number number, size_t *free, size_t *total) {
  Context context;
  Result result = driver.context_retain(&context, number);
  if (result != kSuccess)
    return result;
  result = driver.context_push(context);
  if (result == kSuccess) {
    result = driver.memory_info(free, total);
    driver.context_pop(&context);
  }
  driver.context_release(number);
  return result;
}

} // namespace

yupana_status_code_t yupana_gpu_memory(const yupana_device_t *device, uint64_t *out_free, uint64_t *out_total,
                                       yupana_status_t *status) {
  DeviceChoice choice;
  Driver driver;
  Gpu gpu;
  Code code = choose_device(device, &choice, Report(nullptr, status));
  if (!code)
    code = open_driver(choice.driver, &driver, status);
  if (!code)
    code = find_gpu(driver, choice.ordinal, &gpu, status);
  if (code)
    return code;
  size_t free = 0, total = 0;
  if (Result result = ask(driver, gpu.number, &free, &total))
    return fail(status, YUPANA_STATUS_INTERNAL, "GPU %u does not say how much memory it has: %s", gpu.ordinal,
                ResultText(driver, result).text);
  if (out_free)
    *out_free = free;
  if (out_total)
    *out_total = total;
  return succeed(status);
}
