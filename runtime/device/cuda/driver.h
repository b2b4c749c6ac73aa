// SPDX-License-Identifier: Apache-2.0
//
// The CUDA driver as this runtime declares it: the functions that are called, with the types and numbers of cuda.h, so
// that neither building nor starting needs anything of NVIDIA's. test/runtime/cuda/declarations.cc compares every
// line with cuda.h where there is one. The library is loaded when the first device is looked for, and stays: a CUDA
// driver cannot be unloaded while its threads run.

#ifndef YUPANA_RUNTIME_DEVICE_CUDA_DRIVER_H
#define YUPANA_RUNTIME_DEVICE_CUDA_DRIVER_H

#include "runtime/base/status.h"

#include <cstddef>
#include <cstdint>

// As in cuda.h, outside of namespaces: handles that only the driver looks into.
struct CUctx_st;
struct CUstream_st;
struct CUevent_st;
struct CUlib_st;
struct CUkern_st;
struct CUfunc_st;
struct CUgraph_st;
struct CUgraphExec_st;

namespace yupana::runtime::cuda {

using Address = unsigned long long;
using Number = int; // of a GPU
using Context = CUctx_st *;
using Stream = CUstream_st *;
using Event = CUevent_st *;
using Library = CUlib_st *;
using Kernel = CUkern_st *;
using Function = CUfunc_st *;
using Graph = CUgraph_st *;
using Executable = CUgraphExec_st *; // a graph, ready to be launched

enum Result : int {
  kSuccess = 0,
  kOutOfMemory = 2,
  kNoDevice = 100,
  kInvalidImage = 200,
  kNoBinaryForGpu = 209,
  kInvalidPtx = 218,
  kUnsupportedPtxVersion = 222,
  kNotFound = 500,
  kIllegalAddress = 700,
  kLaunchTimeout = 702,
  kAssert = 710,
  kHardwareStackError = 714,
  kLaunchFailed = 719,
};

enum DeviceAttribute : int {
  kMultiprocessors = 16,
  kCapabilityMajor = 75,
  kCapabilityMinor = 76,
  kMaxSharedPerBlock = 97, // of those that ask for it
};

enum FunctionAttribute : int {
  kMaxThreadsPerBlock = 0,
  kSharedBytes = 1,           // fixed in the code
  kMaxDynamicSharedBytes = 8, // of a launch; to be raised before one that needs more
};

enum JitOption : int { kErrorLogBuffer = 5, kErrorLogBytes = 6 };
enum LaunchAttributeName : int {
  kProgrammaticSerialization = 6, // the kernel may begin before the one before it in its stream has ended
};

/// Of a launch; the value is of 64 bytes.
struct LaunchAttribute {
  LaunchAttributeName name;
  uint32_t reserved;
  uint32_t value[16];
};

struct LaunchConfig {
  unsigned grid[3], block[3], shared_bytes;
  Stream stream;
  const LaunchAttribute *attributes;
  unsigned attribute_count;
};

enum LibraryOption : int {};
enum CaptureMode : int { kCaptureThreadLocal = 1 };

enum : unsigned { kStreamNonBlocking = 1, kEventBlocking = 1, kEventDisableTiming = 2, kHostPortable = 1 };

/// The driver reads this version of its own interface from the names below, whatever its version is.
inline constexpr int kInterface = 12000;
/// Libraries of code came with 12.0.
inline constexpr int kLeastVersion = 12000;
/// The capability and the driver from which on launches may overlap, those of graphs, too.
inline constexpr uint32_t kOverlapCapability = 90;
inline constexpr int kOverlapVersion = 12030;
/// Blocks of a launch along x.
inline constexpr uint32_t kMaxBlocks = 0x7fffffff;

// What is called: member, name, parameters.
#define YUPANA_CUDA_FUNCTIONS(FUNCTION)                                                                                \
  FUNCTION(init, "cuInit", (unsigned flags))                                                                           \
  FUNCTION(error_name, "cuGetErrorName", (Result result, const char **name))                                           \
  FUNCTION(error_string, "cuGetErrorString", (Result result, const char **text))                                       \
  FUNCTION(version, "cuDriverGetVersion", (int *version))                                                              \
  FUNCTION(device_count, "cuDeviceGetCount", (int *count))                                                             \
  FUNCTION(device_get, "cuDeviceGet", (Number * number, int ordinal))                                                  \
  FUNCTION(device_name, "cuDeviceGetName", (char *name, int bytes, Number number))                                     \
  FUNCTION(device_attribute, "cuDeviceGetAttribute", (int *value, DeviceAttribute attribute, Number number))           \
  FUNCTION(context_retain, "cuDevicePrimaryCtxRetain", (Context * context, Number number))                             \
  FUNCTION(context_release, "cuDevicePrimaryCtxRelease", (Number number))                                              \
  FUNCTION(context_push, "cuCtxPushCurrent", (Context context))                                                        \
  FUNCTION(context_pop, "cuCtxPopCurrent", (Context * context))                                                        \
  FUNCTION(context_wait, "cuCtxSynchronize", ())                                                                       \
  FUNCTION(memory_info, "cuMemGetInfo", (size_t * free, size_t * total))                                               \
  FUNCTION(allocate, "cuMemAlloc", (Address * address, size_t bytes))                                                  \
  FUNCTION(release, "cuMemFree", (Address address))                                                                    \
  FUNCTION(allocate_host, "cuMemHostAlloc", (void **memory, size_t bytes, unsigned flags))                             \
  FUNCTION(release_host, "cuMemFreeHost", (void *memory))                                                              \
  FUNCTION(copy_in, "cuMemcpyHtoDAsync", (Address to, const void *from, size_t bytes, Stream stream))                  \
  FUNCTION(copy_out, "cuMemcpyDtoHAsync", (void *to, Address from, size_t bytes, Stream stream))                       \
  FUNCTION(copy_within, "cuMemcpyDtoDAsync", (Address to, Address from, size_t bytes, Stream stream))                  \
  FUNCTION(fill, "cuMemsetD8Async", (Address to, unsigned char value, size_t bytes, Stream stream))                    \
  FUNCTION(create_stream, "cuStreamCreate", (Stream * stream, unsigned flags))                                         \
  FUNCTION(destroy_stream, "cuStreamDestroy", (Stream stream))                                                         \
  FUNCTION(wait_stream, "cuStreamSynchronize", (Stream stream))                                                        \
  FUNCTION(create_event, "cuEventCreate", (Event * event, unsigned flags))                                             \
  FUNCTION(destroy_event, "cuEventDestroy", (Event event))                                                             \
  FUNCTION(record_event, "cuEventRecord", (Event event, Stream stream))                                                \
  FUNCTION(wait_event, "cuEventSynchronize", (Event event))                                                            \
  FUNCTION(elapsed, "cuEventElapsedTime", (float *milliseconds, Event first, Event second))                            \
  FUNCTION(load_library, "cuLibraryLoadData",                                                                          \
           (Library * library, const void *code, JitOption *jit_options, void **jit_values, unsigned jit_count,        \
            LibraryOption *options, void **values, unsigned count))                                                    \
  FUNCTION(unload_library, "cuLibraryUnload", (Library library))                                                       \
  FUNCTION(get_kernel, "cuLibraryGetKernel", (Kernel * kernel, Library library, const char *name))                     \
  FUNCTION(get_function, "cuKernelGetFunction", (Function * function, Kernel kernel))                                  \
  FUNCTION(function_attribute, "cuFuncGetAttribute", (int *value, FunctionAttribute attribute, Function function))     \
  FUNCTION(set_function_attribute, "cuFuncSetAttribute", (Function function, FunctionAttribute attribute, int value))  \
  FUNCTION(launch, "cuLaunchKernelEx",                                                                                 \
           (const LaunchConfig *config, Function function, void **parameters, void **extra))                           \
  FUNCTION(begin_capture, "cuStreamBeginCapture", (Stream stream, CaptureMode mode))                                   \
  FUNCTION(end_capture, "cuStreamEndCapture", (Stream stream, Graph * graph))                                          \
  FUNCTION(destroy_graph, "cuGraphDestroy", (Graph graph))                                                             \
  FUNCTION(instantiate, "cuGraphInstantiateWithFlags", (Executable * executable, Graph graph, uint64_t flags))         \
  FUNCTION(destroy_executable, "cuGraphExecDestroy", (Executable executable))                                          \
  FUNCTION(launch_graph, "cuGraphLaunch", (Executable executable, Stream stream))

/// The functions of a loaded driver. May be called from any thread.
struct Driver {
#define YUPANA_CUDA_MEMBER(member, name, parameters) Result(*member) parameters;
  YUPANA_CUDA_FUNCTIONS(YUPANA_CUDA_MEMBER)
#undef YUPANA_CUDA_MEMBER
};

/// Loads the driver from `file` (null: libcuda.so.1, as the system finds it) and starts it. INCOMPATIBLE, saying why:
/// no such library, not a CUDA driver, one that is too old, one that finds no GPU or does not start.
Code open_driver(const char *file, Driver *out_driver, yupana_status_t *out_status);

/// What a GPU is.
struct Gpu {
  Number number;
  uint32_t ordinal;
  uint32_t capability; // 10 * major + minor
  char name[64];
};

/// Looks at GPU `ordinal` of a driver. INCOMPATIBLE when it has no such.
Code find_gpu(const Driver &driver, uint32_t ordinal, Gpu *out_gpu, yupana_status_t *out_status);

/// Says what a call answered: "CUDA_ERROR_OUT_OF_MEMORY (out of memory)".
struct ResultText {
  ResultText(const Driver &driver, Result result);
  char text[160];
};

} // namespace yupana::runtime::cuda

#endif
