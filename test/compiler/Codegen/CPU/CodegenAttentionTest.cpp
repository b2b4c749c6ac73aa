// SPDX-License-Identifier: Apache-2.0
//
// Append and attention together, over several pages, against softmax in float64: of what is stored, in float32 and in
// bfloat16.
#include "CodegenHarness.h"

#include <fmt/format.h>

#include <cmath>
#include <numeric>

using namespace yupana;
using namespace yupana::test;

namespace {

struct Shape {
  int64_t heads, group, width, pageTokens, chunk;
  int64_t gap = 0; ///< Elements behind a row of outputs, which stay as they are.
};

constexpr int64_t pagesPerSequence = 6;

/// @append writes keys and values of every token, @attend attends.
std::string kernels(const Shape &shape, const Form &form) {
  int64_t part = shape.heads * shape.width * shape.pageTokens * (form.isBF16 ? 2 : 4);
  auto cache = [&](const char *name) {
    return fmt::format("!kernel.cache<{}, heads = {}, width = {}, page_tokens = {}, page_bytes = {}, {}>", name,
                       shape.heads, shape.width, shape.pageTokens, 2 * part + 64, form.element());
  };
  std::string pages = fmt::format("!kernel.view<[\"S\", {}], i32>", pagesPerSequence);
  return fmt::format(R"(
    kernel.func @append {{
    ^bb0(%k: !kernel.view<["T", {row}], {type}>, %v: !kernel.view<["T", {row}], {type}>, %p: !kernel.view<["T"], i32>,
         %s: !kernel.view<["T"], i32>, %pages: {pages}, %keys: {keys}, %values: {values}):
      kernel.map rows "T" groups {heads} width {width} attributes {{config = #kernel.x86<%TILE%, rows = 2>}} {{
      ^bb0(%row: index, %head: index, %lane: index):
        %width = arith.constant {width} : index
        %base = arith.muli %head, %width : index
        %at = arith.addi %base, %lane : index
        %p32 = kernel.load %p[%row] : !kernel.view<["T"], i32>
        %s32 = kernel.load %s[%row] : !kernel.view<["T"], i32>
        %pos = arith.index_cast %p32 : i32 to index
        %seq = arith.index_cast %s32 : i32 to index
        %key = kernel.load %k[%row, %at] : !kernel.view<["T", {row}], {type}>
        %value = kernel.load %v[%row, %at] : !kernel.view<["T", {row}], {type}>
        kernel.append %key, %keys[%head, %lane] at %pos of %seq through %pages : {type}, {keys}, {pages}
        kernel.append %value, %values[%head, %lane] at %pos of %seq through %pages : {type}, {values}, {pages}
      }}
    }}
    kernel.func @attend {{
    ^bb0(%q: !kernel.view<["T", {queries}], {type}>, %keys: {keys}, %values: {values}, %p: !kernel.view<["T"], i32>,
         %s: !kernel.view<["T"], i32>, %pages: {pages}, %o: !kernel.view<["T", {outputs}], {type}>):
      kernel.attention %q, %keys, %values at %p of %s through %pages into %o chunk {chunk} scale 2.5e-1
        : !kernel.view<["T", {queries}], {type}>, {keys}, {values}, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
          {pages}, !kernel.view<["T", {outputs}], {type}>
    }})",
                     fmt::arg("type", form.element()), fmt::arg("row", shape.heads * shape.width),
                     fmt::arg("heads", shape.heads), fmt::arg("width", shape.width), fmt::arg("pages", pages),
                     fmt::arg("keys", cache("key")), fmt::arg("values", cache("value")), fmt::arg("chunk", shape.chunk),
                     fmt::arg("queries", shape.heads * shape.group * shape.width),
                     fmt::arg("outputs", shape.heads * shape.group * shape.width + shape.gap));
}

/// Two sequences that have been through the kernels.
class Model {
public:
  Model(const Shape &shape, const Form &form)
      : shape(shape), isBF16(form.isBF16), library(load(form.target, kernels(shape, form))),
        row(shape.heads * shape.width), partBytes(row * shape.pageTokens * (isBF16 ? 2 : 4)),
        cache(13 * (2 * partBytes + 64)), pages(2 * pagesPerSequence), keys{random(1, 1), random(1, 2)},
        values{random(1, 3), random(1, 4)}, queries{random(shape.group, 5, 4), random(shape.group, 6, 4)} {
    // Physical pages in no order, those of the two sequences mixed; page 0 belongs to none.
    for (int64_t i = 0; i < 2 * pagesPerSequence; ++i)
      pages[i] = static_cast<int32_t>(1 + i * 5 % 12);
  }

  /// Makes an element of a key NaN, one with more bits set than a processor makes itself.
  void breakKey(int32_t s, int32_t p) { broken = {s, p}; }

  /// Forgets what was appended.
  void clear() { cache = Array<unsigned char>(cache.size()); }

  /// Appends and attends for positions of sequences; the rows of the result follow the tokens, in float32.
  Array<float> step(const std::vector<std::pair<int32_t, int32_t>> &tokens) {
    size_t count = tokens.size();
    Array<float> k(count * row), v(count * row), q(count * row * shape.group);
    Array<int32_t> sequence(count), position(count);
    for (size_t t = 0; t < count; ++t) {
      auto [s, p] = tokens[t];
      sequence[t] = s, position[t] = p;
      std::copy_n(keys[s].at(p * row), row, &k[t * row]);
      if (tokens[t] == broken)
        k[t * row] = std::nanf("1");
      std::copy_n(values[s].at(p * row), row, &v[t * row]);
      std::copy_n(queries[s].at(p * row * shape.group), row * shape.group, &q[t * row * shape.group]);
    }
    void *part = cache.begin() + partBytes;
    Sizes sizes{static_cast<uint32_t>(count), 2};
    library->run("append", {Numbers(k, isBF16), Numbers(v, isBF16), position, sequence, pages, cache, part}, sizes,
                 (sizes.tokens + 1) / 2);
    auto attend = [&](void *out) {
      library->run("attend", {Numbers(q, isBF16), cache, part, position, sequence, pages, out}, sizes,
                   sizes.tokens * static_cast<uint32_t>(shape.heads));
    };
    size_t width = row * shape.group, stride = width + shape.gap;
    Array<float> out(count * stride);
    Array<uint16_t> half(count * stride);
    attend(isBF16 ? static_cast<void *>(half) : out);
    EXPECT_TRUE(out.tailIntact() && half.tailIntact() && cache.tailIntact());
    if (isBF16)
      out = widenBF16(half);
    Array<float> rows(q.size());
    for (size_t t = 0; t < count; ++t) {
      std::copy_n(&out[t * stride], width, &rows[t * width]);
      for (size_t i = width; i < stride; ++i)
        EXPECT_TRUE(std::isnan(out[t * stride + i])) << "token " << t << " element " << i << " is behind the row";
    }
    return rows;
  }

  /// An output by float64, and how far rounding weights to bfloat16 may take a mean of values weighted by them.
  struct Expected {
    double value, rounding;
  };

  /// One query head's.
  std::vector<Expected> expected(int32_t s, int32_t p, int64_t queryHead) const {
    int64_t head = queryHead / shape.group, low = shape.chunk ? p / shape.chunk * shape.chunk : 0;
    std::vector<double> weights;
    std::vector<Expected> out(shape.width);
    double most = -INFINITY, total = 0;
    for (int64_t j = low; j <= p; ++j) {
      double score = 0;
      for (int64_t d = 0; d < shape.width; ++d)
        score += double(queries[s][(p * shape.heads * shape.group + queryHead) * shape.width + d]) *
                 keys[s][j * row + head * shape.width + d];
      weights.push_back(score * 0.25);
      most = std::max(most, weights.back());
    }
    for (double &weight : weights)
      total += weight = std::exp(weight - most);
    auto value = [&](int64_t j, int64_t d) { return double(values[s][j * row + head * shape.width + d]); };
    for (int64_t d = 0; d < shape.width; ++d) {
      for (int64_t j = low; j <= p; ++j)
        out[d].value += weights[j - low] / total * value(j, d);
      // Each weight changes by at most 2^-8 of itself, and their sum with them.
      for (int64_t j = low; j <= p; ++j)
        out[d].rounding += weights[j - low] / total * std::abs(value(j, d) - out[d].value) / 255;
    }
    return out;
  }

  /// True if a result is as close as sums in float32 are, and in bfloat16 weights that were rounded and a result that
  /// was rounded after that.
  bool isClose(float found, const Expected &expected) const {
    double tolerance = 3e-6 + (isBF16 ? expected.rounding : 0);
    float low = static_cast<float>(expected.value - tolerance), high = static_cast<float>(expected.value + tolerance);
    if (isBF16)
      low = widenBF16(roundToBF16(low)), high = widenBF16(roundToBF16(high));
    return low <= found && found <= high;
  }

  static constexpr int64_t length = 150;
  Shape shape;

private:
  Numbers random(int64_t rows, uint32_t seed, float scale = 1) const {
    return Numbers(randomArray(length * row * rows, seed, scale), isBF16);
  }

  bool isBF16;
  std::unique_ptr<Library> library;
  int64_t row, partBytes;
  Array<unsigned char> cache; ///< Starts as NaN everywhere.
  Array<int32_t> pages;
  Numbers keys[2], values[2], queries[2];
  std::pair<int32_t, int32_t> broken = {-1, -1};
};

/// A token: its sequence and position.
using Token = std::pair<int32_t, int32_t>;

/// Every position of both sequences, one sequence after the other.
std::vector<Token> allTokens() {
  std::vector<Token> all;
  for (int32_t s = 0; s < 2; ++s)
    for (int32_t p = 0; p < Model::length; ++p)
      all.push_back({s, p});
  return all;
}

class Attention : public testing::TestWithParam<Form> {};

TEST_P(Attention, MatchesFloat64AndIsTheSameHoweverStepsAreCut) {
  const Shape shapes[] = {{1, 1, 8, 32, 0},      {2, 3, 16, 32, 0},  {1, 5, 24, 64, 0},   {2, 2, 40, 32, 0},
                          {1, 7, 64, 64, 0},     {2, 1, 128, 32, 0}, {1, 13, 100, 32, 0}, {2, 2, 16, 32, 48},
                          {1, 3, 9, 32, 7},      {1, 2, 33, 96, 64}, {1, 4, 16, 32, 7},   {3, 6, 32, 64, 50},
                          {2, 5, 64, 64, 0, 16}, {1, 13, 96, 32, 0}, {1, 4, 32, 32, 7},   {2, 16, 32, 64, 49}};
  for (const Shape &shape : shapes) {
    if (GetParam().isBF16 && shape.width % 2)
      continue; // bfloat16 features are in pairs
    SCOPED_TRACE(fmt::format("heads {} group {} width {} page {} chunk {}", shape.heads, shape.group, shape.width,
                             shape.pageTokens, shape.chunk));
    std::vector<Token> all = allTokens();
    Model model(shape, GetParam());
    Array<float> out = model.step(all);
    int64_t queryHeads = shape.heads * shape.group, rowFloats = queryHeads * shape.width;
    for (size_t t = 0; t < all.size(); t += 7)
      for (int64_t h = 0; h < queryHeads; ++h) {
        std::vector<Model::Expected> expected = model.expected(all[t].first, all[t].second, h);
        for (int64_t d = 0; d < shape.width; ++d)
          ASSERT_TRUE(model.isClose(out[t * rowFloats + h * shape.width + d], expected[d]))
              << "token " << t << " head " << h << ": " << out[t * rowFloats + h * shape.width + d] << ", expected "
              << expected[d].value;
      }

    // In steps of one, several and many tokens, of one sequence or of both in turn: neighbours that are positions of
    // one sequence may go through the keys together.
    std::vector<Token> inTurn;
    for (int32_t p = 0; p < Model::length; ++p)
      inTurn.insert(inTurn.end(), {{0, p}, {1, p}});
    for (const std::vector<Token> &order : {all, inTurn}) {
      model.clear();
      for (size_t first = 0, size = 1; first < order.size(); first += size, size = size % 37 + 5) {
        std::vector<Token> part(order.begin() + first, order.begin() + std::min(order.size(), first + size));
        Array<float> piece = model.step(part);
        for (size_t i = 0; i < part.size(); ++i)
          ASSERT_EQ(0, std::memcmp(&piece[i * rowFloats],
                                   &out[(part[i].first * Model::length + part[i].second) * rowFloats], rowFloats * 4))
              << "sequence " << part[i].first << " position " << part[i].second;
      }
    }
  }
}

TEST(AttentionTargets, GiveTheSameBits) {
  // Tokens that go through the keys alone, and those that do so in groups, with chunks of even and of odd lengths.
  for (const Shape &shape : {Shape{2, 7, 72, 64, 100}, Shape{2, 5, 72, 64, 100}, Shape{2, 5, 64, 64, 100},
                             Shape{1, 4, 96, 64, 33}, Shape{2, 1, 32, 64, 0}})
    for (bool isBF16 : {false, true}) {
      Array<float> first = Model(shape, {runnableTargets().front(), isBF16}).step(allTokens());
      for (const std::string &target : runnableTargets()) {
        // Tile registers, which take heads of whole runs of 32 features, add in an order of their own.
        if (isBF16 && shape.width % 32 == 0 && target == "x86-64-v4-amx")
          continue;
        EXPECT_TRUE(Model(shape, {target, isBF16}).step(allTokens()) == first)
            << target << (isBF16 ? " bf16" : " f32") << ", " << shape.group << " heads a group";
      }
    }
}

TEST_P(Attention, KeepsNaNOfAKeyFromThosePositionsOnThatSeeIt) {
  const Shape shape = {1, 4, 32, 32, 0};
  constexpr int32_t broken = 41;
  std::vector<Token> tokens;
  for (int32_t p = 0; p < 70; ++p)
    tokens.push_back({0, p});
  Model model(shape, GetParam());
  Array<float> before = model.step(tokens);
  model.clear();
  model.breakKey(0, broken);
  Array<float> out = model.step(tokens);
  int64_t rowFloats = shape.heads * shape.group * shape.width;
  for (int32_t p = 0; p < 70; ++p)
    for (int64_t i = p * rowFloats; i < (p + 1) * rowFloats; ++i)
      if (p < broken)
        ASSERT_EQ(out[i], before[i]) << p;
      else
        ASSERT_TRUE(std::isnan(out[i])) << p;
}

INSTANTIATE_TEST_SUITE_P(Targets, Attention, testing::ValuesIn(runnableForms()),
                         [](const auto &info) { return nameOf(info); });

} // namespace
