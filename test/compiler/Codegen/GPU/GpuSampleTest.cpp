// SPDX-License-Identifier: Apache-2.0
//
// Sampling by blocks that share rows and wait for one another: the same ids in whatever order they run, and what would
// go wrong without what orders them is found.
#include "../KernelHarness.h"
#include "../SampleReference.h"

using namespace yupana;
using namespace yupana::test;

namespace {

// Three parts of a row, in three rounds.
constexpr int64_t vocabulary = 4100;
constexpr uint32_t rowCount = 3, blocks = rowCount * 9;

const char *kernel = R"(
    kernel.func @sample {
    ^bb0(%l: !kernel.view<["R", 4100], f32>, %t: !kernel.view<["R"], f32>, %k: !kernel.view<["R"], i32>,
         %p: !kernel.view<["R"], f32>, %m: !kernel.view<["R"], f32>, %r: !kernel.view<["R"], f32>,
         %s: !kernel.view<["R"], i64>, %x: !kernel.view<["R"], i32>, %g: !kernel.view<["N", 4], i32>,
         %i: !kernel.view<["R"], i32>):
      kernel.sample %l temperatures %t top_k %k top_p %p min_p %m penalties %r seeds %s sequences %s positions %x
        slots %x of %g into %i
        : !kernel.view<["R", 4100], f32>, !kernel.view<["R"], f32>, !kernel.view<["R"], i32>, !kernel.view<["R"], f32>,
          !kernel.view<["R"], f32>, !kernel.view<["R"], f32>, !kernel.view<["R"], i64>, !kernel.view<["R"], i64>,
          !kernel.view<["R"], i32>, !kernel.view<["R"], i32>, !kernel.view<["N", 4], i32>, !kernel.view<["R"], i32>
    })";

class GpuSample : public testing::TestWithParam<std::string> {
protected:
  GpuSample()
      : library(GetParam(), kernel, 8), rows(rowCount), logits(rowCount * vocabulary), temperatures(rowCount),
        topP(rowCount), minP(rowCount), penalties(rowCount), seeds(rowCount), topK(rowCount), positions(rowCount),
        history(rowCount * 4), ids(rowCount) {
    std::fill(history.begin(), history.end(), 0);
    for (uint32_t r = 0; r < rowCount; ++r) {
      Array<float> own = randomArray(vocabulary, r + 1, 6);
      std::copy(own.begin(), own.end(), &logits[r * vocabulary]);
      temperatures[r] = r == 1 ? 0 : 0.9f;
      topK[r] = r == 0 ? 700 : 0, topP[r] = r == 0 ? 0.8f : 1, minP[r] = 0.001f, penalties[r] = 1;
      seeds[r] = r + 5, positions[r] = 0;
      SampleRow &row = rows[r];
      row.logits.assign(own.begin(), own.end());
      row.temperature = temperatures[r], row.topK = topK[r], row.topP = topP[r], row.minP = minP[r];
      row.seed = row.sequence = seeds[r];
    }
  }

  /// What is wrong with one launch; the workspaces are looked at, too.
  std::string run(uint64_t seed, const KernelLibrary::Bug *bug = nullptr) {
    std::fill(ids.begin(), ids.end(), -7);
    std::string report =
        library.runBlocks("sample", {logits, temperatures, topK, topP, minP, penalties, seeds, positions, history, ids},
                          {0, 0, rowCount}, blocks, seed, bug);
    for (uint32_t r = 0; r < rowCount && report.empty(); ++r)
      if (ids[r] != sampleReference(rows[r]))
        report = "wrong id";
    return report;
  }

  KernelLibrary library;
  std::vector<SampleRow> rows;
  Array<float> logits, temperatures, topP, minP, penalties;
  Array<int64_t> seeds;
  Array<int32_t> topK, positions, history, ids;
};

TEST_P(GpuSample, AnyOrderOfBlocksDrawsTheSame) {
  for (uint64_t seed = 1; seed <= 6; ++seed)
    EXPECT_EQ(run(seed), "") << seed;
}

TEST_P(GpuSample, InjectedBugsAreFound) {
  const KernelLibrary::Bug bugs[] = {
      {"fence.acq_rel.gpu;", ""}, {"ld.relaxed.gpu.global.b32", "ld.global.b32"}, {"bar.sync \t0, 256;", ""}};
  for (const KernelLibrary::Bug &bug : bugs)
    for (uint64_t seed = 1; seed <= 2; ++seed)
      EXPECT_NE(run(seed, &bug), "") << bug.from << " is not found with seed " << seed;
}

INSTANTIATE_TEST_SUITE_P(Targets, GpuSample, testing::Values("sm_80", "sm_90a"),
                         [](const auto &info) { return info.param; });

} // namespace
