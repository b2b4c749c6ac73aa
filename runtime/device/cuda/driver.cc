// SPDX-License-Identifier: Apache-2.0
//
// Loading the driver. Its functions are asked for by cuGetProcAddress with the version of the interface that is meant,
// and not by dlsym: a name then stands for one signature, whichever version of the driver is installed.

#include "runtime/device/cuda/driver.h"

#include <cstdio>
#include <cstring>
#include <dlfcn.h>

namespace yupana::runtime::cuda {

namespace {

using GetVersion = Result (*)(int *version);
using GetFunction = Result (*)(const char *name, void **function, int version, uint64_t flags, int *found);

// The names, one after the other: a table of pointers would need relocations.
#define YUPANA_CUDA_NAME(member, name, parameters) name "\0"
constexpr char kNames[] = YUPANA_CUDA_FUNCTIONS(YUPANA_CUDA_NAME);
#undef YUPANA_CUDA_NAME

constexpr Code kIncompatible = YUPANA_STATUS_INCOMPATIBLE;

/// Fills the members of `out` in their order, which is that of the names.
Code find_functions(GetFunction get, Driver *out, yupana_status_t *status) {
  const char *name = kNames;
  for (size_t at = 0; at < sizeof(Driver); at += sizeof(void *), name += strlen(name) + 1) {
    void *function = nullptr;
    if (get(name, &function, kInterface, 0, nullptr) != kSuccess || !function)
      return fail(status, kIncompatible, "the CUDA driver has no function %s of version 12.0", name);
    memcpy(reinterpret_cast<uint8_t *>(out) + at, &function, sizeof(function));
  }
  return YUPANA_STATUS_OK;
}

} // namespace

ResultText::ResultText(const Driver &driver, Result result) {
  const char *name = nullptr, *meaning = nullptr;
  if (driver.error_name(result, &name) != kSuccess || driver.error_string(result, &meaning) != kSuccess || !name)
    snprintf(text, sizeof(text), "error %d of CUDA", result);
  else
    snprintf(text, sizeof(text), "%s (%s)", name, meaning ? meaning : "");
}

/// Without a driver or without a GPU the answer is that GPU targets do not fit, which is what a machine without one
/// shall hear. The library is never unloaded: drivers do not survive it.
Code open_driver(const char *file, Driver *out, yupana_status_t *status) {
  void *library = dlopen(file ? file : "libcuda.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!library) {
    const char *reason = dlerror();
    return fail(status, kIncompatible, "the CUDA driver cannot be loaded: %s", reason ? reason : "no reason given");
  }
  auto get_version = reinterpret_cast<GetVersion>(dlsym(library, "cuDriverGetVersion"));
  auto get_function = reinterpret_cast<GetFunction>(dlsym(library, "cuGetProcAddress_v2"));
  int version = 0;
  if (!get_version || get_version(&version) != kSuccess)
    return fail(status, kIncompatible, "%s is no CUDA driver: it does not say its version",
                file ? file : "libcuda.so.1");
  if (version < kLeastVersion || !get_function)
    return fail(status, kIncompatible, "the CUDA driver is of version %d.%d; expected at least %d.0", version / 1000,
                version % 1000 / 10, kLeastVersion / 1000);
  if (Code code = find_functions(get_function, out, status))
    return code;
  Result result = out->init(0);
  if (result == kNoDevice)
    return fail(status, kIncompatible, "the CUDA driver finds no GPU");
  if (result != kSuccess)
    return fail(status, kIncompatible, "the CUDA driver does not start: %s", ResultText(*out, result).text);
  return YUPANA_STATUS_OK;
}

/// Nothing is started on the GPU: this is asked also by those who only want to know what would run.
Code find_gpu(const Driver &driver, uint32_t ordinal, Gpu *out, yupana_status_t *status) {
  int count = 0, major = 0, minor = 0;
  Result result = driver.device_count(&count);
  if (result == kSuccess && ordinal >= static_cast<uint32_t>(count))
    return fail(status, kIncompatible, "there is no GPU %u; the CUDA driver finds %d", ordinal, count);
  *out = {};
  out->ordinal = ordinal;
  if (result == kSuccess)
    result = driver.device_get(&out->number, static_cast<int>(ordinal));
  if (result == kSuccess)
    result = driver.device_name(out->name, sizeof(out->name), out->number);
  if (result == kSuccess)
    result = driver.device_attribute(&major, kCapabilityMajor, out->number);
  if (result == kSuccess)
    result = driver.device_attribute(&minor, kCapabilityMinor, out->number);
  if (result != kSuccess)
    return fail(status, kIncompatible, "GPU %u does not say what it is: %s", ordinal, ResultText(driver, result).text);
  out->capability = static_cast<uint32_t>(10 * major + minor);
  return YUPANA_STATUS_OK;
}

} // namespace yupana::runtime::cuda
