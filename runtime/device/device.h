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

/// Which device is meant.
struct DeviceChoice {
  const DeviceKind *kind; // null: any
  uint32_t ordinal;       // among those of its kind; below kMaxOrdinals
  const char *driver;     // the file of a GPU's driver; null: the system's
};

/// What every opened device begins with.
struct Device {
  const DeviceKind *kind;
  uint32_t slot;    // contexts of a plan share weights where this is the same: kind->index + ordinal
  uint32_t workers; // threads of this process that work for it, the calling one included
  uint32_t sms;     // of grids: multiprocessors of a GPU, workers of a CPU
  uint32_t formats; // bit 1 << f for every schema::ImageFormat f that it loads; load_image may take bits away
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
  bool waits;     // its kernel waits for the launch before it, so that it may begin earlier
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

/// Steps that may be on their way at once. Each has a slot, 0 to kStepsInFlight - 1, for what the host keeps of it.
inline constexpr uint32_t kStepsInFlight = 4;

/// What leaves a device after a step.
enum StepResult : uint32_t { kLogits, kSampled, kStepResults };

struct StepOutput {
  void *address;  // where kernels left it
  uint64_t bytes; // 0: it is not wanted
  void *host;     // where the host can read and write it, of ids until the slot's next step; of finish
};

struct DeviceOptions {
  DeviceChoice choice;                 // of this kind
  const schema::Target *target;        // whose code is to be run; null: none, the device only reads and hashes
  uint32_t threads;                    // 0: one per processor that this process may use
  uint64_t scratch_bytes;              // the most that a worker needs while a kernel runs
  uint64_t result_bytes[kStepResults]; // the most that is read back
};

/// Does the launches, or prepares to: see DeviceKind.
using LaunchFunction = Code(Device *device, const StepSizes &sizes, const ActiveLaunch *launches, uint32_t count,
                            yupana_status_t *out_status);

struct DeviceKind {
  uint32_t index;       // in kDevices of devices.h
  bool has_host_memory; // its memory is the host's: weights may be pages of the file

  /// How good the target is among those of this kind, from 0; -1 when it is none of them. The order may depend on the
  /// machine.
  int (*rank)(const char *target);
  /// How the code of a target of this kind meets a device of this machine. INCOMPATIBLE with the reason.
  Code (*fit)(const DeviceChoice &choice, const schema::Target &target, yupana_fit_t *out_fit, const Report &report);
  /// The best target of this kind that runs on a device of this machine; "" when there is none.
  const char *(*native)(const DeviceChoice &choice);

  /// INVALID_ARGUMENT (too many threads), INCOMPATIBLE, OUT_OF_MEMORY. What the device allocates for itself comes from
  /// `allocator`.
  Code (*open)(const Allocator &allocator, const DeviceOptions &options, Device **out_device, const Report &report);
  /// Everything loaded into the device goes with it; memory of allocate() does not.
  void (*close)(Device *device);
  /// Adds what the device holds for itself to the fields of `out` but `total`.
  void (*memory)(const Device *device, yupana_memory_info_t *out);

  /// Memory for kernels, of at least `alignment` and as the device likes it; not initialised. `host` is where it comes
  /// from if it is the host's, else where its bookkeeping comes from. It may outlive the device, but not the last one
  /// of the same slot. OUT_OF_MEMORY names `what`.
  Code (*allocate)(Device *device, const Allocator &host, uint64_t bytes, uint64_t alignment, const char *what,
                   Memory *out_memory, yupana_status_t *out_status);
  /// A failure is the answer of every later function of this device that has one.
  void (*zero)(Device *device, void *memory, uint64_t bytes);

  /// A block of `bytes` bytes, all zero on both sides. OUT_OF_MEMORY.
  Code (*allocate_inputs)(Device *device, const Allocator &host, uint64_t bytes, InputBlock *out_block,
                          yupana_status_t *out_status);
  /// Before the launches of a step, whose slot is free: makes `ranges` of the block, in ascending order, visible to
  /// kernels of this step and not of those before it; the host may then write to the block again. A failure is the
  /// answer of every later function of this device that has one.
  void (*send_inputs)(Device *device, const InputBlock &block, uint32_t slot, const InputRange *ranges, uint32_t count);
  /// Copies within the device's memory, behind all that it was given before. Failures as of send_inputs.
  void (*copy)(Device *device, void *to, const void *from, uint64_t bytes);

  /// Takes the bytes of a section of code, which are not needed afterwards. INVALID_DATA, OUT_OF_MEMORY, and
  /// INCOMPATIBLE for code that this very device does not take, whose format is then no longer in `formats`.
  Code (*load_image)(Device *device, schema::ImageFormat format, const uint8_t *bytes, uint64_t size,
                     const Report &report);
  /// In the image loaded last; null when it has no such function. OUT_OF_MEMORY, INTERNAL.
  Code (*find_kernel)(Device *device, const char *symbol, void **out_kernel, yupana_status_t *out_status);

  /// Fills in `launch->prepared`; everything else is. OUT_OF_MEMORY, and INCOMPATIBLE for more threads or shared memory
  /// than the device has.
  Code (*prepare_launch)(Device *device, DeviceLaunch *launch, yupana_status_t *out_status);

  /// Does the launches one after the other: each sees what those before it wrote. Allocates nothing. INTERNAL when the
  /// device fails, which no context survives. May return before the launches are done.
  LaunchFunction *run;
  /// When a context is created, after all launches have been prepared: steps of these sizes and launches are going to
  /// be run often, and may be made quicker. OUT_OF_MEMORY, INTERNAL.
  LaunchFunction *capture;
  /// Behind the launches of a step: fills in `host` for the outputs that are wanted, which are there once the slot has
  /// been waited for. INTERNAL.
  Code (*finish)(Device *device, uint32_t slot, StepOutput outputs[kStepResults], yupana_status_t *out_status);
  /// Waits for the step of a slot. Slots are waited for in the order of their steps. INTERNAL.
  Code (*wait)(Device *device, uint32_t slot, yupana_status_t *out_status);

  /// Goes through all chunks with several threads, which claim them in ascending order. CANCELLED, or OK with
  /// `*out_fault` filled in, or OUT_OF_MEMORY for windows, which come from `host`.
  Code (*load)(Device *device, const Allocator &host, const ChunkWork &work, Progress &progress, ChunkFault *out_fault,
               const Report &report);
  /// Calls the filler for every item that is wanted, a weight's number, from several threads; then it is filled.
  /// CANCELLED, UNREADABLE when the filler could not.
  Code (*fill)(Device *device, const yupana_filler_t &filler, const Array<FillItem> &items, Progress &progress,
               const Report &report);
};

} // namespace yupana::runtime

#endif
