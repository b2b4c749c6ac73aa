// SPDX-License-Identifier: Apache-2.0
//
// The generator over a fake core that counts, checks the rules of yupana.h and shows any mistake in its logits.
#include "runtime/text/generate.h"
#include "test/runtime/text/fake_core.h"

#include <gtest/gtest.h>

#include <map>

using namespace yupana;
using text::Request;
using text::Stop;

namespace {

/// Keeps all it hears.
class Listener final : public text::Observer {
public:
  void on_token(size_t request, uint32_t id) override { tokens[request].push_back(id); }
  void on_stop(size_t request, Stop stop) override {
    EXPECT_EQ(stops.count(request), 0u);
    stops[request] = stop;
  }
  bool on_logits(size_t request, uint32_t first, uint32_t count, const float *data) override {
    std::vector<float> &rows = logits[request];
    EXPECT_EQ(rows.size(), size_t{first} * test::fake_core().vocab_size);
    rows.insert(rows.end(), data, data + size_t{count} * test::fake_core().vocab_size);
    return !gives_up;
  }
  bool interrupted() override { return test::fake_core().steps.size() >= interrupt_after; }

  std::map<size_t, std::vector<uint32_t>> tokens;
  std::map<size_t, Stop> stops;
  std::map<size_t, std::vector<float>> logits;
  size_t interrupt_after = SIZE_MAX;
  bool gives_up = false;
};

class GenerateTest : public testing::Test {
protected:
  GenerateTest() { test::fake_core() = test::FakeCore(); }

  yupana_status_code_t run(const std::vector<Request> &requests, uint32_t step_tokens = 0) {
    yupana_context_t *context = nullptr;
    yupana_context_create(nullptr, nullptr, nullptr, &context, nullptr);
    text::Generator generator(nullptr, context, step_tokens);
    yupana_status_code_t code = generator.run(requests, &listener, &replies, &status);
    EXPECT_EQ(test::fake_core().alive, 0u);
    yupana_context_release(context);
    return code;
  }

  /// A prompt of `length` tokens that differs from the others.
  static Request prompt(uint32_t length, uint32_t salt, uint32_t max_new_tokens) {
    Request request;
    for (uint32_t i = 0; i < length; ++i)
      request.prompt.push_back(2 + (salt * 31 + i * 7) % 90);
    request.max_new_tokens = max_new_tokens;
    return request;
  }
  /// What the fake model says to a request, one token after the other.
  static std::vector<uint32_t> expected_reply(const Request &request) {
    std::vector<uint32_t> tokens = request.prompt, reply;
    while (reply.size() < request.max_new_tokens && tokens.size() <= test::fake_core().max_context) {
      reply.push_back(test::fake_next(tokens));
      tokens.push_back(reply.back());
      if (reply.back() == test::fake_core().stop_tokens[0])
        break;
    }
    return reply;
  }
  static std::vector<float> expected_logits(const Request &request) {
    std::vector<float> logits;
    for (size_t i = 1; i <= request.prompt.size(); ++i) {
      std::vector<float> row = test::fake_logits({request.prompt.begin(), request.prompt.begin() + ptrdiff_t(i)});
      logits.insert(logits.end(), row.begin(), row.end());
    }
    return logits;
  }

  Listener listener;
  std::vector<text::Reply> replies;
  yupana_status_t status;
};

// Replies do not depend on how prompts are cut or on who shares the batch.
TEST_F(GenerateTest, EveryCutGivesTheSameReplies) {
  std::vector<Request> requests = {prompt(9, 1, 12), prompt(1, 2, 5), prompt(23, 3, 7), prompt(4, 4, 30),
                                   prompt(2, 5, 1)};
  for (uint32_t step_tokens : {0u, 1u, 2u, 3u, 7u, 16u, 1000u}) {
    listener = Listener();
    ASSERT_EQ(run(requests, step_tokens), YUPANA_STATUS_OK);
    for (size_t i = 0; i < requests.size(); ++i) {
      EXPECT_EQ(replies[i].tokens, expected_reply(requests[i]));
      EXPECT_EQ(listener.tokens[i], replies[i].tokens);
      EXPECT_EQ(listener.stops[i], replies[i].stop);
    }
  }
}

// How tokens are chosen reaches the core as it is asked for.
TEST_F(GenerateTest, SamplingParametersAreHandedOn) {
  Request request = prompt(3, 1, 2);
  request.temperature = 0.5f;
  request.seed = 77;
  request.top_k = 5;
  request.top_p = 0.25f;
  request.min_p = 0.125f;
  request.repetition_penalty = 1.5f;
  ASSERT_EQ(run({request}), YUPANA_STATUS_OK);
  const yupana_span_t &span = test::fake_core().last_span;
  EXPECT_EQ(span.temperature, 0.5f);
  EXPECT_EQ(span.seed, 77u);
  EXPECT_EQ(span.top_k, 5u);
  EXPECT_EQ(span.top_p, 0.25f);
  EXPECT_EQ(span.min_p, 0.125f);
  EXPECT_EQ(span.repetition_penalty, 1.5f);
}

// All rows arrive once and in order although a step may ask for fewer rows than tokens.
TEST_F(GenerateTest, LogitsOfEveryPromptToken) {
  std::vector<Request> requests = {prompt(17, 1, 0), prompt(3, 2, 4), prompt(30, 3, 0), prompt(8, 4, 3)};
  requests[0].want_logits = requests[1].want_logits = requests[2].want_logits = true;
  for (uint32_t step_tokens : {0u, 1u, 5u}) {
    listener = Listener();
    ASSERT_EQ(run(requests, step_tokens), YUPANA_STATUS_OK);
    for (size_t i = 0; i < 3; ++i)
      EXPECT_EQ(listener.logits[i], expected_logits(requests[i]));
    EXPECT_EQ(listener.logits.count(3), 0u);
    for (size_t i = 0; i < 4; ++i)
      EXPECT_EQ(replies[i].tokens, expected_reply(requests[i]));
  }
}

// A short prompt is answered while a long one is still read: steps mix both phases.
TEST_F(GenerateTest, StepsMixPrefillAndDecode) {
  ASSERT_EQ(run({prompt(2, 1, 5), prompt(20, 2, 5)}, 4), YUPANA_STATUS_OK);
  const auto &steps = test::fake_core().steps;
  ASSERT_GE(steps.size(), 3u);
  EXPECT_EQ(steps[0], (std::vector<uint32_t>{2, 2}));
  EXPECT_EQ(steps[1], (std::vector<uint32_t>{1, 3}));
  EXPECT_EQ(steps[2], (std::vector<uint32_t>{1, 3}));
}

// With fewer tokens per step than sequences, each has its turn.
TEST_F(GenerateTest, TurnsRotate) {
  ASSERT_EQ(run({prompt(3, 1, 0), prompt(3, 2, 0), prompt(3, 3, 0)}, 1), YUPANA_STATUS_OK);
  EXPECT_EQ(test::fake_core().steps.size(), 9u);
}

TEST_F(GenerateTest, StopsAtStopToken) {
  Request request = prompt(5, 1, 20);
  std::vector<uint32_t> reply = expected_reply(request);
  test::fake_core().stop_tokens = {reply[3]};
  ASSERT_EQ(run({request}), YUPANA_STATUS_OK);
  EXPECT_EQ(replies[0].stop, Stop::eos);
  EXPECT_EQ(replies[0].tokens.back(), reply[3]);
  EXPECT_LE(replies[0].tokens.size(), 4u);
}

// A full context ends a reply: the last token needs no position of its own.
TEST_F(GenerateTest, StopsAtFullContext) {
  test::fake_core().stop_tokens = {96};
  test::fake_core().max_context = 12;
  Request request = prompt(10, 1, 100);
  ASSERT_EQ(run({request}), YUPANA_STATUS_OK);
  if (replies[0].stop == Stop::length) {
    EXPECT_EQ(replies[0].tokens.size(), 3u);
  }
}

// Sequences wait for room in the cache instead of failing.
TEST_F(GenerateTest, WaitsForCache) {
  test::fake_core().kv_positions = 30;
  std::vector<Request> requests = {prompt(10, 1, 10), prompt(10, 2, 10), prompt(10, 3, 10)};
  ASSERT_EQ(run(requests), YUPANA_STATUS_OK);
  for (const auto &step : test::fake_core().steps)
    EXPECT_EQ(step.size(), 1u);
  for (size_t i = 0; i < requests.size(); ++i)
    EXPECT_EQ(replies[i].tokens, expected_reply(requests[i]));
}

TEST_F(GenerateTest, InterruptEndsAllReplies) {
  listener.interrupt_after = 2;
  ASSERT_EQ(run({prompt(2, 1, 50), prompt(2, 2, 50), prompt(2, 3, 50), prompt(2, 4, 50)}), YUPANA_STATUS_OK);
  EXPECT_EQ(test::fake_core().steps.size(), 2u);
  for (size_t i = 0; i < 4; ++i)
    EXPECT_EQ(listener.stops[i], Stop::interrupt);
  EXPECT_EQ(replies[0].tokens.size(), 2u);
  EXPECT_EQ(replies[3].tokens.size(), 0u);
}

TEST_F(GenerateTest, FailedStepKeepsWhatThereIs) {
  test::fake_core().fail_at_step = 3;
  EXPECT_EQ(run({prompt(2, 1, 50)}), YUPANA_STATUS_OUT_OF_MEMORY);
  EXPECT_STREQ(status.message, "no free pages");
  EXPECT_EQ(replies[0].tokens.size(), 3u);
}

// One reply ends for want of a token, the others go on to their end.
TEST_F(GenerateTest, LogitsThatAreNotFiniteEndOneReply) {
  test::fake_core().not_finite_at = 9;
  test::fake_core().stop_tokens.clear();
  EXPECT_EQ(run({prompt(7, 1, 10), prompt(20, 2, 5)}), YUPANA_STATUS_NOT_FINITE);
  EXPECT_STREQ(status.message, "a row is not finite");
  EXPECT_EQ(replies[0].stop, Stop::not_finite);
  EXPECT_EQ(replies[0].tokens.size(), 2u);
  EXPECT_EQ(replies[1].stop, Stop::length);
  EXPECT_EQ(replies[1].tokens.size(), 5u);
  EXPECT_EQ(test::fake_core().alive, 0u);
}

// A row that nobody needs a token of ends nothing.
TEST_F(GenerateTest, OtherLogitsMayHoldAnything) {
  test::fake_core().not_finite_at = 9;
  test::fake_core().stop_tokens.clear();
  Request request = prompt(12, 1, 3);
  request.want_logits = true;
  EXPECT_EQ(run({request}), YUPANA_STATUS_OK);
  EXPECT_EQ(replies[0].tokens.size(), 3u);
}

// A request may have a stop token of its own, which no other is held to.
TEST_F(GenerateTest, StopTokenOfARequest) {
  test::fake_core().stop_tokens.clear();
  Request request = prompt(7, 1, 8);
  ASSERT_EQ(run({request}), YUPANA_STATUS_OK);
  std::vector<uint32_t> free = replies[0].tokens;
  ASSERT_EQ(free.size(), 8u);
  listener = Listener();
  Request stopped = request;
  stopped.stop_token = free[3];
  ASSERT_EQ(run({stopped, request}), YUPANA_STATUS_OK);
  EXPECT_EQ(replies[0].stop, Stop::eos);
  EXPECT_EQ(replies[0].tokens.back(), free[3]);
  EXPECT_LE(replies[0].tokens.size(), 4u);
  EXPECT_EQ(replies[1].tokens, free);
}

/// What a run gave, with and without steps that run ahead.
struct Outcome {
  yupana_status_code_t code;
  std::vector<std::vector<uint32_t>> tokens, told;
  std::vector<Stop> stops;
  std::map<size_t, std::vector<float>> logits;
  size_t steps;
  bool operator==(const Outcome &other) const {
    return code == other.code && tokens == other.tokens && told == other.told && stops == other.stops &&
           logits == other.logits;
  }
};

class GenerateAheadTest : public GenerateTest {
protected:
  Outcome outcome(const std::vector<Request> &requests, bool apart, uint32_t step_tokens = 0) {
    test::fake_core().runs_apart = apart;
    test::fake_core().steps.clear();
    listener = Listener();
    Outcome out = {run(requests, step_tokens), {}, {}, {}, listener.logits, test::fake_core().steps.size()};
    for (size_t i = 0; i < requests.size(); ++i) {
      out.tokens.push_back(replies[i].tokens);
      out.told.push_back(listener.tokens[i]);
      out.stops.push_back(replies[i].stop);
    }
    return out;
  }
};

// Ends of all kinds, at every place: a stop token, a limit, a full context, logits that are not finite, no more pages.
TEST_F(GenerateAheadTest, RepliesAreThoseOfSingleSteps) {
  std::vector<Request> requests = {prompt(9, 1, 12), prompt(1, 2, 5), prompt(23, 3, 7), prompt(4, 4, 60),
                                   prompt(2, 5, 1),  prompt(3, 6, 0), prompt(17, 7, 3)};
  requests[5].want_logits = requests[6].want_logits = true;
  for (uint32_t step_tokens : {0u, 1u, 2u, 5u})
    for (uint32_t stop = 0; stop < 97; stop += 7)
      for (uint32_t bad : {UINT32_MAX, 6u, 10u, 11u})
        for (uint32_t full : {UINT32_MAX, 12u}) {
          test::fake_core() = test::FakeCore();
          test::fake_core().stop_tokens = {stop};
          test::fake_core().not_finite_at = bad;
          test::fake_core().full_at = full;
          Outcome single = outcome(requests, false, step_tokens);
          EXPECT_EQ(test::fake_core().most_in_flight, 1u);
          Outcome ahead = outcome(requests, true, step_tokens);
          if (full == UINT32_MAX) {
            EXPECT_TRUE(ahead == single) << step_tokens << " " << stop << " " << bad;
            EXPECT_EQ(test::fake_core().most_in_flight, 2u);
          } else {
            // Which sequence finds no page first depends on the order of steps.
            EXPECT_EQ(ahead.code == YUPANA_STATUS_OUT_OF_MEMORY, single.code == YUPANA_STATUS_OUT_OF_MEMORY);
          }
        }
}

// Alone, a reply costs a step more at most, and none where its length ends it.
TEST_F(GenerateAheadTest, OneStepIsDroppedAtMost) {
  test::fake_core().stop_tokens.clear();
  Outcome single = outcome({prompt(5, 1, 9)}, false), ahead = outcome({prompt(5, 1, 9)}, true);
  EXPECT_TRUE(ahead == single);
  EXPECT_EQ(ahead.steps, single.steps);
  test::fake_core().max_context = 11;
  single = outcome({prompt(5, 1, 90)}, false), ahead = outcome({prompt(5, 1, 90)}, true);
  EXPECT_TRUE(ahead == single);
  EXPECT_EQ(ahead.steps, single.steps);
  test::fake_core().max_context = 64;
  test::fake_core().stop_tokens = {single.tokens[0][4]};
  single = outcome({prompt(5, 1, 90)}, false), ahead = outcome({prompt(5, 1, 90)}, true);
  EXPECT_TRUE(ahead == single);
  EXPECT_EQ(ahead.steps, single.steps + 1);
  // Nor does the last page that a step ahead does not get end a reply.
  test::fake_core().full_at = 5 + static_cast<uint32_t>(single.tokens[0].size()) - 1;
  EXPECT_TRUE(outcome({prompt(5, 1, 90)}, true) == single);
}

// A sequence that stays alive holds the prompt and the reply but its last token, however the reply ended.
TEST_F(GenerateAheadTest, SequencesThatStayAreCutToTheirReply) {
  test::fake_core().runs_apart = 1;
  for (size_t interrupt : {size_t{2}, size_t{5}, SIZE_MAX})
    for (uint32_t stop = 0; stop < 97; stop += 5) {
      test::fake_core().stop_tokens = {stop};
      test::fake_core().steps.clear();
      listener = Listener();
      listener.interrupt_after = interrupt;
      yupana_context_t *context = nullptr;
      yupana_context_create(nullptr, nullptr, nullptr, &context, nullptr);
      Request request = prompt(6, 1, 9);
      yupana_sequence_create(context, 0, &request.sequence, nullptr);
      text::Generator generator(nullptr, context, 0);
      ASSERT_EQ(generator.run({request}, &listener, &replies, &status), YUPANA_STATUS_OK);
      std::vector<uint32_t> all = expected_reply(request);
      ASSERT_LE(replies[0].tokens.size(), all.size());
      EXPECT_TRUE(std::equal(replies[0].tokens.begin(), replies[0].tokens.end(), all.begin()));
      uint32_t length = 0, known = 6 + static_cast<uint32_t>(replies[0].tokens.size());
      yupana_sequence_length(context, request.sequence, &length);
      EXPECT_LE(length, known);
      EXPECT_GE(length + 1, known);
      if (replies[0].stop != Stop::interrupt) {
        EXPECT_EQ(length + 1, known);
        EXPECT_EQ(replies[0].tokens, all);
      }
      yupana_sequence_release(context, request.sequence, nullptr);
      yupana_context_release(context);
    }
}

TEST_F(GenerateTest, ObserverCanGiveUp) {
  listener.gives_up = true;
  Request request = prompt(8, 1, 0);
  request.want_logits = true;
  EXPECT_EQ(run({request}), YUPANA_STATUS_CANCELLED);
}

} // namespace
