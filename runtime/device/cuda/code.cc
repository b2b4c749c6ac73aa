// SPDX-License-Identifier: Apache-2.0
//
// Images and the kernels in them. A cubin is loaded as it is, PTX is translated by the driver, whose complaint is then
// part of the message. What a kernel asks for is compared with what the GPU has when a launch is prepared, so that no
// step fails for it.

#include "runtime/device/cuda/cuda_device.h"

#include <cstring>

namespace yupana::runtime::cuda {

namespace {

constexpr uint32_t kLogBytes = 256;

/// The first line of what the driver says of PTX that it cannot translate.
void cut_log(char *log) {
  log[kLogBytes - 1] = '\0';
  log[strcspn(log, "\r\n")] = '\0';
}

Code load_library(CudaDevice &device, const uint8_t *image, LoadedLibrary *out, char *log, Result *result) {
  JitOption options[] = {kErrorLogBuffer, kErrorLogBytes};
  // The driver takes numbers in the place of addresses.
  void *values[] = {log, reinterpret_cast<void *>(uintptr_t{kLogBytes})};
  Current current(device);
  *result = current.result();
  if (*result == kSuccess)
    *result = device.driver.load_library(&out->library, image, options, values, 2, nullptr, nullptr, 0);
  return *result == kSuccess ? YUPANA_STATUS_OK : YUPANA_STATUS_INTERNAL;
}

/// What the driver meant by refusing an image.
Code refuse(CudaDevice &device, bool ptx, Result result, char *log, const Report &report) {
  uint32_t format = 1u << static_cast<uint32_t>(ptx ? schema::ImageFormat::ptx : schema::ImageFormat::cubin);
  ResultText text(device.driver, result);
  uint32_t number = device.gpu.ordinal;
  if (result == kOutOfMemory)
    return report.fail(YUPANA_STATUS_OUT_OF_MEMORY, "no memory on GPU %u for code: %s", number, text.text);
  if (result == kNoBinaryForGpu || result == kUnsupportedPtxVersion) {
    device.formats &= ~format;
    return report.fail(YUPANA_STATUS_INCOMPATIBLE, "the driver of GPU %u does not take the plan's %s: %s%s", number,
                       ptx ? "PTX" : "cubins", text.text,
                       result == kUnsupportedPtxVersion ? "; a newer driver does" : "");
  }
  if (result != kInvalidImage && result != kInvalidPtx)
    return fail_call(device, result, "code", report.out());
  cut_log(log);
  return report.fail(YUPANA_STATUS_INVALID_DATA, "the driver of GPU %u finds no %s in a section of code: %s%s%s",
                     number, ptx ? "valid PTX" : "cubin", text.text, *log ? ": " : "", log);
}

/// The numbers of a function that launches are held against.
Result read_limits(CudaDevice &device, LoadedKernel &kernel) {
  const Driver &driver = device.driver;
  Result result = driver.function_attribute(&kernel.max_threads, kMaxThreadsPerBlock, kernel.function);
  if (result == kSuccess)
    result = driver.function_attribute(&kernel.shared_bytes, kSharedBytes, kernel.function);
  if (result == kSuccess)
    result = driver.function_attribute(&kernel.dynamic_shared, kMaxDynamicSharedBytes, kernel.function);
  return result;
}

} // namespace

Code cuda_load_image(Device *device, schema::ImageFormat format, const uint8_t *bytes, uint64_t size,
                     const Report &report) {
  CudaDevice &opened = gpu(device);
  bool ptx = format == schema::ImageFormat::ptx;
  // The driver is told no size: text ends with a zero byte, and a cubin says itself how long it is.
  Memory image;
  uint64_t room;
  if (!checked_add(size, 1, &room))
    return report.fail(YUPANA_STATUS_OUT_OF_MEMORY, "an image does not fit in memory");
  if (Code code = image.allocate(opened.allocator, room, kCacheLine, "an image of code", report.out()))
    return code;
  memcpy(image.data(), bytes, size);
  image.data()[size] = 0;
  auto *library = static_cast<LoadedLibrary *>(keep(opened, sizeof(LoadedLibrary)));
  if (!library)
    return report.fail(YUPANA_STATUS_OUT_OF_MEMORY, "no memory for an image of code");
  char log[kLogBytes] = "";
  Result result;
  if (load_library(opened, image.data(), library, log, &result))
    return refuse(opened, ptx, result, log, report);
  library->older = opened.libraries;
  opened.libraries = library;
  opened.image_bytes += size;
  return YUPANA_STATUS_OK;
}

Code cuda_find_kernel(Device *device, const char *symbol, void **out, yupana_status_t *status) {
  CudaDevice &opened = gpu(device);
  auto *kernel = static_cast<LoadedKernel *>(keep(opened, sizeof(LoadedKernel)));
  if (!kernel)
    return fail(status, YUPANA_STATUS_OUT_OF_MEMORY, "no memory for a kernel");
  strncpy(kernel->name, symbol, sizeof(kernel->name) - 1);
  Current current(opened);
  Kernel handle = nullptr;
  Result result = current.result();
  if (result == kSuccess)
    result = opened.driver.get_kernel(&handle, opened.libraries->library, symbol);
  *out = nullptr;
  if (result == kNotFound)
    return YUPANA_STATUS_OK;
  // The driver may put off loading until now.
  if (result == kSuccess)
    result = opened.driver.get_function(&kernel->function, handle);
  if (result == kSuccess)
    result = read_limits(opened, *kernel);
  if (result != kSuccess)
    return fail_call(opened, result, kernel->name, status);
  *out = kernel;
  return YUPANA_STATUS_OK;
}

Code cuda_prepare_launch(Device *device, DeviceLaunch *launch, yupana_status_t *status) {
  CudaDevice &opened = gpu(device);
  if (Code code = check_alive(opened, status))
    return code;
  auto &kernel = *static_cast<LoadedKernel *>(launch->kernel);
  constexpr Code kIncompatible = YUPANA_STATUS_INCOMPATIBLE;
  if (launch->threads == 0 || launch->threads > static_cast<uint32_t>(kernel.max_threads))
    return fail(status, kIncompatible, "kernel '%s' is launched with %u threads a block; GPU %u runs it with 1 to %d",
                kernel.name, launch->threads, opened.gpu.ordinal, kernel.max_threads);
  int64_t shared = int64_t{kernel.shared_bytes} + launch->shared_bytes;
  if (shared > opened.max_shared)
    return fail(status, kIncompatible, "kernel '%s' needs %lld bytes of shared memory a block; GPU %u has %d",
                kernel.name, static_cast<long long>(shared), opened.gpu.ordinal, opened.max_shared);
  Current current(opened);
  Result result = current.result();
  if (auto dynamic = static_cast<int>(launch->shared_bytes); result == kSuccess && dynamic > kernel.dynamic_shared) {
    result = opened.driver.set_function_attribute(kernel.function, kMaxDynamicSharedBytes, dynamic);
    kernel.dynamic_shared = dynamic;
  }
  if (result != kSuccess)
    return fail_call(opened, result, kernel.name, status);
  uint32_t count = launch->argument_count;
  auto *kept = static_cast<Kept *>(keep(opened, sizeof(Kept) + (uint64_t{count} + 3) * sizeof(void *)));
  if (!kept)
    return fail(status, YUPANA_STATUS_OUT_OF_MEMORY, "no memory for a launch");
  // The driver wants the address of every parameter: the pointers, then T, S and R.
  auto **parameters = reinterpret_cast<const void **>(kept + 1);
  for (uint32_t i = 0; i < count; ++i)
    parameters[i] = launch->arguments + i;
  for (uint32_t i = 0; i < 3; ++i)
    parameters[count + i] = opened.sizes + i;
  launch->prepared = parameters;
  return YUPANA_STATUS_OK;
}

} // namespace yupana::runtime::cuda
