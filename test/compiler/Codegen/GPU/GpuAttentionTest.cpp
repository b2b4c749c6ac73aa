// SPDX-License-Identifier: Apache-2.0
//
// Attention on a GPU over several row-major pages, against softmax in float64: of what is stored, in float32 and in
// bfloat16, by every form, and cut into segments of several lengths.
#include "../KernelHarness.h"

#include <fmt/format.h>

#include <cmath>
#include <numeric>

using namespace yupana;
using namespace yupana::test;

namespace {

struct Shape {
  int64_t heads, group, width, pageTokens, chunk;
  int64_t length = 80, segment = 0; ///< Positions of a sequence; those of a segment, 0 for the target's choice.
  bool isBF16 = false;
  const char *target = "sm_80";
  bool isShared = false;  ///< Blocks share the segments of a cell, as in a step of few tokens.
  int64_t tileTokens = 0; ///< If it is not 0, several tokens at once, as in steps of at most so many.

  /// Most segments that a token's positions lie in, and words of float32 that their states take, for each token.
  int64_t mostSegments() const {
    int64_t ofContext = (pagesPerSequence() * pageTokens + segment - 1) / segment;
    return chunk ? std::min(ofContext, chunk % segment ? (chunk + segment - 2) / segment + 1 : chunk / segment)
                 : ofContext;
  }
  int64_t stateWords() const { return heads * mostSegments() * group * (width + 4); }
  int64_t pagesPerSequence() const { return length / pageTokens + 2; }
  /// As the generator has it: the form by matrix instructions is for whole steps of them.
  bool isMatrix() const { return isBF16 && width % 16 == 0 && width <= 128 && group <= 16; }
};

constexpr int64_t sequences = 2;

std::string numericsOf(const Shape &shape) {
  if (shape.tileTokens)
    return "{numerics = #kernel.numerics<range = all, order = matrix_blocks, partials = 8, block = 64>}";
  if (!shape.segment)
    return "";
  return fmt::format(
      "{{numerics = #kernel.numerics<range = all, order = {}, partials = {}, block = {}, segment = {}>}}",
      shape.isMatrix() ? "matrix_blocks" : "ascending", shape.isMatrix() ? 64 : 32, shape.isMatrix() ? 64 : 32,
      shape.segment);
}

std::string kernelOf(const Shape &shape, int64_t partBytes) {
  const char *type = shape.isBF16 ? "bf16" : "f32";
  auto cache = [&](const char *name) {
    return fmt::format("!kernel.cache<{}, heads = {}, width = {}, page_tokens = {}, page_bytes = {}, {}, "
                       "layout = \"row-major\">",
                       name, shape.heads, shape.width, shape.pageTokens, 2 * partBytes + 64, type);
  };
  std::string spaces = fmt::format("!kernel.view<[\"T\", {}], f32>, !kernel.view<[\"T\", {}], i32>",
                                   shape.isShared ? shape.stateWords() : 1, shape.heads);
  auto where = [&](std::string text) { return shape.isShared ? text : std::string(); };
  return fmt::format(R"(
    kernel.func @attend {workspaces} {{
    ^bb0(%q: !kernel.view<["T", {row}], {type}>, %keys: {keys}, %values: {values}, %p: !kernel.view<["T"], i32>,
         %s: !kernel.view<["T"], i32>, %pages: {pages}, %o: !kernel.view<["T", {row}], {type}> {spaces}):
      kernel.attention %q, %keys, %values at %p of %s through %pages into %o chunk {chunk} scale 2.5e-1
        {shared} {numerics} : !kernel.view<["T", {row}], {type}>, {keys}, {values}, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
          {pages}, !kernel.view<["T", {row}], {type}>
    }})",
                     fmt::arg("type", type), fmt::arg("row", shape.heads * shape.group * shape.width),
                     fmt::arg("pages", fmt::format("!kernel.view<[\"S\", {}], i32>", shape.pagesPerSequence())),
                     fmt::arg("workspaces", where("workspace [7, 8]")),
                     fmt::arg("shared", where("workspace %states, %arrivals : " + spaces)),
                     fmt::arg("spaces", where(fmt::format(", %states: !kernel.view<[\"T\", {}], f32>, %arrivals: "
                                                          "!kernel.view<[\"T\", {}], i32>",
                                                          shape.isShared ? shape.stateWords() : 1, shape.heads))),
                     fmt::arg("numerics", numericsOf(shape)), fmt::arg("keys", cache("key")),
                     fmt::arg("values", cache("value")), fmt::arg("chunk", shape.chunk));
}

/// Two sequences of `length` positions whose keys and values are in the cache.
class Model {
public:
  explicit Model(const Shape &shape)
      : shape(shape), length(shape.length), bytes(shape.isBF16 ? 2 : 4), rowHeads(shape.heads * shape.width),
        partBytes(rowHeads * shape.pageTokens * bytes), library(shape.target, kernelOf(shape, partBytes),
                                                                shape.isShared     ? 8
                                                                : shape.tileTokens ? shape.tileTokens
                                                                                   : 64),
        pages(sequences * shape.pagesPerSequence()), cache((1 + pages.size()) * (2 * partBytes + 64)),
        keys(randomArray(sequences * length * rowHeads, 1), shape.isBF16),
        values(randomArray(sequences * length * rowHeads, 2), shape.isBF16),
        queries(randomArray(sequences * length * rowHeads * shape.group, 3, 4), shape.isBF16) {
    // Physical pages in no order, those of the two sequences mixed; page 0 belongs to none. Pages that begin behind the
    // last position are not there.
    auto count = static_cast<int64_t>(pages.size());
    for (int64_t i = 0; i < count; ++i) {
      bool isUsed = i % shape.pagesPerSequence() * shape.pageTokens < length;
      pages[i] = isUsed ? static_cast<int32_t>(1 + i * 31 % count) : 1 << 20;
    }
    for (int64_t s = 0; s < sequences; ++s)
      for (int64_t p = 0; p < length; ++p)
        append(s, p);
  }

  /// The outputs of these positions of sequences, in float32.
  /// With shared segments, by `blocks` blocks; `bug` and `report` are those of KernelLibrary::runBlocks.
  Array<float> attend(const std::vector<std::pair<int32_t, int32_t>> &tokens, uint32_t blocks = 4, uint64_t seed = 1,
                      const KernelLibrary::Bug *bug = nullptr, std::string *report = nullptr) {
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
    Array<float> states(shape.isShared ? tokens.size() * shape.stateWords() : 0);
    Array<int32_t> arrivals(shape.isShared ? tokens.size() * shape.heads : 0);
    std::fill(states.begin(), states.end(), 0.0f);
    std::fill(arrivals.begin(), arrivals.end(), 0);
    Numbers stored(q, shape.isBF16);
    std::vector<Memory> arguments = {stored, cache, valuePart, position, sequence, pages, result};
    if (shape.isShared) {
      arguments.push_back(states);
      arguments.push_back(arrivals);
    }
    Sizes sizes = {static_cast<uint32_t>(tokens.size()), sequences};
    if (shape.isShared) {
      std::string found = library.runBlocks("attend", arguments, sizes, blocks, seed, bug);
      if (bug) {
        *report = found;
        return shape.isBF16 ? widenBF16(half) : std::move(out);
      }
      EXPECT_EQ(found, "");
    } else {
      library.run("attend", arguments, sizes, seed);
    }
    // The next launch finds the workspaces as this one did.
    EXPECT_TRUE(std::all_of(states.begin(), states.end(), [](float x) { return x == 0; }));
    EXPECT_TRUE(std::all_of(arrivals.begin(), arrivals.end(), [](int32_t x) { return x == 0; }));
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

  Shape shape;
  int64_t length;

private:
  /// Writes the key and the value of a position to its page: [head][position][width] of either part.
  void append(int64_t s, int64_t p) {
    unsigned char *page = &cache[pages[s * shape.pagesPerSequence() + p / shape.pageTokens] * (2 * partBytes + 64)];
    for (int64_t head = 0; head < shape.heads; ++head) {
      int64_t to = (head * shape.pageTokens + p % shape.pageTokens) * shape.width * bytes;
      int64_t from = ((s * length + p) * rowHeads + head * shape.width) * bytes, size = shape.width * bytes;
      std::memcpy(page + to, static_cast<const char *>(static_cast<void *>(keys)) + from, size);
      std::memcpy(page + partBytes + to, static_cast<const char *>(static_cast<void *>(values)) + from, size);
    }
  }

  int64_t bytes, rowHeads, partBytes;
  KernelLibrary library;
  Array<int32_t> pages;
  Array<unsigned char> cache; ///< Starts as all NaN.
  Numbers keys, values, queries;
};

/// Every head of every token is what float64 gives.
void expectAll(const Model &model, const Shape &shape, const std::vector<std::pair<int32_t, int32_t>> &tokens,
               const Array<float> &out) {
  int64_t queryHeads = shape.heads * shape.group, row = queryHeads * shape.width;
  for (size_t t = 0; t < tokens.size(); ++t)
    for (int64_t h = 0; h < queryHeads; ++h) {
      std::vector<double> expected = model.expected(tokens[t].first, tokens[t].second, h);
      for (int64_t d = 0; d < shape.width; ++d)
        ASSERT_TRUE(model.isClose(out[t * row + h * shape.width + d], expected[d], 3e-6))
            << "token " << t << " head " << h << ": " << out[t * row + h * shape.width + d] << ", expected "
            << expected[d];
    }
}

void checkShape(const Shape &shape) {
  SCOPED_TRACE(fmt::format("{} heads {} group {} width {} page {} chunk {} length {} segment {} {}", shape.target,
                           shape.heads, shape.group, shape.width, shape.pageTokens, shape.chunk, shape.length,
                           shape.segment, shape.isBF16 ? "bf16" : "f32"));
  Model model(shape);
  auto last = static_cast<int32_t>(shape.length - 1);
  const std::vector<std::pair<int32_t, int32_t>> tokens = {{0, 0},  {1, 0},  {0, 31}, {1, 32},
                                                           {0, 79}, {1, 47}, {0, 48}, {1, last}};
  Array<float> out = model.attend(tokens);
  ASSERT_NO_FATAL_FAILURE(expectAll(model, shape, tokens, out));
  int64_t row = shape.heads * shape.group * shape.width;
  // Alone, a token has the same bits.
  for (size_t t : {size_t(3), size_t(6)}) {
    Array<float> alone = model.attend({tokens[t]});
    EXPECT_EQ(0, std::memcmp(alone.begin(), &out[t * row], static_cast<size_t>(row) * 4)) << t;
  }
}

void checkTiles(Shape shape) {
  shape.isBF16 = true;
  SCOPED_TRACE(fmt::format("{} heads {} group {} width {} page {} chunk {} length {} at most {} tokens", shape.target,
                           shape.heads, shape.group, shape.width, shape.pageTokens, shape.chunk, shape.length,
                           shape.tileTokens));
  Model model(shape);
  std::vector<std::pair<int32_t, int32_t>> tokens;
  for (int32_t p = 37; p < shape.length; p += p < 70 ? 1 : 4)
    tokens.push_back({0, p});
  for (int32_t p = 0; p < 20; ++p)
    tokens.push_back({1, 3 * p});
  Array<float> out = model.attend(tokens);
  ASSERT_NO_FATAL_FAILURE(expectAll(model, shape, tokens, out));
  int64_t row = shape.heads * shape.group * shape.width;
  // In another step a token is another row of another tile, and has the same bits.
  for (auto [first, count] : {std::pair<size_t, size_t>(5, 1), {11, 20}}) {
    Array<float> part = model.attend({tokens.begin() + first, tokens.begin() + first + count}, 4, /*seed=*/first);
    EXPECT_EQ(0, std::memcmp(part.begin(), &out[first * row], count * row * 4)) << first;
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

/// Chunks that begin inside a segment, pages that end inside a block, groups that fill one tile of heads and two.
TEST(GpuAttention, MergesSegments) {
  for (const char *target : {"sm_80", "sm_90a"})
    for (bool isBF16 : {false, true})
      for (Shape shape : {Shape{1, 5, 128, 64, 0, 270, 64},
                          {2, 1, 32, 24, 0, 400, 128},
                          {1, 8, 48, 64, 96, 300, 64},
                          {1, 9, 16, 128, 100, 330, 128},
                          {1, 3, 20, 16, 90, 200, 64}}) {
        shape.isBF16 = isBF16;
        shape.target = target;
        checkShape(shape);
      }
}

/// Whoever computes a segment, and with whom a token shares a step: the bits are those of one block per cell.
TEST(GpuAttention, SharesSegmentsAmongBlocks) {
  for (const char *target : {"sm_80", "sm_90a"})
    for (Shape shape : {Shape{1, 5, 128, 64, 0, 2500, 64},
                        {2, 1, 32, 24, 0, 400, 128},
                        {1, 8, 48, 64, 96, 300, 64},
                        {2, 9, 16, 128, 100, 330, 128}}) {
      shape.isBF16 = true;
      shape.target = target;
      SCOPED_TRACE(fmt::format("{} width {} length {}", target, shape.width, shape.length));
      auto last = static_cast<int32_t>(shape.length - 1);
      const std::vector<std::pair<int32_t, int32_t>> tokens = {{0, last}, {1, 63}, {1, 64}, {0, 0}, {1, last - 1}};
      Array<float> whole = Model(shape).attend(tokens);
      shape.isShared = true;
      Model shared(shape);
      size_t row = whole.size() / tokens.size();
      for (uint32_t blocks : {1, 3, 264}) {
        Array<float> out = shared.attend(tokens, blocks, /*seed=*/blocks);
        EXPECT_EQ(0, std::memcmp(out.begin(), whole.begin(), whole.size() * 4)) << blocks << " blocks";
      }
      for (size_t t : {size_t(0), size_t(2)}) {
        Array<float> alone = shared.attend({tokens[t]}, 5);
        EXPECT_EQ(0, std::memcmp(alone.begin(), &whole[t * row], row * 4)) << t;
      }
    }
}

/// Tokens that fill tiles and end inside of one, of two sequences; chunks that begin inside a tile and inside a block,
/// groups that leave rows over. Both sizes of a tile, and warpgroups where the shape takes them.
TEST(GpuAttention, AttendsFromSeveralTokens) {
  for (const char *target : {"sm_80", "sm_90a"})
    for (Shape shape : {Shape{1, 5, 128, 64, 0, 130}, {2, 2, 64, 128, 48, 100}}) {
      shape.tileTokens = 256;
      shape.target = target;
      checkTiles(shape);
    }
  for (Shape shape : {Shape{2, 9, 16, 24, 0, 80}, {1, 1, 48, 64, 40, 140}}) {
    shape.tileTokens = 64;
    checkTiles(shape);
  }
}

/// Each of these is seen under one of some orders in which warps and blocks take turns: by a report or in the bits.
TEST(GpuAttention, InjectedBugsAreFound) {
  Shape shape = {1, 3, 32, 64, 0, 330, 64};
  shape.isBF16 = true;
  const std::vector<std::pair<int32_t, int32_t>> tokens = {{0, 329}, {1, 200}};
  Array<float> wanted = Model(shape).attend(tokens);
  shape.isShared = true;
  for (const KernelLibrary::Bug &bug : {KernelLibrary::Bug{"cp.async.wait_group", "//"},
                                        {"fence.acq_rel.gpu", "//"},
                                        {"fence.acq_rel.gpu", "fence.acq_rel.cta"},
                                        {"bar.sync", "//"},
                                        {"atom.", "// "},
                                        {"ldmatrix.sync.aligned.m8n8.x4.trans", "ldmatrix.sync.aligned.m8n8.x4"}}) {
    bool found = false;
    for (uint64_t seed = 1; seed <= 6 && !found; ++seed) {
      std::string report;
      Array<float> out = Model(shape).attend(tokens, 3, seed, &bug, &report);
      found = !report.empty() || std::memcmp(out.begin(), wanted.begin(), wanted.size() * 4) != 0;
    }
    EXPECT_TRUE(found) << bug.from;
  }
}

} // namespace
