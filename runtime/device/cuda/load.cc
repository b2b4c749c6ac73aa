// SPDX-License-Identifier: Apache-2.0
//
// Weights into a GPU's memory. Threads claim chunks in ascending order; each reads into one of two pinned windows of
// its own, hashes it there, and leaves it to the GPU to copy while it reads into the other. There are more threads than
// processors, since one that reads or waits for a copy needs none: so disk, processors and bus are all kept busy, and
// loading takes as long as the slowest of them alone. The lowest damaged chunk is found whoever meets it, and the host
// holds no more than the windows.

#include "runtime/base/sha256.h"
#include "runtime/device/cuda/cuda_device.h"
#include "runtime/device/cuda/nvtx.h"
#include "runtime/schema/format.h"

#include <cstring>
#include <pthread.h>

namespace yupana::runtime::cuda {

namespace {

// Small enough that what was just read is hashed out of the cache, large enough to keep a disk and the bus busy.
constexpr uint64_t kWindowBytes = uint64_t{512} << 10;
constexpr uint32_t kWindows = 2; // of a reader
// Of what is read once; windows and chunks are larger multiples of it.
constexpr uint64_t kReadAlignment = 4096;
// Weights that a caller makes are made in host memory, whole unless they repeat: few at a time.
constexpr uint32_t kMaxFillers = 4;

/// Shared by the threads of one piece of work.
struct Job {
  CudaDevice *device;
  Progress *progress;
  void (*work)(Job &job, uint32_t worker);
  std::atomic<uint64_t> next{0};
  Lowest unreadable; // a chunk, or a weight that could not be filled
  Lowest damaged;
  std::atomic<int> failed{kSuccess}; // a call of the driver
  // Of loading:
  const ChunkWork *chunks;
  uint8_t *windows;
  Event events[kMaxReaders * kWindows];
  // Of filling:
  const yupana_filler_t *filler;
  const Array<FillItem> *items;
  uint8_t *staging;
  uint64_t staging_stride;

  bool stops() const {
    return progress->cancelled() || unreadable.any() || damaged.any() ||
           failed.load(std::memory_order_relaxed) != kSuccess;
  }
  /// True for success; else the job ends.
  bool check(Result result) {
    if (result != kSuccess)
      failed.store(result, std::memory_order_relaxed);
    return result == kSuccess;
  }
  void done(uint64_t bytes, uint32_t worker) {
    progress->add(bytes);
    if (worker == 0)
      progress->report();
  }
};

/// Gets a window's bytes into pinned memory, from the file or, where they are already on the GPU, from there. False
/// when the job ends.
bool get_window(Job &job, uint64_t at, uint64_t bytes, uint8_t *window, Event event) {
  const ChunkWork &work = *job.chunks;
  const Driver &driver = job.device->driver;
  if (work.read) {
    bool once = work.reader->read_once && work.file_offset % kReadAlignment == 0;
    if ((once ? work.reader->read_once : work.reader->read)(work.reader->user, window, bytes, work.file_offset + at))
      return true;
    job.unreadable.add(at / schema::kDigestChunkBytes);
    return false;
  }
  return job.check(driver.copy_out(window, reinterpret_cast<Address>(work.dst + at), bytes, job.device->stream)) &&
         job.check(driver.record_event(event, job.device->stream)) && job.check(driver.wait_event(event));
}

/// Leaves a window to the GPU. False when the job ends.
bool put_window(Job &job, uint64_t at, uint64_t bytes, const uint8_t *window, Event event) {
  const ChunkWork &work = *job.chunks;
  const Driver &driver = job.device->driver;
  if (!work.read || !work.dst)
    return true;
  return job.check(driver.copy_in(reinterpret_cast<Address>(work.dst + at), window, bytes, job.device->stream)) &&
         job.check(driver.record_event(event, job.device->stream));
}

/// `turn` counts the windows that this reader has used.
void process_chunk(Job &job, uint64_t chunk, uint32_t worker, uint32_t &turn) {
  const ChunkWork &work = *job.chunks;
  uint64_t begin = chunk * schema::kDigestChunkBytes;
  uint64_t end = begin + least(work.bytes - begin, schema::kDigestChunkBytes);
  Sha256 hash;
  for (uint64_t at = begin; at < end; at += kWindowBytes, ++turn) {
    if (job.progress->cancelled())
      return;
    uint64_t bytes = least(end - at, kWindowBytes);
    uint32_t number = worker * kWindows + turn % kWindows;
    uint8_t *window = job.windows + number * kWindowBytes;
    // An event that was never recorded is done.
    if (!job.check(job.device->driver.wait_event(job.events[number])) ||
        !get_window(job, at, bytes, window, job.events[number]))
      return;
    if (work.digests)
      hash.update(window, bytes);
    if (!put_window(job, at, bytes, window, job.events[number]))
      return;
    job.done(bytes, worker);
  }
  if (!work.digests)
    return;
  uint8_t digest[Sha256::kBytes];
  hash.finish(digest);
  if (memcmp(digest, work.digests + chunk * Sha256::kBytes, Sha256::kBytes) != 0)
    job.damaged.add(chunk);
}

void run_chunks(Job &job, uint32_t worker) {
  uint64_t chunks = ceil_div(job.chunks->bytes, schema::kDigestChunkBytes);
  uint32_t turn = 0;
  // Chunks are claimed in order and finished once claimed, so the lowest bad one is found whoever meets it.
  while (!job.stops()) {
    uint64_t chunk = job.next.fetch_add(1, std::memory_order_relaxed);
    if (chunk >= chunks)
      return;
    process_chunk(job, chunk, worker, turn);
  }
}

/// How many bytes of a weight the filler makes.
uint64_t made_bytes(const yupana_filler_t &filler, uint64_t weight, uint64_t bytes) {
  bool repeats = filler.size >= sizeof(filler) && filler.period;
  uint64_t period = repeats ? filler.period(filler.user, static_cast<uint32_t>(weight)) : 0;
  return period ? least(period, bytes) : bytes;
}

/// Leaves the first `made` bytes of a weight to the GPU, which repeats them, twice as many each time. False when the
/// job ends.
bool put_weight(Job &job, const FillItem &item, const uint8_t *staging, uint64_t made) {
  const CudaDevice &device = *job.device;
  auto to = reinterpret_cast<Address>(item.dst);
  if (!job.check(device.driver.copy_in(to, staging, made, device.stream)))
    return false;
  for (uint64_t done = made; done < item.bytes; done += least(done, item.bytes - done))
    if (!job.check(device.driver.copy_within(to + done, to, least(done, item.bytes - done), device.stream)))
      return false;
  return job.check(device.driver.wait_stream(device.stream));
}

/// Weights are made in ordinary memory, and each is waited for when it is copied, since its memory is used again for
/// the next.
void run_fill(Job &job, uint32_t worker) {
  uint8_t *staging = job.staging + worker * job.staging_stride;
  while (!job.stops()) {
    uint64_t i = job.next.fetch_add(1, std::memory_order_relaxed);
    if (i >= job.items->size())
      return;
    FillItem &item = (*job.items)[i];
    if (item.state != FillItem::wanted)
      continue;
    uint64_t made = made_bytes(*job.filler, i, item.bytes);
    if (!job.filler->fill(job.filler->user, static_cast<uint32_t>(i), staging, made))
      return job.unreadable.add(i);
    if (!put_weight(job, item, staging, made))
      return;
    item.state = FillItem::filled;
    job.done(item.bytes, worker);
  }
}

/// A thread of the job and its number.
struct Worker {
  Job *job;
  uint32_t number;
  pthread_t thread;
};

void *run_worker(void *argument) {
  auto &worker = *static_cast<Worker *>(argument);
  Current current(*worker.job->device);
  if (worker.job->check(current.result()))
    worker.job->work(*worker.job, worker.number);
  return nullptr;
}

/// Does the job with `count` threads, the calling one included, unless it has been cancelled, and waits for the GPU.
void run_job(Job &job, uint32_t count) {
  Worker workers[kMaxReaders];
  uint32_t started = 1;
  bool cancelled = job.progress->report();
  workers[0] = {&job, 0, {}};
  // Where the system gives no more threads, those there are do it all.
  for (; started < count && !cancelled; ++started) {
    workers[started] = {&job, started, {}};
    if (pthread_create(&workers[started].thread, nullptr, run_worker, &workers[started]) != 0)
      break;
  }
  if (!cancelled)
    run_worker(&workers[0]);
  for (uint32_t i = 1; i < started; ++i)
    pthread_join(workers[i].thread, nullptr);
  Current current(*job.device);
  if (job.check(current.result()))
    job.check(job.device->driver.wait_stream(job.device->stream));
}

/// Pinned windows and their events.
struct Windows {
  explicit Windows(CudaDevice &device) : device(device) {}
  Windows(const Windows &) = delete;
  Windows &operator=(const Windows &) = delete;
  ~Windows() {
    Current current(device);
    for (Event event : events)
      if (event)
        device.driver.destroy_event(event);
    if (memory)
      device.driver.release_host(memory);
  }
  Result create(uint32_t readers) {
    Current current(device);
    Result result = current.result();
    if (result == kSuccess)
      result = device.driver.allocate_host(&memory, uint64_t{readers} * kWindows * kWindowBytes, kHostPortable);
    for (uint32_t i = 0; i < readers * kWindows && result == kSuccess; ++i)
      result = device.driver.create_event(&events[i], kEventDisableTiming | kEventBlocking);
    return result;
  }

  CudaDevice &device;
  void *memory = nullptr;
  Event events[kMaxReaders * kWindows] = {};
};

/// The end of either kind of job.
Code finish_job(Job &job, yupana_status_t *status) {
  if (auto failed = static_cast<Result>(job.failed.load(std::memory_order_relaxed)))
    return fail_call(*job.device, failed, "weights", status);
  return job.progress->report() ? fail(status, YUPANA_STATUS_CANCELLED, "reading was cancelled") : YUPANA_STATUS_OK;
}

} // namespace

Code cuda_load(Device *device, const Allocator &, const ChunkWork &work, Progress &progress, ChunkFault *out_fault,
               const Report &report) {
  CudaDevice &opened = gpu(device);
  if (Code code = check_alive(opened, report.out()))
    return code;
  NvtxRange range("weights");
  auto readers = static_cast<uint32_t>(least(opened.readers, ceil_div(work.bytes, schema::kDigestChunkBytes)));
  Windows windows(opened);
  if (Result result = windows.create(readers))
    return fail_call(opened, result, "pinned memory to load weights through", report.out());
  Job job = {};
  job.device = &opened;
  job.progress = &progress;
  job.work = run_chunks;
  job.chunks = &work;
  job.windows = static_cast<uint8_t *>(windows.memory);
  memcpy(job.events, windows.events, sizeof(job.events));
  run_job(job, readers);
  if (Code code = finish_job(job, report.out()))
    return code;
  out_fault->unreadable = job.unreadable.get();
  out_fault->damaged = job.damaged.get();
  return YUPANA_STATUS_OK;
}

Code cuda_fill(Device *device, const yupana_filler_t &filler, const Array<FillItem> &items, Progress &progress,
               const Report &report) {
  CudaDevice &opened = gpu(device);
  if (Code code = check_alive(opened, report.out()))
    return code;
  Job job = {};
  uint64_t largest = 1;
  for (uint64_t i = 0; i < items.size(); ++i)
    if (items[i].state == FillItem::wanted)
      largest = greatest(largest, made_bytes(filler, i, items[i].bytes));
  uint32_t threads = opened.readers < kMaxFillers ? opened.readers : kMaxFillers;
  uint64_t bytes;
  Memory staging;
  // Each begins on a page of its own, as aligned as weights are.
  if (!checked_align_up(largest, 4096, &job.staging_stride) || !checked_mul(job.staging_stride, threads, &bytes))
    return report.fail(YUPANA_STATUS_OUT_OF_MEMORY, "a weight does not fit in memory");
  if (Code code = staging.allocate(opened.allocator, bytes, 4096, "weights on their way to the GPU", report.out()))
    return code;
  job.device = &opened;
  job.progress = &progress;
  job.work = run_fill;
  job.filler = &filler;
  job.items = &items;
  job.staging = staging.data();
  run_job(job, threads);
  if (Code code = finish_job(job, report.out()))
    return code;
  uint64_t failed = job.unreadable.get();
  if (failed == ChunkFault::kNone)
    return YUPANA_STATUS_OK;
  return report.fail(YUPANA_STATUS_UNREADABLE, "weight %llu could not be filled",
                     static_cast<unsigned long long>(failed));
}

} // namespace yupana::runtime::cuda
