// SPDX-License-Identifier: Apache-2.0
//
// A fixed set of workers that run one job together.

#ifndef YUPANA_RUNTIME_DEVICE_CPU_THREAD_POOL_H
#define YUPANA_RUNTIME_DEVICE_CPU_THREAD_POOL_H

#include "runtime/base/memory.h"

#include <atomic>
#include <pthread.h>

namespace yupana::runtime {

inline constexpr uint32_t kMaxThreads = 4096;

/// Workers 0 to threads() - 1; worker 0 is the thread that calls run(). Jobs allocate nothing and take no lock: workers
/// wait by spinning for some tens of microseconds and then in the kernel.
class ThreadPool {
public:
  using Job = void (*)(void *argument, uint32_t worker);

  ThreadPool() = default;
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;
  ~ThreadPool() { stop(); }

  /// `threads` is from 1 to kMaxThreads. OUT_OF_MEMORY when they cannot be started.
  Code start(const Allocator &allocator, uint32_t threads, yupana_status_t *out_status);

  /// Ends the workers; afterwards the pool is as constructed.
  void stop();

  /// Runs job(argument, worker) once on every worker and returns when all are done. Not reentrant.
  void run(Job job, void *argument);

  /// Inside a job: returns when all workers have come here. What they wrote before is visible after.
  void barrier();

  uint32_t threads() const { return threads_; }
  uint64_t bytes() const { return workers_.bytes(); }

private:
  struct Worker {
    ThreadPool *pool;
    pthread_t thread;
    uint32_t index;
  };

  static void *enter(void *worker);

  Array<Worker> workers_;
  uint32_t threads_ = 0;
  Job job_ = nullptr;
  void *argument_ = nullptr;
  bool stop_ = false;
  // Apart from each other: `arrived_` is written by everyone while `phase_` is watched by everyone.
  alignas(kCacheLine) std::atomic<uint32_t> arrived_{0};
  alignas(kCacheLine) std::atomic<uint32_t> phase_{0};
  std::atomic<uint32_t> sleepers_{0};
  std::atomic<uint32_t> expected_{0};
};

} // namespace yupana::runtime

#endif
