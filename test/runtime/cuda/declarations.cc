// SPDX-License-Identifier: Apache-2.0
//
// The runtime's own declarations of the CUDA driver are those of cuda.h, told by compiling this: numbers, and for every
// function that is called, parameters of the same sizes in the same order. Built only where there is a cuda.h.

#include "runtime/device/cuda/driver.h"
#include "runtime/device/cuda/nvtx.h"

#include <cuda.h>
#if __has_include(<nvtx3/nvToolsExt.h>)
#include <nvtx3/nvToolsExt.h>
#endif

#include <type_traits>

namespace {

namespace ours = yupana::runtime::cuda;

/// What a calling convention sees of a type: numbers by their size, and pointers.
template <typename A, typename B>
constexpr bool same_type =
    sizeof(A) == sizeof(B) && alignof(A) == alignof(B) &&
    std::is_pointer_v<A> == std::is_pointer_v<B> &&std::is_floating_point_v<A> == std::is_floating_point_v<B>;
template <typename A, typename B> constexpr bool same_function = false;
template <typename R, typename... A, typename S, typename... B>
constexpr bool same_function<R (*)(A...), S (*)(B...)> = [] {
  if constexpr (sizeof...(A) == sizeof...(B))
    return same_type<R, S> && (same_type<A, B> && ...);
  return false;
}();
static_assert(!same_function<int (*)(int), int (*)(long)> && !same_function<int (*)(int), int (*)()>);

// cuda.h gives some names a version by macros, which a declaration follows.
#define EXPECT_SAME(member, theirs)                                                                                    \
  static_assert(same_function<decltype(ours::Driver::member), decltype(&theirs)>, #theirs)
EXPECT_SAME(init, cuInit);
EXPECT_SAME(error_name, cuGetErrorName);
EXPECT_SAME(error_string, cuGetErrorString);
EXPECT_SAME(version, cuDriverGetVersion);
EXPECT_SAME(device_count, cuDeviceGetCount);
EXPECT_SAME(device_get, cuDeviceGet);
EXPECT_SAME(device_name, cuDeviceGetName);
EXPECT_SAME(device_attribute, cuDeviceGetAttribute);
EXPECT_SAME(context_retain, cuDevicePrimaryCtxRetain);
EXPECT_SAME(context_release, cuDevicePrimaryCtxRelease);
EXPECT_SAME(context_push, cuCtxPushCurrent);
EXPECT_SAME(context_pop, cuCtxPopCurrent);
EXPECT_SAME(context_wait, cuCtxSynchronize);
EXPECT_SAME(memory_info, cuMemGetInfo);
EXPECT_SAME(allocate, cuMemAlloc);
EXPECT_SAME(release, cuMemFree);
EXPECT_SAME(allocate_host, cuMemHostAlloc);
EXPECT_SAME(release_host, cuMemFreeHost);
EXPECT_SAME(copy_in, cuMemcpyHtoDAsync);
EXPECT_SAME(copy_out, cuMemcpyDtoHAsync);
EXPECT_SAME(copy_within, cuMemcpyDtoDAsync);
EXPECT_SAME(fill, cuMemsetD8Async);
EXPECT_SAME(create_stream, cuStreamCreate);
EXPECT_SAME(destroy_stream, cuStreamDestroy);
EXPECT_SAME(wait_stream, cuStreamSynchronize);
EXPECT_SAME(create_event, cuEventCreate);
EXPECT_SAME(destroy_event, cuEventDestroy);
EXPECT_SAME(record_event, cuEventRecord);
EXPECT_SAME(wait_event, cuEventSynchronize);
EXPECT_SAME(elapsed, cuEventElapsedTime);
EXPECT_SAME(load_library, cuLibraryLoadData);
EXPECT_SAME(unload_library, cuLibraryUnload);
EXPECT_SAME(get_kernel, cuLibraryGetKernel);
EXPECT_SAME(get_function, cuKernelGetFunction);
EXPECT_SAME(function_attribute, cuFuncGetAttribute);
EXPECT_SAME(set_function_attribute, cuFuncSetAttribute);
EXPECT_SAME(launch, cuLaunchKernelEx);
EXPECT_SAME(begin_capture, cuStreamBeginCapture);
EXPECT_SAME(end_capture, cuStreamEndCapture);
EXPECT_SAME(destroy_graph, cuGraphDestroy);
EXPECT_SAME(instantiate, cuGraphInstantiateWithFlags);
EXPECT_SAME(destroy_executable, cuGraphExecDestroy);
EXPECT_SAME(launch_graph, cuGraphLaunch);
static_assert(sizeof(ours::Driver) == 43 * sizeof(void *), "a function of the table is not compared above");

// Handles are the same types, not only of the same size.
static_assert(std::is_same_v<ours::Context, CUcontext> && std::is_same_v<ours::Stream, CUstream>);
static_assert(std::is_same_v<ours::Event, CUevent> && std::is_same_v<ours::Library, CUlibrary>);
static_assert(std::is_same_v<ours::Kernel, CUkernel> && std::is_same_v<ours::Function, CUfunction>);
static_assert(std::is_same_v<ours::Graph, CUgraph> && std::is_same_v<ours::Executable, CUgraphExec>);
static_assert(std::is_same_v<ours::Address, CUdeviceptr> && std::is_same_v<ours::Number, CUdevice>);

#define EXPECT_NUMBER(ours_, theirs) static_assert(int{ours::ours_} == int{theirs}, #theirs)
EXPECT_NUMBER(kSuccess, CUDA_SUCCESS);
EXPECT_NUMBER(kOutOfMemory, CUDA_ERROR_OUT_OF_MEMORY);
EXPECT_NUMBER(kNoDevice, CUDA_ERROR_NO_DEVICE);
EXPECT_NUMBER(kInvalidImage, CUDA_ERROR_INVALID_IMAGE);
EXPECT_NUMBER(kNoBinaryForGpu, CUDA_ERROR_NO_BINARY_FOR_GPU);
EXPECT_NUMBER(kInvalidPtx, CUDA_ERROR_INVALID_PTX);
EXPECT_NUMBER(kUnsupportedPtxVersion, CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
EXPECT_NUMBER(kNotFound, CUDA_ERROR_NOT_FOUND);
EXPECT_NUMBER(kIllegalAddress, CUDA_ERROR_ILLEGAL_ADDRESS);
EXPECT_NUMBER(kLaunchTimeout, CUDA_ERROR_LAUNCH_TIMEOUT);
EXPECT_NUMBER(kAssert, CUDA_ERROR_ASSERT);
EXPECT_NUMBER(kHardwareStackError, CUDA_ERROR_HARDWARE_STACK_ERROR);
EXPECT_NUMBER(kLaunchFailed, CUDA_ERROR_LAUNCH_FAILED);
EXPECT_NUMBER(kMultiprocessors, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
EXPECT_NUMBER(kCapabilityMajor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
EXPECT_NUMBER(kCapabilityMinor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
EXPECT_NUMBER(kMaxSharedPerBlock, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
EXPECT_NUMBER(kMaxThreadsPerBlock, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
EXPECT_NUMBER(kSharedBytes, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES);
EXPECT_NUMBER(kMaxDynamicSharedBytes, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
EXPECT_NUMBER(kCaptureThreadLocal, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
EXPECT_NUMBER(kErrorLogBuffer, CU_JIT_ERROR_LOG_BUFFER);
EXPECT_NUMBER(kErrorLogBytes, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES);
EXPECT_NUMBER(kProgrammaticSerialization, CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION);

#define EXPECT_PLACE(type, member, theirs, their_member)                                                               \
  static_assert(offsetof(ours::type, member) == offsetof(theirs, their_member), #theirs "." #their_member)
EXPECT_PLACE(LaunchAttribute, name, CUlaunchAttribute, id);
EXPECT_PLACE(LaunchAttribute, value, CUlaunchAttribute, value);
EXPECT_PLACE(LaunchConfig, grid, CUlaunchConfig, gridDimX);
EXPECT_PLACE(LaunchConfig, block, CUlaunchConfig, blockDimX);
EXPECT_PLACE(LaunchConfig, shared_bytes, CUlaunchConfig, sharedMemBytes);
EXPECT_PLACE(LaunchConfig, stream, CUlaunchConfig, hStream);
EXPECT_PLACE(LaunchConfig, attributes, CUlaunchConfig, attrs);
EXPECT_PLACE(LaunchConfig, attribute_count, CUlaunchConfig, numAttrs);
static_assert(sizeof(ours::LaunchAttribute) == sizeof(CUlaunchAttribute));
static_assert(sizeof(ours::LaunchConfig) == sizeof(CUlaunchConfig));
static_assert(unsigned{ours::kStreamNonBlocking} == unsigned{CU_STREAM_NON_BLOCKING});
static_assert(unsigned{ours::kEventBlocking} == unsigned{CU_EVENT_BLOCKING_SYNC});
static_assert(unsigned{ours::kEventDisableTiming} == unsigned{CU_EVENT_DISABLE_TIMING});
static_assert(unsigned{ours::kHostPortable} == unsigned{CU_MEMHOSTALLOC_PORTABLE});

#ifdef NVTX_VERSION
static_assert(ours::nvtx::kCallbacksTable == NVTX_ETID_CALLBACKS && ours::nvtx::kVersionTable == NVTX_ETID_VERSIONINFO);
static_assert(ours::nvtx::kCoreModule == NVTX_CB_MODULE_CORE && ours::nvtx::kModules == NVTX_CB_MODULE_SIZE);
static_assert(ours::nvtx::kRangePush == NVTX_CBID_CORE_RangePushA && ours::nvtx::kRangePop == NVTX_CBID_CORE_RangePop);
static_assert(ours::nvtx::kCoreFunctions == NVTX_CBID_CORE_SIZE && ours::nvtx::kVersion == NVTX_VERSION);
// No interface has more functions.
static_assert(ours::nvtx::kCoreFunctions >= NVTX_CBID_CORE2_SIZE && ours::nvtx::kCoreFunctions >= NVTX_CBID_CUDA_SIZE &&
              ours::nvtx::kCoreFunctions >= NVTX_CBID_CUDART_SIZE &&
              ours::nvtx::kCoreFunctions >= NVTX_CBID_SYNC_SIZE && ours::nvtx::kCoreFunctions >= NVTX_CBID_OPENCL_SIZE);
static_assert(sizeof(ours::nvtx::Callbacks) == sizeof(NvtxExportTableCallbacks));
static_assert(sizeof(ours::nvtx::Version) == sizeof(NvtxExportTableVersionInfo));
static_assert(same_function<decltype(ours::nvtx::Callbacks::get_functions),
                            decltype(NvtxExportTableCallbacks::GetModuleFunctionTable)>);
#endif

} // namespace
