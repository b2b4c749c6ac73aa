// SPDX-License-Identifier: Apache-2.0

#include "runtime/device/cpu/thread_pool.h"

#include <gtest/gtest.h>

#include <unistd.h>
#include <vector>

namespace yupana::runtime {
namespace {

struct Shared {
  ThreadPool pool;
  std::atomic<uint32_t> runs{0};
  std::vector<uint64_t> plain; // written by one worker, read by the next after a barrier
  std::atomic<uint32_t> wrong{0};
};

Allocator system_allocator() {
  Allocator allocator;
  Allocator::adopt(nullptr, &allocator, nullptr);
  return allocator;
}

void start(Shared &shared, uint32_t threads) {
  ASSERT_EQ(shared.pool.start(system_allocator(), threads, nullptr), YUPANA_STATUS_OK);
  shared.plain.assign(threads, 0);
}

TEST(ThreadPoolTest, EveryWorkerRunsOnce) {
  for (uint32_t threads : {1u, 2u, 3u, 8u}) {
    Shared shared;
    start(shared, threads);
    for (int round = 0; round < 200; ++round)
      shared.pool.run(
          [](void *argument, uint32_t worker) {
            auto &s = *static_cast<Shared *>(argument);
            ++s.plain[worker];
            ++s.runs;
          },
          &shared);
    EXPECT_EQ(shared.runs, 200 * threads);
    for (uint64_t count : shared.plain)
      EXPECT_EQ(count, 200u);
  }
}

// Unsynchronised writes before a barrier are seen by other workers after it; a thread sanitizer agrees.
TEST(ThreadPoolTest, BarriersOrderMemory) {
  Shared shared;
  start(shared, 4);
  shared.pool.run(
      [](void *argument, uint32_t worker) {
        auto &s = *static_cast<Shared *>(argument);
        for (uint64_t round = 1; round <= 500; ++round) {
          s.plain[worker] = round;
          s.pool.barrier();
          if (s.plain[(worker + 1) % 4] != round)
            ++s.wrong;
          s.pool.barrier();
        }
      },
      &shared);
  EXPECT_EQ(shared.wrong, 0u);
}

// Long pauses put the workers to sleep in the kernel; they wake up again.
TEST(ThreadPoolTest, WakesSleepers) {
  Shared shared;
  start(shared, 3);
  for (int round = 0; round < 5; ++round) {
    usleep(20000);
    shared.pool.run(
        [](void *argument, uint32_t worker) {
          auto &s = *static_cast<Shared *>(argument);
          if (worker == 1)
            usleep(5000);
          s.pool.barrier();
          ++s.runs;
        },
        &shared);
  }
  EXPECT_EQ(shared.runs, 15u);
}

TEST(ThreadPoolTest, StopsAndStartsAgain) {
  Shared shared;
  for (int round = 0; round < 3; ++round) {
    start(shared, 3);
    shared.pool.stop();
    shared.pool.stop();
    EXPECT_EQ(shared.pool.threads(), 0u);
  }
}

} // namespace
} // namespace yupana::runtime
