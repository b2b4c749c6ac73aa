// SPDX-License-Identifier: Apache-2.0
//
// Finding buffers that overlap, against every pair of them.

#include "test/runtime/test_support.h"

#include <gtest/gtest.h>

#include <random>

namespace yupana::test {
namespace {

bool meet(const schema::BufferT &a, const schema::BufferT &b) {
  return a.arena == b.arena && a.first_launch <= b.last_launch && b.first_launch <= a.last_launch &&
         a.offset < b.offset + b.size && b.offset < a.offset + a.size && a.size && b.size;
}

TEST(OverlapTest, FindsWhatEveryPairShows) {
  std::mt19937 random(11);
  uint32_t overlapping = 0;
  constexpr uint32_t kRounds = 400;
  for (uint32_t round = 0; round < kRounds; ++round) {
    PlanSpec spec = test_plan();
    schema::TargetT &target = *spec.plan.targets[0];
    for (uint32_t arena = 0; arena < 2; ++arena) {
      target.arenas.push_back(std::make_unique<schema::ArenaT>(*target.arenas[0]));
      target.arenas.back()->size = 1024;
    }
    size_t first = target.buffers.size();
    uint32_t count = 1 + random() % 80, longest = 1 + random() % 4;
    for (uint32_t i = 0; i < count; ++i) {
      auto buffer = std::make_unique<schema::BufferT>();
      buffer->name = "b" + std::to_string(i);
      buffer->arena = 1 + random() % 2;
      buffer->offset = random() % 12 * 64;
      buffer->size = random() % 4 * 60;
      buffer->first_launch = random() % 13;
      buffer->last_launch = std::min<uint32_t>(12, buffer->first_launch + random() % longest);
      // A few more buffers than fit are enough to have some that overlap, and many rounds without any.
      bool meets = false;
      for (size_t j = first; j < target.buffers.size(); ++j)
        meets |= meet(*target.buffers[j], *buffer);
      if (!meets || random() % 64 == 0)
        target.buffers.push_back(std::move(buffer));
    }
    bool expected = false;
    for (size_t i = 0; i < target.buffers.size(); ++i)
      for (size_t j = 0; j < i; ++j)
        expected |= meet(*target.buffers[i], *target.buffers[j]);
    Bytes bytes = write(spec);
    OpenedPlan opened(bytes);
    ASSERT_FALSE(opened.code) << opened.status.message;
    yupana_status_t status;
    yupana_verify_options_t options = {sizeof(options), 1, 0, nullptr};
    bool found = yupana_plan_verify(opened.plan.get(), &options, &status) == YUPANA_STATUS_INVALID_DATA;
    EXPECT_EQ(found, expected) << "round " << round << ": " << status.message;
    EXPECT_TRUE(!found || strstr(status.message, "overlap while both are alive")) << status.message;
    overlapping += expected;
  }
  EXPECT_GT(overlapping, kRounds / 10);
  EXPECT_LT(overlapping, kRounds * 9 / 10);
}

} // namespace
} // namespace yupana::test
