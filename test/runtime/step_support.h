// SPDX-License-Identifier: Apache-2.0
//
// Steps of the test model, and what their logits must be.

#ifndef YUPANA_TEST_RUNTIME_STEP_SUPPORT_H
#define YUPANA_TEST_RUNTIME_STEP_SUPPORT_H

#include "test/runtime/code/test_model.h"
#include "test/runtime/test_support.h"

#include <gtest/gtest.h>

namespace yupana::test {

using Tokens = std::vector<uint32_t>;

inline yupana_span_t span(yupana_sequence_t sequence, const Tokens &tokens, yupana_rows_t rows = YUPANA_ROWS_ALL) {
  yupana_span_t out = {};
  out.size = sizeof(out);
  out.sequence = sequence;
  out.tokens = tokens.data();
  out.token_count = static_cast<uint32_t>(tokens.size());
  out.rows = rows;
  return out;
}

/// A step and a copy of what it gave.
struct Step {
  Step(yupana_context_t *context, const std::vector<yupana_span_t> &spans) {
    yupana_batch_t batch = {sizeof(batch), spans.data(), static_cast<uint32_t>(spans.size()), 0};
    yupana_step_result_t result = {};
    result.size = sizeof(result);
    code = yupana_context_step(context, &batch, &result, &status);
    if (code)
      return;
    rows = result.rows;
    if (result.logits)
      logits.assign(result.logits, result.logits + size_t{rows} * TEST_VOCAB);
    if (result.sampled)
      sampled.assign(result.sampled, result.sampled + rows);
  }

  yupana_status_code_t code;
  yupana_status_t status = {};
  uint32_t rows = 0;
  std::vector<float> logits;
  Tokens sampled;
};

/// The logits of the test model for the token at `position` of a sequence.
inline std::vector<float> expected_logits(const Tokens &sequence, uint32_t position) {
  float full = 0, chunk = 0;
  for (uint32_t p = 0; p <= position; ++p) {
    full += static_cast<float>(sequence[p] + 1);
    if (p >= position / TEST_CHUNK * TEST_CHUNK)
      chunk += static_cast<float>(sequence[p] + 1);
  }
  std::vector<float> out(TEST_VOCAB);
  for (uint32_t v = 0; v < TEST_VOCAB; ++v)
    out[v] = full + 1000.0f * chunk + static_cast<float>(v);
  return out;
}

inline std::vector<float> expected_range(const Tokens &sequence, uint32_t begin, uint32_t end) {
  std::vector<float> out;
  for (uint32_t p = begin; p < end; ++p) {
    std::vector<float> row = expected_logits(sequence, p);
    out.insert(out.end(), row.begin(), row.end());
  }
  return out;
}

/// `count` ids that do not repeat with any page or chunk.
inline Tokens make_tokens(uint32_t count, uint32_t seed = 1) {
  Tokens out;
  for (uint32_t i = 0; i < count; ++i)
    out.push_back((i * 7 + seed * 5 + i / 3) % TEST_VOCAB);
  return out;
}

inline Tokens slice(const Tokens &tokens, uint32_t begin, uint32_t end) {
  return Tokens(tokens.begin() + begin, tokens.begin() + end);
}

/// The test plan, open, and a context of it.
class StepTest : public testing::Test {
protected:
  StepTest() : bytes_(write(test_plan())), opened_(bytes_) {}

  void SetUp() override {
    ASSERT_EQ(opened_.code, YUPANA_STATUS_OK) << opened_.status.message;
    if (yupana_plan_compatible(opened_.plan.get(), 0, nullptr, nullptr, nullptr))
      GTEST_SKIP() << "this machine is below x86-64-v3";
  }

  ContextOwner context(yupana_context_options_t options = {}) {
    yupana_status_t status = {};
    ContextOwner out = make_context(opened_.plan.get(), options, &status);
    EXPECT_NE(out, nullptr) << status.message;
    return out;
  }
  static yupana_context_options_t with_threads(uint32_t threads) {
    yupana_context_options_t options = {};
    options.threads = threads;
    return options;
  }
  static yupana_sequence_t sequence(const ContextOwner &context, uint64_t number = 0) {
    yupana_sequence_t out = 0;
    EXPECT_EQ(yupana_sequence_create(context.get(), number, &out, nullptr), YUPANA_STATUS_OK);
    return out;
  }
  static uint32_t length(const ContextOwner &context, yupana_sequence_t sequence) {
    uint32_t out = UINT32_MAX;
    EXPECT_EQ(yupana_sequence_length(context.get(), sequence, &out), YUPANA_STATUS_OK);
    return out;
  }
  static uint32_t free_pages(const ContextOwner &context, uint32_t group) {
    uint32_t total = 0, free = 0;
    EXPECT_EQ(yupana_context_pages(context.get(), group, &total, &free), YUPANA_STATUS_OK);
    return free;
  }
  static uint32_t used_pages(const ContextOwner &context, uint32_t group) {
    uint32_t total = 0, free = 0;
    EXPECT_EQ(yupana_context_pages(context.get(), group, &total, &free), YUPANA_STATUS_OK);
    return total - free;
  }

  Bytes bytes_;
  OpenedPlan opened_;
};

} // namespace yupana::test

#endif
