// SPDX-License-Identifier: Apache-2.0
//
// Attention on a GPU over several row-major pages, against softmax in float64: of what is stored, in float32 and in
// bfloat16.
#include "../KernelHarness.h"

#include <fmt/format.h>

#include <cmath>
#include <numeric>

using namespace yupana;
using namespace yupana::test;

namespace {

struct Shape {
  int64_t heads, group, width, pageTokens, chunk;
  bool isBF16 = false;
};

constexpr int64_t sequences = 2, pagesPerSequence = 6;

std::string kernelOf(const Shape &shape, int64_t partBytes) {
  const char *type = shape.isBF16 ? "bf16" : "f32";
  auto cache = [&](const char *name) {
    return fmt::format("!kernel.cache<{}, heads = {}, width = {}, page_tokens = {}, page_bytes = {}, {}, "
                       "layout = \"row-major\">",
                       name, shape.heads, shape.width, shape.pageTokens, 2 * partBytes + 64, type);
  };
  return fmt::format(R"(
    kernel.func @attend {{
    ^bb0(%q: !kernel.view<["T", {row}], {type}>, %keys: {keys}, %values: {values}, %p: !kernel.view<["T"], i32>,
         %s: !kernel.view<["T"], i32>, %pages: {pages}, %o: !kernel.view<["T", {row}], {type}>):
      kernel.attention %q, %keys, %values at %p of %s through %pages into %o chunk {chunk} scale 2.5e-1
        : !kernel.view<["T", {row}], {type}>, {keys}, {values}, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
          {pages}, !kernel.view<["T", {row}], {type}>
    }})",
                     fmt::arg("type", type), fmt::arg("row", shape.heads * shape.group * shape.width),
                     fmt::arg("pages", fmt::format("!kernel.view<[\"S\", {}], i32>", pagesPerSequence)),
                     fmt::arg("keys", cache("key")), fmt::arg("values", cache("value")),
                     fmt::arg("chunk", shape.chunk));
}

/// Two sequences of `length` positions whose keys and values are in the cache.
class Model {
public:
  explicit Model(const Shape &shape)
      : shape(shape), bytes(shape.isBF16 ? 2 : 4), rowHeads(shape.heads * shape.width),
        partBytes(rowHeads * shape.pageTokens * bytes), library("sm_80", kernelOf(shape, partBytes), 8),
        cache(13 * (2 * partBytes + 64)), pages(sequences * pagesPerSequence),
        keys(randomArray(sequences * length * rowHeads, 1), shape.isBF16),
        values(randomArray(sequences * length * rowHeads, 2), shape.isBF16),
        queries(randomArray(sequences * length * rowHeads * shape.group, 3, 4), shape.isBF16) {
    // Physical pages in no order, those of the two sequences mixed; page 0 belongs to none. Pages that begin behind the
    // last position are not there.
    for (int64_t i = 0; i < sequences * pagesPerSequence; ++i) {
      bool isUsed = i % pagesPerSequence * shape.pageTokens < length;
      pages[i] = isUsed ? static_cast<int32_t>(1 + i * 5 % 12) : 1 << 20;
    }
    for (int64_t s = 0; s < sequences; ++s)
      for (int64_t p = 0; p < length; ++p)
        append(s, p);
  }

  /// The outputs of these positions of sequences, in float32.
  Array<float> attend(const std::vector<std::pair<int32_t, int32_t>> &tokens) {
    int64_t row = rowHeads * shape.group;
    Array<float> q(tokens.size() * row), out(tokens.size() * row);
    Array<uint16_t> half(tokens.size() * row);
    Array<int32_t> sequence(tokens.size()), position(tokens.size());
    for (size_t t = 0; t < tokens.size(); ++t) {
      auto [s, p] = tokens[t];
      sequence[t] = s, position[t] = p;
      std::copy_n(queries.at((s * length + p) * row), row, &q[t * row]);
    }
    Array<unsigned char> valuePart(cache.size() - partBytes);
    std::copy(cache.begin() + partBytes, cache.end(), valuePart.begin());
    Memory result = shape.isBF16 ? Memory(half) : Memory(out);
    library.run("attend", {Numbers(q, shape.isBF16), cache, valuePart, position, sequence, pages, result},
                {static_cast<uint32_t>(tokens.size()), sequences});
    return shape.isBF16 ? widenBF16(half) : std::move(out);
  }

  /// One query head's output by float64.
  std::vector<double> expected(int64_t s, int64_t p, int64_t queryHead) const {
    int64_t head = queryHead / shape.group, low = shape.chunk ? p / shape.chunk * shape.chunk : 0;
    const float *query = queries.at(((s * length + p) * shape.heads * shape.group + queryHead) * shape.width);
    std::vector<double> weights, out(shape.width);
    double most = -INFINITY, total = 0;
    for (int64_t j = low; j <= p; ++j) {
      const float *key = keys.at((s * length + j) * rowHeads + head * shape.width);
      weights.push_back(0.25 * std::inner_product(query, query + shape.width, key, 0.0));
      most = std::max(most, weights.back());
    }
    for (double &weight : weights)
      total += weight = std::exp(weight - most);
    for (int64_t j = low; j <= p; ++j)
      for (int64_t d = 0; d < shape.width; ++d)
        out[d] += weights[j - low] / total * *values.at((s * length + j) * rowHeads + head * shape.width + d);
    return out;
  }

  /// True if a result is within `tolerance` of `expected`, and was rounded once after that.
  bool isClose(float found, double expected, double tolerance) const {
    float low = static_cast<float>(expected - tolerance), high = static_cast<float>(expected + tolerance);
    if (shape.isBF16)
      low = widenBF16(roundToBF16(low)), high = widenBF16(roundToBF16(high));
    return low <= found && found <= high;
  }

  static constexpr int64_t length = 80;
  Shape shape;

private:
  /// Writes the key and the value of a position to its page: [head][position][width] of either part.
  void append(int64_t s, int64_t p) {
    unsigned char *page = &cache[pages[s * pagesPerSequence + p / shape.pageTokens] * (2 * partBytes + 64)];
    for (int64_t head = 0; head < shape.heads; ++head) {
      int64_t to = (head * shape.pageTokens + p % shape.pageTokens) * shape.width * bytes;
      int64_t from = ((s * length + p) * rowHeads + head * shape.width) * bytes, size = shape.width * bytes;
      std::memcpy(page + to, static_cast<const char *>(static_cast<void *>(keys)) + from, size);
      std::memcpy(page + partBytes + to, static_cast<const char *>(static_cast<void *>(values)) + from, size);
    }
  }

  int64_t bytes, rowHeads, partBytes;
  KernelLibrary library;
  Array<unsigned char> cache; ///< Starts as all NaN.
  Array<int32_t> pages;
  Numbers keys, values, queries;
};

void checkShape(const Shape &shape) {
  SCOPED_TRACE(fmt::format("heads {} group {} width {} page {} chunk {} {}", shape.heads, shape.group, shape.width,
                           shape.pageTokens, shape.chunk, shape.isBF16 ? "bf16" : "f32"));
  Model model(shape);
  const std::vector<std::pair<int32_t, int32_t>> tokens = {{0, 0}, {1, 0}, {0, 31}, {1, 32}, {0, 79}, {1, 47}, {0, 48}};
  Array<float> out = model.attend(tokens);
  int64_t queryHeads = shape.heads * shape.group, row = queryHeads * shape.width;
  for (size_t t = 0; t < tokens.size(); ++t)
    for (int64_t h = 0; h < queryHeads; ++h) {
      std::vector<double> expected = model.expected(tokens[t].first, tokens[t].second, h);
      for (int64_t d = 0; d < shape.width; ++d)
        ASSERT_TRUE(model.isClose(out[t * row + h * shape.width + d], expected[d], 3e-6))
            << "token " << t << " head " << h << ": " << out[t * row + h * shape.width + d] << ", expected "
            << expected[d];
    }
  // Alone, a token has the same bits.
  for (size_t t : {size_t(3), size_t(6)}) {
    Array<float> alone = model.attend({tokens[t]});
    EXPECT_EQ(0, std::memcmp(alone.begin(), &out[t * row], static_cast<size_t>(row) * 4)) << t;
  }
}

TEST(GpuAttention, MatchesFloat64) {
  for (bool isBF16 : {false, true})
    for (Shape shape : {Shape{1, 1, 8, 32, 0},
                        {2, 3, 16, 16, 0},
                        {1, 5, 24, 64, 0},
                        {2, 2, 40, 32, 0},
                        {1, 7, 64, 64, 0},
                        {2, 1, 128, 32, 0},
                        {1, 2, 100, 32, 0},
                        {2, 2, 16, 32, 48},
                        {1, 3, 9, 32, 7},
                        {1, 2, 33, 24, 64}}) {
      shape.isBF16 = isBF16;
      checkShape(shape);
    }
}

} // namespace
