// SPDX-License-Identifier: Apache-2.0
//
// The reader of files: what is read once, around the system's cache where the file system can, is what is read.

#include "test/runtime/test_support.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <memory>
#include <unistd.h>
#include <vector>

namespace yupana::test {
namespace {

constexpr uint64_t kBlock = 4096;

/// A file of `bytes` bytes, on its disk and not in the cache, and its reader.
class FileReaderTest : public testing::TestWithParam<const char *> {
protected:
  void write(uint64_t bytes) {
    path_ = std::string(GetParam()) + "/file_reader_test." + std::to_string(getpid());
    for (uint64_t i = 0; i < bytes; ++i)
      content_.push_back(static_cast<uint8_t>(i * 2654435761u >> 13));
    int file = open(path_.c_str(), O_CREAT | O_TRUNC | O_RDWR, 0600);
    if (file < 0)
      GTEST_SKIP() << GetParam() << " cannot be written to";
    ASSERT_EQ(::write(file, content_.data(), bytes), static_cast<ssize_t>(bytes));
    fsync(file);
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    close(file);
    yupana_status_t status = {};
    ASSERT_EQ(yupana_file_reader_open(path_.c_str(), nullptr, &reader_, &status), YUPANA_STATUS_OK) << status.message;
  }
  void TearDown() override {
    if (reader_.close)
      reader_.close(reader_.user);
    unlink(path_.c_str());
  }

  /// The bytes as read once into memory that begins `shift` bytes behind a page.
  std::vector<uint8_t> read(uint64_t offset, uint64_t bytes, uint64_t shift = 0) {
    std::unique_ptr<void, void (*)(void *)> memory(aligned_alloc(kBlock, (bytes + shift) / kBlock * kBlock + kBlock),
                                                   free);
    auto *dst = static_cast<uint8_t *>(memory.get()) + shift;
    memset(dst, 0, bytes);
    EXPECT_TRUE(reader_.read_once(reader_.user, dst, bytes, offset)) << offset;
    return {dst, dst + bytes};
  }
  std::vector<uint8_t> expected(uint64_t offset, uint64_t bytes) const {
    return {content_.begin() + static_cast<ptrdiff_t>(offset),
            content_.begin() + static_cast<ptrdiff_t>(offset + bytes)};
  }

  std::string path_;
  std::vector<uint8_t> content_;
  yupana_reader_t reader_ = {};
};

TEST_P(FileReaderTest, ReadsOnceWhatItReads) {
  uint64_t size = 37 * kBlock + 1234;
  write(size);
  if (IsSkipped())
    return;
  for (int round = 0; round < 2; ++round) { // the second finds some of it in the cache
    EXPECT_EQ(read(0, size), content_);
    EXPECT_EQ(read(8 * kBlock, 4 * kBlock), expected(8 * kBlock, 4 * kBlock));
    EXPECT_EQ(read(36 * kBlock, size - 36 * kBlock), expected(36 * kBlock, size - 36 * kBlock)) << "the end";
    EXPECT_EQ(read(37 * kBlock, 1234), expected(37 * kBlock, 1234)) << "less than a block";
    // What breaks the rule of multiples is read all the same.
    EXPECT_EQ(read(kBlock, 9 * kBlock, 64), expected(kBlock, 9 * kBlock));
    EXPECT_EQ(read(17, 9 * kBlock), expected(17, 9 * kBlock));
    std::vector<uint8_t> some(3 * kBlock);
    EXPECT_TRUE(reader_.read(reader_.user, some.data(), some.size(), 20 * kBlock));
  }
  std::unique_ptr<void, void (*)(void *)> memory(aligned_alloc(kBlock, 2 * kBlock), free);
  EXPECT_FALSE(reader_.read_once(reader_.user, memory.get(), 2 * kBlock, 36 * kBlock)) << "beyond the end";
}

// A disk, and memory, which has nothing to read around.
INSTANTIATE_TEST_SUITE_P(Places, FileReaderTest, testing::Values(".", "/dev/shm"));

} // namespace
} // namespace yupana::test
