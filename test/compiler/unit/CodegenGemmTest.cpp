// SPDX-License-Identifier: Apache-2.0
//
// GEMM kernels against one scalar chain of fused multiply-adds, bit for bit.
#include "CodegenHarness.h"

#include <fmt/format.h>

#include <cmath>

using namespace yupana;
using namespace yupana::test;

namespace {

float chain(const float *input, const float *weight, int64_t depth) {
  float sum = 0;
  for (int64_t k = 0; k < depth; ++k)
    sum = std::fmaf(input[k], weight[k], sum);
  return sum;
}

/// @gemm: y = x · wᵀ.
std::string plainGemm(int64_t outputs, int64_t depth, int64_t rows) {
  return fmt::format(R"(
    kernel.func @gemm {{
    ^bb0(%x: !kernel.view<["T", {1}], f32>, %w: !kernel.view<[{0}, {1}], f32, "panel32">,
         %y: !kernel.view<["T", {0}], f32>):
      kernel.gemm %x, %w {{config = #kernel.x86<%TILE%, rows = {2}>}}
        : !kernel.view<["T", {1}], f32>, !kernel.view<[{0}, {1}], f32, "panel32"> {{
      ^bb0(%acc: f32, %row: index, %feature: index):
        kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", {0}], f32>
      }}
    }})",
                     outputs, depth, rows);
}

uint32_t ceilDiv(int64_t x, int64_t y) { return static_cast<uint32_t>((x + y - 1) / y); }

class Gemm : public testing::TestWithParam<std::string> {};

TEST_P(Gemm, TailsOfOutputsDepthAndRows) {
  constexpr int64_t rowsPerCell = 16, maxTokens = 40;
  const std::pair<int64_t, int64_t> shapes[] = {{1, 1},   {5, 7},   {15, 2},  {16, 33},  {17, 8},  {31, 64}, {32, 65},
                                                {33, 31}, {47, 16}, {48, 13}, {63, 100}, {64, 64}, {70, 129}};
  for (auto [outputs, depth] : shapes) {
    SCOPED_TRACE(fmt::format("N {} K {}", outputs, depth));
    auto library = load(GetParam(), plainGemm(outputs, depth, rowsPerCell));
    Array<float> x = randomArray(maxTokens * depth, 1), w = randomArray(outputs * depth, 2);
    Array<float> packed = packPanels(w, 1, outputs, depth);
    for (int64_t tokens = 0; tokens <= maxTokens; ++tokens) {
      Array<float> y(tokens * outputs);
      library->run("gemm", {x, packed, y}, {static_cast<uint32_t>(tokens)},
                   ceilDiv(outputs, 32) * ceilDiv(tokens, rowsPerCell));
      for (int64_t t = 0; t < tokens; ++t)
        for (int64_t n = 0; n < outputs; ++n)
          ASSERT_EQ(bitsOf(y[t * outputs + n]), bitsOf(chain(&x[t * depth], &w[n * depth], depth)))
              << "T " << tokens << " token " << t << " output " << n;
      ASSERT_TRUE(y.tailIntact()) << "T " << tokens;
    }
  }
}

TEST_P(Gemm, ManyRowsInOneCell) {
  constexpr int64_t outputs = 40, depth = 50;
  auto library = load(GetParam(), plainGemm(outputs, depth, 264));
  for (uint32_t tokens : {100u, 263u, 265u, 500u}) {
    Array<float> x = randomArray(tokens * depth, 3), w = randomArray(outputs * depth, 4), y(tokens * outputs);
    library->run("gemm", {x, packPanels(w, 1, outputs, depth), y}, {tokens}, 2 * ceilDiv(tokens, 264));
    for (int64_t i = 0; i < tokens * outputs; ++i)
      ASSERT_EQ(bitsOf(y[i]), bitsOf(chain(&x[i / outputs * depth], &w[i % outputs * depth], depth))) << tokens;
  }
}

TEST_P(Gemm, DepthInBlocks) {
  constexpr int64_t outputs = 33;
  for (int64_t depth : {2048, 2049, 2050, 5121, 6000}) {
    SCOPED_TRACE(depth);
    auto library = load(GetParam(), plainGemm(outputs, depth, 30));
    Array<float> w = randomArray(outputs * depth, 4), packed = packPanels(w, 1, outputs, depth);
    for (uint32_t tokens : {1u, 5u, 12u, 31u, 45u}) {
      Array<float> x = randomArray(tokens * depth, 3), y(tokens * outputs);
      library->run("gemm", {x, packed, y}, {tokens}, 2 * ceilDiv(tokens, 30));
      for (int64_t i = 0; i < tokens * outputs; ++i)
        ASSERT_EQ(bitsOf(y[i]), bitsOf(chain(&x[i / outputs * depth], &w[i % outputs * depth], depth))) << tokens;
    }
  }
}

TEST_P(Gemm, GroupedByExpert) {
  constexpr int64_t experts = 5, outputs = 43, depth = 21;
  auto library = load(GetParam(), fmt::format(R"(
    kernel.func @gemm {{
    ^bb0(%x: !kernel.view<["2*T", {1}], f32>, %w: !kernel.view<[{2}, {0}, {1}], f32, "panel32">,
         %o: !kernel.view<[{3}], i32>, %y: !kernel.view<["2*T", {0}], f32>):
      kernel.gemm %x, %w by %o {{config = #kernel.x86<%TILE%, rows = 8>}}
        : !kernel.view<["2*T", {1}], f32>, !kernel.view<[{2}, {0}, {1}], f32, "panel32"> by !kernel.view<[{3}], i32> {{
      ^bb0(%acc: f32, %row: index, %feature: index):
        kernel.store %acc, %y[%row, %feature] : !kernel.view<["2*T", {0}], f32>
      }}
    }})",
                                              outputs, depth, experts, experts + 1));
  Array<int32_t> offsets = {0, 3, 3, 30, 31, 350};
  Array<float> x = randomArray(350 * depth, 5), w = randomArray(experts * outputs * depth, 6), y(350 * outputs);
  library->run("gemm", {x, packPanels(w, experts, outputs, depth), offsets, y}, {175}, experts * 2);
  for (int64_t e = 0; e < experts; ++e)
    for (int64_t t = offsets[e]; t < offsets[e + 1]; ++t)
      for (int64_t n = 0; n < outputs; ++n)
        ASSERT_EQ(bitsOf(y[t * outputs + n]), bitsOf(chain(&x[t * depth], &w[(e * outputs + n) * depth], depth)));
  EXPECT_TRUE(y.tailIntact());
}

TEST_P(Gemm, EpilogueThatNoPassMakes) {
  // x · tanh x + bias, stored by head and feature of the head, plus what a row alone decides.
  constexpr int64_t outputs = 72, depth = 19, tokens = 11, heads = 3, width = 24;
  auto library = load(GetParam(), fmt::format(R"(
    kernel.func @gemm {{
    ^bb0(%x: !kernel.view<["T", {1}], f32>, %w: !kernel.view<[{0}, {1}], f32, "panel32">,
         %bias: !kernel.view<[{0}], f32>, %gain: !kernel.view<["T"], f32>, %y: !kernel.view<["T", {2}, {3}], f32>):
      kernel.gemm %x, %w {{config = #kernel.x86<%TILE%, rows = 4>}}
        : !kernel.view<["T", {1}], f32>, !kernel.view<[{0}, {1}], f32, "panel32"> {{
      ^bb0(%acc: f32, %row: index, %feature: index):
        %width = arith.constant {3} : index
        %head = arith.divui %feature, %width : index
        %lane = arith.remui %feature, %width : index
        %t = math.tanh %acc : f32
        %p = arith.mulf %acc, %t : f32
        %b = kernel.load %bias[%feature] : !kernel.view<[{0}], f32>
        %g = kernel.load %gain[%row] : !kernel.view<["T"], f32>
        %s = math.fma %p, %g, %b : f32
        kernel.store %s, %y[%row, %head, %lane] : !kernel.view<["T", {2}, {3}], f32>
      }}
    }})",
                                              outputs, depth, heads, width));
  Array<float> x = randomArray(tokens * depth, 7), w = randomArray(outputs * depth, 8), bias = randomArray(outputs, 9);
  Array<float> gain = randomArray(tokens, 10), y(tokens * outputs);
  library->run("gemm", {x, packPanels(w, 1, outputs, depth), bias, gain, y}, {tokens}, 3 * 3);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t n = 0; n < outputs; ++n) {
      float acc = chain(&x[t * depth], &w[n * depth], depth);
      double expected = double(acc) * std::tanh(double(acc)) * gain[t] + bias[n];
      ASSERT_NEAR(y[t * outputs + n], expected, 1e-6) << t << " " << n;
    }
  EXPECT_TRUE(y.tailIntact());
}

INSTANTIATE_TEST_SUITE_P(Targets, Gemm, testing::ValuesIn(runnableTargets()),
                         [](const auto &info) { return info.index == 0 ? "v3" : "v4"; });

} // namespace
