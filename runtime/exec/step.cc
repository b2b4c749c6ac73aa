// SPDX-License-Identifier: Apache-2.0
//
// A step in four parts: everything that can be refused is checked; pages change hands; inputs are written; programs
// run. Only the first can refuse, so a refused step has changed nothing. A device that fails while it runs ends the use
// of its context.
//
// Steps are given to the device one behind the other and waited for in that order. What a step changes here, lengths
// and pages, is changed when it is given: all that later steps do with pages lies behind it in the device's order, too.

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
  if (span.token_from_previous > 1)
    return fail(out, kInvalid, "span %u has token_from_previous %u; expected 0 or 1", i, span.token_from_previous);
  if (span.token_count == 0 || (!span.tokens && !span.token_from_previous))
    return fail(out, kInvalid, "span %u has no tokens", i);
  if (span.token_from_previous &&
      (span.token_count != 1 || !context.submitted || sequence.drawn_step != context.submitted))
    return fail(out, kInvalid, "span %u has %u tokens of the step before, which drew none for its sequence", i,
                span.token_count);
  uint32_t most = context.limits().max_context();
  if (span.token_count > most - sequence.length)
    return fail(out, kInvalid, "span %u adds %u tokens to %u positions; the plan holds at most %u per sequence", i,
                span.token_count, sequence.length, most);
  uint32_t vocab = context.root().model()->vocab_size();
  for (uint32_t t = 0; t < span.token_count && !span.token_from_previous; ++t)
    if (span.tokens[t] >= vocab)
      return fail(out, kInvalid, "span %u, token %u has id %u; the vocabulary has %u", i, t, span.tokens[t], vocab);
  return check_rows(span, i, out);
}

Code check_result(const yupana_step_result_t *result, yupana_status_t *out) {
  if (!result || result->size < sizeof(yupana_step_result_t))
    return fail(out, kInvalid, "a step needs a result with its size");
  return YUPANA_STATUS_OK;
}

/// Logits have one place, which a step that follows would write over.
Code check_flight(const yupana_context_t &context, yupana_status_t *out) {
  uint64_t flying = context.submitted - context.waited;
  if (flying == kStepsInFlight)
    return fail(out, kInvalid, "%u steps are in flight, which is the most", kStepsInFlight);
  if (flying && context.steps[context.submitted % kStepsInFlight].outputs[kLogits].bytes)
    return fail(out, kInvalid, "the step before gives logits: wait for it first");
  return YUPANA_STATUS_OK;
}

Code check_batch_header(const yupana_context_t &context, const yupana_batch_t *batch, yupana_status_t *out) {
  if (!batch || batch->size < sizeof(yupana_batch_t))
    return fail(out, kInvalid, "a step needs a batch with its size");
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

uint32_t *drawn_tokens(const yupana_context_t &context) {
  return reinterpret_cast<uint32_t *>(context.inputs.device_input(static_cast<uint32_t>(StepInput::token_ids)));
}

/// Tokens of the step before are where it read its own. They stay there if they are the first of this step in the same
/// order: returns how many they are. Else all that was drawn goes to the buffer which the plan has for it and nothing
/// uses between two steps, to be placed from there.
uint32_t keep_drawn(yupana_context_t &context, const Spans &spans, bool *out_moves) {
  uint32_t drawn = 0, kept = 0;
  for (uint32_t i = 0; i < spans.size(); ++i)
    if (spans[i].token_from_previous) {
      ++drawn;
      kept += i == kept && context.sequences[slot_of(context, spans[i])].drawn_row == i;
    }
  *out_moves = kept != drawn;
  if (kept == drawn)
    return kept;
  context.device->kind->copy(context.device, context.buffer_address(context.target().sampled()), drawn_tokens(context),
                             context.steps[context.submitted % kStepsInFlight].rows * sizeof(uint32_t));
  return 0;
}

/// Once the inputs are there. Where host and kernels share memory, a token that could not be drawn is seen: the step
/// runs with another one, since what comes of it is of no use to anybody.
void place_drawn(yupana_context_t &context, const Spans &spans, bool moves) {
  auto *ids = context.inputs.input<uint32_t>(StepInput::token_ids);
  const auto *starts = context.inputs.input<uint32_t>(StepInput::sequence_starts);
  const auto *aside = static_cast<uint32_t *>(context.buffer_address(context.target().sampled()));
  for (uint32_t i = 0; i < spans.size(); ++i) {
    if (!spans[i].token_from_previous)
      continue;
    uint32_t token = starts[i];
    if (moves)
      context.device->kind->copy(context.device, drawn_tokens(context) + token,
                                 aside + context.sequences[slot_of(context, spans[i])].drawn_row, sizeof(uint32_t));
    if (ids[token] == YUPANA_NO_TOKEN)
      ids[token] = 0;
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
    if (!span.token_from_previous)
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

/// Remembers a step that the device has been given, and moves its sequences forward.
void note_submitted(yupana_context_t &context, const Spans &spans, SubmittedStep &step) {
  uint64_t number = ++context.submitted;
  SubmittedSpan *noted = context.step_spans.data() + number % kStepsInFlight * context.limits().max_batch();
  step.spans = spans.size();
  uint32_t row = 0;
  for (uint32_t i = 0; i < spans.size(); ++i) {
    const yupana_span_t &span = spans[i];
    uint32_t slot = slot_of(context, span), rows = rows_of(span);
    Sequence &sequence = context.sequences[slot];
    noted[i] = {slot, sequence.length, rows, span.sample};
    sequence.length += span.token_count;
    row += rows;
    if (span.sample && rows && token_of_row(span, rows - 1) == span.token_count - 1) {
      sequence.drawn_step = number;
      sequence.drawn_row = row - 1;
    }
  }
}

/// Of a lost device: its sequences are as long as before the first step that was not waited for.
void take_back_steps(yupana_context_t &context) {
  for (; context.submitted != context.waited; --context.submitted) {
    uint64_t slot = context.submitted % kStepsInFlight;
    const SubmittedSpan *spans = context.step_spans.data() + slot * context.limits().max_batch();
    for (uint32_t i = 0; i < context.steps[slot].spans; ++i) {
      Sequence &sequence = context.sequences[spans[i].slot];
      sequence.length = static_cast<uint32_t>(least(sequence.length, spans[i].length));
    }
  }
}

/// Hides the choices made for rows whose spans did not ask for one. NOT_FINITE when a kernel could make none for a row
/// whose span did.
Code check_sampled(const SubmittedStep &step, const SubmittedSpan *spans, uint32_t *sampled, yupana_status_t *status) {
  Code code = succeed(status);
  for (uint32_t i = 0, row = 0; i < step.spans; ++i)
    for (uint32_t r = spans[i].rows; r > 0; --r, ++row)
      if (!spans[i].sample)
        sampled[row] = YUPANA_NO_TOKEN;
      else if (sampled[row] == YUPANA_NO_TOKEN)
        code = fail(status, YUPANA_STATUS_NOT_FINITE, "row %u of the logits is not finite", row);
  return code;
}

} // namespace

yupana_status_code_t yupana_context_submit(yupana_context_t *context, const yupana_batch_t *batch,
                                           yupana_status_t *out_status) {
  if (Code code = check_batch_header(*context, batch, out_status))
    return code;
  Spans spans(*batch);
  StepSizes sizes;
  bool sample = false;
  if (Code code = check_batch(*context, spans, &sizes, &sample, out_status))
    return code;
  if (Code code = check_flight(*context, out_status))
    return code;
  if (Code code = check_pages(*context, spans, out_status))
    return code;

  Device *device = context->device;
  const DeviceKind &kind = *device->kind;
  const schema::Target &target = context->target();
  auto slot = static_cast<uint32_t>((context->submitted + 1) % kStepsInFlight);
  bool moves = false;
  uint32_t kept = keep_drawn(*context, spans, &moves);
  change_pages(*context, spans);
  write_token_inputs(*context, spans);
  write_row_inputs(*context, spans);
  context->inputs.send(device, slot, sizes, kept);
  place_drawn(*context, spans, moves);

  SubmittedStep &step = context->steps[slot];
  step = {};
  step.rows = sizes.rows;
  // Logits leave the device only where the caller reads them: a row has an entry for each word of the vocabulary.
  if (!batch->keep_logits)
    step.outputs[kLogits] = {context->buffer_address(target.logits()),
                             uint64_t{4} * sizes.rows * context->root().model()->vocab_size(), nullptr};
  if (sample)
    step.outputs[kSampled] = {drawn_tokens(*context), uint64_t{4} * sizes.rows, nullptr};
  Code code = run_programs(*context, sizes, sample, kind.run, out_status);
  if (!code)
    code = kind.finish(device, slot, step.outputs, out_status);
  if (code)
    return code;
  note_submitted(*context, spans, step);
  return succeed(out_status);
}

yupana_status_code_t yupana_context_wait(yupana_context_t *context, yupana_step_result_t *out_result,
                                         yupana_status_t *out_status) {
  if (Code code = check_result(out_result, out_status))
    return code;
  if (context->submitted == context->waited)
    return fail(out_status, kInvalid, "no step is in flight");
  auto slot = static_cast<uint32_t>((context->waited + 1) % kStepsInFlight);
  if (Code code = context->device->kind->wait(context->device, slot, out_status)) {
    take_back_steps(*context);
    return code;
  }
  ++context->waited;
  const SubmittedStep &step = context->steps[slot];
  yupana_step_result_t result = {};
  result.rows = step.rows;
  result.vocab_size = context->root().model()->vocab_size();
  result.logits = static_cast<const float *>(step.outputs[kLogits].host);
  auto *sampled = static_cast<uint32_t *>(step.outputs[kSampled].host);
  result.sampled = sampled;
  copy_sized(out_result, result);
  const SubmittedSpan *spans = context->step_spans.data() + slot * context->limits().max_batch();
  return sampled ? check_sampled(step, spans, sampled, out_status) : succeed(out_status);
}

yupana_status_code_t yupana_context_step(yupana_context_t *context, const yupana_batch_t *batch,
                                         yupana_step_result_t *out_result, yupana_status_t *out_status) {
  if (Code code = check_result(out_result, out_status))
    return code;
  if (context->submitted != context->waited)
    return fail(out_status, kInvalid, "steps are in flight: wait for them first");
  if (Code code = yupana_context_submit(context, batch, out_status))
    return code;
  return yupana_context_wait(context, out_result, out_status);
}
