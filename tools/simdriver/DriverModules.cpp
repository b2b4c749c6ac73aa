// SPDX-License-Identifier: Apache-2.0
//
// Code and launches. Only PTX text is taken: a cubin is for a real GPU. Errors have the numbers that the driver gives,
// since clients decide by them: PTX of another architecture or a newer version is told apart from PTX that is wrong.
// Limits are held as the driver holds them, so that a launch a GPU would refuse is refused here; parameters are copied
// during the call, as the driver does.

#include "tools/simdriver/DriverState.h"

#include <cstring>
#include <fmt/format.h>

using namespace yupana;
using namespace yupana::simdriver;

namespace {

/// Writes a text into the error log that the caller of a load may have given: options 5 and 6 of cuda.h are its buffer
/// and how large it is, a number that travels in a pointer.
void writeLog(const std::string &text, const int *options, void **values, unsigned count) {
  char *buffer = nullptr;
  size_t bytes = 0;
  for (unsigned i = 0; i < count; ++i)
    if (options[i] == 5)
      buffer = static_cast<char *>(values[i]);
    else if (options[i] == 6)
      bytes = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(values[i]));
  if (buffer && bytes)
    snprintf(buffer, bytes, "%s", text.c_str());
}

/// Fails with the reason in the caller's log, on standard error and in yupana_sim_report: the driver's number alone
/// says little.
Result refuse(Result result, const std::string &why, const int *options, void **values, unsigned count) {
  writeLog(why, options, values, count);
  print(why);
  state().report = why;
  return result;
}

/// What cuLibraryLoadData and cuModuleLoadData share: a module is a library here.
Result load(void **library, const void *code, const int *options, void **values, unsigned count) {
  const char *text = static_cast<const char *>(code);
  if (!text)
    return InvalidValue;
  if (memcmp(text, "\177ELF", 4) == 0)
    return refuse(NoBinaryForGpu, "the image is a cubin, and this driver runs PTX alone", options, values, count);
  // Every PTX text states its version: what does not is something else, and no PTX with a wrong syntax.
  if (!strstr(text, ".version"))
    return refuse(InvalidImage, "the image is no PTX", options, values, count);
  // What the parser does not know is told apart from what is wrong.
  auto made = std::make_unique<Library>();
  if (ptx::Report fault = made->module.parse(text))
    return refuse(fault.fault == ptx::Fault::Unsupported ? NotSupported : InvalidPtx, fault.message, options, values,
                  count);
  const ptx::Module &module = made->module;
  unsigned capability = state().options.capability;
  if (module.version() > 90)
    return refuse(UnsupportedPtxVersion,
                  fmt::format("PTX {}.{} is newer than 9.0", module.version() / 10, module.version() % 10), options,
                  values, count);
  // PTX runs on what is newer than its target, unless that is one generation alone (sm_90a).
  if (module.targetIsExact() ? module.target() != capability : module.target() > capability)
    return refuse(NoBinaryForGpu,
                  fmt::format("PTX for sm_{}{} on a device of capability {}.{}", module.target(),
                              module.targetIsExact() ? "a" : "", capability / 10, capability % 10),
                  options, values, count);
  *library = keep(made.release(), Kind::Library);
  return Success;
}

Result unload(void *handle) {
  if (!isLive(handle, Kind::Library))
    return InvalidHandle;
  auto *library = static_cast<Library *>(handle);
  // A launch that waits in a stream may be of this library.
  Result result = drainAll(true);
  for (auto &[name, function] : library->functions) {
    state().live.erase(function);
    delete function;
  }
  state().live.erase(library);
  delete library;
  return result;
}

/// The handle of a kernel: the same one each time, as long as its library lives.
Result find(void **function, void *handle, const char *name) {
  if (!isLive(handle, Kind::Library))
    return InvalidHandle;
  auto *library = static_cast<Library *>(handle);
  auto program = library->module.find(name);
  if (!program)
    return NotFound;
  Function *&slot = library->functions[name];
  if (!slot) {
    slot = keep(new Function, Kind::Function);
    slot->program = program;
    slot->info = *library->module.info(name);
    slot->name = name;
    // More needs cuFuncSetAttribute first, as on a device.
    slot->dynamicShared = std::max(0, (48 << 10) - static_cast<int>(slot->info.staticShared));
  }
  *function = slot;
  return Success;
}

int mostShared() { return static_cast<int>(ptx::mostSharedBytes(state().options.capability)); }

/// What cuLaunchKernel and cuLaunchKernelEx share. `dependent`: with programmatic stream serialization. `cluster`:
/// zeros where the launch says none.
Result launch(void *handle, const unsigned grid[3], const unsigned block[3], unsigned shared, void *streamHandle,
              void **parameters, void **extra, bool dependent, const std::array<uint32_t, 3> &cluster = {}) {
  if (!isLive(handle, Kind::Function))
    return InvalidHandle;
  Stream *stream = streamOf(streamHandle);
  if (!stream)
    return InvalidHandle;
  auto *function = static_cast<Function *>(handle);
  const ptx::KernelInfo &info = function->info;
  // In 64 bits, so that three large sides do not wrap.
  uint64_t threads = uint64_t{block[0]} * block[1] * block[2];
  // The limits of every device that CUDA 12 supports. `extra` is the other way to give parameters, which no client here
  // uses.
  if (extra || !grid[0] || !grid[1] || !grid[2] || grid[0] > 0x7fffffff || grid[1] > 65535 || grid[2] > 65535 ||
      !threads || threads > 1024)
    return InvalidValue;
  if (block[1] != 1 || block[2] != 1) {
    fprintf(stderr, "simdriver: blocks of more than one dimension are not built\n");
    return NotSupported;
  }
  // .maxntid or .reqntid of the kernel.
  if (threads > info.maxThreads)
    return OutOfResources;
  if (shared > static_cast<unsigned>(function->dynamicShared))
    return InvalidValue;
  // By value, now: callers may change their arguments as soon as the call returns.
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i < info.parameterBytes.size(); ++i) {
    if (!parameters || !parameters[i])
      return InvalidValue;
    bytes.resize(info.parameterOffsets[i] + info.parameterBytes[i]);
    memcpy(bytes.data() + info.parameterOffsets[i], parameters[i], info.parameterBytes[i]);
  }
  ptx::LaunchShape shape;
  shape.grid = grid[0], shape.gridY = grid[1], shape.gridZ = grid[2];
  shape.threads = static_cast<uint32_t>(threads);
  shape.sharedBytes = shared;
  shape.cluster = cluster;
  // Of the copy: the launch itself tells a shape that the kernel fixes from one that nobody asked for.
  ptx::LaunchShape resolved = shape;
  if (ptx::Report fault = ptx::resolveCluster(info, state().options.capability, resolved)) {
    print(fault.message);
    state().report = fault.message;
    uint64_t blocks = uint64_t{resolved.cluster[0]} * resolved.cluster[1] * resolved.cluster[2];
    return blocks > ptx::mostClusterBlocks ? InvalidClusterSize : InvalidValue;
  }
  // It keeps its program: a launch may come to its turn when the caller's handle is gone.
  auto run = [program = function->program, shape, bytes, dependent]() mutable -> Result {
    // What is no launch ends before anything behind it begins.
    shape.dependent = dependent && state().launched == state().running;
    ptx::Report fault = device().launch(*program, shape, bytes);
    // The driver has few numbers for what goes wrong in a kernel; the report has the rest.
    switch (fault.fault) {
    case ptx::Fault::None:
      return Success;
    case ptx::Fault::OutOfBounds:
      return die(IllegalAddress, fault.message);
    case ptx::Fault::Misaligned:
      return die(MisalignedAddress, fault.message);
    case ptx::Fault::Deadlock:
      return die(LaunchTimeout, fault.message);
    default:
      return die(LaunchFailed, fault.message);
    }
  };
  return enqueue(stream, {"launch " + function->name, std::move(run), /*isLaunch=*/true});
}

} // namespace

YUPANA_ENTRY cuLibraryLoadData(void **library, const void *code, const int *options, void **values, unsigned count,
                               const int *, void **, unsigned) {
  return enter(true, [&] { return load(library, code, options, values, count); });
}
YUPANA_ENTRY cuLibraryUnload(void *library) {
  return enter(true, [&] { return unload(library); });
}
YUPANA_ENTRY cuLibraryGetKernel(void **kernel, void *library, const char *name) {
  return enter(true, [&] { return find(kernel, library, name); });
}
YUPANA_ENTRY cuKernelGetFunction(void **function, void *kernel) {
  return enter(true, [&]() -> Result {
    if (!isLive(kernel, Kind::Function))
      return InvalidHandle;
    *function = kernel;
    return Success;
  });
}
YUPANA_ENTRY cuModuleLoadDataEx(void **module, const void *code, unsigned count, const int *options, void **values) {
  return enter(true, [&] { return load(module, code, options, values, count); });
}
YUPANA_ENTRY cuModuleLoadData(void **module, const void *code) {
  return enter(true, [&] { return load(module, code, nullptr, nullptr, 0); });
}
YUPANA_ENTRY cuModuleUnload(void *module) {
  return enter(true, [&] { return unload(module); });
}
YUPANA_ENTRY cuModuleGetFunction(void **function, void *module, const char *name) {
  return enter(true, [&] { return find(function, module, name); });
}

YUPANA_ENTRY cuFuncGetAttribute(int *value, int attribute, void *handle) {
  return enter(true, [&]() -> Result {
    if (!isLive(handle, Kind::Function))
      return InvalidHandle;
    auto *function = static_cast<Function *>(handle);
    switch (attribute) {
    case 0: // most threads of a block
      *value = static_cast<int>(function->info.maxThreads);
      return Success;
    case 1: // shared memory fixed in the code
      *value = static_cast<int>(function->info.staticShared);
      return Success;
    case 4: // registers of a thread
      *value = static_cast<int>(function->info.registers);
      return Success;
    // Both are answered alike, by the device's capability.
    case 5: // PTX version of the text
    case 6: // architecture
      *value = static_cast<int>(state().options.capability);
      return Success;
    case 8:
      *value = function->dynamicShared;
      return Success;
    case 10: // a cluster's shape must be said
      *value = function->info.needsCluster || function->info.cluster[0];
      return Success;
    case 11: // the shape that the code fixes
    case 12:
    case 13:
      *value = static_cast<int>(function->info.cluster[static_cast<size_t>(attribute - 11)]);
      return Success;
    default:
      *value = 0;
      return attribute < 0 || attribute > 20 ? InvalidValue : Success;
    }
  });
}

YUPANA_ENTRY cuFuncSetAttribute(void *handle, int attribute, int value) {
  return enter(true, [&]() -> Result {
    if (!isLive(handle, Kind::Function))
      return InvalidHandle;
    auto *function = static_cast<Function *>(handle);
    if (attribute == 9) // how much of the cache is shared memory
      return Success;
    // Static and dynamic memory together are limited.
    if (attribute != 8 || value < 0 || value > mostShared() - static_cast<int>(function->info.staticShared))
      return InvalidValue;
    function->dynamicShared = value;
    return Success;
  });
}

YUPANA_ENTRY cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *handle, int threads, size_t shared) {
  return enter(true, [&]() -> Result {
    if (!isLive(handle, Kind::Function) || threads <= 0)
      return InvalidValue;
    auto *function = static_cast<Function *>(handle);
    // The system keeps 1 KB of every block's shared memory.
    int bytes = static_cast<int>(shared) + static_cast<int>(function->info.staticShared) + 1024;
    *blocks = std::min({32, 2048 / ((threads + 31) / 32 * 32), (mostShared() + 1024) / bytes});
    return Success;
  });
}

YUPANA_ENTRY cuLaunchKernel(void *function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX,
                            unsigned blockY, unsigned blockZ, unsigned shared, void *stream, void **parameters,
                            void **extra) {
  unsigned grid[] = {gridX, gridY, gridZ}, block[] = {blockX, blockY, blockZ};
  return enter(true,
               [&] { return launch(function, grid, block, shared, stream, parameters, extra, /*dependent=*/false); });
}

namespace {

/// As in cuda.h.
struct LaunchAttribute {
  int id;
  char padding[4];
  unsigned value[16];
};
struct LaunchConfig {
  unsigned grid[3], block[3], shared;
  void *stream;
  LaunchAttribute *attributes;
  unsigned count;
};

} // namespace

YUPANA_ENTRY cuLaunchKernelEx(const LaunchConfig *config, void *function, void **parameters, void **extra) {
  return enter(true, [&]() -> Result {
    bool dependent = false;
    std::array<uint32_t, 3> cluster{};
    for (unsigned i = 0; i < config->count; ++i) {
      const LaunchAttribute &attribute = config->attributes[i];
      // 4 is the cluster's shape; attributes that are not named here are hints.
      if (attribute.id == 4)
        std::copy_n(attribute.value, 3, cluster.begin());
      // 6 lets the kernel begin before the one before it has ended.
      dependent |= attribute.id == 6 && attribute.value[0];
      if ((dependent || attribute.id == 4) && state().options.capability < 90)
        return NotSupported;
    }
    return launch(function, config->grid, config->block, config->shared, config->stream, parameters, extra, dependent,
                  cluster);
  });
}
