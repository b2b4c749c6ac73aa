// SPDX-License-Identifier: Apache-2.0
//
// Kernels that decide something per row: route, sort_tokens.
#include "CodegenHarness.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

using namespace yupana;
using namespace yupana::test;

namespace {

class Rows : public testing::TestWithParam<std::string> {};

//===----------------------------------------------------------------------===//
// Route
//===----------------------------------------------------------------------===//

std::string routeKernel(int64_t experts, int64_t k, const char *score) {
  return fmt::format(R"(
    kernel.func @route {{
    ^bb0(%l: !kernel.view<["T", {0}], f32>, %e: !kernel.view<["T", {1}], i32>, %s: !kernel.view<["T", {1}], f32>):
      kernel.route %l into %e, %s top {1} score {2} {{config = #kernel.x86<%TILE%, rows = 4>}}
        : !kernel.view<["T", {0}], f32>, !kernel.view<["T", {1}], i32>, !kernel.view<["T", {1}], f32>
    }})",
                     experts, k, score);
}

void checkRoute(const std::string &target, int64_t experts, int64_t k, const std::string &score) {
  SCOPED_TRACE(fmt::format("experts {} top {} score {}", experts, k, score));
  constexpr uint32_t tokens = 50;
  auto library = load(target, routeKernel(experts, k, score.c_str()));
  Array<float> logits = randomArray(tokens * experts, 1, 5), scores(tokens * k);
  Array<int32_t> chosen(tokens * k);
  for (uint32_t t = 0; t < tokens; t += 2) // every other row is full of ties
    for (int64_t e = 0; e < experts; ++e)
      logits[t * experts + e] = std::round(logits[t * experts + e] / 2);
  library->run("route", {logits, chosen, scores}, {tokens}, (tokens + 3) / 4);
  for (uint32_t t = 0; t < tokens; ++t) {
    const float *row = &logits[t * experts];
    std::vector<int32_t> order(experts);
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(),
              [&](int32_t a, int32_t b) { return row[a] != row[b] ? row[a] > row[b] : a < b; });
    std::sort(order.begin(), order.begin() + k);
    double total = 0, most = *std::max_element(row, row + experts);
    for (int64_t e = 0; e < experts; ++e)
      total += std::exp(row[e] - most);
    auto plain = [&](int32_t e) {
      return score[1] == 'i' ? 1 / (1 + std::exp(-double(row[e]))) : std::exp(row[e] - most) / total;
    };
    double chosenTotal = 0;
    for (int64_t j = 0; j < k; ++j)
      chosenTotal += plain(order[j]);
    for (int64_t j = 0; j < k; ++j) {
      ASSERT_EQ(chosen[t * k + j], order[j]) << "token " << t;
      double expected = plain(order[j]) / (score.find("normalize") != std::string::npos ? chosenTotal : 1);
      ASSERT_NEAR(scores[t * k + j], expected, expected * 1e-6 + 1e-9) << "token " << t;
    }
  }
  EXPECT_TRUE(scores.tailIntact() && chosen.tailIntact());
}

TEST_P(Rows, RouteChoosesTheLargestAndTheLowerIndexOnTies) {
  for (auto [experts, k] : {std::pair<int64_t, int64_t>{1, 1}, {4, 1}, {16, 1}, {16, 3}, {23, 23}, {128, 8}})
    for (const char *score : {"sigmoid", "softmax", "softmax normalize", "sigmoid normalize"})
      checkRoute(GetParam(), experts, k, score);
}

TEST_P(Rows, RouteStaysInRangeWhateverTheLogitsAre) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  auto library = load(GetParam(), routeKernel(4, 2, "sigmoid"));
  Array<float> logits = {nan, nan, nan, nan, -inf, -inf, -inf, -inf, nan, 3, -inf, inf}, scores(6);
  Array<int32_t> chosen(6);
  library->run("route", {logits, chosen, scores}, {3}, 1);
  for (int t = 0; t < 3; ++t) {
    EXPECT_GE(chosen[2 * t], 0);
    EXPECT_LT(chosen[2 * t], chosen[2 * t + 1]);
    EXPECT_LT(chosen[2 * t + 1], 4);
  }
}

//===----------------------------------------------------------------------===//
// Sort
//===----------------------------------------------------------------------===//

TEST_P(Rows, SortTokensIsStable) {
  constexpr int32_t experts = 9, k = 3;
  auto library = load(GetParam(), R"(
    kernel.func @sort {
    ^bb0(%e: !kernel.view<["T", 3], i32>, %o: !kernel.view<[10], i32>, %r: !kernel.view<["3*T"], i32>,
         %s: !kernel.view<["T", 3], i32>):
      kernel.sort_tokens %e into %o, %r, %s
        : !kernel.view<["T", 3], i32>, !kernel.view<[10], i32>, !kernel.view<["3*T"], i32>, !kernel.view<["T", 3], i32>
    })");
  std::mt19937 generator(1);
  for (uint32_t tokens : {0u, 1u, 2u, 17u, 200u}) {
    SCOPED_TRACE(tokens);
    int32_t pairs = static_cast<int32_t>(tokens) * k;
    Array<int32_t> chosen(pairs), offsets(experts + 1), order(pairs), slots(pairs);
    for (int32_t &expert : chosen)
      expert = static_cast<int32_t>(generator() % experts) / 2 * 2; // odd experts get nothing
    library->run("sort", {chosen, offsets, order, slots}, {tokens}, 1);
    std::vector<int32_t> expected(pairs);
    std::iota(expected.begin(), expected.end(), 0);
    std::sort(expected.begin(), expected.end(),
              [&](int32_t a, int32_t b) { return chosen[a] != chosen[b] ? chosen[a] < chosen[b] : a < b; });
    for (int32_t slot = 0; slot < pairs; ++slot) {
      ASSERT_EQ(order[slot], expected[slot]);
      ASSERT_EQ(slots[order[slot]], slot);
    }
    for (int32_t e = 0; e <= experts; ++e)
      ASSERT_EQ(offsets[e], std::count_if(chosen.begin(), chosen.end(), [&](int32_t c) { return c < e; }));
    EXPECT_TRUE(offsets.tailIntact() && order.tailIntact() && slots.tailIntact());
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Rows, testing::ValuesIn(runnableTargets()), [](const auto &info) { return nameOf(info); });

} // namespace
