// SPDX-License-Identifier: Apache-2.0
//
// Names: of entry points, for clients that look them up, and of results, in the words of the driver. Clients ask for a
// base name and a version of the interface; the newest version of an entry point that is here answers.

#include "tools/simdriver/DriverState.h"

#include <cstring>
#include <dlfcn.h>

using namespace yupana;
using namespace yupana::simdriver;

namespace {

/// The words are the driver's own, since clients show them to their users.
struct Text {
  Result result;
  const char *name, *text;
};
const Text texts[] = {
    {Success, "CUDA_SUCCESS", "no error"},
    {InvalidValue, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {OutOfMemory, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {NotInitialized, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {static_cast<Result>(100), "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {InvalidDevice, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {InvalidImage, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {InvalidContext, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {NoBinaryForGpu, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
    {InvalidPtx, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
    {UnsupportedPtxVersion, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
     "the provided PTX was compiled with an unsupported "
     "toolchain"},
    {InvalidHandle, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {NotFound, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {NotReady, "CUDA_ERROR_NOT_READY", "device not ready"},
    {IllegalAddress, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {OutOfResources, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
    {LaunchTimeout, "CUDA_ERROR_LAUNCH_TIMEOUT", "the launch timed out and was terminated"},
    {MisalignedAddress, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
    {LaunchFailed, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {NotSupported, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {CaptureUnsupported, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"},
    {CaptureInvalidated, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
     "operation failed due to a previous error during "
     "capture"},
    {GraphUpdateFailure, "CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE",
     "the graph update was not performed because it included "
     "changes which violated constraints"},
    {InvalidClusterSize, "CUDA_ERROR_INVALID_CLUSTER_SIZE", "invalid cluster size"},
};

const Text *find(int result) {
  for (const Text &text : texts)
    if (text.result == result)
      return &text;
  return nullptr;
}

} // namespace

YUPANA_ENTRY cuGetErrorName(int result, const char **name) {
  const Text *text = find(result);
  *name = text ? text->name : nullptr;
  return text ? Success : InvalidValue;
}

YUPANA_ENTRY cuGetErrorString(int result, const char **string) {
  const Text *text = find(result);
  *string = text ? text->text : nullptr;
  return text ? Success : InvalidValue;
}

// Interfaces before CUDA 12 had other versions of the entry points.
YUPANA_ENTRY cuGetProcAddress_v2(const char *symbol, void **function, int version, uint64_t, int *status) {
  *function = version < 12000 ? nullptr : entryPoint(symbol);
  // The numbers of CUdriverProcAddressQueryResult: found, not found, not in this version.
  if (status)
    *status = *function ? 0 : version < 12000 ? 2 : 1;
  return *function ? Success : NotFound;
}

/// The newest version of a base name that there is here.
void *simdriver::entryPoint(const std::string &name) {
  // Its own library and no other: a real driver may be loaded in the same process.
  static void *self = [] {
    Dl_info info;
    dladdr(reinterpret_cast<void *>(&cuGetErrorName), &info);
    return dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  }();
  for (const char *suffix : {"_v3", "_v2", ""})
    if (void *found = dlsym(self, (name + suffix).c_str()))
      return found;
  return nullptr;
}
