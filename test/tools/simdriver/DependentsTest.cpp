// SPDX-License-Identifier: Apache-2.0
//
// Launches that overlap: what stands before griddepcontrol.wait must have nothing to do with the launch before, and
// each way to get that wrong is found, whatever the order of blocks.
#include "test/tools/simdriver/Kernels.h"

#include <gtest/gtest.h>

using namespace yupana::ptx;

namespace {

/// Each thread writes a word of memory %rd1.
const std::string writes =
    "mov.u32 %r1, %ctaid.x;\n mad.lo.u32 %r1, %r1, 64, %r60;\n mul.wide.u32 %rd2, %r1, 4;\n add.s64 %rd3, %rd1, %rd2;\n"
    "st.global.b32 [%rd3], 7;\n";
/// It reads that word, and writes one more to a place 256 words behind it.
const std::string reads =
    "mov.u32 %r1, %ctaid.x;\n mad.lo.u32 %r1, %r1, 64, %r60;\n mul.wide.u32 %rd2, %r1, 4;\n add.s64 %rd3, %rd1, %rd2;\n"
    "ld.global.b32 %r2, [%rd3];\n add.s32 %r3, %r2, 1;\n st.global.b32 [%rd3+1024], %r3;\n";
/// A word which nobody writes, is read: a weight.
const std::string weight = "ld.global.nc.b32 %r9, [%rd1+2400];\n add.s32 %r9, %r9, 1;\n";
const std::string waits = "griddepcontrol.wait;\n", starts = "griddepcontrol.launch_dependents;\n";

/// Launches kernels one behind the other, all but the first overlapping, and gives the first report.
class Chain {
public:
  explicit Chain(uint64_t seed = 1) : device(optionsOf(seed)) {
    memory = device.upload(std::vector<uint32_t>(1024, 3));
  }
  Report run(const std::vector<std::string> &bodies, bool dependent = true) {
    for (size_t i = 0; i < bodies.size(); ++i) {
      Module module;
      if (Report fault = module.parse(kernelText(1, bodies[i])))
        return fault;
      LaunchShape shape;
      shape.grid = 4, shape.threads = 64, shape.sharedBytes = 64;
      shape.dependent = dependent && i > 0;
      if (Report fault = device.launch(module, "k", shape, {memory}))
        return fault;
    }
    return {};
  }
  std::vector<uint32_t> words() { return device.download<uint32_t>(memory, 1024); }

private:
  static Options optionsOf(uint64_t seed) {
    Options options;
    options.seed = seed;
    return options;
  }
  Device device;
  uint64_t memory;
};

void expectRace(const std::vector<std::string> &bodies, const char *words) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    Report report = Chain(seed).run(bodies);
    EXPECT_EQ(report.fault, Fault::Race) << words;
    EXPECT_NE(report.message.find(words), std::string::npos) << report.message;
  }
}

} // namespace

TEST(Dependents, TheWaitOrdersWhatStandsBehindIt) {
  Chain chain;
  Report report = chain.run({writes, weight + waits + reads});
  EXPECT_FALSE(report) << report.message;
  EXPECT_EQ(chain.words()[256], 8u);
  // Wherever the former starts its dependents.
  for (const std::string &first : {starts + writes, writes + starts}) {
    EXPECT_FALSE(Chain().run({first, weight + waits + starts + reads, waits + starts + reads}));
  }
}

TEST(Dependents, WithoutTheWaitEveryConflictIsFound) {
  expectRace({writes, reads + waits}, "no griddepcontrol.wait stands before it");
  expectRace({writes, reads}, "this read is not ordered after the write by kernel 'k', launched before it");
  expectRace({reads, writes + waits}, "this write is not ordered after the read by kernel");
  expectRace({writes, writes + waits}, "this write is not ordered after the write by kernel");
  // Starting dependents late orders no memory.
  expectRace({writes + starts, reads + waits}, "no griddepcontrol.wait");
  // Nothing is wrong where launches do not overlap, or touch nothing of each other.
  EXPECT_FALSE(Chain().run({writes, reads + waits}, /*dependent=*/false));
  EXPECT_FALSE(Chain().run({writes, weight}));
}

// One warp waits and the others learn of it at a barrier; without one they know nothing.
TEST(Dependents, ABarrierTellsOfTheWait) {
  std::string first = "setp.lt.u32 %p1, %r60, 32;\n@!%p1 bra SKIP;\n" + waits + "SKIP:\n";
  EXPECT_FALSE(Chain().run(
      {writes, first + "bar.sync 0;\n" + "setp.eq.u32 %p2, %r60, 40;\n@!%p2 bra END;\n" + reads + "END:\n"}));
  expectRace({writes, first + "setp.eq.u32 %p2, %r60, 40;\n@!%p2 bra END;\n" + reads + "END:\n"},
             "no griddepcontrol.wait");
}

// A launch that lets the next one in before it waits overlaps with both of its neighbours at once.
TEST(Dependents, DependentsThatStartEarlyOverlapWithAllBeforeThem) {
  EXPECT_FALSE(Chain().run({writes, waits + starts + weight, reads + waits})) << "the first has ended by then";
  expectRace({writes, starts + waits + weight, reads + waits}, "no griddepcontrol.wait");
  EXPECT_FALSE(Chain().run({writes, starts + waits + weight, waits + reads}));
}

// A launch that never waits may end before those in front of it, so that waiting for it says nothing of them.
TEST(Dependents, AKernelWithoutAWaitBreaksTheChain) {
  expectRace({writes, weight, waits + reads}, "a kernel in between has no griddepcontrol.wait");
  expectRace({writes, weight, waits + weight, waits + reads}, "a kernel in between has no griddepcontrol.wait");
  // A launch that begins when all has ended mends it.
  Chain chain;
  EXPECT_FALSE(chain.run({writes, weight}));
  EXPECT_FALSE(chain.run({weight, waits + reads}));
}

// Copies that are not waited for are accesses of the moment they begin.
TEST(Dependents, AsynchronousCopies) {
  std::string copy = "mov.u32 %r40, smem;\n setp.eq.u32 %p1, %r60, 0;\n"
                     "@%p1 cp.async.ca.shared.global [%r40], [%rd1], 4;\n cp.async.commit_group;\n";
  std::string finish = "cp.async.wait_group 0;\n";
  EXPECT_FALSE(Chain().run({writes, waits + copy + finish}));
  expectRace({writes, copy + waits + finish}, "no griddepcontrol.wait");
  EXPECT_FALSE(Chain().run({writes, replaced(copy, "[%rd1]", "[%rd1+2400]") + waits + finish}));
}
