// SPDX-License-Identifier: Apache-2.0
//
// What the programs share: the text of the progress bar, and the memory a process may use.
#include "tools/support/ProgressBar.h"
#include "tools/support/SystemMemory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

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

/// A folder that stands for the root of a file system.
class AvailableMemory : public testing::Test {
protected:
  void SetUp() override {
    root = std::filesystem::path(testing::TempDir()) /
           ("memory." + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::remove_all(root);
  }
  void TearDown() override { std::filesystem::remove_all(root); }
  void write(const std::string &path, const std::string &content) {
    std::filesystem::create_directories((root / path).parent_path());
    std::ofstream(root / path) << content;
  }
  std::optional<uint64_t> available() { return availableMemory(root.string()); }

  std::filesystem::path root;
};

TEST_F(AvailableMemory, IsUnknownWhereNothingSays) { EXPECT_FALSE(available()); }

TEST_F(AvailableMemory, IsWhatTheKernelCallsAvailable) {
  write("proc/meminfo", "MemTotal:  8000 kB\nMemFree:  100 kB\nMemAvailable:   5000 kB\nCached: 1 kB\n");
  EXPECT_EQ(available(), 5000u * 1024);
}

TEST_F(AvailableMemory, IsLessWhereAGroupOnTheWayUpIsSmaller) {
  write("proc/meminfo", "MemAvailable: 5000 kB\n");
  write("proc/self/cgroup", "0::/outer/inner\n");
  write("sys/fs/cgroup/outer/inner/memory.max", "max\n");
  write("sys/fs/cgroup/outer/inner/memory.current", "70000\n");
  write("sys/fs/cgroup/outer/memory.max", "1000000\n");
  write("sys/fs/cgroup/outer/memory.current", "300000\n");
  EXPECT_EQ(available(), 700000u);
  // Pages of files that nobody uses are given back before anything else.
  write("sys/fs/cgroup/outer/memory.stat", "anon 1000\nfile 250000\ninactive_file 200000\n");
  EXPECT_EQ(available(), 900000u);
  write("sys/fs/cgroup/memory.max", "4096\n");
  write("sys/fs/cgroup/memory.current", "8192\n");
  EXPECT_EQ(available(), 0u);
}

TEST_F(AvailableMemory, KnowsTheOlderHierarchy) {
  write("proc/meminfo", "MemAvailable: 5000 kB\n");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "2000000\n");
  write("sys/fs/cgroup/memory/memory.usage_in_bytes", "500000\n");
  EXPECT_EQ(available(), 1500000u);
  // A group without a limit says a number near 2^63.
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(available(), 5000u * 1024);
}

} // namespace
