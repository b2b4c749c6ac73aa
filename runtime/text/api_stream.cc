// SPDX-License-Identifier: Apache-2.0
//
// One sequence, pulled a step at a time by whoever wants its text: a caller in C or Python keeps its own loop, stops
// when it likes, and needs neither callbacks nor a thread. The ids of the text and the sequence are kept side by side:
// the sequence holds the first `done` of them, a step takes the next ones, and a token that was drawn is one more id.
// So a prompt and a reply are read by the same code, and a new prompt is compared with everything there is. Serving
// many requests at once is what Generator does.

#include "runtime/text/api.h"
#include "runtime/text/chat.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>

using namespace yupana::text;

struct yupana_stream_t {
  yupana_plan_t *plan;
  yupana_context_t *context;
  const yupana_tokenizer_t *tokenizer; // may be null
  yupana_sequence_t sequence;
  std::vector<uint32_t> ids; // the prompt and what followed
  uint32_t done;             // so many of them are in the sequence
  uint32_t prompt;           // so many of them are the prompt
  yupana_stream_options_t options;
  uint32_t turn_end; // YUPANA_NO_TOKEN: no such token
  bool is_running;
  std::optional<StreamDecoder> decoder; // where there is a tokenizer
  std::string text;                     // of the last piece
  yupana_model_info_t model;
  yupana_limits_t limits;
};

namespace {

/// Leaves in the sequence what it holds of the prompt `ids`, less their last token, whose logits choose the next one;
/// `*kept` is how many those are. A sequence that cannot be cut, since pages of an earlier chunk are freed, is
/// replaced.
yupana_status_code_t keep_common(yupana_stream_t *stream, const std::vector<uint32_t> &ids, uint32_t *kept,
                                 yupana_status_t *status) {
  size_t most = std::min<size_t>(stream->done, ids.size() - 1);
  auto end = stream->ids.begin() + static_cast<ptrdiff_t>(most);
  *kept = static_cast<uint32_t>(std::mismatch(stream->ids.begin(), end, ids.begin()).first - stream->ids.begin());
  if (yupana_sequence_truncate(stream->context, stream->sequence, *kept, nullptr) == YUPANA_STATUS_OK)
    return YUPANA_STATUS_OK;
  yupana_sequence_release(stream->context, stream->sequence, nullptr);
  *kept = 0;
  stream->done = 0;
  return yupana_sequence_create(stream->context, /*number=*/0, &stream->sequence, status);
}

bool is_stop(const yupana_stream_t &stream, uint32_t id) {
  const uint32_t *end = stream.model.stop_tokens + stream.model.stop_token_count;
  return id == stream.turn_end || std::find(stream.model.stop_tokens, end, id) != end;
}

yupana_span_t make_span(const yupana_stream_t &stream) {
  const yupana_stream_options_t &options = stream.options;
  yupana_span_t span = {};
  span.size = sizeof span;
  span.sequence = stream.sequence;
  span.tokens = stream.ids.data() + stream.done;
  uint32_t left = static_cast<uint32_t>(stream.ids.size()) - stream.done;
  span.token_count = std::min(left, stream.limits.max_step_tokens);
  bool is_last = span.token_count == left;
  span.rows = is_last ? YUPANA_ROWS_LAST : YUPANA_ROWS_NONE;
  span.sample = is_last;
  span.temperature = options.temperature;
  span.seed = options.seed;
  span.top_k = options.top_k;
  span.top_p = options.top_p;
  span.min_p = options.min_p;
  span.repetition_penalty = options.repetition_penalty;
  return span;
}

/// Takes a token that was drawn: its text, and whether it is the last.
yupana_stop_t accept(yupana_stream_t *stream, uint32_t id) {
  stream->ids.push_back(id);
  bool ends = is_stop(*stream, id);
  if (stream->decoder && !ends)
    stream->decoder->push(id, &stream->text);
  uint32_t written = static_cast<uint32_t>(stream->ids.size()) - stream->prompt;
  bool is_full = written == stream->options.max_new_tokens || stream->done == stream->limits.max_context;
  yupana_stop_t stop = ends ? YUPANA_STOP_TOKEN : is_full ? YUPANA_STOP_LENGTH : YUPANA_STOP_NONE;
  stream->is_running = stop == YUPANA_STOP_NONE;
  if (!stream->is_running && stream->decoder)
    stream->decoder->finish(&stream->text);
  return stop;
}

} // namespace

void yupana_plan_stream_options(const yupana_plan_t *plan, yupana_stream_options_t *out) {
  yupana_model_info_t model;
  model.size = sizeof model;
  yupana_plan_model(plan, &model);
  yupana_stream_options_t options = {};
  options.size = out->size;
  options.temperature = model.do_sample ? model.temperature : 0;
  options.top_k = model.top_k;
  options.top_p = model.top_p;
  options.min_p = model.min_p;
  options.repetition_penalty = model.repetition_penalty;
  memcpy(out, &options, std::min(out->size, sizeof options));
}

yupana_status_code_t yupana_stream_create(yupana_plan_t *plan, yupana_context_t *context,
                                          const yupana_tokenizer_t *tokenizer, yupana_stream_t **out_stream,
                                          yupana_status_t *out_status) {
  yupana_sequence_t sequence;
  yupana_status_code_t code = yupana_sequence_create(context, /*number=*/0, &sequence, out_status);
  if (code != YUPANA_STATUS_OK)
    return code;
  auto *stream = new (std::nothrow) yupana_stream_t();
  if (!stream) {
    yupana_sequence_release(context, sequence, nullptr);
    return fail(out_status, YUPANA_STATUS_OUT_OF_MEMORY, "no memory for a stream");
  }
  stream->plan = plan;
  stream->context = context;
  stream->tokenizer = tokenizer;
  stream->sequence = sequence;
  stream->model.size = sizeof stream->model;
  yupana_plan_model(plan, &stream->model);
  stream->limits.size = sizeof stream->limits;
  yupana_plan_limits(plan, &stream->limits);
  *out_stream = stream;
  return succeed(out_status);
}

void yupana_stream_release(yupana_stream_t *stream) {
  if (!stream)
    return;
  yupana_sequence_release(stream->context, stream->sequence, nullptr);
  delete stream;
}

yupana_status_code_t yupana_stream_start(yupana_stream_t *stream, const uint32_t *ids, size_t count,
                                         const yupana_stream_options_t *options, yupana_status_t *out_status) {
  if (!count || count > stream->limits.max_context)
    return fail(out_status, YUPANA_STATUS_INVALID_ARGUMENT,
                "the prompt has %zu tokens, expected 1 to %u, the longest context that the plan was compiled for",
                count, stream->limits.max_context);
  const uint32_t *end = ids + count;
  const uint32_t *wrong = std::find_if(ids, end, [&](uint32_t id) { return id >= stream->model.vocab_size; });
  if (wrong != end)
    return fail(out_status, YUPANA_STATUS_INVALID_ARGUMENT, "token %td of the prompt is %u, expected below %u",
                wrong - ids, *wrong, stream->model.vocab_size);
  std::vector<uint32_t> prompt(ids, end);
  uint32_t kept = 0;
  yupana_status_code_t code = keep_common(stream, prompt, &kept, out_status);
  if (code != YUPANA_STATUS_OK)
    return code;
  stream->ids = std::move(prompt);
  stream->done = kept;
  stream->prompt = static_cast<uint32_t>(count);
  stream->options = {};
  stream->options.size = sizeof stream->options;
  if (options)
    memcpy(&stream->options, options, std::min(options->size, sizeof *options));
  else
    yupana_plan_stream_options(stream->plan, &stream->options);
  stream->turn_end = YUPANA_NO_TOKEN;
  if (stream->options.is_chat && stream->tokenizer && has_chat_format(stream->tokenizer->tokenizer))
    stream->turn_end = end_of_turn(stream->tokenizer->tokenizer).value_or(YUPANA_NO_TOKEN);
  // A new one: a text that was left early may have ended within a character.
  if (stream->tokenizer)
    stream->decoder.emplace(stream->tokenizer->tokenizer, /*show_special=*/false);
  stream->is_running = true;
  return succeed(out_status);
}

yupana_status_code_t yupana_stream_next(yupana_stream_t *stream, yupana_piece_t *out_piece,
                                        yupana_status_t *out_status) {
  if (!stream->is_running)
    return fail(out_status, YUPANA_STATUS_INVALID_ARGUMENT, "the stream has no text that goes on: start one");
  yupana_span_t span = make_span(*stream);
  yupana_batch_t batch = {};
  batch.size = sizeof batch;
  batch.spans = &span;
  batch.span_count = 1;
  batch.keep_logits = 1;
  yupana_step_result_t result = {};
  result.size = sizeof result;
  yupana_status_code_t code = yupana_context_step(stream->context, &batch, &result, out_status);
  if (code == YUPANA_STATUS_OK || code == YUPANA_STATUS_NOT_FINITE)
    stream->done += span.token_count;
  if (code == YUPANA_STATUS_NOT_FINITE)
    stream->is_running = false;
  if (code != YUPANA_STATUS_OK)
    return code;
  yupana_piece_t piece = {};
  piece.size = out_piece->size;
  piece.token = YUPANA_NO_TOKEN;
  stream->text.clear();
  if (span.sample) {
    piece.token = result.sampled[0];
    piece.stop = accept(stream, piece.token);
  }
  piece.text = stream->text.c_str();
  piece.bytes = stream->text.size();
  memcpy(out_piece, &piece, std::min(out_piece->size, sizeof piece));
  return YUPANA_STATUS_OK;
}
