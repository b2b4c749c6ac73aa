// SPDX-License-Identifier: Apache-2.0

#include "compiler/Export/WeightStream.h"
#include "test/export/TestSource.h"

#include "mlir/IR/Verifier.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

using namespace yupana;
using namespace yupana::test;

namespace {

/// A tensor of float32, transformed link by link: what streaming is compared with.
struct Dense {
  std::vector<uint64_t> shape;
  std::vector<float> values;

  uint64_t size() const { return std::accumulate(shape.begin(), shape.end(), uint64_t{1}, std::multiplies<>()); }
  std::vector<uint64_t> indexOf(uint64_t at) const {
    std::vector<uint64_t> index(shape.size());
    for (size_t axis = shape.size(); axis-- > 0; at /= shape[axis])
      index[axis] = at % shape[axis];
    return index;
  }
  float valueAt(const std::vector<uint64_t> &index) const {
    uint64_t at = 0;
    for (size_t axis = 0; axis < shape.size(); ++axis)
      at = at * shape[axis] + index[axis];
    return values[at];
  }
};

Dense sliceOf(const Dense &from, uint64_t axis, uint64_t offset, uint64_t size) {
  Dense to{from.shape, {}};
  to.shape[axis] = size;
  for (uint64_t i = 0; i < to.size(); ++i) {
    std::vector<uint64_t> index = to.indexOf(i);
    index[axis] += offset;
    to.values.push_back(from.valueAt(index));
  }
  return to;
}

Dense transposeOf(const Dense &from, const std::vector<int64_t> &permutation) {
  Dense to;
  for (int64_t axis : permutation)
    to.shape.push_back(from.shape[axis]);
  for (uint64_t i = 0; i < to.size(); ++i) {
    std::vector<uint64_t> index = to.indexOf(i), old(index.size());
    for (size_t axis = 0; axis < index.size(); ++axis)
      old[permutation[axis]] = index[axis];
    to.values.push_back(from.valueAt(old));
  }
  return to;
}

std::vector<float> packOf(const Dense &from, bool panels) {
  if (!panels)
    return from.values;
  uint64_t k = from.shape.back(), n = from.shape[from.shape.size() - 2], batches = from.size() / n / k;
  std::vector<float> packed;
  for (uint64_t batch = 0; batch < batches; ++batch)
    for (uint64_t panel = 0; panel < (n + 31) / 32; ++panel)
      for (uint64_t column = 0; column < k; ++column)
        for (uint64_t row = panel * 32; row < panel * 32 + 32; ++row)
          packed.push_back(row < n ? from.values[(batch * n + row) * k + column] : 0.0f);
  return packed;
}

float exactHalf(uint16_t bits) {
  int exponent = bits >> 10 & 31, fraction = bits & 1023;
  float magnitude = exponent == 0    ? std::ldexp(static_cast<float>(fraction), -24)
                    : exponent == 31 ? (fraction ? NAN : INFINITY)
                                     : std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

uint32_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

std::string shapeText(const std::vector<uint64_t> &shape, const std::string &element) {
  std::string text = "tensor<";
  for (uint64_t extent : shape)
    text += std::to_string(extent) + "x";
  return text + element + ">";
}

/// Random chains over random tensors.
class Chains {
public:
  explicit Chains(uint32_t seed) : random(seed) {}

  /// Makes `text` (an lm.weight), its tensors and what must come out.
  void draw() {
    source.tensors.clear();
    chain.clear();
    element = static_cast<SourceElement>(below(3));
    uint64_t rank = 1 + below(3);
    std::vector<uint64_t> shape;
    for (uint64_t axis = 0; axis < rank; ++axis)
      shape.push_back(1 + below(below(2) ? 70 : 9));
    uint64_t count = below(3) == 0 ? 1 + below(4) : 1;
    stacked = count > 1 || below(8) == 0;
    Dense dense = drawTensors(shape, count);
    if (stacked)
      chain.push_back("#lm.stack<" + std::to_string(count) + ">");
    for (uint64_t links = below(4); links > 0; --links)
      dense = drawLink(dense);
    if (element != SourceElement::F32)
      chain.push_back("#lm.convert<f32>");
    bool panels = dense.shape.size() > 1 && below(4) != 0;
    chain.push_back(panels ? "#lm.pack<\"panel32\">" : "#lm.pack<\"row-major\">");
    expected = packOf(dense, panels);
    compose(shape, count, dense.shape);
  }

  TestSource source;
  std::string text;
  std::vector<float> expected;
  std::mt19937_64 random;

  uint64_t below(uint64_t limit) { return std::uniform_int_distribution<uint64_t>(0, limit - 1)(random); }

private:
  Dense drawTensors(const std::vector<uint64_t> &shape, uint64_t count) {
    Dense dense{shape, {}};
    uint64_t size = dense.size();
    for (uint64_t n = 0; n < count; ++n) {
      std::vector<uint8_t> bytes(size * sourceElementBytes(element));
      for (uint8_t &byte : bytes)
        byte = static_cast<uint8_t>(random());
      for (uint64_t i = 0; i < size; ++i)
        dense.values.push_back(decode(bytes.data(), i));
      source.tensors["t" + std::to_string(n)] = {element, shape, std::move(bytes)};
    }
    if (stacked)
      dense.shape.insert(dense.shape.begin(), count);
    return dense;
  }

  /// Not-a-numbers are made 1: their bits are nobody's promise.
  float decode(uint8_t *bytes, uint64_t index) {
    if (element == SourceElement::F32) {
      float value;
      std::memcpy(&value, bytes + 4 * index, 4);
      if (!std::isnan(value))
        return value;
      value = 1;
      std::memcpy(bytes + 4 * index, &value, 4);
      return value;
    }
    uint16_t half;
    std::memcpy(&half, bytes + 2 * index, 2);
    uint32_t wide = uint32_t{half} << 16;
    float value;
    std::memcpy(&value, &wide, 4);
    if (element == SourceElement::F16)
      value = exactHalf(half);
    if (!std::isnan(value))
      return value;
    half = element == SourceElement::F16 ? 0x3c00 : 0x3f80;
    std::memcpy(bytes + 2 * index, &half, 2);
    return 1;
  }

  Dense drawLink(const Dense &from) {
    uint64_t rank = from.shape.size();
    if (below(2)) {
      uint64_t axis = below(rank), offset = below(from.shape[axis]), size = 1 + below(from.shape[axis] - offset);
      chain.push_back("#lm.slice<axis = " + std::to_string(axis) + ", offset = " + std::to_string(offset) +
                      ", size = " + std::to_string(size) + ">");
      return sliceOf(from, axis, offset, size);
    }
    std::vector<int64_t> permutation(rank);
    std::iota(permutation.begin(), permutation.end(), 0);
    std::shuffle(permutation.begin(), permutation.end(), random);
    std::string link = "#lm.transpose<";
    for (size_t i = 0; i < rank; ++i)
      link += (i ? ", " : "") + std::to_string(permutation[i]);
    chain.push_back(link + ">");
    return transposeOf(from, permutation);
  }

  void compose(const std::vector<uint64_t> &shape, uint64_t count, const std::vector<uint64_t> &result) {
    text = "lm.weight @w from [";
    for (uint64_t n = 0; n < count; ++n)
      text += (n ? ", \"t" : "\"t") + std::to_string(n) + "\"";
    const char *names[] = {"f32", "f16", "bf16"};
    text += "] : " + shapeText(shape, names[static_cast<size_t>(element)]) + " through [";
    for (size_t i = 0; i < chain.size(); ++i)
      text += (i ? ", " : "") + chain[i];
    text += "] : " + shapeText(result, "f32");
  }

  SourceElement element = SourceElement::F32;
  bool stacked = false;
  std::vector<std::string> chain;
};

void expectStreamed(Chains &chains, TestContext &context, uint64_t window) {
  auto module = context.parse(chains.text);
  ASSERT_TRUE(module) << chains.text;
  auto weight = *module->getOps<lm::WeightOp>().begin();
  Result<std::unique_ptr<PieceMaker>> stream = streamWeight(weight, chains.source, window);
  ASSERT_TRUE(stream) << stream.error().message;
  ASSERT_EQ((*stream)->bytes(), chains.expected.size() * sizeof(float)) << chains.text;

  std::vector<float> found(chains.expected.size());
  std::vector<uint8_t> times((*stream)->bytes());
  std::vector<uint64_t> order((*stream)->pieces());
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), chains.random);
  PieceMemory memory;
  for (uint64_t piece : order) {
    Result<void> made =
        (*stream)->make(piece, memory, [&](uint64_t offset, const void *data, uint64_t size) -> Result<void> {
          std::memcpy(reinterpret_cast<uint8_t *>(found.data()) + offset, data, size);
          for (uint64_t i = offset; i < offset + size; ++i)
            ++times[i];
          return {};
        });
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_LE(memory.packed.size(), std::max<uint64_t>(window, 32)) << chains.text;
    EXPECT_LE(memory.source.size(), std::max<uint64_t>(window, 32) * 4) << chains.text;
  }
  EXPECT_TRUE(std::all_of(times.begin(), times.end(), [](uint8_t n) { return n == 1; })) << chains.text;
  for (size_t i = 0; i < found.size(); ++i)
    ASSERT_EQ(bitsOf(found[i]), bitsOf(chains.expected[i])) << chains.text << " at " << i << ", window " << window;
}

TEST(WeightStream, RandomChains) {
  TestContext context;
  Chains chains(22);
  for (int i = 0; i < 600; ++i) {
    chains.draw();
    for (uint64_t window : {uint64_t{1}, 32 + chains.below(200), weightWindowElements})
      ASSERT_NO_FATAL_FAILURE(expectStreamed(chains, context, window));
  }
}

TEST(WeightStream, EveryHalf) {
  TestContext context;
  TestSource source;
  std::vector<uint8_t> bytes(131072);
  for (uint32_t half = 0; half < 65536; ++half) {
    bytes[2 * half] = static_cast<uint8_t>(half);
    bytes[2 * half + 1] = static_cast<uint8_t>(half >> 8);
  }
  source.tensors["t"] = {SourceElement::F16, {65536}, bytes};
  auto module =
      context.parse("lm.weight @w from [\"t\"] : tensor<65536xf16> through [#lm.convert<f32>] : tensor<65536xf32>");
  auto stream = streamWeight(*module->getOps<lm::WeightOp>().begin(), source);
  ASSERT_TRUE(stream);
  PieceMemory memory;
  ASSERT_EQ((*stream)->pieces(), 1u);
  ASSERT_TRUE((*stream)->make(0, memory, [](uint64_t, const void *, uint64_t) { return Result<void>(); }));
  for (uint32_t half = 0; half < 65536; ++half) {
    float expected = exactHalf(static_cast<uint16_t>(half));
    if (std::isnan(expected))
      EXPECT_TRUE(std::isnan(memory.packed[half])) << half;
    else
      EXPECT_EQ(bitsOf(memory.packed[half]), bitsOf(expected)) << half;
  }
}

/// Counts reads: a transposed weight must be read in runs.
class CountingSource : public TestSource {
public:
  Result<void> read(const SourceTensor &tensor, uint64_t offset, void *destination, uint64_t size) const override {
    ++reads;
    return TestSource::read(tensor, offset, destination, size);
  }
  mutable uint64_t reads = 0;
};

TEST(WeightStream, TransposedWeightsAreReadInRuns) {
  TestContext context;
  CountingSource source;
  source.tensors["t"] = {SourceElement::BF16, {2, 96, 128}, std::vector<uint8_t>(2 * 96 * 128 * 2)};
  auto module = context.parse("lm.weight @w from [\"t\"] : tensor<2x96x128xbf16> through [#lm.slice<axis = 2, "
                              "offset = 64, size = 64>, #lm.transpose<0, 2, 1>, #lm.convert<f32>, "
                              "#lm.pack<\"panel32\">] : tensor<2x64x96xf32>");
  auto stream = streamWeight(*module->getOps<lm::WeightOp>().begin(), source);
  ASSERT_TRUE(stream);
  PieceMemory memory;
  for (uint64_t piece = 0; piece < (*stream)->pieces(); ++piece)
    ASSERT_TRUE((*stream)->make(piece, memory, [](uint64_t, const void *, uint64_t) { return Result<void>(); }));
  EXPECT_EQ(source.reads, 2u * 96u);
}

struct Refusal {
  const char *text;
  ExitCode code;
  const char *part; ///< Of the message.
};

TEST(WeightStream, Refusals) {
  const Refusal refusals[] = {
      {"lm.weight @w from [\"none\"] : tensor<4xf32> through [] : tensor<4xf32>", ExitCode::InvalidInput, "none"},
      {"lm.weight @w from [\"t\"] : tensor<5xbf16> through [#lm.convert<f32>] : tensor<5xf32>", ExitCode::InvalidInput,
       "'t' is bf16 [4], weight 'w' expects bf16 [5]"},
      {"lm.weight @w from [\"t\"] : tensor<4xf16> through [#lm.convert<f32>] : tensor<4xf32>", ExitCode::InvalidInput,
       "'t' is bf16 [4], weight 'w' expects f16 [4]"},
      {"lm.weight @w from [\"t\"] : tensor<4xbf16> through [] : tensor<4xbf16>", ExitCode::Unsupported, "'w'"},
      {"lm.weight @w from [\"t\"] : tensor<4xbf16> through [#lm.convert<f16>, #lm.convert<f32>] : tensor<4xf32>",
       ExitCode::Unsupported, "'w'"},
  };
  TestContext context;
  TestSource source;
  source.tensors["t"] = {SourceElement::BF16, {4}, std::vector<uint8_t>(8)};
  for (const Refusal &refusal : refusals) {
    auto module = context.parse(refusal.text);
    ASSERT_TRUE(module) << refusal.text;
    auto stream = streamWeight(*module->getOps<lm::WeightOp>().begin(), source);
    ASSERT_FALSE(stream) << refusal.text;
    EXPECT_EQ(stream.error().code, refusal.code) << refusal.text;
    EXPECT_NE(stream.error().message.find(refusal.part), std::string::npos) << stream.error().message;
  }
}

} // namespace
