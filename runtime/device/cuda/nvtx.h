// SPDX-License-Identifier: Apache-2.0
//
// Ranges on the timeline of NVIDIA's profilers, by their interface NVTX 3. Such a profiler names a library in
// NVTX_INJECTION64_PATH before the program starts; without one a range is a look at a number.

#ifndef YUPANA_RUNTIME_DEVICE_CUDA_NVTX_H
#define YUPANA_RUNTIME_DEVICE_CUDA_NVTX_H

#include <cstddef>
#include <cstdint>

namespace yupana::runtime::cuda {

// What a profiler's library and a program tell each other: own declarations, which a test holds against the header.
namespace nvtx {
using Function = void (*)();
inline constexpr uint32_t kCallbacksTable = 1, kVersionTable = 3;
inline constexpr int kCoreModule = 1, kModules = 7;
inline constexpr uint32_t kRangePush = 9, kRangePop = 11, kCoreFunctions = 16, kVersion = 3;

struct Callbacks {
  size_t struct_size;
  int (*get_functions)(int module, Function ***out_table, unsigned *out_count);
};
struct Version {
  size_t struct_size;
  uint32_t version, reserved;
  void (*set_version)(uint32_t version);
};
} // namespace nvtx

/// From its construction to its end on this thread. `tokens` 0 leaves out what stands for it in the name.
class NvtxRange {
public:
  explicit NvtxRange(const char *name, uint32_t tokens = 0);
  NvtxRange(const NvtxRange &) = delete;
  NvtxRange &operator=(const NvtxRange &) = delete;
  ~NvtxRange();

private:
  bool open_;
};

} // namespace yupana::runtime::cuda

#endif
