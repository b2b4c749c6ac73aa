// SPDX-License-Identifier: Apache-2.0
//
// Refitting a plan whose parts say something else than what a compiler wrote: whatever the runtime lets through ends in
// a plan that verifies or in an error that is the input's fault.

#include "compiler/Driver/Refit.h"
#include "compiler/Export/Metadata.h"
#include "compiler/Export/PlanFile.h"
#include "compiler/Support/File.h"
#include "runtime/include/yupana/yupana.h"
#include "test/compiler/Export/TestSource.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <random>

using namespace yupana;
using namespace yupana::test;

namespace {

struct Release {
  void operator()(yupana_plan_t *plan) const { yupana_plan_release(plan); }
};
using PlanPointer = std::unique_ptr<yupana_plan_t, Release>;

PlanPointer open(const std::string &path, yupana_status_t &status) {
  yupana_plan_t *plan = nullptr;
  yupana_plan_open_file(path.c_str(), nullptr, &plan, &status);
  return PlanPointer(plan);
}

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
    yupana_status_t status;
    plan = open(compiling.output, status);
    options.checkpoint = checkpoint;
    options.plan = folder / "changed.yplan";
    options.output = folder / "refitted.yplan";
  }

  std::unique_ptr<schema::PlanT> metadata() const {
    return std::unique_ptr<schema::PlanT>(schema::GetPlan(yupana_plan_metadata(plan.get(), nullptr))->UnPack());
  }

  /// Writes the plan with other metadata, whose digest is right.
  void write(const schema::PlanT &changed) {
    auto packed = packMetadata(changed);
    ASSERT_TRUE(packed) << packed.error().message;
    PlanFile file;
    std::vector<std::vector<uint8_t>> contents = {*packed};
    file.addSection(schema::SectionKind::metadata, packed->size());
    for (uint32_t i = 1; i < yupana_plan_section_count(plan.get()); ++i)
      contents.push_back(addCopy(file, i));
    ASSERT_TRUE(file.place());
    auto out = OutputFile::create(options.plan);
    ASSERT_TRUE(out && out->reserve(file.bytes()));
    for (uint32_t i = 0; i < contents.size(); ++i)
      ASSERT_TRUE(file.writeSection(*out, i, contents[i]));
    for (uint32_t i = 0; i < contents.size(); ++i)
      if (section(i).kind == YUPANA_SECTION_WEIGHTS)
        file.setDigest(i, digestOf(section(i)));
    ASSERT_TRUE(file.writeFrame(*out) && out->commit());
  }

  yupana_section_info_t section(uint32_t index) const {
    yupana_section_info_t info = {};
    info.size = sizeof(info);
    yupana_plan_section(plan.get(), index, &info);
    return info;
  }
  static Digest digestOf(const yupana_section_info_t &info) {
    Digest digest;
    std::copy(std::begin(info.digest), std::end(info.digest), digest.begin());
    return digest;
  }
  std::vector<uint8_t> addCopy(PlanFile &file, uint32_t index) const {
    yupana_section_info_t info = section(index);
    file.addSection(static_cast<schema::SectionKind>(info.kind), info.bytes);
    std::ifstream stream(folder / "stripped.yplan", std::ios::binary);
    stream.seekg(static_cast<std::streamoff>(info.offset));
    std::vector<uint8_t> bytes(info.bytes);
    stream.read(reinterpret_cast<char *>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return bytes;
  }

  std::string checkpoint = std::string(YUPANA_TEST_MODELS) + "/parity/top2";
  TemporaryFolder folder;
  PlanPointer plan;
  RefitOptions options;
};

/// Draws one change of one weight.
class Change {
public:
  explicit Change(unsigned seed) : random(seed) {}

  void apply(schema::PlanT &plan) {
    schema::WeightT &weight = *plan.weights[below(plan.weights.size())];
    if (weight.parts.empty())
      return;
    schema::WeightPartT &part = *weight.parts[below(weight.parts.size())];
    switch (below(9)) {
    case 0:
      part.tensors[below(part.tensors.size())] = plan.weights[below(plan.weights.size())]->name;
      break;
    case 1:
      part = *plan.weights[below(plan.weights.size())]->parts.at(0);
      break;
    case 2:
      part.links.clear();
      break;
    case 3:
      weight.run = static_cast<uint32_t>(number());
      break;
    case 4:
      weight.layout = std::array{"row-major", "panel32", "panel32x2", "tile64x128", "rows128", "none"}[below(6)];
      break;
    case 5:
      weight.size = number();
      break;
    case 6:
      std::swap(part, *plan.weights[below(plan.weights.size())]->parts.at(0));
      break;
    case 7:
      weight.name = plan.weights[below(plan.weights.size())]->name;
      break;
    default:
      scale(weight, part);
    }
  }

private:
  size_t below(size_t count) { return std::uniform_int_distribution<size_t>(0, count - 1)(random); }
  uint64_t number() { return below(2) ? random() : below(64); }

  /// Another extent everywhere it stands, so that the reader finds no contradiction.
  void scale(schema::WeightT &weight, schema::WeightPartT &part) {
    uint64_t to = below(2) ? uint64_t{1} << below(63) : 1 + below(100);
    uint64_t from = weight.shape[below(weight.shape.size())];
    std::replace(weight.shape.begin(), weight.shape.end(), from, to);
    std::replace(part.shape.begin(), part.shape.end(), from, to);
    weight.size = UINT64_MAX >> below(20);
  }

  std::mt19937 random;
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
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::unique_ptr<schema::PlanT> changed = metadata();
    Change change(seed);
    for (unsigned times = 0; times <= seed % 2; ++times)
      try {
        change.apply(*changed);
      } catch (const std::out_of_range &) {
        // The other weight is a table and has no parts to give.
      }
    write(*changed);
    auto refitted = refit(options);
    ++ends[refitted ? ExitCode::Done : refitted.error().code];
    yupana_status_t status;
    if (refitted)
      EXPECT_EQ(yupana_plan_verify(open(options.output, status).get(), nullptr, &status), YUPANA_STATUS_OK)
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
