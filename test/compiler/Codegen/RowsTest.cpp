// SPDX-License-Identifier: Apache-2.0
//
// Kernels of every target that decide something per row: route; and where rows go: group.
#include "KernelHarness.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

using namespace yupana;
using namespace yupana::test;

namespace {

class Rows : public testing::TestWithParam<std::string> {};

/// Rows of a test: few where they are interpreted.
uint32_t rowsFor(const std::string &target, uint32_t many) { return Rules{{target, false}}.isGpu() ? 9 : many; }

//===----------------------------------------------------------------------===//
// Route
//===----------------------------------------------------------------------===//

std::string routeKernel(int64_t experts, int64_t k, const char *score) {
  return fmt::format(R"(
    kernel.func @route {{
    ^bb0(%l: !kernel.view<["T", {0}], f32>, %e: !kernel.view<["T", {1}], i32>, %s: !kernel.view<["T", {1}], f32>):
      kernel.route rows "T" logits %l : !kernel.view<["T", {0}], f32> into %e, %s top {1} score {2}
        : !kernel.view<["T", {1}], i32>, !kernel.view<["T", {1}], f32>
    }})",
                     experts, k, score);
}

void checkRoute(const std::string &target, int64_t experts, int64_t k, const std::string &score) {
  SCOPED_TRACE(fmt::format("experts {} top {} score {}", experts, k, score));
  uint32_t tokens = rowsFor(target, 50);
  KernelLibrary library(target, routeKernel(experts, k, score.c_str()), tokens, /*rowsPerCell=*/4);
  Array<float> logits = randomArray(tokens * experts, 1, 5), scores(tokens * k);
  Array<int32_t> chosen(tokens * k);
  for (uint32_t t = 0; t < tokens; t += 2) // every other row is full of ties
    for (int64_t e = 0; e < experts; ++e)
      logits[t * experts + e] = std::round(logits[t * experts + e] / 2);
  library.run("route", {logits, chosen, scores}, {tokens});
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
  KernelLibrary library(GetParam(), routeKernel(4, 2, "sigmoid"), 3);
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
void checkComputedRoute(const std::string &target, int64_t experts, int64_t depth, bool isBF16, uint32_t tokens,
                        int64_t rowsPerCell) {
  SCOPED_TRACE(fmt::format("{} tokens, {} experts of {} {}", tokens, experts, depth, isBF16 ? "bf16" : "f32"));
  Rules rules{{target, false}};
  KernelLibrary library(target,
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
                        tokens, rowsPerCell);
  Array<float> x = randomArray(tokens * depth, 2), scale = randomArray(tokens, 3), scores(tokens);
  Numbers router(randomArray(experts * depth, 4), isBF16);
  Array<int32_t> chosen(tokens);
  library.run("route", {x, scale, router, chosen, scores}, {tokens});
  for (uint32_t t = 0; t < tokens; ++t) {
    std::vector<float> logits(experts);
    for (int64_t e = 0; e < experts; ++e) {
      std::vector<float> partial(rules.partials());
      for (int64_t k = 0; k < depth; ++k) {
        float &sum = partial[k % rules.partials()];
        sum = std::fmaf(x[t * depth + k] * scale[t], router[e * depth + k], sum);
      }
      logits[e] = rules.sum(partial.data(), rules.partials());
    }
    int64_t best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    double total = 0;
    for (float logit : logits)
      total += std::exp(double(logit) - logits[best]);
    ASSERT_EQ(chosen[t], best) << "token " << t;
    ASSERT_NEAR(scores[t], 1 / total, 1e-6) << "token " << t;
  }
  EXPECT_TRUE(scores.tailIntact() && chosen.tailIntact());
}

TEST_P(Rows, RouteComputesLogitsByPartialSums) {
  for (bool isBF16 : {false, true})
    for (auto [experts, depth] :
         {std::pair<int64_t, int64_t>{1, 5}, {4, 16}, {7, 37}, {16, 64}, {18, 100}, {40, 31}, {130, 1024}}) {
      checkComputedRoute(GetParam(), experts, depth, isBF16, rowsFor(GetParam(), 30), /*rowsPerCell=*/4);
      // Blocks of a GPU may share the experts of few tokens.
      checkComputedRoute(GetParam(), experts, depth, isBF16, 3, /*rowsPerCell=*/0);
    }
}

TEST_P(Rows, RouteOfEqualExpertsTakesTheLowerIndex) {
  // Two experts of the same router row tie whatever the input is, wherever they stand among those computed together.
  uint32_t tokens = rowsFor(GetParam(), 40);
  constexpr int64_t experts = 11, depth = 33;
  KernelLibrary library(GetParam(), R"(
    kernel.func @route {
    ^bb0(%x: !kernel.view<["T", 33], f32>, %w: !kernel.view<[11, 33], f32>, %e: !kernel.view<["T", 2], i32>,
         %s: !kernel.view<["T", 2], f32>):
      kernel.route rows "T" product %x : !kernel.view<["T", 33], f32> times %w : !kernel.view<[11, 33], f32>
        into %e, %s top 2 score sigmoid
        : !kernel.view<["T", 2], i32>, !kernel.view<["T", 2], f32>
    })",
                        tokens, /*rowsPerCell=*/4);
  Array<float> x = randomArray(tokens * depth, 5), router = randomArray(experts * depth, 6), scores(tokens * 2);
  std::copy_n(&router[0], depth, &router[5 * depth]);
  for (int64_t e = 6; e < experts; ++e)
    std::copy_n(&router[(e - 6) % 4 * depth], depth, &router[e * depth]);
  Array<int32_t> chosen(tokens * 2);
  library.run("route", {x, router, chosen, scores}, {tokens});
  // Experts 0, 5, 6 and 10 are one, as are 1 and 7, 2 and 8, 3 and 9; 4 is alone.
  const int group[] = {0, 1, 2, 3, 4, 0, 0, 1, 2, 3, 0};
  for (uint32_t t = 0; t < tokens; ++t) {
    int32_t first = chosen[2 * t], second = chosen[2 * t + 1];
    if (group[first] == group[second]) {
      EXPECT_EQ(first, group[first]);
      EXPECT_EQ(second, first == 0 ? 5 : first + 6);
      EXPECT_EQ(bitsOf(scores[2 * t]), bitsOf(scores[2 * t + 1]));
    } else {
      EXPECT_TRUE(first == 4 || second == 4) << "another expert before the second of a tie: " << first << " " << second;
    }
  }
}

//===----------------------------------------------------------------------===//
// Group
//===----------------------------------------------------------------------===//

void checkGroup(const std::string &target, int64_t experts, int64_t k, int64_t alignment) {
  SCOPED_TRACE(fmt::format("experts {} top {} alignment {}", experts, k, alignment));
  std::string rows = k == 1 ? "T" : fmt::format("{}*T", k);
  if (alignment > 1)
    rows += fmt::format("+{}", (alignment - 1) * experts);
  KernelLibrary library(target,
                        fmt::format(R"(
    kernel.func @group {{
    ^bb0(%e: !kernel.view<["T", {0}], i32>, %o: !kernel.view<[{1}], i32>, %r: !kernel.view<["{2}"], i32>):
      kernel.group %e into %o, %r alignment {3}
        : !kernel.view<["T", {0}], i32>, !kernel.view<[{1}], i32>, !kernel.view<["{2}"], i32>
    }})",
                                    k, experts + 1, rows, alignment),
                        70);
  std::mt19937 generator(7);
  for (uint32_t tokens : {0, 1, 3, 70}) {
    Array<int32_t> chosen(tokens * k), offsets(experts + 1);
    Array<int32_t> order(tokens * k + (alignment - 1) * experts);
    // Experts past the middle have no rows where there are several.
    for (int32_t &expert : chosen)
      expert = static_cast<int32_t>(generator() % ((experts + 1) / 2));
    std::vector<int32_t> expectedOffsets = {0}, expected;
    for (int32_t expert = 0; expert < experts; ++expert) {
      for (size_t pair = 0; pair < chosen.size(); ++pair)
        if (chosen[pair] == expert)
          expected.push_back(static_cast<int32_t>(pair));
      expected.resize((expected.size() + alignment - 1) / alignment * alignment, -1);
      expectedOffsets.push_back(static_cast<int32_t>(expected.size()));
    }
    ASSERT_LE(expected.size(), order.size());
    expected.resize(order.size(), -1);
    library.run("group", {chosen, offsets, order}, {tokens});
    EXPECT_EQ(std::vector<int32_t>(offsets.begin(), offsets.end()), expectedOffsets);
    EXPECT_EQ(std::vector<int32_t>(order.begin(), order.end()), expected);
    EXPECT_TRUE(offsets.tailIntact() && order.tailIntact());
  }
}

TEST_P(Rows, GroupSortsPairsByExpertAndKeepsTheirOrder) {
  for (auto [experts, k] : {std::pair<int64_t, int64_t>{1, 1}, {4, 1}, {16, 1}, {5, 2}, {7, 7}, {128, 8}})
    for (int64_t alignment : {1, 3, 8})
      checkGroup(GetParam(), experts, k, alignment);
}

INSTANTIATE_TEST_SUITE_P(Targets, Rows, testing::ValuesIn(testedTargets()),
                         [](const auto &info) { return nameOf(info); });

} // namespace
