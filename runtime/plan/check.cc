// SPDX-License-Identifier: Apache-2.0
//
// First the structure, then what the tables say, each checked before those that refer to it. The first fault ends the
// checks, so that a message names one place.

#include "runtime/plan/check.h"

#include "runtime/plan/bounds.h"
#include "runtime/plan/overlap.h"
#include "runtime/plan/structure.h"

#include <cfloat>
#include <cstring>

namespace yupana::runtime {

namespace {

using internal::check_string;
using internal::CheckScope;
using ull = unsigned long long;

/// UTF-8 without control characters: what a plan calls its parts is written to terminals.
/// Its own decoder, since the runtime has no library for it: well-formed as Unicode demands, which makes every
/// character's bytes unique.
bool valid_text(const uint8_t *p, uint32_t bytes) {
  const uint8_t *end = p + bytes;
  while (p < end) {
    uint32_t lead = *p++;
    if (lead < 0x20 || lead == 0x7F)
      return false;
    if (lead < 0x80)
      continue;
    uint32_t rest = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    if (lead < 0xC2 || lead > 0xF4 || static_cast<uint32_t>(end - p) < rest)
      return false;
    uint32_t point = lead & (0x3Fu >> rest);
    for (uint32_t i = 0; i < rest; ++i, ++p) {
      if ((*p & 0xC0) != 0x80)
        return false;
      point = point << 6 | (*p & 0x3F);
    }
    // Control characters, overlong forms, surrogates and what lies beyond Unicode.
    constexpr uint32_t kLeast[4] = {0, 0xA0, 0x800, 0x10000};
    if (point < kLeast[rest] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
      return false;
  }
  return true;
}

/// A position plus one step stays below 2^32, so that no sum of the two has to be checked while steps run.
bool check_limits(const schema::Limits &limits, const Report &report) {
  struct {
    const char *name;
    // Zero of any of them would make buffers of no bytes and divisions by zero.
    uint32_t value, greatest;
  } fields[] = {{"max_context", limits.max_context(), UINT32_MAX - kMaxStepTokens},
                {"max_batch", limits.max_batch(), kMaxBatch},
                {"max_step_tokens", limits.max_step_tokens(), kMaxStepTokens},
                {"max_logit_rows", limits.max_logit_rows(), kMaxStepTokens}};
  for (const auto &field : fields)
    if (field.value == 0 || field.value > field.greatest)
      return report.invalid("%s is %u; expected 1 to %u", field.name, field.value, field.greatest);
  return true;
}

/// The bounds of yupana_span_t, whose defaults these become; FLT_MIN stands for "above 0". Written so that NaN, which
/// compares false with everything, is refused.
bool check_generation(const schema::Generation &generation, const Report &report) {
  struct {
    const char *name;
    float value, least, greatest;
  } fields[] = {{"temperature", generation.temperature(), 0, FLT_MAX},
                {"top_p", generation.top_p(), FLT_MIN, 1},
                {"min_p", generation.min_p(), 0, 1},
                {"repetition_penalty", generation.repetition_penalty(), FLT_MIN, FLT_MAX}};
  for (const auto &field : fields)
    if (!(field.value >= field.least && field.value <= field.greatest))
      return report.invalid("%s is %g; expected %g to %g", field.name, double{field.value}, double{field.least},
                            double{field.greatest});
  return true;
}

bool check_model(const schema::Model &model, const Report &report) {
  if (!check_string(model.name(), "the model", report) || !check_string(model.architecture(), "the model", report) ||
      !check_string(model.precision(), "the model", report))
    return false;
  if (model.vocab_size() == 0 || model.hidden_size() == 0)
    return report.invalid("the model has vocab_size %u and hidden_size %u; expected at least 1", model.vocab_size(),
                          model.hidden_size());
  if (model.layers() > kMaxLayers)
    return report.invalid("the model has %u layers; expected at most %u", model.layers(), kMaxLayers);
  // -1 is none.
  if (model.bos_token() < -1 || model.bos_token() >= int64_t{model.vocab_size()})
    return report.invalid("bos_token is %lld; expected -1 or less than vocab_size %u",
                          static_cast<long long>(model.bos_token()), model.vocab_size());
  if (model.generation() && !check_generation(*model.generation(), report))
    return false;
  if (!model.stop_tokens())
    return true;
  if (model.stop_tokens()->size() > kMaxStopTokens)
    return report.invalid("there are %u stop tokens; expected at most %u", model.stop_tokens()->size(), kMaxStopTokens);
  for (uint32_t token : *model.stop_tokens())
    if (token >= model.vocab_size())
      return report.invalid("stop token %u is not below vocab_size %u", token, model.vocab_size());
  return true;
}

bool check_cache_groups(const CheckScope &scope) {
  const Report &report = scope.report;
  const auto &groups = *scope.plan.cache_groups();
  if (groups.size() > kMaxCacheGroups)
    return report.invalid("there are %u cache groups; expected at most %u", groups.size(), kMaxCacheGroups);
  for (uint32_t i = 0; i < groups.size(); ++i) {
    const schema::CacheGroup &group = *groups.Get(i);
    if (!check_string(group.name(), "a cache group", report))
      return false;
    const char *name = group.name()->c_str();
    if (group.page_tokens() == 0 || group.page_bytes() == 0)
      return report.invalid("cache group '%s' has pages of %u tokens and %llu bytes; expected at least 1", name,
                            group.page_tokens(), static_cast<ull>(group.page_bytes()));
    // Positions are divided by page_tokens; a chunk of 0 is no chunk and never divides.
    if (group.layers()->size() > kMaxLayers)
      return report.invalid("cache group '%s' has %u layers; expected at most %u", name, group.layers()->size(),
                            kMaxLayers);
    for (uint32_t layer : *group.layers())
      if (layer >= scope.plan.model()->layers())
        return report.invalid("cache group '%s' names layer %u of %u", name, layer, scope.plan.model()->layers());
  }
  return true;
}

bool check_targets(const CheckScope &scope) {
  const auto &targets = *scope.plan.targets();
  if (targets.size() == 0 || targets.size() > kMaxTargets)
    return scope.report.invalid("there are %u targets; expected 1 to %u", targets.size(), kMaxTargets);
  for (uint32_t i = 0; i < targets.size(); ++i) {
    if (!internal::check_target(scope, i))
      return false;
    // At most sixteen targets, so that comparing all pairs costs nothing.
    for (uint32_t j = 0; j < i; ++j)
      if (strcmp(targets.Get(i)->name()->c_str(), targets.Get(j)->name()->c_str()) == 0)
        return scope.report.invalid("target '%s' is there twice", targets.Get(i)->name()->c_str());
  }
  return true;
}

} // namespace

bool internal::check_string(const flatbuffers::String *string, const char *what, const Report &report) {
  if (!string)
    return true; // the structural verifier has required those that must be there
  if (string->size() > kMaxStringBytes)
    return report.invalid("a string of %s has %u bytes; expected at most %u", what, string->size(), kMaxStringBytes);
  if (!valid_text(string->Data(), string->size()))
    return report.invalid("a string of %s is not UTF-8 without control characters", what);
  return true;
}

/// The caller has checked that the element is a known one.
uint64_t element_bytes(schema::ElementType element) {
  switch (element) {
  case schema::ElementType::u64:
    return 8;
  case schema::ElementType::f32:
  case schema::ElementType::i32:
  case schema::ElementType::u32:
    return 4;
  case schema::ElementType::bf16:
  case schema::ElementType::f16:
    return 2;
  case schema::ElementType::u8:
    return 1;
  }
  return 0;
}

/// The one place that says how large a step input is: buffers, transfers and the check of arguments ask here.
uint64_t input_bytes(schema::StepInput input, const StepSizes &sizes) {
  switch (input) {
  case schema::StepInput::token_ids:
  case schema::StepInput::token_positions:
  case schema::StepInput::token_sequences:
    return uint64_t{sizes.tokens} * 4;
  case schema::StepInput::sequence_starts:
    return (uint64_t{sizes.sequences} + 1) * 4;
  case schema::StepInput::sequence_slots:
    return uint64_t{sizes.sequences} * 4;
  case schema::StepInput::logit_rows:
  case schema::StepInput::row_temperatures:
  case schema::StepInput::row_positions:
  case schema::StepInput::row_slots:
  case schema::StepInput::row_top_k:
  case schema::StepInput::row_top_p:
  case schema::StepInput::row_min_p:
  case schema::StepInput::row_penalties:
    return uint64_t{sizes.rows} * 4;
  case schema::StepInput::row_seeds:
  case schema::StepInput::row_sequences:
    return uint64_t{sizes.rows} * 8;
  }
  return 0;
}

uint64_t input_bytes(schema::StepInput input, const schema::Limits &limits) {
  return input_bytes(input, StepSizes{limits.max_step_tokens(), limits.max_batch(), limits.max_logit_rows()});
}

/// Rounded up, which fits 32 bits as max_context does.
uint32_t page_table_entries(const schema::CacheGroup &group, const schema::Limits &limits) {
  return static_cast<uint32_t>(ceil_div(limits.max_context(), group.page_tokens()));
}

uint64_t history_row_bytes(const schema::Limits &limits) { return uint64_t{limits.max_context()} * 4; }

Code check_metadata(const uint8_t *metadata, uint64_t bytes, const Frame &frame, const Allocator &allocator,
                    const Report &report, const schema::Plan **out_plan) {
  if (!check_structure(metadata, bytes, report))
    return YUPANA_STATUS_INVALID_DATA;
  const schema::Plan *plan = schema::GetPlan(metadata);
  // In this order: weights name sections, cache groups layers of the model, targets all of these.
  CheckScope scope{*plan, frame, report};
  if (!check_string(plan->producer(), "the plan", report) || !check_limits(*plan->limits(), report) ||
      !check_model(*plan->model(), report) || !internal::check_weights(scope) || !check_cache_groups(scope) ||
      !check_targets(scope))
    return YUPANA_STATUS_INVALID_DATA;
  // Last, as it sorts the buffers by their names, which need a walk through all of them and memory.
  for (const schema::Target *target : *plan->targets())
    if (Code code = check_entries(*target, allocator, report))
      return code;
  *out_plan = plan;
  return YUPANA_STATUS_OK;
}

} // namespace yupana::runtime
