// SPDX-License-Identifier: Apache-2.0
//
// Blocks in clusters: shared memory of peers, the cluster's barrier, panels that one block copies to all, and bugs in
// each, which are found under every seed.
#include "test/tools/simdriver/Kernels.h"

#include <gtest/gtest.h>

using namespace yupana::ptx;
using Words = std::vector<uint32_t>;

namespace {

constexpr uint64_t seeds = 6;

/// kernelText() with directives of the entry.
std::string clusterText(int pointers, const std::string &body, const std::string &shape = "2, 1, 1") {
  return replaced(kernelText(pointers, body), ")\n{", ")\n.explicitcluster\n.reqnctapercluster " + shape + "\n{");
}

Options seeded(uint64_t seed) {
  Options options;
  options.seed = seed;
  options.memory = 1 << 24;
  options.patience = 300000;
  return options;
}

/// A kernel that gets one zeroed buffer is right under every seed, and leaves these words.
void expectWords(const std::string &text, uint32_t grid, uint32_t threads, const Words &wanted) {
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    Outcome run = runKernel(text, grid, threads, 1024, wanted.size(), seeded(seed));
    ASSERT_FALSE(run.report) << run.report.message;
    EXPECT_EQ(run.out, wanted);
  }
}

void expectFault(const std::string &text, uint32_t grid, uint32_t threads, Fault fault, const std::string &words) {
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    Outcome run = runKernel(text, grid, threads, 1024, 256, seeded(seed));
    EXPECT_EQ(run.report.fault, fault) << run.report.message;
    EXPECT_NE(run.report.message.find(words), std::string::npos) << run.report.message;
  }
}

const std::string cluster = "barrier.cluster.arrive.aligned;\n barrier.cluster.wait.aligned;\n";

/// Each thread stores a word of its own, and reads the one of the same thread in the other block.
const std::string exchange = R"(
  mov.u32 %r1, smem;
  mov.u32 %r2, %cluster_ctarank;
  mov.u32 %r3, %ctaid.x;
  shl.b32 %r4, %r60, 2;
  add.s32 %r5, %r1, %r4;
  mad.lo.u32 %r6, %r3, 100, %r60;
  st.shared.b32 [%r5], %r6;
  barrier.cluster.arrive.release.aligned;
  barrier.cluster.wait.acquire.aligned;
  xor.b32 %r7, %r2, 1;
  mapa.shared::cluster.u32 %r8, %r5, %r7;
  ld.shared::cluster.b32 %r9, [%r8];
  mad.lo.u32 %r10, %r3, 64, %r60;
  mul.wide.u32 %rd2, %r10, 4;
  add.s64 %rd3, %rd1, %rd2;
  st.global.b32 [%rd3], %r9;
  barrier.cluster.arrive.aligned;
  barrier.cluster.wait.aligned;)";

Words exchanged() {
  Words wanted;
  for (uint32_t block : {1, 0, 3, 2})
    for (uint32_t thread = 0; thread < 64; ++thread)
      wanted.push_back(block * 100 + thread);
  return wanted;
}

} // namespace

TEST(Clusters, SpecialRegisters) {
  // A grid of 4 x 4 x 1 blocks in clusters of 2 x 2: block (1, 2) is number 9.
  std::string names[] = {"cluster_ctarank", "cluster_nctarank", "cluster_ctaid.x",  "cluster_ctaid.y",
                         "cluster_ctaid.z", "cluster_nctaid.x", "cluster_nctaid.y", "clusterid.x",
                         "clusterid.y",     "nclusterid.x",     "nclusterid.y",     "nclusterid.z"};
  std::string body = "mov.u32 %r1, %ctaid.x;\n mov.u32 %r2, %ctaid.y;\n mad.lo.u32 %r3, %r2, 4, %r1;\n"
                     "mul.wide.u32 %rd2, %r3, 64;\n add.s64 %rd3, %rd1, %rd2;\n";
  for (size_t i = 0; i < 12; ++i)
    body += "mov.u32 %r4, %" + names[i] + ";\n st.global.b32 [%rd3+" + std::to_string(4 * i) + "], %r4;\n";
  body += "mov.pred %p1, %is_explicit_cluster;\n selp.b32 %r5, 1, 0, %p1;\n st.global.b32 [%rd3+48], %r5;\n";
  auto run = [&](const std::string &text, std::array<uint32_t, 3> shape) {
    Device device(seeded(1));
    Module module;
    EXPECT_FALSE(module.parse(text));
    uint64_t out = device.upload(Words(256));
    LaunchShape launch{4, 1};
    launch.gridY = 4, launch.cluster = shape;
    Statistics statistics;
    Report report = device.launch(module, "k", launch, {out}, &statistics);
    EXPECT_FALSE(report) << report.message;
    EXPECT_EQ(statistics.blocks, 16u);
    Words all = device.download<uint32_t>(out, 256);
    return Words(all.begin() + 9 * 16, all.begin() + 9 * 16 + 13);
  };
  Words wanted{1, 4, 1, 0, 0, 2, 2, 0, 1, 2, 2, 1, 1};
  EXPECT_EQ(run(clusterText(1, body, "2, 2"), {}), wanted);
  EXPECT_EQ(run(kernelText(1, body), {2, 2, 1}), wanted);
  EXPECT_EQ(run(kernelText(1, body), {}), (Words{0, 1, 0, 0, 0, 1, 1, 1, 2, 4, 4, 1, 0}));
}

TEST(Clusters, MemoryOfPeers) {
  expectWords(clusterText(1, exchange), 4, 64, exchanged());
  // The same by generic addresses.
  std::string generic =
      replaced(exchange, "mapa.shared::cluster.u32 %r8, %r5, %r7;\n  ld.shared::cluster.b32 %r9, [%r8]",
               "cvt.u64.u32 %rd5, %r5;\n cvta.shared.u64 %rd5, %rd5;\n mapa.u64 %rd6, %rd5, %r7;\n"
               "ld.b32 %r9, [%rd6]");
  expectWords(clusterText(1, generic), 4, 64, exchanged());
  std::string sums = R"(
  mov.u32 %r1, smem;
  st.shared.b32 [%r1], 0;
)" + cluster + R"(
  mapa.shared::cluster.u32 %r2, %r1, 0;
  mov.u32 %r3, %cluster_ctarank;
  add.s32 %r3, %r3, 1;
  red.relaxed.cluster.shared::cluster.add.u32 [%r2], %r3;
)" + cluster + R"(
  ld.shared.b32 %r4, [%r1];
  mov.u32 %r5, %ctaid.x;
  mul.wide.u32 %rd2, %r5, 4;
  add.s64 %rd3, %rd1, %rd2;
  st.global.b32 [%rd3], %r4;)";
  expectWords(clusterText(1, sums, "4"), 4, 1, {10, 0, 0, 0});
  EXPECT_FALSE(runKernel(clusterText(1, exchange, "8"), 8, 64, 1024, 512).report);
}

TEST(Clusters, WithoutChecksAndOnSeveralThreads) {
  for (bool undefined : {false, true}) {
    Options options = seeded(1);
    options.races = false, options.undefined = undefined, options.workers = 2;
    Outcome run = runKernel(clusterText(1, exchange), 4, 64, 1024, 256, options);
    ASSERT_FALSE(run.report) << run.report.message;
    EXPECT_EQ(run.out, exchanged());
  }
}

TEST(Clusters, MemoryOfPeersIsChecked) {
  auto bad = [](const char *from, const char *to, Fault fault, const char *words, int occurrence = 0) {
    expectFault(clusterText(1, replaced(exchange, from, to, occurrence)), 4, 64, fault, words);
  };
  bad("ld.shared::cluster", "ld.shared", Fault::Misuse, "reaches the own block's memory alone, not shared memory of");
  bad("[%r8]", "[%r8+1024]", Fault::OutOfBounds, "which has 1024 bytes");
  bad("xor.b32 %r7, %r2, 1", "or.b32 %r7, %r2, 2", Fault::Misuse, "of a cluster of 2");
  bad("arrive.release.aligned", "arrive.relaxed.aligned", Fault::Race,
      "this read is not ordered after the write by bl");
  bad("barrier.cluster.arrive.release.aligned;\n  barrier.cluster.wait.acquire.aligned;", "bar.sync 0;", Fault::Race,
      "race on shared memory");
  // Without the barrier at the end a block may be gone while it is read.
  bad("barrier.cluster.arrive.aligned;\n  barrier.cluster.wait.aligned;", "", Fault::Misuse, "line");
  bad("barrier.cluster.wait.aligned;", "", Fault::Misuse, "");
  bad("barrier.cluster.arrive.aligned;", "barrier.cluster.arrive.relaxed.aligned;", Fault::Misuse,
      "the block ends, and nobody in it knows that the access to its shared memory by block");
  // Other clusters are no peers.
  EXPECT_EQ(runKernel(kernelText(1, exchange), 4, 64, 1024, 256).report.fault, Fault::Misuse);
}

TEST(Clusters, Barrier) {
  auto fault = [](const std::string &body, Fault fault, const char *words) {
    expectFault(clusterText(1, body), 2, 64, fault, words);
  };
  std::string arrive = "barrier.cluster.arrive.aligned;\n", wait = "barrier.cluster.wait.aligned;\n";
  fault(arrive + arrive, Fault::Misuse, "arrives at the cluster's barrier again");
  fault(wait, Fault::Misuse, "has not arrived");
  fault("setp.lt.u32 %p1, %r60, 3;\n@%p1 " + arrive, Fault::Misuse, "only the lanes 0x7 of 0xffffffff");
  // Threads of either block are waited for unless they have ended.
  std::string second = "mov.u32 %r1, %ctaid.x;\n mad.lo.u32 %r1, %r1, 64, %r60;\n setp.ge.u32 %p1, %r1, 96;\n";
  expectWords(clusterText(1, second + "@%p1 ret;\n" + arrive + wait), 2, 64, {0});
  expectWords(clusterText(1, second + "and.b32 %r2, %r60, 1;\n setp.eq.u32 %p2, %r2, 1;\n @%p2 ret;\n"
                                      "barrier.cluster.arrive;\n barrier.cluster.wait;\n"),
              2, 64, {0});
  std::string late = second + "@%p1 bra WAIT;\n" + arrive + wait + "bra END;\nWAIT:\n bar.sync 1, 64;\nEND:\n";
  for (const char *who : {"block 0, warp 0 waits at", "block 0, warp 1 waits at", "block 1, warp 0 waits at",
                          "block 1, warp 1 waits at", "`barrier.cluster.wait.aligned`", "`bar.sync 1, 64`"})
    fault(late, Fault::Deadlock, who);
  // Between arrival and wait a warp may go on.
  std::string apart = replaced(exchange, "barrier.cluster.wait.acquire.aligned;", "bar.sync 0;\n" + wait);
  expectWords(clusterText(1, apart), 4, 64, exchanged());
}

// Copies may come before their bytes are expected: the phase waits for the arrival.
TEST(Clusters, BytesBeforeTheirExpectation) {
  std::string text = clusterText(1, R"(
  mov.u32 %r1, smem;
  mov.u32 %r2, %cluster_ctarank;
  mbarrier.init.shared::cta.b64 [%r1], 1;
  fence.mbarrier_init.release.cluster;
  barrier.cluster.arrive.relaxed.aligned;
  barrier.cluster.wait.acquire.aligned;
  mapa.shared::cluster.u32 %r3, %r1, 1;
  setp.ne.u32 %p1, %r2, 0;
  @!%p1 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r3+64], [%rd1], 64, [%r3];
  @!%p1 bra END;
  mov.b32 %r4, 0;
LATER:
  mbarrier.test_wait.parity.shared::cta.b64 %p2, [%r1], 0;
  @%p2 trap;
  add.s32 %r4, %r4, 1;
  setp.lt.u32 %p3, %r4, 500;
  @%p3 bra LATER;
  mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r1], 64;
WAIT:
  mbarrier.try_wait.parity.shared::cta.b64 %p2, [%r1], 0;
  @!%p2 bra WAIT;
  ld.shared.b32 %r5, [%r1+64];
  add.s32 %r5, %r5, 7;
  st.global.b32 [%rd1+64], %r5;
END:
)" + cluster);
  Words wanted(32);
  wanted[16] = 7;
  expectWords(text, 2, 1, wanted);
  // The place and its barrier belong to one block, which nobody else waits in.
  expectFault(replaced(text, ", [%r3];", ", [%r1];"), 2, 1, Fault::Misuse, "both lie in one block");
  expectFault(replaced(text, "try_wait.parity.shared::cta.b64 %p2, [%r1]",
                       "try_wait.parity.shared::cta.b64 %p2, [%r3+16777216]"),
              2, 1, Fault::OutOfBounds, "shared memory");
  expectFault(replaced(text, "[%r1], 64;", "[%r1], 2097152;"), 2, 1, Fault::Misuse, "it counts to 1048575");
  // Nobody waits, so that the block ends with a copy on its way.
  expectFault(replaced(text, "@!%p2 bra WAIT;\n  ld.shared.b32 %r5, [%r1+64];", "mov.b32 %r5, 0;"), 2, 1, Fault::Misuse,
              "nobody had waited for the copy");
  Module module;
  EXPECT_EQ(module.parse(replaced(text, "test_wait.parity.shared::cta", "test_wait.parity.shared::cluster")).fault,
            Fault::Unsupported);
}

TEST(Clusters, LaunchesOverlap) {
  std::string first = "st.global.b32 [%rd1], 5;", second = R"(
  mov.u32 %r1, %cluster_ctarank;
  setp.ne.u32 %p1, %r1, 0;
  @!%p1 griddepcontrol.wait;
)" + cluster + "ld.global.b32 %r2, [%rd1];\n st.global.b32 [%rd1+64], %r2;\n";
  auto run = [&](const std::string &body) {
    Device device(seeded(1));
    Module one, two;
    EXPECT_FALSE(one.parse(kernelText(1, first)));
    EXPECT_FALSE(two.parse(replaced(clusterText(1, body), "st.global", "@%p1 st.global")));
    uint64_t memory = device.upload(Words(64));
    EXPECT_FALSE(device.launch(one, "k", {1, 1}, {memory}));
    LaunchShape shape{2, 1};
    shape.dependent = true;
    return device.launch(two, "k", shape, {memory});
  };
  EXPECT_FALSE(run(second));
  EXPECT_EQ(run(replaced(second, "barrier.cluster.arrive", "barrier.cluster.arrive.relaxed")).fault, Fault::Race);
}

TEST(Clusters, Launches) {
  auto report = [](const std::string &text, LaunchShape shape, unsigned capability = 90) {
    Options options = seeded(1);
    options.capability = capability;
    Device device(options);
    Module module;
    EXPECT_FALSE(module.parse(text));
    return device.launch(module, "k", shape, {0}).message;
  };
  auto shaped = [](uint32_t grid, std::array<uint32_t, 3> cluster) {
    LaunchShape shape{grid, 32};
    shape.cluster = cluster;
    return shape;
  };
  auto expect = [](const std::string &message, const char *words) {
    EXPECT_NE(message.find(words), std::string::npos) << message;
  };
  std::string two = clusterText(1, ""), free = kernelText(1, "");
  EXPECT_EQ(report(two, {4, 32}), "");
  EXPECT_EQ(report(two, shaped(4, {2, 1, 1})), "");
  EXPECT_EQ(report(free, shaped(4, {4, 1, 1})), "");
  expect(report(two, {3, 32}), "a grid of 3 x 1 x 1 blocks is no multiple of clusters of 2 x 1 x 1");
  expect(report(two, shaped(4, {4, 1, 1})),
         "the launch asks for clusters of 4 x 1 x 1 blocks, the kernel for 2 x 1 x 1");
  expect(report(free, shaped(16, {16, 1, 1})), "clusters of 16 x 1 x 1 blocks; 8 is the most");
  expect(report(free, shaped(4, {2, 0, 1})), "no multiple");
  expect(report(replaced(two, ".reqnctapercluster 2, 1, 1", ""), {4, 32}), "nobody says of what shape");
  expect(report(replaced(two, ".reqnctapercluster 2, 1, 1", ".maxclusterrank 2"), shaped(4, {4, 1, 1})),
         "2 is the most");
  expect(report(replaced(free, "sm_90a", "sm_80"), shaped(4, {2, 1, 1}), 80), "on a device of capability 8.0");
  Module module;
  EXPECT_EQ(module.parse(replaced(two, "sm_90a", "sm_80")).fault, Fault::Unsupported);
  EXPECT_EQ(module.parse(replaced(kernelText(1, cluster), "sm_90a", "sm_80")).fault, Fault::Unsupported);
  EXPECT_EQ(module.parse(replaced(two, "2, 1, 1", "2, 0")).fault, Fault::Syntax);
  EXPECT_EQ(module.parse(replaced(two, ".explicitcluster", ".blocksareclusters")).fault, Fault::Unsupported);
}

//===----------------------------------------------------------------------===//
// A ring of two stages, whose panels one block copies to both
//===----------------------------------------------------------------------===//

namespace {

// Blocks of a producer warp and two consumer warps. A stage holds a panel of 32 words, which rank 0 copies to both
// blocks, and 16 words of the block's own. Barriers: full at 0 and 8, empty at 16 and 24.
const std::string panels = R"(
  mov.u32 %r1, smem;
  mov.u32 %r50, %cluster_ctarank;
  mov.u32 %r51, %ctaid.x;
  mov.u32 %r54, %clusterid.x;
  setp.ne.u32 %p1, %r60, 0;
  @%p1 bra READY;
  mbarrier.init.shared::cta.b64 [%r1], 1;
  mbarrier.init.shared::cta.b64 [%r1+8], 1;
  mbarrier.init.shared::cta.b64 [%r1+16], 4;
  mbarrier.init.shared::cta.b64 [%r1+24], 4;
  fence.mbarrier_init.release.cluster;
READY:
  barrier.cluster.arrive.relaxed.aligned;
  barrier.cluster.wait.acquire.aligned;
  xor.b32 %r52, %r50, 1;
  mapa.shared::cluster.u32 %r53, %r1, %r52;
  mov.b32 %r10, 0;
  setp.ge.u32 %p2, %r60, 32;
  @%p2 bra CONSUME;
  setp.ne.u32 %p3, %r60, 0;
  @%p3 bra DONE;
PRODUCE:
  and.b32 %r11, %r10, 1;
  shr.u32 %r12, %r10, 1;
  and.b32 %r13, %r12, 1;
  xor.b32 %r14, %r13, 1;
  mad.lo.u32 %r16, %r11, 8, %r1;
EMPTY:
  mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 %p4, [%r16+16], %r14;
  @!%p4 bra EMPTY;
  mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r16], 192;
  mad.lo.u32 %r20, %r51, 6, %r10;
  mul.wide.u32 %rd10, %r20, 64;
  add.s64 %rd11, %rd1, %rd10;
  mad.lo.u32 %r22, %r11, 64, %r1;
  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r22+512], [%rd11+1536], 64, [%r16];
  setp.ne.u32 %p5, %r50, 0;
  @%p5 bra NEXT;
  mad.lo.u32 %r23, %r54, 6, %r10;
  mul.wide.u32 %rd12, %r23, 128;
  add.s64 %rd13, %rd1, %rd12;
  mad.lo.u32 %r24, %r11, 128, %r1;
  mov.b16 %h1, 3;
  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster
    [%r24+128], [%rd13], 128, [%r16], %h1;
NEXT:
  add.s32 %r10, %r10, 1;
  setp.lt.u32 %p6, %r10, 6;
  @%p6 bra PRODUCE;
  bra DONE;
CONSUME:
  and.b32 %r11, %r10, 1;
  shr.u32 %r12, %r10, 1;
  and.b32 %r13, %r12, 1;
  mad.lo.u32 %r16, %r11, 8, %r1;
FULL:
  mbarrier.try_wait.parity.shared::cta.b64 %p4, [%r16], %r13;
  @!%p4 bra FULL;
  and.b32 %r20, %r60, 31;
  shl.b32 %r21, %r20, 2;
  mad.lo.u32 %r22, %r11, 128, %r1;
  add.s32 %r23, %r22, %r21;
  ld.shared.b32 %r24, [%r23+128];
  and.b32 %r25, %r21, 60;
  mad.lo.u32 %r26, %r11, 64, %r1;
  add.s32 %r27, %r26, %r25;
  ld.shared.b32 %r28, [%r27+512];
  add.s32 %r29, %r24, %r28;
  setp.ne.u32 %p5, %r20, 0;
  @%p5 bra FREED;
  mbarrier.arrive.shared::cta.b64 _, [%r16+16];
  mad.lo.u32 %r30, %r11, 8, %r53;
  mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%r30+16];
FREED:
  mad.lo.u32 %r31, %r51, 6, %r10;
  mad.lo.u32 %r32, %r31, 96, %r60;
  mul.wide.u32 %rd14, %r32, 4;
  add.s64 %rd15, %rd2, %rd14;
  st.global.b32 [%rd15], %r29;
  add.s32 %r10, %r10, 1;
  setp.lt.u32 %p6, %r10, 6;
  @%p6 bra CONSUME;
DONE:
  barrier.cluster.arrive.aligned;
  barrier.cluster.wait.aligned;)";

/// Empty if the kernel did what it should; else the report, or "wrong result".
std::string runPanels(const std::string &body, const Options &options) {
  Words input(768);
  for (uint32_t i = 0; i < 768; ++i)
    input[i] = i < 384 ? i : 1000 * i;
  Device device(options);
  Module module;
  if (Report report = module.parse(clusterText(2, body)))
    return report.message;
  uint64_t from = device.upload(input), to = device.upload(Words(24 * 96));
  if (Report report = device.launch(module, "k", {4, 96, 1024}, {from, to}))
    return report.message;
  Words out = device.download<uint32_t>(to, 24 * 96);
  for (uint32_t block = 0; block < 4; ++block)
    for (uint32_t i = 0; i < 6; ++i)
      for (uint32_t thread = 32; thread < 96; ++thread) {
        uint32_t lane = thread % 32, panel = block / 2 * 6 + i, own = block * 6 + i;
        if (out[own * 96 + thread] != input[panel * 32 + lane] + input[384 + own * 16 + lane % 16])
          return "wrong result";
      }
  return "";
}

struct Bug {
  const char *name;
  std::vector<std::pair<const char *, const char *>> changes;
  const char *words = ""; ///< Of the report.
};

} // namespace

TEST(Clusters, Panels) {
  for (uint64_t seed = 1; seed <= seeds; ++seed)
    EXPECT_EQ(runPanels(panels, seeded(seed)), "") << "seed " << seed;
  Options fast = seeded(1);
  fast.races = fast.undefined = false;
  EXPECT_EQ(runPanels(panels, fast), "");
}

TEST(Clusters, InjectedBugs) {
  const char *remote = "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%r30+16];";
  const char *fetch = "mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 %p4, [%r16+16], %r14;";
  const char *start = "barrier.cluster.arrive.relaxed.aligned;\n  barrier.cluster.wait.acquire.aligned;";
  const char *end = "barrier.cluster.arrive.aligned;\n  barrier.cluster.wait.aligned;";
  const std::vector<Bug> bugs = {
      {"the peer's stage is not waited for",
       {{remote, ""}, {"[%r1+16], 4", "[%r1+16], 2"}, {"[%r1+24], 4", "[%r1+24], 2"}},
       "race on shared memory of block"},
      {"no arrival at the peer", {{remote, ""}}, "hangs"},
      {"stages are not waited for", {{"@!%p4 bra EMPTY;", ""}}},
      {"panels are not waited for", {{"@!%p4 bra FULL;", ""}}, "race"},
      {"the wait is for the block alone",
       {{fetch, "mbarrier.try_wait.parity.shared::cta.b64 %p4, [%r16+16], %r14;"}},
       "race on shared memory of block"},
      {"the arrival is for the block alone",
       {{remote, "mbarrier.arrive.shared::cluster.b64 _, [%r30+16];"}},
       "race on shared memory of block"},
      {"the arrival orders nothing",
       {{remote, "mbarrier.arrive.relaxed.cluster.shared::cluster.b64 _, [%r30+16];"}},
       "race on shared memory of block"},
      {"no barrier at the start", {{start, "bar.sync 0;"}}},
      {"barriers are not released",
       {{"fence.mbarrier_init.release.cluster;", ""}},
       "not ordered after the mbarrier.init by"},
      {"no barrier at the end", {{end, ""}}},
      {"nobody waits at the end", {{"barrier.cluster.wait.aligned;", ""}}, "block"},
      {"the barrier at the end orders nothing",
       {{"barrier.cluster.arrive.aligned", "barrier.cluster.arrive.relaxed.aligned"}},
       "nobody in it knows that the arrival at its mbarrier by block"},
      {"a panel for one block", {{"mov.b16 %h1, 3", "mov.b16 %h1, 1"}}},
      {"a panel for the other block", {{"mov.b16 %h1, 3", "mov.b16 %h1, 2"}}},
      {"a panel for more blocks", {{"mov.b16 %h1, 3", "mov.b16 %h1, 7"}}, "to the ranks 0x7 of a cluster of 2"},
      {"the rank itself", {{"xor.b32 %r52, %r50, 1", "xor.b32 %r52, %r50, 0"}}},
      {"a rank beyond the cluster", {{"xor.b32 %r52, %r50, 1", "xor.b32 %r52, %r50, 2"}}, "of a cluster of 2"},
      {"the own panel's bytes are not expected", {{"[%r16], 192", "[%r16], 128"}}},
      {"the bytes of both are not expected", {{"[%r16], 192", "[%r16], 64"}}},
      {"too many bytes are expected", {{"[%r16], 192", "[%r16], 256"}}, "hangs"},
      {"the wrong panel", {{"mad.lo.u32 %r23, %r54, 6", "mad.lo.u32 %r23, %r51, 6"}}, "wrong result"},
  };
  for (uint64_t seed = 1; seed <= seeds; ++seed)
    for (const Bug &bug : bugs) {
      std::string body = panels;
      for (auto &[from, to] : bug.changes)
        body = replaced(body, from, to);
      std::string found = runPanels(body, seeded(seed));
      EXPECT_NE(found, "") << bug.name << " is not found with seed " << seed;
      EXPECT_NE(found.find(bug.words), std::string::npos) << bug.name << ": " << found;
    }
}
