// SPDX-License-Identifier: Apache-2.0
//
// Which GPUs this machine has, for `--target native`.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_DEVICES_H
#define YUPANA_COMPILER_CODEGEN_GPU_DEVICES_H

#include <vector>

namespace yupana::codegen::cuda {

/// The compute capabilities, major times 10 and minor, of all CUDA devices; none where there is no driver. Asked once;
/// any thread may call it.
const std::vector<unsigned> &listCapabilities();

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_DEVICES_H
