// SPDX-License-Identifier: Apache-2.0
//
// Plain products against one scalar chain of fused multiply-adds, bit for bit, in float32 and in bfloat16.
#include "CodegenHarness.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

using namespace yupana;
using namespace yupana::test;

namespace {

class Gemm : public testing::TestWithParam<Form> {
protected:
  bool isBF16() const { return GetParam().isBF16; }
  std::unique_ptr<Library> load(const std::string &kernels) const { return test::load(GetParam().target, kernels); }
  Numbers random(size_t count, uint32_t seed, float scale = 1) const {
    return Numbers(randomArray(count, seed, scale), isBF16());
  }

  /// @gemm: y = x · wᵀ, y in float32.
  std::string plain(int64_t outputs, int64_t depth, int64_t rows) const {
    return fmt::format(R"(
      kernel.func @gemm {{
      ^bb0(%x: !kernel.view<["T", {1}], {3}>, %w: !kernel.view<[{0}, {1}], {3}, "{4}">,
           %y: !kernel.view<["T", {0}], f32>):
        kernel.gemm rows "T" attributes {{config = #kernel.x86<%TILE%, rows = {2}>}}
            product %x : !kernel.view<["T", {1}], {3}> times %w : !kernel.view<[{0}, {1}], {3}, "{4}"> {{
        ^bb0(%acc: f32, %row: index, %feature: index):
          kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", {0}], f32>
        }}
      }})",
                       outputs, depth, rows, GetParam().element(), GetParam().layout());
  }

  void expectProducts(const Library &library, const Numbers &x, const Numbers &w, const Numbers &packed,
                      uint32_t tokens, int64_t outputs, int64_t depth, int64_t rowsPerCell) const {
    Array<float> y(tokens * outputs);
    auto ceilDiv = [](int64_t a, int64_t b) { return static_cast<uint32_t>((a + b - 1) / b); };
    library.run("gemm", {x, packed, y}, {tokens}, ceilDiv(outputs, 32) * ceilDiv(tokens, rowsPerCell));
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t n = 0; n < outputs; ++n)
        ASSERT_EQ(bitsOf(y[t * outputs + n]), bitsOf(chain(x.at(t * depth), w.at(n * depth), depth, GetParam())))
            << "T " << tokens << " token " << t << " output " << n;
    ASSERT_TRUE(y.tailIntact()) << "T " << tokens;
  }
};

TEST_P(Gemm, TailsOfOutputsDepthAndRows) {
  constexpr int64_t rowsPerCell = 16, maxTokens = 40;
  const std::pair<int64_t, int64_t> shapes[] = {{1, 1},   {5, 7},   {15, 2},  {16, 33},  {17, 8},  {31, 64}, {32, 65},
                                                {33, 31}, {47, 16}, {48, 13}, {63, 100}, {64, 64}, {70, 129}};
  for (auto [outputs, depth] : shapes) {
    SCOPED_TRACE(fmt::format("N {} K {}", outputs, depth));
    auto library = load(plain(outputs, depth, rowsPerCell));
    Numbers x = random(maxTokens * depth, 1), w = random(outputs * depth, 2), packed = w.packed(1, outputs, depth);
    for (uint32_t tokens = 0; tokens <= maxTokens; ++tokens)
      ASSERT_NO_FATAL_FAILURE(expectProducts(*library, x, w, packed, tokens, outputs, depth, rowsPerCell));
  }
}

TEST_P(Gemm, ManyRowsInOneCell) {
  // More rows than accumulators are kept for at once, which is 264.
  constexpr int64_t outputs = 40, depth = 51, maxTokens = 600;
  Numbers x = random(maxTokens * depth, 3), w = random(outputs * depth, 4), packed = w.packed(1, outputs, depth);
  for (int64_t rowsPerCell : {264, 600}) {
    auto library = load(plain(outputs, depth, rowsPerCell));
    for (uint32_t tokens : {100u, 263u, 265u, 500u, 600u})
      ASSERT_NO_FATAL_FAILURE(expectProducts(*library, x, w, packed, tokens, outputs, depth, rowsPerCell));
  }
}

TEST_P(Gemm, DepthInBlocks) {
  constexpr int64_t outputs = 33, maxTokens = 45;
  for (int64_t depth : {2048, 2049, 2050, 5121, 10243}) {
    SCOPED_TRACE(depth);
    auto library = load(plain(outputs, depth, 30));
    Numbers x = random(maxTokens * depth, 3), w = random(outputs * depth, 4), packed = w.packed(1, outputs, depth);
    for (uint32_t tokens : {1u, 5u, 12u, 31u, 45u})
      ASSERT_NO_FATAL_FAILURE(expectProducts(*library, x, w, packed, tokens, outputs, depth, 30));
  }
}

TEST_P(Gemm, RowsLongerThanTheDepth) {
  // What lies behind a row is NaN. An odd depth of bfloat16 pairs would meet it.
  constexpr int64_t outputs = 40, tokens = 45, gap = 16;
  for (int64_t depth : {7, 64, 301}) {
    SCOPED_TRACE(depth);
    std::string kernel = plain(outputs, depth, 30), narrow = fmt::format("<[\"T\", {}], ", depth);
    for (size_t at = 0; (at = kernel.find(narrow, at)) != std::string::npos; ++at)
      kernel.replace(at, narrow.size(), fmt::format("<[\"T\", {}], ", depth + gap));
    auto library = load(kernel);
    Numbers x = random(tokens * depth, 9), w = random(outputs * depth, 10);
    Array<float> wide(tokens * (depth + gap)), y(tokens * outputs);
    std::fill(wide.begin(), wide.end(), std::numeric_limits<float>::quiet_NaN());
    for (int64_t t = 0; t < tokens; ++t)
      std::copy_n(x.at(t * depth), depth, &wide[t * (depth + gap)]);
    library->run("gemm", {Numbers(wide, isBF16()), w.packed(1, outputs, depth), y}, {tokens}, 4);
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t n = 0; n < outputs; ++n)
        ASSERT_EQ(bitsOf(y[t * outputs + n]), bitsOf(chain(x.at(t * depth), w.at(n * depth), depth, GetParam())))
            << "token " << t << " output " << n;
  }
}

TEST_P(Gemm, SmallNumbersAreFlushedToZero) {
  // Products and partial sums around the least normal number, 2^-126, and inputs below it.
  constexpr int64_t outputs = 64, depth = 64, tokens = 20;
  auto library = load(plain(outputs, depth, 32));
  for (float scale : {1e-18f, 3e-20f, 1e-38f}) {
    Numbers x = random(tokens * depth, 5, scale), w = random(outputs * depth, 6, scale < 1e-30f ? 2 : 5e-20f);
    ASSERT_NO_FATAL_FAILURE(expectProducts(*library, x, w, w.packed(1, outputs, depth), tokens, outputs, depth, 32));
  }
}

TEST_P(Gemm, WhatIsNoNumberStaysOne) {
  constexpr int64_t outputs = 32, depth = 34, tokens = 3;
  constexpr float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  auto library = load(plain(outputs, depth, 8));
  Array<float> given = randomArray(tokens * depth, 7), y(tokens * outputs);
  given[3] = nan;
  given[depth + 8] = inf;
  Numbers x(given, isBF16()), w = random(outputs * depth, 8);
  library->run("gemm", {x, w.packed(1, outputs, depth), y}, {tokens}, 1);
  for (int64_t n = 0; n < outputs; ++n) {
    EXPECT_TRUE(std::isnan(y[n]));
    EXPECT_EQ(y[outputs + n], w[n * depth + 8] > 0 ? inf : -inf);
    EXPECT_EQ(bitsOf(y[2 * outputs + n]), bitsOf(chain(x.at(2 * depth), w.at(n * depth), depth, GetParam())));
  }
}

TEST_P(Gemm, InputThatIsComputed) {
  // A gathered row, normalised with a sum that lies beside it in parts, scaled by a gain for each k; then rounded,
  // once.
  constexpr int64_t outputs = 33, tokens = 50, sources = 9, parts = 20, rowsPerCell = 16;
  for (int64_t depth : {16, 37, 64, 95}) {
    SCOPED_TRACE(depth);
    auto library = load(fmt::format(R"(
      kernel.func @gemm {{
      ^bb0(%h: !kernel.view<["R", {1}], {3}>, %ids: !kernel.view<["T"], i32>, %squares: !kernel.view<["R", {5}], f32>,
           %gain: !kernel.view<[{1}], {3}>, %w: !kernel.view<[{0}, {1}], {3}, "{4}">,
           %y: !kernel.view<["T", {0}], f32>):
        kernel.gemm rows "T" attributes {{config = #kernel.x86<%TILE%, rows = {2}>}} product {{
        ^bb0(%row: index, %k: index):
          %id32 = kernel.load %ids[%row] : !kernel.view<["T"], i32>
          %id = arith.index_castui %id32 : i32 to index
          %x = kernel.load %h[%id, %k] : !kernel.view<["R", {1}], {3}>
          %sum = kernel.row_sum %squares[%id] : !kernel.view<["R", {5}], f32>
          %one = arith.constant 1.0 : f32
          %root = math.sqrt %sum : f32
          %scale = arith.divf %one, %root : f32
          %g = kernel.load %gain[%k] : !kernel.view<[{1}], {3}>
          {6}
        }} times %w : !kernel.view<[{0}, {1}], {3}, "{4}"> {{
        ^bb0(%acc: f32, %row: index, %feature: index):
          kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", {0}], f32>
        }}
      }})",
                                    outputs, depth, rowsPerCell, GetParam().element(), GetParam().layout(), parts,
                                    isBF16() ? R"(
          %xw = arith.extf %x : bf16 to f32
          %gw = arith.extf %g : bf16 to f32
          %xs = arith.mulf %xw, %scale : f32
          %xg = arith.mulf %xs, %gw : f32
          %r = arith.truncf %xg : f32 to bf16
          kernel.yield %r : bf16)"
                                             : R"(
          %xs = arith.mulf %x, %scale : f32
          %xg = arith.mulf %xs, %g : f32
          kernel.yield %xg : f32)"));
    Numbers h = random(sources * depth, 9), gain = random(depth, 10), w = random(outputs * depth, 11);
    Array<float> squares = randomArray(sources * parts, 12), y(tokens * outputs), input(tokens * depth);
    for (float &square : squares)
      square = square * square;
    Array<int32_t> ids(tokens);
    for (int64_t t = 0; t < tokens; ++t) {
      ids[t] = static_cast<int32_t>(t * 5 % sources);
      float scale = 1 / std::sqrt(treeSum(&squares[ids[t] * parts], parts));
      for (int64_t k = 0; k < depth; ++k)
        input[t * depth + k] = h[ids[t] * depth + k] * scale * gain[k];
    }
    Numbers x(input, isBF16());
    library->run("gemm", {h, ids, squares, gain, w.packed(1, outputs, depth), y}, {tokens, 0, sources}, 2 * 4);
    for (int64_t i = 0; i < tokens * outputs; ++i)
      ASSERT_EQ(bitsOf(y[i]), bitsOf(chain(x.at(i / outputs * depth), w.at(i % outputs * depth), depth, GetParam())))
          << i;
    EXPECT_TRUE(y.tailIntact());
  }
}

// A worker finds what it has made ready in an earlier call of the launch, and nothing of another range or launch.
TEST_P(Gemm, InputThatIsReadyFromAnEarlierCall) {
  constexpr int64_t outputs = 64, tokens = 32, depth = 40, rowsPerCell = 16;
  auto library = load(fmt::format(R"(
    kernel.func @gemm {{
    ^bb0(%h: !kernel.view<["T", {1}], {3}>, %ids: !kernel.view<["T"], i32>, %w: !kernel.view<[{0}, {1}], {3}, "{4}">,
         %y: !kernel.view<["T", {0}], f32>):
      kernel.gemm rows "T" attributes {{config = #kernel.x86<%TILE%, rows = {2}>}} product {{
      ^bb0(%row: index, %k: index):
        %id32 = kernel.load %ids[%row] : !kernel.view<["T"], i32>
        %id = arith.index_castui %id32 : i32 to index
        %x = kernel.load %h[%id, %k] : !kernel.view<["T", {1}], {3}>
        kernel.yield %x : {3}
      }} times %w : !kernel.view<[{0}, {1}], {3}, "{4}"> {{
      ^bb0(%acc: f32, %row: index, %feature: index):
        kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", {0}], f32>
      }}
    }})",
                                  outputs, depth, rowsPerCell, GetParam().element(), GetParam().layout()));
  Numbers x = random(tokens * depth, 13), w = random(outputs * depth, 14), packed = w.packed(1, outputs, depth);
  Array<int32_t> ids(tokens);
  for (int64_t t = 0; t < tokens; ++t)
    ids[t] = static_cast<int32_t>(t);
  Array<float> expected(tokens * outputs), y(tokens * outputs);
  for (int64_t i = 0; i < tokens * outputs; ++i)
    expected[i] = chain(x.at(i / outputs * depth), w.at(i % outputs * depth), depth, GetParam());

  // Cells 0 and 1 are the panels of the first range of rows, 2 and 3 those of the second.
  Array<unsigned char> worker = library->scratchOf("gemm");
  auto runCell = [&](uint32_t cell, Array<unsigned char> &scratch) {
    library->runRange("gemm", {x, ids, packed, y}, {tokens}, cell, cell + 1, scratch);
  };
  auto expectCell = [&](uint32_t cell, bool isZero) {
    for (int64_t row = 0; row < rowsPerCell; ++row)
      for (int64_t column = 0; column < 32; ++column) {
        int64_t i = (cell / 2 * rowsPerCell + row) * outputs + cell % 2 * 32 + column;
        ASSERT_EQ(y[i], isZero ? 0 : expected[i]) << "cell " << cell << " row " << row << " column " << column;
      }
  };
  runCell(0, worker);
  expectCell(0, false);
  std::memset(static_cast<void *>(x), 0, x.bytes());
  runCell(1, worker);
  expectCell(1, false);
  runCell(2, worker);
  expectCell(2, true);
  Array<unsigned char> other = library->scratchOf("gemm");
  runCell(1, other);
  expectCell(1, true);
}

TEST_P(Gemm, EpilogueThatNoPassMakes) {
  // x · tanh x + bias, stored by head and feature of the head, plus what a row alone decides.
  constexpr int64_t outputs = 72, depth = 19, tokens = 11, heads = 3, width = 24;
  auto library = load(fmt::format(R"(
    kernel.func @gemm {{
    ^bb0(%x: !kernel.view<["T", {1}], {4}>, %w: !kernel.view<[{0}, {1}], {4}, "{5}">,
         %bias: !kernel.view<[{0}], f32>, %gain: !kernel.view<["T"], f32>, %y: !kernel.view<["T", {2}, {3}], f32>):
      kernel.gemm rows "T" attributes {{config = #kernel.x86<%TILE%, rows = 4>}}
          product %x : !kernel.view<["T", {1}], {4}> times %w : !kernel.view<[{0}, {1}], {4}, "{5}"> {{
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
                                  outputs, depth, heads, width, GetParam().element(), GetParam().layout()));
  Numbers x = random(tokens * depth, 7), w = random(outputs * depth, 8);
  Array<float> bias = randomArray(outputs, 9), gain = randomArray(tokens, 10), y(tokens * outputs);
  library->run("gemm", {x, w.packed(1, outputs, depth), bias, gain, y}, {tokens}, 3 * 3);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t n = 0; n < outputs; ++n) {
      float acc = chain(x.at(t * depth), w.at(n * depth), depth, GetParam());
      double expected = double(acc) * std::tanh(double(acc)) * gain[t] + bias[n];
      ASSERT_NEAR(y[t * outputs + n], expected, 1e-6) << t << " " << n;
    }
  EXPECT_TRUE(y.tailIntact());
}

TEST_P(Gemm, StoresRoundToNearestEven) {
  // One column and weights of 1: accumulators are the inputs, in float32 whatever they are multiplied in.
  constexpr int64_t tokens = 700;
  auto library = load(R"(
    kernel.func @gemm {
    ^bb0(%x: !kernel.view<["T", 1], f32>, %w: !kernel.view<[21, 1], f32, "panel32">, %y: !kernel.view<["T", 21], bf16>):
      kernel.gemm rows "T" attributes {config = #kernel.x86<%TILE%, rows = 16>}
          product %x : !kernel.view<["T", 1], f32> times %w : !kernel.view<[21, 1], f32, "panel32"> {
      ^bb0(%acc: f32, %row: index, %feature: index):
        %r = arith.truncf %acc : f32 to bf16
        kernel.store %r, %y[%row, %feature] : !kernel.view<["T", 21], bf16>
      }
    })");
  Array<float> x = randomArray(tokens, 13, 1e3f), w(21);
  std::fill(w.begin(), w.end(), 1.0f);
  // Ties to both sides, the carry into the exponent and beyond the largest number, numbers that are none.
  const uint32_t special[] = {0x3f808000, 0x3f818000, 0x3f808001, 0x3f807fff, 0x3fff8000, 0x7f7f8000,
                              0x7f7f7fff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001,
                              0x7f800001, 0x7fffffff, 0x00800000, 0x80808000, 0x00000000, 0x477fffff};
  for (size_t i = 0; i < std::size(special); ++i)
    std::memcpy(&x[i * 7], &special[i], 4);
  Array<uint16_t> y(tokens * 21);
  library->run("gemm", {x, packPanels(w, 1, 21, 1), y}, {tokens}, (tokens + 15) / 16);
  for (int64_t i = 0; i < tokens * 21; ++i) {
    float value = x[i / 21];
    if (std::isnan(value))
      ASSERT_TRUE(std::isnan(widenBF16(y[i]))) << i / 21;
    else
      ASSERT_EQ(y[i], roundToBF16(flushedFMA(value, 1, 0))) << fmt::format("{:08x}", bitsOf(value));
  }
  EXPECT_TRUE(y.tailIntact());
}

// The last vector of a row has as many elements as are left, and the first of the next row stays as an earlier cell
// wrote it.
TEST_P(Gemm, StoresEndWithTheRow) {
  constexpr int64_t tokens = 20, depth = 8, rows = 16;
  for (int64_t outputs : {33, 34, 47, 65}) {
    SCOPED_TRACE(outputs);
    auto library = load(fmt::format(R"(
      kernel.func @gemm {{
      ^bb0(%x: !kernel.view<["T", {1}], {3}>, %w: !kernel.view<[{0}, {1}], {3}, "{4}">,
           %y: !kernel.view<["T", {0}], bf16>):
        kernel.gemm rows "T" attributes {{config = #kernel.x86<%TILE%, rows = {2}>}}
            product %x : !kernel.view<["T", {1}], {3}> times %w : !kernel.view<[{0}, {1}], {3}, "{4}"> {{
        ^bb0(%acc: f32, %row: index, %feature: index):
          %r = arith.truncf %acc : f32 to bf16
          kernel.store %r, %y[%row, %feature] : !kernel.view<["T", {0}], bf16>
        }}
      }})",
                                    outputs, depth, rows, GetParam().element(), GetParam().layout()));
    Numbers x = random(tokens * depth, 15), w = random(outputs * depth, 16);
    Array<uint16_t> y(tokens * outputs);
    uint32_t cells = static_cast<uint32_t>((outputs + 31) / 32 * ((tokens + rows - 1) / rows));
    library->runRange("gemm", {x, w.packed(1, outputs, depth), y}, {tokens}, 0, cells);
    for (int64_t i = 0; i < tokens * outputs; ++i)
      ASSERT_EQ(y[i], roundToBF16(chain(x.at(i / outputs * depth), w.at(i % outputs * depth), depth, GetParam())))
          << "row " << i / outputs << " feature " << i % outputs;
    EXPECT_TRUE(y.tailIntact());
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Gemm, testing::ValuesIn(runnableForms()),
                         [](const auto &info) { return nameOf(info); });

} // namespace
