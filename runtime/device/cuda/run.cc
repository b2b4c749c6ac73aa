// SPDX-License-Identifier: Apache-2.0
//
// The launches of a step on a GPU. One stream keeps them in order, so that each sees what those before it wrote, and
// the host is not waited for in between; it waits once, when the step ends. A call that fails leaves the GPU's memory
// in a state nobody knows, so it ends the context.

#include "runtime/device/cuda/cuda_device.h"

namespace yupana::runtime::cuda {

Code cuda_run(Device *device, const StepSizes &sizes, const ActiveLaunch *launches, uint32_t count,
              yupana_status_t *status) {
  CudaDevice &opened = gpu(device);
  if (Code code = check_alive(opened, status))
    return code;
  opened.sizes[0] = sizes.tokens;
  opened.sizes[1] = sizes.sequences;
  opened.sizes[2] = sizes.rows;
  for (uint32_t i = 0; i < count; ++i)
    if (launches[i].cells > kMaxBlocks)
      return fail(status, YUPANA_STATUS_UNSUPPORTED, "kernel '%s' would run in %u blocks; GPU %u takes %u in a launch",
                  static_cast<LoadedKernel *>(launches[i].launch->kernel)->name, launches[i].cells, opened.gpu.ordinal,
                  kMaxBlocks);
  Current current(opened);
  Result result = current.result();
  for (uint32_t i = 0; i < count && result == kSuccess; ++i) {
    const DeviceLaunch &launch = *launches[i].launch;
    // The driver copies the parameters during the call.
    result = opened.driver.launch(static_cast<LoadedKernel *>(launch.kernel)->function, launches[i].cells, 1, 1,
                                  launch.threads, 1, 1, launch.shared_bytes, opened.stream,
                                  static_cast<void **>(launch.prepared), nullptr);
  }
  return result == kSuccess ? YUPANA_STATUS_OK : fail_device(opened, result, status);
}

Code cuda_finish(Device *device, StepOutput outputs[kStepResults], yupana_status_t *status) {
  CudaDevice &opened = gpu(device);
  if (Code code = check_alive(opened, status))
    return code;
  void *places[kStepResults] = {};
  places[kLogits] = opened.logits.data();
  places[kSampled] = opened.pinned_ids;
  Current current(opened);
  Result result = current.result();
  for (uint32_t i = 0; i < kStepResults; ++i) {
    if (!outputs[i].bytes)
      continue;
    outputs[i].host = places[i];
    if (result == kSuccess)
      result = opened.driver.copy_out(places[i], reinterpret_cast<Address>(outputs[i].address), outputs[i].bytes,
                                      opened.stream);
  }
  if (result == kSuccess)
    result = opened.driver.wait_stream(opened.stream);
  return result == kSuccess ? YUPANA_STATUS_OK : fail_device(opened, result, status);
}

} // namespace yupana::runtime::cuda
