// SPDX-License-Identifier: Apache-2.0
//
// Maps of every target: sums over lanes, index arithmetic, packed weights, functions without an instruction.
#include "KernelHarness.h"

#include <fmt/format.h>

#include <cmath>

using namespace yupana;
using namespace yupana::test;

namespace {

/// Of a step, for targets that cut by it.
constexpr int64_t maxTokens = 16;

class Map : public testing::TestWithParam<std::string> {
protected:
  Rules rules{{GetParam(), false}}, halfRules{{GetParam(), true}};
};

/// Doubles of float32 accuracy: within `ulps` units in the last place of the larger of value and `scale`.
testing::AssertionResult near(float found, double expected, double ulps = 8, double scale = 0) {
  double unit = std::max(std::abs(expected), scale) * 0x1p-23;
  if (std::abs(found - expected) <= ulps * unit)
    return testing::AssertionSuccess();
  return testing::AssertionFailure() << fmt::format("found {}, expected {}", found, expected);
}

TEST_P(Map, SumThatFollowsASum) {
  // (x - mean) / sqrt(variance + 1e-5) · gain, for every group of a row.
  constexpr int64_t tokens = 7, groups = 3;
  for (int64_t width : {1, 5, 16, 24, 32, 67}) {
    SCOPED_TRACE(width);
    KernelLibrary library(GetParam(),
                          fmt::format(R"(
      kernel.func @norm {{
      ^bb0(%x: !kernel.view<["T", {1}, {0}], f32>, %g: !kernel.view<[{0}], f32>,
           %y: !kernel.view<["T", {1}, {0}], f32>):
        kernel.map rows "T" groups {1} width {0} {{
        ^bb0(%row: index, %group: index, %lane: index):
          %v = kernel.load %x[%row, %group, %lane] : !kernel.view<["T", {1}, {0}], f32>
          %n = arith.constant {0}.0 : f32
          %eps = arith.constant 1.0e-5 : f32
          %s = kernel.sum %v : f32
          %mean = arith.divf %s, %n : f32
          %c = arith.subf %v, %mean : f32
          %c2 = arith.mulf %c, %c : f32
          %s2 = kernel.sum %c2 : f32
          %var = arith.divf %s2, %n : f32
          %e = arith.addf %var, %eps : f32
          %r = math.sqrt %e : f32
          %q = arith.divf %c, %r : f32
          %gain = kernel.load %g[%lane] : !kernel.view<[{0}], f32>
          %out = arith.mulf %q, %gain : f32
          kernel.store %out, %y[%row, %group, %lane] : !kernel.view<["T", {1}, {0}], f32>
        }}
      }})",
                                      width, groups),
                          maxTokens, /*rowsPerCell=*/3);
    Array<float> x = randomArray(tokens * groups * width, 1), gain = randomArray(width, 2), y(tokens * groups * width);
    library.run("norm", {x, gain, y}, {tokens});
    for (int64_t g = 0; g < tokens * groups; ++g) {
      double mean = 0, variance = 0;
      for (int64_t i = 0; i < width; ++i)
        mean += x[g * width + i] / double(width);
      for (int64_t i = 0; i < width; ++i)
        variance += (x[g * width + i] - mean) * (x[g * width + i] - mean) / width;
      for (int64_t i = 0; i < width; ++i)
        ASSERT_TRUE(near(y[g * width + i], (x[g * width + i] - mean) / std::sqrt(variance + 1e-5) * gain[i], 32, 1));
    }
    EXPECT_TRUE(y.tailIntact());
    // The bits of a row depend neither on its place in the step nor on the cell it is in.
    for (int64_t t = 0; t < tokens; ++t) {
      Array<float> row(groups * width), out(groups * width);
      std::copy_n(&x[t * groups * width], groups * width, row.begin());
      library.run("norm", {row, gain, out}, {1});
      ASSERT_EQ(0, std::memcmp(out.begin(), &y[t * groups * width], groups * width * 4));
    }
  }
}

TEST_P(Map, SumsAddPartialSumsInATree) {
  constexpr int64_t width = 45;
  KernelLibrary library(GetParam(), R"(
    kernel.func @sum {
    ^bb0(%x: !kernel.view<["T", 45], f32>, %y: !kernel.view<["T"], f32>):
      kernel.map rows "T" groups 1 width 45 {
      ^bb0(%row: index, %group: index, %lane: index):
        %v = kernel.load %x[%row, %lane] : !kernel.view<["T", 45], f32>
        %s = kernel.sum %v : f32
        kernel.store %s, %y[%row] : !kernel.view<["T"], f32>
      }
    })",
                        maxTokens, /*rowsPerCell=*/1);
  Array<float> x = randomArray(4 * width, 3), y(4);
  library.run("sum", {x, y}, {4});
  for (int64_t t = 0; t < 4; ++t)
    EXPECT_EQ(bitsOf(y[t]), bitsOf(rules.sum(&x[t * width], width)));
}

TEST_P(Map, RotationOfNeighbouringLanes) {
  // Lane i meets lane i xor 1; the angle of pair i div 2 is looked up by a position from memory.
  constexpr int64_t tokens = 5, heads = 2, positions = 9;
  for (int64_t width : {2, 8, 20, 32, 48}) {
    SCOPED_TRACE(width);
    KernelLibrary library(GetParam(),
                          fmt::format(R"(
      kernel.func @rope {{
      ^bb0(%x: !kernel.view<["T", {1}], f32>, %p: !kernel.view<["T"], i32>, %t: !kernel.view<[9, {2}, 2], f32>,
           %y: !kernel.view<["T", {1}], f32>):
        kernel.map rows "T" groups 2 width {0} {{
        ^bb0(%row: index, %group: index, %lane: index):
          %c0 = arith.constant 0 : index
          %c1 = arith.constant 1 : index
          %c2 = arith.constant 2 : index
          %width = arith.constant {0} : index
          %base = arith.muli %group, %width : index
          %here = arith.addi %base, %lane : index
          %partner = arith.xori %lane, %c1 : index
          %there = arith.addi %base, %partner : index
          %a = kernel.load %x[%row, %here] : !kernel.view<["T", {1}], f32>
          %b = kernel.load %x[%row, %there] : !kernel.view<["T", {1}], f32>
          %p32 = kernel.load %p[%row] : !kernel.view<["T"], i32>
          %pos = arith.index_cast %p32 : i32 to index
          %pair = arith.divui %lane, %c2 : index
          %cos = kernel.load %t[%pos, %pair, %c0] : !kernel.view<[9, {2}, 2], f32>
          %sin = kernel.load %t[%pos, %pair, %c1] : !kernel.view<[9, {2}, 2], f32>
          %parity = arith.remui %lane, %c2 : index
          %odd = arith.cmpi eq, %parity, %c1 : index
          %neg = arith.negf %sin : f32
          %signed = arith.select %odd, %sin, %neg : f32
          %bs = arith.mulf %b, %signed : f32
          %r = math.fma %a, %cos, %bs : f32
          kernel.store %r, %y[%row, %here] : !kernel.view<["T", {1}], f32>
        }}
      }})",
                                      width, heads * width, width / 2),
                          maxTokens, /*rowsPerCell=*/2);
    Array<float> x = randomArray(tokens * heads * width, 4), table = randomArray(positions * width, 5);
    Array<float> y(tokens * heads * width);
    Array<int32_t> position = {8, 0, 3, 1, 7};
    library.run("rope", {x, position, table, y}, {tokens});
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t h = 0; h < heads; ++h)
        for (int64_t i = 0; i < width; ++i) {
          const float *head = &x[(t * heads + h) * width];
          float cosine = table[position[t] * width + i / 2 * 2], sine = table[position[t] * width + i / 2 * 2 + 1];
          float expected = std::fmaf(head[i], cosine, head[i ^ 1] * (i % 2 ? sine : -sine));
          ASSERT_EQ(bitsOf(y[(t * heads + h) * width + i]), bitsOf(expected)) << t << " " << h << " " << i;
        }
    EXPECT_TRUE(y.tailIntact());
  }
}

TEST_P(Map, PairsOfElements) {
  // Lane i takes the elements 2i and 2i + 1 and writes their difference and sum there.
  constexpr int64_t tokens = 3;
  for (int64_t width : {1, 5, 8, 16, 25}) {
    SCOPED_TRACE(width);
    KernelLibrary library(GetParam(),
                          fmt::format(R"(
      kernel.func @pairs {{
      ^bb0(%x: !kernel.view<["T", {1}], f32>, %y: !kernel.view<["T", {1}], f32>):
        kernel.map rows "T" groups 1 width {0} {{
        ^bb0(%row: index, %group: index, %lane: index):
          %c1 = arith.constant 1 : index
          %c2 = arith.constant 2 : index
          %even = arith.muli %lane, %c2 : index
          %odd = arith.addi %even, %c1 : index
          %a = kernel.load %x[%row, %even] : !kernel.view<["T", {1}], f32>
          %b = kernel.load %x[%row, %odd] : !kernel.view<["T", {1}], f32>
          %d = arith.subf %a, %b : f32
          %s = arith.addf %a, %b : f32
          kernel.store %d, %y[%row, %even] : !kernel.view<["T", {1}], f32>
          kernel.store %s, %y[%row, %odd] : !kernel.view<["T", {1}], f32>
        }}
      }})",
                                      width, 2 * width),
                          maxTokens, /*rowsPerCell=*/2);
    Array<float> x = randomArray(tokens * 2 * width, 8), y(tokens * 2 * width);
    library.run("pairs", {x, y}, {tokens});
    for (int64_t i = 0; i < tokens * 2 * width; i += 2) {
      ASSERT_EQ(y[i], x[i] - x[i + 1]);
      ASSERT_EQ(y[i + 1], x[i] + x[i + 1]);
    }
    EXPECT_TRUE(y.tailIntact());
  }
}

TEST_P(Map, GathersAndScatters) {
  // A row of a packed weight by id, its lanes reversed; and a store to a place that memory names.
  constexpr int64_t tokens = 6, vocabulary = 45;
  for (int64_t width : {3, 16, 37}) {
    SCOPED_TRACE(width);
    KernelLibrary library(GetParam(),
                          fmt::format(R"(
      kernel.func @gather {{
      ^bb0(%ids: !kernel.view<["T"], i32>, %w: !kernel.view<[45, {0}], f32, "{2}">, %o: !kernel.view<[{0}], i32>,
           %y: !kernel.view<["T", {0}], f32>, %z: !kernel.view<["T", {0}], f32>):
        kernel.map rows "T" groups 1 width {0} {{
        ^bb0(%row: index, %group: index, %lane: index):
          %last = arith.constant {1} : index
          %id32 = kernel.load %ids[%row] : !kernel.view<["T"], i32>
          %id = arith.index_cast %id32 : i32 to index
          %back = arith.subi %last, %lane : index
          %v = kernel.load %w[%id, %back] : !kernel.view<[45, {0}], f32, "{2}">
          kernel.store %v, %y[%row, %lane] : !kernel.view<["T", {0}], f32>
          %o32 = kernel.load %o[%lane] : !kernel.view<[{0}], i32>
          %to = arith.index_cast %o32 : i32 to index
          kernel.store %v, %z[%row, %to] : !kernel.view<["T", {0}], f32>
        }}
      }})",
                                      width, width - 1, rules.weightForm()),
                          maxTokens, /*rowsPerCell=*/4);
    Numbers weights = rules.random(vocabulary * width, 6), packed = rules.pack(weights, 1, vocabulary, width);
    Array<int32_t> ids = {44, 0, 31, 32, 7, 33}, order(width);
    for (int64_t i = 0; i < width; ++i)
      order[i] = static_cast<int32_t>((i * 2 + 1) % width);
    Array<float> y(tokens * width), z(tokens * width);
    library.run("gather", {ids, packed, order, y, z}, {tokens});
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t i = 0; i < width; ++i) {
        ASSERT_EQ(y[t * width + i], weights[ids[t] * width + width - 1 - i]);
        if (width % 2) {
          ASSERT_EQ(z[t * width + order[i]], y[t * width + i]);
        }
      }
    EXPECT_TRUE(y.tailIntact() && z.tailIntact());
  }
}

TEST_P(Map, Bfloat16IsWidenedWhenLoadedAndRoundedWhenStored) {
  // Neighbours turned as a rotation turns them, of rows that are found in memory and whose length is odd for vectors.
  constexpr int64_t tokens = 9, sources = 5;
  for (int64_t width : {2, 16, 22, 38, 66}) {
    SCOPED_TRACE(width);
    KernelLibrary library(GetParam(),
                          fmt::format(R"(
      kernel.func @turn {{
      ^bb0(%x: !kernel.view<["R", {0}], bf16>, %ids: !kernel.view<["T"], i32>, %c: !kernel.view<[{0}], f32>,
           %y: !kernel.view<["T", {0}], bf16>, %z: !kernel.view<["T", {0}], f32>):
        kernel.map rows "T" groups 1 width {0} {{
        ^bb0(%row: index, %group: index, %lane: index):
          %c1 = arith.constant 1 : index
          %partner = arith.xori %lane, %c1 : index
          %id32 = kernel.load %ids[%row] : !kernel.view<["T"], i32>
          %id = arith.index_castui %id32 : i32 to index
          %a16 = kernel.load %x[%id, %lane] : !kernel.view<["R", {0}], bf16>
          %b16 = kernel.load %x[%id, %partner] : !kernel.view<["R", {0}], bf16>
          %a = arith.extf %a16 : bf16 to f32
          %b = arith.extf %b16 : bf16 to f32
          %f = kernel.load %c[%lane] : !kernel.view<[{0}], f32>
          %p = arith.mulf %b, %f : f32
          %s = arith.addf %a, %p : f32
          %r = arith.truncf %s : f32 to bf16
          kernel.store %r, %y[%row, %lane] : !kernel.view<["T", {0}], bf16>
          kernel.store %a, %z[%row, %partner] : !kernel.view<["T", {0}], f32>
        }}
      }})",
                                      width),
                          maxTokens, /*rowsPerCell=*/2);
    Numbers x(randomArray(sources * width, 9), true);
    Array<float> factors = randomArray(width, 10), z(tokens * width);
    Array<int32_t> ids = {4, 0, 3, 3, 2, 1, 0, 4, 2};
    Array<uint16_t> y(tokens * width);
    library.run("turn", {x, ids, factors, y, z}, {tokens, 0, sources});
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t i = 0; i < width; ++i) {
        float a = x[ids[t] * width + i], b = x[ids[t] * width + (i ^ 1)];
        ASSERT_EQ(y[t * width + i], roundToBF16(a + b * factors[i])) << t << " " << i;
        ASSERT_EQ(bitsOf(z[t * width + (i ^ 1)]), bitsOf(a)) << t << " " << i;
      }
    EXPECT_TRUE(y.tailIntact() && z.tailIntact());
  }
}

TEST_P(Map, Bfloat16OfAPackedWeightIsGathered) {
  // What a tied embedding is: rows of a weight with columns in pairs, here an odd number of them.
  constexpr int64_t tokens = 6, vocabulary = 45;
  for (int64_t width : {3, 16, 37}) {
    SCOPED_TRACE(width);
    KernelLibrary library(GetParam(),
                          fmt::format(R"(
      kernel.func @gather {{
      ^bb0(%ids: !kernel.view<["T"], i32>, %w: !kernel.view<[45, {0}], bf16, "{1}">,
           %y: !kernel.view<["T", {0}], bf16>):
        kernel.map rows "T" groups 1 width {0} {{
        ^bb0(%row: index, %group: index, %lane: index):
          %id32 = kernel.load %ids[%row] : !kernel.view<["T"], i32>
          %id = arith.index_castui %id32 : i32 to index
          %v = kernel.load %w[%id, %lane] : !kernel.view<[45, {0}], bf16, "{1}">
          kernel.store %v, %y[%row, %lane] : !kernel.view<["T", {0}], bf16>
        }}
      }})",
                                      width, halfRules.weightForm()),
                          maxTokens, /*rowsPerCell=*/4);
    Numbers weights(randomArray(vocabulary * width, 6), true);
    Array<int32_t> ids = {44, 0, 31, 32, 7, 33};
    Array<uint16_t> y(tokens * width);
    library.run("gather", {ids, halfRules.pack(weights, 1, vocabulary, width), y}, {tokens});
    for (int64_t i = 0; i < tokens * width; ++i)
      ASSERT_EQ(y[i], roundToBF16(weights[ids[i / width] * width + i % width])) << i;
    EXPECT_TRUE(y.tailIntact());
  }
}

TEST_P(Map, PanelsOfTokensEndInZeros) {
  // A row of tiles by id, its neighbours exchanged, times the sum of a row of memory, rounded to bfloat16 into a form
  // of token rows whose tail has to be zero.
  constexpr int64_t tokens = 9, vocabulary = 70, width = 38, parts = 35;
  KernelLibrary library(GetParam(),
                        fmt::format(R"(
    kernel.func @gather {{
    ^bb0(%ids: !kernel.view<["T"], i32>, %w: !kernel.view<[{0}, {1}], bf16, "tile64x128">,
         %p: !kernel.view<["T", {2}], f32>, %y: !kernel.view<["T", {1}], bf16, "rows128">):
      kernel.map rows "T" groups 1 width {1} {{
      ^bb0(%row: index, %group: index, %lane: index):
        %c1 = arith.constant 1 : index
        %id32 = kernel.load %ids[%row] : !kernel.view<["T"], i32>
        %id = arith.index_cast %id32 : i32 to index
        %other = arith.xori %lane, %c1 : index
        %v = kernel.load %w[%id, %other] : !kernel.view<[{0}, {1}], bf16, "tile64x128">
        %f = arith.extf %v : bf16 to f32
        %s = kernel.row_sum %p[%row] : !kernel.view<["T", {2}], f32>
        %m = arith.mulf %f, %s : f32
        %r = arith.truncf %m : f32 to bf16
        kernel.store %r, %y[%row, %lane] : !kernel.view<["T", {1}], bf16, "rows128">
      }}
    }})",
                                    vocabulary, width, parts),
                        maxTokens);
  Array<uint16_t> weights = roundToBF16(randomArray(vocabulary * width, 3)), y(16 * 64);
  Array<uint16_t> packed = packTiles(weights, 1, vocabulary, width);
  Array<float> sums = randomArray(tokens * parts, 4);
  Array<int32_t> ids = {0, 69, 64, 63, 1, 7, 8, 33, 5};
  library.run("gather", {ids, packed, sums, y}, {tokens});
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t i = 0; i < 64; ++i) {
      float sum = rules.sum(&sums[t * parts], parts);
      uint16_t expected = i < width ? roundToBF16(widenBF16(weights[ids[t] * width + (i ^ 1)]) * sum) : 0;
      ASSERT_EQ(y[t * 64 + ((i / 8) ^ (t % 8)) * 8 + i % 8], expected) << t << " " << i;
    }
}

TEST_P(Map, RowsAreAMultipleOfAStepSize) {
  KernelLibrary library(GetParam(), R"(
    kernel.func @count {
    ^bb0(%y: !kernel.view<["2*R"], i32>):
      kernel.map rows "2*R" groups 1 width 1 {
      ^bb0(%row: index, %group: index, %lane: index):
        %c3 = arith.constant 3 : index
        %r = arith.remui %row, %c3 : index
        %v = arith.index_cast %r : index to i32
        kernel.store %v, %y[%row] : !kernel.view<["2*R"], i32>
      }
    })",
                        maxTokens, /*rowsPerCell=*/4);
  Array<int32_t> y(14);
  library.run("count", {y}, {0, 0, 7});
  for (int32_t i = 0; i < 14; ++i)
    EXPECT_EQ(y[i], i % 3);
  EXPECT_TRUE(y.tailIntact());
}

struct Function {
  const char *op;
  double (*reference)(double);
  float low, high;
  double scale = 0.1; ///< Errors are measured against results of at least this size.
};

TEST_P(Map, FunctionsWithoutAnInstruction) {
  const Function functions[] = {
      {"exp", std::exp, -86, 86},       {"tanh", std::tanh, -12, 12},
      {"log", std::log, 1e-30f, 1e30f}, {"sin", std::sin, -6, 6, 1},
      {"cos", std::cos, -6, 6, 1},      {"erf", std::erf, -5, 5},
      {"sqrt", std::sqrt, 0, 1e30f},    {"log1p", std::log1p, 0, 100},
      {"expm1", std::expm1, -5, 5},     {"rsqrt", [](double x) { return 1 / std::sqrt(x); }, 1e-6f, 1e6f},
      {"floor", std::floor, -9, 9},     {"absf", [](double x) { return std::abs(x); }, -9, 9},
  };
  constexpr int64_t width = 24, tokens = 400;
  for (const Function &function : functions) {
    SCOPED_TRACE(function.op);
    KernelLibrary library(GetParam(),
                          fmt::format(R"(
      kernel.func @apply {{
      ^bb0(%x: !kernel.view<["T", 24], f32>, %y: !kernel.view<["T", 24], f32>):
        kernel.map rows "T" groups 1 width 24 {{
        ^bb0(%row: index, %group: index, %lane: index):
          %v = kernel.load %x[%row, %lane] : !kernel.view<["T", 24], f32>
          %r = math.{} %v : f32
          kernel.store %r, %y[%row, %lane] : !kernel.view<["T", 24], f32>
        }}
      }})",
                                      function.op),
                          maxTokens, /*rowsPerCell=*/9);
    Array<float> x = randomArray(tokens * width, 7), y(tokens * width);
    for (float &value : x)
      value = function.low + (value + 1) / 2 * (function.high - function.low);
    library.run("apply", {x, y}, {tokens});
    for (int64_t i = 0; i < tokens * width; ++i)
      ASSERT_TRUE(near(y[i], function.reference(x[i]), 8, function.scale)) << "of " << x[i];
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Map, testing::ValuesIn(testedTargets()),
                         [](const auto &info) { return nameOf(info); });

} // namespace
