// SPDX-License-Identifier: Apache-2.0
//
// Opcodes of single lanes against the same computed here.
#include "test/tools/simdriver/Kernels.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

using namespace yupana::ptx;

using Words = std::vector<uint32_t>;
using Longs = std::vector<uint64_t>;

TEST(Arithmetic, Integers) {
  Words a = {7, 0xfffffff9, 0x80000000, 5}, b = {2, 2, 0xffffffff, 0};
  EXPECT_EQ(evaluate("add.s32 %ro, %ra, %rb;", a, b), (Words{9, 0xfffffffb, 0x7fffffff, 5}));
  EXPECT_EQ(evaluate("sub.s32 %ro, %ra, %rb;", a, b), (Words{5, 0xfffffff7, 0x80000001, 5}));
  EXPECT_EQ(evaluate("mul.lo.s32 %ro, %ra, %rb;", a, b), (Words{14, 0xfffffff2, 0x80000000, 0}));
  EXPECT_EQ(evaluate("mul.hi.s32 %ro, %ra, %rb;", a, b), (Words{0, 0xffffffff, 0, 0}));
  EXPECT_EQ(evaluate("mul.hi.u32 %ro, %ra, %rb;", a, b), (Words{0, 1, 0x7fffffff, 0}));
  EXPECT_EQ(evaluate("mad.lo.s32 %ro, %ra, %rb, %rc;", a, b, {1, 1, 1, 1}), (Words{15, 0xfffffff3, 0x80000001, 1}));
  EXPECT_EQ(evaluate("div.s32 %ro, %ra, %rb;", a, b), (Words{3, 0xfffffffd, 0x80000000, 0xffffffff}));
  EXPECT_EQ(evaluate("rem.s32 %ro, %ra, %rb;", a, b), (Words{1, 0xffffffff, 0, 5}));
  EXPECT_EQ(evaluate("div.u32 %ro, %ra, %rb;", a, b), (Words{3, 0x7ffffffc, 0, 0xffffffff}));
  EXPECT_EQ(evaluate("rem.u32 %ro, %ra, %rb;", a, b), (Words{1, 1, 0x80000000, 5}));
  EXPECT_EQ(evaluate("min.s32 %ro, %ra, %rb;", a, b), (Words{2, 0xfffffff9, 0x80000000, 0}));
  EXPECT_EQ(evaluate("max.u32 %ro, %ra, %rb;", a, b), (Words{7, 0xfffffff9, 0xffffffff, 5}));
  EXPECT_EQ(evaluate("min.relu.s32 %ro, %ra, %rb;", a, b), (Words{2, 0, 0, 0}));
  EXPECT_EQ(evaluate("max.relu.s32 %ro, %ra, %rb;", a, b), (Words{7, 2, 0, 5}));
  EXPECT_EQ(evaluate("abs.s32 %ro, %ra;", a), (Words{7, 7, 0x80000000, 5}));
  EXPECT_EQ(evaluate("neg.s32 %ro, %ra;", a), (Words{0xfffffff9, 7, 0x80000000, 0xfffffffb}));
}

TEST(Arithmetic, Wide) {
  Longs a = {0xffffffffffffffff, 1ull << 40, 3}, b = {2, 1ull << 30, 0};
  EXPECT_EQ(evaluate64("add.s64 %do, %da, %db;", a, b), (Longs{1, (1ull << 40) + (1ull << 30), 3}));
  EXPECT_EQ(evaluate64("mul.lo.s64 %do, %da, %db;", a, b), (Longs{0xfffffffffffffffe, 0, 0}));
  EXPECT_EQ(evaluate64("mul.hi.u64 %do, %da, %db;", a, b), (Longs{1, 64, 0}));
  EXPECT_EQ(evaluate64("mad.lo.s64 %do, %da, %db, %dc;", a, b, {5, 5, 5}), (Longs{3, 5, 5}));
  EXPECT_EQ(evaluate64("cvt.u32.u64 %r1, %da; cvt.u32.u64 %r2, %db; mul.wide.u32 %do, %r1, %r2;", a, b),
            (Longs{0x1fffffffe, 0, 0}));
  EXPECT_EQ(evaluate64("cvt.u32.u64 %r1, %da; cvt.u32.u64 %r2, %db; mul.wide.s32 %do, %r1, %r2;", a, b),
            (Longs{0xfffffffffffffffe, 0, 0}));
  EXPECT_EQ(evaluate64("cvt.u32.u64 %r1, %da; mad.wide.u32 %do, %r1, 2, %dc;", a, {}, {1, 1, 1}),
            (Longs{0x1ffffffff, 1, 7}));
  EXPECT_EQ(evaluate64("rem.u64 %do, %da, %db;", a, b), (Longs{1, 0, 3}));
}

TEST(Arithmetic, Shifts) {
  Words a = {0x80000001, 0x80000001, 0x80000001}, b = {1, 31, 32};
  EXPECT_EQ(evaluate("shl.b32 %ro, %ra, %rb;", a, b), (Words{2, 0x80000000, 0}));
  EXPECT_EQ(evaluate("shr.u32 %ro, %ra, %rb;", a, b), (Words{0x40000000, 1, 0}));
  EXPECT_EQ(evaluate("shr.s32 %ro, %ra, %rb;", a, b), (Words{0xc0000000, 0xffffffff, 0xffffffff}));
  EXPECT_EQ(evaluate("shf.l.wrap.b32 %ro, %ra, %rb, %rc;", a, {5, 5, 5}, {4, 4, 36}), (Words{0x58, 0x58, 0x58}));
  EXPECT_EQ(evaluate("shf.r.wrap.b32 %ro, %ra, %rb, %rc;", a, {5, 5, 5}, {4, 0, 33}),
            (Words{0x58000000, 0x80000001, 0xc0000000}));
  EXPECT_EQ(evaluate64("cvt.u32.u64 %r1, %db; shr.s64 %do, %da, %r1;", {1ull << 63, 1ull << 63}, {62, 64}),
            (Longs{0xfffffffffffffffe, ~0ull}));
  EXPECT_EQ(evaluate("cvt.u16.u32 %h1, %ra; shl.b16 %h2, %h1, %rb; cvt.u32.u16 %ro, %h2;", {0xffff, 3}, {4, 16}),
            (Words{0xfff0, 0}));
}

TEST(Arithmetic, Bits) {
  Words a = {0x12345678, 0, 0xffffffff}, b = {0xff00ff00, 1, 0x0f0f0f0f};
  EXPECT_EQ(evaluate("and.b32 %ro, %ra, %rb;", a, b), (Words{0x12005600, 0, 0x0f0f0f0f}));
  EXPECT_EQ(evaluate("or.b32 %ro, %ra, %rb;", a, b), (Words{0xff34ff78, 1, 0xffffffff}));
  EXPECT_EQ(evaluate("xor.b32 %ro, %ra, %rb;", a, b), (Words{0xed34a978, 1, 0xf0f0f0f0}));
  EXPECT_EQ(evaluate("not.b32 %ro, %ra;", a), (Words{0xedcba987, 0xffffffff, 0}));
  EXPECT_EQ(evaluate("popc.b32 %ro, %ra;", a), (Words{13, 0, 32}));
  EXPECT_EQ(evaluate("clz.b32 %ro, %ra;", a), (Words{3, 32, 0}));
  EXPECT_EQ(evaluate("brev.b32 %ro, %ra;", a), (Words{0x1e6a2c48, 0, 0xffffffff}));
  EXPECT_EQ(evaluate("bfe.u32 %ro, %ra, 8, 8;", a), (Words{0x56, 0, 0xff}));
  EXPECT_EQ(evaluate("bfe.s32 %ro, %ra, 4, 4;", {0x70, 0x80}), (Words{7, 0xfffffff8}));
  EXPECT_EQ(evaluate("prmt.b32 %ro, %ra, %rb, 0x5410;", a, b), (Words{0xff005678, 0x00010000, 0x0f0fffff}));
  EXPECT_EQ(evaluate("prmt.b32 %ro, %ra, %rb, 0x0008;", {0x80, 0x7f}), (Words{0x808080ff, 0x7f7f7f00}));
  // (a & b) ^ c, whose table is (0xf0 & 0xcc) ^ 0xaa.
  EXPECT_EQ(evaluate("lop3.b32 %ro, %ra, %rb, %rc, 0x6a;", a, b, {1, 1, 1}), (Words{0x12005601, 1, 0x0f0f0f0e}));
  EXPECT_EQ(evaluate64("cvt.u32.u64 %r1, %da; mov.b64 %do, {%r1, 7};", {5}), (Longs{0x700000005}));
  EXPECT_EQ(evaluate("mov.b32 {%h1, %h2}, %ra; mov.b32 %ro, {%h2, %h1};", a), (Words{0x56781234, 0, 0xffffffff}));
}

TEST(Arithmetic, Predicates) {
  Words a = {1, 2, 3, 0xffffffff}, b = {2, 2, 2, 2};
  auto compare = [&](const std::string &how) {
    return evaluate("setp." + how + " %p1, %ra, %rb; selp.b32 %ro, 1, 0, %p1;", a, b);
  };
  EXPECT_EQ(compare("eq.s32"), (Words{0, 1, 0, 0}));
  EXPECT_EQ(compare("ne.b32"), (Words{1, 0, 1, 1}));
  EXPECT_EQ(compare("lt.s32"), (Words{1, 0, 0, 1}));
  EXPECT_EQ(compare("lt.u32"), (Words{1, 0, 0, 0}));
  EXPECT_EQ(compare("ge.s32"), (Words{0, 1, 1, 0}));
  EXPECT_EQ(compare("hi.u32"), (Words{0, 0, 1, 1}));
  EXPECT_EQ(evaluate("setp.gt.u32 %p1|%p2, %ra, %rb; selp.b32 %r1, 1, 0, %p1; selp.b32 %r2, 2, 0, %p2;"
                     "add.s32 %ro, %r1, %r2;",
                     a, b),
            (Words{2, 2, 1, 1}));
  EXPECT_EQ(evaluate("setp.eq.s32 %p1, %ra, 3; setp.lt.or.s32 %p2, %ra, %rb, %p1; selp.b32 %ro, 1, 0, %p2;", a, b),
            (Words{1, 0, 1, 1}));
  EXPECT_EQ(
      evaluate("setp.eq.s32 %p1, %ra, 3; not.pred %p2, %p1; mov.b32 %ro, 0; @%p2 mov.b32 %ro, 1; @!%p2 mov.b32 %ro, 2;",
               a),
      (Words{1, 1, 2, 1}));
  float nan = std::numeric_limits<float>::quiet_NaN();
  Words x = allBits({1, nan, 2}), y = allBits({1, 1, nan});
  auto unordered = [&](const std::string &how) {
    return evaluate("setp." + how + ".f32 %p1, %fa, %fb; selp.b32 %ro, 1, 0, %p1;", x, y);
  };
  EXPECT_EQ(unordered("eq"), (Words{1, 0, 0}));
  EXPECT_EQ(unordered("ne"), (Words{0, 0, 0}));
  EXPECT_EQ(unordered("neu"), (Words{0, 1, 1}));
  EXPECT_EQ(unordered("ltu"), (Words{0, 1, 1}));
  EXPECT_EQ(unordered("geu"), (Words{1, 1, 1}));
  EXPECT_EQ(unordered("num"), (Words{1, 0, 0}));
}

static std::vector<float> floats(const std::string &code, const std::vector<float> &a, const std::vector<float> &b = {},
                                 const std::vector<float> &c = {}) {
  return numbers(evaluate(code + " mov.b32 %ro, %fo;", allBits(a), allBits(b), allBits(c)));
}

TEST(Arithmetic, Floats) {
  std::vector<float> a = {1.5f, -0x1p-130f, 3e38f}, b = {0.1f, 2, 10}, c = {-0.15f, 1, -1};
  std::vector<float> sum = floats("add.rn.f32 %fo, %fa, %fb;", a, b),
                     fused = floats("fma.rn.f32 %fo, %fa, %fb, %fc;", a, b, c);
  std::vector<float> product = floats("mul.f32 %fo, %fa, %fb;", a, b),
                     quotient = floats("div.rn.f32 %fo, %fa, %fb;", a, b);
  std::vector<float> flushed = floats("mul.ftz.f32 %fo, %fa, %fb;", a, b);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(sum[i], a[i] + b[i]);
    EXPECT_EQ(fused[i], std::fma(a[i], b[i], c[i]));
    EXPECT_EQ(product[i], a[i] * b[i]);
    EXPECT_EQ(quotient[i], a[i] / b[i]);
  }
  EXPECT_EQ(flushed[1], 0.0f);
  EXPECT_TRUE(std::signbit(flushed[1]));
  EXPECT_EQ(floats("mov.b32 %fo, 0f3FC00000;", {0})[0], 1.5f);
  EXPECT_EQ(floats("neg.f32 %f1, %fa; abs.f32 %fo, %f1;", a), (std::vector<float>{1.5f, 0x1p-130f, 3e38f}));
}

TEST(Arithmetic, FloatExtremes) {
  float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> least = floats("min.f32 %fo, %fa, %fb;", {-0.0f, 0.0f, nan, 1}, {0.0f, -0.0f, 2, nan});
  EXPECT_TRUE(std::signbit(least[0]) && std::signbit(least[1]));
  EXPECT_EQ(least[2], 2);
  EXPECT_EQ(least[3], 1);
  std::vector<float> most = floats("max.f32 %fo, %fa, %fb;", {-0.0f, 3}, {0.0f, 2});
  EXPECT_FALSE(std::signbit(most[0]));
  EXPECT_EQ(most[1], 3);
  EXPECT_TRUE(std::isnan(floats("max.NaN.f32 %fo, %fa, %fb;", {nan}, {1})[0]));
}

TEST(Arithmetic, Approximations) {
  std::vector<float> x = {0.3f, 2.5f, 9.0f};
  auto near = [&](const std::string &op, float (*truth)(float)) {
    std::vector<float> got = floats(op + ".f32 %fo, %fa;", x);
    for (size_t i = 0; i < x.size(); ++i)
      EXPECT_NEAR(got[i], truth(x[i]), 2e-7f * std::fabs(truth(x[i])) + 1e-7f) << op;
  };
  near("ex2.approx", [](float v) { return std::exp2(v); });
  near("lg2.approx", [](float v) { return std::log2(v); });
  near("sin.approx", [](float v) { return std::sin(v); });
  near("cos.approx", [](float v) { return std::cos(v); });
  near("rcp.approx", [](float v) { return 1 / v; });
  near("rsqrt.approx", [](float v) { return 1 / std::sqrt(v); });
  near("sqrt.rn", [](float v) { return std::sqrt(v); });
  near("tanh.approx", [](float v) { return std::tanh(v); });
  EXPECT_EQ(floats("ex2.approx.ftz.f32 %fo, %fa;", {-140.0f})[0], 0.0f);
}

TEST(Arithmetic, Conversions) {
  float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(evaluate("cvt.rzi.s32.f32 %ro, %fa;", allBits({1.9f, -1.9f, 3e9f, nan})),
            (Words{1, 0xffffffff, 0x7fffffff, 0}));
  EXPECT_EQ(evaluate("cvt.rni.s32.f32 %ro, %fa;", allBits({0.5f, 1.5f, -2.5f})), (Words{0, 2, 0xfffffffe}));
  EXPECT_EQ(evaluate("cvt.rzi.u32.f32 %ro, %fa;", allBits({-1.0f, 3e9f})), (Words{0, 3000000000u}));
  EXPECT_EQ(numbers(evaluate("cvt.rn.f32.s32 %fo, %ra; mov.b32 %ro, %fo;", {0xffffffff, 16777217})),
            (std::vector<float>{-1, 16777216}));
  EXPECT_EQ(
      evaluate("cvt.rn.bf16.f32 %h1, %fa; cvt.u32.u16 %ro, %h1;", {0x3f808000, 0x3f818000, 0x3f808001, 0x7fc12345}),
      (Words{0x3f80, 0x3f82, 0x3f81, 0x7fff}));
  EXPECT_EQ(evaluate("cvt.rn.bf16x2.f32 %ro, %fa, %fb;", allBits({1.0f}), allBits({2.0f})), (Words{0x3f804000}));
  EXPECT_EQ(evaluate("cvt.u16.u32 %h1, %ra; cvt.f32.bf16 %fo, %h1; mov.b32 %ro, %fo;", {0x4049}), (Words{0x40490000}));
  EXPECT_EQ(evaluate("cvt.u16.u32 %h1, %ra; cvt.s32.s8 %ro, %h1;", {0x80, 0x7f}), (Words{0xffffff80, 0x7f}));
  EXPECT_EQ(evaluate("cvt.s32.s8 %ro, %ra;", {0x180, 0x7f}), (Words{0xffffff80, 0x7f})); // a wider register
  EXPECT_EQ(evaluate("cvt.sat.u8.s32 %r1, %ra; mov.b32 %ro, %r1;", {300, 0xffffffff, 7}), (Words{255, 0, 7}));
  EXPECT_EQ(evaluate("cvt.f64.f32 %fd1, %fa; mul.f64 %fd2, %fd1, 0d4000000000000000; cvt.rn.f32.f64 %fo, %fd2;"
                     "mov.b32 %ro, %fo;",
                     allBits({1.25f})),
            allBits({2.5f}));
  EXPECT_EQ(
      evaluate("cvt.rn.f16.f32 %h1, %fa; cvt.f32.f16 %fo, %h1; mov.b32 %ro, %fo;", allBits({1.0009765625f, 70000.0f})),
      allBits({1.0009765625f, std::numeric_limits<float>::infinity()}));
}

TEST(Arithmetic, Bf16) {
  EXPECT_EQ(evaluate("fma.rn.bf16x2 %ro, %ra, %rb, %rc;", {0x3f803f80}, {0x40003f80}, {0x3f803c00}),
            (Words{0x40403f81}));
  EXPECT_EQ(evaluate("add.rn.bf16x2 %ro, %ra, %rb;", {0x3f803f80}, {0x3f803b00}), (Words{0x40003f80}));
  EXPECT_EQ(evaluate("max.bf16x2 %ro, %ra, %rb;", {0x3f80c000}, {0x40003f80}), (Words{0x40003f80}));
  // 1 + 2^-9 + 2^-30: one rounding gives 1.0078125, two would give 1.
  EXPECT_EQ(evaluate("cvt.u16.u32 %h1, %ra; cvt.u16.u32 %h2, %rb; cvt.u16.u32 %h3, %rc; fma.rn.bf16 %h4, %h1, %h2, %h3;"
                     "cvt.u32.u16 %ro, %h4;",
                     {0x3f80, 0x3f80}, {0x3b80, 0x3b81}, {0x3f80, 0x3f80}),
            (Words{0x3f80, 0x3f81}));
}
