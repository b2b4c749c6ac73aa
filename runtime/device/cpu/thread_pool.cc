// SPDX-License-Identifier: Apache-2.0
//
// The barrier is a counter of arrivals and a phase that the last to arrive advances. Launches follow one another within
// microseconds, so that waiting threads spin at first; those that wait longer sleep on the phase until it changes.

#include "runtime/device/cpu/thread_pool.h"

#include <climits>
#include <csignal>
#include <cstring>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace yupana::runtime {

namespace {

// About 50 microseconds: longer than the gap between two launches or two decode steps, shorter than anyone notices on
// an idle machine.
constexpr uint32_t kSpins = 2000;

/// The system call, which the C library has no function for. Its result does not matter: callers look at the word
/// again.
void futex(std::atomic<uint32_t> *word, int operation, uint32_t value) {
  static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t));
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(word), operation, value, nullptr, nullptr, 0);
}

} // namespace

void ThreadPool::barrier() {
  uint32_t phase = phase_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == expected_.load(std::memory_order_acquire)) {
    // Before the phase changes: whoever leaves may come to the next barrier at once.
    arrived_.store(0, std::memory_order_relaxed);
    // Sequentially consistent, as the sleepers' store and load are: either a sleeper sees the new phase, or it is seen
    // here and woken.
    phase_.store(phase + 1, std::memory_order_seq_cst);
    if (sleepers_.load(std::memory_order_seq_cst))
      futex(&phase_, FUTEX_WAKE_PRIVATE, INT_MAX);
    return;
  }
  for (uint32_t i = 0; i < kSpins; ++i) {
    if (phase_.load(std::memory_order_acquire) != phase)
      return;
    __builtin_ia32_pause();
  }
  sleepers_.fetch_add(1, std::memory_order_seq_cst);
  // A futex may wake without cause, or find the phase changed already.
  while (phase_.load(std::memory_order_seq_cst) == phase)
    futex(&phase_, FUTEX_WAIT_PRIVATE, phase);
  sleepers_.fetch_sub(1, std::memory_order_relaxed);
}

void *ThreadPool::enter(void *argument) {
  auto *worker = static_cast<Worker *>(argument);
  ThreadPool *pool = worker->pool;
  for (;;) {
    // One barrier begins a job, one ends it. What run() and stop() wrote before is visible behind the first.
    pool->barrier();
    if (pool->stop_)
      return nullptr;
    pool->job_(pool->argument_, worker->index);
    pool->barrier();
  }
}

Code ThreadPool::start(const Allocator &allocator, uint32_t threads, yupana_status_t *out_status) {
  if (Code code = workers_.allocate(allocator, threads, "worker threads", out_status))
    return code;
  // Workers inherit a mask that blocks every signal: signals are handled by threads of the program. What a mapping of a
  // file that was cut raises is for the thread that reads it.
  sigset_t all, before;
  sigfillset(&all);
  sigdelset(&all, SIGBUS);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  expected_.store(threads, std::memory_order_release);
  threads_ = 1;
  int error = 0;
  for (; threads_ < threads; ++threads_) {
    workers_[threads_] = {this, {}, threads_};
    error = pthread_create(&workers_[threads_].thread, nullptr, enter, &workers_[threads_]);
    if (error)
      break;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!error)
    return YUPANA_STATUS_OK;
  // stop() joins those that run and sets the count to 0.
  uint32_t started = threads_;
  stop();
  return fail(out_status, YUPANA_STATUS_OUT_OF_MEMORY, "thread %u of %u could not be started: %s", started + 1, threads,
              strerror(error));
}

void ThreadPool::stop() {
  if (threads_ == 0)
    return;
  // Those that were started wait at the barrier or are on their way to it; it may have been set up for more.
  expected_.store(threads_, std::memory_order_release);
  stop_ = true;
  barrier();
  for (uint32_t i = 1; i < threads_; ++i)
    pthread_join(workers_[i].thread, nullptr);
  threads_ = 0;
  stop_ = false;
}

void ThreadPool::run(Job job, void *argument) {
  // No other worker: no barrier is needed.
  if (threads_ == 1)
    return job(argument, 0);
  job_ = job;
  argument_ = argument;
  barrier();
  job(argument, 0);
  barrier();
}

} // namespace yupana::runtime
