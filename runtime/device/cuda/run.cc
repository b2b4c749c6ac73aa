// SPDX-License-Identifier: Apache-2.0
//
// The launches of a step on a GPU. One stream keeps them in order, so that each sees what those before it wrote, steps
// one behind the other, too, and the host is not waited for in between; it waits for an event behind a step. A call
// that fails leaves the GPU's memory in a state nobody knows, so it ends the context.

#include "runtime/device/cuda/cuda_device.h"
#include "runtime/device/cuda/nvtx.h"

namespace yupana::runtime::cuda {

namespace {

/// Asks the stream for launches, which it may be capturing.
Result launch_all(CudaDevice &device, const StepSizes &sizes, const ActiveLaunch *launches, uint32_t count) {
  device.sizes[0] = sizes.tokens;
  device.sizes[1] = sizes.sequences;
  device.sizes[2] = sizes.rows;
  Result result = kSuccess;
  for (uint32_t i = 0; i < count && result == kSuccess; ++i)
    result = launch_one(device, launches[i], i > 0);
  return result;
}

/// The launches as they were captured; null when they were not. A program's launches with the same sizes have the same
/// cells, so the first tells the program, and their number whether it samples.
const CapturedStep *find_captured(const CudaDevice &device, const StepSizes &sizes, const ActiveLaunch *launches,
                                  uint32_t count) {
  for (const CapturedStep *step = device.captured; step && count; step = step->older)
    if (step->first == launches[0].launch && step->count == count && step->sizes.tokens == sizes.tokens &&
        step->sizes.sequences == sizes.sequences && step->sizes.rows == sizes.rows)
      return step;
  return nullptr;
}

/// Captures the launches into `step`.
Result capture(CudaDevice &device, const StepSizes &sizes, const ActiveLaunch *launches, uint32_t count,
               CapturedStep &step) {
  const Driver &driver = device.driver;
  Graph graph = nullptr;
  Result result = driver.begin_capture(device.stream, kCaptureThreadLocal);
  if (result != kSuccess)
    return result;
  result = launch_all(device, sizes, launches, count);
  // A capture that has begun is ended whatever became of it.
  Result ended = driver.end_capture(device.stream, &graph);
  if (result == kSuccess)
    result = ended;
  if (result == kSuccess)
    result = driver.instantiate(&step.executable, graph, 0);
  if (graph)
    driver.destroy_graph(graph);
  return result;
}

} // namespace

/// A kernel that waits itself for what it reads may begin while the last blocks of the one before it run. In a capture
/// this makes an edge of the graph. The first launch follows a copy, which ends before anything behind it begins.
Result launch_one(const CudaDevice &device, const ActiveLaunch &active, bool follows) {
  const DeviceLaunch &launch = *active.launch;
  LaunchAttribute early = {kProgrammaticSerialization, 0, {1}};
  bool begins_early = follows && launch.waits && device.overlaps;
  LaunchConfig config = {{active.cells, 1, 1}, {launch.threads, 1, 1},          launch.shared_bytes,
                         device.stream,        begins_early ? &early : nullptr, begins_early};
  // The driver copies the parameters during the call.
  return device.driver.launch(&config, static_cast<LoadedKernel *>(launch.kernel)->function,
                              static_cast<void **>(launch.prepared), nullptr);
}

Code check_launches(const CudaDevice &device, const ActiveLaunch *launches, uint32_t count, yupana_status_t *status) {
  if (Code code = check_alive(device, status))
    return code;
  for (uint32_t i = 0; i < count; ++i)
    if (launches[i].cells > kMaxBlocks)
      return fail(status, YUPANA_STATUS_UNSUPPORTED, "kernel '%s' would run in %u blocks; GPU %u takes %u in a launch",
                  static_cast<LoadedKernel *>(launches[i].launch->kernel)->name, launches[i].cells, device.gpu.ordinal,
                  kMaxBlocks);
  return YUPANA_STATUS_OK;
}

Code cuda_run(Device *device, const StepSizes &sizes, const ActiveLaunch *launches, uint32_t count,
              yupana_status_t *status) {
  CudaDevice &opened = gpu(device);
  if (Code code = check_launches(opened, launches, count, status))
    return code;
  NvtxRange range("step", sizes.tokens);
  Current current(opened);
  Result result = current.result();
  if (result == kSuccess) {
    const CapturedStep *step = find_captured(opened, sizes, launches, count);
    result =
        step ? opened.driver.launch_graph(step->executable, opened.stream) : launch_all(opened, sizes, launches, count);
  }
  return result == kSuccess ? YUPANA_STATUS_OK : fail_device(opened, result, status);
}

/// Prepares launches as one graph, which costs one call of the driver in a step where they would cost one each. A graph
/// keeps the parameters and sizes that it was captured with.
Code cuda_capture(Device *device, const StepSizes &sizes, const ActiveLaunch *launches, uint32_t count,
                  yupana_status_t *status) {
  CudaDevice &opened = gpu(device);
  if (Code code = check_alive(opened, status))
    return code;
  if (count == 0)
    return YUPANA_STATUS_OK;
  NvtxRange range("capture of a step", sizes.tokens);
  auto *step = static_cast<CapturedStep *>(keep(opened, sizeof(CapturedStep)));
  if (!step)
    return fail(status, YUPANA_STATUS_OUT_OF_MEMORY, "no memory for a captured step");
  Current current(opened);
  Result result = current.result();
  if (result == kSuccess)
    result = capture(opened, sizes, launches, count, *step);
  if (result != kSuccess)
    return fail_call(opened, result, "steps that are captured", status);
  step->sizes = sizes;
  step->first = launches[0].launch;
  step->count = count;
  step->older = opened.captured;
  opened.captured = step;
  return YUPANA_STATUS_OK;
}

/// Results come back in the same stream, behind the launches.
Code cuda_finish(Device *device, uint32_t slot, StepOutput outputs[kStepResults], yupana_status_t *status) {
  CudaDevice &opened = gpu(device);
  if (Code code = check_alive(opened, status))
    return code;
  void *places[kStepResults] = {};
  places[kLogits] = opened.logits.data();
  places[kSampled] = static_cast<uint8_t *>(opened.pinned_ids) + slot * opened.id_bytes;
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
    result = opened.driver.record_event(opened.ends[slot], opened.stream);
  return result == kSuccess ? YUPANA_STATUS_OK : fail_device(opened, result, status);
}

/// Of the event and not of the stream, in which steps that follow may stand already.
Code cuda_wait(Device *device, uint32_t slot, yupana_status_t *status) {
  CudaDevice &opened = gpu(device);
  if (Code code = check_alive(opened, status))
    return code;
  NvtxRange range("wait for a step");
  Current current(opened);
  Result result = current.result();
  if (result == kSuccess)
    result = opened.driver.wait_event(opened.ends[slot]);
  return result == kSuccess ? YUPANA_STATUS_OK : fail_device(opened, result, status);
}

} // namespace yupana::runtime::cuda
