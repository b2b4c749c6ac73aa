// SPDX-License-Identifier: Apache-2.0
//
// The host's processor as a device: threads that claim cells, an ELF image, and memory that both sides share.

#ifndef YUPANA_RUNTIME_DEVICE_CPU_CPU_DEVICE_H
#define YUPANA_RUNTIME_DEVICE_CPU_CPU_DEVICE_H

#include "runtime/device/cpu/elf.h"
#include "runtime/device/cpu/thread_pool.h"
#include "runtime/device/device.h"

namespace yupana::runtime {

extern const DeviceKind kCpuDevice;

struct CpuDevice : Device {
  Allocator allocator; // that it came from itself
  ThreadPool pool;
  ElfImage image;
  Memory scratch;
  uint64_t scratch_stride; // of a worker
  Memory ids;              // [kStepsInFlight][id_bytes], what was sampled
  uint64_t id_bytes;
};

inline CpuDevice &cpu(Device *device) { return *static_cast<CpuDevice *>(device); }

/// The functions of the table that have files of their own.
Code cpu_run(Device *device, const StepSizes &sizes, const ActiveLaunch *launches, uint32_t count,
             yupana_status_t *out_status);
Code cpu_load(Device *device, const Allocator &host, const ChunkWork &work, Progress &progress, ChunkFault *out_fault,
              const Report &report);
Code cpu_fill(Device *device, const yupana_filler_t &filler, const Array<FillItem> &items, Progress &progress,
              const Report &report);

} // namespace yupana::runtime

#endif
