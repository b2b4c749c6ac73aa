// SPDX-License-Identifier: Apache-2.0
//
// A device as the rest of the runtime sees it: memory, images of code, launches, steps, loads. Each kind of device is a
// table of functions; an opened one belongs to one context (or one verification) and to one thread at a time.
//
// Tables and not virtual classes, because those need an operator delete and __cxa_pure_virtual of the C++ library.

#ifndef YUPANA_RUNTIME_DEVICE_DEVICE_H
#define YUPANA_RUNTIME_DEVICE_DEVICE_H

#include "runtime/device/load.h"
#include "runtime/schema/plan_generated.h"

namespace yupana::runtime {

struct DeviceKind;

/// What every opened device begins with. Constant while it is open.
struct Device {
  const DeviceKind *kind;
  uint32_t workers; // threads of this process that work for it, the calling one included
  uint32_t sms;     // of grids: multiprocessors of a GPU, workers of a CPU
};

/// The sizes of a step, in the order kernels take them.
struct StepSizes {
  uint32_t tokens;
  uint32_t sequences;
  uint32_t rows;
};

/// A launch with its addresses resolved. `arguments` stays as long as the device.
struct DeviceLaunch {
  void *kernel; // of find_kernel
  void *const *arguments;
  uint32_t argument_count;
  uint32_t threads;
  uint32_t shared_bytes;
  void *prepared; // the device's own, of prepare_launch
};

/// A launch of a running step that has cells.
struct ActiveLaunch {
  const DeviceLaunch *launch;
  uint32_t cells;
};

/// The inputs of steps in one block. The host writes at `host`; kernels read at `device` once send_inputs has run.
struct InputBlock {
  Memory memory;
  uint8_t *host;
  uint8_t *device;
};

/// Bytes of the block that a step uses.
struct InputRange {
  uint64_t offset;
  uint64_t bytes;
};

/// What leaves a device after a step.
enum StepResult : uint32_t { kLogits, kSampled, kStepResults };

struct DeviceOptions {
  uint32_t threads;                    // 0: one per processor that this process may use
  uint64_t scratch_bytes;              // the most that a worker needs while a kernel runs
  uint64_t result_bytes[kStepResults]; // the most that is read back
};

struct DeviceKind {
  uint32_t index;       // in kDevices of devices.h
  uint32_t formats;     // bit 1 << f for every schema::ImageFormat f that it loads
  bool has_host_memory; // its memory is the host's: weights may be pages of the file

  /// How good the target is among those of this kind, from 0; -1 when it is none of them.
  int (*rank)(const char *target);
  /// What this machine lacks for a target of this kind; null when it runs there.
  const char *(*missing)(const char *target);
  /// The best target of this kind that runs on this machine; "" when there is none.
  const char *(*native)();

  /// INVALID_ARGUMENT (too many threads), OUT_OF_MEMORY. What the device allocates for itself comes from `allocator`.
  Code (*open)(const Allocator &allocator, const DeviceOptions &options, Device **out_device, const Report &report);
  /// Everything loaded into the device goes with it; memory of allocate() does not.
  void (*close)(Device *device);
  /// Adds what the device holds for itself to the fields of `out` but `total`.
  void (*memory)(const Device *device, yupana_memory_info_t *out);

  /// Memory for kernels, of at least `alignment` and as the device likes it; not initialised. `host` is where it comes
  /// from if it is the host's. It may outlive the device. OUT_OF_MEMORY names `what`.
  Code (*allocate)(Device *device, const Allocator &host, uint64_t bytes, uint64_t alignment, const char *what,
                   Memory *out_memory, yupana_status_t *out_status);
  void (*zero)(Device *device, void *memory, uint64_t bytes);

  /// A block of `bytes` bytes, all zero on both sides. OUT_OF_MEMORY.
  Code (*allocate_inputs)(Device *device, const Allocator &host, uint64_t bytes, InputBlock *out_block,
                          yupana_status_t *out_status);
  /// Before the launches of a step: makes `ranges` of the block, in ascending order, visible to kernels.
  void (*send_inputs)(Device *device, const InputBlock &block, const InputRange *ranges, uint32_t count);

  /// Takes the bytes of a section of code, which are not needed afterwards. INVALID_DATA, OUT_OF_MEMORY.
  Code (*load_image)(Device *device, schema::ImageFormat format, const uint8_t *bytes, uint64_t size,
                     const Report &report);
  /// In the image loaded last; null when it has no such function.
  void *(*find_kernel)(Device *device, const char *symbol);

  /// Fills in `launch->prepared`; everything else is. OUT_OF_MEMORY.
  Code (*prepare_launch)(Device *device, DeviceLaunch *launch, yupana_status_t *out_status);

  /// Does the launches one after the other: each sees what those before it wrote. Allocates nothing. INTERNAL when the
  /// device fails, which no context survives.
  Code (*run)(Device *device, const StepSizes &sizes, const ActiveLaunch *launches, uint32_t count,
              yupana_status_t *out_status);
  /// `bytes` bytes of a result, which kernels left at `address`, where the host can read and write them until the next
  /// step. INTERNAL.
  Code (*read_back)(Device *device, StepResult result, void *address, uint64_t bytes, void **out_host,
                    yupana_status_t *out_status);

  /// Goes through all chunks with all workers, which claim them in ascending order. CANCELLED, or OK with `*out_fault`
  /// filled in, or OUT_OF_MEMORY for the windows that a null `dst` needs, from `host`.
  Code (*load)(Device *device, const Allocator &host, const ChunkWork &work, Progress &progress, ChunkFault *out_fault,
               const Report &report);
  /// Calls the filler for every item that is wanted, a weight's number, from several threads; then it is filled.
  /// CANCELLED, UNREADABLE when the filler could not.
  Code (*fill)(Device *device, const yupana_filler_t &filler, const Array<FillItem> &items, Progress &progress,
               const Report &report);
};

} // namespace yupana::runtime

#endif
