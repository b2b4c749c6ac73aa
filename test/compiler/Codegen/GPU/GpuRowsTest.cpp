// SPDX-License-Identifier: Apache-2.0
//
// Kernels of a GPU that decide something per row: route; and where rows go: group.
#include "GpuHarness.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

using namespace yupana;
using namespace yupana::test;

namespace {

constexpr const char *target = "sm_80";

//===----------------------------------------------------------------------===//
// Route
//===----------------------------------------------------------------------===//

std::string routeKernel(int64_t experts, int64_t k, const std::string &score) {
  return fmt::format(R"(
    kernel.func @route {{
    ^bb0(%l: !kernel.view<["T", {0}], f32>, %e: !kernel.view<["T", {1}], i32>, %s: !kernel.view<["T", {1}], f32>):
      kernel.route rows "T" logits %l : !kernel.view<["T", {0}], f32> into %e, %s top {1} score {2}
        : !kernel.view<["T", {1}], i32>, !kernel.view<["T", {1}], f32>
    }})",
                     experts, k, score);
}

/// The experts of a row in ascending order.
std::vector<int32_t> bestOf(const float *row, int64_t experts, int64_t k) {
  std::vector<int32_t> order(experts);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](int32_t a, int32_t b) { return row[a] != row[b] ? row[a] > row[b] : a < b; });
  order.resize(k);
  std::sort(order.begin(), order.end());
  return order;
}

void checkRoute(int64_t experts, int64_t k, const std::string &score) {
  SCOPED_TRACE(fmt::format("experts {} top {} score {}", experts, k, score));
  constexpr uint32_t tokens = 9;
  GpuLibrary library(target, routeKernel(experts, k, score), tokens);
  Array<float> logits = randomArray(tokens * experts, 1, 5), scores(tokens * k);
  Array<int32_t> chosen(tokens * k);
  for (uint32_t t = 0; t < tokens; t += 2) // every other row is full of ties
    for (int64_t e = 0; e < experts; ++e)
      logits[t * experts + e] = std::round(logits[t * experts + e] / 2);
  library.run("route", {logits, chosen, scores}, {tokens});
  for (uint32_t t = 0; t < tokens; ++t) {
    const float *row = &logits[t * experts];
    std::vector<int32_t> order = bestOf(row, experts, k);
    double total = 0, most = *std::max_element(row, row + experts), chosenTotal = 0;
    for (int64_t e = 0; e < experts; ++e)
      total += std::exp(row[e] - most);
    auto plain = [&](int32_t e) {
      return score[1] == 'i' ? 1 / (1 + std::exp(-double(row[e]))) : std::exp(row[e] - most) / total;
    };
    for (int32_t e : order)
      chosenTotal += plain(e);
    for (int64_t j = 0; j < k; ++j) {
      ASSERT_EQ(chosen[t * k + j], order[j]) << "token " << t;
      double expected = plain(order[j]) / (score.find("normalize") != std::string::npos ? chosenTotal : 1);
      ASSERT_NEAR(scores[t * k + j], expected, expected * 1e-6 + 1e-9) << "token " << t;
    }
  }
}

TEST(GpuRoute, ChoosesTheLargestAndTheLowerIndexOnTies) {
  for (auto [experts, k] : {std::pair<int64_t, int64_t>{1, 1}, {16, 1}, {16, 3}, {37, 37}, {128, 8}})
    for (const char *score : {"sigmoid", "softmax", "softmax normalize"})
      checkRoute(experts, k, score);
}

TEST(GpuRoute, StaysInRangeWhateverTheLogitsAre) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  GpuLibrary library(target, routeKernel(4, 2, "sigmoid"), 3);
  Array<float> logits = {nan, nan, nan, nan, -inf, -inf, -inf, -inf, nan, 3, -inf, inf}, scores(6);
  Array<int32_t> chosen(6);
  library.run("route", {logits, chosen, scores}, {3});
  for (int t = 0; t < 3; ++t) {
    EXPECT_GE(chosen[2 * t], 0);
    EXPECT_LT(chosen[2 * t], chosen[2 * t + 1]);
    EXPECT_LT(chosen[2 * t + 1], 4);
  }
}

/// Logits that a route computes: an input that is scaled, by a router of either type.
TEST(GpuRoute, ComputesLogitsByPartialSumsOfAWarp) {
  constexpr uint32_t tokens = 7;
  for (bool isBF16 : {false, true})
    for (auto [experts, depth] : {std::pair<int64_t, int64_t>{1, 5}, {16, 64}, {18, 100}, {40, 31}}) {
      SCOPED_TRACE(fmt::format("{} experts of {} {}", experts, depth, isBF16 ? "bf16" : "f32"));
      GpuLibrary library(target,
                         fmt::format(R"(
        kernel.func @route {{
        ^bb0(%x: !kernel.view<["T", {1}], f32>, %c: !kernel.view<["T"], f32>, %w: !kernel.view<[{0}, {1}], {2}>,
             %e: !kernel.view<["T", 1], i32>, %s: !kernel.view<["T", 1], f32>):
          kernel.route rows "T" product {{
          ^bb0(%row: index, %k: index):
            %v = kernel.load %x[%row, %k] : !kernel.view<["T", {1}], f32>
            %f = kernel.load %c[%row] : !kernel.view<["T"], f32>
            %p = arith.mulf %v, %f : f32
            kernel.yield %p : f32
          }} times %w : !kernel.view<[{0}, {1}], {2}> into %e, %s top 1 score softmax
            : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
        }})",
                                     experts, depth, isBF16 ? "bf16" : "f32"),
                         tokens);
      Array<float> x = randomArray(tokens * depth, 2), scale = randomArray(tokens, 3), scores(tokens);
      Numbers router(randomArray(experts * depth, 4), isBF16);
      Array<int32_t> chosen(tokens);
      library.run("route", {x, scale, router, chosen, scores}, {tokens});
      for (uint32_t t = 0; t < tokens; ++t) {
        std::vector<float> logits(experts);
        for (int64_t e = 0; e < experts; ++e) {
          float partial[32] = {};
          for (int64_t k = 0; k < depth; ++k)
            partial[k % 32] = std::fmaf(x[t * depth + k] * scale[t], router[e * depth + k], partial[k % 32]);
          logits[e] = warpSum(partial, 32);
        }
        int64_t best = std::max_element(logits.begin(), logits.end()) - logits.begin();
        double total = 0;
        for (float logit : logits)
          total += std::exp(double(logit) - logits[best]);
        ASSERT_EQ(chosen[t], best) << "token " << t;
        ASSERT_NEAR(scores[t], 1 / total, 1e-6) << "token " << t;
      }
    }
}

//===----------------------------------------------------------------------===//
// Group
//===----------------------------------------------------------------------===//

void checkGroup(int64_t experts, int64_t k, int64_t alignment, uint32_t tokens, uint32_t seed) {
  SCOPED_TRACE(fmt::format("{} experts, {} of each token, aligned to {}, {} tokens", experts, k, alignment, tokens));
  int64_t fillers = (alignment - 1) * experts;
  std::string places = k == 1 ? fmt::format("\"T+{}\"", fillers) : fmt::format("\"{}*T+{}\"", k, fillers);
  if (fillers == 0)
    places = k == 1 ? "\"T\"" : fmt::format("\"{}*T\"", k);
  GpuLibrary library(target,
                     fmt::format(R"(
    kernel.func @group {{
    ^bb0(%e: !kernel.view<["T", {1}], i32>, %f: !kernel.view<[{2}], i32>, %o: !kernel.view<[{3}], i32>):
      kernel.group %e into %f, %o alignment {0}
        : !kernel.view<["T", {1}], i32>, !kernel.view<[{2}], i32>, !kernel.view<[{3}], i32>
    }})",
                                 alignment, k, experts + 1, places),
                     tokens);
  Array<int32_t> choices(tokens * k), offsets(experts + 1), order(tokens * k + fillers);
  std::mt19937 random(seed);
  for (int32_t &choice : choices) // some experts get none
    choice = static_cast<int32_t>(random() % experts / 2 * 2 % experts);
  library.run("group", {choices, offsets, order}, {tokens});
  std::vector<int32_t> expectedOffsets, expectedOrder;
  for (int64_t e = 0; e < experts; ++e) {
    expectedOffsets.push_back(static_cast<int32_t>(expectedOrder.size()));
    for (size_t pair = 0; pair < choices.size(); ++pair)
      if (choices[pair] == e)
        expectedOrder.push_back(static_cast<int32_t>(pair));
    expectedOrder.resize((expectedOrder.size() + alignment - 1) / alignment * alignment, -1);
  }
  expectedOffsets.push_back(static_cast<int32_t>(expectedOrder.size()));
  expectedOrder.resize(order.size(), -1);
  EXPECT_EQ(std::vector<int32_t>(offsets.begin(), offsets.end()), expectedOffsets);
  EXPECT_EQ(std::vector<int32_t>(order.begin(), order.end()), expectedOrder);
}

TEST(GpuGroup, SortsPairsByExpertAndKeepsTheirOrder) {
  checkGroup(16, 1, 8, 1, 1);
  checkGroup(16, 1, 8, 75, 2);
  checkGroup(4, 2, 8, 33, 3);
  checkGroup(128, 1, 8, 200, 4);
  checkGroup(3, 3, 1, 64, 5);
  checkGroup(1, 1, 16, 40, 6);
}

} // namespace
