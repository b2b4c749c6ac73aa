// SPDX-License-Identifier: Apache-2.0
//
// Preparing a context. Everything small is allocated before the weights are read, so that what is going to fail fails
// in milliseconds.

#include "runtime/exec/context.h"

#include "runtime/exec/room.h"
#include "runtime/plan/bounds.h"
#include "runtime/plan/code.h"
#include "runtime/plan/weights.h"

#include <cstring>

using namespace yupana::runtime;
namespace schema = yupana::schema;

namespace {

void destroy_context(yupana_context_t *context) {
  Device *device = context->device;
  for (uint32_t i = 0; i < context->weights.size(); ++i)
    if (context->weights[i])
      release_weights(context->plan, i, *device);
  if (context->uses_filled)
    release_filled(context->plan, *device);
  Allocator allocator = context->allocator;
  yupana_plan_t *plan = context->plan;
  destroy_object(allocator, context);
  if (device)
    device->kind->close(device);
  yupana_plan_release(plan);
}

Code choose_target(const yupana_plan_t *plan, const char *name, const DeviceChoice &choice, uint32_t *out_index,
                   const Report &report) {
  yupana_fit_t fit;
  if (!name)
    return best_target(plan, choice, out_index, report);
  for (uint32_t i = 0; i < yupana_plan_target_count(plan); ++i)
    if (strcmp(plan->target(i).name()->c_str(), name) == 0) {
      *out_index = i;
      return fit_target(plan, i, choice, &fit, report);
    }
  return report.fail(YUPANA_STATUS_INVALID_ARGUMENT, "the plan has no target '%s'; its first is '%s'", name,
                     plan->target(0).name()->c_str());
}

Code check_options(const yupana_context_options_t &options, const Report &report) {
  constexpr Code kInvalid = YUPANA_STATUS_INVALID_ARGUMENT;
  if (options.max_sequences > kMaxContextSequences)
    return report.fail(kInvalid, "%u sequences were asked for; at most %u are possible", options.max_sequences,
                       kMaxContextSequences);
  if (options.digests > YUPANA_DIGEST_OFF)
    return report.fail(kInvalid, "the digest policy is %u; expected 0 to 2", options.digests);
  if (options.map_weights > 1)
    return report.fail(kInvalid, "map_weights is %u; expected 0 or 1", options.map_weights);
  return YUPANA_STATUS_OK;
}

/// Arenas are cleared: a workspace must be zero before its first launch, and kernels may read padding behind what was
/// written.
Code allocate_arenas(yupana_context_t &context, const Report &report) {
  Device *device = context.device;
  const auto &arenas = *context.target().arenas();
  for (uint32_t i = 0; i < arenas.size(); ++i) {
    const schema::Arena &arena = *arenas.Get(i);
    uint64_t bytes;
    if (!checked_add(arena.size(), kArenaPadding, &bytes))
      return report.fail(YUPANA_STATUS_OUT_OF_MEMORY, "arena '%s' does not fit in memory", arena.name()->c_str());
    if (Code code = device->kind->allocate(device, context.allocator, bytes, arena.alignment(), "activations",
                                           &context.arenas[i], report.out()))
      return code;
    device->kind->zero(device, context.arenas[i].data(), bytes);
  }
  return YUPANA_STATUS_OK;
}

/// What the launches of the target are given.
struct Uses {
  Array<uint32_t> weights; // an entry per weight of the plan: 1 when a launch reads it
  bool history = false;
};

/// A plan for several targets has weights in each target's own form. Only those that this target's launches read are
/// loaded.
Code find_uses(const yupana_context_t &context, Uses *out, const Report &report) {
  if (Code code =
          out->weights.allocate(context.allocator, context.root().weights()->size(), "used weights", report.out()))
    return code;
  for (const schema::StepProgram *program : *context.target().programs())
    for (const schema::Launch *launch : *program->launches())
      for (const schema::Argument *argument : *launch->arguments()) {
        if (argument->kind() == schema::ArgumentKind::weight)
          out->weights[argument->index()] = 1;
        out->history |= argument->kind() == schema::ArgumentKind::history;
      }
  return YUPANA_STATUS_OK;
}

/// The history, if the target has a kernel that takes it.
Code allocate_history(yupana_context_t &context, const Uses &uses, const Report &report) {
  if (!uses.history)
    return YUPANA_STATUS_OK;
  // At most 2^20 rows of less than 2^34 bytes. Not cleared: what is never used never takes memory.
  uint64_t bytes = context.max_sequences * history_row_bytes(context.limits()) + kArenaPadding;
  return context.device->kind->allocate(context.device, context.allocator, bytes, kCacheLine, "the history of tokens",
                                        &context.history, report.out());
}

Code allocate_cache(yupana_context_t &context, uint64_t kv_bytes, const Report &report) {
  uint32_t pages[kMaxCacheGroups];
  if (Code code = choose_pages(*context.plan, kv_bytes, context.max_sequences, pages, &context.kv_positions, report))
    return code;
  for (uint32_t i = 0; i < context.group_count(); ++i)
    if (Code code = context.groups[i].prepare(context.device, context.allocator, *context.root().cache_groups()->Get(i),
                                              context.limits(), context.max_sequences, pages[i], report.out()))
      return code;
  uint64_t spans = uint64_t{kStepsInFlight} * context.limits().max_batch();
  if (Code code = context.step_spans.allocate(context.allocator, spans, "steps in flight", report.out()))
    return code;
  return context.sequences.allocate(context.allocator, context.max_sequences, "sequences", report.out());
}

Code load_weights(yupana_context_t &context, const yupana_context_options_t &options, const Array<uint32_t> &used,
                  const Report &report) {
  uint32_t sections = yupana_plan_section_count(context.plan);
  bool used_sections[schema::kMaxSections] = {};
  uint64_t total = 0;
  bool fills = false;
  for (uint32_t i = 0; i < used.size(); ++i) {
    const schema::Weight &weight = *context.root().weights()->Get(i);
    if (!used[i])
      continue;
    if (weight.section() != schema::kNoSection) {
      used_sections[weight.section()] = true;
      continue;
    }
    fills = true;
    total = saturating_add(total, weight.size());
  }
  for (uint32_t i = 0; i < sections; ++i)
    total = saturating_add(total, used_sections[i] ? context.plan->section(i).size : 0);
  if (Code code = context.weights.allocate(context.allocator, sections, "sections of weights", report.out()))
    return code;
  Progress progress(options.progress, total);
  for (uint32_t i = 0; i < sections; ++i)
    if (used_sections[i])
      if (Code code = acquire_weights(context.plan, i, options, context.device, progress, &context.weights[i], report))
        return code;
  if (!fills)
    return YUPANA_STATUS_OK;
  Code code = acquire_filled(context.plan, used, *options.filler, context.device, progress, report);
  context.uses_filled = !code;
  return code;
}

Code open_device(yupana_context_t &context, const DeviceChoice &choice, const yupana_context_options_t &options,
                 const Report &report) {
  const schema::Target &target = context.target();
  DeviceOptions wanted = {choice, &target, options.threads, 0, {target.buffers()->Get(target.logits())->size()}};
  if (has_sample_program(context))
    wanted.result_bytes[kSampled] = target.buffers()->Get(target.sampled())->size();
  for (const schema::Kernel *kernel : *target.kernels())
    wanted.scratch_bytes = greatest(wanted.scratch_bytes, kernel->scratch_bytes());
  return choice.kind->open(context.allocator, wanted, &context.device, report);
}

Code prepare(yupana_context_t &context, const DeviceChoice &choice, const yupana_context_options_t &options,
             const Report &report) {
  Uses uses;
  if (Code code = find_uses(context, &uses, report))
    return code;
  // Before the device is opened, so that the answer comes at once.
  if (Code code = check_weights_present(context, options, uses.weights, report))
    return code;
  if (Code code = open_device(context, choice, options, report))
    return code;
  if (Code code = check_room(context, options, uses.weights, report))
    return code;
  if (Code code = load_code(*context.plan, context.target_index, options.digests != YUPANA_DIGEST_OFF, context.device,
                            &context.kernels, report))
    return code;
  // Without a number from the caller there are as many sequences as a step can hold.
  context.max_sequences = options.max_sequences ? options.max_sequences : context.limits().max_batch();
  // Launches are prepared last: they hold addresses of all that was allocated before.
  Code code = allocate_arenas(context, report);
  if (!code)
    code = context.inputs.prepare(context.device, context.allocator, context.root(), report.out());
  if (!code)
    code = allocate_history(context, uses, report);
  if (!code)
    code = allocate_cache(context, options.kv_bytes, report);
  if (!code)
    code = load_weights(context, options, uses.weights, report);
  if (!code)
    code = prepare_launches(context, report.out());
  return code;
}

} // namespace

Code yupana::runtime::create_context(const DeviceChoice &choice, yupana_plan_t *plan, uint32_t target,
                                     const yupana_context_options_t &options, const Allocator &allocator,
                                     yupana_context_t **out_context, const Report &report) {
  auto *context = create_object<yupana_context_t>(allocator);
  if (!context)
    return report.fail(YUPANA_STATUS_OUT_OF_MEMORY, "no memory for a context");
  yupana_plan_retain(plan);
  context->plan = plan;
  context->allocator = allocator;
  context->target_index = target;
  if (Code code = prepare(*context, choice, options, report)) {
    destroy_context(context);
    return code;
  }
  *out_context = context;
  return succeed(report.out());
}

yupana_status_code_t yupana_context_create(yupana_plan_t *plan, const yupana_context_options_t *given,
                                           const yupana_allocator_t *allocator, yupana_context_t **out_context,
                                           yupana_status_t *out_status) {
  if (!plan || !out_context)
    return fail(out_status, YUPANA_STATUS_INVALID_ARGUMENT, "a context needs a plan and room for itself");
  Report report(plan->reader.name, out_status);
  yupana_context_options_t options = given ? read_sized(given) : yupana_context_options_t{};
  uint32_t target = 0;
  DeviceChoice choice;
  if (Code code = check_options(options, report))
    return code;
  if (Code code = choose_device(options.device, &choice, report))
    return code;
  if (Code code = choose_target(plan, options.target, choice, &target, report))
    return code;
  Allocator memory;
  if (Code code = Allocator::adopt(allocator, &memory, out_status))
    return code;
  // The target decides: for "auto" the choice above names no kind of device.
  choice.kind = find_device_kind(plan->target(target).name()->c_str());
  return create_context(choice, plan, target, options, memory, out_context, report);
}

void yupana_context_release(yupana_context_t *context) {
  if (context)
    destroy_context(context);
}

void yupana_context_info(const yupana_context_t *context, yupana_context_info_t *out) {
  yupana_context_info_t info = {};
  info.target = context->target_index;
  info.threads = context->device->workers;
  info.max_sequences = context->max_sequences;
  info.sequences = context->alive_sequences;
  info.kv_positions = context->kv_positions;
  info.runs_apart = !context->device->kind->has_host_memory;
  copy_sized(out, info);
}

void yupana_context_memory(const yupana_context_t *context, yupana_memory_info_t *out) {
  yupana_memory_info_t info = {};
  for (uint32_t i = 0; i < context->weights.size(); ++i)
    if (context->weights[i])
      info.weights += context->plan->section(i).size + kArenaPadding;
  if (context->uses_filled)
    info.weights += context->plan->filled[context->device->slot].memory.size();
  for (uint32_t i = 0; i < context->target().arenas()->size(); ++i)
    info.arenas += context->arenas[i].size();
  for (uint32_t i = 0; i < context->group_count(); ++i) {
    info.cache += context->groups[i].cache_bytes();
    info.bookkeeping += context->groups[i].bookkeeping_bytes();
  }
  info.inputs = context->inputs.bytes() + context->history.size();
  context->device->kind->memory(context->device, &info);
  info.bookkeeping += sizeof(*context) + context->inputs.bookkeeping_bytes() + context->sequences.bytes() +
                      context->kernels.bytes() + context->launches.bytes() + context->arguments.bytes() +
                      context->active.bytes() + context->step_spans.bytes() + context->weights.bytes();
  info.total = info.weights + info.cache + info.arenas + info.inputs + info.scratch + info.code + info.bookkeeping;
  copy_sized(out, info);
}

yupana_status_code_t yupana_context_pages(const yupana_context_t *context, uint32_t group, uint32_t *out_total,
                                          uint32_t *out_free) {
  if (group >= context->group_count())
    return YUPANA_STATUS_INVALID_ARGUMENT;
  *out_total = context->groups[group].total_pages();
  *out_free = context->groups[group].free_pages();
  return YUPANA_STATUS_OK;
}
