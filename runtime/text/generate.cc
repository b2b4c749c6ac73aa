// SPDX-License-Identifier: Apache-2.0
//
// A scheduler in front of the context: requests start in their order while there is room, and every step deals its
// tokens among the active sequences one at a time in turn. So a sequence that decodes advances in every step that has a
// token for each, prompts share what is left, and no long prompt holds the others up for more than a step. Room is
// reserved for the whole of a request when it starts, since pages that run out in the middle could only be found by
// ending another request. The result does not depend on who shares a step.
//
// On a GPU one step runs while the next is submitted. The host then knows the length of every sequence and not its last
// token, which the device takes from the step before. Who is certain to end has no part in the step ahead; who ends
// nevertheless, with a stop token, is cut back to where its reply ended.

#include "runtime/text/generate.h"

#include <algorithm>

namespace yupana::text {

Generator::Generator(yupana_plan_t *plan, yupana_context_t *context, uint32_t step_tokens) : context_(context) {
  model_.size = sizeof model_;
  yupana_plan_model(plan, &model_);
  limits_.size = sizeof limits_;
  yupana_plan_limits(plan, &limits_);
  yupana_context_info_t info;
  info.size = sizeof info;
  yupana_context_info(context, &info);
  step_tokens_ = step_tokens ? std::min(step_tokens, limits_.max_step_tokens) : limits_.max_step_tokens;
  max_active_ = std::min(limits_.max_batch, info.max_sequences);
  free_positions_ = info.kv_positions;
  runs_apart_ = info.runs_apart != 0;
}

/// Every request gets a reply and a call of on_stop, also when it never started. Sequences are released in any case,
/// since their pages are the context's.
yupana_status_code_t Generator::run(const std::vector<Request> &requests, Observer *observer,
                                    std::vector<Reply> *replies, yupana_status_t *status) {
  requests_ = &requests;
  replies_ = replies;
  observer_ = observer;
  waiting_ = 0;
  not_finite_ = {};
  replies->assign(requests.size(), Reply());

  yupana_status_code_t code = YUPANA_STATUS_OK;
  while (code == YUPANA_STATUS_OK) {
    code = admit(status);
    if (code != YUPANA_STATUS_OK || active_.empty())
      break;
    if (observer->interrupted()) {
      for (Active &active : active_)
        finish(&active, Stop::interrupt);
      for (; waiting_ < requests.size(); ++waiting_) {
        (*replies)[waiting_].stop = Stop::interrupt;
        observer->on_stop(waiting_, Stop::interrupt);
      }
    } else {
      code = step(status);
    }
    if (code == YUPANA_STATUS_OK)
      code = release_finished(status);
  }
  for (Active &active : active_)
    release(active, nullptr);
  active_.clear();
  // Steps ahead of the last reply, which nobody wants.
  yupana_step_result_t dropped = {};
  dropped.size = sizeof dropped;
  for (; !flights_.empty(); flights_.pop_front()) {
    yupana_status_code_t last = yupana_context_wait(context_, &dropped, code == YUPANA_STATUS_OK ? status : nullptr);
    if (code == YUPANA_STATUS_OK && last != YUPANA_STATUS_NOT_FINITE)
      code = last;
  }
  if (code != YUPANA_STATUS_OK || !not_finite_.code)
    return code;
  if (status)
    *status = not_finite_;
  return YUPANA_STATUS_NOT_FINITE;
}

/// Starts waiting requests while there is room, in their order: none overtakes one that needs more.
yupana_status_code_t Generator::admit(yupana_status_t *status) {
  while (waiting_ < requests_->size() && active_.size() < max_active_) {
    const Request &request = (*requests_)[waiting_];
    uint64_t positions =
        std::min<uint64_t>(uint64_t{request.prompt.size()} + request.max_new_tokens, limits_.max_context);
    // A sequence alone always starts: where chunks are freed it may fit although the count says otherwise.
    if (positions > free_positions_ && !active_.empty())
      break;
    positions = std::min(positions, free_positions_);
    Active active = {};
    active.request = waiting_;
    active.reserved = positions;
    active.sequence = request.sequence;
    active.done = request.held;
    if (!request.sequence) {
      yupana_status_code_t code = yupana_sequence_create(context_, waiting_, &active.sequence, status);
      if (code != YUPANA_STATUS_OK)
        return code;
    }
    free_positions_ -= positions;
    active_.push_back(active);
    ++waiting_;
  }
  return YUPANA_STATUS_OK;
}

uint32_t Generator::remaining_prompt(const Active &active) const {
  uint32_t length = static_cast<uint32_t>((*requests_)[active.request].prompt.size());
  return length - std::min(active.done, length);
}

/// Tokens that a sequence can go on by: of its prompt, or the next one, unless what is in flight ends its reply anyway.
uint32_t Generator::most_tokens(const Active &active) const {
  uint32_t remaining = remaining_prompt(active);
  if (remaining || !active.is_drawing)
    return std::max<uint32_t>(remaining, 1);
  size_t written = (*replies_)[active.request].tokens.size() + 1;
  return written < (*requests_)[active.request].max_new_tokens && active.done < limits_.max_context;
}

/// Rows of logits that a sequence needs when it goes on by `take` tokens.
uint32_t Generator::wanted_rows(const Active &active, uint32_t take) const {
  const Request &request = (*requests_)[active.request];
  uint32_t remaining = remaining_prompt(active);
  if (request.want_logits && remaining)
    return take;
  return take >= remaining && take && request.max_new_tokens ? 1 : 0;
}

/// Sets every sequence's `take`, one token at a time in turn, until the step is full or all have what they can use.
void Generator::deal() {
  for (Active &active : active_)
    active.take = 0;
  uint32_t tokens = step_tokens_, rows = limits_.max_logit_rows;
  bool dealt = true;
  // Whoever comes first in a step comes last in the next, so that a step which is too small for all starves none.
  for (turn_ %= active_.size(); dealt && tokens;) {
    dealt = false;
    for (size_t i = 0; i < active_.size() && tokens; ++i) {
      Active &active = active_[(turn_ + i) % active_.size()];
      uint32_t more_rows = wanted_rows(active, active.take + 1) - wanted_rows(active, active.take);
      if (active.take == most_tokens(active) || more_rows > rows)
        continue;
      ++active.take;
      --tokens;
      rows -= more_rows;
      dealt = true;
    }
  }
  ++turn_;
}

yupana_span_t Generator::make_span(const Active &active) const {
  const Request &request = (*requests_)[active.request];
  yupana_span_t span = {};
  span.size = sizeof span;
  span.sequence = active.sequence;
  uint32_t remaining = remaining_prompt(active);
  span.tokens = remaining ? request.prompt.data() + active.done : &active.next;
  span.token_count = active.take;
  span.token_from_previous = !remaining && active.is_drawing;
  uint32_t rows = wanted_rows(active, active.take);
  span.rows = !rows ? YUPANA_ROWS_NONE : request.want_logits && remaining ? YUPANA_ROWS_ALL : YUPANA_ROWS_LAST;
  // With logits of a whole prompt every row is sampled; only the last one is used.
  span.sample = request.max_new_tokens && active.take >= remaining;
  span.temperature = request.temperature;
  span.seed = request.seed;
  span.top_k = request.top_k;
  span.top_p = request.top_p;
  span.min_p = request.min_p;
  span.repetition_penalty = request.repetition_penalty;
  return span;
}

/// Logits stay on the device unless a request wants those of its prompt. With nothing to submit there is no flight
/// more.
yupana_status_code_t Generator::submit(yupana_status_t *status) {
  deal();
  std::vector<yupana_span_t> spans;
  Flight flight = {};
  uint32_t row = 0;
  for (const Active &active : active_)
    if (active.take) {
      spans.push_back(make_span(active));
      bool logits = (*requests_)[active.request].want_logits && remaining_prompt(active);
      uint32_t rows = wanted_rows(active, active.take);
      flight.parts.push_back({active.request, active.done, active.take, row, rows, logits, spans.back().sample != 0});
      flight.has_logits |= logits;
      row += rows;
    }
  if (spans.empty())
    return YUPANA_STATUS_OK;
  yupana_batch_t batch = {};
  batch.size = sizeof batch;
  batch.spans = spans.data();
  batch.span_count = static_cast<uint32_t>(spans.size());
  batch.keep_logits = !flight.has_logits;
  yupana_status_code_t code = yupana_context_submit(context_, &batch, status);
  if (code != YUPANA_STATUS_OK)
    return code;
  size_t part = 0;
  for (Active &active : active_) {
    active.done += active.take;
    active.is_drawing = active.take && flight.parts[part].draws;
    part += active.take != 0;
  }
  flights_.push_back(std::move(flight));
  return YUPANA_STATUS_OK;
}

/// NOT_FINITE is of single rows: the others of the step go on.
yupana_status_code_t Generator::collect(yupana_status_t *status) {
  yupana_step_result_t result = {};
  result.size = sizeof result;
  yupana_status_t step_status = {};
  yupana_status_code_t code = yupana_context_wait(context_, &result, &step_status);
  Flight flight = std::move(flights_.front());
  flights_.pop_front();
  if (code != YUPANA_STATUS_OK && code != YUPANA_STATUS_NOT_FINITE) {
    flights_.clear(); // they went with the device
    if (status)
      *status = step_status;
    return code;
  }
  for (const Part &part : flight.parts) {
    auto active =
        std::find_if(active_.begin(), active_.end(), [&](const Active &a) { return a.request == part.request; });
    if (active == active_.end()) // its reply ended before this step
      continue;
    if (!take_results(part, &*active, result, step_status)) {
      if (status) {
        status->code = YUPANA_STATUS_CANCELLED;
        status->message[0] = '\0';
      }
      return YUPANA_STATUS_CANCELLED;
    }
  }
  return YUPANA_STATUS_OK;
}

/// Waits for one step. The one ahead of it may be refused, as where there is no page for a token that is never needed:
/// it is then submitted once it is known to be.
yupana_status_code_t Generator::step(yupana_status_t *status) {
  if (flights_.empty())
    if (yupana_status_code_t code = submit(status); code != YUPANA_STATUS_OK)
      return code;
  if (runs_apart_ && !flights_.back().has_logits)
    submit(nullptr);
  return collect(status);
}

/// Hands the rows of one sequence on. False when the observer gave up.
bool Generator::take_results(const Part &part, Active *active, const yupana_step_result_t &result,
                             const yupana_status_t &step_status) {
  if (part.has_logits &&
      !observer_->on_logits(part.request, part.first, part.rows, result.logits + size_t{part.row} * result.vocab_size))
    return false;
  uint32_t end = part.first + part.take;
  if (end < (*requests_)[part.request].prompt.size())
    return true;
  if (!part.draws) {
    finish(active, Stop::length);
  } else if (uint32_t id = result.sampled[part.row + part.rows - 1]; id != YUPANA_NO_TOKEN) {
    accept_token(active, id, end);
  } else {
    if (!not_finite_.code)
      not_finite_ = step_status;
    finish(active, Stop::not_finite);
  }
  // What was submitted ahead goes on from a token that is no part of the reply.
  if ((*replies_)[part.request].stop != Stop::running)
    active->done = end;
  return true;
}

/// `held`: tokens in front of the one that was drawn.
void Generator::accept_token(Active *active, uint32_t id, uint32_t held) {
  std::vector<uint32_t> &tokens = (*replies_)[active->request].tokens;
  tokens.push_back(id);
  active->next = id;
  // Of a step ahead the token is not known yet.
  if (active->done == held)
    active->is_drawing = false;
  observer_->on_token(active->request, id);
  const uint32_t *stops = model_.stop_tokens;
  const Request &request = (*requests_)[active->request];
  if (id == request.stop_token ||
      std::find(stops, stops + model_.stop_token_count, id) != stops + model_.stop_token_count)
    finish(active, Stop::eos);
  else if (tokens.size() == request.max_new_tokens || held == limits_.max_context)
    finish(active, Stop::length);
}

void Generator::finish(Active *active, Stop stop) {
  (*replies_)[active->request].stop = stop;
  observer_->on_stop(active->request, stop);
}

/// Gives back what a request took.
yupana_status_code_t Generator::release(const Active &active, yupana_status_t *status) {
  free_positions_ += active.reserved;
  if (!(*requests_)[active.request].sequence)
    return yupana_sequence_release(context_, active.sequence, status);
  uint32_t length = 0;
  yupana_status_code_t code = yupana_sequence_length(context_, active.sequence, &length);
  return code == YUPANA_STATUS_OK && length > active.done
             ? yupana_sequence_truncate(context_, active.sequence, active.done, status)
             : code;
}

yupana_status_code_t Generator::release_finished(yupana_status_t *status) {
  for (size_t i = active_.size(); i-- > 0;) {
    if ((*replies_)[active_[i].request].stop == Stop::running)
      continue;
    yupana_status_code_t code = release(active_[i], status);
    if (code != YUPANA_STATUS_OK)
      return code;
    active_.erase(active_.begin() + static_cast<ptrdiff_t>(i));
  }
  return YUPANA_STATUS_OK;
}

} // namespace yupana::text
