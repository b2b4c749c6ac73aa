// SPDX-License-Identifier: Apache-2.0
//
// The table of functions of a GPU, for the list of device kinds.

#ifndef YUPANA_RUNTIME_DEVICE_CUDA_CUDA_KIND_H
#define YUPANA_RUNTIME_DEVICE_CUDA_CUDA_KIND_H

#include "runtime/device/device.h"

namespace yupana::runtime {

/// GPUs that the CUDA driver drives.
extern const DeviceKind kCudaDevice;

} // namespace yupana::runtime

#endif
