// SPDX-License-Identifier: Apache-2.0
//
// Products by expert, in pairs, over groups, several at once and side by side with others, bit for bit.
#include "CodegenHarness.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace yupana;
using namespace yupana::test;

namespace {

class GemmForms : public testing::TestWithParam<Form> {
protected:
  bool isBF16() const { return GetParam().isBF16; }
  const char *element() const { return GetParam().element(); }
  const char *layout() const { return GetParam().layout(); }
  std::unique_ptr<Library> load(const std::string &kernels) const { return test::load(GetParam().target, kernels); }
  Numbers random(size_t count, uint32_t seed) const { return Numbers(randomArray(count, seed), isBF16()); }
  float product(const Numbers &x, int64_t row, const Numbers &w, int64_t output, int64_t depth) const {
    return chain(x.at(row * depth), w.at(output * depth), depth, GetParam());
  }
};

/// Rows of pairs of `first` and `second` [experts][features][depth], alternating by `run`, filled up with zeros.
Array<float> interleave(const Numbers &first, const Numbers &second, int64_t experts, int64_t features, int64_t depth,
                        int64_t run = 16) {
  int64_t rows = (features + run - 1) / run * 2 * run;
  Array<float> both(experts * rows * depth);
  std::fill(both.begin(), both.end(), 0.0f);
  for (int64_t e = 0; e < experts; ++e)
    for (int64_t f = 0; f < features; ++f)
      for (int64_t k = 0; k < depth; ++k) {
        int64_t row = e * rows + f / run * 2 * run + f % run, from = (e * features + f) * depth + k;
        both[row * depth + k] = first[from];
        both[(row + run) * depth + k] = second[from];
      }
  return both;
}

/// Choices without order: expert 2 gets none, the last one most of them.
Array<int32_t> someExperts(int64_t pairs, int32_t experts) {
  std::mt19937 generator(3);
  Array<int32_t> chosen(pairs);
  for (int32_t &expert : chosen) {
    do
      expert = generator() % 5 ? experts - 1 : static_cast<int32_t>(generator() % experts);
    while (expert == 2);
  }
  return chosen;
}

TEST_P(GemmForms, RowsMeetTheWeightOfTheirExpert) {
  // The last expert has more rows than a block of 264 holds.
  constexpr int64_t experts = 5, outputs = 43, depth = 21, tokens = 250, pairs = 2 * tokens;
  Array<int32_t> chosen = someExperts(pairs, experts);
  ASSERT_GT(std::count(chosen.begin(), chosen.end(), experts - 1), 264);
  Numbers x = random(pairs * depth, 5), w = random(experts * outputs * depth, 6);
  for (int64_t rows : {8, 264, 600}) {
    SCOPED_TRACE(rows);
    auto library = load(fmt::format(R"(
      kernel.func @gemm {{
      ^bb0(%x: !kernel.view<["2*T", {1}], {3}>, %w: !kernel.view<[{2}, {0}, {1}], {3}, "{4}">,
           %e: !kernel.view<["T", 2], i32>, %y: !kernel.view<["2*T", {0}], f32>):
        kernel.gemm rows "2*T" by %e : !kernel.view<["T", 2], i32>
            attributes {{config = #kernel.x86<%TILE%, rows = {5}>}}
            product %x : !kernel.view<["2*T", {1}], {3}> times %w : !kernel.view<[{2}, {0}, {1}], {3}, "{4}"> {{
        ^bb0(%acc: f32, %row: index, %feature: index):
          kernel.store %acc, %y[%row, %feature] : !kernel.view<["2*T", {0}], f32>
        }}
      }})",
                                    outputs, depth, experts, element(), layout(), rows));
    Array<float> y(pairs * outputs);
    library->run("gemm", {x, w.packed(experts, outputs, depth), chosen, y}, {tokens}, experts * 2);
    for (int64_t t = 0; t < pairs; ++t)
      for (int64_t n = 0; n < outputs; ++n)
        ASSERT_EQ(bitsOf(y[t * outputs + n]), bitsOf(product(x, t, w, chosen[t] * outputs + n, depth))) << t;
    EXPECT_TRUE(y.tailIntact());
    // A step of one token, and of none.
    for (uint32_t few : {1u, 0u}) {
      Array<float> short_(2 * few * outputs);
      library->run("gemm", {x, w.packed(experts, outputs, depth), chosen, short_}, {few}, experts * 2);
      EXPECT_EQ(0, std::memcmp(short_.begin(), y.begin(), short_.size() * 4));
      EXPECT_TRUE(short_.tailIntact());
    }
  }
}

/// Rows as kernel.group sorts them: one product stores them in order, another scatters them.
TEST_P(GemmForms, SortedRowsMeetTheWeightOfTheirExpert) {
  constexpr int64_t experts = 5, outputs = 43, tokens = 250, pairs = 2 * tokens, places = pairs + 7 * experts;
  Array<int32_t> chosen = someExperts(pairs, experts), offsets(experts + 1), order(places);
  std::fill(order.begin(), order.end(), -1);
  int32_t place = 0;
  for (int32_t expert = 0; expert < experts; ++expert) {
    offsets[expert] = place;
    for (int32_t pair = 0; pair < pairs; ++pair)
      if (chosen[pair] == expert)
        order[place++] = pair;
    place = (place + 7) / 8 * 8;
  }
  offsets[experts] = place;
  for (int64_t depth : {21, 24})
    for (int64_t rows : {8, 264, 600}) {
      SCOPED_TRACE(fmt::format("depth {} rows {}", depth, rows));
      auto library = load(fmt::format(R"(
        kernel.func @gemm {{
        ^bb0(%x: !kernel.view<["2*T+35", {1}], {3}>, %w: !kernel.view<[{2}, {0}, {1}], {3}, "{4}">,
             %o: !kernel.view<[6], i32>, %r: !kernel.view<["2*T+35"], i32>, %y: !kernel.view<["2*T+35", {0}], f32>,
             %z: !kernel.view<["2*T", {0}], f32>):
          kernel.gemm rows "2*T+35" by %o : !kernel.view<[6], i32> sorted %r : !kernel.view<["2*T+35"], i32>
              attributes {{config = #kernel.x86<%TILE%, rows = {5}>}}
              product %x : !kernel.view<["2*T+35", {1}], {3}> times %w : !kernel.view<[{2}, {0}, {1}], {3}, "{4}"> {{
          ^bb0(%acc: f32, %place: index, %feature: index):
            kernel.store %acc, %y[%place, %feature] : !kernel.view<["2*T+35", {0}], f32>
            %pair = kernel.load %r[%place] : !kernel.view<["2*T+35"], i32>
            %row = arith.index_castui %pair : i32 to index
            kernel.store %acc, %z[%row, %feature] : !kernel.view<["2*T", {0}], f32>
          }}
        }})",
                                      outputs, depth, experts, element(), layout(), rows));
      Numbers x = random(places * depth, 5), w = random(experts * outputs * depth, 6);
      Array<float> y(places * outputs), z(pairs * outputs), untouched(outputs);
      library->run("gemm", {x, w.packed(experts, outputs, depth), offsets, order, y, z}, {tokens}, experts * 2);
      for (int64_t t = 0; t < places; ++t) {
        if (order[t] < 0) {
          ASSERT_EQ(0, std::memcmp(&y[t * outputs], untouched, outputs * 4)) << "filler " << t;
          continue;
        }
        for (int64_t n = 0; n < outputs; ++n) {
          uint32_t expected = bitsOf(product(x, t, w, chosen[order[t]] * outputs + n, depth));
          ASSERT_EQ(bitsOf(y[t * outputs + n]), expected) << t;
          ASSERT_EQ(bitsOf(z[order[t] * outputs + n]), expected) << t;
        }
      }
      EXPECT_TRUE(y.tailIntact() && z.tailIntact());
    }
}

TEST_P(GemmForms, InputOfAnExpertIsTheScaledRowOfItsToken) {
  constexpr int64_t experts = 4, outputs = 32, depth = 45, tokens = 60, pairs = 2 * tokens;
  auto library = load(fmt::format(R"(
    kernel.func @gemm {{
    ^bb0(%x: !kernel.view<["T", {1}], {3}>, %s: !kernel.view<["T", 2], f32>,
         %w: !kernel.view<[{2}, {0}, {1}], {3}, "{4}">, %e: !kernel.view<["T", 2], i32>,
         %y: !kernel.view<["2*T", {0}], f32>):
      kernel.gemm rows "2*T" by %e : !kernel.view<["T", 2], i32>
          attributes {{config = #kernel.x86<%TILE%, rows = 16>}} product {{
      ^bb0(%row: index, %k: index):
        %two = arith.constant 2 : index
        %token = arith.divui %row, %two : index
        %choice = arith.remui %row, %two : index
        %v = kernel.load %x[%token, %k] : !kernel.view<["T", {1}], {3}>
        %score = kernel.load %s[%token, %choice] : !kernel.view<["T", 2], f32>
        {5}
      }} times %w : !kernel.view<[{2}, {0}, {1}], {3}, "{4}"> {{
      ^bb0(%acc: f32, %row: index, %feature: index):
        kernel.store %acc, %y[%row, %feature] : !kernel.view<["2*T", {0}], f32>
      }}
    }})",
                                  outputs, depth, experts, element(), layout(),
                                  isBF16() ? "%a = arith.extf %v : bf16 to f32\n %b = arith.mulf %a, %score : f32\n"
                                             "%c = arith.truncf %b : f32 to bf16\n kernel.yield %c : bf16"
                                           : "%c = arith.mulf %v, %score : f32\n kernel.yield %c : f32"));
  Numbers x = random(tokens * depth, 7), w = random(experts * outputs * depth, 8);
  Array<float> scores = randomArray(pairs, 9), y(pairs * outputs), scaled(pairs * depth);
  Array<int32_t> chosen = someExperts(pairs, experts);
  for (int64_t i = 0; i < pairs * depth; ++i)
    scaled[i] = x[i / depth / 2 * depth + i % depth] * scores[i / depth];
  Numbers input(scaled, isBF16());
  library->run("gemm", {x, scores, w.packed(experts, outputs, depth), chosen, y}, {tokens}, experts);
  for (int64_t t = 0; t < pairs; ++t)
    for (int64_t n = 0; n < outputs; ++n)
      ASSERT_EQ(bitsOf(y[t * outputs + n]), bitsOf(product(input, t, w, chosen[t] * outputs + n, depth))) << t;
  EXPECT_TRUE(y.tailIntact());
}

TEST_P(GemmForms, PairsAreFeaturesOfTwoHalves) {
  // By 16, as x86 has them, and by less, as targets whose threads hold fewer rows: pairs of one panel in other places.
  constexpr int64_t depth = 23, tokens = 21;
  for (auto [features, run] : std::vector<std::pair<int64_t, int64_t>>{
           {1, 16}, {15, 16}, {16, 16}, {17, 16}, {24, 16}, {40, 16}, {7, 8}, {24, 8}, {41, 8}, {19, 1}, {21, 4}}) {
    SCOPED_TRACE(testing::Message() << features << " by " << run);
    int64_t rows = (features + run - 1) / run * 2 * run;
    auto library = load(fmt::format(R"(
      kernel.func @gemm {{
      ^bb0(%x: !kernel.view<["T", {1}], {3}>, %w: !kernel.view<[{2}, {1}], {3}, "{4}">,
           %y: !kernel.view<["T", {0}], f32>, %z: !kernel.view<["T", {0}], f32>):
        kernel.gemm rows "T" pairs {0} by {5} attributes {{config = #kernel.x86<%TILE%, rows = 16>}}
            product %x : !kernel.view<["T", {1}], {3}> times %w : !kernel.view<[{2}, {1}], {3}, "{4}"> {{
        ^bb0(%a: f32, %b: f32, %row: index, %feature: index):
          kernel.store %a, %y[%row, %feature] : !kernel.view<["T", {0}], f32>
          kernel.store %b, %z[%row, %feature] : !kernel.view<["T", {0}], f32>
        }}
      }})",
                                    features, depth, rows, element(), layout(), run));
    Numbers x = random(tokens * depth, 10), gate = random(features * depth, 11), up = random(features * depth, 12);
    Numbers w(interleave(gate, up, 1, features, depth, run), isBF16());
    Array<float> y(tokens * features), z(tokens * features);
    library->run("gemm", {x, w.packed(1, rows, depth), y, z}, {tokens}, static_cast<uint32_t>((rows + 31) / 32 * 2));
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t f = 0; f < features; ++f) {
        ASSERT_EQ(bitsOf(y[t * features + f]), bitsOf(product(x, t, gate, f, depth))) << t << " " << f;
        ASSERT_EQ(bitsOf(z[t * features + f]), bitsOf(product(x, t, up, f, depth))) << t << " " << f;
      }
    EXPECT_TRUE(y.tailIntact() && z.tailIntact());
  }
}

/// The cells of a launch for one range of rows: whole panels and whole groups.
uint32_t cellsOf(int64_t features, int64_t panel, int64_t group) {
  int64_t cell = std::lcm(panel, group);
  return static_cast<uint32_t>((features + cell - 1) / cell);
}

TEST_P(GemmForms, SumsOverGroupsOfFeatures) {
  // Groups that begin and end within panels, that hold several, and a last one that is shorter.
  constexpr int64_t depth = 18, tokens = 19;
  for (int64_t group : {8, 12, 16, 24, 32, 64})
    for (int64_t features : {3 * group, 2 * group + 5}) {
      SCOPED_TRACE(fmt::format("{} features in groups of {}", features, group));
      auto library = load(fmt::format(R"(
        kernel.func @gemm {{
        ^bb0(%x: !kernel.view<["T", {1}], {3}>, %w: !kernel.view<[{0}, {1}], {3}, "{4}">,
             %y: !kernel.view<["T", {0}], f32>, %z: !kernel.view<["T", {0}], f32>):
          kernel.gemm rows "T" group {2} attributes {{config = #kernel.x86<%TILE%, rows = 8>}}
              product %x : !kernel.view<["T", {1}], {3}> times %w : !kernel.view<[{0}, {1}], {3}, "{4}"> {{
          ^bb0(%a: f32, %row: index, %feature: index):
            %sum = kernel.sum %a : f32
            kernel.store %sum, %y[%row, %feature] : !kernel.view<["T", {0}], f32>
            kernel.store %a, %z[%row, %feature] : !kernel.view<["T", {0}], f32>
          }}
        }})",
                                      features, depth, group, element(), layout()));
      Numbers x = random(tokens * depth, 13), w = random(features * depth, 14);
      Array<float> y(tokens * features), z(tokens * features), row(features);
      library->run("gemm", {x, w.packed(1, features, depth), y, z}, {tokens}, 3 * cellsOf(features, 32, group));
      for (int64_t t = 0; t < tokens; ++t) {
        for (int64_t f = 0; f < features; ++f)
          row[f] = product(x, t, w, f, depth);
        for (int64_t f = 0; f < features; ++f) {
          int64_t first = f / group * group;
          ASSERT_EQ(bitsOf(y[t * features + f]), bitsOf(treeSum(&row[first], std::min(group, features - first)))) << f;
          ASSERT_EQ(bitsOf(z[t * features + f]), bitsOf(row[f])) << f;
        }
      }
      EXPECT_TRUE(y.tailIntact() && z.tailIntact());
    }
}

TEST_P(GemmForms, SumsOverGroupsOfPairsOfExperts) {
  // The root of a group's mean square, as a norm of heads of a rotated pair would need it.
  constexpr int64_t depth = 18, tokens = 40, experts = 3;
  Array<int32_t> chosen = someExperts(tokens, experts);
  for (int64_t group : {8, 12, 16, 24, 32, 64}) {
    int64_t features = 2 * group + (group % 16 ? 3 : 0), rows = (features + 15) / 16 * 32;
    SCOPED_TRACE(fmt::format("{} pairs in groups of {}", features, group));
    auto library = load(fmt::format(R"(
      kernel.func @gemm {{
      ^bb0(%x: !kernel.view<["T", {1}], {3}>, %w: !kernel.view<[3, {5}, {1}], {3}, "{4}">,
           %e: !kernel.view<["T", 1], i32>, %y: !kernel.view<["T", {0}], f32>):
        kernel.gemm rows "T" by %e : !kernel.view<["T", 1], i32> pairs {0} by 16 group {2}
            attributes {{config = #kernel.x86<%TILE%, rows = 8>}}
            product %x : !kernel.view<["T", {1}], {3}> times %w : !kernel.view<[3, {5}, {1}], {3}, "{4}"> {{
        ^bb0(%a: f32, %b: f32, %row: index, %feature: index):
          %aa = arith.mulf %a, %a : f32
          %sum = kernel.sum %aa : f32
          %root = math.sqrt %sum : f32
          %q = arith.divf %b, %root : f32
          kernel.store %q, %y[%row, %feature] : !kernel.view<["T", {0}], f32>
        }}
      }})",
                                    features, depth, group, element(), layout(), rows));
    Numbers x = random(tokens * depth, 15), a = random(3 * features * depth, 16), b = random(3 * features * depth, 17);
    Numbers w(interleave(a, b, experts, features, depth), isBF16());
    Array<float> y(tokens * features), squares(features);
    library->run("gemm", {x, w.packed(experts, rows, depth), chosen, y}, {tokens},
                 experts * cellsOf(features, 16, group));
    for (int64_t t = 0; t < tokens; ++t) {
      for (int64_t f = 0; f < features; ++f) {
        float first = product(x, t, a, chosen[t] * features + f, depth);
        squares[f] = first * first;
      }
      for (int64_t f = 0; f < features; ++f) {
        int64_t first = f / group * group;
        float root = std::sqrt(treeSum(&squares[first], std::min(group, features - first)));
        float second = product(x, t, b, chosen[t] * features + f, depth);
        ASSERT_EQ(bitsOf(y[t * features + f]), bitsOf(second / root)) << t << " " << f;
      }
    }
    EXPECT_TRUE(y.tailIntact());
  }
}

TEST_P(GemmForms, ProductsWhoseAccumulatorsMeet) {
  // A routed and a shared expert of other depths and inputs: one by choice, one for all.
  constexpr int64_t experts = 4, outputs = 50, depth = 21, sharedDepth = 34, tokens = 70;
  auto library = load(fmt::format(R"(
    kernel.func @gemm {{
    ^bb0(%x: !kernel.view<["T", {1}], {3}>, %u: !kernel.view<["T", {2}], {3}>,
         %w: !kernel.view<[4, {0}, {1}], {3}, "{4}">, %v: !kernel.view<[{0}, {2}], {3}, "{4}">,
         %e: !kernel.view<["T", 1], i32>, %h: !kernel.view<["T", {0}], f32>, %y: !kernel.view<["T", {0}], f32>):
      kernel.gemm rows "T" by %e : !kernel.view<["T", 1], i32> attributes {{config = #kernel.x86<%TILE%, rows = 16>}}
          product %x : !kernel.view<["T", {1}], {3}> times %w : !kernel.view<[4, {0}, {1}], {3}, "{4}">
          product %u : !kernel.view<["T", {2}], {3}> times %v : !kernel.view<[{0}, {2}], {3}, "{4}"> {{
      ^bb0(%routed: f32, %shared: f32, %row: index, %feature: index):
        %old = kernel.load %h[%row, %feature] : !kernel.view<["T", {0}], f32>
        %both = arith.addf %shared, %routed : f32
        %new = arith.addf %old, %both : f32
        kernel.store %new, %y[%row, %feature] : !kernel.view<["T", {0}], f32>
      }}
    }})",
                                  outputs, depth, sharedDepth, element(), layout()));
  Numbers x = random(tokens * depth, 18), u = random(tokens * sharedDepth, 19);
  Numbers w = random(experts * outputs * depth, 20), v = random(outputs * sharedDepth, 21);
  Array<int32_t> chosen = someExperts(tokens, experts);
  Array<float> h = randomArray(tokens * outputs, 22), y(tokens * outputs);
  library->run("gemm", {x, u, w.packed(experts, outputs, depth), v.packed(1, outputs, sharedDepth), chosen, h, y},
               {tokens}, experts * 2);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t n = 0; n < outputs; ++n) {
      float both = product(u, t, v, n, sharedDepth) + product(x, t, w, chosen[t] * outputs + n, depth);
      ASSERT_EQ(bitsOf(y[t * outputs + n]), bitsOf(h[t * outputs + n] + both)) << t << " " << n;
    }
  EXPECT_TRUE(y.tailIntact());
}

TEST_P(GemmForms, MembersSideBySide) {
  // A map, a product by expert and a plain one share a launch; ranges of cells begin and end anywhere.
  constexpr int64_t experts = 4, outputs = 70, depth = 21, tokens = 30;
  auto library = load(fmt::format(R"(
    kernel.func @members {{
    ^bb0(%x: !kernel.view<["T", {1}], {2}>, %w: !kernel.view<[4, {0}, {1}], {2}, "{3}">,
         %v: !kernel.view<[{0}, {1}], {2}, "{3}">, %e: !kernel.view<["T", 1], i32>, %a: !kernel.view<["T"], i32>,
         %y: !kernel.view<["T", {0}], f32>, %z: !kernel.view<["T", {0}], f32>):
      kernel.parallel {{
        kernel.map rows "T" groups 1 width 1
            attributes {{config = #kernel.x86<%TILE%, rows = 4>, grid = #kernel.grid<"T", 4, "ceildiv">}} {{
        ^bb0(%row: index, %group: index, %lane: index):
          %i = arith.index_cast %row : index to i32
          kernel.store %i, %a[%row] : !kernel.view<["T"], i32>
        }}
        kernel.gemm rows "T" by %e : !kernel.view<["T", 1], i32>
            attributes {{config = #kernel.x86<%TILE%, rows = 16>, grid = #kernel.grid<3, 4, "*">}}
            product %x : !kernel.view<["T", {1}], {2}> times %w : !kernel.view<[4, {0}, {1}], {2}, "{3}"> {{
        ^bb0(%acc: f32, %row: index, %feature: index):
          kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", {0}], f32>
        }}
        kernel.gemm rows "T"
            attributes {{config = #kernel.x86<%TILE%, rows = 8>, grid = #kernel.grid<"T", 8, "ceildiv", 3, "*">}}
            product %x : !kernel.view<["T", {1}], {2}> times %v : !kernel.view<[{0}, {1}], {2}, "{3}"> {{
        ^bb0(%acc: f32, %row: index, %feature: index):
          kernel.store %acc, %z[%row, %feature] : !kernel.view<["T", {0}], f32>
        }}
      }}
    }})",
                                  outputs, depth, element(), layout()));
  constexpr uint32_t cells = 8 + 12 + 12;
  Numbers x = random(tokens * depth, 23), w = random(experts * outputs * depth, 24), v = random(outputs * depth, 25);
  Numbers packedW = w.packed(experts, outputs, depth), packedV = v.packed(1, outputs, depth);
  Array<int32_t> chosen = someExperts(tokens, experts);
  for (uint32_t length : {1u, 3u, 5u, 11u, cells}) {
    SCOPED_TRACE(length);
    Array<int32_t> a(tokens);
    Array<float> y(tokens * outputs), z(tokens * outputs);
    for (uint32_t first = 0; first < cells; first += length)
      library->runRange("members", {x, packedW, packedV, chosen, a, y, z}, {tokens}, first,
                        std::min(cells, first + length));
    for (int64_t t = 0; t < tokens; ++t) {
      ASSERT_EQ(a[t], t);
      for (int64_t n = 0; n < outputs; ++n) {
        ASSERT_EQ(bitsOf(y[t * outputs + n]), bitsOf(product(x, t, w, chosen[t] * outputs + n, depth))) << t;
        ASSERT_EQ(bitsOf(z[t * outputs + n]), bitsOf(product(x, t, v, n, depth))) << t;
      }
    }
    EXPECT_TRUE(a.tailIntact() && y.tailIntact() && z.tailIntact());
  }
  // One cell writes what is its own and nothing else; the products of experts come last.
  Array<int32_t> a(tokens), untouched(tokens);
  Array<float> y(tokens * outputs), z(tokens * outputs), none(tokens * outputs);
  library->runRange("members", {x, packedW, packedV, chosen, a, y, z}, {tokens}, 8, 8 + 1);
  EXPECT_TRUE(a == untouched && y == none);
  EXPECT_EQ(bitsOf(z[31]), bitsOf(product(x, 0, v, 31, depth)));
  EXPECT_EQ(bitsOf(z[32]), ~0u);
  EXPECT_EQ(bitsOf(z[8 * outputs]), ~0u);
}

INSTANTIATE_TEST_SUITE_P(Targets, GemmForms, testing::ValuesIn(runnableForms()),
                         [](const auto &info) { return nameOf(info); });

} // namespace
