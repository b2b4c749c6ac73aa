// SPDX-License-Identifier: Apache-2.0
//
// Products whose blocks share out the work, on as many blocks as a test wants: bits depend on no number of blocks, what
// is computed is near one scalar chain, workspaces are left zero, and bugs put into the code are found.
#include "../KernelHarness.h"

#include <fmt/format.h>

#include <regex>

using namespace yupana;
using namespace yupana::test;

namespace {

const uint32_t blockCounts[] = {1, 2, 3, 5, 8, 24, 31};

class GpuDecode : public testing::TestWithParam<std::string> {
protected:
  Rules rules{Form{GetParam(), true}};
  std::string config(int64_t rows) const {
    return fmt::format("#kernel.gpu<\"{}\", form = decode, tile = 64 x {} x 256, stages = {}, threads = 160, "
                       "blocks = 2, rows = 1>",
                       GetParam(), rows, GetParam() == "sm_80" ? 3 : 4);
  }
  KernelLibrary load(const std::string &kernels) const { return KernelLibrary(GetParam(), kernels, 8); }

  /// Runs with every number of blocks up to `most`: `y` is the same, and `workspaces` are zero. Twice, since a launch
  /// begins with what the one before has left.
  void runAll(KernelLibrary &library, std::vector<Memory> arguments, Array<float> &y, Array<float> &sums,
              Array<int32_t> &counts, Sizes sizes, uint32_t most) {
    std::fill(sums.begin(), sums.end(), 0.0f);
    std::fill(counts.begin(), counts.end(), 0);
    Array<float> first(y.size());
    for (uint32_t blocks : blockCounts)
      for (uint64_t seed : {1, 2}) {
        SCOPED_TRACE(fmt::format("{} blocks, seed {}", blocks, seed));
        std::fill(y.begin(), y.end(), -1.0f);
        ASSERT_EQ(library.runBlocks("gemm", arguments, sizes, std::min(blocks, most), seed), "");
        if (blocks == 1 && seed == 1)
          std::copy(y.begin(), y.end(), first.begin());
        ASSERT_TRUE(y == first);
        for (float sum : sums)
          ASSERT_EQ(bitsOf(sum), 0u);
        for (int32_t count : counts)
          ASSERT_EQ(count, 0);
      }
  }
};

/// 200 outputs of 600: four cells of three ranges, the last tile of each incomplete in both directions.
constexpr int64_t outputs = 200, depth = 600;

std::string plainKernel(const std::string &config) {
  return fmt::format(R"(
    kernel.func @gemm workspace [3, 4] {{
    ^bb0(%x: !kernel.view<["T", {1}], bf16>, %w: !kernel.view<[{0}, {1}], bf16, "tile64x128">,
         %y: !kernel.view<["T", {0}], f32>, %sums: !kernel.view<[12, 1536], f32>, %counts: !kernel.view<[12], i32>):
      kernel.gemm rows "T" workspace %sums, %counts : !kernel.view<[12, 1536], f32>, !kernel.view<[12], i32>
          attributes {{config = {2}}} product %x : !kernel.view<["T", {1}], bf16>
          times %w : !kernel.view<[{0}, {1}], bf16, "tile64x128"> {{
      ^bb0(%acc: f32, %row: index, %feature: index):
        kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", {0}], f32>
      }}
    }})",
                     outputs, depth, config);
}

TEST_P(GpuDecode, NoBitDependsOnTheBlocks) {
  KernelLibrary library = load(plainKernel(config(8)));
  Numbers w = rules.random(outputs * depth, 2), packed = rules.pack(w, 1, outputs, depth);
  Array<float> sums(12 * 1536);
  Array<int32_t> counts(12);
  for (int64_t tokens : {1, 5, 8}) {
    SCOPED_TRACE(tokens);
    Numbers x = rules.random(tokens * depth, 1);
    Array<float> y(tokens * outputs);
    ASSERT_NO_FATAL_FAILURE(
        runAll(library, {x, packed, y, sums, counts}, y, sums, counts, {static_cast<uint32_t>(tokens)}, 12));
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t n = 0; n < outputs; ++n)
        ASSERT_TRUE(isNear(y[t * outputs + n], rules.product(x.at(t * depth), w.at(n * depth), depth)))
            << t << " " << n;
  }
}

TEST_P(GpuDecode, MembersExpertsAndGroups) {
  // A member with an input that is computed and groups of 48, whose cells are three tiles; one with pairs of rows for
  // two of four experts a token, whose input is copied.
  constexpr int64_t tokens = 7, experts = 4, inner = 320, features = 96, group = 48;
  KernelLibrary library = load(fmt::format(
      R"(
    kernel.func @gemm workspace [8, 9] {{
    ^bb0(%x: !kernel.view<["T", {1}], bf16>, %gain: !kernel.view<[{1}], bf16>, %w: !kernel.view<[{0}, {1}], bf16, "tile64x128">,
         %h: !kernel.view<["2*T", {2}], bf16>, %ids: !kernel.view<["T", 2], i32>,
         %e: !kernel.view<[{3}, {4}, {2}], bf16, "tile64x128">, %y: !kernel.view<["T", {0}], f32>,
         %z: !kernel.view<["2*T", {4}], f32>, %sums: !kernel.view<[50, 4608], f32>, %counts: !kernel.view<[50], i32>):
      kernel.parallel workspace %sums, %counts : !kernel.view<[50, 4608], f32>, !kernel.view<[50], i32> {{
        kernel.gemm rows "T" group {5} attributes {{config = {6}}} product {{
        ^bb0(%row: index, %k: index):
          %v = kernel.load %x[%row, %k] : !kernel.view<["T", {1}], bf16>
          %g = kernel.load %gain[%k] : !kernel.view<[{1}], bf16>
          %vf = arith.extf %v : bf16 to f32
          %gf = arith.extf %g : bf16 to f32
          %pf = arith.mulf %vf, %gf : f32
          %p = arith.truncf %pf : f32 to bf16
          kernel.yield %p : bf16
        }} times %w : !kernel.view<[{0}, {1}], bf16, "tile64x128"> {{
        ^bb0(%acc: f32, %row: index, %feature: index):
          %sum = kernel.sum %acc : f32
          %out = arith.addf %acc, %sum : f32
          kernel.store %out, %y[%row, %feature] : !kernel.view<["T", {0}], f32>
        }}
        kernel.gemm rows "2*T" by %ids : !kernel.view<["T", 2], i32> attributes {{config = {7}}}
            product %h : !kernel.view<["2*T", {2}], bf16>
            times %e : !kernel.view<[{3}, {4}, {2}], bf16, "tile64x128"> {{
        ^bb0(%acc: f32, %row: index, %feature: index):
          kernel.store %acc, %z[%row, %feature] : !kernel.view<["2*T", {4}], f32>
        }}
      }}
    }})",
      outputs - outputs % group, depth, inner, experts, features, group, config(8), config(16)));
  constexpr int64_t wide = outputs - outputs % group;
  Numbers x = rules.random(tokens * depth, 1), gain = rules.random(depth, 2), w = rules.random(wide * depth, 3);
  Numbers h = rules.random(2 * tokens * inner, 4), e = rules.random(experts * features * inner, 5);
  Array<int32_t> ids(2 * tokens), counts(50);
  // Expert 1 is chosen by nobody.
  for (int64_t t = 0; t < tokens; ++t)
    ids[2 * t] = t % 2 ? 2 : 0, ids[2 * t + 1] = 3;
  Array<float> y(tokens * wide), z(2 * tokens * features), sums(50 * 4608);
  ASSERT_NO_FATAL_FAILURE(runAll(
      library,
      {x, gain, rules.pack(w, 1, wide, depth), h, ids, rules.pack(e, experts, features, inner), y, z, sums, counts}, y,
      sums, counts, {tokens}, 25));
  Array<float> products(tokens * depth);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t k = 0; k < depth; ++k)
      products[t * depth + k] = x[t * depth + k] * gain[k];
  Numbers input(products, true);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t g = 0; g < wide; g += group) {
      std::vector<float> accumulators;
      for (int64_t n = g; n < g + group; ++n)
        accumulators.push_back(float(rules.product(input.at(t * depth), w.at(n * depth), depth).value));
      float sum = rules.sum(accumulators.data(), group);
      for (int64_t i = 0; i < group; ++i)
        ASSERT_TRUE(isNear(y[t * wide + g + i], {accumulators[i] + sum, 1e-2})) << t << " " << g + i;
    }
  for (int64_t pair = 0; pair < 2 * tokens; ++pair)
    for (int64_t n = 0; n < features; ++n)
      ASSERT_TRUE(isNear(z[pair * features + n],
                         rules.product(h.at(pair * inner), e.at((ids[pair] * features + n) * inner), inner)))
          << pair << " " << n;
}

TEST_P(GpuDecode, InjectedBugsAreFound) {
  KernelLibrary library = load(plainKernel(config(8)));
  constexpr int64_t tokens = 3;
  Numbers x = rules.random(tokens * depth, 1), packed = rules.pack(rules.random(outputs * depth, 2), 1, outputs, depth);
  Array<float> y(tokens * outputs), good(tokens * outputs), sums(12 * 1536);
  Array<int32_t> counts(12);
  auto run = [&](const KernelLibrary::Bug *bug, uint64_t seed) {
    std::fill(y.begin(), y.end(), -1.0f);
    std::fill(sums.begin(), sums.end(), 0.0f);
    std::fill(counts.begin(), counts.end(), 0);
    std::string report = library.runBlocks("gemm", {x, packed, y, sums, counts}, {tokens}, 5, seed, bug);
    if (!report.empty() || !bug)
      return report;
    bool isZero = llvm::all_of(sums, [](float sum) { return sum == 0; }) &&
                  llvm::all_of(counts, [](int32_t count) { return count == 0; });
    return std::string(y == good && isZero ? "" : "wrong result");
  };
  ASSERT_EQ(run(nullptr, 1), "");
  std::copy(y.begin(), y.end(), good.begin());
  std::vector<KernelLibrary::Bug> bugs = {
      {"fence.acq_rel.gpu;", ""},
      {"bar.sync \t0, 128;", ""},
      {"mbarrier.arrive.shared.b64", "//"},
      {"cp.async.wait_group \t0;", ""},
  };
  if (GetParam() == "sm_80")
    bugs.push_back({"cp.async.mbarrier.arrive.noinc.shared.b64", "mbarrier.arrive.shared.b64 _,"});
  else
    bugs.push_back({", 8192;", ", 4096;"});
  for (const KernelLibrary::Bug &bug : bugs)
    for (uint64_t seed = 1; seed <= 3; ++seed)
      EXPECT_NE(run(&bug, seed), "") << bug.from << " is not found with seed " << seed;
}

/// A product by experts and one of all rows, behind a launch that writes their tokens, or one that routes them.
class GpuDecodeBehind : public GpuDecode {
protected:
  static constexpr int64_t tokens = 5, experts = 4, features = 128;

  std::string kernels() const {
    std::string arguments = fmt::format(
        R"(%from: !kernel.view<["T", {0}], bf16>, %x: !kernel.view<["T", {0}], bf16>,
           %logits: !kernel.view<["T", {1}], f32>, %ids: !kernel.view<["T", 1], i32>,
           %scores: !kernel.view<["T", 1], f32>, %w: !kernel.view<[{2}, {0}], bf16, "tile64x128">,
           %e: !kernel.view<[{1}, {2}, {0}], bf16, "tile64x128">, %y: !kernel.view<["T", {2}], f32>,
           %z: !kernel.view<["T", {2}], f32>, %sums: !kernel.view<[60, 1536], f32>, %counts: !kernel.view<[60], i32>)",
        depth, experts, features);
    return fmt::format(R"(
    kernel.func @stage {{
    ^bb0({0}):
      kernel.map rows "T" groups 1 width {1} {{
      ^bb0(%row: index, %group: index, %lane: index):
        %v = kernel.load %from[%row, %lane] : !kernel.view<["T", {1}], bf16>
        kernel.store %v, %x[%row, %lane] : !kernel.view<["T", {1}], bf16>
      }}
    }}
    kernel.func @route {{
    ^bb0({0}):
      kernel.route rows "T" logits %logits : !kernel.view<["T", {2}], f32> into %ids, %scores top 1 score sigmoid
        : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
    }}
    kernel.func @gemm workspace [9, 10] {{
    ^bb0({0}):
      kernel.parallel workspace %sums, %counts : !kernel.view<[60, 1536], f32>, !kernel.view<[60], i32> {{
        kernel.gemm rows "T" by %ids : !kernel.view<["T", 1], i32> attributes {{config = {3}}}
            product %x : !kernel.view<["T", {1}], bf16>
            times %e : !kernel.view<[{2}, {4}, {1}], bf16, "tile64x128"> {{
        ^bb0(%acc: f32, %row: index, %feature: index):
          kernel.store %acc, %z[%row, %feature] : !kernel.view<["T", {4}], f32>
        }}
        kernel.gemm rows "T" attributes {{config = {3}}} product %x : !kernel.view<["T", {1}], bf16>
            times %w : !kernel.view<[{4}, {1}], bf16, "tile64x128"> {{
        ^bb0(%acc: f32, %row: index, %feature: index):
          kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", {4}], f32>
        }}
      }}
    }})",
                       arguments, depth, experts, config(8), features);
  }
};

// The fetching warp has weights of the product of all rows on their way before the launch before it has ended. Whatever
// else is touched too early is found.
TEST_P(GpuDecodeBehind, WeightsAloneAreFetchedBeforeTheWait) {
  KernelLibrary library = load(kernels());
  Numbers from = rules.random(tokens * depth, 1), w = rules.random(features * depth, 2);
  Numbers e = rules.random(experts * features * depth, 3), packed = rules.pack(w, 1, features, depth);
  Numbers packedExperts = rules.pack(e, experts, features, depth);
  Array<float> logits(tokens * experts), scores(tokens), y(tokens * features), z(tokens * features), sums(60 * 1536);
  Array<int32_t> ids(tokens), counts(60);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t expert = 0; expert < experts; ++expert)
      logits[t * experts + expert] = expert == t * t % 3 ? 2.0f : -1.0f;
  auto run = [&](const char *before, uint32_t blocks, uint64_t seed, const KernelLibrary::Bug *bug) {
    std::fill(sums.begin(), sums.end(), 0.0f);
    std::fill(counts.begin(), counts.end(), 0);
    std::fill(y.begin(), y.end(), -1.0f);
    std::fill(z.begin(), z.end(), -1.0f);
    // Tokens that the launch before is to write are others.
    Numbers x = rules.random(tokens * depth, before == std::string("route") ? 1 : 4);
    return library.runBlocks("gemm", {from, x, logits, ids, scores, packed, packedExperts, y, z, sums, counts},
                             {tokens}, blocks, seed, bug, before);
  };
  for (const char *before : {"route", "stage"})
    for (uint32_t blocks : {1, 3, 7, 30}) {
      SCOPED_TRACE(fmt::format("{} blocks behind {}", blocks, before));
      ASSERT_EQ(run(before, blocks, blocks, nullptr), "");
      for (int64_t t = 0; t < tokens; ++t)
        for (int64_t n = 0; n < features; ++n) {
          const float *token = from.at(t * depth), *expert = e.at((t * t % 3 * features + n) * depth);
          ASSERT_TRUE(isNear(y[t * features + n], rules.product(token, w.at(n * depth), depth))) << t << " " << n;
          ASSERT_TRUE(isNear(z[t * features + n], rules.product(token, expert, depth))) << t << " " << n;
        }
    }
  // Neither tokens nor the choice of experts may be looked at before, and no tile of an expert be fetched: the one wait
  // at a fixed place is the fetching warp's for the list.
  const KernelLibrary::Bug noWait = {"griddepcontrol.wait;", ""};
  std::smatch listWait;
  ASSERT_TRUE(std::regex_search(library.text("gemm"), listWait,
                                std::regex("mbarrier.try_wait.parity.shared.b64 (%p[0-9]+), \\[dynamic_shared.*;")));
  const KernelLibrary::Bug noList = {listWait[0], "setp.eq.b32 " + listWait[1].str() + ", 0, 0;"};
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    for (const char *before : {"route", "stage"})
      EXPECT_NE(run(before, 5, seed, &noWait).find("no griddepcontrol.wait"), std::string::npos) << before;
    EXPECT_NE(run("route", 5, seed, &noList), "");
  }
}

INSTANTIATE_TEST_SUITE_P(Overlapping, GpuDecodeBehind, testing::Values("sm_90a"),
                         [](const auto &info) { return info.param; });

INSTANTIATE_TEST_SUITE_P(Targets, GpuDecode, testing::Values("sm_80", "sm_90a"),
                         [](const auto &info) { return info.param; });

} // namespace
