// SPDX-License-Identifier: Apache-2.0
//
// Refitting a plan whose parts say something else than what a compiler wrote: whatever the runtime lets through ends in
// a plan that verifies or in an error that is the input's fault.

#include "compiler/Driver/Refit.h"

#include "test/compiler/Driver/RefitSupport.h"
#include "test/compiler/Export/TestSource.h"

#include <gtest/gtest.h>

#include <map>

using namespace yupana;
using namespace yupana::test;

namespace {

class Refit : public testing::Test {
protected:
  Refit() {
    CompileOptions compiling;
    compiling.checkpoint = checkpoint;
    compiling.output = folder / "stripped.yplan";
    compiling.targets = {"x86-64-v3"};
    compiling.stripWeights = true;
    auto compiled = compile(compiling);
    EXPECT_TRUE(compiled) << compiled.error().message;
    auto read = readSections(compiling.output);
    EXPECT_TRUE(read) << read.error().message;
    sections = std::move(*read);
    options.checkpoint = checkpoint;
    options.plan = folder / "changed.yplan";
    options.output = folder / "refitted.yplan";
  }

  std::unique_ptr<schema::PlanT> metadata() const {
    return std::unique_ptr<schema::PlanT>(schema::GetPlan(sections.front().bytes.data())->UnPack());
  }

  /// Writes the plan with other metadata.
  void write(const schema::PlanT &changed) {
    auto packed = packMetadata(changed);
    ASSERT_TRUE(packed) << packed.error().message;
    std::vector<PlanSection> written = sections;
    written.front().bytes = std::move(*packed);
    ASSERT_TRUE(writeSections(options.plan, written));
  }

  std::string checkpoint = std::string(YUPANA_TEST_MODELS) + "/parity/top2";
  TemporaryFolder folder;
  std::vector<PlanSection> sections; ///< Of the plan without weights.
  RefitOptions options;
};

TEST_F(Refit, UnchangedMetadataIsTheSamePlan) {
  write(*metadata());
  auto refitted = refit(options);
  ASSERT_TRUE(refitted) << refitted.error().message;
  CompileOptions compiling;
  compiling.checkpoint = checkpoint;
  compiling.output = folder / "direct.yplan";
  compiling.targets = {"x86-64-v3"};
  ASSERT_TRUE(compile(compiling));
  auto read = [](const std::string &path) { return *readWholeFile(path, uint64_t{1} << 30); };
  EXPECT_EQ(read(options.output), read(compiling.output));
}

TEST_F(Refit, AnyMetadataEndsInAPlanOrAnError) {
  std::map<ExitCode, unsigned> ends;
  for (unsigned seed = 0; seed < 100; ++seed) {
    std::unique_ptr<schema::PlanT> changed = metadata();
    PlanChange change(seed);
    for (unsigned times = 0; times <= seed % 2; ++times)
      change.apply(*changed);
    write(*changed);
    auto refitted = refit(options);
    ++ends[refitted ? ExitCode::Done : refitted.error().code];
    yupana_status_t status;
    if (refitted)
      EXPECT_EQ(yupana_plan_verify(openPlan(options.output, status).get(), nullptr, &status), YUPANA_STATUS_OK)
          << seed << ": " << status.message;
    else
      EXPECT_TRUE(refitted.error().code == ExitCode::InvalidInput || refitted.error().code == ExitCode::Unsupported)
          << seed << ": " << refitted.error().message;
  }
  // Some changes reach the matching of tensors, some are none.
  EXPECT_GT(ends[ExitCode::Done], 0u);
  EXPECT_GT(ends[ExitCode::InvalidInput], 25u);
}

} // namespace
