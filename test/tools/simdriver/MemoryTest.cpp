// SPDX-License-Identifier: Apache-2.0
//
// Loads, stores, atomics and copies, what lanes exchange, and the checks of bounds, alignment and definedness.
#include "test/tools/simdriver/Kernels.h"

#include <gtest/gtest.h>

using namespace yupana::ptx;
using Words = std::vector<uint32_t>;

TEST(Memory, SizesAndVectors) {
  std::string text = kernelText(1, R"(
  ld.global.v4.b32 {%r1, %r2, %r3, %r4}, [%rd1];
  ld.global.u8 %r5, [%rd1+16];
  ld.global.s8 %r6, [%rd1+17];
  ld.global.s16 %r7, [%rd1+18];
  ld.global.b16 %h1, [%rd1+18];
  st.global.v2.b32 [%rd1+32], {%r4, %r1};
  st.global.b32 [%rd1+40], %r5;
  st.global.b32 [%rd1+44], %r6;
  st.global.b32 [%rd1+48], %r7;
  st.global.b16 [%rd1+52], %h1;
  st.global.u8 [%rd1+54], %r6;
  ld.global.b32 %rd7, [%rd1];
  st.global.b64 [%rd1+56], %rd7;)");
  Device device;
  Module module;
  Report report = module.parse(text);
  ASSERT_FALSE(report) << report.message;
  uint64_t buffer = device.upload(Words{1, 2, 3, 0xffffffff, 0x8001ff7e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9});
  report = device.launch(module, "k", {1, 1}, {buffer});
  ASSERT_FALSE(report) << report.message;
  Words out = device.download<uint32_t>(buffer, 16);
  EXPECT_EQ(Words(out.begin() + 8, out.end()), (Words{0xffffffff, 1, 0x7e, 0xffffffff, 0xffff8001, 0x00ff8001, 1, 0}));
}

TEST(Memory, Parameters) {
  std::string text = replaced(kernelText(1, R"(
  ld.param.u32 %r1, [n];
  ld.param.f32 %f1, [x+4];
  st.global.b32 [%rd1], %r1;
  st.global.f32 [%rd1+4], %f1;)"),
                              "k_param_0\n)", "k_param_0,\n  .param .u32 n,\n  .param .align 8 .b8 x[8]\n)");
  Device device;
  Module module;
  Report report = module.parse(text);
  ASSERT_FALSE(report) << report.message;
  EXPECT_EQ(module.info("k")->parameterOffsets, (Words{0, 8, 16}));
  uint64_t buffer = device.upload(Words(2));
  report = device.launch(module, "k", {1, 1}, {buffer, 77, uint64_t{bits(1.5f)} << 32});
  ASSERT_FALSE(report) << report.message;
  EXPECT_EQ(device.download<uint32_t>(buffer, 2), (Words{77, bits(1.5f)}));
  EXPECT_EQ(device.launch(module, "k", {1, 1}, {buffer}).fault, Fault::Launch);
  EXPECT_EQ(device.launch(module, "k", {1, 2000}, {buffer, 0, 0}).fault, Fault::Launch);
  EXPECT_EQ(device.launch(module, "k", {1, 32, 300000}, {buffer, 0, 0}).fault, Fault::Launch);
}

TEST(Memory, VariablesOfTheModule) {
  std::string text = kernelText(1, R"(
  mul.wide.u32 %rd2, %r60, 4;
  mov.u64 %rd3, table;
  add.s64 %rd4, %rd3, %rd2;
  ld.const.b32 %r1, [%rd4];
  add.s64 %rd5, %rd1, %rd2;
  st.global.b32 [%rd5], %r1;)",
                                ".const .align 4 .b32 table[4] = {5, 6, -7, 0x10};");
  EXPECT_EQ(runKernel(text, 1, 4, 0, 4).out, (Words{5, 6, 0xfffffff9, 16}));
}

TEST(Memory, DynamicShared) {
  // Behind 100 bytes of static shared memory the dynamic part begins at the next multiple of its alignment.
  std::string text = kernelText(1, R"(
  mov.u32 %r1, smem;
  mov.u32 %r2, fixed;
  sub.s32 %r3, %r1, %r2;
  and.b32 %r4, %r1, 1023;
  mov.u32 %r5, %dynamic_smem_size;
  st.global.v2.b32 [%rd1], {%r3, %r4};
  st.global.b32 [%rd1+8], %r5;
  st.shared.b32 [%r1+252], %r5;)",
                                ".shared .align 4 .b8 fixed[100];");
  Outcome run = runKernel(text, 1, 1, 256, 3);
  ASSERT_FALSE(run.report) << run.report.message;
  EXPECT_EQ(run.out, (Words{1024, 0, 256}));
}

TEST(Memory, GenericAndLocal) {
  std::string text = kernelText(1, R"(
  .local .align 8 .b8 depot[16];
  mov.u64 %rd2, depot;
  cvta.local.u64 %rd3, %rd2;
  st.local.b32 [%rd2+4], %r60;
  ld.b32 %r1, [%rd3+4];
  mov.u32 %r2, smem;
  cvt.u64.u32 %rd4, %r2;
  cvta.shared.u64 %rd5, %rd4;
  mul.wide.u32 %rd6, %r60, 4;
  add.s64 %rd7, %rd5, %rd6;
  st.b32 [%rd7], %r1;
  ld.b32 %r3, [%rd7];
  add.s64 %rd8, %rd1, %rd6;
  st.b32 [%rd8], %r3;
  isspacep.shared %p1, %rd7;
  @!%p1 trap;
  cvta.to.shared.u64 %rd9, %rd7;
  ld.shared.b32 %r4, [%rd9];)");
  Outcome run = runKernel(text, 1, 4, 64, 4);
  ASSERT_FALSE(run.report) << run.report.message;
  EXPECT_EQ(run.out, (Words{0, 1, 2, 3}));
}

TEST(Memory, Atomics) {
  std::string text = kernelText(1, R"(
  atom.global.add.u32 %r1, [%rd1], 2;
  red.global.max.s32 [%rd1+4], %r60;
  atom.global.inc.u32 %r2, [%rd1+8], 6;
  atom.acq_rel.gpu.global.cas.b32 %r3, [%rd1+12], 0, 9;
  red.global.add.f32 [%rd1+16], 0f3F000000;
  cvt.u64.u32 %rd2, %r60;
  atom.global.add.u64 %rd3, [%rd1+24], %rd2;
  mov.u32 %r4, smem;
  setp.eq.u32 %p1, %r60, 0;
  @%p1 st.shared.b32 [%r4], 0;
  bar.sync 0;
  atom.shared.add.u32 %r5, [%r4], 1;
  bar.sync 0;
  ld.shared.b32 %r6, [%r4];
  @%p1 atom.global.exch.b32 %r7, [%rd1+32], %r6;)");
  for (bool checked : {true, false}) {
    Options options;
    options.races = options.undefined = checked;
    Outcome run = runKernel(text, 1, 64, 64, 9, options);
    ASSERT_FALSE(run.report) << run.report.message;
    EXPECT_EQ(run.out, (Words{128, 63, 64 % 7, 9, bits(32.0f), 0, 63 * 32, 0, 64}));
  }
}

TEST(Memory, LanesExchange) {
  Words a(32);
  for (uint32_t i = 0; i < 32; ++i)
    a[i] = 100 + i;
  Words down = evaluate("shfl.sync.down.b32 %ro, %ra, 3, 31, -1;", a),
        up = evaluate("shfl.sync.up.b32 %ro|%p1, %ra, 1, 0, -1; @!%p1 mov.b32 %ro, 0;", a);
  Words across = evaluate("shfl.sync.bfly.b32 %ro, %ra, 16, 31, -1;", a),
        eight = evaluate("shfl.sync.idx.b32 %ro, %ra, 2, 0x181f, -1;", a);
  for (uint32_t i = 0; i < 32; ++i) {
    EXPECT_EQ(down[i], 100 + (i + 3 < 32 ? i + 3 : i));
    EXPECT_EQ(up[i], i ? 99 + i : 0);
    EXPECT_EQ(across[i], 100 + (i ^ 16));
    EXPECT_EQ(eight[i], 100 + i / 8 * 8 + 2);
  }
  EXPECT_EQ(evaluate("setp.gt.u32 %p1, %ra, 129; vote.sync.ballot.b32 %ro, %p1, -1;", a)[5], 0xc0000000u);
  EXPECT_EQ(evaluate("setp.gt.u32 %p1, %ra, 99; vote.sync.all.pred %p2, %p1, -1; selp.b32 %ro, 1, 0, %p2;", a)[0], 1u);
  EXPECT_EQ(evaluate("redux.sync.add.s32 %ro, %ra, -1;", a)[9], 32u * 100 + 496);
  EXPECT_EQ(evaluate("redux.sync.min.u32 %ro, %ra, -1;", a)[9], 100u);
  EXPECT_EQ(evaluate("and.b32 %r1, %ra, 1; match.any.sync.b32 %ro, %r1, -1;", a)[3], 0xaaaaaaaau);
  EXPECT_EQ(evaluate("match.all.sync.b32 %r1|%p1, %ra, -1; selp.b32 %ro, 1, 0, %p1;", a)[3], 0u);
  EXPECT_EQ(evaluate("shr.u32 %r1, %ra, 8; match.all.sync.b32 %r2|%p1, %r1, -1; selp.b32 %ro, 1, 0, %p1;", a)[3], 1u);
  EXPECT_EQ(evaluate("elect.sync %ro|%p1, -1; @%p1 mov.b32 %ro, 7;", a)[0], 7u);
  EXPECT_EQ(evaluate("elect.sync %ro|%p1, -1; @%p1 mov.b32 %ro, 7;", a)[1], 0u);
  Outcome run =
      runKernel(kernelText(1, "setp.lt.u32 %p1, %r60, 4;\n @%p1 shfl.sync.idx.b32 %r1, %r60, 0, 31, -1;"), 1, 32, 0, 1);
  EXPECT_EQ(run.report.fault, Fault::Misuse);
}

/// Each thread copies 16 bytes into shared memory and stores its word of them.
static const std::string copies = R"(
  mov.u32 %r1, smem;
  shl.b32 %r2, %r60, 4;
  add.s32 %r3, %r1, %r2;
  cvt.u64.u32 %rd2, %r2;
  add.s64 %rd3, %rd1, %rd2;
  cp.async.cg.shared.global [%r3], [%rd3], 16, 8;
  cp.async.commit_group;
  cp.async.wait_group 0;
  ld.shared.v4.b32 {%r4, %r5, %r6, %r7}, [%r3];
  add.s32 %r8, %r4, %r5;
  add.s32 %r9, %r6, %r7;
  st.global.v2.b32 [%rd3], {%r8, %r9};)";

TEST(Memory, AsynchronousCopies) {
  Device device;
  Module module;
  ASSERT_FALSE(module.parse(kernelText(1, copies)));
  uint64_t buffer = device.upload(Words{1, 2, 3, 4, 5, 6, 7, 8});
  Report report = device.launch(module, "k", {1, 2, 64}, {buffer});
  ASSERT_FALSE(report) << report.message;
  EXPECT_EQ(device.download<uint32_t>(buffer, 8), (Words{3, 0, 3, 4, 11, 0, 7, 8})); // beyond 8 bytes zeros were copied
  Outcome early =
      runKernel(kernelText(1, replaced(copies, "cp.async.wait_group 0;", "cp.async.wait_group 1;")), 1, 2, 64, 8);
  EXPECT_EQ(early.report.fault, Fault::Race) << early.report.message;
  EXPECT_NE(early.report.message.find("nobody has waited for"), std::string::npos);
  Outcome left = runKernel(kernelText(1, replaced(copies, "cp.async.commit_group;", "")), 1, 2, 64, 8);
  EXPECT_TRUE(left.report);
}

TEST(Memory, Bounds) {
  auto fault = [](const std::string &body) { return runKernel(kernelText(1, body), 1, 1, 64, 4).report; };
  EXPECT_FALSE(fault("ld.global.b32 %r1, [%rd1+12];"));
  Report report = fault("ld.global.b32 %r1, [%rd1+16];");
  EXPECT_EQ(report.fault, Fault::OutOfBounds);
  EXPECT_NE(report.message.find("kernel 'k', line 18 `ld.global.b32 %r1, [%rd1+16]`, block 0, warp 0"),
            std::string::npos)
      << report.message;
  EXPECT_EQ(fault("st.global.b32 [%rd1+-4], %r60;").fault, Fault::OutOfBounds);
  EXPECT_EQ(fault("ld.global.b32 %r1, [%rd1+2];").fault, Fault::Misaligned);
  EXPECT_EQ(fault("ld.global.v4.b32 {%r1, %r2, %r3, %r4}, [%rd1+4];").fault, Fault::OutOfBounds);
  EXPECT_EQ(fault("mov.u32 %r1, smem; st.shared.b32 [%r1+64], %r60;").fault, Fault::OutOfBounds);
  EXPECT_EQ(fault("mov.u32 %r1, smem; st.shared.b32 [%r1+-4], %r60;").fault, Fault::OutOfBounds);
  EXPECT_EQ(fault("mov.u32 %r1, smem; st.shared.b64 [%r1+4], %rd1;").fault, Fault::Misaligned);
  EXPECT_EQ(fault("st.global.b32 [0], %r60;").fault, Fault::OutOfBounds);
}

TEST(Memory, UndefinedValues) {
  auto fault = [](const std::string &body, bool undefined = true) {
    return runKernel(kernelText(1, body), 1, 32, 256, 32, {}, undefined).report.fault;
  };
  std::string load = "ld.global.b32 %r1, [%rd1];\n";
  EXPECT_EQ(fault(load + "add.s32 %r2, %r1, 1;"), Fault::None);
  EXPECT_EQ(fault(load + "setp.eq.s32 %p1, %r1, 1;\n @%p1 bra L;\nL:"), Fault::Undefined);
  EXPECT_EQ(fault(load + "setp.eq.s32 %p1, %r1, 1;\n @%p1 bra L;\nL:", false), Fault::None);
  EXPECT_EQ(fault(load + "cvt.u64.u32 %rd2, %r1;\n add.s64 %rd3, %rd1, %rd2;\n st.global.b32 [%rd3], 0;"),
            Fault::Undefined);
  EXPECT_EQ(fault("mov.u32 %r5, smem;\n ld.shared.b32 %r1, [%r5];\n setp.eq.s32 %p1, %r1, 1;\n @%p1 trap;"),
            Fault::Undefined);
  EXPECT_EQ(fault("setp.eq.s32 %p1, %r1, 1;\n @%p1 trap;"), Fault::Undefined); // a register that nobody wrote
  // Masked out: the lane that holds nothing takes the other side.
  EXPECT_EQ(fault("setp.ne.u32 %p2, %r60, 3;\n @%p2 mov.b32 %r1, 0;\n selp.b32 %r2, %r1, 1, %p2;\n"
                  "setp.eq.s32 %p1, %r2, 9;\n @%p1 trap;"),
            Fault::None);
  EXPECT_EQ(fault("setp.eq.s32 %p2, %r60, 99;\n setp.eq.s32 %p1, %r1, 1;\n and.pred %p3, %p1, %p2;\n @%p3 trap;"),
            Fault::None);
}

TEST(Memory, UndefinedResultsReachNoHost) {
  Device device;
  Module module;
  ASSERT_FALSE(module.parse(kernelText(1, "st.global.b32 [%rd1], 5;\n st.global.b32 [%rd1+4], %r1;")));
  uint64_t buffer = device.allocate(12);
  ASSERT_FALSE(device.launch(module, "k", {1, 1}, {buffer}));
  uint32_t value = 0;
  EXPECT_TRUE(device.read(&value, buffer, 4));
  EXPECT_EQ(value, 5u);
  EXPECT_FALSE(device.read(&value, buffer + 4, 4)); // from a register that nobody wrote
  EXPECT_FALSE(device.read(&value, buffer + 8, 4)); // never written
  EXPECT_FALSE(device.read(&value, buffer + 12, 4));
}

TEST(Memory, Allocations) {
  Options options;
  options.memory = 1 << 20;
  Device device(options);
  uint64_t a = device.allocate(1000), b = device.allocate(500000);
  EXPECT_NE(a, 0u);
  EXPECT_EQ(a % 256, 0u);
  EXPECT_GE(b, a + 1000 + 256);
  EXPECT_EQ(device.allocate(600000), 0u);
  EXPECT_EQ(device.allocated(), 501000u);
  EXPECT_TRUE(device.release(b));
  EXPECT_FALSE(device.release(b));
  EXPECT_NE(device.allocate(900000), 0u);
  EXPECT_FALSE(device.contains(a + 999, 2));
}
