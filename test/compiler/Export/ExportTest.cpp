// SPDX-License-Identifier: Apache-2.0

#include "compiler/Export/Export.h"
#include "compiler/Export/OutputFile.h"
#include "compiler/Support/File.h"
#include "compiler/Support/TemporaryFile.h"
#include "runtime/include/yupana/yupana.h"
#include "runtime/schema/format.h"
#include "runtime/schema/plan_generated.h"
#include "test/compiler/Export/TestSource.h"

#include "llvm/Support/CRC.h"
#include "llvm/Support/SHA256.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

using namespace yupana;
using namespace yupana::test;

namespace {

llvm::ArrayRef<uint8_t> bytesOf(std::string_view text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

/// A model of a few weights, one of them of more than two digest chunks, in checkpoint order and transposed.
class ExportTest : public testing::Test {
protected:
  void SetUp() override {
    addTensor("big", {3, 1500, 2100}, SourceElement::BF16);
    addTensor("small", {5, 7}, SourceElement::F32);
    module = context.parse(R"(
      plan.model "m" architecture "a" vocabulary 8 hidden 4 layers 2 parameters 100 precision "f32" begin 3 stop [5, 6]
        maxima context 64 batch 2 tokens 4 rows 4
      lm.weight @big from ["big"] : tensor<3x1500x2100xbf16> through [#lm.slice<axis = 2, offset = 100, size = 2000>,
        #lm.transpose<0, 2, 1>, #lm.convert<f32>, #lm.pack<"panel32">] : tensor<3x2000x1500xf32>
      lm.weight @small from ["small"] : tensor<5x7xf32> through [#lm.pack<"row-major">] : tensor<5x7xf32>
      lm.table @rope from #lm.rope_table<#lm.rope<theta = 1.0e4>, dim = 8, count = 16, step = 1> as tensor<16x4x2xf32>
      plan.weight @small layout "row-major"
      plan.weight @big layout "panel32"
      plan.weight @rope layout "row-major"
      plan.cache_group "full" layers [0, 1] chunk 0 page_tokens 32 page_bytes 4096
      plan.target "x86-64-v3" logits 0 sampled 0 {
        plan.image elf_x86_64 "first code"
        plan.arena "activations" size 256
        plan.buffer "logits" arena 0 offset 64 size 128 live 0 to 1
        plan.kernel "k" scratch 64 arguments 5 images [#plan.kernel_image<0>]
        plan.program function step max_tokens 4 {
          plan.launch 0 #kernel.grid<"T", 3, "*", 2, "ceildiv", "S", "max", "R", "+"> [#plan.argument<input 0>,
            #plan.argument<weight 2>, #plan.argument<cache 0 + 64>, #plan.argument<page_table 0>,
            #plan.argument<buffer 0>]
        }
        plan.program function sample max_tokens 4 {
          plan.launch 0 #kernel.grid<"R"> [#plan.argument<input 8>, #plan.argument<weight 0>,
            #plan.argument<weight 1 + 128>, #plan.argument<buffer 0>, #plan.argument<buffer 0>]
        }
      }
      plan.target "sm_90a" logits 0 sampled 0 {
        plan.image cubin "second"
        plan.image ptx "third"
        plan.arena "activations" size 256
        plan.buffer "logits" arena 0 offset 0 size 128 live 0 to 0
        plan.kernel "k" scratch 0 arguments 0
          images [#plan.kernel_image<1>, #plan.kernel_image<0, registers = 168, shared = 512, spills = 4>]
        plan.program function step max_tokens 4 {
          plan.launch 0 #kernel.grid<1, "sms", "min"> threads 128 shared 1024 []
        }
      })");
    ASSERT_TRUE(module);
    inputs.producer = "test 1";
    inputs.tokenizer = {1, 2, 3};
  }

  void addTensor(const std::string &name, std::vector<uint64_t> shape, SourceElement element) {
    uint64_t size = sourceElementBytes(element);
    for (uint64_t extent : shape)
      size *= extent;
    std::mt19937_64 random(size);
    std::vector<uint8_t> bytes(size);
    for (uint8_t &byte : bytes)
      byte = static_cast<uint8_t>(random());
    source.tensors[name] = {element, std::move(shape), std::move(bytes)};
  }

  std::string exported(unsigned jobs) {
    ExportOptions options;
    options.outputPath = folder / "out.yplan";
    options.jobs = jobs;
    Result<ExportSummary> summary = exportPlan(*module, source, inputs, options);
    EXPECT_TRUE(summary) << (summary ? "" : summary.error().message);
    Result<std::string> text = readWholeFile(options.outputPath, uint64_t{1} << 30);
    return text ? *text : "";
  }

  size_t filesInFolder() const {
    size_t count = 0;
    for ([[maybe_unused]] const auto &entry : std::filesystem::directory_iterator(folder.path()))
      ++count;
    return count;
  }

  TestContext context;
  TestSource source;
  TemporaryFolder folder;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  ExportInputs inputs;
};

TEST_F(ExportTest, FrameAndDigests) {
  std::string file = exported(1);
  schema::FileHeader header;
  ASSERT_GE(file.size(), sizeof(header));
  std::memcpy(&header, file.data(), sizeof(header));
  EXPECT_EQ(header.file_size, file.size());
  EXPECT_EQ(header.header_crc32, llvm::crc32(bytesOf(file).take_front(60)));
  ASSERT_EQ(header.section_count, 7u);
  std::vector<schema::SectionEntry> sections(header.section_count);
  std::memcpy(sections.data(), file.data() + header.section_table_offset, sections.size() * sizeof(sections[0]));
  const uint32_t kinds[] = {1, 2, 6, 6, 3, 4, 5};
  uint64_t end = sizeof(header) + sections.size() * sizeof(sections[0]);
  for (size_t i = 0; i < sections.size(); ++i) {
    const schema::SectionEntry &entry = sections[i];
    EXPECT_EQ(entry.kind, kinds[i]);
    uint64_t alignment = entry.kind == 3 ? 65536 : 64;
    EXPECT_EQ(entry.alignment, alignment);
    EXPECT_EQ(entry.offset, (end + alignment - 1) / alignment * alignment);
    EXPECT_EQ(file.find_first_not_of('\0', end), file.find_first_not_of('\0', entry.offset)) << "padding before " << i;
    end = entry.offset + entry.size;
    if (entry.kind == 3)
      continue;
    auto digest = llvm::SHA256::hash(bytesOf(file).slice(entry.offset, entry.size));
    EXPECT_EQ(std::memcmp(digest.data(), entry.digest, 32), 0) << i;
  }
  EXPECT_EQ(end, file.size());
  EXPECT_EQ(file.substr(sections[1].offset, sections[1].size), "first code");
  EXPECT_EQ(file.substr(sections[2].offset, sections[2].size), "second");
  EXPECT_EQ(file.substr(sections[3].offset, sections[3].size), "third");

  // Chunk by chunk, and the digest of the digests.
  uint64_t chunk = schema::kDigestChunkBytes;
  ASSERT_EQ(sections[5].size, (sections[4].size + chunk - 1) / chunk * 32);
  EXPECT_GT(sections[5].size, 2u * 32);
  for (uint64_t at = 0, i = 0; at < sections[4].size; at += chunk, ++i) {
    uint64_t size = std::min(chunk, sections[4].size - at);
    auto digest = llvm::SHA256::hash(bytesOf(file).slice(sections[4].offset + at, size));
    EXPECT_EQ(file.compare(sections[5].offset + 32 * i, 32, reinterpret_cast<const char *>(digest.data()), 32), 0)
        << "chunk " << i;
  }
  EXPECT_EQ(std::memcmp(sections[4].digest, sections[5].digest, 32), 0);
}

TEST_F(ExportTest, RuntimeReadsWhatTheModuleSays) {
  std::string file = exported(2);
  yupana_plan_t *plan = nullptr;
  yupana_status_t status;
  ASSERT_EQ(yupana_plan_open_file((folder / "out.yplan").c_str(), nullptr, &plan, &status), YUPANA_STATUS_OK)
      << status.message;
  yupana_model_info_t model = {};
  model.size = sizeof(model);
  yupana_plan_model(plan, &model);
  EXPECT_STREQ(model.producer, "test 1");
  EXPECT_EQ(model.bos_token, 3);
  EXPECT_EQ(model.stop_token_count, 2u);
  ASSERT_EQ(yupana_plan_weight_count(plan), 3u);
  uint64_t end = 0;
  const char *names[] = {"small", "big", "rope"};
  const uint64_t bytes[] = {5 * 7 * 4, 3 * 2016ull * 1500 * 4, 16 * 8 * 4};
  yupana_section_info_t section = {};
  section.size = sizeof(section);
  for (uint32_t i = 0; i < 3; ++i) {
    yupana_weight_info_t weight = {};
    weight.size = sizeof(weight);
    ASSERT_EQ(yupana_plan_weight(plan, i, &weight), YUPANA_STATUS_OK);
    EXPECT_STREQ(weight.name, names[i]);
    EXPECT_EQ(weight.bytes, bytes[i]);
    EXPECT_EQ(weight.offset % 256, 0u);
    EXPECT_GE(weight.offset, end + (i ? 64 : 0));
    end = weight.offset + weight.bytes;
    ASSERT_EQ(yupana_plan_section(plan, weight.section, &section), YUPANA_STATUS_OK);
    EXPECT_GE(section.bytes, end + 64);
  }
  // The first weight is stored as it is.
  const auto &small = source.tensors["small"].bytes;
  EXPECT_EQ(std::memcmp(file.data() + section.offset, small.data(), small.size()), 0);
  yupana_plan_release(plan);
}

TEST_F(ExportTest, KernelsNameTheirImages) {
  exported(1);
  yupana_plan_t *plan = nullptr;
  ASSERT_EQ(yupana_plan_open_file((folder / "out.yplan").c_str(), nullptr, &plan, nullptr), YUPANA_STATUS_OK);
  const auto &targets = *schema::GetPlan(yupana_plan_metadata(plan, nullptr))->targets();
  const auto &host = *targets.Get(0)->kernels()->Get(0)->images(),
             &device = *targets.Get(1)->kernels()->Get(0)->images();
  ASSERT_EQ(host.size(), 1u);
  EXPECT_EQ(host.Get(0)->section(), 1u);
  EXPECT_EQ(host.Get(0)->format(), schema::ImageFormat::elf_x86_64);
  ASSERT_EQ(device.size(), 2u);
  EXPECT_EQ(device.Get(0)->section(), 3u);
  EXPECT_EQ(device.Get(0)->format(), schema::ImageFormat::ptx);
  EXPECT_EQ(device.Get(1)->section(), 2u);
  EXPECT_EQ(device.Get(1)->registers(), 168u);
  EXPECT_EQ(device.Get(1)->shared_bytes(), 512u);
  EXPECT_EQ(device.Get(1)->spill_bytes(), 4u);
  const schema::Launch &launch = *targets.Get(1)->programs()->Get(0)->launches()->Get(0);
  EXPECT_EQ(launch.threads(), 128u);
  EXPECT_EQ(launch.shared_bytes(), 1024u);
  EXPECT_EQ(launch.grid()->Get(1)->op(), schema::GridOp::sms);
  yupana_plan_release(plan);
}

// Whoever fills a plan without weights follows these instead of the checkpoint's format.
TEST_F(ExportTest, WeightsSayWhereTheyComeFrom) {
  addTensor("gate.0", {7, 3}, SourceElement::F32);
  addTensor("gate.1", {7, 3}, SourceElement::F32);
  addTensor("up", {2, 3, 8}, SourceElement::F16);
  module = context.parse(R"(
    plan.model "m" architecture "a" vocabulary 8 hidden 4 layers 0 parameters 100 precision "f32" begin 3 stop []
      maxima context 64 batch 2 tokens 4 rows 4
    lm.weight @gate from ["gate.0", "gate.1"] : tensor<7x3xf32>
      through [#lm.stack<2>, #lm.slice<axis = 1, offset = 1, size = 3, step = 2>] : tensor<2x3x3xf32>
    lm.weight @up from ["up"] : tensor<2x3x8xf16> through [#lm.convert<f32>, #lm.transpose<0, 2, 1>,
      #lm.slice<axis = 1, offset = 0, size = 3>] : tensor<2x3x3xf32>
    lm.interleaved @gate_up of @gate, @up by 16 layout "panel32" : tensor<2x32x3xf32>
    plan.weight @gate_up layout "panel32"
    plan.target "x86-64-v3" logits 0 sampled 0 {
      plan.image elf_x86_64 "code"
      plan.arena "a" size 128
      plan.buffer "logits" arena 0 offset 0 size 128 live 0 to 0
      plan.kernel "k" scratch 0 arguments 1 images [#plan.kernel_image<0>]
      plan.program function step max_tokens 4 {
        plan.launch 0 #kernel.grid<1> [#plan.argument<weight 0>]
      }
    })");
  ASSERT_TRUE(module);
  exported(1);
  yupana_plan_t *plan = nullptr;
  yupana_status_t status;
  ASSERT_EQ(yupana_plan_open_file((folder / "out.yplan").c_str(), nullptr, &plan, &status), YUPANA_STATUS_OK)
      << status.message;
  const schema::Weight &weight = *schema::GetPlan(yupana_plan_metadata(plan, nullptr))->weights()->Get(0);
  EXPECT_EQ(weight.run(), 16u);
  EXPECT_EQ(weight.shape()->Get(1), 6u);
  ASSERT_EQ(weight.parts()->size(), 2u);
  const schema::WeightPart &gate = *weight.parts()->Get(0), &up = *weight.parts()->Get(1);
  ASSERT_EQ(gate.tensors()->size(), 2u);
  EXPECT_EQ(gate.tensors()->Get(1)->str(), "gate.1");
  EXPECT_EQ(gate.element(), schema::ElementType::f32);
  EXPECT_EQ(gate.shape()->Get(0), 7u);
  ASSERT_EQ(gate.links()->size(), 2u);
  EXPECT_EQ(gate.links()->Get(0)->kind(), schema::LinkKind::stack);
  EXPECT_EQ(gate.links()->Get(0)->size(), 2u);
  const schema::Link &slice = *gate.links()->Get(1);
  EXPECT_EQ(slice.kind(), schema::LinkKind::slice);
  EXPECT_EQ(std::tuple(slice.axis(), slice.offset(), slice.size(), slice.step()), std::tuple(1u, 1u, 3u, 2u));
  EXPECT_EQ(up.element(), schema::ElementType::f16);
  ASSERT_EQ(up.links()->size(), 3u);
  EXPECT_EQ(up.links()->Get(0)->kind(), schema::LinkKind::convert);
  EXPECT_EQ(up.links()->Get(0)->element(), schema::ElementType::f32);
  EXPECT_EQ(up.links()->Get(1)->kind(), schema::LinkKind::transpose);
  EXPECT_EQ(up.links()->Get(1)->permutation()->Get(1), 2u);
  yupana_plan_release(plan);
}

TEST_F(ExportTest, SameBytesForAnyJobs) {
  std::string one = exported(1);
  for (unsigned jobs : {2u, 3u, 8u})
    EXPECT_TRUE(exported(jobs) == one) << jobs << " jobs";
}

TEST_F(ExportTest, TellsProgress) {
  ExportOptions options;
  options.outputPath = folder / "out.yplan";
  options.jobs = 2;
  uint64_t last = 0, all = 0;
  options.progress = [&](uint64_t done, uint64_t total) {
    EXPECT_GE(done, last);
    last = done;
    all = total;
    return true;
  };
  Result<ExportSummary> summary = exportPlan(*module, source, inputs, options);
  ASSERT_TRUE(summary);
  EXPECT_EQ(last, all);
  EXPECT_EQ(all, summary->weightBytes);
}

TEST_F(ExportTest, InterruptLeavesNothing) {
  ExportOptions options;
  options.outputPath = folder / "out.yplan";
  options.progress = [](uint64_t, uint64_t) { return false; };
  Result<ExportSummary> summary = exportPlan(*module, source, inputs, options);
  ASSERT_FALSE(summary);
  EXPECT_EQ(summary.error().code, ExitCode::Interrupted);
  EXPECT_EQ(filesInFolder(), 0u);
}

/// Fails after some reads, as a disk may.
class BreakingSource : public TestSource {
public:
  Result<void> read(const SourceTensor &tensor, uint64_t offset, void *destination, uint64_t size) const override {
    if (++reads > 50)
      return makeError(ExitCode::MissingFile, "the disk is gone");
    return TestSource::read(tensor, offset, destination, size);
  }
  mutable std::atomic<int> reads{0};
};

TEST_F(ExportTest, ErrorKeepsTheOldPlan) {
  std::string before = exported(1);
  BreakingSource breaking;
  breaking.tensors = source.tensors;
  ExportOptions options;
  options.outputPath = folder / "out.yplan";
  options.jobs = 3;
  Result<ExportSummary> summary = exportPlan(*module, breaking, inputs, options);
  ASSERT_FALSE(summary);
  EXPECT_EQ(summary.error().code, ExitCode::MissingFile);
  EXPECT_EQ(filesInFolder(), 1u);
  Result<std::string> after = readWholeFile(options.outputPath, uint64_t{1} << 30);
  ASSERT_TRUE(after);
  EXPECT_TRUE(*after == before);
}

TEST_F(ExportTest, RefusesWhatCannotBeWritten) {
  ExportOptions options;
  options.outputPath = folder / "none/out.yplan";
  Result<ExportSummary> summary = exportPlan(*module, source, inputs, options);
  ASSERT_FALSE(summary);
  EXPECT_EQ(summary.error().code, ExitCode::MissingFile);
  EXPECT_NE(summary.error().message.find("none/out.yplan"), std::string::npos);

  options.outputPath = folder.path().string();
  summary = exportPlan(*module, source, inputs, options);
  ASSERT_FALSE(summary);
  EXPECT_EQ(summary.error().code, ExitCode::OutOfSpace);
}

TEST_F(ExportTest, RefusesAFieldThatDoesNotFit) {
  auto group = *module->getOps<plan::CacheGroupOp>().begin();
  group.setPageTokens(int64_t{1} << 40);
  ExportOptions options;
  options.outputPath = folder / "out.yplan";
  Result<ExportSummary> summary = exportPlan(*module, source, inputs, options);
  ASSERT_FALSE(summary);
  EXPECT_EQ(summary.error().code, ExitCode::Internal);
  EXPECT_EQ(summary.error().message, "page_tokens is 1099511627776, which a plan cannot hold");
  EXPECT_EQ(filesInFolder(), 0u);
}

TEST_F(ExportTest, RefusesALayoutThatTheChainDoesNotGive) {
  auto weight = *module->getOps<plan::WeightOp>().begin();
  weight.setLayout("panel32");
  ExportOptions options;
  options.outputPath = folder / "out.yplan";
  Result<ExportSummary> summary = exportPlan(*module, source, inputs, options);
  ASSERT_FALSE(summary);
  EXPECT_EQ(summary.error().code, ExitCode::Internal);
}

/// Whoever begins takes a temporary that is not locked yet for a leftover and removes it; its owner then makes another.
TEST_F(ExportTest, TemporariesOfOneNameSideBySide) {
  std::atomic<int> missing = 0;
  auto createMany = [&](TemporaryPath::Kind kind) {
    for (int i = 0; i < 500; ++i)
      missing += TemporaryPath::create(folder / "work", kind).path().empty();
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back(createMany, i % 2 ? TemporaryPath::File : TemporaryPath::Folder);
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(missing, 0);
}

} // namespace
