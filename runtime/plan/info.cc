// SPDX-License-Identifier: Apache-2.0
//
// What a plan says about itself, for callers: values are copied out of the verified metadata, strings and arrays point
// into it and live as long as the plan. Every structure carries the size that the caller knows, and no more is written.

#include "runtime/plan/plan.h"

#include <cstring>

using namespace yupana::runtime;
namespace schema = yupana::schema;

static_assert(YUPANA_NO_SECTION == schema::kNoSection);

void yupana_plan_model(const yupana_plan_t *plan, yupana_model_info_t *out) {
  const schema::Model &model = *plan->root->model();
  const auto *stop = model.stop_tokens();
  yupana_model_info_t info = {};
  info.name = model.name()->c_str();
  info.architecture = model.architecture()->c_str();
  info.precision = model.precision()->c_str();
  info.producer = plan->root->producer()->c_str();
  info.vocab_size = model.vocab_size();
  info.hidden_size = model.hidden_size();
  info.layers = model.layers();
  info.stop_token_count = stop ? stop->size() : 0;
  info.stop_tokens = stop ? stop->data() : nullptr;
  info.parameters = model.parameters();
  info.bos_token = model.bos_token();
  // Without a generation configuration: the model's own distribution, as yupana_span_t has it.
  info.temperature = info.top_p = info.repetition_penalty = 1;
  if (const schema::Generation *generation = model.generation()) {
    info.do_sample = generation->do_sample();
    info.temperature = generation->temperature();
    info.top_k = generation->top_k();
    info.top_p = generation->top_p();
    info.min_p = generation->min_p();
    info.repetition_penalty = generation->repetition_penalty();
  }
  copy_sized(out, info);
}

void yupana_plan_limits(const yupana_plan_t *plan, yupana_limits_t *out) {
  const schema::Limits &limits = *plan->root->limits();
  yupana_limits_t info = {0, limits.max_context(), limits.max_batch(), limits.max_step_tokens(),
                          limits.max_logit_rows()};
  copy_sized(out, info);
}

uint32_t yupana_plan_weight_count(const yupana_plan_t *plan) { return plan->root->weights()->size(); }

yupana_status_code_t yupana_plan_weight(const yupana_plan_t *plan, uint32_t index, yupana_weight_info_t *out) {
  if (index >= yupana_plan_weight_count(plan))
    return YUPANA_STATUS_INVALID_ARGUMENT;
  const schema::Weight &weight = *plan->root->weights()->Get(index);
  yupana_weight_info_t info = {};
  info.name = weight.name()->c_str();
  info.element = schema::EnumNameElementType(weight.element());
  info.layout = weight.layout()->c_str();
  info.source = weight.source() ? weight.source()->c_str() : "";
  info.shape = weight.shape()->data();
  info.rank = weight.shape()->size();
  info.section = weight.section();
  info.offset = weight.offset();
  info.bytes = weight.size();
  copy_sized(out, info);
  return YUPANA_STATUS_OK;
}

/// Counted anew each time: plans have few weights, and callers ask once.
uint32_t yupana_plan_missing_weights(const yupana_plan_t *plan) {
  uint32_t missing = 0;
  for (const schema::Weight *weight : *plan->root->weights())
    missing += weight->section() == schema::kNoSection;
  return missing;
}

uint32_t yupana_plan_cache_group_count(const yupana_plan_t *plan) { return plan->root->cache_groups()->size(); }

yupana_status_code_t yupana_plan_cache_group(const yupana_plan_t *plan, uint32_t index,
                                             yupana_cache_group_info_t *out) {
  if (index >= yupana_plan_cache_group_count(plan))
    return YUPANA_STATUS_INVALID_ARGUMENT;
  const schema::CacheGroup &group = *plan->root->cache_groups()->Get(index);
  yupana_cache_group_info_t info = {};
  info.name = group.name()->c_str();
  info.layers = group.layers()->data();
  info.layer_count = group.layers()->size();
  info.chunk = group.chunk();
  info.page_tokens = group.page_tokens();
  info.page_bytes = group.page_bytes();
  copy_sized(out, info);
  return YUPANA_STATUS_OK;
}

uint32_t yupana_plan_target_count(const yupana_plan_t *plan) { return plan->root->targets()->size(); }

yupana_status_code_t yupana_plan_target(const yupana_plan_t *plan, uint32_t index, yupana_target_info_t *out) {
  if (index >= yupana_plan_target_count(plan))
    return YUPANA_STATUS_INVALID_ARGUMENT;
  const schema::Target &target = plan->target(index);
  yupana_target_info_t info = {};
  info.name = target.name()->c_str();
  info.kernels = target.kernels()->size();
  info.programs = target.programs()->size();
  info.buffers = target.buffers()->size();
  for (const schema::StepProgram *program : *target.programs()) {
    info.launches += program->launches()->size();
    info.has_sample |= program->function() == schema::Function::sample;
  }
  for (const schema::Arena *arena : *target.arenas())
    // Arenas of a hostile plan may together exceed 64 bits; allocating them fails then.
    info.arena_bytes = saturating_add(info.arena_bytes, arena->size());
  for (const schema::Kernel *kernel : *target.kernels())
    if (kernel->scratch_bytes() > info.scratch_bytes)
      info.scratch_bytes = kernel->scratch_bytes();
  copy_sized(out, info);
  return YUPANA_STATUS_OK;
}

uint32_t yupana_plan_section_count(const yupana_plan_t *plan) {
  return static_cast<uint32_t>(plan->frame.sections.size());
}

yupana_status_code_t yupana_plan_section(const yupana_plan_t *plan, uint32_t index, yupana_section_info_t *out) {
  if (index >= yupana_plan_section_count(plan))
    return YUPANA_STATUS_INVALID_ARGUMENT;
  const schema::SectionEntry &entry = plan->section(index);
  yupana_section_info_t info = {};
  info.kind = entry.kind;
  info.flags = entry.flags;
  info.offset = entry.offset;
  info.bytes = entry.size;
  info.alignment = entry.alignment;
  memcpy(info.digest, entry.digest, sizeof(info.digest));
  copy_sized(out, info);
  return YUPANA_STATUS_OK;
}

uint64_t yupana_plan_file_bytes(const yupana_plan_t *plan) { return plan->frame.header.file_size; }

const char *yupana_plan_name(const yupana_plan_t *plan) { return plan->reader.name; }

/// The bytes of the FlatBuffer, which the tools read with the schema. Verified, and valid as long as the plan.
const void *yupana_plan_metadata(const yupana_plan_t *plan, uint64_t *out_bytes) {
  if (out_bytes)
    *out_bytes = plan->metadata.size();
  return plan->metadata.data();
}

int64_t yupana_plan_find_section(const yupana_plan_t *plan, uint32_t kind) {
  for (uint32_t i = 0; i < plan->frame.sections.size(); ++i)
    if (plan->section(i).kind == kind)
      return i;
  return -1;
}
