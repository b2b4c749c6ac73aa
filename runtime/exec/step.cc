// SPDX-License-Identifier: Apache-2.0
//
// A step in four parts: everything that can be refused is checked; pages change hands; inputs are written; programs
// run. Only the first can refuse, so a refused step has changed nothing. A device that fails while it runs ends the use
// of its context.

#include "runtime/exec/context.h"

#include <cfloat>
#include <cstring>

using namespace yupana::runtime;
namespace schema = yupana::schema;

namespace {

using schema::StepInput;
constexpr Code kInvalid = YUPANA_STATUS_INVALID_ARGUMENT;

/// A batch as the caller gave it, whose spans may be longer structures than ours.
class Spans {
public:
  explicit Spans(const yupana_batch_t &batch) : batch_(batch) {}
  uint32_t size() const { return batch_.span_count; }
  const yupana_span_t &operator[](uint32_t i) const {
    const auto *first = reinterpret_cast<const uint8_t *>(batch_.spans);
    return *reinterpret_cast<const yupana_span_t *>(first + i * batch_.spans->size);
  }

private:
  const yupana_batch_t &batch_;
};

uint32_t rows_of(const yupana_span_t &span) {
  switch (span.rows) {
  case YUPANA_ROWS_LAST:
    return 1;
  case YUPANA_ROWS_ALL:
    return span.token_count;
  case YUPANA_ROWS_LIST:
    return span.row_count;
  default:
    return 0;
  }
}

/// Which token of the span row `row` of it belongs to.
uint32_t token_of_row(const yupana_span_t &span, uint32_t row) {
  switch (span.rows) {
  case YUPANA_ROWS_LAST:
    return span.token_count - 1;
  case YUPANA_ROWS_LIST:
    return span.row_list[row];
  default:
    return row;
  }
}

/// Of a span that has been checked.
uint32_t slot_of(const yupana_context_t &context, const yupana_span_t &span) {
  return static_cast<uint32_t>(find_sequence(context, span.sequence));
}

Code check_rows(const yupana_span_t &span, uint32_t i, yupana_status_t *out) {
  if (span.rows > YUPANA_ROWS_LIST)
    return fail(out, kInvalid, "span %u asks for rows of kind %u; expected 0 to 3", i, span.rows);
  if (span.rows != YUPANA_ROWS_LIST)
    return YUPANA_STATUS_OK;
  if (span.row_count && !span.row_list)
    return fail(out, kInvalid, "span %u asks for %u rows without a list", i, span.row_count);
  for (uint32_t row = 0; row < span.row_count; ++row)
    if (span.row_list[row] >= span.token_count || (row && span.row_list[row] <= span.row_list[row - 1]))
      return fail(out, kInvalid, "span %u lists row %u; expected ascending rows below its %u tokens", i,
                  span.row_list[row], span.token_count);
  return YUPANA_STATUS_OK;
}

Code check_sampling(const yupana_span_t &span, uint32_t i, yupana_status_t *out) {
  struct {
    const char *name;
    float value, greatest;
  } fields[] = {{"temperature", span.temperature, FLT_MAX},
                {"top_p", span.top_p, 1},
                {"min_p", span.min_p, 1},
                {"repetition_penalty", span.repetition_penalty, FLT_MAX}};
  for (const auto &field : fields)
    if (!(field.value >= 0.0f && field.value <= field.greatest))
      return fail(out, kInvalid, "span %u has %s %g; expected 0 to %g", i, field.name, double{field.value},
                  double{field.greatest});
  return YUPANA_STATUS_OK;
}

Code check_span(yupana_context_t &context, const yupana_span_t &span, uint32_t i, yupana_status_t *out) {
  int64_t slot = find_sequence(context, span.sequence);
  if (slot < 0)
    return fail(out, kInvalid, "span %u names sequence %llx, which is not alive", i,
                static_cast<unsigned long long>(span.sequence));
  Sequence &sequence = context.sequences[static_cast<uint32_t>(slot)];
  // Marks of this attempt find a sequence named twice without a second loop over the spans.
  if (sequence.batch_mark == context.step_attempts)
    return fail(out, kInvalid, "span %u names the sequence of an earlier span", i);
  sequence.batch_mark = context.step_attempts;
  if (span.token_count == 0 || !span.tokens)
    return fail(out, kInvalid, "span %u has no tokens", i);
  uint32_t most = context.limits().max_context();
  if (span.token_count > most - sequence.length)
    return fail(out, kInvalid, "span %u adds %u tokens to %u positions; the plan holds at most %u per sequence", i,
                span.token_count, sequence.length, most);
  uint32_t vocab = context.root().model()->vocab_size();
  for (uint32_t t = 0; t < span.token_count; ++t)
    if (span.tokens[t] >= vocab)
      return fail(out, kInvalid, "span %u, token %u has id %u; the vocabulary has %u", i, t, span.tokens[t], vocab);
  return check_rows(span, i, out);
}

Code check_batch_header(const yupana_context_t &context, const yupana_batch_t *batch,
                        const yupana_step_result_t *result, yupana_status_t *out) {
  if (!batch || batch->size < sizeof(yupana_batch_t) || !result || result->size < sizeof(yupana_step_result_t))
    return fail(out, kInvalid, "a step needs a batch and a result with sizes");
  uint32_t most = context.limits().max_batch();
  if (batch->span_count == 0 || batch->span_count > most || !batch->spans)
    return fail(out, kInvalid, "the batch has %u spans; the plan takes 1 to %u", batch->span_count, most);
  if (batch->keep_logits > 1)
    return fail(out, kInvalid, "keep_logits is %u; expected 0 or 1", batch->keep_logits);
  Spans spans(*batch);
  for (uint32_t i = 0; i < batch->span_count; ++i)
    if (spans[i].size < sizeof(yupana_span_t) || spans[i].size != batch->spans->size)
      return fail(out, kInvalid, "span %u has %zu bytes; expected at least %zu, the same in all spans", i,
                  spans[i].size, sizeof(yupana_span_t));
  return YUPANA_STATUS_OK;
}

Code check_batch(yupana_context_t &context, const Spans &spans, StepSizes *out_sizes, bool *out_sample,
                 yupana_status_t *out) {
  // A mark of 0 would match sequences never named.
  if (++context.step_attempts == 0)
    context.step_attempts = 1;
  const schema::Limits &limits = context.limits();
  uint64_t tokens = 0, rows = 0;
  bool sample = false;
  for (uint32_t i = 0; i < spans.size(); ++i) {
    Code code = check_span(context, spans[i], i, out);
    if (!code)
      code = check_sampling(spans[i], i, out);
    if (code)
      return code;
    tokens += spans[i].token_count;
    rows += rows_of(spans[i]);
    sample |= spans[i].sample != 0 && rows_of(spans[i]) != 0;
  }
  if (tokens > limits.max_step_tokens())
    return fail(out, kInvalid, "the batch has %llu tokens; the plan takes at most %u in a step",
                static_cast<unsigned long long>(tokens), limits.max_step_tokens());
  if (rows > limits.max_logit_rows())
    return fail(out, kInvalid, "the batch asks for %llu rows of logits; the plan gives at most %u in a step",
                static_cast<unsigned long long>(rows), limits.max_logit_rows());
  if (sample && !has_sample_program(context))
    return fail(out, YUPANA_STATUS_UNSUPPORTED, "the plan has no program for sampling");
  *out_sizes = {static_cast<uint32_t>(tokens), spans.size(), static_cast<uint32_t>(rows)};
  *out_sample = sample;
  return YUPANA_STATUS_OK;
}

/// Counts before anything changes hands, so that a step which would run out of pages is refused whole. Pages that the
/// step frees itself count as available.
Code check_pages(yupana_context_t &context, const Spans &spans, yupana_status_t *out) {
  for (uint32_t g = 0; g < context.group_count(); ++g) {
    const PageGroup &group = context.groups[g];
    uint64_t available = group.free_pages(), needed = 0;
    for (uint32_t i = 0; i < spans.size(); ++i) {
      uint32_t slot = slot_of(context, spans[i]);
      PageGroup::Change change = group.preview(slot, context.sequences[slot].length, spans[i].token_count);
      available += change.freed;
      needed += change.taken;
    }
    if (needed > available)
      return fail(out, YUPANA_STATUS_OUT_OF_MEMORY, "the step needs %llu more pages of cache group '%s'; %llu are free",
                  static_cast<unsigned long long>(needed), context.root().cache_groups()->Get(g)->name()->c_str(),
                  static_cast<unsigned long long>(available));
  }
  return YUPANA_STATUS_OK;
}

void change_pages(yupana_context_t &context, const Spans &spans) {
  context.inputs.begin();
  for (uint32_t g = 0; g < context.group_count(); ++g) {
    PageGroup &group = context.groups[g];
    // Every sequence frees its pages before any gets new ones: the batch may need the pages that it frees itself.
    for (uint32_t i = 0; i < spans.size(); ++i) {
      uint32_t slot = slot_of(context, spans[i]);
      group.free_before(slot, context.sequences[slot].length);
    }
    for (uint32_t i = 0; i < spans.size(); ++i) {
      uint32_t slot = slot_of(context, spans[i]);
      group.grow(slot, context.sequences[slot].length + spans[i].token_count);
      context.inputs.use_table_row(g, i, group.write_row(context.inputs.table_row(g, i), i, slot));
    }
  }
}

/// Inputs are those of plan.fbs, token by token and sequence by sequence; starts has an entry more, so that a
/// sequence's tokens are starts[i] to starts[i + 1].
void write_token_inputs(yupana_context_t &context, const Spans &spans) {
  auto *ids = context.inputs.input<uint32_t>(StepInput::token_ids);
  auto *positions = context.inputs.input<uint32_t>(StepInput::token_positions);
  auto *owners = context.inputs.input<uint32_t>(StepInput::token_sequences);
  auto *slots = context.inputs.input<uint32_t>(StepInput::sequence_slots);
  auto *starts = context.inputs.input<uint32_t>(StepInput::sequence_starts);
  uint32_t token = 0;
  for (uint32_t i = 0; i < spans.size(); ++i) {
    const yupana_span_t &span = spans[i];
    uint32_t slot = slot_of(context, span), length = context.sequences[slot].length;
    starts[i] = token;
    slots[i] = slot;
    memcpy(ids + token, span.tokens, span.token_count * sizeof(uint32_t));
    for (uint32_t t = 0; t < span.token_count; ++t, ++token) {
      positions[token] = length + t;
      owners[token] = i;
    }
  }
  starts[spans.size()] = token;
}

void write_row_inputs(yupana_context_t &context, const Spans &spans) {
  auto *tokens = context.inputs.input<uint32_t>(StepInput::logit_rows);
  auto *temperatures = context.inputs.input<float>(StepInput::row_temperatures);
  auto *seeds = context.inputs.input<uint64_t>(StepInput::row_seeds);
  auto *numbers = context.inputs.input<uint64_t>(StepInput::row_sequences);
  auto *positions = context.inputs.input<uint32_t>(StepInput::row_positions);
  auto *slots = context.inputs.input<uint32_t>(StepInput::row_slots);
  auto *top_k = context.inputs.input<uint32_t>(StepInput::row_top_k);
  auto *top_p = context.inputs.input<float>(StepInput::row_top_p);
  auto *min_p = context.inputs.input<float>(StepInput::row_min_p);
  auto *penalties = context.inputs.input<float>(StepInput::row_penalties);
  const auto *starts = context.inputs.input<uint32_t>(StepInput::sequence_starts);
  uint32_t row = 0;
  for (uint32_t i = 0; i < spans.size(); ++i) {
    const yupana_span_t &span = spans[i];
    uint32_t slot = slot_of(context, span);
    const Sequence &sequence = context.sequences[slot];
    for (uint32_t r = 0; r < rows_of(span); ++r, ++row) {
      uint32_t token = token_of_row(span, r);
      tokens[row] = starts[i] + token;
      // Taking the best token is the cheapest way, so it is the way of rows that are not sampled.
      temperatures[row] = span.sample ? span.temperature : 0.0f;
      top_k[row] = span.top_k;
      // 0 in the structure asks for the default, which is to leave out nothing.
      top_p[row] = span.top_p != 0.0f ? span.top_p : 1.0f;
      min_p[row] = span.min_p;
      penalties[row] = span.sample && span.repetition_penalty != 0.0f ? span.repetition_penalty : 1.0f;
      seeds[row] = span.seed;
      numbers[row] = sequence.number;
      positions[row] = sequence.length + token + 1;
      slots[row] = slot;
    }
  }
}

/// `values` values of four bytes of a buffer.
StepOutput output(const yupana_context_t &context, uint32_t buffer, uint64_t values) {
  return {context.buffer_address(buffer), values * 4, nullptr};
}

/// Hides the choices made for rows whose spans did not ask for one. NOT_FINITE when a kernel could make none for a row
/// whose span did.
Code check_sampled(const Spans &spans, uint32_t *sampled, yupana_status_t *status) {
  Code code = succeed(status);
  for (uint32_t i = 0, row = 0; i < spans.size(); ++i)
    for (uint32_t r = rows_of(spans[i]); r > 0; --r, ++row)
      if (!spans[i].sample)
        sampled[row] = YUPANA_NO_TOKEN;
      else if (sampled[row] == YUPANA_NO_TOKEN)
        code = fail(status, YUPANA_STATUS_NOT_FINITE, "row %u of the logits is not finite", row);
  return code;
}

} // namespace

yupana_status_code_t yupana_context_step(yupana_context_t *context, const yupana_batch_t *batch,
                                         yupana_step_result_t *out_result, yupana_status_t *out_status) {
  if (Code code = check_batch_header(*context, batch, out_result, out_status))
    return code;
  Spans spans(*batch);
  StepSizes sizes;
  bool sample = false;
  if (Code code = check_batch(*context, spans, &sizes, &sample, out_status))
    return code;
  if (Code code = check_pages(*context, spans, out_status))
    return code;

  change_pages(*context, spans);
  write_token_inputs(*context, spans);
  write_row_inputs(*context, spans);
  context->inputs.send(context->device, sizes);

  yupana_step_result_t result = {};
  result.rows = sizes.rows;
  result.vocab_size = context->root().model()->vocab_size();
  const schema::Target &target = context->target();
  StepOutput outputs[kStepResults] = {};
  // Logits leave the device only where the caller reads them: a row has an entry for each word of the vocabulary.
  if (!batch->keep_logits)
    outputs[kLogits] = output(*context, target.logits(), uint64_t{sizes.rows} * result.vocab_size);
  if (sample)
    outputs[kSampled] = output(*context, target.sampled(), sizes.rows);
  const DeviceKind &kind = *context->device->kind;
  Code code = run_program(*context, schema::Function::step, sizes, kind.run, out_status);
  if (!code && sample)
    code = run_program(*context, schema::Function::sample, sizes, kind.run, out_status);
  if (!code)
    code = kind.finish(context->device, outputs, out_status);
  if (code)
    return code;
  for (uint32_t i = 0; i < spans.size(); ++i)
    context->sequences[slot_of(*context, spans[i])].length += spans[i].token_count;
  result.logits = static_cast<const float *>(outputs[kLogits].host);
  auto *sampled = static_cast<uint32_t *>(outputs[kSampled].host);
  result.sampled = sampled;
  copy_sized(out_result, result);
  return sample ? check_sampled(spans, sampled, out_status) : succeed(out_status);
}
