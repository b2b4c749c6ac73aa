// SPDX-License-Identifier: Apache-2.0
//
// One file of kernels for all targets (Inputs/every-kernel.mlir): each runs on this processor or on the interpreter of
// PTX and gives what one scalar reference gives, in the order of sums that its target states; and code for every target
// comes of it.
#include "KernelHarness.h"
#include "SampleReference.h"

#include "compiler/Support/File.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace yupana;
using namespace yupana::test;

namespace {

constexpr int64_t maxTokens = 40;

// Of the cache.
constexpr int64_t heads = 2, headWidth = 20, pageTokens = 32, pageCount = 7;
int64_t partBytes(bool isBF16) { return heads * headWidth * pageTokens * (isBF16 ? 2 : 4); }

void replaceAll(std::string &text, const std::string &what, const std::string &by) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
    text.replace(at, what.size(), by);
}

/// The file for one target and type.
std::string kernelsFor(const Rules &rules) {
  Result<std::string> file = readWholeFile(YUPANA_EVERY_KERNEL, 1 << 20);
  EXPECT_TRUE(file) << file.error().message;
  std::string text = file ? *file : "";
  auto cache = [&](const char *name) {
    return fmt::format("!kernel.cache<{}, heads = {}, width = {}, page_tokens = {}, page_bytes = {}, {}{}>", name,
                       heads, headWidth, pageTokens, 2 * partBytes(rules.form.isBF16), rules.element(),
                       rules.isGpu() ? ", layout = \"row-major\"" : "");
  };
  int64_t run = rules.pairRun();
  replaceAll(text, "//" + std::string(rules.element()), "");
  replaceAll(text, "%TYPE%", rules.element());
  replaceAll(text, "%FORM%", rules.weightForm());
  replaceAll(text, "%RUN%", std::to_string(run));
  replaceAll(text, "%ROWS%", std::to_string((72 + run - 1) / run * 2 * run));
  replaceAll(text, "%KEYS%", cache("key"));
  replaceAll(text, "%VALUES%", cache("value"));
  return text;
}

class EveryKernel : public testing::TestWithParam<Form> {
protected:
  Rules rules{GetParam()};
  bool isBF16() const { return GetParam().isBF16; }

  /// The kernels, compiled when the first test of a target and type asks for them.
  KernelLibrary &library() {
    static std::map<std::string, std::unique_ptr<KernelLibrary>> all;
    std::unique_ptr<KernelLibrary> &mine = all[GetParam().target + rules.element()];
    if (!mine)
      mine = std::make_unique<KernelLibrary>(GetParam().target, kernelsFor(rules), maxTokens);
    return *mine;
  }
  void run(const std::string &symbol, const std::vector<Memory> &arguments, Sizes sizes) {
    library().run(symbol, arguments, sizes);
  }
  Expected product(const Numbers &x, int64_t row, const Numbers &w, int64_t output, int64_t depth) const {
    return rules.product(x.at(row * depth), w.at(output * depth), depth);
  }
};

TEST_P(EveryKernel, MapWithASumThatFollowsASum) {
  constexpr int64_t tokens = 7, groups = 3, width = 37;
  Array<float> x = randomArray(tokens * groups * width, 1), gain = randomArray(width, 2), y(tokens * groups * width);
  run("norm", {x, gain, y}, {tokens});
  for (int64_t g = 0; g < tokens * groups; ++g) {
    const float *row = &x[g * width];
    float mean = rules.sum(row, width) / float(width);
    std::vector<float> squares;
    for (int64_t i = 0; i < width; ++i)
      squares.push_back((row[i] - mean) * (row[i] - mean));
    float root = std::sqrt(rules.sum(squares.data(), width) / float(width) + 1.0e-5f);
    for (int64_t i = 0; i < width; ++i)
      ASSERT_EQ(bitsOf(y[g * width + i]), bitsOf((row[i] - mean) / root * gain[i])) << g << " " << i;
  }
  EXPECT_TRUE(y.tailIntact());
}

TEST_P(EveryKernel, EpilogueThatNoPassMakes) {
  constexpr int64_t outputs = 72, depth = 19, tokens = 23;
  Numbers x = rules.random(tokens * depth, 7), w = rules.random(outputs * depth, 8);
  Array<float> bias = randomArray(outputs, 9), gain = randomArray(tokens, 10), y(tokens * outputs);
  run("odd_epilogue", {x, rules.pack(w, 1, outputs, depth), bias, gain, y}, {tokens});
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t n = 0; n < outputs; ++n) {
      Expected acc = product(x, t, w, n, depth);
      double expected = acc.value * std::tanh(acc.value) * gain[t] + bias[n];
      ASSERT_TRUE(isNear(y[t * outputs + n], {expected, 2e-6 + 4 * acc.tolerance})) << t << " " << n;
    }
  EXPECT_TRUE(y.tailIntact());
}

TEST_P(EveryKernel, InputThatIsComputed) {
  constexpr int64_t outputs = 66, depth = 72, tokens = 21, sources = 9, parts = 40;
  Numbers h = rules.random(sources * depth, 1), gain = rules.random(depth, 2), w = rules.random(outputs * depth, 3);
  Array<float> squares = randomArray(sources * parts, 4), y(tokens * outputs), values(tokens * depth);
  Array<int32_t> ids(tokens);
  for (int64_t t = 0; t < tokens; ++t) {
    ids[t] = static_cast<int32_t>(t * 5 % sources);
    float sum = rules.sum(&squares[ids[t] * parts], parts);
    for (int64_t k = 0; k < depth; ++k)
      values[t * depth + k] = h[ids[t] * depth + k] * sum * gain[k];
  }
  Numbers x(values, isBF16());
  run("computed_input", {h, ids, squares, gain, rules.pack(w, 1, outputs, depth), y}, {tokens, 0, sources});
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t n = 0; n < outputs; ++n)
      ASSERT_TRUE(isNear(y[t * outputs + n], product(x, t, w, n, depth))) << t << " " << n;
  EXPECT_TRUE(y.tailIntact());
}

TEST_P(EveryKernel, PairsInGroupsOfTwoProducts) {
  constexpr int64_t pairs = 72, group = 24, depth = 80, other = 40, tokens = 19;
  Numbers first[2] = {rules.random(pairs * depth, 1), rules.random(pairs * depth, 2)};
  Numbers second[2] = {rules.random(pairs * other, 3), rules.random(pairs * other, 4)};
  int64_t run = rules.pairRun(), rows = (pairs + run - 1) / run * 2 * run;
  Numbers w(interleave(first[0], first[1], 1, pairs, depth, run), isBF16());
  Numbers v(interleave(second[0], second[1], 1, pairs, other, run), isBF16());
  Numbers x = rules.random(tokens * depth, 5), z = rules.random(tokens * other, 6);
  Array<float> y(tokens * pairs * 2), sums(tokens * pairs / group);
  this->run("pairs", {x, z, rules.pack(w, 1, rows, depth), rules.pack(v, 1, rows, other), y, sums}, {tokens});
  // What the accumulators may be off by, through a product, a sum of 24 and another product.
  bool isExact = !rules.isGpu() || !isBF16();
  float tolerance = isExact ? 0 : 2e-4f;
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t g = 0; g < pairs / group; ++g) {
      std::vector<float> products, halves[2];
      for (int64_t n = g * group; n < (g + 1) * group; ++n) {
        for (int half = 0; half < 2; ++half)
          halves[half].push_back(float(product(x, t, first[half], n, depth).value) +
                                 float(product(z, t, second[half], n, other).value));
        products.push_back(halves[0].back() * halves[1].back());
      }
      float sum = rules.sum(products.data(), group);
      ASSERT_TRUE(isNear(sums[t * 3 + g], {sum, tolerance})) << t << " " << g;
      for (int64_t i = 0; i < group; ++i) {
        int64_t n = g * group + i;
        ASSERT_TRUE(isNear(y[(t * pairs + n) * 2], {halves[0][i] * sum, tolerance * 30})) << t << " " << n;
        ASSERT_TRUE(isNear(y[(t * pairs + n) * 2 + 1], {halves[1][i], tolerance})) << t << " " << n;
      }
    }
  EXPECT_TRUE(y.tailIntact() && sums.tailIntact());
}

TEST_P(EveryKernel, ExpertsBesideASharedProduct) {
  constexpr int64_t experts = 3, outputs = 40, depth = 96;
  Numbers w = rules.random(experts * outputs * depth, 2), v = rules.random(outputs * depth, 3);
  Numbers packedW = rules.pack(w, experts, outputs, depth), packedV = rules.pack(v, 1, outputs, depth);
  for (int64_t tokens : {int64_t(1), int64_t(7), maxTokens}) {
    Numbers x = rules.random(tokens * depth, 1);
    Array<float> scores = randomArray(2 * tokens, 4), y(tokens * 2 * outputs), scaled(tokens * 2 * depth);
    Array<int32_t> ids(2 * tokens);
    for (int64_t t = 0; t < tokens; ++t) {
      ids[2 * t] = t % 5 == 4 ? 1 : 0;
      ids[2 * t + 1] = 2;
    }
    for (int64_t r = 0; r < 2 * tokens; ++r)
      for (int64_t k = 0; k < depth; ++k)
        scaled[r * depth + k] = x[r / 2 * depth + k] * scores[r];
    Numbers routed(scaled, isBF16());
    run("experts", {x, ids, scores, packedW, packedV, y}, {static_cast<uint32_t>(tokens)});
    for (int64_t r = 0; r < 2 * tokens; ++r)
      for (int64_t n = 0; n < outputs; ++n) {
        Expected a = product(routed, r, w, ids[r] * outputs + n, depth), b = product(x, r / 2, v, n, depth);
        Expected sum = {float(a.value) + float(b.value), 3 * (a.tolerance + b.tolerance)};
        ASSERT_TRUE(isNear(y[r * outputs + n], sum)) << r << " " << n;
      }
    EXPECT_TRUE(y.tailIntact());
  }
}

/// The experts of largest logits, of equal ones those of the lowest index, in ascending order.
std::vector<int32_t> bestOf(const std::vector<float> &logits, int64_t k) {
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](int32_t a, int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  order.resize(k);
  std::sort(order.begin(), order.end());
  return order;
}

TEST_P(EveryKernel, RouteAndTheGroupOfItsChoices) {
  constexpr int64_t experts = 18, depth = 31, k = 3, tokens = 25, alignment = 8;
  Array<float> x = randomArray(tokens * depth, 2), router = randomArray(experts * depth, 4), scores(tokens * k);
  Array<int32_t> chosen(tokens * k), offsets(experts + 1), order(tokens * k + (alignment - 1) * experts);
  run("route", {x, router, chosen, scores}, {tokens});
  run("group", {chosen, offsets, order}, {tokens});
  for (int64_t t = 0; t < tokens; ++t) {
    std::vector<float> logits(experts);
    for (int64_t e = 0; e < experts; ++e) {
      std::vector<float> partial(rules.partials());
      for (int64_t i = 0; i < depth; ++i) {
        float &sum = partial[i % rules.partials()];
        sum = std::fmaf(x[t * depth + i], router[e * depth + i], sum);
      }
      logits[e] = rules.sum(partial.data(), rules.partials());
    }
    std::vector<int32_t> best = bestOf(logits, k);
    double total = 0;
    for (float logit : logits)
      total += std::exp(double(logit));
    for (int64_t j = 0; j < k; ++j) {
      ASSERT_EQ(chosen[t * k + j], best[j]) << t;
      ASSERT_NEAR(scores[t * k + j], std::exp(double(logits[best[j]])) / total, 1e-6) << t;
    }
  }
  std::vector<int32_t> expectedOffsets = {0}, expectedOrder;
  for (int64_t e = 0; e < experts; ++e) {
    for (int32_t pair = 0; pair < tokens * k; ++pair)
      if (chosen[pair] == e)
        expectedOrder.push_back(pair);
    expectedOrder.resize((expectedOrder.size() + alignment - 1) / alignment * alignment, -1);
    expectedOffsets.push_back(static_cast<int32_t>(expectedOrder.size()));
  }
  expectedOrder.resize(order.size(), -1);
  EXPECT_EQ(std::vector<int32_t>(offsets.begin(), offsets.end()), expectedOffsets);
  EXPECT_EQ(std::vector<int32_t>(order.begin(), order.end()), expectedOrder);
}

TEST_P(EveryKernel, AppendAndAttention) {
  // Two sequences of 70 and 65 positions, in chunks of 40 and pages of 32.
  constexpr int64_t group = 3, row = heads * headWidth, chunk = 40;
  std::vector<std::pair<int32_t, int32_t>> tokens;
  for (int32_t p = 0; p < 70; ++p)
    for (int32_t s = 0; s < (p < 65 ? 2 : 1); ++s)
      tokens.push_back({s, p});
  auto count = static_cast<int64_t>(tokens.size());
  Numbers k = rules.random(count * row, 1), v = rules.random(count * row, 2),
          q = rules.random(count * row * group, 3, 4);
  Array<int32_t> position(count), sequence(count), pages = {4, 1, 6, 2, 5, 3};
  for (int64_t t = 0; t < count; ++t)
    std::tie(sequence[t], position[t]) = tokens[t];
  int64_t part = partBytes(isBF16());
  // Both halves of every page; the kernels get the values' half as memory of its own where memory is copied.
  Array<unsigned char> keys(pageCount * 2 * part), values(pageCount * 2 * part);
  Sizes sizes{static_cast<uint32_t>(count), 2};
  run("append", {k, v, position, sequence, pages, keys, values}, sizes);
  Array<float> wide(count * row * group);
  Array<uint16_t> half(count * row * group);
  run("attend", {q, keys, values, position, sequence, pages, isBF16() ? Memory(half) : Memory(wide)}, sizes);
  auto find = [&](int32_t s, int32_t p) {
    return std::find(tokens.begin(), tokens.end(), std::pair(s, p)) - tokens.begin();
  };
  for (int64_t t = 0; t < count; t += 3)
    for (int64_t h = 0; h < heads * group; ++h) {
      int32_t s = tokens[t].first, p = tokens[t].second;
      std::vector<double> weights, out(headWidth), tolerance(headWidth, 3e-6);
      const float *query = q.at((t * heads * group + h) * headWidth);
      for (int32_t j = p / chunk * chunk; j <= p; ++j) {
        const float *key = k.at(find(s, j) * row + h / group * headWidth);
        weights.push_back(std::exp(0.25 * std::inner_product(query, query + headWidth, key, 0.0)));
      }
      double total = std::accumulate(weights.begin(), weights.end(), 0.0);
      auto value = [&](size_t j, int64_t d) -> double {
        auto from = find(s, static_cast<int32_t>(p / chunk * chunk + j));
        return *v.at(from * row + h / group * headWidth + d);
      };
      for (int64_t d = 0; d < headWidth; ++d) {
        for (size_t j = 0; j < weights.size(); ++j)
          out[d] += weights[j] / total * value(j, d);
        // A CPU rounds weights to bfloat16: each by at most 2^-8 of itself, and their sum with them.
        for (size_t j = 0; j < weights.size() && isBF16() && !rules.isGpu(); ++j)
          tolerance[d] += weights[j] / total * std::abs(value(j, d) - out[d]) / 255;
      }
      for (int64_t d = 0; d < headWidth; ++d) {
        int64_t at = (t * heads * group + h) * headWidth + d;
        float low = float(out[d] - tolerance[d]), high = float(out[d] + tolerance[d]);
        float found = isBF16() ? widenBF16(half[at]) : wide[at];
        if (isBF16())
          low = widenBF16(roundToBF16(low)), high = widenBF16(roundToBF16(high));
        ASSERT_TRUE(low <= found && found <= high) << t << " " << h << ": " << found << ", expected " << out[d];
      }
    }
}

TEST_P(EveryKernel, MembersSideBySide) {
  constexpr int64_t outputs = 70, depth = 21, tokens = 30, rows = 11;
  Numbers x = rules.random(tokens * depth, 23), w = rules.random(outputs * depth, 24);
  Array<int32_t> a(rows);
  Array<float> y(tokens * outputs);
  run("members", {x, rules.pack(w, 1, outputs, depth), a, y}, {tokens, 0, rows});
  for (int64_t i = 0; i < rows; ++i)
    ASSERT_EQ(a[i], i);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t n = 0; n < outputs; ++n)
      ASSERT_TRUE(isNear(y[t * outputs + n], product(x, t, w, n, depth))) << t << " " << n;
  EXPECT_TRUE(a.tailIntact() && y.tailIntact());
}

TEST_P(EveryKernel, Sample) {
  constexpr int64_t vocabulary = 300, context = 40;
  constexpr uint32_t rows = 6;
  Array<float> logits(rows * vocabulary), temperatures = {1, 0, 0.7f, 1, 2, 0.8f}, topP = {1, 1, 1, 0.8f, 1, 0.9f};
  Array<float> minP = {0, 0, 0, 0, 0.05f, 0.02f}, penalties = {1, 1, 1, 1, 1.5f, 1.3f};
  Array<int32_t> topK = {0, 0, 9, 0, 0, 20}, positions = {3, 4, 5, 6, 7, 8}, slots = {5, 4, 3, 2, 1, 0};
  Array<int64_t> seeds = {11, 12, 13, 14, 15, 16}, sequences = {0, 1, 2, 3, 4, 5};
  Array<int32_t> history(rows * context), ids(rows);
  std::vector<SampleRow> expected(rows);
  for (uint32_t r = 0; r < rows; ++r) {
    Array<float> own = randomArray(vocabulary, r + 1, 4);
    std::copy(own.begin(), own.end(), &logits[r * vocabulary]);
    for (int64_t i = 0; i < context; ++i)
      history[slots[r] * context + i] = static_cast<int32_t>((i * i + r) % vocabulary);
    SampleRow &row = expected[r];
    row.logits.assign(own.begin(), own.end());
    row.temperature = temperatures[r], row.topK = topK[r], row.topP = topP[r], row.minP = minP[r];
    row.penalty = penalties[r], row.seed = seeds[r], row.sequence = sequences[r], row.position = positions[r];
    row.history.assign(&history[slots[r] * context], &history[slots[r] * context] + context);
  }
  run("sample", {logits, temperatures, topK, topP, minP, penalties, seeds, sequences, positions, slots, history, ids},
      {0, 0, rows});
  for (uint32_t r = 0; r < rows; ++r)
    EXPECT_EQ(ids[r], sampleReference(expected[r])) << r;
}

INSTANTIATE_TEST_SUITE_P(Targets, EveryKernel, testing::ValuesIn(testedForms()),
                         [](const auto &info) { return nameOf(info); });

/// Targets whose code no test runs here compile the same file.
TEST(EveryKernelFile, CompilesForEveryTarget) {
  std::vector<Form> tested = testedForms();
  for (const auto &backEnd : codegen::backEnds())
    if (std::string target = backEnd->getName().str();
        std::none_of(tested.begin(), tested.end(), [&](const Form &form) { return form.target == target; }))
      for (bool isBF16 : {false, true}) {
        SCOPED_TRACE(target);
        KernelLibrary(target, kernelsFor({{target, isBF16}}), maxTokens);
      }
}

} // namespace
