// SPDX-License-Identifier: Apache-2.0

#include "runtime/exec/context.h"

#include "runtime/plan/weights.h"

#include <xmmintrin.h>

namespace yupana::runtime {

namespace {

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

  yupana_context_t *context;
  uint32_t count; // active launches
  uint32_t sizes[3];
  // Launches take turns: while one is being claimed from, worker 0 clears the other.
  Claim claims[2];
};

void run_launch(ProgramRun &run, uint32_t index, uint32_t worker) {
  yupana_context_t &context = *run.context;
  const ActiveLaunch &active = context.active[index];
  const PreparedLaunch &launch = context.launches[active.launch];
  void *const *arguments = context.arguments.data() + launch.first_argument;
  void *scratch = context.scratch.data() + worker * context.scratch_stride;
  uint32_t threads = context.pool.threads();
  if (threads == 1)
    return launch.function(arguments, run.sizes, 0, active.cells, scratch);
  std::atomic<uint64_t> &next = run.claims[index & 1].next;
  if (worker == 0)
    run.claims[(index + 1) & 1].next.store(0, std::memory_order_relaxed);
  uint64_t first = next.load(std::memory_order_relaxed);
  while (first < active.cells) {
    uint64_t block = (active.cells - first) / (uint64_t{threads} * kClaimsPerShare);
    uint64_t last = first + (block ? block : 1);
    if (!next.compare_exchange_weak(first, last, std::memory_order_relaxed))
      continue;
    launch.function(arguments, run.sizes, static_cast<uint32_t>(first), static_cast<uint32_t>(last), scratch);
    first = next.load(std::memory_order_relaxed);
  }
  if (index + 1 < run.count)
    context.pool.barrier();
}

void run_worker(void *argument, uint32_t worker) {
  auto &run = *static_cast<ProgramRun *>(argument);
  uint32_t saved = _mm_getcsr();
  _mm_setcsr(saved | kFlushToZero | kDenormalsAreZero);
  for (uint32_t i = 0; i < run.count; ++i)
    run_launch(run, i, worker);
  _mm_setcsr(saved);
}

void *resolve(const yupana_context_t &context, const schema::Argument &argument) {
  uint32_t i = argument.index();
  uint8_t *base = nullptr;
  switch (argument.kind()) {
  case schema::ArgumentKind::buffer:
    base = static_cast<uint8_t *>(context.buffer_address(i));
    break;
  case schema::ArgumentKind::weight: {
    // Kernels take every address in one array; those of weights they only read.
    const schema::Weight &weight = *context.root().weights()->Get(i);
    base = const_cast<uint8_t *>(weight.section() == schema::kNoSection
                                     ? filled_weight(*context.plan, i)
                                     : context.weights[weight.section()] + weight.offset());
    break;
  }
  case schema::ArgumentKind::cache:
    base = context.groups[i].page_memory();
    break;
  case schema::ArgumentKind::page_table:
    base = reinterpret_cast<uint8_t *>(context.groups[i].page_table());
    break;
  case schema::ArgumentKind::input:
    base = context.inputs[i].data();
    break;
  case schema::ArgumentKind::history:
    base = context.history.data();
    break;
  }
  return base + argument.offset();
}

} // namespace

Code prepare_launches(yupana_context_t &context, yupana_status_t *out) {
  const auto &programs = *context.target().programs();
  uint64_t launches = 0, arguments = 0;
  for (const schema::StepProgram *program : programs)
    for (const schema::Launch *launch : *program->launches()) {
      ++launches;
      arguments += launch->arguments()->size();
    }
  Code code = context.programs.allocate(context.allocator, programs.size(), "programs", out);
  if (!code)
    code = context.launches.allocate(context.allocator, launches, "launches", out);
  if (!code)
    code = context.active.allocate(context.allocator, launches, "launches", out);
  if (!code)
    code = context.arguments.allocate(context.allocator, arguments, "arguments of launches", out);
  if (code)
    return code;
  uint32_t next_launch = 0, next_argument = 0;
  for (uint32_t i = 0; i < programs.size(); ++i) {
    const schema::StepProgram &program = *programs.Get(i);
    context.programs[i] = {program.function(), program.max_tokens(), next_launch, program.launches()->size()};
    for (const schema::Launch *launch : *program.launches()) {
      const char *symbol = context.target().kernels()->Get(launch->kernel())->symbol()->c_str();
      auto function = reinterpret_cast<KernelFunction>(context.code.find_function(symbol));
      context.launches[next_launch++] = {function, launch->grid(), next_argument};
      for (const schema::Argument *argument : *launch->arguments())
        context.arguments[next_argument++] = resolve(context, *argument);
    }
  }
  return YUPANA_STATUS_OK;
}

bool has_sample_program(const yupana_context_t &context) {
  for (const PreparedProgram &program : context.programs)
    if (program.function == schema::Function::sample)
      return true;
  return false;
}

void run_program(yupana_context_t &context, schema::Function function, const StepSizes &sizes) {
  const PreparedProgram *program = context.programs.begin();
  while (program->function != function || (function == schema::Function::step && program->max_tokens < sizes.tokens))
    ++program;
  ProgramRun run;
  run.context = &context;
  run.count = 0;
  run.sizes[0] = sizes.tokens;
  run.sizes[1] = sizes.sequences;
  run.sizes[2] = sizes.rows;
  for (uint32_t i = 0; i < program->launch_count; ++i) {
    uint32_t launch = program->first_launch + i;
    if (uint32_t cells = evaluate_grid(*context.launches[launch].grid, sizes, context.pool.threads()))
      context.active[run.count++] = {launch, cells};
  }
  if (run.count)
    context.pool.run(run_worker, &run);
}

} // namespace yupana::runtime
