// SPDX-License-Identifier: Apache-2.0
//
// What the runtime promises about plans of former versions: it opens, verifies and runs them. Needs no compiler.

#include "yupana/yupana.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

namespace {

std::vector<std::string> goldenPlans() {
  std::vector<std::string> paths;
  for (const auto &entry : std::filesystem::recursive_directory_iterator(YUPANA_GOLDEN_PLANS))
    if (entry.path().extension() == ".yplan")
      paths.push_back(entry.path().string());
  return paths;
}

class GoldenPlan : public testing::TestWithParam<std::string> {
protected:
  void SetUp() override {
    ASSERT_EQ(yupana_plan_open_file(GetParam().c_str(), nullptr, &plan_, &status_), YUPANA_STATUS_OK)
        << status_.message;
  }
  void TearDown() override { yupana_plan_release(plan_); }

  yupana_plan_t *plan_ = nullptr;
  yupana_status_t status_ = {};
};

TEST_P(GoldenPlan, Verifies) {
  EXPECT_EQ(yupana_plan_verify(plan_, nullptr, &status_), YUPANA_STATUS_OK) << status_.message;
}

TEST_P(GoldenPlan, RunsAStep) {
  yupana_context_t *context = nullptr;
  yupana_status_code_t code = yupana_context_create(plan_, nullptr, nullptr, &context, &status_);
  if (code == YUPANA_STATUS_INCOMPATIBLE)
    GTEST_SKIP() << status_.message;
  ASSERT_EQ(code, YUPANA_STATUS_OK) << status_.message;
  yupana_sequence_t sequence = 0;
  ASSERT_EQ(yupana_sequence_create(context, 1, &sequence, &status_), YUPANA_STATUS_OK) << status_.message;
  const uint32_t tokens[] = {1, 2, 3};
  yupana_span_t span = {};
  span.size = sizeof(span);
  span.sequence = sequence;
  span.tokens = tokens;
  span.token_count = 3;
  span.rows = YUPANA_ROWS_ALL;
  yupana_batch_t batch = {sizeof(batch), &span, 1, 0};
  yupana_step_result_t result = {};
  result.size = sizeof(result);
  EXPECT_EQ(yupana_context_step(context, &batch, &result, &status_), YUPANA_STATUS_OK) << status_.message;
  EXPECT_EQ(result.rows, 3u);
  yupana_context_release(context);
}

INSTANTIATE_TEST_SUITE_P(All, GoldenPlan, testing::ValuesIn(goldenPlans()), [](const auto &info) {
  std::filesystem::path path(info.param);
  return path.parent_path().filename().string() + "_" + path.stem().string();
});

} // namespace
