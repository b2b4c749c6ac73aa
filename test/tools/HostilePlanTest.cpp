// SPDX-License-Identifier: Apache-2.0
//
// Plans made to be slow: each is valid and has many of one thing, or one long thing where much refers to it. Opening,
// reporting on and verifying four times as much may take about four times as long, and no report is out of proportion
// to its plan.

#include "runtime/schema/format.h"
#include "test/runtime/plan_builder.h"
#include "tools/yupana/PlanReport.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <unistd.h>

namespace yupana {
namespace {

using schema::ArgumentKind;
using schema::GridOp;
using schema::GridTerm;
using test::PlanSpec;

schema::TargetT &target(PlanSpec &spec) { return *spec.plan.targets[0]; }

/// Launches of kernel `kernel`, which takes as many arguments as `arguments` has, at the end of the last step program.
void launch(PlanSpec &spec, uint32_t kernel, std::vector<schema::Argument> arguments) {
  auto added = std::make_unique<schema::LaunchT>();
  added->kernel = kernel;
  added->grid.emplace_back(GridOp::tokens, 0);
  added->arguments = std::move(arguments);
  target(spec).programs[1]->launches.push_back(std::move(added));
}

uint32_t add_kernel(PlanSpec &spec, std::string symbol, uint32_t arguments) {
  auto added = std::make_unique<schema::KernelT>(*target(spec).kernels[0]);
  added->symbol = std::move(symbol);
  added->arguments = arguments;
  target(spec).kernels.push_back(std::move(added));
  return static_cast<uint32_t>(target(spec).kernels.size()) - 1;
}

uint32_t add_weight(PlanSpec &spec, std::string name) {
  auto added = std::make_unique<schema::WeightT>(*spec.plan.weights[0]);
  added->name = std::move(name);
  spec.plan.weights.push_back(std::move(added));
  return static_cast<uint32_t>(spec.plan.weights.size()) - 1;
}

void add_buffer(PlanSpec &spec, std::string name, uint32_t arena, uint64_t size, uint32_t first, uint32_t last) {
  auto added = std::make_unique<schema::BufferT>();
  added->name = std::move(name);
  added->arena = arena;
  added->size = size;
  added->first_launch = first;
  added->last_launch = last;
  target(spec).buffers.push_back(std::move(added));
}

uint32_t add_arena(PlanSpec &spec, uint64_t size) {
  auto added = std::make_unique<schema::ArenaT>(*target(spec).arenas[0]);
  added->size = size;
  target(spec).arenas.push_back(std::move(added));
  return static_cast<uint32_t>(target(spec).arenas.size()) - 1;
}

/// Launches that read no weight, so that every launch of the step programs stays below the sampling program's.
void idle_launches(PlanSpec &spec, uint32_t count) {
  target(spec).programs.pop_back();
  for (auto &buffer : target(spec).buffers)
    buffer->first_launch = 0, buffer->last_launch = 11;
  uint32_t kernel = add_kernel(spec, "test_embed", 0);
  for (uint32_t i = 0; i < count; ++i)
    launch(spec, kernel, {});
}

struct Hostile {
  const char *name;
  uint32_t count; ///< Of the smaller plan.
  std::function<void(PlanSpec &, uint32_t)> change;
};

const Hostile kHostile[] = {
    {"BuffersOnTheSameBytes", 3000,
     [](PlanSpec &spec, uint32_t count) {
       idle_launches(spec, count);
       uint32_t arena = add_arena(spec, 64);
       for (uint32_t i = 0; i < count; ++i)
         add_buffer(spec, "b" + std::to_string(i), arena, 64, i, i);
     }},
    {"BuffersOfManyArenas", 3000,
     [](PlanSpec &spec, uint32_t count) {
       idle_launches(spec, count);
       for (uint32_t i = 0; i < 60; ++i)
         add_arena(spec, 64);
       for (uint32_t i = 0; i < count; ++i)
         add_buffer(spec, "b" + std::to_string(i), 1 + i % 60, 64, i, i);
     }},
    {"KernelsAndLaunches", 1000,
     [](PlanSpec &spec, uint32_t count) {
       idle_launches(spec, 0);
       for (uint32_t i = 0; i < count; ++i) {
         uint32_t kernel = add_kernel(spec, "test_embed", 0);
         for (uint32_t j = 0; j < 10; ++j)
           launch(spec, kernel, {});
       }
     }},
    {"LayersThatAllDiffer", 1500,
     [](PlanSpec &spec, uint32_t count) {
       idle_launches(spec, 0);
       uint32_t reads = add_kernel(spec, "test_append", 1), other = add_kernel(spec, "test_embed", 0);
       for (uint32_t i = 0; i < count; ++i) {
         uint32_t weight = add_weight(spec, "layers." + std::to_string(i) + ".w");
         launch(spec, reads, {{ArgumentKind::weight, weight, 0}});
         for (uint32_t j = 0; j < i % 16; ++j)
           launch(spec, i >> j & 1 ? reads : other,
                  i >> j & 1 ? std::vector<schema::Argument>{{ArgumentKind::weight, weight, 0}}
                             : std::vector<schema::Argument>{});
       }
     }},
    {"ALongSymbol", 6000,
     [](PlanSpec &spec, uint32_t count) {
       idle_launches(spec, 0);
       uint32_t kernel = add_kernel(spec, std::string(4096, 's'), 0);
       for (uint32_t i = 0; i < count; ++i)
         launch(spec, kernel, {});
     }},
    {"ALongName", 4000,
     [](PlanSpec &spec, uint32_t count) {
       add_weight(spec, std::string(4096, 'w'));
       for (uint32_t i = 0; i < count; ++i)
         add_weight(spec, "w");
     }},
    {"ALongSource", 400,
     [](PlanSpec &spec, uint32_t count) {
       idle_launches(spec, 0);
       uint32_t weight = add_weight(spec, "layers.1." + std::string(4000, 'w'));
       spec.plan.weights[weight]->source = std::string(4096, ' ');
       uint32_t kernel = add_kernel(spec, "test_append", 256);
       for (uint32_t i = 0; i < count; ++i)
         launch(spec, kernel, std::vector<schema::Argument>(256, {ArgumentKind::weight, weight, 0}));
     }},
    {"Tensors", 10000,
     [](PlanSpec &spec, uint32_t count) {
       schema::WeightPartT &part = *spec.plan.weights[0]->parts[0];
       part.shape = {16, 1};
       part.tensors.assign(count, "t");
       part.links = {{0, count, 0, std::array<uint8_t, 8>{}, 0, schema::LinkKind::stack, schema::ElementType::f32},
                     {0, 1, 1, std::array<uint8_t, 8>{}, 0, schema::LinkKind::slice, schema::ElementType::f32},
                     {0, 0, 0, std::array<uint8_t, 8>{}, 0, schema::LinkKind::convert, schema::ElementType::f32}};
       spec.plan.weights[0]->shape = {1, 16, 1};
     }},
    {"Targets", 4, [](PlanSpec &spec, uint32_t count) {
       idle_launches(spec, 4000);
       for (uint32_t i = 1; i < count; ++i) {
         spec.plan.targets.push_back(std::make_unique<schema::TargetT>(*spec.plan.targets[0]));
         spec.plan.targets.back()->name = "t" + std::to_string(i);
       }
     }}};

class PlanFileTest : public testing::Test {
protected:
  void SetUp() override {
    path = (std::filesystem::temp_directory_path() / ("hostile-" + std::to_string(getpid()) + ".yplan")).string();
  }
  void TearDown() override { std::filesystem::remove(path); }

  /// What was measured of a plan.
  struct Cost {
    double seconds = 0; ///< Of the processor: to open, report in every form, add up and verify.
    size_t fileBytes = 0, reportBytes = 0;
  };

  OpenedPlan save(const PlanSpec &spec) {
    test::Bytes bytes = write(spec);
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char *>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    Result<OpenedPlan> plan = OpenedPlan::open(path);
    EXPECT_TRUE(plan.ok()) << plan.error().message;
    return std::move(*plan);
  }

  Cost measure(const Hostile &hostile, uint32_t count) {
    PlanSpec spec = test::test_plan();
    spec.sections.pop_back(); // its tokenizer is not one
    hostile.change(spec, count);
    OpenedPlan saved = save(spec);
    Cost cost;
    cost.fileBytes = std::filesystem::file_size(path);
    std::clock_t start = std::clock();
    Result<OpenedPlan> plan = OpenedPlan::open(path);
    cost.reportBytes =
        textReport(*plan, nullptr).size() + jsonReport(*plan, nullptr).size() + htmlReport(*plan, nullptr).size();
    memoryOf(*plan, *plan->metadata().targets()->Get(0));
    yupana_status_t status;
    yupana_verify_options_t options = {sizeof(options), 1, 0, nullptr};
    yupana_plan_verify(plan->get(), &options, &status);
    cost.seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    if (std::getenv("YUPANA_TEST_VERBOSE"))
      std::printf("%s %u: %.3f s, %zu bytes, %zu of reports: %s\n", hostile.name, count, cost.seconds, cost.fileBytes,
                  cost.reportBytes, status.code ? status.message : "good");
    return cost;
  }

  std::string path;
};

class HostilePlanTest : public PlanFileTest, public testing::WithParamInterface<Hostile> {};

TEST_P(HostilePlanTest, TakesTimeInProportion) {
  Cost small = measure(GetParam(), GetParam().count);
  // A machine that is busy makes one of them slower now and then; what is quadratic always is.
  double ratio = 0;
  for (int attempt = 0; attempt < 3; ++attempt) {
    Cost large = measure(GetParam(), 4 * GetParam().count);
    EXPECT_LT(large.reportBytes, 100 * large.fileBytes);
    ratio = large.seconds / std::max(small.seconds, 0.01);
    if (ratio < 8)
      break;
    small = measure(GetParam(), GetParam().count);
  }
  EXPECT_LT(ratio, 8);
}

INSTANTIATE_TEST_SUITE_P(All, HostilePlanTest, testing::ValuesIn(kHostile),
                         [](const auto &info) { return std::string(info.param.name); });

TEST_F(PlanFileTest, SumsDoNotWrap) {
  PlanSpec spec = test::test_plan();
  spec.sections.pop_back();
  for (uint32_t i = 0; i < 16; ++i)
    add_buffer(spec, "huge" + std::to_string(i), add_arena(spec, uint64_t{1} << 60), uint64_t{1} << 60, 0, 0);
  OpenedPlan plan = save(spec);
  const schema::Target &only = *plan.metadata().targets()->Get(0);
  MemoryTotals totals = memoryOf(plan, only);
  EXPECT_EQ(totals.activations, UINT64_MAX);
  EXPECT_EQ(totals.total(), UINT64_MAX);
  EXPECT_EQ(arenaUseOf(only, 1).peak, uint64_t{1} << 60);
}

// The number of the buffer for sampled tokens means nothing without a program that samples.
TEST_F(PlanFileTest, NumbersThatMeanNothingAreNotFollowed) {
  PlanSpec spec = test::test_plan();
  spec.sections.pop_back();
  idle_launches(spec, 1);
  target(spec).sampled = 1000000;
  EXPECT_NE(htmlReport(save(spec), nullptr).find("</html>"), std::string::npos);
}

// Programs are drawn one by one, too, where such a buffer begins before the first launch.
TEST_F(PlanFileTest, BuffersOfSeveralProgramsAreDrawnWithinEach) {
  PlanSpec spec = test::test_plan();
  spec.sections.pop_back();
  uint32_t last = 0;
  for (const auto &program : target(spec).programs)
    last += static_cast<uint32_t>(program->launches.size());
  uint32_t arena = add_arena(spec, 1 << 30);
  for (const char *name : {"long", "longer"})
    add_buffer(spec, name, arena, 64, 0, last - 1);
  std::string page = htmlReport(save(spec), nullptr);
  EXPECT_NE(page.find("Program alone"), std::string::npos);
  EXPECT_EQ(page.find("x=\"42949"), std::string::npos);
}

// Nobody has verified what is inspected: buffers may overlap, and the bytes alive at once be more than 2^64.
TEST_F(PlanFileTest, BytesInUseDoNotWrap) {
  PlanSpec spec = test::test_plan();
  spec.sections.pop_back();
  uint32_t arena = add_arena(spec, uint64_t{1} << 63);
  for (uint32_t i = 0; i < 2; ++i)
    add_buffer(spec, "half" + std::to_string(i), arena, uint64_t{1} << 63, i, 5);
  OpenedPlan plan = save(spec);
  ArenaUse use = arenaUseOf(*plan.metadata().targets()->Get(0), arena);
  EXPECT_EQ(use.peak, UINT64_MAX);
  EXPECT_EQ(use.peakLaunch, 1u);
}

} // namespace
} // namespace yupana
