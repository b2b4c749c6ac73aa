// SPDX-License-Identifier: Apache-2.0
//
// What is available is the least that the kernel, every control group on the way up and the process's own limit leave;
// a context that needs more is refused before it fills anything.
#include "runtime/io/available_memory.h"
#include "yupana/yupana.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace yupana::runtime {
namespace {

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
  uint64_t available() { return available_memory(root.c_str()); }

  std::filesystem::path root;
};

TEST_F(AvailableMemory, IsUnknownWhereNothingSays) { EXPECT_EQ(available(), UINT64_MAX); }

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

TEST_F(AvailableMemory, IsLessWhereAGroupIsThrottled) {
  write("proc/meminfo", "MemAvailable: 5000 kB\n");
  write("proc/self/cgroup", "0::/a\n");
  write("sys/fs/cgroup/a/memory.max", "max\n");
  write("sys/fs/cgroup/a/memory.high", "900000\n");
  write("sys/fs/cgroup/a/memory.current", "300000\n");
  EXPECT_EQ(available(), 600000u);
}

TEST_F(AvailableMemory, KnowsTheOlderHierarchy) {
  write("proc/meminfo", "MemAvailable: 5000 kB\n");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "2000000\n");
  write("sys/fs/cgroup/memory/memory.usage_in_bytes", "500000\n");
  EXPECT_EQ(available(), 1500000u);
  // A group without a limit says a number near 2^63.
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(available(), 5000u * 1024);
  // Groups inside one another, of a controller that shares its hierarchy with another.
  write("proc/self/cgroup", "9:name=systemd:/x\n4:cpu,memory:/outer/inner\n3:memoryless:/y\n0::/z\n");
  write("sys/fs/cgroup/memory/outer/inner/memory.limit_in_bytes", "4000000\n");
  write("sys/fs/cgroup/memory/outer/inner/memory.usage_in_bytes", "100000\n");
  EXPECT_EQ(available(), 3900000u);
  write("sys/fs/cgroup/memory/outer/memory.limit_in_bytes", "1000000\n");
  write("sys/fs/cgroup/memory/outer/memory.usage_in_bytes", "600000\n");
  EXPECT_EQ(available(), 400000u);
  write("sys/fs/cgroup/memory/outer/memory.stat", "inactive_file 7\ntotal_inactive_file 100000\n");
  EXPECT_EQ(available(), 500000u);
}

TEST_F(AvailableMemory, FindsGroupsWhereverTheyAreMounted) {
  write("proc/meminfo", "MemAvailable: 5000 kB\n");
  // A container that sees its own group alone, at the place of all of them.
  write("proc/self/cgroup", "4:memory:/docker/abc/inner\n0::/docker/abc/inner\n");
  write("proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
                               "34 31 0:32 /docker/abc /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
                               "35 31 0:32 /docker/abc /groups/memory rw,relatime shared:5 - cgroup cgroup rw,memory\n"
                               "41 31 0:38 /docker/abc /unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n");
  write("groups/memory/memory.limit_in_bytes", "3000000\n");
  write("groups/memory/memory.usage_in_bytes", "0\n");
  EXPECT_EQ(available(), 3000000u);
  write("groups/memory/inner/memory.limit_in_bytes", "2000000\n");
  write("groups/memory/inner/memory.usage_in_bytes", "0\n");
  EXPECT_EQ(available(), 2000000u);
  write("unified/inner/memory.max", "1000000\n");
  write("unified/inner/memory.current", "1\n");
  EXPECT_EQ(available(), 999999u);
  // A group outside of what is mounted.
  write("proc/self/cgroup", "0::/../other\n4:memory:/elsewhere\n");
  write("unified/memory.max", "800000\n");
  write("unified/memory.current", "0\n");
  EXPECT_EQ(available(), 800000u);
}

TEST(AvailableMemoryHere, KnowsTheLimitOnAddressSpace) {
  EXPECT_GT(yupana_available_memory(), 0u);
  // A limit holds for a whole process.
  pid_t child = fork();
  if (child == 0) {
    rlimit limit = {uint64_t{1} << 20, uint64_t{1} << 20};
    setrlimit(RLIMIT_AS, &limit);
    _exit(yupana_available_memory() == 0 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

} // namespace
} // namespace yupana::runtime
