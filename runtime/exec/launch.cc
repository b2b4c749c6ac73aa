// SPDX-License-Identifier: Apache-2.0
//
// Programs: addresses are resolved once, when a context is prepared, and per step the first program that is large
// enough is chosen, cells are counted, and launches without any are left out. How launches run is the device's, which
// is given those of the step and of sampling at once. Sampling writes where the next step reads its token ids, so that
// decoding needs nothing in between.

#include "runtime/exec/context.h"

#include "runtime/plan/weights.h"

#include <cstring>

namespace yupana::runtime {

namespace {

// Steps of up to this many tokens, one of each sequence, are what decoding does again and again.
constexpr uint32_t kDecodeTokens = 8;

/// True if the buffer is an entry of the value that sampled tokens are, whose entries have one name.
bool is_sampled(const schema::Target &target, uint32_t buffer) {
  const auto &buffers = *target.buffers();
  return strcmp(buffers.Get(buffer)->name()->c_str(), buffers.Get(target.sampled())->name()->c_str()) == 0;
}

void *resolve(const yupana_context_t &context, schema::Function function, const schema::Argument &argument) {
  uint32_t i = argument.index();
  uint8_t *base = nullptr;
  switch (argument.kind()) {
  case schema::ArgumentKind::buffer:
    base = static_cast<uint8_t *>(context.buffer_address(i));
    if (function == schema::Function::sample && is_sampled(context.target(), i))
      base = context.inputs.device_input(static_cast<uint32_t>(schema::StepInput::token_ids));
    break;
  case schema::ArgumentKind::weight: {
    // Kernels take all addresses in one array, which is why this one is not const. They only read weights.
    const schema::Weight &weight = *context.root().weights()->Get(i);
    base = const_cast<uint8_t *>(weight.section() == schema::kNoSection
                                     ? filled_weight(*context.plan, *context.device, i)
                                     : context.weights[weight.section()] + weight.offset());
    break;
  }
  case schema::ArgumentKind::cache:
    base = context.groups[i].page_memory();
    break;
  case schema::ArgumentKind::page_table:
    base = context.inputs.device_table(i);
    break;
  case schema::ArgumentKind::input:
    base = context.inputs.device_input(i);
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
  Code code = context.launches.allocate(context.allocator, launches, "launches", out);
  if (!code)
    code = context.active.allocate(context.allocator, launches, "launches", out);
  if (!code)
    code = context.arguments.allocate(context.allocator, arguments, "arguments of launches", out);
  if (code)
    return code;
  uint32_t next_launch = 0, next_argument = 0;
  for (const schema::StepProgram *program : programs)
    for (const schema::Launch *launch : *program->launches()) {
      PreparedLaunch &prepared = context.launches[next_launch++];
      void **resolved = context.arguments.data() + next_argument;
      for (const schema::Argument *argument : *launch->arguments())
        context.arguments[next_argument++] = resolve(context, program->function(), *argument);
      prepared = {{context.kernels[launch->kernel()], resolved, launch->arguments()->size(), launch->threads(),
                   launch->shared_bytes(), context.target().kernels()->Get(launch->kernel())->waits(), nullptr},
                  launch->grid()};
      if (Code failed = context.device->kind->prepare_launch(context.device, &prepared.launch, out))
        return failed;
    }
  const schema::Limits &limits = context.limits();
  // Captured while preparing, since capturing allocates. Shapes of decoding alone: T = S = R.
  for (uint32_t sample = 0; sample <= has_sample_program(context); ++sample)
    for (uint32_t tokens = 1; tokens <= kDecodeTokens && tokens <= limits.max_batch() &&
                              tokens <= limits.max_step_tokens() && tokens <= limits.max_logit_rows();
         ++tokens)
      if (Code failed =
              run_programs(context, {tokens, tokens, tokens}, sample != 0, context.device->kind->capture, out))
        return failed;
  return YUPANA_STATUS_OK;
}

bool has_sample_program(const yupana_context_t &context) {
  for (const schema::StepProgram *program : *context.target().programs())
    if (program->function() == schema::Function::sample)
      return true;
  return false;
}

namespace {

/// Adds the launches of a program that have cells to the `count` there are.
uint32_t add_launches(yupana_context_t &context, schema::Function function, const StepSizes &sizes, uint32_t count) {
  const PreparedLaunch *launch = context.launches.data();
  auto chosen = context.target().programs()->begin();
  // Programs of one function ascend by their size and the last holds the largest step (check_target.cc), so this ends.
  while (chosen->function() != function ||
         (function == schema::Function::step && chosen->max_tokens() < sizes.tokens)) {
    launch += chosen->launches()->size();
    ++chosen;
  }
  for (uint32_t i = chosen->launches()->size(); i > 0; --i, ++launch)
    if (uint32_t cells = evaluate_grid(*launch->grid, sizes, context.device->sms))
      context.active[count++] = {&launch->launch, cells};
  return count;
}

} // namespace

Code run_programs(yupana_context_t &context, const StepSizes &sizes, bool sample, LaunchFunction *what,
                  yupana_status_t *out) {
  uint32_t count = add_launches(context, schema::Function::step, sizes, 0);
  if (sample)
    count = add_launches(context, schema::Function::sample, sizes, count);
  return what(context.device, sizes, context.active.data(), count, out);
}

} // namespace yupana::runtime
