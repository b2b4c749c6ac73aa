// SPDX-License-Identifier: Apache-2.0
//
// How cells are shared out among the workers of a CPU: all of them, in blocks that shrink, so that nobody is left with
// a long block at the end whatever cells cost.
#include "runtime/device/cpu/walk.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

using namespace yupana::runtime;

namespace {

/// When the last of `threads` workers is done, each of which claims cells as it gets free, over when all would be if
/// they shared the cost evenly.
double overEvenShare(const std::vector<double> &costs, uint32_t threads) {
  std::vector<double> busy_until(threads, 0);
  for (size_t first = 0; first < costs.size();) {
    size_t size = claim_size(costs.size(), costs.size() - first, threads);
    *std::min_element(busy_until.begin(), busy_until.end()) +=
        std::accumulate(costs.begin() + first, costs.begin() + first + size, 0.0);
    first += size;
  }
  double end = *std::max_element(busy_until.begin(), busy_until.end());
  return end * threads / std::accumulate(costs.begin(), costs.end(), 0.0);
}

TEST(ClaimSize, TakesAllCellsInBlocksThatShrink) {
  for (uint32_t threads : {2, 3, 16, 256})
    for (uint64_t cells : {1, 2, 7, 100, 4096, 100003}) {
      SCOPED_TRACE(testing::Message() << cells << " cells for " << threads << " threads");
      uint64_t left = cells, before = std::max<uint64_t>(8, cells / threads / 4);
      while (left != 0) {
        uint64_t size = claim_size(cells, left, threads);
        ASSERT_GE(size, 1u);
        ASSERT_LE(size, before);
        ASSERT_LE(size, left);
        before = size;
        left -= size;
      }
      EXPECT_EQ(before, 1u) << "the last block is a single cell";
    }
  EXPECT_EQ(claim_size(UINT32_MAX, UINT32_MAX, 1), UINT32_MAX / 4u);
}

TEST(ClaimSize, SharesOutCellsThatCostMoreAtTheBeginning) {
  // Gate and up of a shared expert, then those of 16 experts. At 512 tokens cells have 144 rows and 32; at 128 tokens
  // 128 and 8, which wait for memory as long as 16 compute.
  auto launch = [](size_t shared, double shared_rows, size_t experts, double expert_rows) {
    std::vector<double> costs(shared, shared_rows);
    costs.insert(costs.end(), experts, expert_rows);
    return costs;
  };
  for (uint32_t threads : {2, 3, 4, 8}) {
    EXPECT_LT(overEvenShare(launch(256, 144, 1024, 32), threads), 1.03) << threads;
    EXPECT_LT(overEvenShare(launch(256, 144, 0, 0), threads), 1.03) << threads;
  }
  EXPECT_LT(overEvenShare(launch(64, 128, 1024, 16), 2), 1.03);
}

} // namespace
