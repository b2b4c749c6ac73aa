// SPDX-License-Identifier: Apache-2.0
//
// The launches of a step on a CPU. All workers walk them together: cells of a launch are claimed in blocks by whoever
// is free, and a barrier between two launches makes what one wrote visible to the next. No result depends on who ran a
// cell, since a cell's arithmetic is its own.

#include "runtime/device/cpu/cpu_device.h"

#include <xmmintrin.h>

namespace yupana::runtime {

namespace {

/// As generated code is called: see plan.fbs.
using KernelFunction = void (*)(void *const *arguments, const uint32_t *sizes, uint32_t first, uint32_t last,
                                void *scratch);

// A claim takes this part of an even share of the cells that are left: few long blocks while many are, so that kernels
// prepare their inputs few times, and single cells at the end, so that cells of unequal cost leave nobody waiting.
constexpr uint32_t kClaimsPerShare = 2;

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

void run_launch(ProgramRun &run, uint32_t index, uint32_t worker) {
  CpuDevice &device = *run.device;
  const ActiveLaunch &active = run.launches[index];
  auto function = reinterpret_cast<KernelFunction>(active.launch->kernel);
  void *const *arguments = active.launch->arguments;
  void *scratch = device.scratch.data() + worker * device.scratch_stride;
  uint32_t threads = device.pool.threads();
  if (threads == 1)
    return function(arguments, run.sizes, 0, active.cells, scratch);
  std::atomic<uint64_t> &next = run.claims[index & 1].next;
  if (worker == 0)
    run.claims[(index + 1) & 1].next.store(0, std::memory_order_relaxed);
  uint64_t first = next.load(std::memory_order_relaxed);
  while (first < active.cells) {
    // Guided self-scheduling: the block shrinks with what is left.
    uint64_t block = (active.cells - first) / (uint64_t{threads} * kClaimsPerShare);
    uint64_t last = first + (block ? block : 1);
    if (!next.compare_exchange_weak(first, last, std::memory_order_relaxed))
      continue;
    function(arguments, run.sizes, static_cast<uint32_t>(first), static_cast<uint32_t>(last), scratch);
    first = next.load(std::memory_order_relaxed);
  }
  if (index + 1 < run.count)
    device.pool.barrier();
}

void run_worker(void *argument, uint32_t worker) {
  auto &run = *static_cast<ProgramRun *>(argument);
  uint32_t saved = _mm_getcsr();
  _mm_setcsr(saved | kFlushToZero | kDenormalsAreZero);
  for (uint32_t i = 0; i < run.count; ++i)
    run_launch(run, i, worker);
  _mm_setcsr(saved);
}

} // namespace

Code cpu_run(Device *device, const StepSizes &sizes, const ActiveLaunch *launches, uint32_t count, yupana_status_t *) {
  ProgramRun run;
  run.device = &cpu(device);
  run.launches = launches;
  run.count = count;
  run.sizes[0] = sizes.tokens;
  run.sizes[1] = sizes.sequences;
  run.sizes[2] = sizes.rows;
  if (count)
    run.device->pool.run(run_worker, &run);
  return YUPANA_STATUS_OK;
}

} // namespace yupana::runtime
