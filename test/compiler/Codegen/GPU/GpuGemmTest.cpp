// SPDX-License-Identifier: Apache-2.0
//
// Products on a GPU against one scalar chain each: float32 bit for bit, bfloat16 within what the order inside a matrix
// instruction can change.
#include "GpuHarness.h"

#include <fmt/format.h>

#include <cmath>

using namespace yupana;
using namespace yupana::test;

namespace {

class GpuGemm : public testing::TestWithParam<Form> {
protected:
  bool isBF16() const { return GetParam().isBF16; }
  const char *element() const { return GetParam().element(); }
  GpuLibrary load(const std::string &kernels, int64_t maxTokens) const {
    return GpuLibrary(GetParam().target, kernels, maxTokens);
  }
  Numbers random(size_t count, uint32_t seed, float scale = 1) const {
    return Numbers(randomArray(count, seed, scale), isBF16());
  }
  Numbers tiled(const Numbers &numbers, int64_t experts, int64_t outputs, int64_t depth) const {
    Array<float> values(numbers.size());
    std::copy_n(numbers.at(0), numbers.size(), values.begin());
    // Tiles are 128 bytes wide, so what fits one depends on the type.
    if (!isBF16())
      return Numbers(packTiles(values, experts, outputs, depth), false);
    return Numbers(widenBF16(packTiles(roundToBF16(values), experts, outputs, depth)), true);
  }

  /// What an accumulator has to be, and how far off it may be.
  struct Expected {
    double value, tolerance;
  };
  Expected expect(const float *input, const float *weight, int64_t depth) const {
    if (!isBF16())
      return {ascendingChain(input, weight, depth), 0};
    double sum = 0, size = 0;
    for (int64_t k = 0; k < depth; ++k) {
      sum += double(input[k]) * weight[k];
      size += std::abs(double(input[k]) * weight[k]);
    }
    return {sum, size * 2e-6 + 1e-30};
  }
  void expectNear(float found, Expected expected, int64_t row, int64_t feature) const {
    ASSERT_LE(std::abs(found - expected.value), expected.tolerance)
        << "row " << row << " feature " << feature << ": " << found << ", expected " << expected.value;
  }
};

TEST_P(GpuGemm, TailsOfOutputsDepthAndRows) {
  const std::pair<int64_t, int64_t> shapes[] = {{1, 1}, {5, 7}, {64, 64}, {65, 72}, {70, 129}, {130, 200}, {200, 33}};
  for (int64_t maxTokens : {8, 40})
    for (auto [outputs, depth] : shapes) {
      SCOPED_TRACE(fmt::format("T {} N {} K {}", maxTokens, outputs, depth));
      GpuLibrary library = load(fmt::format(R"(
        kernel.func @gemm {{
        ^bb0(%x: !kernel.view<["T", {1}], {2}>, %w: !kernel.view<[{0}, {1}], {2}, "tile64x128">,
             %y: !kernel.view<["T", {0}], f32>):
          kernel.gemm rows "T" product %x : !kernel.view<["T", {1}], {2}>
              times %w : !kernel.view<[{0}, {1}], {2}, "tile64x128"> {{
          ^bb0(%acc: f32, %row: index, %feature: index):
            kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", {0}], f32>
          }}
        }})",
                                            outputs, depth, element()),
                                maxTokens);
      Numbers w = random(outputs * depth, 2), packed = tiled(w, 1, outputs, depth);
      for (int64_t tokens : {int64_t(1), int64_t(5), maxTokens}) {
        Numbers x = random(tokens * depth, 1);
        Array<float> y(tokens * outputs);
        ASSERT_NO_FATAL_FAILURE(library.run("gemm", {x, packed, y}, {static_cast<uint32_t>(tokens)}));
        for (int64_t t = 0; t < tokens; ++t)
          for (int64_t n = 0; n < outputs; ++n)
            ASSERT_NO_FATAL_FAILURE(
                expectNear(y[t * outputs + n], expect(x.at(t * depth), w.at(n * depth), depth), t, n));
      }
    }
}

TEST_P(GpuGemm, NoResultDependsOnTheProgram) {
  constexpr int64_t outputs = 100, depth = 328, tokens = 37;
  Numbers x = random(tokens * depth, 1), w = random(outputs * depth, 2), packed = tiled(w, 1, outputs, depth);
  std::vector<Array<float>> results;
  for (int64_t maxTokens : {8, 16, 64}) {
    GpuLibrary library = load(fmt::format(R"(
      kernel.func @gemm {{
      ^bb0(%x: !kernel.view<["T", {1}], {2}>, %w: !kernel.view<[{0}, {1}], {2}, "tile64x128">,
           %y: !kernel.view<["T", {0}], f32>):
        kernel.gemm rows "T" product %x : !kernel.view<["T", {1}], {2}>
            times %w : !kernel.view<[{0}, {1}], {2}, "tile64x128"> {{
        ^bb0(%acc: f32, %row: index, %feature: index):
          kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", {0}], f32>
        }}
      }})",
                                          outputs, depth, element()),
                              maxTokens);
    Array<float> y(tokens * outputs);
    ASSERT_NO_FATAL_FAILURE(library.run("gemm", {x, packed, y}, {tokens}));
    results.push_back(std::move(y));
  }
  EXPECT_TRUE(results[0] == results[1] && results[0] == results[2]);
}

TEST_P(GpuGemm, InputThatIsComputed) {
  // A gathered row, normalised with a sum that lies beside it in parts, scaled by a gain for each k; then rounded,
  // once.
  constexpr int64_t outputs = 66, tokens = 21, sources = 9, parts = 40;
  for (int64_t depth : {37, 72, 128}) {
    SCOPED_TRACE(depth);
    GpuLibrary library = load(fmt::format(R"(
      kernel.func @gemm {{
      ^bb0(%h: !kernel.view<["R", {1}], {2}>, %ids: !kernel.view<["T"], i32>, %squares: !kernel.view<["R", {3}], f32>,
           %gain: !kernel.view<[{1}], {2}>, %w: !kernel.view<[{0}, {1}], {2}, "tile64x128">,
           %y: !kernel.view<["T", {0}], f32>):
        kernel.gemm rows "T" product {{
        ^bb0(%row: index, %k: index):
          %id32 = kernel.load %ids[%row] : !kernel.view<["T"], i32>
          %id = arith.index_cast %id32 : i32 to index
          %x = kernel.load %h[%id, %k] : !kernel.view<["R", {1}], {2}>
          %g = kernel.load %gain[%k] : !kernel.view<[{1}], {2}>
          %s = kernel.row_sum %squares[%id] : !kernel.view<["R", {3}], f32>
          {4}
          kernel.yield %yield : {2}
        }} times %w : !kernel.view<[{0}, {1}], {2}, "tile64x128"> {{
        ^bb0(%acc: f32, %row: index, %feature: index):
          kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", {0}], f32>
        }}
      }})",
                                          outputs, depth, element(), parts,
                                          isBF16() ? R"(
          %xf = arith.extf %x : bf16 to f32
          %gf = arith.extf %g : bf16 to f32
          %a = arith.mulf %xf, %s : f32
          %b = arith.mulf %a, %gf : f32
          %yield = arith.truncf %b : f32 to bf16)"
                                                   : R"(
          %a = arith.mulf %x, %s : f32
          %yield = arith.mulf %a, %g : f32)"),
                              tokens);
    Numbers h = random(sources * depth, 1), gain = random(depth, 2), w = random(outputs * depth, 3);
    Array<float> squares = randomArray(sources * parts, 4), y(tokens * outputs), values(tokens * depth);
    Array<int32_t> ids(tokens);
    for (int64_t t = 0; t < tokens; ++t) {
      ids[t] = static_cast<int32_t>(t * 5 % sources);
      float sum = warpSum(&squares[ids[t] * parts], parts);
      for (int64_t k = 0; k < depth; ++k)
        values[t * depth + k] = h[ids[t] * depth + k] * sum * gain[k];
    }
    Numbers x(values, isBF16());
    ASSERT_NO_FATAL_FAILURE(
        library.run("gemm", {h, ids, squares, gain, tiled(w, 1, outputs, depth), y}, {tokens, 0, sources}));
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t n = 0; n < outputs; ++n)
        ASSERT_NO_FATAL_FAILURE(expectNear(y[t * outputs + n], expect(x.at(t * depth), w.at(n * depth), depth), t, n));
  }
}

TEST_P(GpuGemm, PairsGroupsAndSeveralProducts) {
  // Groups of 24 pairs end in the middle of a tile of 32: the sum of their products over the group goes back to each.
  constexpr int64_t pairs = 72, group = 24, depth = 80, other = 40, tokens = 11;
  GpuLibrary library = load(fmt::format(R"(
    kernel.func @gemm {{
    ^bb0(%x: !kernel.view<["T", {1}], {2}>, %z: !kernel.view<["T", {3}], {2}, "rows128">,
         %w: !kernel.view<[{4}, {1}], {2}, "tile64x128">, %v: !kernel.view<[{4}, {3}], {2}, "tile64x128">,
         %y: !kernel.view<["T", {0}, 2], f32>, %sums: !kernel.view<["T", 3], f32>):
      kernel.gemm rows "T" pairs {0} by 8 group {5}
          product %x : !kernel.view<["T", {1}], {2}> times %w : !kernel.view<[{4}, {1}], {2}, "tile64x128">
          product %z : !kernel.view<["T", {3}], {2}, "rows128"> times %v : !kernel.view<[{4}, {3}], {2}, "tile64x128"> {{
      ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %row: index, %feature: index):
        %c0 = arith.constant 0 : index
        %c1 = arith.constant 1 : index
        %width = arith.constant {5} : index
        %g = arith.divui %feature, %width : index
        %first = arith.addf %a, %c : f32
        %second = arith.addf %b, %d : f32
        %product = arith.mulf %first, %second : f32
        %s = kernel.sum %product : f32
        %left = arith.mulf %first, %s : f32
        kernel.store %left, %y[%row, %feature, %c0] : !kernel.view<["T", {0}, 2], f32>
        kernel.store %second, %y[%row, %feature, %c1] : !kernel.view<["T", {0}, 2], f32>
        kernel.store %s, %sums[%row, %g] : !kernel.view<["T", 3], f32>
      }}
    }})",
                                        pairs, depth, element(), other, 2 * pairs, group),
                            tokens);
  Array<float> first[2] = {widenBF16(roundToBF16(randomArray(pairs * depth, 1))),
                           widenBF16(roundToBF16(randomArray(pairs * depth, 2)))};
  Array<float> second[2] = {widenBF16(roundToBF16(randomArray(pairs * other, 3))),
                            widenBF16(roundToBF16(randomArray(pairs * other, 4)))};
  Numbers w(interleave(first[0], first[1], pairs, depth, 8), isBF16());
  Numbers v(interleave(second[0], second[1], pairs, other, 8), isBF16());
  Numbers x = random(tokens * depth, 5), z = random(tokens * other, 6);
  // Tokens in panels of 128 bytes of K for 16 rows, zero behind the last column.
  int64_t columns = isBF16() ? 64 : 32, chunk = columns / 8, steps = (other + columns - 1) / columns;
  Array<float> panel(steps * 16 * columns), y(tokens * pairs * 2), sums(tokens * 3);
  std::fill(panel.begin(), panel.end(), 0.0f);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t k = 0; k < other; ++k)
      panel[(k / columns * 16 + t) * columns + ((k % columns / chunk) ^ (t % 8)) * chunk + k % chunk] =
          z[t * other + k];
  ASSERT_NO_FATAL_FAILURE(library.run(
      "gemm", {x, Numbers(panel, isBF16()), tiled(w, 1, 2 * pairs, depth), tiled(v, 1, 2 * pairs, other), y, sums},
      {tokens}));
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t g = 0; g < pairs / group; ++g) {
      std::vector<float> products;
      std::vector<double> halves[2];
      for (int64_t n = g * group; n < (g + 1) * group; ++n) {
        for (int half = 0; half < 2; ++half) {
          float a = expect(x.at(t * depth), &first[half][n * depth], depth).value;
          float b = expect(z.at(t * other), &second[half][n * other], other).value;
          halves[half].push_back(a + b);
        }
        products.push_back(float(halves[0].back()) * float(halves[1].back()));
      }
      float sum = warpSum(products.data(), group), tolerance = isBF16() ? 2e-4f : 0;
      ASSERT_NEAR(sums[t * 3 + g], sum, tolerance) << t << " " << g;
      for (int64_t i = 0; i < group; ++i) {
        int64_t n = g * group + i;
        ASSERT_NEAR(y[(t * pairs + n) * 2], float(halves[0][i]) * sum, tolerance * 30) << t << " " << n;
        ASSERT_NEAR(y[(t * pairs + n) * 2 + 1], float(halves[1][i]), tolerance) << t << " " << n;
      }
    }
}

/// Experts [T, 2] of three; none chooses expert 1 in the first tokens.
Array<int32_t> choices(int64_t tokens) {
  Array<int32_t> experts(tokens * 2);
  for (int64_t t = 0; t < tokens; ++t) {
    experts[2 * t] = t % 5 == 4 ? 1 : 0;
    experts[2 * t + 1] = 2;
  }
  return experts;
}

TEST_P(GpuGemm, ExpertsThatAreFound) {
  // Two experts a token, scored on the way in, beside a product that all experts share.
  constexpr int64_t experts = 3, outputs = 40, depth = 96, most = 60;
  std::string score = isBF16() ? R"(
          %xf = arith.extf %u : bf16 to f32
          %m = arith.mulf %xf, %s : f32
          %yield = arith.truncf %m : f32 to bf16)"
                               : R"(
          %yield = arith.mulf %u, %s : f32)";
  for (int64_t maxTokens : {8, 60}) {
    GpuLibrary library = load(fmt::format(R"(
      kernel.func @gemm {{
      ^bb0(%x: !kernel.view<["T", {1}], {2}>, %e: !kernel.view<["T", 2], i32>, %scores: !kernel.view<["2*T"], f32>,
           %w: !kernel.view<[3, {0}, {1}], {2}, "tile64x128">, %v: !kernel.view<[{0}, {1}], {2}, "tile64x128">,
           %y: !kernel.view<["2*T", {0}], f32>):
        kernel.gemm rows "2*T" by %e : !kernel.view<["T", 2], i32> product {{
        ^bb0(%row: index, %k: index):
          %c2 = arith.constant 2 : index
          %token = arith.divui %row, %c2 : index
          %u = kernel.load %x[%token, %k] : !kernel.view<["T", {1}], {2}>
          %s = kernel.load %scores[%row] : !kernel.view<["2*T"], f32>
          {3}
          kernel.yield %yield : {2}
        }} times %w : !kernel.view<[3, {0}, {1}], {2}, "tile64x128"> product {{
        ^bb0(%row: index, %k: index):
          %c2 = arith.constant 2 : index
          %token = arith.divui %row, %c2 : index
          %u = kernel.load %x[%token, %k] : !kernel.view<["T", {1}], {2}>
          kernel.yield %u : {2}
        }} times %v : !kernel.view<[{0}, {1}], {2}, "tile64x128"> {{
        ^bb0(%a: f32, %b: f32, %row: index, %feature: index):
          %r = arith.addf %a, %b : f32
          kernel.store %r, %y[%row, %feature] : !kernel.view<["2*T", {0}], f32>
        }}
      }})",
                                          outputs, depth, element(), score),
                              maxTokens);
    Numbers w = random(experts * outputs * depth, 2), v = random(outputs * depth, 3);
    Array<float> scores = randomArray(2 * most, 4);
    for (int64_t tokens : {int64_t(1), int64_t(7), maxTokens}) {
      Numbers x = random(tokens * depth, 1);
      Array<int32_t> ids = choices(tokens);
      Array<float> y(tokens * 2 * outputs), scaled(tokens * 2 * depth);
      for (int64_t r = 0; r < 2 * tokens; ++r)
        for (int64_t k = 0; k < depth; ++k)
          scaled[r * depth + k] = x[r / 2 * depth + k] * scores[r];
      Numbers routed(scaled, isBF16());
      ASSERT_NO_FATAL_FAILURE(library.run(
          "gemm",
          {x, ids, Memory(scores).first(tokens * 8), tiled(w, experts, outputs, depth), tiled(v, 1, outputs, depth), y},
          {static_cast<uint32_t>(tokens)}));
      for (int64_t r = 0; r < 2 * tokens; ++r)
        for (int64_t n = 0; n < outputs; ++n) {
          Expected a = expect(routed.at(r * depth), w.at((ids[r] * outputs + n) * depth), depth);
          Expected b = expect(x.at(r / 2 * depth), v.at(n * depth), depth);
          Expected sum = {isBF16() ? a.value + b.value : double(float(a.value) + float(b.value)),
                          2 * (a.tolerance + b.tolerance)};
          ASSERT_NO_FATAL_FAILURE(expectNear(y[r * outputs + n], sum, r, n));
        }
    }
  }
}

TEST_P(GpuGemm, ExpertsWhoseRowsAreSorted) {
  // Offsets at multiples of 8 with fillers behind an expert's rows; one expert has none.
  constexpr int64_t outputs = 72, depth = 64, tokens = 30, experts = 3, places = 2 * tokens + 7 * experts;
  GpuLibrary library = load(fmt::format(R"(
    kernel.func @gemm {{
    ^bb0(%offsets: !kernel.view<[4], i32>, %order: !kernel.view<["2*T+21"], i32>,
         %x: !kernel.view<["2*T+21", {1}], {2}>, %w: !kernel.view<[3, {0}, {1}], {2}, "tile64x128">,
         %y: !kernel.view<["2*T", {0}], f32>):
      kernel.gemm rows "2*T+21" by %offsets : !kernel.view<[4], i32> sorted %order : !kernel.view<["2*T+21"], i32>
          product %x : !kernel.view<["2*T+21", {1}], {2}> times %w : !kernel.view<[3, {0}, {1}], {2}, "tile64x128"> {{
      ^bb0(%acc: f32, %place: index, %feature: index):
        %pair = kernel.load %order[%place] : !kernel.view<["2*T+21"], i32>
        %row = arith.index_castui %pair : i32 to index
        kernel.store %acc, %y[%row, %feature] : !kernel.view<["2*T", {0}], f32>
      }}
    }})",
                                        outputs, depth, element()),
                            tokens);
  Array<int32_t> offsets = {0, 40, 40, 64}, order(places);
  std::fill(order.begin(), order.end(), -1);
  for (int64_t i = 0; i < 37; ++i)
    order[i] = static_cast<int32_t>(59 - i);
  for (int64_t i = 0; i < 23; ++i)
    order[40 + i] = static_cast<int32_t>(i);
  Numbers x = random(places * depth, 1), w = random(experts * outputs * depth, 2);
  Array<float> y(2 * tokens * outputs);
  ASSERT_NO_FATAL_FAILURE(library.run("gemm", {offsets, order, x, tiled(w, experts, outputs, depth), y}, {tokens}));
  for (int64_t place = 0; place < places; ++place)
    for (int64_t n = 0; order[place] >= 0 && n < outputs; ++n)
      ASSERT_NO_FATAL_FAILURE(
          expectNear(y[order[place] * outputs + n],
                     expect(x.at(place * depth), w.at(((place < 40 ? 0 : 2) * outputs + n) * depth), depth), place, n));
}

INSTANTIATE_TEST_SUITE_P(Targets, GpuGemm, testing::Values(Form{"sm_80", true}, Form{"sm_80", false}, Form{"sm_90a", true}),
                         [](const auto &info) { return nameOf(info); });

} // namespace
