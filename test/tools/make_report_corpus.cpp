// SPDX-License-Identifier: Apache-2.0
//
// make_report_corpus FOLDER: writes the seeds of report_fuzz, plans of several kinds with code and a tokenizer that can
// be verified, to FOLDER/seeds, and makes an empty FOLDER/found for what the fuzzer adds.

#include "test/runtime/plan_builder.h"
#include "test/runtime/text/support.h"

#include <filesystem>
#include <fstream>

using namespace yupana;

static void save(const std::filesystem::path &path, const test::PlanSpec &spec) {
  test::Bytes bytes = test::write(spec);
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char *>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

int main(int argc, char **argv) {
  if (argc != 2)
    return 2;
  std::filesystem::path folder = argv[1];
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder / "seeds");
  std::filesystem::create_directories(folder / "found");
  test::PlanSpec whole = test::test_plan();
  whole.sections.pop_back();
  save(folder / "seeds/no-tokenizer.yplan", whole);

  test::PlanSpec talks = test::test_plan();
  talks.sections.back().bytes = test::compile_section("nano");
  save(folder / "seeds/tokenizer.yplan", talks);

  test::PlanSpec two = test::test_plan();
  two.sections.pop_back();
  two.plan.targets.push_back(std::make_unique<schema::TargetT>(*two.plan.targets[0]));
  two.plan.targets[1]->name = "x86-64-v4";
  save(folder / "seeds/two-targets.yplan", two);

  test::PlanSpec stripped = test::test_plan();
  stripped.sections.pop_back();
  test::strip(stripped);
  save(folder / "seeds/stripped.yplan", stripped);

  test::PlanSpec device = test::test_plan();
  test::for_gpu(device);
  device.sections.erase(device.sections.begin() + test::kTokenizer - 1);
  for (auto &kernel : device.plan.targets[0]->kernels)
    kernel->images[1] = {test::kTokenizer, 0, 0, 0, schema::ImageFormat::ptx};
  save(folder / "seeds/device.yplan", device);
  return 0;
}
