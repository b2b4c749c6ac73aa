// SPDX-License-Identifier: Apache-2.0
//
// What orders blocks, and what does not; proxies; hangs of blocks that wait for each other.
#include "test/tools/simdriver/Kernels.h"

#include <gtest/gtest.h>

#include <set>

using namespace yupana::ptx;
using Words = std::vector<uint32_t>;

static Report runSeeded(const std::string &body, uint64_t seed, uint32_t grid, uint32_t threads, uint32_t shared = 64,
                        Words *out = nullptr) {
  Options options;
  options.seed = seed;
  options.patience = 200000;
  Outcome run = runKernel(kernelText(1, body), grid, threads, shared, 256, options);
  if (out)
    *out = run.out;
  return run.report;
}

TEST(Races, BlocksOnGlobalMemory) {
  std::string own = "mov.u32 %r1, %ctaid.x;\n mul.wide.u32 %rd2, %r1, 2;\n add.s64 %rd3, %rd1, %rd2;\n"
                    "cvt.u16.u32 %h1, %r1;\n st.global.b16 [%rd3], %h1;\n";
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    EXPECT_FALSE(runSeeded(own, seed, 8, 32)); // neighbours within a word
    EXPECT_EQ(runSeeded(replaced(own, "[%rd3], %h1", "[%rd1], %h1"), seed, 8, 32).fault, Fault::Race);
    Report read = runSeeded(own + "ld.global.b16 %h2, [%rd1];", seed, 8, 32);
    EXPECT_EQ(read.fault, Fault::Race);
    EXPECT_NE(read.message.find("race on global memory at byte"), std::string::npos) << read.message;
    // All read, one writes.
    EXPECT_EQ(runSeeded("ld.global.b32 %r2, [%rd1];\n mov.u32 %r1, %ctaid.x;\n setp.eq.u32 %p1, %r1, 5;\n"
                        "@%p1 st.global.b32 [%rd1], 0;",
                        seed, 8, 64)
                  .fault,
              Fault::Race);
  }
}

TEST(Races, ReadOnlyPath) {
  std::string body = "ld.global.nc.b32 %r1, [%rd1];\n st.global.b32 [%rd1+4], %r1;\n";
  EXPECT_FALSE(runSeeded(body, 1, 1, 1));
  EXPECT_EQ(runSeeded(body + "ld.global.nc.b32 %r2, [%rd1+4];", 1, 1, 1).fault, Fault::Race);
}

/// Each block writes a value; the last to arrive adds them up and makes the counter zero again.
static const std::string lastBlock = R"(
  mov.u32 %r1, %ctaid.x;
  mul.wide.u32 %rd2, %r1, 4;
  add.s64 %rd3, %rd1, %rd2;
  mov.u32 %r40, smem;
  setp.ne.u32 %p1, %r60, 40;
  add.s32 %r2, %r1, 10;
  @!%p1 st.global.b32 [%rd3+64], %r2;
  bar.sync 0;
  setp.ne.u32 %p2, %r60, 0;
  @%p2 bra TOLD;
  fence.acq_rel.gpu;
  atom.relaxed.gpu.global.add.u32 %r3, [%rd1], 1;
  fence.acq_rel.gpu;
  st.shared.b32 [%r40], %r3;
TOLD:
  bar.sync 0;
  ld.shared.b32 %r4, [%r40];
  mov.u32 %r5, %nctaid.x;
  sub.s32 %r6, %r5, 1;
  setp.ne.u32 %p3, %r4, %r6;
  @%p3 bra END;
  setp.ne.u32 %p4, %r60, 33;
  @%p4 bra END;
  mov.b32 %r7, 0;
  mov.b32 %r8, 0;
SUM:
  mul.wide.u32 %rd4, %r8, 4;
  add.s64 %rd5, %rd1, %rd4;
  ld.global.b32 %r9, [%rd5+64];
  add.s32 %r7, %r7, %r9;
  add.s32 %r8, %r8, 1;
  setp.lt.u32 %p5, %r8, %r5;
  @%p5 bra SUM;
  st.global.b32 [%rd1+4], %r7;
  st.global.b32 [%rd1], 0;
END:)";

TEST(Races, LastBlock) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    Words out;
    Report report = runSeeded(lastBlock, seed, 7, 64, 64, &out);
    ASSERT_FALSE(report) << report.message;
    EXPECT_EQ(out[0], 0u);
    EXPECT_EQ(out[1], 70u + 21);
    std::string folded = replaced(replaced(replaced(lastBlock, "fence.acq_rel.gpu;", ""), "fence.acq_rel.gpu;", ""),
                                  "atom.relaxed", "atom.acq_rel");
    EXPECT_FALSE(runSeeded(folded, seed, 7, 64)) << "one atomic with both orders does the same";
    auto fault = [&](const std::string &body) { return runSeeded(body, seed, 7, 64).fault; };
    EXPECT_EQ(fault(replaced(lastBlock, "fence.acq_rel.gpu;", "")), Fault::Race) << "no release";
    EXPECT_EQ(fault(replaced(lastBlock, "fence.acq_rel.gpu;", "", 1)), Fault::Race) << "no acquire";
    EXPECT_EQ(fault(replaced(lastBlock, "fence.acq_rel.gpu;", "fence.acq_rel.cta;")), Fault::Race) << "narrow release";
    EXPECT_EQ(fault(replaced(lastBlock, "fence.acq_rel.gpu;", "fence.acq_rel.cta;", 1)), Fault::Race)
        << "narrow acquire";
    EXPECT_EQ(fault(replaced(lastBlock, "bar.sync 0;", "")), Fault::Race) << "the write is not the counting thread's";
    EXPECT_NE(fault(replaced(lastBlock, "bar.sync 0;", "", 1)), Fault::None) << "the reader is not the counting thread";
  }
}

TEST(Races, FenceOfAnotherThread) {
  // Thread 0 counts, and after the barrier every thread fences for itself: no thread both counts and then fences in
  // time.
  std::string body =
      replaced(lastBlock, "  fence.acq_rel.gpu;\n  st.shared.b32 [%r40], %r3;", "  st.shared.b32 [%r40], %r3;");
  body = replaced(body, "  ld.shared.b32 %r4, [%r40];", "  ld.shared.b32 %r4, [%r40];\n  fence.acq_rel.gpu;");
  EXPECT_EQ(runSeeded(body, 1, 7, 64).fault, Fault::Race);
}

/// Block 0 writes, then raises a flag for which the others spin.
static const std::string flag = R"(
  mov.u32 %r1, %ctaid.x;
  setp.ne.u32 %p1, %r1, 0;
  @%p1 bra OTHERS;
  st.global.b32 [%rd1+64], 11;
  st.release.gpu.global.b32 [%rd1], 1;
  bra END;
OTHERS:
  ld.acquire.gpu.global.b32 %r2, [%rd1];
  setp.eq.u32 %p2, %r2, 0;
  @%p2 bra OTHERS;
  ld.global.b32 %r3, [%rd1+64];
  mul.wide.u32 %rd2, %r1, 4;
  add.s64 %rd3, %rd1, %rd2;
  st.global.b32 [%rd3+128], %r3;
END:)";

TEST(Races, Flags) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    Words out;
    Report report = runSeeded(flag, seed, 6, 1, 0, &out);
    ASSERT_FALSE(report) << report.message;
    EXPECT_EQ(Words(out.begin() + 32, out.begin() + 38), (Words{0, 11, 11, 11, 11, 11}));
    EXPECT_EQ(runSeeded(replaced(flag, "st.release.gpu", "st.relaxed.gpu"), seed, 6, 1).fault, Fault::Race);
    EXPECT_EQ(runSeeded(replaced(flag, "ld.acquire.gpu", "ld.relaxed.gpu"), seed, 6, 1).fault, Fault::Race);
    EXPECT_EQ(runSeeded(replaced(flag, "st.release.gpu.global", "st.global"), seed, 6, 1).fault, Fault::Race);
    Report hang = runSeeded(replaced(flag, "st.release.gpu.global.b32 [%rd1], 1;", ""), seed, 6, 1);
    EXPECT_EQ(hang.fault, Fault::Deadlock);
    EXPECT_NE(hang.message.find("block 5, warp 0"), std::string::npos) << hang.message;
  }
}

// All warps of all blocks read what one of them writes: no race as long as both are strong.
TEST(Races, StrongReadsOfEveryone) {
  const std::string body = R"(
  ld.relaxed.gpu.global.b32 %r2, [%rd1];
  mov.u32 %r1, %ctaid.x;
  add.s32 %r3, %r1, %r60;
  setp.ne.u32 %p1, %r3, 0;
  @%p1 bra END;
  st.relaxed.gpu.global.b32 [%rd1], 5;
END:)";
  std::set<Fault> weak;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    Report report = runSeeded(body, seed, 5, 96);
    EXPECT_FALSE(report) << report.message;
    weak.insert(runSeeded(replaced(body, "ld.relaxed.gpu.", "ld."), seed, 5, 96).fault);
  }
  EXPECT_EQ(weak.count(Fault::Race), 1u);
}

/// Thread 0 writes, fences towards the asynchronous proxy and issues; wgmma's reads need such a fence as well.
static const std::string proxies = R"(
  .reg .f32 %d<4>;
  mov.u32 %r1, smem;
  shl.b32 %r2, %r60, 7;
  add.s32 %r3, %r1, %r2;
  mov.b32 %r4, 0;
  mov.b32 %r5, 0x3f803f80;
FILL:
  st.shared.v4.b32 [%r3], {%r5, %r5, %r5, %r5};
  add.s32 %r3, %r3, 16;
  add.s32 %r4, %r4, 1;
  setp.lt.u32 %p1, %r4, 8;
  @%p1 bra FILL;
  fence.proxy.async.shared::cta;
  bar.sync 0;
  shr.u32 %r20, %r1, 4;
  cvt.u64.u32 %rd10, %r20;
  or.b64 %rd11, %rd10, 0x4000004000010000;
  add.s64 %rd12, %rd11, 512;
  mov.b32 %d0, 0f00000000; mov.b32 %d1, 0f00000000; mov.b32 %d2, 0f00000000; mov.b32 %d3, 0f00000000;
  wgmma.fence.sync.aligned;
  setp.eq.b32 %p5, 0, 0;
  wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%d0, %d1, %d2, %d3}, %rd11, %rd12, %p5, 1, 1, 0, 0;
  wgmma.commit_group.sync.aligned;
  wgmma.wait_group.sync.aligned 0;
  setp.gt.f32 %p6, %d0, 0f41000000;
  @!%p6 trap;
  bar.sync 0;
  st.shared.b32 [%r1], 0;)";

TEST(Races, ProxyFence) {
  std::string body = replaced(proxies, "st.shared.b32 [%r1], 0;", "");
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    auto report = [&](const std::string &text) { return runSeeded(text, seed, 1, 128, 16384); };
    EXPECT_FALSE(report(body)) << report(body).message;
    EXPECT_EQ(report(replaced(body, "fence.proxy.async.shared::cta;", "")).fault, Fault::Race);
    // After the barrier, in every reading warp, it does as well.
    std::string later = replaced(body, "fence.proxy.async.shared::cta;\n  bar.sync 0;",
                                 "bar.sync 0;\n  fence.proxy.async.shared::cta;");
    EXPECT_FALSE(report(later)) << report(later).message;
    EXPECT_EQ(report(replaced(body, "wgmma.fence.sync.aligned;", "")).fault, Fault::Race);
    EXPECT_EQ(report(replaced(body, "wgmma.wait_group.sync.aligned 0;", "")).fault, Fault::Undefined);
    EXPECT_EQ(report(replaced(body, "wgmma.commit_group.sync.aligned;", "")).fault, Fault::Undefined);
    // Written again while the product may still read.
    std::string early = replaced(body, "wgmma.commit_group.sync.aligned;",
                                 "wgmma.commit_group.sync.aligned;\n  bar.sync 0;\n  st.shared.b32 [%r3+-128], 0;");
    EXPECT_EQ(report(early).fault, Fault::Race);
  }
}

TEST(Races, BulkOverReads) {
  // Threads read, arrive; the bulk copy that comes after the wait needs no proxy fence.
  std::string body = R"(
  mov.u32 %r1, smem;
  setp.ne.u32 %p1, %r60, 0;
  @%p1 bra READY;
  mbarrier.init.shared.b64 [%r1], 1;
  mbarrier.init.shared.b64 [%r1+8], 64;
  mbarrier.arrive.expect_tx.shared.b64 %rd2, [%r1], 64;
  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r1+64], [%rd1], 64, [%r1];
READY:
  bar.sync 0;
WAIT:
  mbarrier.try_wait.parity.shared.b64 %p2, [%r1], 0;
  @!%p2 bra WAIT;
  ld.shared.b32 %r5, [%r1+64];
  mbarrier.arrive.shared.b64 %rd3, [%r1+8];
  @%p1 bra END;
AGAIN:
  mbarrier.try_wait.parity.shared.b64 %p2, [%r1+8], 0;
  @!%p2 bra AGAIN;
  mbarrier.arrive.expect_tx.shared.b64 %rd2, [%r1], 64;
  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r1+64], [%rd1], 64, [%r1];
LAST:
  mbarrier.try_wait.parity.shared.b64 %p2, [%r1], 1;
  @!%p2 bra LAST;
END:)";
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    Report report = runSeeded(body, seed, 1, 64, 256);
    EXPECT_FALSE(report) << report.message;
    EXPECT_EQ(runSeeded(replaced(body, "@!%p2 bra AGAIN;", ""), seed, 1, 64, 256).fault, Fault::Race);
    EXPECT_TRUE(runSeeded(replaced(body, "@!%p2 bra LAST;", ""), seed, 1, 64, 256)) << "the block ends before its copy";
  }
}
