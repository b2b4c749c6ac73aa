// SPDX-License-Identifier: Apache-2.0

#include "test/runtime/step_support.h"

#include <string>

namespace yupana::test {
namespace {

TEST_F(StepTest, NamesAreNotReused) {
  ContextOwner c = context();
  yupana_sequence_t first = sequence(c);
  EXPECT_NE(first, 0u);
  ASSERT_EQ(yupana_sequence_release(c.get(), first, nullptr), YUPANA_STATUS_OK);
  yupana_sequence_t second = sequence(c);
  EXPECT_NE(first, second);
  uint32_t unused;
  EXPECT_EQ(yupana_sequence_length(c.get(), first, &unused), YUPANA_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(yupana_sequence_release(c.get(), first, nullptr), YUPANA_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(yupana_sequence_truncate(c.get(), first, 0, nullptr), YUPANA_STATUS_INVALID_ARGUMENT);
}

TEST_F(StepTest, SequencesRunOutCleanly) {
  yupana_context_options_t options = {};
  options.max_sequences = 2;
  ContextOwner c = context(options);
  sequence(c);
  yupana_sequence_t second = sequence(c), third = 0;
  EXPECT_EQ(yupana_sequence_create(c.get(), 0, &third, nullptr), YUPANA_STATUS_OUT_OF_MEMORY);
  EXPECT_EQ(third, 0u);
  yupana_sequence_release(c.get(), second, nullptr);
  EXPECT_EQ(yupana_sequence_create(c.get(), 0, &third, nullptr), YUPANA_STATUS_OK);
}

// Chunks of 6 positions on pages of 4: before a step at position p, pages before position p / 6 * 6 go.
TEST_F(StepTest, ChunkGroupFreesPagesBehindIt) {
  ContextOwner c = context();
  yupana_sequence_t s = sequence(c);
  Tokens tokens = make_tokens(40);
  for (uint32_t p = 0; p < 40; ++p) {
    Step step(c.get(), {span(s, slice(tokens, p, p + 1))});
    ASSERT_EQ(step.code, YUPANA_STATUS_OK) << step.status.message;
    ASSERT_EQ(step.logits, expected_logits(tokens, p)) << p;
    EXPECT_EQ(used_pages(c, 0), p / 4 + 1) << "the full group keeps everything";
    EXPECT_EQ(used_pages(c, 1), p / 4 + 1 - p / 6 * 6 / 4) << p;
  }
  EXPECT_EQ(Step(c.get(), {span(s, {1})}).code, YUPANA_STATUS_INVALID_ARGUMENT) << "the context is full";
  yupana_sequence_release(c.get(), s, nullptr);
  EXPECT_EQ(used_pages(c, 0), 0u);
  EXPECT_EQ(used_pages(c, 1), 0u);
}

// A step that begins in one chunk and ends two later still sees all it needs.
TEST_F(StepTest, StepsAcrossSeveralChunks) {
  ContextOwner c = context();
  yupana_sequence_t s = sequence(c);
  Tokens tokens = make_tokens(40);
  uint32_t at = 0;
  for (uint32_t count : {5u, 20u, 1u, 14u}) {
    Step step(c.get(), {span(s, slice(tokens, at, at + count))});
    ASSERT_EQ(step.code, YUPANA_STATUS_OK) << step.status.message;
    EXPECT_EQ(step.logits, expected_range(tokens, at, at + count));
    at += count;
  }
}

TEST_F(StepTest, TruncateForgetsAndGoesOn) {
  ContextOwner c = context();
  yupana_sequence_t s = sequence(c);
  Tokens tokens = make_tokens(23);
  // In one step from position 0 nothing is freed, so any length can come back.
  ASSERT_EQ(Step(c.get(), {span(s, tokens)}).code, YUPANA_STATUS_OK);
  EXPECT_EQ(yupana_sequence_truncate(c.get(), s, 24, nullptr), YUPANA_STATUS_INVALID_ARGUMENT);
  ASSERT_EQ(yupana_sequence_truncate(c.get(), s, 23, nullptr), YUPANA_STATUS_OK);
  ASSERT_EQ(yupana_sequence_truncate(c.get(), s, 9, nullptr), YUPANA_STATUS_OK);
  EXPECT_EQ(length(c, s), 9u);
  EXPECT_EQ(used_pages(c, 0), 3u);
  Tokens other = slice(tokens, 0, 9), more = make_tokens(10, 9);
  other.insert(other.end(), more.begin(), more.end());
  Step step(c.get(), {span(s, more)});
  EXPECT_EQ(step.logits, expected_range(other, 9, 19));
}

// Below what a chunk group has freed there is no way back, and asking changes nothing.
TEST_F(StepTest, TruncateBelowAFreedPageIsRefused) {
  ContextOwner c = context();
  yupana_sequence_t s = sequence(c);
  Tokens tokens = make_tokens(20);
  for (uint32_t p = 0; p < 20; ++p)
    ASSERT_EQ(Step(c.get(), {span(s, slice(tokens, p, p + 1))}).code, YUPANA_STATUS_OK);
  // The last step was at 19, whose chunk begins at 18: page 4 (positions 16 to 19) is the first one kept.
  for (uint32_t refused : {0u, 6u, 12u, 15u, 16u, 17u}) {
    yupana_status_t status;
    EXPECT_EQ(yupana_sequence_truncate(c.get(), s, refused, &status), YUPANA_STATUS_INVALID_ARGUMENT) << refused;
    EXPECT_NE(std::string(status.message).find("'chunked'"), std::string::npos) << status.message;
    EXPECT_EQ(length(c, s), 20u);
    EXPECT_EQ(used_pages(c, 0), 5u);
  }
  for (uint32_t kept : {19u, 18u}) {
    ASSERT_EQ(yupana_sequence_truncate(c.get(), s, kept, nullptr), YUPANA_STATUS_OK) << kept;
    Step step(c.get(), {span(s, slice(tokens, kept, kept + 1))});
    EXPECT_EQ(step.logits, expected_logits(tokens, kept));
    ASSERT_EQ(yupana_sequence_truncate(c.get(), s, kept, nullptr), YUPANA_STATUS_OK);
  }
}

// A step that lacks pages is refused whole; the same step goes through once another sequence has left.
TEST_F(StepTest, OutOfPagesChangesNothing) {
  yupana_context_options_t options = {};
  options.max_sequences = 2;
  options.kv_bytes = yupana_plan_kv_bytes(opened_.plan.get(), 24, 2);
  ContextOwner c = context(options);
  yupana_sequence_t a = sequence(c), b = sequence(c);
  Tokens tokens = make_tokens(40);
  ASSERT_EQ(Step(c.get(), {span(a, slice(tokens, 0, 10)), span(b, slice(tokens, 0, 10))}).code, YUPANA_STATUS_OK);
  ASSERT_EQ(Step(c.get(), {span(a, slice(tokens, 10, 14))}).code, YUPANA_STATUS_OK);
  uint32_t full = free_pages(c, 0), chunked = free_pages(c, 1);
  Step refused(c.get(), {span(a, slice(tokens, 14, 20)), span(b, slice(tokens, 10, 20))});
  EXPECT_EQ(refused.code, YUPANA_STATUS_OUT_OF_MEMORY);
  EXPECT_NE(std::string(refused.status.message).find("'full'"), std::string::npos) << refused.status.message;
  EXPECT_EQ(free_pages(c, 0), full);
  EXPECT_EQ(free_pages(c, 1), chunked);
  EXPECT_EQ(length(c, a), 14u);
  EXPECT_EQ(length(c, b), 10u);
  yupana_sequence_release(c.get(), b, nullptr);
  Step step(c.get(), {span(a, slice(tokens, 14, 24))});
  ASSERT_EQ(step.code, YUPANA_STATUS_OK) << step.status.message;
  EXPECT_EQ(step.logits, expected_range(tokens, 14, 24));
}

// yupana_plan_kv_bytes keeps its promise for every way two sequences can share the positions.
TEST_F(StepTest, RoomHoldsHoweverPositionsAreSpread) {
  for (uint32_t first = 1; first < 30; ++first) {
    yupana_context_options_t options = {};
    options.max_sequences = 2;
    options.kv_bytes = yupana_plan_kv_bytes(opened_.plan.get(), 30, 2);
    ContextOwner c = context(options);
    auto info = sized<yupana_context_info_t>();
    yupana_context_info(c.get(), &info);
    EXPECT_GE(info.kv_positions, 30u);
    Tokens tokens = make_tokens(30);
    yupana_sequence_t a = sequence(c), b = sequence(c);
    for (auto [s, count] : {std::pair{a, first}, {b, 30 - first}})
      for (uint32_t at = 0; at < count; at += 13) {
        Step step(c.get(), {span(s, slice(tokens, at, std::min(at + 13, count)))});
        ASSERT_EQ(step.code, YUPANA_STATUS_OK) << first << ": " << step.status.message;
        ASSERT_EQ(step.logits, expected_range(tokens, at, std::min(at + 13, count)));
      }
  }
}

TEST_F(StepTest, TooLittleRoomIsSaid) {
  yupana_context_options_t options = {};
  options.size = sizeof(options);
  options.kv_bytes = 16;
  yupana_context_t *c = nullptr;
  yupana_status_t status;
  EXPECT_EQ(yupana_context_create(opened_.plan.get(), &options, nullptr, &c, &status), YUPANA_STATUS_OUT_OF_MEMORY);
  EXPECT_NE(std::string(status.message).find("expected at least"), std::string::npos) << status.message;
}

} // namespace
} // namespace yupana::test
