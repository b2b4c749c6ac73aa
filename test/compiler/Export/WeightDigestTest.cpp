// SPDX-License-Identifier: Apache-2.0
//
// The digest of a weight is that of its packed bytes in their order, whatever the pieces and the threads.

#include "compiler/Export/WeightDigest.h"
#include "compiler/Export/WeightStream.h"
#include "test/compiler/Export/TestSource.h"

#include "llvm/Support/SHA256.h"

#include <gtest/gtest.h>

#include <numeric>

using namespace yupana;
using namespace yupana::test;

namespace {

constexpr const char *weightText = R"(
lm.weight @w from ["t"] : tensor<3x70x90xbf16> through [#lm.transpose<0, 2, 1>, #lm.pack<"panel32x2">]
  : tensor<3x90x70xbf16>
)";

/// Fails, or gives its bytes backwards, one at a time.
class Backwards : public PieceMaker {
public:
  explicit Backwards(std::vector<uint8_t> bytes, bool forgets = false) : content(std::move(bytes)), forgets(forgets) {}
  uint64_t bytes() const override { return content.size(); }
  uint64_t pieces() const override { return content.size() - forgets; }
  Result<void> make(uint64_t index, PieceMemory &, PieceSink sink) const override {
    uint64_t at = content.size() - 1 - index;
    return sink(at, &content[at], 1);
  }

private:
  std::vector<uint8_t> content;
  bool forgets;
};

class WeightDigest : public testing::Test {
protected:
  WeightDigest() : module(context.parse(weightText)) {
    std::vector<uint8_t> bytes(3 * 70 * 90 * 2);
    std::iota(bytes.begin(), bytes.end(), 1);
    source.tensors["t"] = {SourceElement::BF16, {3, 70, 90}, bytes};
  }

  std::vector<std::unique_ptr<PieceMaker>> stream(uint64_t window, unsigned times = 1) {
    std::vector<std::unique_ptr<PieceMaker>> weights;
    for (unsigned i = 0; i < times; ++i) {
      auto weight = streamWeight(*module->getOps<lm::WeightOp>().begin(), source, window);
      if (weight)
        weights.push_back(std::move(*weight));
      else
        ADD_FAILURE() << weight.error().message;
    }
    return weights;
  }

  TestContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  TestSource source;
  ExportOptions options;
};

TEST_F(WeightDigest, IsThatOfThePackedBytes) {
  auto weight = std::move(stream(64).front());
  ASSERT_GT(weight->pieces(), 100u);
  std::vector<uint8_t> packed(weight->bytes());
  PieceMemory memory;
  for (uint64_t i = 0; i < weight->pieces(); ++i)
    ASSERT_TRUE(weight->make(i, memory, [&](uint64_t at, const void *data, uint64_t size) -> Result<void> {
      std::memcpy(packed.data() + at, data, size);
      return {};
    }));
  for (uint64_t window : {64u, 1000u, 1u << 21}) {
    auto digests = digestWeights(stream(window), options);
    ASSERT_TRUE(digests) << digests.error().message;
    EXPECT_EQ(digests->front(), llvm::SHA256::hash(packed));
  }
}

TEST_F(WeightDigest, DoesNotDependOnThreads) {
  auto alone = digestWeights(stream(64), options);
  ASSERT_TRUE(alone) << alone.error().message;
  options.jobs = 7;
  auto many = digestWeights(stream(100, 9), options);
  ASSERT_TRUE(many) << many.error().message;
  EXPECT_EQ(*many, std::vector<Digest>(9, alone->front()));
}

TEST_F(WeightDigest, TakesBytesInAnyOrder) {
  std::vector<uint8_t> bytes = {3, 1, 4, 1, 5};
  std::vector<std::unique_ptr<PieceMaker>> weights;
  weights.push_back(std::make_unique<Backwards>(bytes));
  auto digests = digestWeights(weights, options);
  ASSERT_TRUE(digests) << digests.error().message;
  EXPECT_EQ(digests->front(), llvm::SHA256::hash(bytes));
  weights.push_back(std::make_unique<Backwards>(bytes, /*forgets=*/true));
  auto incomplete = digestWeights(weights, options);
  ASSERT_FALSE(incomplete);
  EXPECT_EQ(incomplete.error().code, ExitCode::Internal);
}

TEST_F(WeightDigest, TellsWhatIsDoneAndStops) {
  auto weights = stream(64, 3);
  uint64_t lastDone = 0, lastTotal = 0;
  options.progress = [&](uint64_t done, uint64_t total) {
    lastDone = done;
    lastTotal = total;
    return true;
  };
  ASSERT_TRUE(digestWeights(weights, options));
  EXPECT_EQ(lastTotal, 3 * weights.front()->bytes());
  EXPECT_EQ(lastDone, lastTotal);
  options.progress = [](uint64_t, uint64_t) { return false; };
  auto stopped = digestWeights(weights, options);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ExitCode::Interrupted);
}

} // namespace
