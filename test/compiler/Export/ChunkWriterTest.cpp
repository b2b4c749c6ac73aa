// SPDX-License-Identifier: Apache-2.0

#include "compiler/Export/ChunkWriter.h"
#include "runtime/schema/format.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/SHA256.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <memory>
#include <numeric>
#include <random>
#include <sys/resource.h>
#include <thread>

using namespace yupana;

namespace {

constexpr uint64_t chunkBytes = schema::kDigestChunkBytes;
constexpr uint64_t sectionOffset = 64 << 10;

/// Only its size matters: the test brings the bytes.
struct Sized : PieceMaker {
  explicit Sized(uint64_t size) : size(size) {}
  uint64_t bytes() const override { return size; }
  uint64_t pieces() const override { return 0; }
  Result<void> make(uint64_t, PieceMemory &, PieceSink) const override { return {}; }
  uint64_t size;
};

/// A section of weights of random bytes, and what the file must hold then.
class ChunkWriterTest : public testing::Test {
protected:
  void layOut(std::initializer_list<uint64_t> sizes) {
    for (uint64_t size : sizes)
      ASSERT_TRUE(section.add(std::make_unique<Sized>(size)).ok());
    expected.assign(section.bytes(), 0);
    std::mt19937_64 random(7);
    for (const WeightSection::Placement &place : section.placements())
      for (uint64_t i = 0; i < place.bytes; ++i)
        expected[place.offset + i] = static_cast<uint8_t>(random() >> 56);
  }

  /// The weights in parts of at most `most` bytes, shuffled within `window` of them.
  std::vector<WeightSection::Placement> parts(uint64_t most, size_t window) {
    std::vector<WeightSection::Placement> found;
    std::mt19937_64 random(11);
    for (const WeightSection::Placement &place : section.placements())
      for (uint64_t at = 0; at < place.bytes;) {
        uint64_t size = std::min(1 + random() % most, place.bytes - at);
        found.push_back({place.offset + at, size});
        at += size;
      }
    for (size_t i = 0; i < found.size(); i += window)
      std::shuffle(found.begin() + i, found.begin() + std::min(i + window, found.size()), random);
    return found;
  }

  /// Stores all parts from `threads` threads; the digests.
  Result<std::vector<Digest>> write(OutputFile &file, uint64_t most, size_t window, unsigned threads) {
    std::vector<WeightSection::Placement> all = parts(most, window);
    ExportOptions options;
    SharedWork work(options, section.payload());
    ChunkWriter writer(section, file, sectionOffset, work);
    std::atomic<size_t> next{0};
    std::atomic<bool> failed{false};
    std::vector<std::optional<Error>> errors(threads);
    auto storeNext = [&](unsigned number) {
      for (size_t i; !failed && (i = next++) < all.size();)
        if (Result<void> stored = writer.store(all[i].offset, expected.data() + all[i].offset, all[i].bytes); !stored) {
          errors[number] = stored.takeError();
          failed = true;
        }
    };
    std::vector<std::thread> workers;
    for (unsigned i = 0; i < threads; ++i)
      workers.emplace_back(storeNext, i);
    for (std::thread &worker : workers)
      worker.join();
    for (std::optional<Error> &error : errors)
      if (error)
        return std::move(*error);
    return writer.finish();
  }

  void expectWhole(OutputFile &file, const std::vector<Digest> &digests) {
    std::vector<uint8_t> found(section.bytes());
    ASSERT_TRUE(file.readAt(sectionOffset, found.data(), found.size()).ok());
    EXPECT_TRUE(found == expected);
    ASSERT_EQ(digests.size(), (section.bytes() + chunkBytes - 1) / chunkBytes);
    for (size_t i = 0; i < digests.size(); ++i) {
      uint64_t size = std::min(chunkBytes, section.bytes() - i * chunkBytes);
      EXPECT_EQ(digests[i], llvm::SHA256::hash(llvm::ArrayRef(expected).slice(i * chunkBytes, size))) << "chunk " << i;
    }
  }

  OutputFile create() {
    Result<OutputFile> file = OutputFile::create(testing::TempDir() + "chunk-writer-test");
    EXPECT_TRUE(file.ok());
    return std::move(*file);
  }

  void check(uint64_t most, size_t window, unsigned threads) {
    OutputFile file = create();
    ASSERT_TRUE(file.reserve(sectionOffset + section.bytes()).ok());
    Result<std::vector<Digest>> digests = write(file, most, window, threads);
    ASSERT_TRUE(digests.ok()) << digests.error().message;
    expectWhole(file, *digests);
  }

  WeightSection section;
  std::vector<uint8_t> expected;
};

} // namespace

TEST_F(ChunkWriterTest, OneSmallWeight) {
  layOut({7});
  check(/*most=*/3, /*window=*/1, /*threads=*/1);
}

// More chunks than are ever open at once, so that each memory is used for several and gaps lie where bytes were.
TEST_F(ChunkWriterTest, InOrder) {
  layOut({1000, 3 * chunkBytes + 5, 257, 1, 7 * chunkBytes - 300, 64, 90001});
  check(/*most=*/1 << 20, /*window=*/1, /*threads=*/1);
}

TEST_F(ChunkWriterTest, AnyOrderByManyThreads) {
  layOut({chunkBytes / 2 + 1, 300, 6 * chunkBytes + 77, 12345, 3 * chunkBytes});
  check(/*most=*/300'000, /*window=*/400, /*threads=*/5);
}

// A part may be of more than one chunk.
TEST_F(ChunkWriterTest, PartsOfManyChunks) {
  layOut({2 * chunkBytes + 9, 5 * chunkBytes});
  check(/*most=*/4 * chunkBytes, /*window=*/8, /*threads=*/3);
}

TEST_F(ChunkWriterTest, LastChunkIsPaddingAlone) {
  layOut({2 * chunkBytes - 1});
  ASSERT_EQ(section.bytes(), 2 * chunkBytes + 256);
  check(/*most=*/1 << 20, /*window=*/1, /*threads=*/2);
}

TEST_F(ChunkWriterTest, SectionEndsWithItsChunk) {
  layOut({100, 2 * chunkBytes - 256 - 64});
  ASSERT_EQ(section.bytes(), 2 * chunkBytes);
  check(/*most=*/1 << 20, /*window=*/1, /*threads=*/2);
}

// Whoever waits for the thread that fails must not wait for ever.
TEST_F(ChunkWriterTest, TellsOfAFileThatMayNotGrow) {
  layOut({12 * chunkBytes});
  OutputFile file = create();
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = {5 * chunkBytes, before.rlim_max};
  auto handler = signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  Result<std::vector<Digest>> digests = write(file, /*most=*/1 << 20, /*window=*/40, /*threads=*/4);
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  ASSERT_FALSE(digests.ok());
  EXPECT_EQ(digests.error().code, ExitCode::OutOfSpace);
}

// On a slow disk what is left would take long.
TEST_F(ChunkWriterTest, WritesNothingOnceInterrupted) {
  layOut({4 * chunkBytes});
  OutputFile file = create();
  ASSERT_TRUE(file.reserve(sectionOffset + section.bytes()).ok());
  ExportOptions options;
  options.progress = [](uint64_t, uint64_t) { return false; };
  SharedWork work(options, section.payload());
  ChunkWriter writer(section, file, sectionOffset, work);
  ASSERT_TRUE(writer.store(0, expected.data(), 1).ok());
  ASSERT_TRUE(work.isStopped());
  ASSERT_TRUE(writer.store(1, expected.data() + 1, section.payload() - 1).ok());
  std::vector<uint8_t> found(section.bytes(), 1);
  ASSERT_TRUE(file.readAt(sectionOffset, found.data(), found.size()).ok());
  EXPECT_TRUE(llvm::all_of(found, [](uint8_t byte) { return byte == 0; }));
}
