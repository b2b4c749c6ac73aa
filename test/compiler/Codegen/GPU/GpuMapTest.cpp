// SPDX-License-Identifier: Apache-2.0
//
// Maps on a GPU: sums over lanes, forms of views, conversions, appends, and members that share a grid.
#include "GpuHarness.h"

#include <fmt/format.h>

#include <cmath>

using namespace yupana;
using namespace yupana::test;

namespace {

constexpr const char *target = "sm_80";

TEST(GpuMap, SumThatFollowsASum) {
  // (x - mean) / sqrt(variance + 1e-5) · gain, for every group of a row.
  constexpr int64_t tokens = 7, groups = 3;
  for (int64_t width : {1, 5, 32, 67}) {
    SCOPED_TRACE(width);
    GpuLibrary library(target,
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
                       tokens);
    Array<float> x = randomArray(tokens * groups * width, 1), gain = randomArray(width, 2), y(tokens * groups * width);
    library.run("norm", {x, gain, y}, {tokens});
    for (int64_t g = 0; g < tokens * groups; ++g) {
      const float *row = &x[g * width];
      float mean = warpSum(row, width) / float(width);
      std::vector<float> squares;
      for (int64_t i = 0; i < width; ++i)
        squares.push_back((row[i] - mean) * (row[i] - mean));
      float root = std::sqrt(warpSum(squares.data(), width) / float(width) + 1.0e-5f);
      for (int64_t i = 0; i < width; ++i)
        ASSERT_EQ(bitsOf(y[g * width + i]), bitsOf((row[i] - mean) / root * gain[i])) << g << " " << i;
    }
  }
}

TEST(GpuMap, GathersFromTilesAndTurnsNeighbours) {
  // A row of a packed weight by id, its neighbours exchanged, rounded to bfloat16 into a form of token rows whose tail
  // has to be zero; and the sum of a row of memory beside it.
  constexpr int64_t tokens = 9, vocabulary = 70, width = 38, parts = 35;
  GpuLibrary library(target,
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
                     tokens);
  Array<uint16_t> weights = roundToBF16(randomArray(vocabulary * width, 3)), y(16 * 64);
  Array<uint16_t> packed = packTiles(weights, 1, vocabulary, width);
  Array<float> sums = randomArray(tokens * parts, 4);
  Array<int32_t> ids = {0, 69, 64, 63, 1, 7, 8, 33, 5};
  library.run("gather", {ids, packed, sums, y}, {tokens});
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t i = 0; i < 64; ++i) {
      float sum = warpSum(&sums[t * parts], parts);
      uint16_t expected = i < width ? roundToBF16(widenBF16(weights[ids[t] * width + (i ^ 1)]) * sum) : 0;
      ASSERT_EQ(y[t * 64 + ((i / 8) ^ (t % 8)) * 8 + i % 8], expected) << t << " " << i;
    }
}

TEST(GpuMap, AppendsToPages) {
  constexpr int64_t tokens = 6, heads = 2, width = 20, pageTokens = 4, pages = 5, entries = 3;
  constexpr int64_t partBytes = heads * pageTokens * width * 4, pageBytes = 2 * partBytes;
  std::string cache = fmt::format("!kernel.cache<key, heads = 2, width = 20, page_tokens = 4, page_bytes = {}, "
                                  "layout = \"row-major\">",
                                  pageBytes);
  GpuLibrary library(target,
                     fmt::format(R"(
    kernel.func @append {{
    ^bb0(%x: !kernel.view<["T", 2, 20], f32>, %k: {0}, %positions: !kernel.view<["T"], i32>,
         %sequences: !kernel.view<["T"], i32>, %pages: !kernel.view<["S", 3], i32>):
      kernel.map rows "T" groups 2 width 20 {{
      ^bb0(%row: index, %head: index, %lane: index):
        %v = kernel.load %x[%row, %head, %lane] : !kernel.view<["T", 2, 20], f32>
        %p32 = kernel.load %positions[%row] : !kernel.view<["T"], i32>
        %p = arith.index_cast %p32 : i32 to index
        %s32 = kernel.load %sequences[%row] : !kernel.view<["T"], i32>
        %s = arith.index_cast %s32 : i32 to index
        kernel.append %v, %k[%head, %lane] at %p of %s through %pages
          : f32, {0}, !kernel.view<["S", 3], i32>
      }}
    }})",
                                 cache),
                     tokens);
  Array<float> x = randomArray(tokens * heads * width, 5), memory(pages * pageBytes / 4);
  Array<int32_t> positions = {3, 4, 9, 0, 1, 11}, sequences = {0, 0, 0, 1, 1, 1};
  Array<int32_t> table = {4, 1, 0, 2, 0, 3};
  library.run("append", {x, memory, positions, sequences, table}, {tokens, 2});
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < width; ++i) {
        int64_t page = table[sequences[t] * entries + positions[t] / pageTokens];
        int64_t place = (h * pageTokens + positions[t] % pageTokens) * width + i;
        ASSERT_EQ(memory[page * pageBytes / 4 + place], x[(t * heads + h) * width + i]);
      }
}

TEST(GpuMap, FunctionsAreTheProjectsPolynomials) {
  constexpr int64_t tokens = 300;
  GpuLibrary library(target, R"(
    kernel.func @functions {
    ^bb0(%x: !kernel.view<["T"], f32>, %e: !kernel.view<["T"], f32>, %h: !kernel.view<["T"], f32>):
      kernel.map rows "T" groups 1 width 1 {
      ^bb0(%row: index, %group: index, %lane: index):
        %v = kernel.load %x[%row] : !kernel.view<["T"], f32>
        %a = math.exp %v : f32
        %b = math.tanh %v : f32
        kernel.store %a, %e[%row] : !kernel.view<["T"], f32>
        kernel.store %b, %h[%row] : !kernel.view<["T"], f32>
      }
    })",
                     tokens);
  Array<float> x = randomArray(tokens, 6, 20), e(tokens), h(tokens);
  library.run("functions", {x, e, h}, {tokens});
  for (int64_t t = 0; t < tokens; ++t) {
    EXPECT_NEAR(e[t] / std::exp(double(x[t])), 1, 4e-7);
    EXPECT_NEAR(h[t], std::tanh(double(x[t])), 4e-7);
  }
}

TEST(GpuMap, MembersShareAGrid) {
  constexpr int64_t tokens = 3000, rows = 5;
  GpuLibrary library(target, R"(
    kernel.func @both {
    ^bb0(%x: !kernel.view<["T", 3], f32>, %y: !kernel.view<["T", 3], f32>, %z: !kernel.view<["R"], i32>):
      kernel.parallel {
        kernel.map rows "T" groups 1 width 3 {
        ^bb0(%row: index, %group: index, %lane: index):
          %v = kernel.load %x[%row, %lane] : !kernel.view<["T", 3], f32>
          %w = arith.negf %v : f32
          kernel.store %w, %y[%row, %lane] : !kernel.view<["T", 3], f32>
        }
        kernel.map rows "R" groups 1 width 1 {
        ^bb0(%row: index, %group: index, %lane: index):
          %i = arith.index_cast %row : index to i32
          kernel.store %i, %z[%row] : !kernel.view<["R"], i32>
        }
      }
    })",
                     tokens);
  Array<float> x = randomArray(tokens * 3, 7), y(tokens * 3);
  Array<int32_t> z(rows);
  library.run("both", {x, y, z}, {tokens, 0, rows});
  for (int64_t i = 0; i < tokens * 3; ++i)
    ASSERT_EQ(y[i], -x[i]);
  for (int64_t i = 0; i < rows; ++i)
    EXPECT_EQ(z[i], i);
}

} // namespace
