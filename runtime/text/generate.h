// SPDX-License-Identifier: Apache-2.0
//
// Running any number of sequences through one context: cutting prompts into steps, mixing the sequences in ragged
// batches, and going on until each has its reply.

#ifndef YUPANA_RUNTIME_TEXT_GENERATE_H
#define YUPANA_RUNTIME_TEXT_GENERATE_H

#include "yupana/yupana.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace yupana::text {

/// A sequence to run.
struct Request {
  std::vector<uint32_t> prompt; // not empty, at most limits.max_context ids, each below vocab_size
  uint32_t max_new_tokens = 0;
  bool want_logits = false; // of every token of the prompt
  // Ends the reply beside the plan's stop tokens: the end of a turn, in chats.
  uint32_t stop_token = YUPANA_NO_TOKEN;
  float temperature = 0; // 0 takes the best token
  uint64_t seed = 0;
  // As in yupana_span_t, whose ranges they have.
  uint32_t top_k = 0;
  float top_p = 1;
  float min_p = 0;
  float repetition_penalty = 1;
  // A sequence of the context that holds the first `held` tokens of the prompt, not all of them; it is gone on with
  // and stays alive. 0: a sequence of the request's own.
  yupana_sequence_t sequence = 0;
  uint32_t held = 0;
};

enum class Stop {
  running,
  eos,       // one of the plan's stop tokens or the request's, which is the last token of the reply
  length,    // max_new_tokens, or the plan's longest context
  interrupt, // the observer asked for it
  not_finite // the logits of its next token hold NaN or infinity
};

/// What a sequence has come to.
struct Reply {
  std::vector<uint32_t> tokens;
  Stop stop = Stop::running;
};

/// Hears what a generator does, on the thread that runs it. `request` counts requests from 0.
class Observer {
public:
  virtual ~Observer() = default;
  /// The next token of a reply.
  virtual void on_token(size_t request, uint32_t id) = 0;
  /// A reply is complete. Always the last word on its request.
  virtual void on_stop(size_t request, Stop stop) = 0;
  /// Logits of the prompt's tokens [first, first + count): `data` is float32 [count][vocab_size], valid during the
  /// call. False gives up: run() returns at once and the other replies stay as they are.
  virtual bool on_logits(size_t request, uint32_t first, uint32_t count, const float *data) = 0;
  /// Asked before every step. True ends all replies with Stop::interrupt.
  virtual bool interrupted() = 0;
};

/// Runs requests. Each step deals its tokens out one at a time, in turn, to all sequences under way, so that short
/// prompts are answered while long ones are still being read; each sequence's tokens go in order. Which step a token
/// falls in changes no result. Sequences that find no room (limits.max_batch, or cache for prompt and reply) wait for
/// others to end.
///
/// Where a context runs apart from the host, a step is submitted before the one before it is waited for, with the
/// tokens that that one draws. What it computed behind the end of a reply is dropped, so replies are the same.
class Generator {
public:
  /// `plan` is the one `context` was made from; both outlive the generator, and other sequences in `context` are only
  /// those of requests. A step takes at most `step_tokens` tokens; 0, or more than the plan's limit, stands for that
  /// limit.
  Generator(yupana_plan_t *plan, yupana_context_t *context, uint32_t step_tokens);

  /// Runs all requests to their end; the replies stand in the order of the requests. On failure, `*status` says why,
  /// sequences still alive are released, and the replies hold what there was. NOT_FINITE when a reply ended with
  /// Stop::not_finite: the others have gone on to their end, and all logits have been handed on.
  yupana_status_code_t run(const std::vector<Request> &requests, Observer *observer, std::vector<Reply> *replies,
                           yupana_status_t *status);

private:
  /// A request under way.
  struct Active {
    size_t request;
    yupana_sequence_t sequence;
    uint32_t done;     // tokens the sequence holds, with those of steps in flight
    uint32_t take;     // tokens it goes on by in the next step
    uint32_t next;     // the token to go on with once the prompt is read
    bool is_drawing;   // the step in flight that was submitted last draws that token
    uint64_t reserved; // positions of cache kept for it
  };
  /// What a step in flight does for a request.
  struct Part {
    size_t request;
    uint32_t first, take; // the sequence goes on from `first` tokens
    uint32_t row, rows;
    bool has_logits; // of the prompt, which are wanted
    bool draws;
  };
  struct Flight {
    std::vector<Part> parts;
    bool has_logits;
  };

  yupana_status_code_t admit(yupana_status_t *status);
  void deal();
  uint32_t most_tokens(const Active &active) const;
  uint32_t wanted_rows(const Active &active, uint32_t take) const;
  yupana_span_t make_span(const Active &active) const;
  yupana_status_code_t submit(yupana_status_t *status);
  yupana_status_code_t collect(yupana_status_t *status);
  yupana_status_code_t step(yupana_status_t *status);
  bool take_results(const Part &part, Active *active, const yupana_step_result_t &result,
                    const yupana_status_t &step_status);
  void accept_token(Active *active, uint32_t id, uint32_t held);
  void finish(Active *active, Stop stop);
  yupana_status_code_t release(const Active &active, yupana_status_t *status);
  yupana_status_code_t release_finished(yupana_status_t *status);

  uint32_t remaining_prompt(const Active &active) const;

  yupana_context_t *context_;
  yupana_model_info_t model_;
  yupana_limits_t limits_;
  uint32_t step_tokens_;
  uint32_t max_active_;
  bool runs_apart_;
  uint64_t free_positions_;

  const std::vector<Request> *requests_ = nullptr;
  std::vector<Reply> *replies_ = nullptr;
  yupana_status_t not_finite_ = {}; // of the first step that found such logits where a token was needed
  Observer *observer_ = nullptr;
  size_t waiting_ = 0; // the first request not yet under way
  size_t turn_ = 0;    // who is dealt to first in the next step
  std::vector<Active> active_;
  std::deque<Flight> flights_; // the steps in flight
};

} // namespace yupana::text

#endif
