// SPDX-License-Identifier: Apache-2.0
//
// Devices and memory. There is one device. Pinned memory is ordinary memory that is counted, and new memory of either
// kind holds NaN in every format, so that what was never written shows in results. Copies check their ranges when they
// are asked for and move bytes when their stream comes to them. Attributes are those of an H100 unless a check depends
// on them.

#include "tools/simdriver/DriverState.h"

#include <cstdlib>
#include <cstring>
#include <fmt/format.h>

using namespace yupana;
using namespace yupana::simdriver;

// Questions about the device need no context.
YUPANA_ENTRY cuDeviceGetCount(int *count) {
  return enter(false, [&]() -> Result {
    *count = 1;
    return Success;
  });
}

YUPANA_ENTRY cuDeviceGet(int *number, int ordinal) {
  return enter(false, [&]() -> Result {
    if (ordinal != 0)
      return InvalidDevice;
    *number = 0;
    return Success;
  });
}

YUPANA_ENTRY cuDeviceGetName(char *name, int bytes, int) {
  return enter(false, [&]() -> Result {
    snprintf(name, static_cast<size_t>(bytes), "Simulated GPU %u.%u", state().options.capability / 10,
             state().options.capability % 10);
    return Success;
  });
}

YUPANA_ENTRY cuDeviceTotalMem_v2(size_t *bytes, int) {
  return enter(false, [&]() -> Result {
    *bytes = state().options.memory;
    return Success;
  });
}

/// CUdevice_attribute of cuda.h by its number; 0 for those that nobody here asks for.
static int attribute(int which) {
  const ptx::Options &options = state().options;
  bool small = options.capability == 86 || options.capability == 89 || options.capability >= 120;
  int most = static_cast<int>(ptx::mostSharedBytes(options.capability));
  static const std::map<int, int> fixed = {
      {1, 1024},       // threads per block
      {2, 1024},       // block x
      {3, 1024},       // block y
      {4, 64},         // block z
      {5, 2147483647}, // grid x
      {6, 65535},      // grid y
      {7, 65535},      // grid z
      {8, 48 << 10},   // shared memory per block
      {9, 65536},      // constant memory
      {10, 32},        // warp
      {12, 65536},     // registers per block
      {13, 1980000},   // clock in kHz
      {19, 1},         // can map host memory
      {36, 2619000},   // memory clock in kHz
      {37, 5120},      // width of the memory bus
      {38, 50 << 20},  // L2 bytes
      {40, 3},         // copy engines
      {41, 1},         // unified addresses
      {82, 65536},     // registers per multiprocessor
      {106, 32},       // blocks per multiprocessor
      {111, 1024},     // shared memory that the system keeps of each block
      {115, 1},        // memory pools
      {120, 1},        // clusters
  };
  switch (which) {
  case 16:
    return static_cast<int>(options.multiprocessors);
  case 39: // threads per multiprocessor
    return small ? 1536 : 2048;
  case 75:
    return static_cast<int>(options.capability / 10);
  case 76:
    return static_cast<int>(options.capability % 10);
  case 81: // shared memory per multiprocessor
    return most + 1024;
  case 97: // shared memory of blocks that ask for it
    return most;
  default:
    auto found = fixed.find(which);
    return found == fixed.end() ? 0 : found->second;
  }
}

YUPANA_ENTRY cuDeviceGetAttribute(int *value, int which, int) {
  return enter(false, [&]() -> Result {
    *value = attribute(which);
    return Success;
  });
}

YUPANA_ENTRY cuMemGetInfo_v2(size_t *free, size_t *total) {
  return enter(true, [&]() -> Result {
    *total = state().options.memory;
    // Gaps between allocations count as free.
    *free = *total - std::min<size_t>(*total, device().allocated());
    return Success;
  });
}

YUPANA_ENTRY cuMemAlloc_v2(Address *address, size_t bytes) {
  return enter(true, [&]() -> Result {
    // The driver refuses to allocate nothing.
    if (bytes == 0)
      return InvalidValue;
    *address = device().allocate(bytes);
    if (!*address)
      return OutOfMemory;
    keep(reinterpret_cast<void *>(*address), Kind::DeviceMemory);
    return Success;
  });
}

/// Freeing waits for everything, as the driver does.
YUPANA_ENTRY cuMemFree_v2(Address address) {
  return enter(true, [&]() -> Result {
    if (address == 0)
      return Success;
    void *handle = reinterpret_cast<void *>(address);
    // An address within an allocation is no handle.
    if (!isLive(handle, Kind::DeviceMemory))
      return InvalidValue;
    // Also of streams that do not wait for the null stream: one of them may still use the memory.
    Result result = drainAll(true);
    device().release(address);
    state().live.erase(handle);
    return result;
  });
}

YUPANA_ENTRY cuMemHostAlloc(void **memory, size_t bytes, unsigned) {
  return enter(true, [&]() -> Result {
    if (bytes == 0)
      return InvalidValue;
    // Whole pages, since aligned_alloc takes multiples of the alignment alone; the driver's memory is page-aligned,
    // too.
    *memory = aligned_alloc(4096, (bytes + 4095) & ~size_t{4095});
    if (!*memory)
      return OutOfMemory;
    // NaN in every format, as on the device.
    memset(*memory, 0xff, bytes);
    keep(*memory, Kind::HostMemory);
    return Success;
  });
}

YUPANA_ENTRY cuMemAllocHost_v2(void **memory, size_t bytes) { return cuMemHostAlloc(memory, bytes, 0); }

YUPANA_ENTRY cuMemFreeHost(void *memory) {
  return enter(true, [&]() -> Result {
    if (!isLive(memory, Kind::HostMemory))
      return InvalidValue;
    Result result = drainAll(true);
    state().live.erase(memory);
    free(memory);
    return result;
  });
}

/// Copies from registered memory are what they are from any other, so nothing is kept.
YUPANA_ENTRY cuMemHostRegister_v2(void *memory, size_t bytes, unsigned) {
  return enter(true, [&]() -> Result { return memory && bytes ? Success : InvalidValue; });
}

YUPANA_ENTRY cuMemHostUnregister(void *memory) {
  return enter(true, [&]() -> Result { return memory ? Success : InvalidValue; });
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

static Result outside(const char *what, Address address, size_t bytes) {
  return die(IllegalAddress,
             fmt::format("{} of {} bytes at {:#x}, which do not lie within one allocation", what, bytes, address));
}

static Result copyIn(Address to, const void *from, size_t bytes) {
  return device().write(to, from, bytes) ? Success : outside("a copy to the device", to, bytes);
}

/// Both reasons to fail are told apart: a wrong range, and bytes without a value.
static Result copyOut(void *to, Address from, size_t bytes) {
  if (bytes && !device().contains(from, bytes))
    return outside("a copy to the host", from, bytes);
  if (device().read(to, from, bytes))
    return Success;
  auto [begin, length] = device().range(from);
  return die(LaunchFailed,
             fmt::format("a copy to the host of {} bytes from byte {} of the {} bytes at {:#x} takes bytes "
                         "that nobody has written, or that come from such",
                         bytes, from - begin, length, begin));
}

static Result copyWithin(Address to, Address from, size_t bytes) {
  return device().copy(to, from, bytes) ? Success : outside("a copy on the device", to, bytes);
}

static Result fill(Address to, uint32_t value, size_t width, size_t count) {
  return device().fill(to, &value, width, count) ? Success : outside("a fill", to, width * count);
}

/// Adds a copy to a stream. A wrong range shows at once, as the driver finds it.
static Result copyLater(void *handle, Address there, size_t bytes, const char *kind, std::function<Result()> run) {
  Stream *stream = streamOf(handle);
  if (!stream)
    return InvalidHandle;
  if (bytes && !device().contains(there, bytes))
    return InvalidValue;
  State &s = state();
  if (bool crossesBus = kind[0] == 'i' || kind[0] == 'o'; crossesBus && s.copyBandwidth) {
    std::chrono::duration<double> takes(static_cast<double>(bytes) / static_cast<double>(s.copyBandwidth));
    s.busFree = std::max(s.busFree, std::chrono::steady_clock::now()) +
                std::chrono::duration_cast<std::chrono::steady_clock::duration>(takes);
    stream->ready = s.busFree;
  }
  return enqueue(stream, {fmt::format("{} {}", kind, bytes), std::move(run)});
}

/// A copy that the host waits for, in the null stream.
static Result copyNow(const std::function<Result()> &run) {
  // While the null stream is captured nothing may wait for it.
  if (state().nullStream.capture)
    return CaptureUnsupported;
  // What was asked for before must have happened; streams that are independent of the null stream are not waited for.
  if (Result result = drainAll(false))
    return result;
  return run();
}

YUPANA_ENTRY cuMemcpyHtoD_v2(Address to, const void *from, size_t bytes) {
  return enter(true, [&] { return copyNow([&] { return copyIn(to, from, bytes); }); });
}
YUPANA_ENTRY cuMemcpyDtoH_v2(void *to, Address from, size_t bytes) {
  return enter(true, [&] { return copyNow([&] { return copyOut(to, from, bytes); }); });
}
YUPANA_ENTRY cuMemcpyDtoD_v2(Address to, Address from, size_t bytes) {
  return enter(true, [&] { return copyNow([&] { return copyWithin(to, from, bytes); }); });
}
YUPANA_ENTRY cuMemsetD8_v2(Address to, unsigned char value, size_t count) {
  return enter(true, [&] { return copyNow([&] { return fill(to, value, 1, count); }); });
}
YUPANA_ENTRY cuMemsetD32_v2(Address to, unsigned value, size_t count) {
  return enter(true, [&] { return copyNow([&] { return fill(to, value, 4, count); }); });
}

YUPANA_ENTRY cuMemcpyHtoDAsync_v2(Address to, const void *from, size_t bytes, void *stream) {
  return enter(true, [&] { return copyLater(stream, to, bytes, "in", [=] { return copyIn(to, from, bytes); }); });
}
YUPANA_ENTRY cuMemcpyDtoHAsync_v2(void *to, Address from, size_t bytes, void *stream) {
  return enter(true, [&] { return copyLater(stream, from, bytes, "out", [=] { return copyOut(to, from, bytes); }); });
}
YUPANA_ENTRY cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, void *stream) {
  return enter(true,
               [&] { return copyLater(stream, to, bytes, "within", [=] { return copyWithin(to, from, bytes); }); });
}
YUPANA_ENTRY cuMemsetD8Async(Address to, unsigned char value, size_t count, void *stream) {
  return enter(true, [&] { return copyLater(stream, to, count, "fill", [=] { return fill(to, value, 1, count); }); });
}
YUPANA_ENTRY cuMemsetD32Async(Address to, unsigned value, size_t count, void *stream) {
  return enter(true,
               [&] { return copyLater(stream, to, 4 * count, "fill", [=] { return fill(to, value, 4, count); }); });
}
