// SPDX-License-Identifier: Apache-2.0
//
// Products on a GPU against one scalar chain each: float32 bit for bit, bfloat16 within what the order inside a matrix
// instruction can change.
#include "../KernelHarness.h"

#include <fmt/format.h>

#include <cmath>

using namespace yupana;
using namespace yupana::test;

namespace {

class GpuGemm : public testing::TestWithParam<Form> {
protected:
  bool isBF16() const { return GetParam().isBF16; }
  const char *element() const { return GetParam().element(); }
  KernelLibrary load(const std::string &kernels, int64_t maxTokens) const {
    return KernelLibrary(GetParam().target, kernels, maxTokens);
  }
  Rules rules() const { return {GetParam()}; }
  Numbers random(size_t count, uint32_t seed) const { return rules().random(count, seed); }
  Numbers tiled(const Numbers &numbers, int64_t experts, int64_t outputs, int64_t depth) const {
    return rules().pack(numbers, experts, outputs, depth);
  }
  Expected expect(const float *input, const float *weight, int64_t depth) const {
    return rules().product(input, weight, depth);
  }
  void expectNear(float found, Expected expected, int64_t row, int64_t feature) const {
    ASSERT_TRUE(isNear(found, expected)) << "row " << row << " feature " << feature;
  }
};

TEST_P(GpuGemm, TailsOfOutputsDepthAndRows) {
  const std::pair<int64_t, int64_t> shapes[] = {{1, 1}, {5, 7}, {64, 64}, {65, 72}, {70, 129}, {130, 200}, {200, 33}};
  for (int64_t maxTokens : {8, 40})
    for (auto [outputs, depth] : shapes) {
      SCOPED_TRACE(fmt::format("T {} N {} K {}", maxTokens, outputs, depth));
      KernelLibrary library = load(fmt::format(R"(
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
    KernelLibrary library = load(fmt::format(R"(
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
    KernelLibrary library = load(fmt::format(R"(
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

/// Panels of 128 bytes of K for whole groups of eight rows, zero behind the last column and, for `fill`, the last row.
Numbers panelsOf(const Numbers &x, int64_t rows, int64_t depth, bool isBF16, float fill = 0) {
  int64_t columns = isBF16 ? 64 : 32, chunk = columns / 8, steps = (depth + columns - 1) / columns;
  int64_t padded = (rows + 7) / 8 * 8;
  Array<float> panel(steps * padded * columns);
  std::fill(panel.begin(), panel.end(), 0.0f);
  for (int64_t t = 0; t < padded; ++t)
    for (int64_t k = 0; k < depth; ++k)
      panel[(k / columns * padded + t) * columns + ((k % columns / chunk) ^ (t % 8)) * chunk + k % chunk] =
          t < rows ? x[t * depth + k] : fill;
  return Numbers(panel, isBF16);
}

struct PanelShape {
  int64_t outputs, depth, tokens;
};
/// One unit, and several of several steps; blocks alone and in clusters, which have the even numbers of 128 outputs;
/// rows for each of the instructions that a tile has.
constexpr PanelShape panelShapes[] = {{70, 40, 11}, {70, 40, 40}, {200, 328, 300}, {130, 72, 150}, {700, 136, 260}};

/// `config` is what stands among the attributes of the product. Rows behind the last one spoil no other.
void multiplyPanels(const Rules &rules, const std::string &config, const PanelShape &shape, Array<float> &y) {
  auto [outputs, depth, tokens] = shape;
  bool isBF16 = rules.form.isBF16;
  KernelLibrary library(rules.form.target,
                        fmt::format(R"(
    kernel.func @gemm {{
    ^bb0(%x: !kernel.view<["T", {1}], {2}, "rows128">, %w: !kernel.view<[{0}, {1}], {2}, "tile64x128">,
         %y: !kernel.view<["T", {0}], f32>):
      kernel.gemm rows "T" attributes {{{3}}} product %x : !kernel.view<["T", {1}], {2}, "rows128">
          times %w : !kernel.view<[{0}, {1}], {2}, "tile64x128"> {{
      ^bb0(%acc: f32, %row: index, %feature: index):
        kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", {0}], f32>
      }}
    }})",
                                    outputs, depth, rules.form.element(), config),
                        tokens);
  Numbers x = rules.random(tokens * depth, 6), w = rules.random(outputs * depth, 7);
  Numbers panels = panelsOf(x, tokens, depth, isBF16, /*fill=*/std::numeric_limits<float>::quiet_NaN());
  library.run("gemm", {panels, rules.pack(w, 1, outputs, depth), y}, {static_cast<uint32_t>(tokens)});
}

TEST_P(GpuGemm, ReadsPanelsOfTokens) {
  for (const PanelShape &shape : panelShapes) {
    SCOPED_TRACE(shape.tokens);
    auto [outputs, depth, tokens] = shape;
    Array<float> y(tokens * outputs);
    ASSERT_NO_FATAL_FAILURE(multiplyPanels(rules(), "", shape, y));
    Numbers x = random(tokens * depth, 6), w = random(outputs * depth, 7);
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t n = 0; n < outputs; ++n)
        ASSERT_NO_FATAL_FAILURE(expectNear(y[t * outputs + n], expect(x.at(t * depth), w.at(n * depth), depth), t, n));
  }
}

TEST_P(GpuGemm, WarpgroupsThatTakeTurnsAddAlike) {
  if (GetParam().target != "sm_90a")
    GTEST_SKIP() << "a form of sm_90a";
  for (const PanelShape &shape : panelShapes)
    for (auto [rows, stages] : {std::pair(32, 2), {128, 5}}) {
      SCOPED_TRACE(fmt::format("{} tokens, {} rows", shape.tokens, rows));
      bool pairs = (shape.outputs + 127) / 128 % 2 == 0;
      std::string config =
          fmt::format("config = #kernel.gpu<\"sm_90a\", form = pingpong, tile = 128 x {} x 64, stages = "
                      "{}, threads = 384, blocks = 1, rows = 1, cluster = {}>",
                      rows, stages, pairs ? 2 : 1);
      Array<float> y(shape.tokens * shape.outputs), usual(shape.tokens * shape.outputs);
      ASSERT_NO_FATAL_FAILURE(multiplyPanels(rules(), config, shape, y));
      ASSERT_NO_FATAL_FAILURE(multiplyPanels(rules(), "", shape, usual));
      ASSERT_TRUE(std::equal(y.begin(), y.end(), usual.begin()));
    }
}

TEST_P(GpuGemm, PanelsOfExpertsAndNeighboursOfOneLaunch) {
  // Two members of a launch: experts of no, few and many rows, which scatter, and all rows. With few tokens the tiles
  // of experts are smaller, and each member has blocks of its own; else they share all blocks. The epilogue adds over
  // groups of 128 features.
  for (uint32_t tokens : {180, 400}) {
    SCOPED_TRACE(tokens);
    constexpr int64_t outputs = 256, depth = 136, experts = 3;
    int64_t places = tokens + 7 * experts;
    KernelLibrary library = load(fmt::format(R"(
    kernel.func @gemms {{
    ^bb0(%offsets: !kernel.view<[4], i32>, %order: !kernel.view<["T+21"], i32>,
         %p: !kernel.view<["T+21", {1}], {2}, "rows128">, %w: !kernel.view<[3, {0}, {1}], {2}, "tile64x128">,
         %y: !kernel.view<["T", {0}], f32>, %x: !kernel.view<["T", {1}], {2}, "rows128">,
         %v: !kernel.view<[{0}, {1}], {2}, "tile64x128">, %z: !kernel.view<["T", 2], f32>):
      kernel.parallel {{
        kernel.gemm rows "T+21" by %offsets : !kernel.view<[4], i32> sorted %order : !kernel.view<["T+21"], i32>
            product %p : !kernel.view<["T+21", {1}], {2}, "rows128">
            times %w : !kernel.view<[3, {0}, {1}], {2}, "tile64x128"> {{
        ^bb0(%acc: f32, %place: index, %feature: index):
          %pair = kernel.load %order[%place] : !kernel.view<["T+21"], i32>
          %row = arith.index_castui %pair : i32 to index
          kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", {0}], f32>
        }}
        kernel.gemm rows "T" group 128 attributes {{numerics = #kernel.numerics<range = all, order = {3}, partials = 32>}}
            product %x : !kernel.view<["T", {1}], {2}, "rows128">
            times %v : !kernel.view<[{0}, {1}], {2}, "tile64x128"> {{
        ^bb0(%acc: f32, %row: index, %feature: index):
          %sum = kernel.sum %acc : f32
          %c128 = arith.constant 128 : index
          %group = arith.divui %feature, %c128 : index
          kernel.store %sum, %z[%row, %group] : !kernel.view<["T", 2], f32>
        }}
      }}
    }})",
                                             outputs, depth, element(), isBF16() ? "matrix_blocks" : "ascending"),
                                 tokens);
    // The first expert has 9 rows, the second none, the third all others.
    Array<int32_t> offsets = {0, 16, 16, static_cast<int32_t>((tokens + 7) / 8 * 8 + 8)}, order(places);
    std::fill(order.begin(), order.end(), -1);
    for (int64_t i = 0; i < tokens; ++i)
      order[i < 9 ? i : i + 7] = static_cast<int32_t>(tokens - 1 - i);
    Numbers p = random(places * depth, 1), w = random(experts * outputs * depth, 2);
    Numbers x = random(tokens * depth, 3), v = random(outputs * depth, 4);
    Array<float> y(tokens * outputs), z(tokens * 2);
    ASSERT_NO_FATAL_FAILURE(
        library.run("gemms",
                    {offsets, order, panelsOf(p, places, depth, isBF16()), tiled(w, experts, outputs, depth), y,
                     panelsOf(x, tokens, depth, isBF16()), tiled(v, 1, outputs, depth), z},
                    {tokens}));
    for (int64_t place = 0; place < places; ++place)
      for (int64_t n = 0; order[place] >= 0 && n < outputs; ++n)
        ASSERT_NO_FATAL_FAILURE(expectNear(
            y[order[place] * outputs + n],
            expect(p.at(place * depth), w.at(((place < 16 ? 0 : 2) * outputs + n) * depth), depth), place, n));
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t group = 0; group < 2; ++group) {
        Expected sum = {};
        for (int64_t n = group * 128; n < (group + 1) * 128; ++n) {
          Expected one = expect(x.at(t * depth), v.at(n * depth), depth);
          sum = {sum.value + one.value, sum.tolerance + one.tolerance};
        }
        EXPECT_NEAR(z[t * 2 + group], sum.value, sum.tolerance + 1e-3) << "row " << t << " group " << group;
      }
  }
}

TEST_P(GpuGemm, ExpertsWhoseRowsAreSorted) {
  // Offsets at multiples of 8 with fillers behind an expert's rows; one expert has none.
  constexpr int64_t outputs = 72, depth = 64, tokens = 30, experts = 3, places = 2 * tokens + 7 * experts;
  KernelLibrary library = load(fmt::format(R"(
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

INSTANTIATE_TEST_SUITE_P(Targets, GpuGemm,
                         testing::Values(Form{"sm_80", true}, Form{"sm_80", false}, Form{"sm_90a", true}),
                         [](const auto &info) { return nameOf(info); });

} // namespace
