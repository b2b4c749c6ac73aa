// SPDX-License-Identifier: Apache-2.0
//
// The table of the CPU. Kernels and host share memory here, so inputs are where they have to be, and logits stay where
// kernels left them. A step has run when it has been given; its ids are put aside, since the next step writes over
// them.

#include "runtime/device/cpu/cpu_device.h"

#include "runtime/device/cpu/levels.h"
#include "runtime/device/cpu/rank.h"

#include <cstring>

namespace yupana::runtime {

namespace {

/// Whoever calls has found the target among those of CPUs.
Code cpu_fit(const DeviceChoice &choice, const schema::Target &target, yupana_fit_t *out, const Report &report) {
  const char *name = target.name()->c_str();
  auto level = static_cast<uint32_t>(find_cpu_level(name));
  if (const char *missing = missing_cpu_feature(level))
    return report.fail(YUPANA_STATUS_INCOMPATIBLE, "target '%s' needs %s, which this machine lacks", name, missing);
  // Asked here, where another target can still be taken, and only of plans that have such code.
  if (!permit_cpu_level(level))
    return report.fail(YUPANA_STATUS_INCOMPATIBLE,
                       "target '%s' needs tile registers, which the system does not let this process use", name);
  *out = strcmp(cpu_native(choice), name) == 0 ? YUPANA_FIT_EXACT : YUPANA_FIT_SUBSET;
  return YUPANA_STATUS_OK;
}

Code cpu_allocate(Device *, const Allocator &host, uint64_t bytes, uint64_t alignment, const char *what, Memory *out,
                  yupana_status_t *status) {
  // Huge pages need alignment to one; below that a page keeps allocations of threads apart.
  uint64_t likes = bytes >= kHugePage ? kHugePage : 4096;
  if (Code code = out->allocate(host, bytes, alignment > likes ? alignment : likes, what, status))
    return code;
  out->advise_huge_pages();
  return YUPANA_STATUS_OK;
}

void cpu_zero(Device *, void *memory, uint64_t bytes) { memset(memory, 0, bytes); }

Code cpu_allocate_inputs(Device *device, const Allocator &host, uint64_t bytes, InputBlock *out,
                         yupana_status_t *status) {
  if (Code code = cpu_allocate(device, host, bytes, kCacheLine, "step inputs", &out->memory, status))
    return code;
  out->memory.zero();
  // One block for both sides: what the host writes is where kernels read.
  out->host = out->device = out->memory.data();
  return YUPANA_STATUS_OK;
}

void cpu_send_inputs(Device *, const InputBlock &, uint32_t, const InputRange *, uint32_t) {}

void cpu_copy(Device *, void *to, const void *from, uint64_t bytes) { memcpy(to, from, bytes); }

void cpu_close(Device *device) {
  CpuDevice &opened = cpu(device);
  opened.pool.stop();
  Allocator allocator = opened.allocator;
  destroy_object(allocator, &opened);
}

Code cpu_prepare(CpuDevice &device, const DeviceOptions &options, const Report &report) {
  uint32_t threads = options.threads ? options.threads : yupana_available_threads();
  // A default beyond the limit is cut; a wish beyond it was refused by cpu_open.
  if (Code code = device.pool.start(device.allocator, threads < kMaxThreads ? threads : kMaxThreads, report.out()))
    return code;
  // A grid that asks for the number of multiprocessors gets that of what runs cells at once here.
  device.workers = device.sms = device.pool.threads();
  device.id_bytes = options.result_bytes[kSampled];
  if (device.id_bytes)
    if (Code code = device.ids.allocate(device.allocator, kStepsInFlight * device.id_bytes, kCacheLine,
                                        "sampled tokens", report.out()))
      return code;
  if (!options.scratch_bytes)
    return YUPANA_STATUS_OK;
  // A line of padding keeps workers apart and kernels that read whole vectors inside.
  device.scratch_stride = (options.scratch_bytes + 2 * kCacheLine - 1) & ~(kCacheLine - 1);
  if (Code code = cpu_allocate(&device, device.allocator, device.scratch_stride * device.workers, kCacheLine,
                               "scratch memory", &device.scratch, report.out()))
    return code;
  device.scratch.zero();
  return YUPANA_STATUS_OK;
}

Code cpu_open(const Allocator &allocator, const DeviceOptions &options, Device **out_device, const Report &report) {
  if (options.threads > kMaxThreads)
    return report.fail(YUPANA_STATUS_INVALID_ARGUMENT, "%u threads were asked for; at most %u are possible",
                       options.threads, kMaxThreads);
  auto *device = create_object<CpuDevice>(allocator);
  if (!device)
    return report.fail(YUPANA_STATUS_OUT_OF_MEMORY, "no memory for a device");
  device->kind = &kCpuDevice;
  device->formats = 1u << static_cast<uint32_t>(schema::ImageFormat::elf_x86_64);
  device->allocator = allocator;
  if (Code code = cpu_prepare(*device, options, report)) {
    cpu_close(device);
    return code;
  }
  *out_device = device;
  return YUPANA_STATUS_OK;
}

void cpu_memory(const Device *device, yupana_memory_info_t *out) {
  const auto &opened = *static_cast<const CpuDevice *>(device);
  out->scratch += opened.scratch.size();
  out->code += opened.image.bytes();
  out->bookkeeping += sizeof(opened) + opened.pool.bytes() + opened.ids.size();
}

Code cpu_load_image(Device *device, schema::ImageFormat, const uint8_t *bytes, uint64_t size, const Report &report) {
  return cpu(device).image.load(bytes, size, report);
}

/// Null for a symbol that the image lacks; the caller names it.
Code cpu_find_kernel(Device *device, const char *symbol, void **out, yupana_status_t *) {
  *out = cpu(device).image.find_function(symbol);
  return YUPANA_STATUS_OK;
}

/// Launches need no preparation on a processor.
Code cpu_prepare_launch(Device *, DeviceLaunch *, yupana_status_t *) { return YUPANA_STATUS_OK; }

Code cpu_capture(Device *, const StepSizes &, const ActiveLaunch *, uint32_t, yupana_status_t *) {
  return YUPANA_STATUS_OK;
}

Code cpu_finish(Device *device, uint32_t slot, StepOutput outputs[kStepResults], yupana_status_t *) {
  if (outputs[kLogits].bytes)
    outputs[kLogits].host = outputs[kLogits].address;
  StepOutput &ids = outputs[kSampled];
  if (ids.bytes) {
    ids.host = cpu(device).ids.data() + slot * cpu(device).id_bytes;
    memcpy(ids.host, ids.address, ids.bytes);
  }
  return YUPANA_STATUS_OK;
}

Code cpu_wait(Device *, uint32_t, yupana_status_t *) { return YUPANA_STATUS_OK; }

} // namespace

const DeviceKind kCpuDevice = {0,
                               true,
                               rank_cpu_level,
                               cpu_fit,
                               cpu_native,
                               cpu_open,
                               cpu_close,
                               cpu_memory,
                               cpu_allocate,
                               cpu_zero,
                               cpu_allocate_inputs,
                               cpu_send_inputs,
                               cpu_copy,
                               cpu_load_image,
                               cpu_find_kernel,
                               cpu_prepare_launch,
                               cpu_run,
                               cpu_capture,
                               cpu_finish,
                               cpu_wait,
                               cpu_load,
                               cpu_fill};

} // namespace yupana::runtime
