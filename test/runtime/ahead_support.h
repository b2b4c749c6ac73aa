// SPDX-License-Identifier: Apache-2.0
//
// Decoding that runs ahead: steps whose tokens are those that the step before draws, submitted before anyone knows
// them. What they must be follows from the test model, whose draw at temperature 1 is the sum of seed, number and
// position.

#ifndef YUPANA_TEST_RUNTIME_AHEAD_SUPPORT_H
#define YUPANA_TEST_RUNTIME_AHEAD_SUPPORT_H

#include "test/runtime/step_support.h"

#include <deque>

namespace yupana::test {

/// Some sequences of a context that go on together.
class Ahead {
public:
  Ahead(yupana_context_t *context, uint32_t in_flight) : context_(context), in_flight_(in_flight) {}

  /// Adds a sequence with a prompt of `length` tokens; its number is its place, and one.
  void add(uint32_t length) {
    Text text;
    text.number = static_cast<uint32_t>(texts_.size()) + 1;
    text.tokens = make_tokens(length, text.number);
    EXPECT_EQ(yupana_sequence_create(context_, text.number, &text.sequence, nullptr), YUPANA_STATUS_OK);
    texts_.push_back(text);
  }

  /// Submits a step of these sequences in this order: of a prompt at most `piece` tokens, else the token drawn before.
  /// Waits for as many steps as there are too many in flight.
  yupana_status_code_t step(const std::vector<uint32_t> &order, uint32_t piece = 24) {
    std::vector<yupana_span_t> spans;
    Flight flight;
    for (uint32_t i : order) {
      Text &text = texts_[i];
      bool drawn = text.done == text.tokens.size();
      yupana_span_t out = span(text.sequence, {}, YUPANA_ROWS_LAST);
      out.tokens = drawn ? nullptr : text.tokens.data() + text.done;
      out.token_count = drawn ? 1 : std::min<uint32_t>(piece, static_cast<uint32_t>(text.tokens.size()) - text.done);
      out.token_from_previous = drawn;
      if (drawn)
        text.tokens.push_back(draw(text, text.done));
      text.done += out.token_count;
      out.sample = text.done == text.tokens.size();
      out.temperature = 1;
      out.seed = kSeed;
      spans.push_back(out);
      flight.ends.push_back({i, text.done});
      flight.expected.push_back(out.sample ? draw(text, text.done) : YUPANA_NO_TOKEN);
    }
    yupana_batch_t batch = {sizeof(batch), spans.data(), static_cast<uint32_t>(spans.size()), 1};
    yupana_status_code_t code = yupana_context_submit(context_, &batch, &status);
    if (code)
      return code;
    flights_.push_back(flight);
    while (flights_.size() > in_flight_ && !code)
      code = wait();
    return code;
  }

  /// Waits for the first step in flight, whose ids must be right.
  yupana_status_code_t wait() {
    yupana_step_result_t result = {};
    result.size = sizeof(result);
    if (yupana_status_code_t code = yupana_context_wait(context_, &result, &status))
      return code;
    bool sampled = false;
    for (uint32_t id : flights_.front().expected)
      sampled |= id != YUPANA_NO_TOKEN;
    EXPECT_EQ(result.sampled != nullptr, sampled);
    if (result.sampled) {
      EXPECT_EQ(Tokens(result.sampled, result.sampled + result.rows), flights_.front().expected);
    }
    EXPECT_EQ(result.logits, nullptr);
    for (auto [i, end] : flights_.front().ends)
      texts_[i].held = end;
    flights_.pop_front();
    return YUPANA_STATUS_OK;
  }

  yupana_status_code_t wait_for_all() {
    yupana_status_code_t code = YUPANA_STATUS_OK;
    while (!flights_.empty() && !code)
      code = wait();
    return code;
  }

  /// The cache and the history of every sequence hold what was drawn: one token more gives the logits of all of them.
  void expect_contents() {
    for (Text &text : texts_) {
      text.tokens.resize(text.done);
      text.tokens.push_back(5);
      Tokens last = {5};
      yupana_span_t one = span(text.sequence, last);
      one.sample = 1;
      one.repetition_penalty = 2;
      Step step(context_, {one});
      ASSERT_EQ(step.code, YUPANA_STATUS_OK) << step.status.message;
      EXPECT_EQ(step.logits, expected_logits(text.tokens, text.done));
      uint32_t sum = 0;
      for (uint32_t p = 0; p < text.tokens.size(); ++p)
        sum += (p + 1) * (text.tokens[p] + 1);
      EXPECT_EQ(step.sampled, Tokens{sum}) << "the history of sequence " << text.number;
      ++text.done;
    }
  }

  yupana_sequence_t sequence(uint32_t i) const { return texts_[i].sequence; }
  /// Tokens of a sequence in steps that were waited for.
  uint32_t held(uint32_t i) const { return texts_[i].held; }
  size_t in_flight() const { return flights_.size(); }
  yupana_status_t status = {};

private:
  static constexpr uint64_t kSeed = 4;
  struct Text {
    uint32_t number;
    yupana_sequence_t sequence;
    Tokens tokens; // all that the sequence will hold
    uint32_t done = 0, held = 0;
  };
  struct Flight {
    Tokens expected;
    std::vector<std::pair<uint32_t, uint32_t>> ends; // which sequence is how long
  };
  static uint32_t draw(const Text &text, uint32_t position) {
    return static_cast<uint32_t>((kSeed + text.number + position) % TEST_VOCAB);
  }

  yupana_context_t *context_;
  size_t in_flight_;
  std::vector<Text> texts_;
  std::deque<Flight> flights_;
};

/// Steps in one order, in others, with some left out, and beside the pieces of a prompt; waited for at once or late.
inline void expect_ahead(yupana_context_t *context) {
  for (uint32_t in_flight : {0u, 1u, YUPANA_STEPS_IN_FLIGHT - 1u}) {
    Ahead ahead(context, in_flight);
    ahead.add(3);
    ahead.add(1);
    ahead.add(2);
    ahead.add(9);
    using Order = std::vector<uint32_t>;
    for (const Order &order : {Order{0, 1, 2}, Order{0, 1, 2}, Order{0, 1, 2}, Order{2, 0, 1}, Order{1, 2, 0},
                               Order{1, 2}, Order{2, 1}, Order{2, 3, 1}, Order{3, 2, 1}, Order{2, 1, 3}, Order{2, 1, 3},
                               Order{2, 1, 3}, Order{1, 3}, Order{3}, Order{3}})
      ASSERT_EQ(ahead.step(order, /*piece=*/3), YUPANA_STATUS_OK) << ahead.status.message;
    ASSERT_EQ(ahead.wait_for_all(), YUPANA_STATUS_OK) << ahead.status.message;
    ahead.expect_contents();
    for (uint32_t i = 0; i < 4; ++i)
      EXPECT_EQ(yupana_sequence_release(context, ahead.sequence(i), nullptr), YUPANA_STATUS_OK);
  }
}

} // namespace yupana::test

#endif
