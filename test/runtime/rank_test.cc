// SPDX-License-Identifier: Apache-2.0
//
// The order among the levels of x86-64 is one order, the machine's best level is the highest of those it has, and
// asking costs next to nothing. That the order is the machine's is held by bench_test.py.
#include "runtime/device/cpu/rank.h"

#include "runtime/device/cpu/levels.h"

#include <gtest/gtest.h>

#include <ctime>
#include <csignal>
#include <set>
#include <string>

namespace yupana::runtime {
namespace {

double thread_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

TEST(RankTest, MeasuresInLessThanFiveMilliseconds) {
  double begin = thread_seconds();
  bool slow = are_dot_products_slow();
  EXPECT_LT(thread_seconds() - begin, 0.005);
  begin = thread_seconds();
  for (int i = 0; i < 1000; ++i)
    EXPECT_EQ(are_dot_products_slow(), slow);
  EXPECT_LT(thread_seconds() - begin, 0.005) << "only the first question is measured";
}

TEST(RankTest, OrdersTheLevelsAndNothingElse) {
  std::set<int> ranks;
  for (uint32_t level = 0; level < kCpuLevels; ++level)
    ranks.insert(rank_cpu_level(cpu_level_name(level)));
  EXPECT_EQ(ranks.size(), kCpuLevels);
  EXPECT_EQ(*ranks.begin(), rank_cpu_level("x86-64-v3"));
  EXPECT_EQ(rank_cpu_level("x86-64-v3"), 0);
  EXPECT_EQ(rank_cpu_level("x86-64-v4") > rank_cpu_level("x86-64-v4-bf16"), are_dot_products_slow());
  for (const char *name : {"", "sm_90a", "x86-64", "x86-64-v4-bf1"})
    EXPECT_EQ(rank_cpu_level(name), -1) << name;
}

TEST(RankTest, TheBestLevelIsTheHighestThatTheMachineHas) {
  std::string best = cpu_native(DeviceChoice{});
  for (uint32_t level = 0; level < kCpuLevels; ++level) {
    std::string name = cpu_level_name(level);
    if (missing_cpu_feature(level))
      EXPECT_NE(best, name);
    else
      EXPECT_GE(rank_cpu_level(best.c_str()), rank_cpu_level(name.c_str()));
  }
}

TEST(PermissionTest, TileRegistersAreForProcessesWhoseSignalStacksHoldThem) {
  int tiles = find_cpu_level("x86-64-v4-amx");
  ASSERT_GE(tiles, 0);
  for (int level = 0; level < tiles; ++level)
    EXPECT_TRUE(permit_cpu_level(static_cast<uint32_t>(level))) << "no other level needs to be asked for";
  if (const char *missing = missing_cpu_feature(static_cast<uint32_t>(tiles)))
    GTEST_SKIP() << "this machine has no " << missing;
  // The registers are 8 KiB of a signal's frame.
  alignas(64) static char memory[4096];
  stack_t small = {}, none = {};
  small.ss_sp = memory;
  small.ss_size = sizeof memory;
  none.ss_flags = SS_DISABLE;
  ASSERT_EQ(sigaltstack(&small, nullptr), 0);
  EXPECT_FALSE(permit_cpu_level(static_cast<uint32_t>(tiles)));
  ASSERT_EQ(sigaltstack(&none, nullptr), 0);
  EXPECT_TRUE(permit_cpu_level(static_cast<uint32_t>(tiles)));
}

} // namespace
} // namespace yupana::runtime
