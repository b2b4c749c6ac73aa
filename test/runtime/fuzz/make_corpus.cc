// SPDX-License-Identifier: Apache-2.0
//
// make_corpus FOLDER: writes the seeds of plan_open_fuzz, good plans of different shapes, to FOLDER/seeds and makes an
// empty FOLDER/found for what the fuzzer adds.

#include "test/runtime/plan_builder.h"

#include <filesystem>
#include <fstream>

using namespace yupana;
using namespace yupana::test;

namespace {

void save(const std::filesystem::path &folder, const char *name, const PlanSpec &spec) {
  Bytes bytes = write(spec);
  std::ofstream(folder / name, std::ios::binary)
      .write(reinterpret_cast<const char *>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

} // namespace

int main(int argc, char **argv) {
  if (argc != 2)
    return 2;
  std::filesystem::path folder = std::filesystem::path(argv[1]) / "seeds";
  std::filesystem::remove_all(argv[1]);
  std::filesystem::create_directories(folder);
  std::filesystem::create_directories(std::filesystem::path(argv[1]) / "found");
  save(folder, "whole.yplan", test_plan());

  PlanSpec two = test_plan();
  two.plan.targets.push_back(std::make_unique<schema::TargetT>(*two.plan.targets[0]));
  two.plan.targets[1]->name = "x86-64-v4";
  save(folder, "two-targets.yplan", two);

  PlanSpec bare = test_plan();
  bare.sections.pop_back();
  bare.plan.model->stop_tokens.clear();
  bare.plan.targets[0]->programs.pop_back();
  for (auto &buffer : bare.plan.targets[0]->buffers)
    buffer->first_launch = 0, buffer->last_launch = 11;
  save(folder, "no-sampling.yplan", bare);

  PlanSpec grid = test_plan();
  using schema::GridOp;
  for (GridOp op : {GridOp::sequences, GridOp::add, GridOp::tokens, GridOp::ceil_div})
    grid.plan.targets[0]->programs[0]->launches[5]->grid.emplace_back(op, 0);
  save(folder, "grid.yplan", grid);

  PlanSpec stripped = test_plan();
  strip(stripped);
  save(folder, "stripped.yplan", stripped);

  PlanSpec device = test_plan();
  for_gpu(device);
  save(folder, "device.yplan", device);

  PlanSpec extra = test_plan();
  extra.sections.push_back({static_cast<schema::SectionKind>(40), 0, Bytes(100, 1)});
  save(folder, "unknown-section.yplan", extra);
  return 0;
}
