// SPDX-License-Identifier: Apache-2.0
//
// A GPU as a device: its own memory, images that its driver loads, launches on one stream, and pinned memory between
// the two sides. Several may be open at once, on any threads; they share the GPU's primary context and nothing else.

#ifndef YUPANA_RUNTIME_DEVICE_CUDA_CUDA_DEVICE_H
#define YUPANA_RUNTIME_DEVICE_CUDA_CUDA_DEVICE_H

#include "runtime/device/cuda/cuda_kind.h"
#include "runtime/device/cuda/driver.h"

namespace yupana::runtime::cuda {

/// Threads that load weights mostly wait for a disk or the bus.
inline constexpr uint32_t kReadersPerProcessor = 4;
/// More threads than this read and hash no faster than a bus takes it.
inline constexpr uint32_t kMaxReaders = 32;

/// Host memory that lives as long as the device, in a list; what it is for follows the head.
struct Kept {
  Kept *next;
  uint64_t bytes; // with the head
};

/// An image, loaded.
struct LoadedLibrary : Kept {
  LoadedLibrary *older;
  Library library;
};

/// The launches of a step, as one that the driver does at once.
struct CapturedStep : Kept {
  CapturedStep *older;
  StepSizes sizes;
  uint32_t count;            // of launches
  const DeviceLaunch *first; // of them
  Executable executable;
};

/// What find_kernel answers with.
struct LoadedKernel : Kept {
  Function function;
  int max_threads;    // of a block
  int shared_bytes;   // fixed in the code
  int dynamic_shared; // what launches may ask for, as far as the driver has been told
  char name[64];      // for messages, cut
};

struct CudaDevice : Device {
  Allocator allocator; // that it came from itself
  Driver driver;
  Gpu gpu;
  Context context; // the primary one, retained
  Stream stream;
  int max_shared;   // bytes of a block
  bool overlaps;    // launches of kernels that wait may begin early
  uint32_t readers; // threads that load weights
  Kept *kept;
  LoadedLibrary *libraries; // the newest first
  CapturedStep *captured;   // likewise
  uint64_t kept_bytes;
  uint64_t image_bytes;
  void *pinned_inputs; // [kStepsInFlight][input_bytes], where the GPU copies the inputs of steps from
  uint64_t input_bytes;
  void *pinned_ids; // [kStepsInFlight][id_bytes], where sampled tokens arrive
  uint64_t id_bytes;
  Event ends[kStepsInFlight]; // of the steps in flight
  Memory logits;              // where logits arrive: pageable, for most programs never touch it
  uint32_t sizes[3];          // of the step, read by the driver when it launches
  /// What an earlier call of the driver failed with, of which nobody could be told at once; `code` is OK before.
  yupana_status_t failure;
};

inline CudaDevice &gpu(Device *device) { return *static_cast<CudaDevice *>(device); }

/// Makes the GPU's context the current one of this thread, and at the end the one that was.
class Current {
public:
  explicit Current(const CudaDevice &device) : driver_(device.driver), result_(driver_.context_push(device.context)) {}
  Current(const Current &) = delete;
  Current &operator=(const Current &) = delete;
  ~Current() {
    Context context;
    if (result_ == kSuccess)
      driver_.context_pop(&context);
  }
  Result result() const { return result_; }

private:
  const Driver &driver_;
  Result result_;
};

/// The status of a driver call that failed while `what` was being done before any step: OUT_OF_MEMORY or INTERNAL.
Code fail_call(const CudaDevice &device, Result result, const char *what, yupana_status_t *out_status);

/// The end of the device: remembers why a call failed that belongs to a step, and says it. INTERNAL.
Code fail_device(CudaDevice &device, Result result, yupana_status_t *out_status);

/// OK, or again what ended the device.
Code check_alive(const CudaDevice &device, yupana_status_t *out_status);

/// Memory that goes with the device; null when there is none.
void *keep(CudaDevice &device, uint64_t bytes);

/// Gives one launch to the stream; the sizes of the step stand in the device. `follows`: another launch stands right
/// before it, which need not have ended when it begins.
Result launch_one(const CudaDevice &device, const ActiveLaunch &active, bool follows);

/// What can be refused before the first launch: check_alive, and UNSUPPORTED for more blocks than a GPU takes.
Code check_launches(const CudaDevice &device, const ActiveLaunch *launches, uint32_t count,
                    yupana_status_t *out_status);

/// The functions of the table that have files of their own.
int cuda_rank(const char *target);
Code cuda_fit(const DeviceChoice &choice, const schema::Target &target, yupana_fit_t *out_fit, const Report &report);
const char *cuda_native(const DeviceChoice &choice);
/// How a target meets a GPU. INCOMPATIBLE with the reason.
Code fit_gpu(const Gpu &gpu, const schema::Target &target, yupana_fit_t *out_fit, const Report &report);

Code cuda_load_image(Device *device, schema::ImageFormat format, const uint8_t *bytes, uint64_t size,
                     const Report &report);
Code cuda_find_kernel(Device *device, const char *symbol, void **out_kernel, yupana_status_t *out_status);
Code cuda_prepare_launch(Device *device, DeviceLaunch *launch, yupana_status_t *out_status);

Code cuda_run(Device *device, const StepSizes &sizes, const ActiveLaunch *launches, uint32_t count,
              yupana_status_t *out_status);
Code cuda_capture(Device *device, const StepSizes &sizes, const ActiveLaunch *launches, uint32_t count,
                  yupana_status_t *out_status);
Code cuda_finish(Device *device, uint32_t slot, StepOutput outputs[kStepResults], yupana_status_t *out_status);
Code cuda_wait(Device *device, uint32_t slot, yupana_status_t *out_status);

Code cuda_load(Device *device, const Allocator &host, const ChunkWork &work, Progress &progress, ChunkFault *out_fault,
               const Report &report);
Code cuda_fill(Device *device, const yupana_filler_t &filler, const Array<FillItem> &items, Progress &progress,
               const Report &report);

} // namespace yupana::runtime::cuda

#endif
