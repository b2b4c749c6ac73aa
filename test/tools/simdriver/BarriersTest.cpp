// SPDX-License-Identifier: Apache-2.0
//
// Barriers of blocks and mbarriers: what they let through, and the hangs and misuses that they report.
#include "test/tools/simdriver/Kernels.h"

#include <gtest/gtest.h>

using namespace yupana::ptx;
using Words = std::vector<uint32_t>;

static Options seeded(uint64_t seed) {
  Options options;
  options.seed = seed;
  return options;
}

/// Each warp stores its number for the next one.
static const std::string handOver = R"(
  mov.u32 %r1, smem;
  shl.b32 %r2, %r60, 2;
  add.s32 %r3, %r1, %r2;
  st.shared.b32 [%r3], %r60;
  bar.sync 0;
  xor.b32 %r4, %r2, 128;
  add.s32 %r5, %r1, %r4;
  ld.shared.b32 %r6, [%r5];
  cvt.u64.u32 %rd2, %r2;
  add.s64 %rd3, %rd1, %rd2;
  st.global.b32 [%rd3], %r6;)";

TEST(Barriers, OrderWarps) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    Outcome run = runKernel(kernelText(1, handOver), 1, 128, 512, 128, seeded(seed));
    ASSERT_FALSE(run.report) << run.report.message;
    EXPECT_EQ(run.out[5], 37u);
    Outcome bad = runKernel(kernelText(1, replaced(handOver, "bar.sync 0;", "")), 1, 128, 512, 128, seeded(seed));
    EXPECT_EQ(bad.report.fault, Fault::Race);
    EXPECT_NE(bad.report.message.find("race on shared memory at byte"), std::string::npos) << bad.report.message;
  }
}

TEST(Barriers, NamedAndCounted) {
  // Warps 0 and 1 meet at barrier 1; warp 2 arrives at barrier 2, for which warp 3 waits.
  std::string text = kernelText(1, R"(
  mov.u32 %r1, smem;
  setp.lt.u32 %p1, %r60, 64;
  @%p1 bra FIRST;
  setp.lt.u32 %p2, %r60, 96;
  @%p2 st.shared.b32 [%r1+4], 7;
  @%p2 bar.arrive 2, 64;
  @%p2 bra END;
  bar.sync 2, 64;
  ld.shared.b32 %r2, [%r1+4];
  st.global.b32 [%rd1+4], %r2;
  bra END;
FIRST:
  setp.lt.u32 %p3, %r60, 32;
  @%p3 st.shared.b32 [%r1], 5;
  bar.sync 1, 64;
  @%p3 bra END;
  ld.shared.b32 %r3, [%r1];
  st.global.b32 [%rd1], %r3;
END:)");
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    Outcome run = runKernel(text, 1, 128, 64, 2, seeded(seed));
    ASSERT_FALSE(run.report) << run.report.message;
    EXPECT_EQ(run.out, (Words{5, 7}));
  }
  Outcome hang = runKernel(replaced(text, "bar.sync 1, 64", "bar.sync 1, 96"), 1, 128, 64, 2);
  EXPECT_EQ(hang.report.fault, Fault::Deadlock);
  EXPECT_NE(hang.report.message.find("block 0, warp 0 waits at line"), std::string::npos) << hang.report.message;
  EXPECT_NE(hang.report.message.find("block 0, warp 1 waits at line"), std::string::npos) << hang.report.message;
}

TEST(Barriers, Reductions) {
  std::string text = kernelText(1, R"(
  setp.lt.u32 %p1, %r60, 40;
  bar.red.popc.u32 %r1, 0, %p1;
  bar.red.and.pred %p2, 0, %p1;
  bar.red.or.pred %p3, 0, %p1;
  selp.b32 %r2, 1, 0, %p2;
  selp.b32 %r3, 1, 0, %p3;
  setp.ne.u32 %p4, %r60, 0;
  @%p4 bra END;
  st.global.v2.b32 [%rd1], {%r1, %r2};
  st.global.b32 [%rd1+8], %r3;
END:)");
  Outcome run = runKernel(text, 1, 64, 0, 3);
  ASSERT_FALSE(run.report) << run.report.message;
  EXPECT_EQ(run.out, (Words{40, 0, 1}));
}

// The last warp of a block may have fewer threads.
TEST(Barriers, ReductionOverPartOfAWarp) {
  for (uint32_t limit : {47u, 48u}) {
    std::string text = kernelText(1, "setp.lt.u32 %p1, %r60, " + std::to_string(limit) + R"(;
  bar.red.and.pred %p2, 0, %p1;
  selp.b32 %r2, 1, 2, %p2;
  setp.ne.u32 %p4, %r60, 0;
  @%p4 bra END;
  st.global.b32 [%rd1], %r2;
END:)");
    Outcome run = runKernel(text, 1, 48, 0, 1);
    ASSERT_FALSE(run.report) << run.report.message;
    EXPECT_EQ(run.out[0], limit == 48 ? 1u : 2u);
  }
}

TEST(Barriers, EndedThreads) {
  Outcome run = runKernel(
      kernelText(1, "setp.lt.u32 %p1, %r60, 32;\n @%p1 ret;\n bar.sync 0;\n st.global.b32 [%rd1], 3;"), 1, 64, 0, 1);
  ASSERT_FALSE(run.report) << run.report.message;
  EXPECT_EQ(run.out[0], 3u);
}

TEST(Barriers, SomeLanesOnly) {
  Outcome run = runKernel(kernelText(1, "setp.lt.u32 %p1, %r60, 3;\n @%p1 bar.sync 0;"), 1, 32, 0, 1);
  EXPECT_EQ(run.report.fault, Fault::Misuse);
}

/// A producer warp (1) and a consumer warp (0) hand eight values through two slots.
static const std::string ring = R"(
  mov.u32 %r1, smem;
  setp.ne.u32 %p1, %r60, 0;
  @%p1 bra READY;
  mbarrier.init.shared.b64 [%r1], 1;
  mbarrier.init.shared.b64 [%r1+8], 1;
  mbarrier.init.shared.b64 [%r1+16], 32;
  mbarrier.init.shared.b64 [%r1+24], 32;
READY:
  bar.sync 0;
  mov.b32 %r10, 0;
  setp.ge.u32 %p2, %r60, 32;
  @%p2 bra PRODUCE;
CONSUME:
  and.b32 %r11, %r10, 1;
  shr.u32 %r12, %r10, 1;
  and.b32 %r13, %r12, 1;
  shl.b32 %r14, %r11, 3;
  add.s32 %r15, %r1, %r14;
FULL:
  mbarrier.try_wait.parity.shared.b64 %p3, [%r15], %r13;
  @!%p3 bra FULL;
  shl.b32 %r16, %r11, 2;
  add.s32 %r17, %r1, %r16;
  ld.shared.b32 %r18, [%r17+64];
  mbarrier.arrive.shared.b64 %rd9, [%r15+16];
  mul.wide.u32 %rd2, %r10, 4;
  add.s64 %rd3, %rd1, %rd2;
  setp.eq.u32 %p4, %r60, 0;
  @%p4 st.global.b32 [%rd3], %r18;
  add.s32 %r10, %r10, 1;
  setp.lt.u32 %p5, %r10, 8;
  @%p5 bra CONSUME;
  bra END;
PRODUCE:
  setp.ne.u32 %p6, %r60, 32;
  @%p6 bra END;
NEXT:
  and.b32 %r11, %r10, 1;
  shr.u32 %r12, %r10, 1;
  and.b32 %r13, %r12, 1;
  xor.b32 %r13, %r13, 1;
  shl.b32 %r14, %r11, 3;
  add.s32 %r15, %r1, %r14;
EMPTY:
  mbarrier.try_wait.parity.shared.b64 %p3, [%r15+16], %r13;
  @!%p3 bra EMPTY;
  shl.b32 %r16, %r11, 2;
  add.s32 %r17, %r1, %r16;
  mad.lo.u32 %r18, %r10, %r10, 100;
  st.shared.b32 [%r17+64], %r18;
  mbarrier.arrive.shared.b64 %rd9, [%r15];
  add.s32 %r10, %r10, 1;
  setp.lt.u32 %p5, %r10, 8;
  @%p5 bra NEXT;
END:)";

TEST(Mbarriers, Ring) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    Outcome run = runKernel(kernelText(1, ring), 1, 64, 128, 8, seeded(seed));
    ASSERT_FALSE(run.report) << run.report.message;
    EXPECT_EQ(run.out, (Words{100, 101, 104, 109, 116, 125, 136, 149}));
  }
}

TEST(Mbarriers, Parity) {
  // Before any phase has completed, a wait for parity 1 passes and one for parity 0 does not.
  std::string text = kernelText(1, R"(
  mov.u32 %r1, smem;
  mbarrier.init.shared.b64 [%r1], 2;
  mbarrier.test_wait.parity.shared.b64 %p1, [%r1], 1;
  mbarrier.test_wait.parity.shared.b64 %p2, [%r1], 0;
  mbarrier.arrive.shared.b64 %rd2, [%r1];
  mbarrier.test_wait.shared.b64 %p3, [%r1], %rd2;
  mbarrier.arrive.shared.b64 %rd3, [%r1];
  mbarrier.test_wait.shared.b64 %p4, [%r1], %rd2;
  mbarrier.test_wait.parity.shared.b64 %p5, [%r1], 0;
  mbarrier.inval.shared.b64 [%r1];
  selp.b32 %r2, 1, 0, %p1; selp.b32 %r3, 1, 0, %p2; selp.b32 %r4, 1, 0, %p3; selp.b32 %r5, 1, 0, %p4;
  selp.b32 %r6, 1, 0, %p5;
  st.global.v4.b32 [%rd1], {%r2, %r3, %r4, %r5};
  st.global.b32 [%rd1+16], %r6;)");
  Outcome run = runKernel(text, 1, 1, 64, 5);
  ASSERT_FALSE(run.report) << run.report.message;
  EXPECT_EQ(run.out, (Words{1, 0, 0, 1, 1}));
}

TEST(Mbarriers, Misuse) {
  auto fault = [](const std::string &body) { return runKernel(kernelText(1, body), 1, 1, 64, 1).report; };
  std::string init = "mov.u32 %r1, smem;\n mbarrier.init.shared.b64 [%r1], 1;\n";
  EXPECT_EQ(fault("mov.u32 %r1, smem;\n mbarrier.arrive.shared.b64 %rd2, [%r1];").fault, Fault::Misuse);
  EXPECT_EQ(fault(init + "mbarrier.arrive.shared.b64 %rd2, [%r1], 2;").fault, Fault::Misuse);
  EXPECT_EQ(fault(init + "mbarrier.init.shared.b64 [%r1], 1;").fault, Fault::Misuse);
  EXPECT_EQ(fault(init + "st.shared.b32 [%r1+4], 0;").fault, Fault::Race);
  EXPECT_EQ(fault(init + "L: mbarrier.try_wait.parity.shared.b64 %p1, [%r1], 0;\n @!%p1 bra L;").fault,
            Fault::Deadlock);
  Report report = runKernel(kernelText(1, replaced(ring, "READY:\n  bar.sync 0;", "READY:")), 1, 64, 128, 8).report;
  EXPECT_TRUE(report.fault == Fault::Race || report.fault == Fault::Misuse) << report.message;
}

/// Thread 0 copies 64 bytes into shared memory by a bulk copy; all threads read them.
static const std::string bulk = R"(
  mov.u32 %r1, smem;
  setp.ne.u32 %p1, %r60, 0;
  @%p1 bra READY;
  mbarrier.init.shared.b64 [%r1], 1;
  fence.mbarrier_init.release.cluster;
  mbarrier.arrive.expect_tx.shared.b64 %rd2, [%r1], 64;
  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r1+64], [%rd1], 64, [%r1];
READY:
  bar.sync 0;
WAIT:
  mbarrier.try_wait.parity.shared.b64 %p2, [%r1], 0;
  @!%p2 bra WAIT;
  shl.b32 %r2, %r60, 2;
  and.b32 %r3, %r2, 60;
  add.s32 %r4, %r1, %r3;
  ld.shared.b32 %r5, [%r4+64];
  cvt.u64.u32 %rd3, %r2;
  add.s64 %rd4, %rd1, %rd3;
  st.global.b32 [%rd4+64], %r5;)";

TEST(Mbarriers, BulkCopies) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    auto fault = [&](const std::string &body) {
      return runKernel(kernelText(1, body), 1, 64, 256, 80, seeded(seed)).report.fault;
    };
    EXPECT_EQ(fault(bulk), Fault::None);
    EXPECT_EQ(fault(replaced(bulk, "@!%p2 bra WAIT;", "")), Fault::Race);
    EXPECT_EQ(fault(replaced(bulk, "[%r1], 64;\n", "[%r1], 128;\n")), Fault::Deadlock);
    EXPECT_EQ(fault(replaced(bulk, "[%r1+64], [%rd1], 64", "[%r1+72], [%rd1], 64")), Fault::Misaligned);
    EXPECT_EQ(fault(replaced(bulk, "[%r1+64], [%rd1], 64", "[%r1+208], [%rd1], 64")), Fault::OutOfBounds);
    EXPECT_EQ(fault(replaced(bulk, "[%r1+64], [%rd1], 64", "[%r1+64], [%rd1], 60")), Fault::Misaligned);
  }
}

TEST(Mbarriers, CopiesThatArrive) {
  std::string text = kernelText(1, R"(
  mov.u32 %r1, smem;
  setp.ne.u32 %p1, %r60, 0;
  @!%p1 mbarrier.init.shared.b64 [%r1], 32;
  bar.sync 0;
  shl.b32 %r2, %r60, 2;
  cvt.u64.u32 %rd2, %r2;
  add.s64 %rd3, %rd1, %rd2;
  add.s32 %r3, %r1, %r2;
  cp.async.ca.shared.global [%r3+64], [%rd3], 4;
  cp.async.mbarrier.arrive.noinc.shared.b64 [%r1];
WAIT:
  mbarrier.try_wait.parity.shared.b64 %p2, [%r1], 0;
  @!%p2 bra WAIT;
  xor.b32 %r4, %r2, 4;
  add.s32 %r5, %r1, %r4;
  ld.shared.b32 %r6, [%r5+64];
  add.s32 %r7, %r6, 1;
  bar.sync 0;
  st.global.b32 [%rd3], %r7;)");
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    Outcome run = runKernel(text, 1, 32, 256, 32, seeded(seed));
    ASSERT_FALSE(run.report) << run.report.message;
    EXPECT_EQ(run.out[7], 1u);
    EXPECT_EQ(runKernel(replaced(text, "@!%p2 bra WAIT;", ""), 1, 32, 256, 32, seeded(seed)).report.fault, Fault::Race);
  }
}
