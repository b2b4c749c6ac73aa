// SPDX-License-Identifier: Apache-2.0
//
// Fragments, rows and descriptors of matrix instructions, with small integers, which every order of sums gets right.
#include "test/tools/simdriver/Kernels.h"

#include <array>
#include <gtest/gtest.h>

using namespace yupana::ptx;
using Words = std::vector<uint32_t>;

/// bf16 bits of a small integer.
static uint16_t half(int value) { return static_cast<uint16_t>(bits(static_cast<float>(value)) >> 16); }
static uint32_t pair(int low, int high) { return uint32_t{half(high)} << 16 | half(low); }
static int elementA(int row, int k) { return (row * 3 + k * 5) % 7 - 3; }
static int elementB(int k, int n) { return (k * 2 + n * 3) % 5 - 2; }

/// `results`: the registers of D, of which C has 16 to 19 in order.
static void checkFragments(const std::array<int, 4> &results) {
  // Each lane finds its four registers of A, two of B and four of C in a row of 10 words.
  std::vector<uint32_t> input(32 * 10);
  for (int lane = 0; lane < 32; ++lane) {
    int g = lane / 4, q = lane % 4 * 2;
    uint32_t *row = &input[static_cast<size_t>(lane) * 10];
    for (int r = 0; r < 4; ++r)
      row[r] = pair(elementA(g + r % 2 * 8, q + r / 2 * 8), elementA(g + r % 2 * 8, q + r / 2 * 8 + 1));
    for (int r = 0; r < 2; ++r)
      row[4 + r] = pair(elementB(q + r * 8, g), elementB(q + r * 8 + 1, g));
    for (int r = 0; r < 4; ++r)
      row[6 + r] = bits(static_cast<float>(lane + r));
  }
  std::string body = "mad.lo.u32 %r1, %r60, 40, 0;\n cvt.u64.u32 %rd5, %r1;\n add.s64 %rd6, %rd1, %rd5;\n";
  for (int i = 0; i < 10; ++i)
    body += "ld.global.b32 %r" + std::to_string(10 + i) + ", [%rd6+" + std::to_string(4 * i) + "];\n";
  std::string d;
  for (int result : results)
    d += (d.empty() ? "%r" : ",%r") + std::to_string(result);
  body += "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {" + d +
          "}, {%r10,%r11,%r12,%r13}, {%r14,%r15}, {%r16,%r17,%r18,%r19};\n";
  for (int i = 0; i < 4; ++i)
    body += "st.global.b32 [%rd6+" + std::to_string(4 * i) + "], %r" + std::to_string(results[static_cast<size_t>(i)]) +
            ";\n";
  Device device;
  Module module;
  ASSERT_FALSE(module.parse(kernelText(1, body)));
  uint64_t buffer = device.upload(input);
  Report report = device.launch(module, "k", {1, 32}, {buffer});
  ASSERT_FALSE(report) << report.message;
  Words out = device.download<uint32_t>(buffer, input.size());
  for (int lane = 0; lane < 32; ++lane)
    for (int r = 0; r < 4; ++r) {
      int row = lane / 4 + r / 2 * 8, n = lane % 4 * 2 + r % 2, sum = lane + r;
      for (int k = 0; k < 16; ++k)
        sum += elementA(row, k) * elementB(k, n);
      EXPECT_EQ(number(out[static_cast<size_t>(lane) * 10 + static_cast<size_t>(r)]), sum) << lane << " " << r;
    }
}

TEST(Matrix, MmaFragments) {
  checkFragments({20, 21, 22, 23});
  // D may be the registers of C, in any order.
  checkFragments({16, 17, 18, 19});
  checkFragments({19, 16, 18, 17});
}

/// Fills 512 bytes of shared memory with their element numbers, loads matrices, stores one register of each lane.
static Words matrices(const std::string &how, const std::string &registers, const std::string &taken) {
  std::string text = kernelText(1, R"(
  shl.b32 %r1, %r60, 4;
  mov.u32 %r2, smem;
  add.s32 %r3, %r2, %r1;
  shl.b32 %r4, %r60, 3;
  add.s32 %r5, %r4, 1;
  shl.b32 %r6, %r5, 16;
  or.b32 %r7, %r4, %r6;
  add.s32 %r8, %r7, 0x20002; add.s32 %r9, %r7, 0x40004; add.s32 %r10, %r7, 0x60006;
  st.shared.v4.b32 [%r3], {%r7, %r8, %r9, %r10};
  bar.sync 0;
  ldmatrix.sync.aligned.m8n8.)" + how + ".shared.b16 " +
                                       registers + R"(, [%r3];
  mul.wide.u32 %rd2, %r60, 4;
  add.s64 %rd3, %rd1, %rd2;
  st.global.b32 [%rd3], )" + taken + ";");
  Outcome run = runKernel(text, 1, 32, 512, 32);
  EXPECT_FALSE(run.report) << run.report.message;
  return run.out;
}

TEST(Matrix, LdmatrixTakesARegisterForEachMatrix) {
  for (const char *registers : {"{%r20, %r21}", "{%r20, %r21, %r22, %r23, %r24, %r25}"}) {
    std::string text = kernelText(1, std::string("ldmatrix.sync.aligned.m8n8.x4.shared.b16 ") + registers + ", [%r3];");
    Outcome run = runKernel(text, 1, 32, 512, 32);
    EXPECT_EQ(run.report.fault, Fault::Unsupported);
    EXPECT_NE(run.report.message.find("registers for 4 matrices"), std::string::npos) << run.report.message;
  }
}

TEST(Matrix, LdmatrixRows) {
  Words second = matrices("x4", "{%r20, %r21, %r22, %r23}", "%r21"),
        turned = matrices("x2.trans", "{%r20, %r21}", "%r20");
  for (uint32_t lane = 0; lane < 32; ++lane) {
    uint32_t element = (8 + lane / 4) * 8 + lane % 4 * 2; // row 8 + lane / 4
    EXPECT_EQ(second[lane], (element + 1) << 16 | element);
    uint32_t above = lane % 4 * 2 * 8 + lane / 4; // row 2 (lane mod 4), column lane div 4
    EXPECT_EQ(turned[lane], (above + 8) << 16 | above);
  }
}

TEST(Matrix, StmatrixRows) {
  std::string text = kernelText(1, R"(
  shl.b32 %r1, %r60, 4;
  mov.u32 %r2, smem;
  add.s32 %r3, %r2, %r1;
  stmatrix.sync.aligned.m8n8.x1.shared.b16 [%r3], {%r60};
  bar.sync 0;
  shl.b32 %r4, %r60, 2;
  add.s32 %r5, %r2, %r4;
  ld.shared.b32 %r6, [%r5];
  cvt.u64.u32 %rd2, %r4;
  add.s64 %rd3, %rd1, %rd2;
  st.global.b32 [%rd3], %r6;)");
  Outcome run = runKernel(text, 1, 32, 512, 32);
  ASSERT_FALSE(run.report) << run.report.message;
  for (uint32_t lane = 0; lane < 32; ++lane)
    EXPECT_EQ(run.out[lane], lane);
}

/// wgmma m64n16k16 with A and B in shared memory, swizzled, both written by threads; two K steps of 16.
static std::string wgmmaText(const std::string &scale) {
  // Row r of a matrix takes 128 bytes, 8 rows a group of 1024; the 16-byte chunk c of a row lies at c xor (r mod 8).
  // A: 64 rows at smem; B: 16 rows at smem + 8192. Thread t < 80 writes 32 elements of row t.
  return kernelText(2, R"(
  .reg .f32 %d<8>;
  mov.u32 %r1, smem;
  setp.ge.u32 %p1, %r60, 80;
  @%p1 bra WRITTEN;
  shl.b32 %r2, %r60, 7;
  add.s32 %r3, %r1, %r2;
  and.b32 %r4, %r60, 7;
  mul.wide.u32 %rd3, %r60, 64;
  add.s64 %rd4, %rd1, %rd3;
  mov.b32 %r5, 0;
CHUNK:
  ld.global.v4.b32 {%r10, %r11, %r12, %r13}, [%rd4];
  xor.b32 %r6, %r5, %r4;
  shl.b32 %r7, %r6, 4;
  add.s32 %r8, %r3, %r7;
  st.shared.v4.b32 [%r8], {%r10, %r11, %r12, %r13};
  add.s64 %rd4, %rd4, 16;
  add.s32 %r5, %r5, 1;
  setp.lt.u32 %p2, %r5, 4;
  @%p2 bra CHUNK;
WRITTEN:
  fence.proxy.async.shared::cta;
  bar.sync 0;
  shr.u32 %r20, %r1, 4;
  cvt.u64.u32 %rd10, %r20;
  or.b64 %rd11, %rd10, 0x4000004000010000;
  add.s64 %rd12, %rd11, 512;
  mov.b32 %d0, 0f3F800000; mov.b32 %d1, 0f3F800000; mov.b32 %d2, 0f3F800000; mov.b32 %d3, 0f3F800000;
  mov.b32 %d4, 0f3F800000; mov.b32 %d5, 0f3F800000; mov.b32 %d6, 0f3F800000; mov.b32 %d7, 0f3F800000;
  wgmma.fence.sync.aligned;
  { .reg .pred p; setp.ne.b32 p, )" +
                           scale + R"(, 0;
  wgmma.mma_async.sync.aligned.m64n16k16.f32.bf16.bf16 {%d0, %d1, %d2, %d3, %d4, %d5, %d6, %d7}, %rd11, %rd12, p, 1, 1, 0, 0; }
  add.s64 %rd13, %rd11, 2;
  add.s64 %rd14, %rd12, 2;
  { .reg .pred p; setp.ne.b32 p, 1, 0;
  wgmma.mma_async.sync.aligned.m64n16k16.f32.bf16.bf16 {%d0, %d1, %d2, %d3, %d4, %d5, %d6, %d7}, %rd13, %rd14, p, 1, 1, 0, 0; }
  wgmma.commit_group.sync.aligned;
  wgmma.wait_group.sync.aligned 0;
  mul.wide.u32 %rd20, %r60, 32;
  add.s64 %rd21, %rd2, %rd20;
  st.global.v4.f32 [%rd21], {%d0, %d1, %d2, %d3};
  st.global.v4.f32 [%rd21+16], {%d4, %d5, %d6, %d7};)");
}

static void checkWgmma(const std::string &text, int before) {
  std::vector<uint16_t> input(80 * 32);
  for (int row = 0; row < 64; ++row)
    for (int k = 0; k < 32; ++k)
      input[static_cast<size_t>(row * 32 + k)] = half(elementA(row, k));
  for (int n = 0; n < 16; ++n)
    for (int k = 0; k < 32; ++k)
      input[static_cast<size_t>((64 + n) * 32 + k)] = half(elementB(k, n));
  Device device;
  Module module;
  Report report = module.parse(text);
  ASSERT_FALSE(report) << report.message;
  uint64_t out = device.upload(Words(128 * 8));
  report = device.launch(module, "k", {1, 128, 10240}, {device.upload(input), out});
  ASSERT_FALSE(report) << report.message;
  Words got = device.download<uint32_t>(out, 128 * 8);
  for (int thread = 0; thread < 128; ++thread)
    for (int v = 0; v < 8; ++v) {
      int lane = thread % 32, row = thread / 32 * 16 + lane / 4 + v / 2 % 2 * 8, n = v / 4 * 8 + lane % 4 * 2 + v % 2;
      int sum = before;
      for (int k = 0; k < 32; ++k)
        sum += elementA(row, k) * elementB(k, n);
      ASSERT_EQ(number(got[static_cast<size_t>(thread * 8 + v)]), sum) << thread << " " << v;
    }
}

TEST(Matrix, WgmmaSwizzle) { checkWgmma(wgmmaText("1"), 1); }
TEST(Matrix, WgmmaScale) { checkWgmma(wgmmaText("0"), 0); }

/// wgmma m64n72k16 with A in registers and a transposed B: 16 rows of K, of which each holds 64 of N in 128 bytes, and
/// the next 64 in rows 2048 bytes further.
TEST(Matrix, WgmmaTransposed) {
  constexpr int columns = 72, count = columns / 2;
  std::string accumulators, zeros, stores;
  for (int i = 0; i < count; ++i) {
    accumulators += (i ? ", %d" : "%d") + std::to_string(i);
    zeros += "  mov.b32 %d" + std::to_string(i) + ", 0f00000000;\n";
    stores += "  st.global.f32 [%rd21+" + std::to_string(4 * i) + "], %d" + std::to_string(i) + ";\n";
  }
  // Thread t writes chunks t and t + 128 of B, 16 to a row, and reads its four registers of A.
  std::string text = kernelText(2, R"(
  .reg .f32 %d<)" + std::to_string(count) +
                                       R"(>;
  mov.u32 %r1, smem;
  mov.u32 %r2, %r60;
CHUNK:
  mul.wide.u32 %rd3, %r2, 16;
  add.s64 %rd4, %rd1, %rd3;
  ld.global.v4.b32 {%r10, %r11, %r12, %r13}, [%rd4+2048];
  shr.u32 %r4, %r2, 4;
  and.b32 %r5, %r4, 7;
  and.b32 %r6, %r2, 7;
  xor.b32 %r6, %r6, %r5;
  shl.b32 %r6, %r6, 4;
  shl.b32 %r7, %r4, 7;
  add.s32 %r6, %r6, %r7;
  and.b32 %r8, %r2, 8;
  shl.b32 %r8, %r8, 8;
  add.s32 %r6, %r6, %r8;
  add.s32 %r6, %r6, %r1;
  st.shared.v4.b32 [%r6], {%r10, %r11, %r12, %r13};
  add.s32 %r2, %r2, 128;
  setp.lt.u32 %p1, %r2, 256;
  @%p1 bra CHUNK;
  fence.proxy.async.shared::cta;
  bar.sync 0;
  mul.wide.u32 %rd5, %r60, 16;
  add.s64 %rd6, %rd1, %rd5;
  ld.global.v4.b32 {%r20, %r21, %r22, %r23}, [%rd6];
  shr.u32 %r24, %r1, 4;
  cvt.u64.u32 %rd10, %r24;
  or.b64 %rd11, %rd10, 0x4000004000800000;
)" + zeros + R"(  setp.eq.b32 %p1, %r1, %r1;
  wgmma.fence.sync.aligned;
  wgmma.mma_async.sync.aligned.m64n72k16.f32.bf16.bf16 {)" +
                                       accumulators +
                                       R"(}, {%r20, %r21, %r22, %r23}, %rd11, %p1, 1, 1, 1;
  wgmma.commit_group.sync.aligned;
  wgmma.wait_group.sync.aligned 0;
  mul.wide.u32 %rd20, %r60, 144;
  add.s64 %rd21, %rd2, %rd20;
)" + stores);
  std::vector<uint16_t> input;
  for (int thread = 0; thread < 128; ++thread)
    for (int i = 0; i < 8; ++i) {
      int row = thread / 32 * 16 + thread % 32 / 4 + i / 2 % 2 * 8, k = thread % 4 * 2 + i % 2 + i / 4 * 8;
      input.push_back(half(elementA(row, k)));
    }
  for (int k = 0; k < 16; ++k)
    for (int n = 0; n < 128; ++n)
      input.push_back(half(elementB(k, n)));
  Device device;
  Module module;
  Report report = module.parse(text);
  ASSERT_FALSE(report) << report.message;
  uint64_t out = device.upload(Words(128 * count));
  report = device.launch(module, "k", {1, 128, 4096}, {device.upload(input), out});
  ASSERT_FALSE(report) << report.message;
  Words got = device.download<uint32_t>(out, 128 * count);
  for (int thread = 0; thread < 128; ++thread)
    for (int v = 0; v < count; ++v) {
      int lane = thread % 32, row = thread / 32 * 16 + lane / 4 + v / 2 % 2 * 8, n = v / 4 * 8 + lane % 4 * 2 + v % 2;
      int sum = 0;
      for (int k = 0; k < 16; ++k)
        sum += elementA(row, k) * elementB(k, n);
      ASSERT_EQ(number(got[static_cast<size_t>(thread * count + v)]), sum) << thread << " " << v;
    }
}

TEST(Matrix, AllLanesAreNeeded) {
  Outcome run = runKernel(kernelText(1, R"(
  mov.u32 %r1, smem;
  setp.eq.u32 %p1, %r60, 3;
  @%p1 bra END;
  ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r2}, [%r1];
END:)"),
                          1, 32, 512, 1);
  EXPECT_EQ(run.report.fault, Fault::Misuse);
}

TEST(Matrix, UndefinedRowsSpoilTheirRowsAlone) {
  // A is written in all rows but one, B wholly; the lanes of that row alone may not decide anything.
  std::string text = kernelText(1, R"(
  mov.u32 %r1, smem;
  shl.b32 %r2, %r60, 4;
  add.s32 %r3, %r1, %r2;
  mov.b32 %r4, 0x3f803f80;
  setp.ne.u32 %p1, %r60, 5;
  @%p1 st.shared.v4.b32 [%r3], {%r4, %r4, %r4, %r4};
  bar.sync 0;
  ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r10, %r11, %r12, %r13}, [%r3];
  mov.b32 %r14, 0f00000000;
  mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%r20, %r21, %r22, %r23}, {%r10, %r11, %r12, %r13}, {%r4, %r4}, {%r14, %r14, %r14, %r14};
  mul.wide.u32 %rd2, %r60, 4;
  add.s64 %rd3, %rd1, %rd2;
  shr.u32 %r30, %r60, 2;
  setp.ne.u32 %p2, %r30, 5;
  @%p2 st.global.b32 [%rd3], %r20;)");
  Outcome run = runKernel(text, 1, 32, 512, 32);
  ASSERT_FALSE(run.report) << run.report.message;
  EXPECT_EQ(number(run.out[0]), 16);
  Outcome bad = runKernel(replaced(text, "@%p2 st.global.b32 [%rd3], %r20;",
                                   "setp.gt.f32 %p3, %r20, 0f3F800000;\n  @%p3 st.global.b32 [%rd3], %r20;"),
                          1, 32, 512, 32);
  EXPECT_EQ(bad.report.fault, Fault::Undefined) << bad.report.message;
}
