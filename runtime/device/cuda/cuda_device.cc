// SPDX-License-Identifier: Apache-2.0
//
// The table of a GPU, and its memory. Inputs are put where the GPU can copy from without the host's help (pinned), in a
// place for each step in flight, and only what a step uses crosses the bus, in few transfers. Failures of calls that
// return nothing are kept and told by the next call that returns something, so that no step goes on after one.

#include "runtime/device/cuda/cuda_device.h"

#include <cstring>

namespace yupana::runtime::cuda {

namespace {

// Ranges of inputs that lie closer are one transfer: starting one costs about as much as moving this many bytes.
constexpr uint64_t kTransferGap = uint64_t{64} << 10;

/// An allocation of the GPU's memory, which may outlive the device that made it: weights belong to the plan. It holds
/// the calls that free it, since the driver's table is the device's.
struct Block {
  Allocator host; // that the block itself came from
  Result (*push)(Context context);
  Result (*pop)(Context *context);
  Result (*wait)();
  Result (*allocate)(Address *address, size_t bytes);
  Result (*release)(Address address);
  Context context;
  Address base; // what the driver gave, before aligning
  Result result;
};

/// The driver aligns what it gives to this.
constexpr uint64_t kDriverAlignment = 256;

void *allocate_block(void *user, size_t bytes, size_t alignment) {
  auto &block = *static_cast<Block *>(user);
  uint64_t room = bytes, more = alignment > kDriverAlignment ? alignment : 0;
  block.result = kOutOfMemory;
  if (!checked_add(room, more, &room) || (block.result = block.push(block.context)) != kSuccess)
    return nullptr;
  block.result = block.allocate(&block.base, room);
  block.pop(&block.context);
  if (block.result != kSuccess)
    return nullptr;
  Address address = more ? (block.base + more - 1) & ~(more - 1) : block.base;
  return reinterpret_cast<void *>(address);
}

void free_block(void *user, void *, size_t, size_t) {
  auto *block = static_cast<Block *>(user);
  Result pushed = block->push(block->context);
  // What was asked for and nobody waited for, such as a page that was to be cleared.
  block->wait();
  block->release(block->base);
  if (pushed == kSuccess)
    block->pop(&block->context);
  Allocator host = block->host;
  destroy_object(host, block);
}

/// GPU memory in the runtime's own type for memory: an allocator of its own for each, which lasts as long as the block.
Code cuda_allocate(Device *device, const Allocator &host, uint64_t bytes, uint64_t alignment, const char *what,
                   Memory *out, yupana_status_t *status) {
  const Driver &driver = gpu(device).driver;
  auto *block = create_object<Block>(host);
  if (!block)
    return fail(status, YUPANA_STATUS_OUT_OF_MEMORY, "no memory for bookkeeping of %s", what);
  *block = {host,
            driver.context_push,
            driver.context_pop,
            driver.context_wait,
            driver.allocate,
            driver.release,
            gpu(device).context,
            0,
            kSuccess};
  yupana_allocator_t table = {sizeof(table), block, allocate_block, free_block};
  Allocator allocator;
  Allocator::adopt(&table, &allocator, status);
  if (!out->allocate(allocator, bytes, alignment, what, status))
    return YUPANA_STATUS_OK;
  Result result = block->result;
  destroy_object(host, block);
  size_t free = 0, total = 0;
  Current current(gpu(device));
  if (result != kOutOfMemory || driver.memory_info(&free, &total) != kSuccess)
    return fail_call(gpu(device), result, what, status);
  return fail(status, YUPANA_STATUS_OUT_OF_MEMORY,
              "no memory on GPU %u for %s: %llu bytes were asked for, %zu of %zu are free", gpu(device).gpu.ordinal,
              what, static_cast<unsigned long long>(bytes), free, total);
}

/// Asynchronous, in the stream that kernels run in: who reads the memory there finds it cleared without anyone waiting.
void cuda_zero(Device *device, void *memory, uint64_t bytes) {
  CudaDevice &opened = gpu(device);
  if (opened.failure.code)
    return;
  Current current(opened);
  Result result = current.result();
  if (result == kSuccess)
    result = opened.driver.fill(reinterpret_cast<Address>(memory), 0, bytes, opened.stream);
  if (result != kSuccess)
    fail_device(opened, result, nullptr);
}

/// Inputs exist on both sides, at equal offsets, and once more for each step that the GPU has not copied yet.
Code cuda_allocate_inputs(Device *device, const Allocator &host, uint64_t bytes, InputBlock *out,
                          yupana_status_t *status) {
  CudaDevice &opened = gpu(device);
  if (Code code = cuda_allocate(device, host, bytes, kDriverAlignment, "step inputs", &out->memory, status))
    return code;
  cuda_zero(device, out->memory.data(), bytes);
  out->host = static_cast<uint8_t *>(keep(opened, sizeof(Kept) + bytes));
  if (!out->host)
    return fail(status, YUPANA_STATUS_OUT_OF_MEMORY, "no memory for step inputs");
  out->host += sizeof(Kept);
  out->device = out->memory.data();
  opened.input_bytes = bytes;
  Current current(opened);
  Result result = current.result();
  if (result == kSuccess)
    result = opened.driver.allocate_host(&opened.pinned_inputs, kStepsInFlight * bytes, kHostPortable);
  return result == kSuccess ? YUPANA_STATUS_OK : fail_call(opened, result, "pinned memory for step inputs", status);
}

/// What lies between two ranges that go together is what the GPU has there already.
void cuda_send_inputs(Device *device, const InputBlock &block, uint32_t slot, const InputRange *ranges,
                      uint32_t count) {
  CudaDevice &opened = gpu(device);
  if (opened.failure.code)
    return;
  uint8_t *pinned = static_cast<uint8_t *>(opened.pinned_inputs) + slot * opened.input_bytes;
  Current current(opened);
  Result result = current.result();
  for (uint32_t first = 0, last; first < count && result == kSuccess; first = last) {
    uint64_t begin = ranges[first].offset, end = begin;
    for (last = first; last < count && ranges[last].offset - end <= kTransferGap; ++last)
      end = ranges[last].offset + ranges[last].bytes;
    memcpy(pinned + begin, block.host + begin, end - begin);
    result = opened.driver.copy_in(reinterpret_cast<Address>(block.device + begin), pinned + begin, end - begin,
                                   opened.stream);
  }
  if (result != kSuccess)
    fail_device(opened, result, nullptr);
}

void cuda_copy(Device *device, void *to, const void *from, uint64_t bytes) {
  CudaDevice &opened = gpu(device);
  if (opened.failure.code)
    return;
  Current current(opened);
  Result result = current.result();
  if (result == kSuccess)
    result =
        opened.driver.copy_within(reinterpret_cast<Address>(to), reinterpret_cast<Address>(from), bytes, opened.stream);
  if (result != kSuccess)
    fail_device(opened, result, nullptr);
}

/// Also of a device that was opened in part. The stream is waited for first: what is freed behind it may still be in
/// use there.
void cuda_close(Device *device) {
  CudaDevice &opened = gpu(device);
  const Driver &driver = opened.driver;
  if (opened.context) {
    Current current(opened);
    if (opened.stream) {
      driver.wait_stream(opened.stream);
      driver.destroy_stream(opened.stream);
    }
    for (Event end : opened.ends)
      if (end)
        driver.destroy_event(end);
    for (CapturedStep *step = opened.captured; step; step = step->older)
      driver.destroy_executable(step->executable);
    for (LoadedLibrary *library = opened.libraries; library; library = library->older)
      driver.unload_library(library->library);
    for (void *pinned : {opened.pinned_inputs, opened.pinned_ids})
      if (pinned)
        driver.release_host(pinned);
  }
  if (opened.context)
    driver.context_release(opened.gpu.number);
  Allocator allocator = opened.allocator;
  for (Kept *kept = opened.kept; kept;) {
    Kept *next = kept->next;
    allocator.free(kept, kept->bytes, kCacheLine);
    kept = next;
  }
  destroy_object(allocator, &opened);
}

/// Everything that a context needs besides its plan's memory.
Code prepare_gpu(CudaDevice &device, const DeviceOptions &options, yupana_status_t *status) {
  const Driver &driver = device.driver;
  Result result = driver.context_retain(&device.context, device.gpu.number);
  if (result != kSuccess) {
    device.context = nullptr;
    return fail_call(device, result, "its primary context", status);
  }
  Current current(device);
  result = current.result();
  int sms = 0, version = 0;
  if (result == kSuccess)
    result = driver.version(&version);
  device.overlaps = device.gpu.capability >= kOverlapCapability && version >= kOverlapVersion;
  if (result == kSuccess)
    result = driver.device_attribute(&sms, kMultiprocessors, device.gpu.number);
  if (result == kSuccess)
    result = driver.device_attribute(&device.max_shared, kMaxSharedPerBlock, device.gpu.number);
  if (result == kSuccess)
    result = driver.create_stream(&device.stream, kStreamNonBlocking);
  for (uint32_t i = 0; i < kStepsInFlight && result == kSuccess; ++i)
    result = driver.create_event(&device.ends[i], kEventDisableTiming);
  if (result != kSuccess)
    return fail_call(device, result, "a stream", status);
  device.sms = static_cast<uint32_t>(sms);
  device.workers = 1;
  device.id_bytes = options.result_bytes[kSampled];
  if (device.id_bytes)
    if (Result pinned = driver.allocate_host(&device.pinned_ids, kStepsInFlight * device.id_bytes, kHostPortable))
      return fail_call(device, pinned, "pinned memory for sampled tokens", status);
  uint64_t logits = options.result_bytes[kLogits];
  return device.logits.allocate(device.allocator, logits ? logits : 1, 4096, "logits on the host", status);
}

Code open_gpu(CudaDevice &device, const DeviceOptions &options, const Report &report) {
  yupana_fit_t fit;
  Code code = open_driver(options.choice.driver, &device.driver, report.out());
  if (!code)
    code = find_gpu(device.driver, options.choice.ordinal, &device.gpu, report.out());
  if (!code)
    code = fit_gpu(device.gpu, *options.target, &fit, report);
  if (code)
    return code;
  device.slot = kCudaDevice.index + options.choice.ordinal;
  uint32_t threads = options.threads ? options.threads : kReadersPerProcessor * yupana_available_threads();
  device.readers = threads < kMaxReaders ? threads : kMaxReaders;
  // A cubin that fits is preferred: the plan lists it first. PTX of one generation alone runs nowhere else.
  constexpr uint32_t kCubin = 1u << static_cast<uint32_t>(schema::ImageFormat::cubin);
  constexpr uint32_t kPtx = 1u << static_cast<uint32_t>(schema::ImageFormat::ptx);
  device.formats = fit == YUPANA_FIT_BY_PTX ? kPtx : kCubin | kPtx;
  return prepare_gpu(device, options, report.out());
}

Code cuda_open(const Allocator &allocator, const DeviceOptions &options, Device **out, const Report &report) {
  auto *device = create_object<CudaDevice>(allocator);
  if (!device)
    return report.fail(YUPANA_STATUS_OUT_OF_MEMORY, "no memory for a device");
  device->kind = &kCudaDevice;
  device->allocator = allocator;
  if (Code code = open_gpu(*device, options, report)) {
    cuda_close(device);
    return code;
  }
  *out = device;
  return YUPANA_STATUS_OK;
}

void cuda_memory(const Device *device, yupana_memory_info_t *out) {
  const auto &opened = *static_cast<const CudaDevice *>(device);
  out->code += opened.image_bytes;
  out->bookkeeping += sizeof(opened) + opened.kept_bytes;
  size_t free = 0, total = 0;
  Current current(opened);
  if (current.result() != kSuccess || opened.driver.memory_info(&free, &total) != kSuccess)
    return;
  out->device_free = free;
  out->device_total = total;
}

} // namespace

Code fail_call(const CudaDevice &device, Result result, const char *what, yupana_status_t *status) {
  ResultText text(device.driver, result);
  if (result == kOutOfMemory)
    return fail(status, YUPANA_STATUS_OUT_OF_MEMORY, "no memory on GPU %u for %s: %s", device.gpu.ordinal, what,
                text.text);
  return fail(status, YUPANA_STATUS_INTERNAL, "GPU %u failed while preparing %s: %s", device.gpu.ordinal, what,
              text.text);
}

/// A failure is kept with the device, which answers every later call with it: the driver could only fail them all.
Code fail_device(CudaDevice &device, Result result, yupana_status_t *status) {
  // What a kernel does wrong, the driver tells by these.
  bool kernel = result == kIllegalAddress || result == kLaunchTimeout || result == kAssert ||
                (result >= kHardwareStackError && result <= kLaunchFailed);
  fail(&device.failure, YUPANA_STATUS_INTERNAL,
       kernel ? "a kernel failed on GPU %u, which ends this context: %s" : "GPU %u is lost to this context: %s",
       device.gpu.ordinal, ResultText(device.driver, result).text);
  return check_alive(device, status);
}

Code check_alive(const CudaDevice &device, yupana_status_t *status) {
  auto code = static_cast<Code>(device.failure.code);
  if (code && status)
    *status = device.failure;
  return code;
}

/// Memory for bookkeeping that lives as long as the device, in a list that cuda_close walks.
void *keep(CudaDevice &device, uint64_t bytes) {
  auto *kept = static_cast<Kept *>(device.allocator.alloc(bytes, kCacheLine));
  if (!kept)
    return nullptr;
  memset(kept, 0, bytes);
  kept->next = device.kept;
  kept->bytes = bytes;
  device.kept = kept;
  device.kept_bytes += bytes;
  return kept;
}

} // namespace yupana::runtime::cuda

namespace yupana::runtime {

using namespace cuda;

const DeviceKind kCudaDevice = {1,
                                false,
                                cuda_rank,
                                cuda_fit,
                                cuda_native,
                                cuda_open,
                                cuda_close,
                                cuda_memory,
                                cuda_allocate,
                                cuda_zero,
                                cuda_allocate_inputs,
                                cuda_send_inputs,
                                cuda_copy,
                                cuda_load_image,
                                cuda_find_kernel,
                                cuda_prepare_launch,
                                cuda_run,
                                cuda_capture,
                                cuda_finish,
                                cuda_wait,
                                cuda_load,
                                cuda_fill};

} // namespace yupana::runtime
