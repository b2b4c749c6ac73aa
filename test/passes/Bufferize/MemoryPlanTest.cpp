// SPDX-License-Identifier: Apache-2.0

#include "passes/Bufferize/MemoryPlan.h"

#include <gtest/gtest.h>

#include <random>

using namespace yupana;

namespace {

bool overlap(const Lifetime &a, uint64_t aOffset, const Lifetime &b, uint64_t bOffset) {
  bool inTime = false;
  for (const LaunchRange &x : a.ranges)
    for (const LaunchRange &y : b.ranges)
      inTime |= x.first <= y.last && y.first <= x.last;
  return inTime && aOffset < bOffset + b.size && bOffset < aOffset + a.size;
}

/// The most bytes that live at once, of values with one range each: no plan can be smaller.
uint64_t peak(const std::vector<Lifetime> &values) {
  uint64_t most = 0;
  for (const Lifetime &at : values) {
    uint64_t live = 0;
    for (const Lifetime &other : values)
      if (other.ranges[0].first <= at.ranges[0].first && at.ranges[0].first <= other.ranges[0].last)
        live += other.size;
    most = std::max(most, live);
  }
  return most;
}

TEST(MemoryPlan, ReusesThePlaceOfADeadValue) {
  std::optional<Placement> plan = planMemory({{64, {{0, 1}}}, {64, {{1, 2}}}, {64, {{2, 3}}}}, 64);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->offsets, (std::vector<uint64_t>{0, 64, 0}));
  EXPECT_EQ(plan->size, 128u);
}

TEST(MemoryPlan, FillsAGapThatIsLargeEnough) {
  // The first two lie one after the other; when both are dead but the third lives, the fourth fits before it.
  std::optional<Placement> plan = planMemory({{256, {{0, 1}}}, {192, {{0, 3}}}, {128, {{2, 3}}}}, 64);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->offsets, (std::vector<uint64_t>{0, 256, 0}));
  EXPECT_EQ(plan->size, 448u);
}

TEST(MemoryPlan, SharesMemoryBetweenRangesApart) {
  // The second lives while the first is dead, between its ranges; the third meets the first's later range.
  std::optional<Placement> plan = planMemory({{128, {{0, 1}, {4, 5}}}, {64, {{2, 3}}}, {64, {{3, 4}}}}, 64);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->offsets, (std::vector<uint64_t>{0, 0, 128}));
  EXPECT_EQ(plan->size, 192u);
}

TEST(MemoryPlan, HasNothingToPlaceWithoutValues) {
  std::optional<Placement> plan = planMemory({}, 64);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->size, 0u);
}

TEST(MemoryPlan, RefusesASumBeyond64Bits) {
  EXPECT_FALSE(planMemory({{UINT64_MAX - 100, {{0, 1}}}, {UINT64_MAX - 200, {{0, 1}}}}, 64));
}

TEST(MemoryPlan, NeverOverlapsAndStaysNearThePeak) {
  std::mt19937 random(20240607);
  for (int round = 0; round < 200; ++round) {
    std::vector<Lifetime> values(1 + random() % 60);
    for (Lifetime &value : values) {
      int64_t first = random() % 40;
      value = {1 + random() % 5000, {{first, first + static_cast<int64_t>(random() % 8)}}};
    }
    std::optional<Placement> plan = planMemory(values, 64);
    ASSERT_TRUE(plan);
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(plan->offsets[i] % 64, 0u);
      EXPECT_LE(plan->offsets[i] + values[i].size, plan->size);
      for (size_t j = 0; j < i; ++j)
        ASSERT_FALSE(overlap(values[i], plan->offsets[i], values[j], plan->offsets[j])) << "round " << round;
    }
    EXPECT_GE(plan->size, peak(values));
    EXPECT_LE(plan->size, 2 * peak(values) + 64 * values.size());
  }
}

} // namespace
