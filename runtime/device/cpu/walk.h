// SPDX-License-Identifier: Apache-2.0
//
// The launches of a step on a CPU. All workers walk them together: cells of a launch are claimed in blocks by whoever
// is free, and a barrier between two launches makes what one wrote visible to the next. No result depends on who ran a
// cell, since a cell's arithmetic is its own.
//
// A template over what watches the walk, so that steps which nobody watches pay nothing for those that are profiled.

#ifndef YUPANA_RUNTIME_DEVICE_CPU_WALK_H
#define YUPANA_RUNTIME_DEVICE_CPU_WALK_H

#include "runtime/device/cpu/cpu_device.h"
#include "runtime/schema/format.h"

#include <algorithm>
#include <cstring>

#include <xmmintrin.h>

namespace yupana::runtime {

/// As generated code is called: see plan.fbs.
using KernelFunction = void (*)(void *const *arguments, const uint32_t *sizes, uint32_t first, uint32_t last,
                                void *scratch);

/// How many cells a claim takes where `left` of a launch's `cells` are not claimed yet: guided self-scheduling. Blocks
/// are half of an even share of what is left: few and long at first, so that kernels prepare their inputs few times,
/// and single cells at the end, so that cells of unequal cost leave nobody waiting. Blocks of more than a few cells are
/// no longer than a quarter of an even share of all, since the first cells may be the dearest: those of a shared
/// expert, which multiplies all tokens, stand in front of those of many experts, and with two threads a quarter of all
/// cells would be more than half of the work. (AMD EPYC, two threads, gate and up of 16 experts: 5 % faster at 512
/// tokens, 9 % at 128. Eight rows: 3 % slower if blocks of a few cells are cut as well.)
constexpr uint64_t claim_size(uint64_t cells, uint64_t left, uint32_t threads) {
  constexpr uint64_t few = 8;
  uint64_t half = left / (uint64_t{threads} * 2), most = std::max(few, cells / (uint64_t{threads} * 4));
  return std::max<uint64_t>(1, std::min(half, most));
}

// Of MXCSR: results that are denormal become zero, operands that are denormal count as zero.
constexpr uint32_t kFlushToZero = 0x8000;
constexpr uint32_t kDenormalsAreZero = 0x0040;

/// What the workers share while a program runs.
struct ProgramRun {
  struct alignas(kCacheLine) Claim {
    std::atomic<uint64_t> next{0};
  };

  CpuDevice *device;
  const ActiveLaunch *launches;
  uint32_t count;
  uint32_t sizes[3];
  // Launches take turns: while one is being claimed from, worker 0 clears the other.
  Claim claims[2];
};

/// One worker's part of a launch, and the barrier behind it.
template <typename Watch> inline void run_launch(ProgramRun &run, uint32_t index, uint32_t worker, Watch &watch) {
  CpuDevice &device = *run.device;
  const ActiveLaunch &active = run.launches[index];
  auto function = reinterpret_cast<KernelFunction>(active.launch->kernel);
  void *const *arguments = active.launch->arguments;
  void *scratch = device.scratch.data() + worker * device.scratch_stride;
  uint32_t threads = device.pool.threads();
  if (device.scratch_stride)
    std::memset(scratch, 0, schema::kLaunchScratchBytes);
  watch.begin(index, worker);
  if (threads == 1) {
    function(arguments, run.sizes, 0, active.cells, scratch);
    return watch.end(index, worker, active.cells);
  }
  std::atomic<uint64_t> &next = run.claims[index & 1].next;
  if (worker == 0)
    run.claims[(index + 1) & 1].next.store(0, std::memory_order_relaxed);
  uint64_t first = next.load(std::memory_order_relaxed);
  while (first < active.cells) {
    uint64_t last = first + claim_size(active.cells, active.cells - first, threads);
    if (!next.compare_exchange_weak(first, last, std::memory_order_relaxed))
      continue;
    function(arguments, run.sizes, static_cast<uint32_t>(first), static_cast<uint32_t>(last), scratch);
    watch.end(index, worker, static_cast<uint32_t>(last - first));
    first = next.load(std::memory_order_relaxed);
  }
  if (index + 1 < run.count)
    device.pool.barrier();
}

/// A run of a program, and who watches it: begin(launch, worker) before a worker looks for cells, end(launch, worker,
/// cells) after every block of cells that it ran.
template <typename Watch> struct WatchedRun {
  ProgramRun run;
  Watch watch;

  static void work(void *argument, uint32_t worker) {
    auto &watched = *static_cast<WatchedRun *>(argument);
    uint32_t saved = _mm_getcsr();
    _mm_setcsr(saved | kFlushToZero | kDenormalsAreZero);
    for (uint32_t i = 0; i < watched.run.count; ++i)
      run_launch(watched.run, i, worker, watched.watch);
    _mm_setcsr(saved);
  }

  void start(Device *device, const StepSizes &sizes, const ActiveLaunch *launches, uint32_t count) {
    run.device = &cpu(device);
    run.launches = launches;
    run.count = count;
    run.sizes[0] = sizes.tokens;
    run.sizes[1] = sizes.sequences;
    run.sizes[2] = sizes.rows;
    if (count)
      run.device->pool.run(work, this);
  }
};

} // namespace yupana::runtime

#endif
