// SPDX-License-Identifier: Apache-2.0
//
// What the programs share: the text of the progress bar, and how a process ends that finds no memory.
#include "tools/support/Process.h"
#include "tools/support/ProgressBar.h"

#include <csignal>
#include <cstdio>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

using namespace yupana;

namespace {

TEST(ProgressBar, WritesBytesWithThreeDigits) {
  EXPECT_EQ(formatBytes(0), "0 B");
  EXPECT_EQ(formatBytes(999), "999 B");
  EXPECT_EQ(formatBytes(1000), "1 kB");
  EXPECT_EQ(formatBytes(1536), "1.54 kB");
  EXPECT_EQ(formatBytes(999.4e6), "999 MB");
  EXPECT_EQ(formatBytes(999.6e6), "1 GB");
  EXPECT_EQ(formatBytes(218e9), "218 GB");
  EXPECT_EQ(formatBytes(5e18), "5e+03 PB");
}

TEST(ProgressBar, SaysBytesRateAndTimeLeft) {
  EXPECT_EQ(progressLine("weights", 1500000000, 3000000000, 15, 100),
            "weights [###############...............] 1.5 GB of 3 GB, 100 MB/s, 0:15 left");
  EXPECT_EQ(progressLine("load", 0, 1000, 0, 100),
            "load [..............................] 0 B of 1 kB, 0 B/s, -:-- left");
  EXPECT_EQ(progressLine("load", 1000, 1000, 2, 100),
            "load [##############################] 1 kB of 1 kB, 500 B/s, 0:00 left");
}

TEST(ProgressBar, WritesLongTimesWithHours) {
  EXPECT_NE(progressLine("x", 1, 3724, 1, 100).find(" 1:02:03 left"), std::string::npos);
  EXPECT_NE(progressLine("x", 1, 62, 1, 100).find(" 1:01 left"), std::string::npos);
  // A stalled bar has no time left that could be written down.
  EXPECT_NE(progressLine("x", 1, UINT64_MAX, 1e9, 100).find(" 99:59:59 left"), std::string::npos);
}

TEST(ProgressBar, ClampsWhatIsDoneToTheTotal) {
  EXPECT_EQ(progressLine("x", 9, 4, 1, 100), progressLine("x", 4, 4, 1, 100));
  EXPECT_NE(progressLine("x", 0, 0, 1, 100).find("0 B of 0 B"), std::string::npos);
}

TEST(ProgressBar, NeverReachesTheLastColumn) {
  size_t whole = progressLine("weights", 1500000000, 3000000000, 15, 1000).size();
  for (unsigned columns = 0; columns < 100; ++columns) {
    std::string line = progressLine("weights", 1500000000, 3000000000, 15, columns);
    EXPECT_LT(line.size(), columns ? columns : 1u);
    EXPECT_EQ(line.find('[') != std::string::npos, columns > whole) << columns;
  }
}

#if defined(__SANITIZE_ADDRESS__)
#define YUPANA_HAS_OWN_FAULTS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define YUPANA_HAS_OWN_FAULTS 1
#endif
#endif
#ifndef YUPANA_HAS_OWN_FAULTS
/// Uses `depth` kilobytes of stack.
__attribute__((noinline)) int useStack(unsigned depth) {
  volatile char room[1024];
  room[depth % sizeof room] = 1;
  // Read after the call, so that the frame stays and the call is no loop.
  int below = depth ? useStack(depth - 1) : 0;
  return below + room[depth % sizeof room];
}

/// Leaves this process `bytes` of address space, and uses 4 MiB of stack.
void growStackWithin(uint64_t bytes) {
  beginProcess("program");
  unsigned long pages = 0;
  FILE *file = std::fopen("/proc/self/statm", "r");
  if (!file || std::fscanf(file, "%lu", &pages) != 1)
    std::_Exit(1);
  std::fclose(file);
  uint64_t most = pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)) + bytes;
  rlimit limit = {most, most};
  ::setrlimit(RLIMIT_AS, &limit);
  std::_Exit(useStack(4096) == 4097 ? 0 : 1);
}

TEST(Process, SaysThatTheStackFoundNoMemory) {
  EXPECT_EXIT(growStackWithin(1 << 19), testing::ExitedWithCode(7), "program: not enough memory");
  EXPECT_EXIT(growStackWithin(1 << 24), testing::ExitedWithCode(0), "");
}

TEST(Process, LeavesOtherFaultsAlone) {
  auto fault = [] {
    beginProcess("program");
    *reinterpret_cast<volatile int *>(8) = 0;
  };
  EXPECT_EXIT(fault(), testing::KilledBySignal(SIGSEGV), "");
}
#endif

} // namespace
