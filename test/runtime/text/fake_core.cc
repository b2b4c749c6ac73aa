// SPDX-License-Identifier: Apache-2.0
#include "test/runtime/text/fake_core.h"

#include "yupana/profile.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <string>

using yupana::test::fake_core;

struct yupana_plan_t {
  std::string path;
  std::vector<uint64_t> tokenizer; // the section, in aligned words
  uint64_t tokenizer_bytes = 0;
};

struct yupana_context_t {
  std::map<yupana_sequence_t, std::vector<uint32_t>> sequences;
  yupana_sequence_t next_name = 1;
  struct Flight {
    std::vector<float> logits;
    std::vector<uint32_t> sampled;
    bool keeps_logits, lacks_token;
  };
  std::deque<Flight> flights;
  Flight result;                               // of the last that was waited for
  std::map<yupana_sequence_t, uint32_t> drawn; // by the last step
};

namespace {

void require(bool condition, const char *rule) {
  if (!condition) {
    std::fprintf(stderr, "the core was called against its rules: %s\n", rule);
    std::abort();
  }
}

yupana_status_code_t fail(yupana_status_t *status, yupana_status_code_t code, const std::string &message) {
  if (status) {
    status->code = code;
    std::snprintf(status->message, sizeof status->message, "%s", message.c_str());
  }
  return code;
}

uint64_t mix(uint64_t state, uint64_t value) {
  state = (state ^ value) * 0x9E3779B97F4A7C15u;
  return state ^ state >> 29;
}

void check_span(const yupana_context_t *context, const yupana_span_t &span) {
  require(span.size == sizeof span, "span size");
  auto found = context->sequences.find(span.sequence);
  require(found != context->sequences.end(), "span of a sequence that is not alive");
  require(span.token_count > 0, "empty span");
  require(found->second.size() + span.token_count <= fake_core().max_context, "max_context");
  if (span.token_from_previous)
    require(span.token_count == 1 && context->drawn.count(span.sequence), "a token that the step before did not draw");
  for (uint32_t i = 0; i < span.token_count && !span.token_from_previous; ++i)
    require(span.tokens[i] < fake_core().vocab_size, "token id");
}

uint32_t rows_of(const yupana_span_t &span) {
  return span.rows == YUPANA_ROWS_ALL ? span.token_count : span.rows == YUPANA_ROWS_LAST ? 1 : 0;
}

void check_batch(const yupana_context_t *context, const yupana_batch_t *batch) {
  require(batch->span_count > 0 && batch->span_count <= fake_core().max_batch, "max_batch");
  uint32_t tokens = 0, rows = 0;
  for (uint32_t i = 0; i < batch->span_count; ++i) {
    check_span(context, batch->spans[i]);
    for (uint32_t j = 0; j < i; ++j)
      require(batch->spans[i].sequence != batch->spans[j].sequence, "a sequence twice");
    tokens += batch->spans[i].token_count;
    rows += rows_of(batch->spans[i]);
  }
  require(tokens <= fake_core().max_step_tokens, "max_step_tokens");
  require(rows <= fake_core().max_logit_rows, "max_logit_rows");
}

/// For tests that look at what was read: a line of ids, all tokens of a sequence, whenever one is sampled.
void trace(const std::vector<uint32_t> &tokens) {
  const char *path = std::getenv("FAKE_TRACE");
  FILE *file = path ? std::fopen(path, "a") : nullptr;
  if (!file)
    return;
  for (uint32_t token : tokens)
    std::fprintf(file, "%u ", token);
  std::fputc('\n', file);
  std::fclose(file);
}

/// A number of the environment, for tests that run a program over this core.
void take_setting(const char *name, uint32_t *value) {
  if (const char *text = std::getenv(name))
    *value = static_cast<uint32_t>(std::strtoul(text, nullptr, 10));
}

} // namespace

namespace yupana::test {

FakeCore &fake_core() {
  static FakeCore core;
  return core;
}

std::vector<float> fake_logits(const std::vector<uint32_t> &tokens) {
  uint64_t state = 1;
  for (uint32_t token : tokens)
    state = mix(state, token);
  std::vector<float> logits;
  for (uint32_t i = 0; i < fake_core().vocab_size; ++i)
    logits.push_back(static_cast<float>(mix(state, i) >> 40));
  return logits;
}

uint32_t fake_next(const std::vector<uint32_t> &tokens) {
  std::vector<float> logits = fake_logits(tokens);
  return static_cast<uint32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

/// A plan is a file that holds a tokenizer section, or nothing for a plan without a tokenizer.
yupana_plan_t *open_fake_plan(const char *path) {
  FILE *file = std::fopen(path, "rb");
  if (!file)
    return nullptr;
  auto *plan = new yupana_plan_t{path, {}, 0};
  std::fseek(file, 0, SEEK_END);
  plan->tokenizer_bytes = static_cast<uint64_t>(std::ftell(file));
  std::rewind(file);
  plan->tokenizer.resize(plan->tokenizer_bytes / 8 + 1);
  require(std::fread(plan->tokenizer.data(), 1, plan->tokenizer_bytes, file) == plan->tokenizer_bytes, "read");
  std::fclose(file);
  return plan;
}

} // namespace yupana::test

extern "C" {

int yupana_status_exit_code(yupana_status_code_t code) {
  return code == YUPANA_STATUS_CANCELLED ? 130 : code == YUPANA_STATUS_NOT_FINITE ? 4 : code;
}

const char *yupana_version(void) { return "0.0.0"; }

yupana_status_code_t yupana_plan_open_file(const char *path, const yupana_allocator_t *, yupana_plan_t **out_plan,
                                           yupana_status_t *out_status) {
  take_setting("FAKE_VOCABULARY", &fake_core().vocab_size);
  take_setting("FAKE_CONTEXT", &fake_core().max_context);
  take_setting("FAKE_FAIL_AT_STEP", &fake_core().fail_at_step);
  take_setting("FAKE_NOT_FINITE_AT", &fake_core().not_finite_at);
  *out_plan = yupana::test::open_fake_plan(path);
  return *out_plan ? YUPANA_STATUS_OK
                   : fail(out_status, YUPANA_STATUS_UNREADABLE, std::string(path) + ": cannot be opened");
}

void yupana_plan_release(yupana_plan_t *plan) { delete plan; }

void yupana_plan_model(const yupana_plan_t *, yupana_model_info_t *out) {
  *out = {};
  out->size = sizeof *out;
  out->vocab_size = fake_core().vocab_size;
  out->stop_tokens = fake_core().stop_tokens.data();
  out->stop_token_count = static_cast<uint32_t>(fake_core().stop_tokens.size());
  out->temperature = out->top_p = out->repetition_penalty = 1;
  // For tests of defaults: "do_sample temperature top_k top_p min_p repetition_penalty".
  if (const char *generation = std::getenv("FAKE_GENERATION"))
    require(std::sscanf(generation, "%u %f %u %f %f %f", &out->do_sample, &out->temperature, &out->top_k, &out->top_p,
                        &out->min_p, &out->repetition_penalty) == 6,
            "FAKE_GENERATION");
}

void yupana_plan_limits(const yupana_plan_t *, yupana_limits_t *out) {
  *out = {sizeof *out, fake_core().max_context, fake_core().max_batch, fake_core().max_step_tokens,
          fake_core().max_logit_rows};
}

const char *yupana_plan_name(const yupana_plan_t *plan) { return plan->path.c_str(); }

uint32_t yupana_plan_target_count(const yupana_plan_t *) { return 1; }

yupana_status_code_t yupana_plan_target(const yupana_plan_t *, uint32_t, yupana_target_info_t *out) {
  *out = {};
  out->size = sizeof *out;
  out->name = "x86-64-v3";
  return YUPANA_STATUS_OK;
}

int64_t yupana_plan_find_section(const yupana_plan_t *plan, uint32_t kind) {
  return kind == YUPANA_SECTION_TOKENIZER && plan->tokenizer_bytes ? 0 : -1;
}

yupana_status_code_t yupana_plan_section(const yupana_plan_t *plan, uint32_t, yupana_section_info_t *out) {
  out->bytes = plan->tokenizer_bytes;
  return YUPANA_STATUS_OK;
}

yupana_status_code_t yupana_plan_read_section(const yupana_plan_t *plan, uint32_t, void *dst, uint64_t capacity,
                                              yupana_status_t *) {
  require(capacity >= plan->tokenizer_bytes, "section capacity");
  std::memcpy(dst, plan->tokenizer.data(), plan->tokenizer_bytes);
  return YUPANA_STATUS_OK;
}

yupana_status_code_t yupana_context_create(yupana_plan_t *, const yupana_context_options_t *options,
                                           const yupana_allocator_t *, yupana_context_t **out_context,
                                           yupana_status_t *out_status) {
  if (options && options->target && std::strcmp(options->target, "x86-64-v3") != 0)
    return fail(out_status, YUPANA_STATUS_INVALID_ARGUMENT, "no such target");
  *out_context = new yupana_context_t;
  // For tests of Ctrl-C: a reply without an end, and a word when it has begun.
  if (std::getenv("FAKE_ENDLESS")) {
    fake_core().max_context = UINT32_MAX;
    fake_core().stop_tokens.clear();
  }
  return YUPANA_STATUS_OK;
}

void yupana_context_release(yupana_context_t *context) {
  require(!context || context->flights.empty(), "steps in flight that nobody waits for");
  delete context;
}

void yupana_context_info(const yupana_context_t *, yupana_context_info_t *out) {
  *out = {};
  out->size = sizeof *out;
  out->max_sequences = fake_core().max_batch;
  out->kv_positions = fake_core().kv_positions;
  out->runs_apart = fake_core().runs_apart;
}

yupana_status_code_t yupana_sequence_create(yupana_context_t *context, uint64_t, yupana_sequence_t *out_sequence,
                                            yupana_status_t *) {
  require(context->sequences.size() < fake_core().max_batch, "max_sequences");
  *out_sequence = context->next_name++;
  context->sequences[*out_sequence];
  ++fake_core().alive;
  return YUPANA_STATUS_OK;
}

yupana_status_code_t yupana_sequence_release(yupana_context_t *context, yupana_sequence_t sequence, yupana_status_t *) {
  require(context->sequences.erase(sequence) == 1, "release of a sequence that is not alive");
  context->drawn.erase(sequence);
  --fake_core().alive;
  return YUPANA_STATUS_OK;
}

yupana_status_code_t yupana_sequence_length(const yupana_context_t *context, yupana_sequence_t sequence,
                                            uint32_t *out_length) {
  auto found = context->sequences.find(sequence);
  require(found != context->sequences.end(), "length of a sequence that is not alive");
  *out_length = static_cast<uint32_t>(found->second.size());
  return YUPANA_STATUS_OK;
}

yupana_status_code_t yupana_sequence_truncate(yupana_context_t *context, yupana_sequence_t sequence, uint32_t length,
                                              yupana_status_t *out_status) {
  auto found = context->sequences.find(sequence);
  require(found != context->sequences.end() && length <= found->second.size(), "length to truncate to");
  if (length < fake_core().shortest)
    return fail(out_status, YUPANA_STATUS_INVALID_ARGUMENT, "pages are freed");
  if (length < found->second.size())
    context->drawn.erase(sequence);
  found->second.resize(length);
  return YUPANA_STATUS_OK;
}

/// Runs the step at once and keeps what it gave.
yupana_status_code_t yupana_context_submit(yupana_context_t *context, const yupana_batch_t *batch,
                                           yupana_status_t *out_status) {
  check_batch(context, batch);
  require(context->flights.size() < YUPANA_STEPS_IN_FLIGHT, "steps in flight");
  require(context->flights.empty() || context->flights.back().keeps_logits, "a step behind one that gives logits");
  for (uint32_t s = 0; s < batch->span_count; ++s)
    if (context->sequences[batch->spans[s].sequence].size() + batch->spans[s].token_count > fake_core().full_at)
      return fail(out_status, YUPANA_STATUS_OUT_OF_MEMORY, "no free pages");
  if (fake_core().steps.size() == fake_core().fail_at_step)
    return fail(out_status, YUPANA_STATUS_OUT_OF_MEMORY, "no free pages");
  if (fake_core().steps.size() == 10 && std::getenv("FAKE_ENDLESS"))
    std::fprintf(stderr, "under way\n");
  fake_core().steps.emplace_back();
  const yupana_span_t &last = fake_core().last_span = batch->spans[batch->span_count - 1];
  if (std::getenv("FAKE_GENERATION"))
    std::fprintf(stderr, "span %g %u %g %g %g %llu\n", double{last.temperature}, last.top_k, double{last.top_p},
                 double{last.min_p}, double{last.repetition_penalty}, static_cast<unsigned long long>(last.seed));
  yupana_context_t::Flight flight = {{}, {}, batch->keep_logits != 0, false};
  std::map<yupana_sequence_t, uint32_t> drawn;
  for (uint32_t s = 0; s < batch->span_count; ++s) {
    const yupana_span_t &span = batch->spans[s];
    fake_core().steps.back().push_back(span.token_count);
    std::vector<uint32_t> &tokens = context->sequences[span.sequence];
    for (uint32_t i = 0; i < span.token_count; ++i) {
      tokens.push_back(span.token_from_previous ? context->drawn[span.sequence] : span.tokens[i]);
      if (i + rows_of(span) < span.token_count)
        continue;
      std::vector<float> row = yupana::test::fake_logits(tokens);
      flight.logits.insert(flight.logits.end(), row.begin(), row.end());
      bool finite = tokens.size() != fake_core().not_finite_at;
      flight.sampled.push_back(span.sample && finite ? yupana::test::fake_next(tokens) : YUPANA_NO_TOKEN);
      flight.lacks_token |= span.sample && !finite;
      if (span.sample && i + 1 == span.token_count)
        drawn[span.sequence] = finite ? flight.sampled.back() : 0;
    }
    fake_core().last_tokens = tokens;
    if (span.sample)
      trace(tokens);
  }
  context->drawn = drawn;
  context->flights.push_back(flight);
  fake_core().most_in_flight = std::max(fake_core().most_in_flight, context->flights.size());
  return YUPANA_STATUS_OK;
}

yupana_status_code_t yupana_context_wait(yupana_context_t *context, yupana_step_result_t *out_result,
                                         yupana_status_t *out_status) {
  require(!context->flights.empty(), "no step is in flight");
  context->result = std::move(context->flights.front());
  context->flights.pop_front();
  const yupana_context_t::Flight &result = context->result;
  out_result->rows = static_cast<uint32_t>(result.sampled.size());
  out_result->vocab_size = fake_core().vocab_size;
  out_result->logits = result.keeps_logits ? nullptr : result.logits.data();
  out_result->sampled = result.sampled.data();
  return result.lacks_token ? fail(out_status, YUPANA_STATUS_NOT_FINITE, "a row is not finite") : YUPANA_STATUS_OK;
}

yupana_status_code_t yupana_context_step(yupana_context_t *context, const yupana_batch_t *batch,
                                         yupana_step_result_t *out_result, yupana_status_t *out_status) {
  require(context->flights.empty(), "a step while others are in flight");
  yupana_status_code_t code = yupana_context_submit(context, batch, out_status);
  return code == YUPANA_STATUS_OK ? yupana_context_wait(context, out_result, out_status) : code;
}

yupana_status_code_t yupana_context_profile(yupana_context_t *, const yupana_profiler_t *,
                                            yupana_status_t *out_status) {
  return fail(out_status, YUPANA_STATUS_UNSUPPORTED, "a core that computes nothing has nothing to time");
}

const void *yupana_plan_metadata(const yupana_plan_t *, uint64_t *out_bytes) {
  require(false, "what a plan holds is asked for to profile alone, which this core refuses");
  *out_bytes = 0;
  return nullptr;
}
}
