// SPDX-License-Identifier: Apache-2.0
//
// The compiler needs no CUDA to build or run, so the driver is looked for when it is asked about, by its own entry
// points, which have had these names and types since it exists.
#include "compiler/Codegen/GPU/Devices.h"

#include <dlfcn.h>

using namespace yupana::codegen;

namespace {

constexpr int capabilityMajor = 75, capabilityMinor = 76; // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*

std::vector<unsigned> askDriver() {
  std::vector<unsigned> capabilities;
  // Stays loaded: drivers do not expect to be unloaded.
  void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!driver)
    return capabilities;
  auto init = reinterpret_cast<int (*)(unsigned)>(dlsym(driver, "cuInit"));
  auto getCount = reinterpret_cast<int (*)(int *)>(dlsym(driver, "cuDeviceGetCount"));
  auto getDevice = reinterpret_cast<int (*)(int *, int)>(dlsym(driver, "cuDeviceGet"));
  auto getAttribute = reinterpret_cast<int (*)(int *, int, int)>(dlsym(driver, "cuDeviceGetAttribute"));
  int count = 0;
  if (!init || !getCount || !getDevice || !getAttribute || init(0) != 0 || getCount(&count) != 0)
    return capabilities;
  for (int i = 0; i < count; ++i) {
    int device = 0, major = 0, minor = 0;
    if (getDevice(&device, i) == 0 && getAttribute(&major, capabilityMajor, device) == 0 &&
        getAttribute(&minor, capabilityMinor, device) == 0)
      capabilities.push_back(static_cast<unsigned>(major * 10 + minor));
  }
  return capabilities;
}

} // namespace

const std::vector<unsigned> &cuda::listCapabilities() {
  static const std::vector<unsigned> capabilities = askDriver();
  return capabilities;
}
