// SPDX-License-Identifier: Apache-2.0
//
// What a launch is said to move: its values, and not the workspaces that it was given for its own ends.

#include "tools/support/StepWork.h"
#include "test/runtime/plan_builder.h"

#include <gtest/gtest.h>

namespace yupana {
namespace {

/// Bytes of the first launch in a step of two tokens, where buffer `buffer` is one more of its arguments.
double bytesWith(test::PlanSpec spec, uint32_t buffer) {
  schema::TargetT &target = *spec.plan.targets[0];
  schema::LaunchT &launch = *target.programs[0]->launches[0];
  launch.arguments.emplace_back(schema::ArgumentKind::buffer, buffer, 0);
  target.kernels[launch.kernel]->arguments += 1;
  test::Bytes file = test::write(spec);
  const schema::Plan &plan = *schema::GetPlan(file.data() + test::entry_of(file, test::kMetadata).offset);
  return StepWork(plan, *plan.targets()->Get(0)).of(0, StepShape::of(2, 0)).bytes;
}

test::PlanSpec gpuPlan() {
  test::PlanSpec spec = test::test_plan();
  test::for_gpu(spec);
  return spec;
}

TEST(StepWork, WorkspacesAreNotWhatALaunchMoves) {
  test::PlanSpec plan = gpuPlan(), wide = gpuPlan();
  uint32_t workspace = static_cast<uint32_t>(plan.plan.targets[0]->buffers.size()) - 1;
  wide.plan.targets[0]->buffers[workspace]->size = 1 << 20;
  EXPECT_EQ(bytesWith(std::move(plan), workspace), bytesWith(std::move(wide), workspace));
  // The same buffer among the activations counts.
  test::PlanSpec value = gpuPlan(), larger = gpuPlan();
  for (test::PlanSpec *spec : {&value, &larger})
    spec->plan.targets[0]->buffers[workspace]->arena = 0;
  larger.plan.targets[0]->buffers[workspace]->size = 1 << 20;
  EXPECT_LT(bytesWith(std::move(value), workspace), bytesWith(std::move(larger), workspace));
}

} // namespace
} // namespace yupana
