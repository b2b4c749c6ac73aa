// SPDX-License-Identifier: Apache-2.0
//
// Bugs put into kernels that work: each is found under every seed, by a report or by a wrong result, and the kernels
// themselves are never reported. Inputs are small integers, so that results are exact.
#include "test/tools/simdriver/Kernels.h"

#include <functional>
#include <gtest/gtest.h>

using namespace yupana::ptx;

namespace {

struct Bug {
  const char *name, *from, *to;
  int occurrence = 0;
};

int element(int row, int k) { return (row * 5 + k * 3) % 9 - 4; }
uint16_t half(int value) { return static_cast<uint16_t>(bits(static_cast<float>(value)) >> 16); }

/// Runs one kernel on a new device. Empty if it did what it should; else the report, or "wrong result".
using Runner = std::function<std::string(const Module &, const Options &)>;

void findAll(const std::string &text, const std::vector<Bug> &bugs, const Runner &runner) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    Options options;
    options.seed = seed;
    options.patience = 300000;
    options.memory = 1 << 24;
    Module module;
    Report report = module.parse(text);
    ASSERT_FALSE(report) << report.message;
    EXPECT_EQ(runner(module, options), "") << "without a bug, seed " << seed;
    for (const Bug &bug : bugs) {
      report = module.parse(replaced(text, bug.from, bug.to, bug.occurrence));
      ASSERT_FALSE(report) << bug.name << ": " << report.message;
      EXPECT_NE(runner(module, options), "") << bug.name << " is not found with seed " << seed;
    }
  }
}

std::string outcome(Device &device, const Report &report, uint64_t out, const std::vector<float> &wanted) {
  if (report)
    return report.message;
  std::vector<float> got(wanted.size());
  if (!device.read(got.data(), out, 4 * got.size()))
    return "undefined result";
  return got == wanted ? "" : "wrong result";
}

//===----------------------------------------------------------------------===//
// A ring of three stages filled by cp.async, ldmatrix, mma.sync, an epilogue through shared memory
//===----------------------------------------------------------------------===//

// Input: 48 rows of 96 bf16: 16 of A, then 32 of B. Output: A times B transposed, 16 x 32. Four warps, eight columns
// each. A stage holds 48 rows of two 16-byte chunks; chunk c of row r lies at c xor (r div 4 mod 2).
const std::string ringText = kernelText(2, R"(
  .reg .b32 %tile, %stage, %next;
  .reg .f32 %acc<4>;
  mov.u32 %r1, smem;
  shr.u32 %r2, %r60, 1;
  and.b32 %r3, %r60, 1;
  shr.u32 %r4, %r2, 2;
  xor.b32 %r5, %r3, %r4;
  and.b32 %r5, %r5, 1;
  shl.b32 %r6, %r5, 4;
  mad.lo.u32 %r7, %r2, 32, %r6;
  add.s32 %r8, %r1, %r7;
  mul.lo.u32 %r9, %r2, 192;
  mad.lo.u32 %r9, %r3, 16, %r9;
  cvt.u64.u32 %rd3, %r9;
  add.s64 %rd4, %rd1, %rd3;
  setp.lt.u32 %p1, %r60, 96;
  // What lanes read of a stage: A rows l mod 16, chunk l div 16; B rows of the warp, chunk l div 8 mod 2.
  and.b32 %r10, %r60, 31;
  shr.u32 %r11, %r60, 5;
  and.b32 %r12, %r10, 15;
  shr.u32 %r13, %r10, 4;
  shr.u32 %r14, %r12, 2;
  xor.b32 %r15, %r13, %r14;
  and.b32 %r15, %r15, 1;
  shl.b32 %r15, %r15, 4;
  mad.lo.u32 %r16, %r12, 32, %r15;
  and.b32 %r17, %r10, 7;
  mad.lo.u32 %r18, %r11, 8, %r17;
  add.s32 %r18, %r18, 16;
  shr.u32 %r19, %r10, 3;
  shr.u32 %r20, %r18, 2;
  xor.b32 %r21, %r19, %r20;
  and.b32 %r21, %r21, 1;
  shl.b32 %r21, %r21, 4;
  mad.lo.u32 %r22, %r18, 32, %r21;
  mov.b32 %acc0, 0f00000000; mov.b32 %acc1, 0f00000000; mov.b32 %acc2, 0f00000000; mov.b32 %acc3, 0f00000000;
  @%p1 cp.async.cg.shared.global [%r8], [%rd4], 16;
  cp.async.commit_group;
  @%p1 cp.async.cg.shared.global [%r8+1536], [%rd4+32], 16;
  cp.async.commit_group;
  add.s64 %rd4, %rd4, 64;
  mov.b32 %tile, 0;
  mov.b32 %stage, 0;
  mov.b32 %next, 2;
LOOP:
  cp.async.wait_group 1;
  bar.sync 0;
  setp.lt.u32 %p2, %tile, 4;
  and.pred %p3, %p1, %p2;
  mad.lo.u32 %r30, %next, 1536, %r8;
  @%p3 cp.async.cg.shared.global [%r30], [%rd4], 16;
  cp.async.commit_group;
  mad.lo.u32 %r31, %stage, 1536, %r1;
  add.s32 %r32, %r31, %r16;
  add.s32 %r33, %r31, %r22;
  ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r34, %r35, %r36, %r37}, [%r32];
  ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r38, %r39}, [%r33];
  mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%acc0, %acc1, %acc2, %acc3}, {%r34, %r35, %r36, %r37}, {%r38, %r39}, {%acc0, %acc1, %acc2, %acc3};
  add.s64 %rd4, %rd4, 32;
  add.s32 %stage, %stage, 1;
  setp.eq.u32 %p4, %stage, 3;
  selp.b32 %stage, 0, %stage, %p4;
  add.s32 %next, %next, 1;
  setp.eq.u32 %p5, %next, 3;
  selp.b32 %next, 0, %next, %p5;
  add.s32 %tile, %tile, 1;
  setp.lt.u32 %p6, %tile, 6;
  @%p6 bra LOOP;
  // Row l div 4 (and 8 more), columns 8 w + 2 (l mod 4) and the next; a row takes 128 bytes behind the stages.
  shr.u32 %r40, %r10, 2;
  and.b32 %r41, %r10, 3;
  mad.lo.u32 %r42, %r40, 128, %r1;
  mad.lo.u32 %r42, %r11, 32, %r42;
  mad.lo.u32 %r42, %r41, 8, %r42;
  st.shared.v2.f32 [%r42+4608], {%acc0, %acc1};
  st.shared.v2.f32 [%r42+5632], {%acc2, %acc3};
  bar.sync 0;
  mad.lo.u32 %r43, %r60, 16, %r1;
  ld.shared.v4.b32 {%r44, %r45, %r46, %r47}, [%r43+4608];
  mul.wide.u32 %rd6, %r60, 16;
  add.s64 %rd7, %rd2, %rd6;
  st.global.v4.b32 [%rd7], {%r44, %r45, %r46, %r47};)");

std::string runRing(const Module &module, const Options &options) {
  std::vector<uint16_t> input(48 * 96);
  for (int row = 0; row < 48; ++row)
    for (int k = 0; k < 96; ++k)
      input[static_cast<size_t>(row * 96 + k)] = half(element(row, k));
  std::vector<float> wanted(16 * 32);
  for (int row = 0; row < 16; ++row)
    for (int n = 0; n < 32; ++n)
      for (int k = 0; k < 96; ++k)
        wanted[static_cast<size_t>(row * 32 + n)] += static_cast<float>(element(row, k) * element(16 + n, k));
  Device device(options);
  uint64_t from = device.upload(input), out = device.allocate(4 * wanted.size());
  return outcome(device, device.launch(module, "k", {1, 128, 6656}, {from, out}), out, wanted);
}

TEST(InjectedBugs, RingOfCopies) {
  findAll(ringText,
          {{"waits for one group too few", "wait_group 1", "wait_group 2"},
           {"never waits", "cp.async.wait_group 1;", ""},
           {"does not commit in the loop", "cp.async.commit_group;", "", 2},
           {"no barrier in the loop", "bar.sync 0;", ""},
           {"no barrier in the epilogue", "bar.sync 0;", "", 1},
           {"a ring of two stages", "setp.eq.u32 %p5, %next, 3", "setp.eq.u32 %p5, %next, 2"},
           {"stages that overlap", "mad.lo.u32 %r30, %next, 1536", "mad.lo.u32 %r30, %next, 1024"},
           {"another stride for reading", "mad.lo.u32 %r31, %stage, 1536", "mad.lo.u32 %r31, %stage, 1504"},
           {"wrong swizzle of A", "shr.u32 %r14, %r12, 2", "shr.u32 %r14, %r12, 1"},
           {"wrong swizzle of B", "xor.b32 %r21, %r19, %r20", "or.b32 %r21, %r19, %r20"},
           {"skips the last tile", "setp.lt.u32 %p6, %tile, 6", "setp.lt.u32 %p6, %tile, 5"},
           {"copies one tile too many", "setp.lt.u32 %p2, %tile, 4", "setp.lt.u32 %p2, %tile, 5"},
           {"skips rows", "setp.lt.u32 %p1, %r60, 96", "setp.lt.u32 %p1, %r60, 94"},
           {"wrong source row", "mul.lo.u32 %r9, %r2, 192", "mul.lo.u32 %r9, %r2, 176"},
           {"warps store over each other", "mad.lo.u32 %r42, %r11, 32", "mad.lo.u32 %r42, %r11, 16"},
           {"epilogue over a stage", "[%r42+4608]", "[%r42+4096]"},
           {"half a copy", "[%r30], [%rd4], 16", "[%r30], [%rd4], 16, 8"}},
          runRing);
}

//===----------------------------------------------------------------------===//
// A producer warp with bulk copies and stores of its own, a warpgroup with wgmma, mbarriers between them
//===----------------------------------------------------------------------===//

// A: 12 tiles of 64 rows x 64 bf16, each 8 KiB as it lies in shared memory. B: 12 tiles of 16 rows x 64, stored by the
// producer's lanes. Two stages of 10 KiB at 1024; mbarriers full at 0 and 8, empty at 16 and 24. Output 64 x 16.
const std::string groupText = kernelText(3, R"(
  .reg .b32 %tile, %slot, %phase, %stage, %bar;
  .reg .f32 %d<8>;
  mov.u32 %r1, smem;
  setp.ne.u32 %p1, %r60, 0;
  @%p1 bra READY;
  mbarrier.init.shared.b64 [%r1], 1;
  mbarrier.init.shared.b64 [%r1+8], 1;
  mbarrier.init.shared.b64 [%r1+16], 4;
  mbarrier.init.shared.b64 [%r1+24], 4;
  fence.mbarrier_init.release.cluster;
READY:
  bar.sync 0;
  and.b32 %r2, %r60, 31;
  mov.b32 %tile, 0;
  setp.ge.u32 %p2, %r60, 128;
  @%p2 bra PRODUCE;

  mov.b32 %d0, 0f00000000; mov.b32 %d1, 0f00000000; mov.b32 %d2, 0f00000000; mov.b32 %d3, 0f00000000;
  mov.b32 %d4, 0f00000000; mov.b32 %d5, 0f00000000; mov.b32 %d6, 0f00000000; mov.b32 %d7, 0f00000000;
CONSUME:
  and.b32 %slot, %tile, 1;
  shr.u32 %phase, %tile, 1;
  and.b32 %phase, %phase, 1;
  mad.lo.u32 %bar, %slot, 8, %r1;
  mad.lo.u32 %stage, %slot, 10240, %r1;
  add.s32 %stage, %stage, 1024;
FULL:
  mbarrier.try_wait.parity.shared.b64 %p3, [%bar], %phase;
  @!%p3 bra FULL;
  shr.u32 %r3, %stage, 4;
  cvt.u64.u32 %rd4, %r3;
  or.b64 %rd5, %rd4, 0x4000004000010000;
  add.s64 %rd6, %rd5, 512;
  setp.eq.b32 %p4, 0, 0;
  wgmma.fence.sync.aligned;
  wgmma.mma_async.sync.aligned.m64n16k16.f32.bf16.bf16 {%d0, %d1, %d2, %d3, %d4, %d5, %d6, %d7}, %rd5, %rd6, %p4, 1, 1, 0, 0;
  add.s64 %rd7, %rd5, 2;
  add.s64 %rd8, %rd6, 2;
  wgmma.mma_async.sync.aligned.m64n16k16.f32.bf16.bf16 {%d0, %d1, %d2, %d3, %d4, %d5, %d6, %d7}, %rd7, %rd8, %p4, 1, 1, 0, 0;
  add.s64 %rd7, %rd5, 4;
  add.s64 %rd8, %rd6, 4;
  wgmma.mma_async.sync.aligned.m64n16k16.f32.bf16.bf16 {%d0, %d1, %d2, %d3, %d4, %d5, %d6, %d7}, %rd7, %rd8, %p4, 1, 1, 0, 0;
  add.s64 %rd7, %rd5, 6;
  add.s64 %rd8, %rd6, 6;
  wgmma.mma_async.sync.aligned.m64n16k16.f32.bf16.bf16 {%d0, %d1, %d2, %d3, %d4, %d5, %d6, %d7}, %rd7, %rd8, %p4, 1, 1, 0, 0;
  wgmma.commit_group.sync.aligned;
  wgmma.wait_group.sync.aligned 0;
  setp.eq.u32 %p5, %r2, 0;
  @%p5 mbarrier.arrive.shared.b64 %rd9, [%bar+16];
  add.s32 %tile, %tile, 1;
  setp.lt.u32 %p6, %tile, 12;
  @%p6 bra CONSUME;
  // Row 16 w + l div 4 (and 8 more), columns 2 (l mod 4) and the next, and 8 more.
  shr.u32 %r10, %r60, 5;
  shr.u32 %r11, %r2, 2;
  mad.lo.u32 %r12, %r10, 16, %r11;
  and.b32 %r13, %r2, 3;
  shl.b32 %r14, %r13, 3;
  mad.lo.u32 %r15, %r12, 64, %r14;
  cvt.u64.u32 %rd10, %r15;
  add.s64 %rd11, %rd3, %rd10;
  st.global.v2.f32 [%rd11], {%d0, %d1};
  st.global.v2.f32 [%rd11+512], {%d2, %d3};
  st.global.v2.f32 [%rd11+32], {%d4, %d5};
  st.global.v2.f32 [%rd11+544], {%d6, %d7};
  bra END;

PRODUCE:
  and.b32 %slot, %tile, 1;
  shr.u32 %phase, %tile, 1;
  and.b32 %phase, %phase, 1;
  xor.b32 %phase, %phase, 1;
  mad.lo.u32 %bar, %slot, 8, %r1;
  mad.lo.u32 %stage, %slot, 10240, %r1;
  add.s32 %stage, %stage, 1024;
EMPTY:
  mbarrier.try_wait.parity.shared.b64 %p3, [%bar+16], %phase;
  @!%p3 bra EMPTY;
  setp.ne.u32 %p4, %r2, 0;
  @%p4 bra COPIED;
  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%stage], [%rd1], 8192, [%bar];
COPIED:
  // Lane l stores half a row of B: row l div 2, four of its eight chunks.
  shr.u32 %r20, %r2, 1;
  and.b32 %r21, %r2, 1;
  and.b32 %r22, %r20, 7;
  mad.lo.u32 %r23, %r20, 128, %stage;
  mul.wide.u32 %rd20, %r2, 64;
  add.s64 %rd21, %rd2, %rd20;
  mov.b32 %r24, 0;
CHUNK:
  ld.global.nc.v4.b32 {%r30, %r31, %r32, %r33}, [%rd21];
  mad.lo.u32 %r25, %r21, 4, %r24;
  xor.b32 %r26, %r25, %r22;
  mad.lo.u32 %r27, %r26, 16, %r23;
  st.shared.v4.b32 [%r27+8192], {%r30, %r31, %r32, %r33};
  add.s64 %rd21, %rd21, 16;
  add.s32 %r24, %r24, 1;
  setp.lt.u32 %p7, %r24, 4;
  @%p7 bra CHUNK;
  fence.proxy.async.shared::cta;
  bar.warp.sync -1;
  @!%p4 mbarrier.arrive.expect_tx.shared.b64 %rd9, [%bar], 8192;
  add.s64 %rd1, %rd1, 8192;
  add.s64 %rd2, %rd2, 2048;
  add.s32 %tile, %tile, 1;
  setp.lt.u32 %p8, %tile, 12;
  @%p8 bra PRODUCE;
END:)");

/// The same in clusters of two blocks, each with a sum of its own: the first block copies the tiles of A to both.
std::string clusterOfGroups() {
  const std::pair<const char *, const char *> changes[] = {
      {")\n{", ")\n.explicitcluster\n.reqnctapercluster 2\n{"},
      {"bar.sync 0;", R"(barrier.cluster.arrive.relaxed.aligned;
  barrier.cluster.wait.acquire.aligned;
  mov.u32 %r50, %cluster_ctarank;
  xor.b32 %r51, %r50, 1;
  mul.wide.u32 %rd30, %r50, 4096;
  add.s64 %rd3, %rd3, %rd30;)"},
      {"[%r1+16], 4", "[%r1+16], 8"},
      {"[%r1+24], 4", "[%r1+24], 8"},
      {"@%p5 mbarrier.arrive.shared.b64 %rd9, [%bar+16];", R"(mapa.shared::cluster.u32 %r52, %bar, %r51;
  @%p5 mbarrier.arrive.shared.b64 %rd9, [%bar+16];
  @%p5 mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%r52+16];)"},
      {"try_wait.parity.shared.b64 %p3, [%bar+16]", "try_wait.parity.acquire.cluster.shared::cta.b64 %p3, [%bar+16]"},
      {"@%p4 bra COPIED;", "setp.ne.or.u32 %p9, %r50, 0, %p4;\n  @%p9 bra COPIED;\n  mov.b16 %h1, 3;"},
      {"complete_tx::bytes [%stage], [%rd1], 8192, [%bar]",
       "complete_tx::bytes.multicast::cluster [%stage], [%rd1], 8192, [%bar], %h1"},
      {"@%p8 bra PRODUCE;\nEND:",
       "@%p8 bra PRODUCE;\nEND:\n  barrier.cluster.arrive.aligned;\n  barrier.cluster.wait.aligned;"}};
  std::string text = groupText;
  for (auto &[from, to] : changes)
    text = replaced(text, from, to);
  return text;
}

std::string runGroup(const Module &module, const Options &options) {
  std::vector<uint16_t> a(12 * 64 * 64), b(12 * 16 * 64);
  std::vector<float> wanted(64 * 16);
  for (int k = 0; k < 768; ++k) {
    int tile = k / 64, chunk = k % 64 / 8;
    for (int row = 0; row < 64; ++row)
      a[static_cast<size_t>(tile * 4096 + row * 64 + (chunk ^ (row & 7)) * 8 + k % 8)] = half(element(row, k));
    for (int n = 0; n < 16; ++n) {
      b[static_cast<size_t>(tile * 1024 + n * 64 + k % 64)] = half(element(n + 100, k));
      for (int row = 0; row < 64; ++row)
        wanted[static_cast<size_t>(row * 16 + n)] += static_cast<float>(element(row, k) * element(n + 100, k));
    }
  }
  Device device(options);
  uint32_t blocks = module.info("k")->cluster[0] ? 2 : 1;
  std::vector<float> each = wanted;
  for (uint32_t block = 1; block < blocks; ++block)
    wanted.insert(wanted.end(), each.begin(), each.end());
  uint64_t from = device.upload(a), with = device.upload(b), out = device.allocate(4 * wanted.size());
  return outcome(device, device.launch(module, "k", {blocks, 160, 21504}, {from, with, out}), out, wanted);
}

TEST(InjectedBugs, WarpgroupsAndBulkCopies) {
  findAll(groupText,
          {{"consumers do not wait", "@!%p3 bra FULL;", ""},
           {"consumers wait for nothing", "mbarrier.try_wait.parity.shared.b64 %p3, [%bar], %phase;",
            "setp.eq.b32 %p3, 0, 0;"},
           {"the producer does not wait", "@!%p3 bra EMPTY;", ""},
           {"no arrival of consumers", "@%p5 mbarrier.arrive.shared.b64 %rd9, [%bar+16];", ""},
           {"arrivals of three warps are enough", "[%r1+16], 4", "[%r1+16], 3"},
           {"arrivals of five warps are needed", "[%r1+24], 4", "[%r1+24], 5"},
           {"two arrivals of the producer are needed", "mbarrier.init.shared.b64 [%r1], 1",
            "mbarrier.init.shared.b64 [%r1], 2"},
           {"too few bytes are expected", "[%bar], 8192;\n  add", "[%bar], 4096;\n  add"},
           {"too few bytes are copied", "[%rd1], 8192, [%bar]", "[%rd1], 8176, [%bar]"},
           {"consumers wait for the wrong phase", "and.b32 %phase, %phase, 1;",
            "xor.b32 %phase, %phase, 1;\n  and.b32 %phase, %phase, 1;"},
           {"the producer waits for the wrong phase", "  xor.b32 %phase, %phase, 1;\n  mad", "  mad"},
           {"stages overlap", "mad.lo.u32 %stage, %slot, 10240, %r1;", "mad.lo.u32 %stage, %slot, 8192, %r1;", 1},
           {"mbarriers lie in a stage", "add.s32 %stage, %stage, 1024;", "add.s32 %stage, %stage, 0;", 1},
           {"no wait for the product", "wgmma.wait_group.sync.aligned 0;", ""},
           {"a stage is given back while it is read", "wait_group.sync.aligned 0", "wait_group.sync.aligned 1"},
           {"no commit", "wgmma.commit_group.sync.aligned;", ""},
           {"no fence before the first product", "wgmma.fence.sync.aligned;", ""},
           {"no proxy fence", "fence.proxy.async.shared::cta;", ""},
           {"wrong stride in the descriptor", "0x4000004000010000", "0x4000002000010000"},
           {"wrong step of K", "add.s64 %rd8, %rd6, 4;", "add.s64 %rd8, %rd6, 2;"},
           {"the swizzle of B is left out", "xor.b32 %r26, %r25, %r22;", "mov.b32 %r26, %r25;"},
           {"the last tile is left out", "setp.lt.u32 %p6, %tile, 12", "setp.lt.u32 %p6, %tile, 11"},
           {"arrives before it stores", "  mad.lo.u32 %r23, %r20, 128, %stage;",
            "  @!%p4 mbarrier.arrive.expect_tx.shared.b64 %rd9, [%bar], 8192;\n  mad.lo.u32 %r23, %r20, 128, %stage;\n"
            "  setp.eq.b32 %p4, 0, 0;"},
           {"no barrier behind the init", "READY:\n  bar.sync 0;", "READY:"}},
          runGroup);
}

// The end of products that were waited for is told without an order of memory, too.
TEST(InjectedBugs, WarpgroupsOfClustersRelaxed) {
  std::string text = clusterOfGroups();
  text = replaced(text, "@%p5 mbarrier.arrive.shared.b64 %rd9", "@%p5 mbarrier.arrive.relaxed.cta.shared.b64 %rd9");
  text = replaced(text, "arrive.release.cluster.shared::cluster", "arrive.relaxed.cluster.shared::cluster");
  text = replaced(text, "try_wait.parity.acquire.cluster", "try_wait.parity.relaxed.cluster");
  findAll(text,
          {{"the producer waits for its block alone", "try_wait.parity.relaxed.cluster", "try_wait.parity.relaxed.cta"},
           {"no wait for the product", "wgmma.wait_group.sync.aligned 0;", ""},
           {"a stage is given back while it is read", "wait_group.sync.aligned 0", "wait_group.sync.aligned 1"},
           {"a stage is read by loads, too", "wgmma.wait_group.sync.aligned 0;",
            "wgmma.wait_group.sync.aligned 0;\n  ld.shared.b32 %r53, [%stage];"}},
          runGroup);
}

TEST(InjectedBugs, WarpgroupsOfClusters) {
  findAll(
      clusterOfGroups(),
      {{"consumers do not wait", "@!%p3 bra FULL;", ""},
       {"the producer does not wait", "@!%p3 bra EMPTY;", ""},
       {"the producer waits for its block alone", "acquire.cluster.shared::cta.b64 %p3, [%bar+16]",
        "acquire.cta.shared::cta.b64 %p3, [%bar+16]"},
       {"consumers tell their block alone", "release.cluster.shared::cluster.b64 _, [%r52+16]",
        "release.cta.shared::cluster.b64 _, [%r52+16]"},
       {"the peer's consumers are not waited for", "@%p5 mbarrier.arrive.release.cluster.shared::cluster.b64 _",
        "@%p5 mbarrier.arrive.shared::cta.b64 _, [%bar+16];\n  //"},
       {"no wait for the product", "wgmma.wait_group.sync.aligned 0;", ""},
       {"a stage is given back while it is read", "wait_group.sync.aligned 0", "wait_group.sync.aligned 1"},
       {"no copy for the peer", "mov.b16 %h1, 3", "mov.b16 %h1, 1"},
       {"both blocks copy", "setp.ne.or.u32 %p9, %r50, 0, %p4", "setp.ne.or.u32 %p9, %r50, %r50, %p4"},
       {"no proxy fence", "fence.proxy.async.shared::cta;", ""},
       {"the barriers of peers are not known", "barrier.cluster.wait.acquire.aligned;", ""},
       {"no barrier at the end", "END:\n  barrier.cluster.arrive.aligned;\n  barrier.cluster.wait.aligned;", "END:"}},
      runGroup);
}

//===----------------------------------------------------------------------===//
// Partial sums of several blocks, added by the last to arrive, in two launches
//===----------------------------------------------------------------------===//

// 3 cells of 64 values; 4 blocks share a cell, each with its own range. The workspace holds a counter for each cell,
// then a row of 64 values for each block.
const std::string splitText = kernelText(3, R"(
  mov.u32 %r1, %ctaid.x;
  shr.u32 %r2, %r1, 2;
  mov.u32 %r40, smem;
  // Sum of 8 inputs of this block.
  mad.lo.u32 %r3, %r1, 512, %r60;
  mul.wide.u32 %rd4, %r3, 4;
  add.s64 %rd5, %rd1, %rd4;
  mov.b32 %f1, 0f00000000;
  mov.b32 %r4, 0;
SUM:
  ld.global.nc.f32 %f2, [%rd5];
  add.f32 %f1, %f1, %f2;
  add.s64 %rd5, %rd5, 256;
  add.s32 %r4, %r4, 1;
  setp.lt.u32 %p1, %r4, 8;
  @%p1 bra SUM;
  mad.lo.u32 %r5, %r1, 64, %r60;
  mul.wide.u32 %rd6, %r5, 4;
  add.s64 %rd7, %rd2, %rd6;
  st.global.f32 [%rd7+64], %f1;
  bar.sync 0;
  setp.ne.u32 %p2, %r60, 0;
  @%p2 bra COUNTED;
  mul.wide.u32 %rd8, %r2, 4;
  add.s64 %rd9, %rd2, %rd8;
  fence.acq_rel.gpu;
  atom.relaxed.gpu.global.add.u32 %r6, [%rd9], 1;
  fence.acq_rel.gpu;
  setp.ne.u32 %p3, %r6, 3;
  @!%p3 st.relaxed.gpu.global.b32 [%rd9], 0;
  st.shared.b32 [%r40], %r6;
COUNTED:
  bar.sync 0;
  ld.shared.b32 %r7, [%r40];
  setp.ne.u32 %p4, %r7, 3;
  @%p4 bra END;
  mad.lo.u32 %r8, %r2, 256, %r60;
  mul.wide.u32 %rd10, %r8, 4;
  add.s64 %rd11, %rd2, %rd10;
  ld.global.f32 %f3, [%rd11+64];
  ld.global.f32 %f4, [%rd11+320];
  ld.global.f32 %f5, [%rd11+576];
  ld.global.f32 %f6, [%rd11+832];
  add.f32 %f3, %f3, %f4;
  add.f32 %f3, %f3, %f5;
  add.f32 %f3, %f3, %f6;
  mad.lo.u32 %r9, %r2, 64, %r60;
  mul.wide.u32 %rd12, %r9, 4;
  add.s64 %rd13, %rd3, %rd12;
  st.global.f32 [%rd13], %f3;
END:)");

std::string runSplit(const Module &module, const Options &options) {
  std::vector<float> input(12 * 512), wanted(3 * 64);
  for (size_t i = 0; i < input.size(); ++i) {
    input[i] = static_cast<float>(element(static_cast<int>(i % 64), static_cast<int>(i / 64)));
    wanted[i / 2048 * 64 + i % 64] += input[i];
  }
  Device device(options);
  uint64_t from = device.upload(input), space = device.allocate(64 + 12 * 256),
           out = device.allocate(4 * wanted.size());
  uint32_t zero = 0;
  device.fill(space, &zero, 4, 16);
  for (int launch = 0; launch < 2; ++launch) {
    std::string result = outcome(device, device.launch(module, "k", {12, 64, 64}, {from, space, out}), out, wanted);
    if (!result.empty())
      return result;
    std::vector<float> nothing(wanted.size(), -1000);
    device.write(out, nothing.data(), 4 * nothing.size());
  }
  return "";
}

TEST(InjectedBugs, SumsOfSeveralBlocks) {
  findAll(splitText,
          {{"no release", "fence.acq_rel.gpu;", ""},
           {"no acquire", "fence.acq_rel.gpu;", "", 1},
           {"a release for the block alone", "fence.acq_rel.gpu;", "fence.acq_rel.cta;"},
           {"an acquire for the block alone", "fence.acq_rel.gpu;", "fence.acq_rel.cta;", 1},
           {"counts before all have stored", "bar.sync 0;", ""},
           {"reads before the count is known", "bar.sync 0;", "", 1},
           {"no atomic", "atom.relaxed.gpu.global.add.u32 %r6, [%rd9], 1;",
            "ld.global.b32 %r6, [%rd9];\n add.s32 %r10, %r6, 1;\n st.global.b32 [%rd9], %r10;"},
           {"the counter is not made zero", "@!%p3 st.relaxed.gpu.global.b32 [%rd9], 0;", ""},
           {"one arrival too few", "setp.ne.u32 %p4, %r7, 3", "setp.ne.u32 %p4, %r7, 2"},
           {"rows of blocks overlap", "mad.lo.u32 %r5, %r1, 64", "mad.lo.u32 %r5, %r1, 32"},
           {"reads another block's row", "[%rd11+320]", "[%rd11+576]"},
           {"counts for the wrong cell", "mul.wide.u32 %rd8, %r2, 4", "mul.wide.u32 %rd8, %r2, 0"},
           {"leaves out a range", "setp.lt.u32 %p1, %r4, 8", "setp.lt.u32 %p1, %r4, 7"},
           {"reads what it writes through the read-only path", "ld.global.f32 %f3, [%rd11+64];",
            "ld.global.nc.f32 %f3, [%rd11+64];"}},
          runSplit);
}

} // namespace
