// SPDX-License-Identifier: Apache-2.0

#include "test/runtime/test_support.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <unistd.h>

namespace yupana::test {
namespace {

/// A file that goes away with the test.
struct TemporaryFile {
  explicit TemporaryFile(const Bytes &bytes) {
    char name[] = "yupana-test-XXXXXX";
    close(mkstemp(name));
    path = name;
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char *>(bytes.data()), bytes.size());
  }
  ~TemporaryFile() { remove(path.c_str()); }
  std::string path;
};

yupana_status_code_t verify(const yupana_plan_t *plan, yupana_status_t *status, uint32_t threads = 2) {
  yupana_verify_options_t options = {sizeof(options), threads, 0, nullptr};
  return yupana_plan_verify(plan, &options, status);
}

TEST(PlanOpenTest, GettersTellWhatWasWritten) {
  const Bytes bytes = write(test_plan());
  OpenedPlan opened(bytes);
  ASSERT_EQ(opened.code, YUPANA_STATUS_OK) << opened.status.message;
  const yupana_plan_t *plan = opened.plan.get();

  auto model = sized<yupana_model_info_t>();
  yupana_plan_model(plan, &model);
  EXPECT_STREQ(model.name, "test-model");
  EXPECT_STREQ(model.precision, "f32");
  EXPECT_EQ(model.vocab_size, 16u);
  EXPECT_EQ(model.bos_token, 1);
  EXPECT_EQ(model.do_sample, 1u);
  EXPECT_EQ(model.temperature, 0.5f);
  EXPECT_EQ(model.top_k, 7u);
  EXPECT_EQ(model.top_p, 0.75f);
  EXPECT_EQ(model.min_p, 0.125f);
  EXPECT_EQ(model.repetition_penalty, 1.5f);
  ASSERT_EQ(model.stop_token_count, 2u);
  EXPECT_EQ(model.stop_tokens[1], 3u);

  auto limits = sized<yupana_limits_t>();
  yupana_plan_limits(plan, &limits);
  EXPECT_EQ(limits.max_context, 40u);
  EXPECT_EQ(limits.max_logit_rows, 24u);

  ASSERT_EQ(yupana_plan_weight_count(plan), 1u);
  auto weight = sized<yupana_weight_info_t>();
  ASSERT_EQ(yupana_plan_weight(plan, 0, &weight), YUPANA_STATUS_OK);
  EXPECT_STREQ(weight.element, "f32");
  ASSERT_EQ(weight.rank, 2u);
  EXPECT_EQ(weight.shape[0], 16u);
  EXPECT_EQ(yupana_plan_weight(plan, 1, &weight), YUPANA_STATUS_INVALID_ARGUMENT);

  ASSERT_EQ(yupana_plan_cache_group_count(plan), 2u);
  auto group = sized<yupana_cache_group_info_t>();
  ASSERT_EQ(yupana_plan_cache_group(plan, 1, &group), YUPANA_STATUS_OK);
  EXPECT_EQ(group.chunk, 6u);
  EXPECT_EQ(group.page_bytes, 16u);

  ASSERT_EQ(yupana_plan_target_count(plan), 1u);
  auto target = sized<yupana_target_info_t>();
  ASSERT_EQ(yupana_plan_target(plan, 0, &target), YUPANA_STATUS_OK);
  EXPECT_STREQ(target.name, "x86-64-v3");
  EXPECT_EQ(target.launches, 13u);
  EXPECT_EQ(target.has_sample, 1u);

  EXPECT_EQ(yupana_plan_file_bytes(plan), bytes.size());
  EXPECT_EQ(yupana_plan_section_count(plan), 5u);
  EXPECT_EQ(yupana_plan_find_section(plan, YUPANA_SECTION_TOKENIZER), int64_t{kTokenizer});
  EXPECT_EQ(yupana_plan_find_section(plan, 77), -1);
}

// A form that this reader does not know may have any padding; one that it knows has its own.
TEST(PlanOpenTest, WeightsHaveTheBytesOfTheirForm) {
  for (auto [layout, bytes, expected] :
       {std::tuple{"tile32x32", 64u, YUPANA_STATUS_OK}, std::tuple{"panel32", 64u, YUPANA_STATUS_INVALID_DATA},
        std::tuple{"panel32", 256u, YUPANA_STATUS_OK}, std::tuple{"row-major", 256u, YUPANA_STATUS_INVALID_DATA}}) {
    SCOPED_TRACE(layout);
    PlanSpec spec = test_plan();
    spec.plan.weights[0]->shape = {2, 2};
    spec.plan.weights[0]->parts.clear();
    spec.plan.weights[0]->layout = layout;
    spec.plan.weights[0]->size = bytes;
    spec.sections[kWeights - 1].bytes.resize(bytes);
    const Bytes file = write(spec);
    OpenedPlan opened(file);
    EXPECT_EQ(opened.code, expected) << opened.status.message;
  }
}

// A caller built against a shorter structure gets as much as fits, and its size back.
TEST(PlanOpenTest, GettersHonourTheCallersSize) {
  const Bytes bytes = write(test_plan());
  OpenedPlan opened(bytes);
  yupana_limits_t limits;
  memset(&limits, 0x55, sizeof(limits));
  limits.size = offsetof(yupana_limits_t, max_batch);
  yupana_plan_limits(opened.plan.get(), &limits);
  EXPECT_EQ(limits.size, offsetof(yupana_limits_t, max_batch));
  EXPECT_EQ(limits.max_context, 40u);
  EXPECT_EQ(limits.max_batch, 0x55555555u);
}

TEST(PlanOpenTest, ReadsNeitherCodeNorWeights) {
  const Bytes bytes = write(test_plan());
  MemoryReader source(bytes);
  Bytes copy = bytes;
  source.unreadable_begin = entry_of(copy, kCode).offset;
  source.unreadable_end = entry_of(copy, kCode).offset + entry_of(copy, kCode).size;
  yupana_plan_t *plan = nullptr;
  ASSERT_EQ(yupana_plan_open(&source.reader, nullptr, &plan, nullptr), YUPANA_STATUS_OK);
  EXPECT_EQ(yupana_plan_compatible(plan, 0, nullptr, nullptr, nullptr), YUPANA_STATUS_OK);
  yupana_plan_release(plan);
}

TEST(PlanOpenTest, ReaderIsClosedWithTheLastReference) {
  const Bytes bytes = write(test_plan());
  MemoryReader source(bytes);
  yupana_plan_t *plan = nullptr;
  ASSERT_EQ(yupana_plan_open(&source.reader, nullptr, &plan, nullptr), YUPANA_STATUS_OK);
  yupana_plan_retain(plan);
  yupana_plan_release(plan);
  EXPECT_EQ(source.closed, 0);
  yupana_plan_release(plan);
  EXPECT_EQ(source.closed, 1);

  const Bytes broken(10);
  MemoryReader kept(broken);
  EXPECT_EQ(yupana_plan_open(&kept.reader, nullptr, &plan, nullptr), YUPANA_STATUS_INVALID_DATA);
  EXPECT_EQ(kept.closed, 0) << "on failure the caller keeps the reader";
}

TEST(PlanOpenTest, OpensFiles) {
  TemporaryFile file(write(test_plan()));
  yupana_plan_t *plan = nullptr;
  yupana_status_t status;
  ASSERT_EQ(yupana_plan_open_file(file.path.c_str(), nullptr, &plan, &status), YUPANA_STATUS_OK) << status.message;
  EXPECT_STREQ(yupana_plan_name(plan), file.path.c_str());
  EXPECT_EQ(verify(plan, &status), YUPANA_STATUS_OK) << status.message;
  yupana_plan_release(plan);
}

TEST(PlanOpenTest, MissingFilesAndFoldersAreUnreadable) {
  yupana_plan_t *plan = nullptr;
  yupana_status_t status;
  EXPECT_EQ(yupana_plan_open_file("no-such-file.yplan", nullptr, &plan, &status), YUPANA_STATUS_UNREADABLE);
  EXPECT_NE(std::string(status.message).find("no-such-file.yplan"), std::string::npos);
  EXPECT_EQ(yupana_plan_open_file(".", nullptr, &plan, &status), YUPANA_STATUS_UNREADABLE);
}

TEST(PlanOpenTest, ReadsSmallSections) {
  const Bytes bytes = write(test_plan());
  OpenedPlan opened(bytes);
  char text[4];
  yupana_status_t status;
  ASSERT_EQ(yupana_plan_read_section(opened.plan.get(), kTokenizer, text, sizeof(text), &status), YUPANA_STATUS_OK);
  EXPECT_EQ(std::string(text, 4), "text");
  EXPECT_EQ(yupana_plan_read_section(opened.plan.get(), kTokenizer, text, 3, nullptr), YUPANA_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(yupana_plan_read_section(opened.plan.get(), 9, text, 4, nullptr), YUPANA_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(yupana_plan_read_section(opened.plan.get(), kWeights, text, 4, nullptr), YUPANA_STATUS_INVALID_ARGUMENT);
}

TEST(PlanOpenTest, DamagedTokenizerIsNoticedWhenRead) {
  Bytes bytes = write(test_plan());
  bytes[entry_of(bytes, kTokenizer).offset] ^= 1;
  OpenedPlan opened(bytes);
  ASSERT_EQ(opened.code, YUPANA_STATUS_OK) << "opening does not read it";
  char text[4];
  EXPECT_EQ(yupana_plan_read_section(opened.plan.get(), kTokenizer, text, sizeof(text), nullptr),
            YUPANA_STATUS_DIGEST_MISMATCH);
}

TEST(PlanOpenTest, UnknownOptionalSectionsAreSkippedAndVerified) {
  PlanSpec spec = test_plan();
  spec.sections.push_back({static_cast<schema::SectionKind>(99), 0, Bytes(3000, 7)});
  Bytes bytes = write(spec);
  OpenedPlan opened(bytes);
  ASSERT_EQ(opened.code, YUPANA_STATUS_OK) << opened.status.message;
  EXPECT_EQ(verify(opened.plan.get(), nullptr), YUPANA_STATUS_OK);
  bytes[entry_of(bytes, 5).offset] ^= 1;
  EXPECT_EQ(verify(opened.plan.get(), nullptr), YUPANA_STATUS_DIGEST_MISMATCH);
}

/// A plan with three chunks of weights: the embedding in the first, "tail" from the second on.
PlanSpec plan_with_chunks() {
  PlanSpec spec = test_plan();
  const uint64_t chunk = schema::kDigestChunkBytes;
  spec.sections[kWeights - 1].bytes.resize(2 * chunk + 4096);
  auto tail = std::make_unique<schema::WeightT>(*spec.plan.weights[0]);
  tail->name = "tail";
  tail->offset = chunk;
  tail->shape = {chunk / 4 + 1024};
  tail->parts.clear();
  tail->size = chunk + 4096;
  spec.plan.weights.push_back(std::move(tail));
  return spec;
}

TEST(PlanVerifyTest, NamesTheDamagedWeightAndChunk) {
  Bytes bytes = write(plan_with_chunks());
  OpenedPlan opened(bytes);
  ASSERT_EQ(opened.code, YUPANA_STATUS_OK) << opened.status.message;
  yupana_status_t status;
  for (uint32_t threads : {1u, 3u}) {
    ASSERT_EQ(verify(opened.plan.get(), &status, threads), YUPANA_STATUS_OK) << status.message;
    uint64_t at = entry_of(bytes, kWeights).offset + 2 * schema::kDigestChunkBytes + 5;
    bytes[at] ^= 0x80;
    EXPECT_EQ(verify(opened.plan.get(), &status, threads), YUPANA_STATUS_DIGEST_MISMATCH);
    EXPECT_NE(std::string(status.message).find("'tail'"), std::string::npos) << status.message;
    EXPECT_NE(std::string(status.message).find("chunk 2"), std::string::npos) << status.message;
    bytes[entry_of(bytes, kWeights).offset + 1] ^= 1;
    EXPECT_EQ(verify(opened.plan.get(), &status, threads), YUPANA_STATUS_DIGEST_MISMATCH);
    EXPECT_NE(std::string(status.message).find("'embedding'"), std::string::npos) << "the first of several";
    bytes[at] ^= 0x80;
    bytes[entry_of(bytes, kWeights).offset + 1] ^= 1;
  }
}

TEST(PlanVerifyTest, NamesWhatCannotBeRead) {
  Bytes bytes = write(plan_with_chunks());
  OpenedPlan opened(bytes);
  opened.source.unreadable_begin = entry_of(bytes, kWeights).offset + schema::kDigestChunkBytes;
  opened.source.unreadable_end = opened.source.unreadable_begin + 1;
  yupana_status_t status;
  EXPECT_EQ(verify(opened.plan.get(), &status), YUPANA_STATUS_UNREADABLE);
  EXPECT_NE(std::string(status.message).find("chunk 1"), std::string::npos) << status.message;
}

TEST(PlanVerifyTest, NoticesDamageInEverySection) {
  for (uint32_t section : {kMetadata, kCode, kDigests, kTokenizer}) {
    Bytes bytes = write(test_plan());
    OpenedPlan opened(bytes);
    bytes[entry_of(bytes, section).offset] ^= 1;
    EXPECT_EQ(verify(opened.plan.get(), nullptr), YUPANA_STATUS_DIGEST_MISMATCH) << section;
  }
}

TEST(PlanVerifyTest, FindsOverlapWhileBothAreAlive) {
  PlanSpec spec = test_plan();
  auto &buffers = spec.plan.targets[0]->buffers;
  buffers[4]->offset = buffers[0]->offset; // "values" is dead when "sampled" is alive
  {
    const Bytes bytes = write(spec);
    OpenedPlan opened(bytes);
    yupana_status_t status;
    EXPECT_EQ(verify(opened.plan.get(), &status), YUPANA_STATUS_OK) << status.message;
  }
  buffers[1]->offset = buffers[0]->offset;
  const Bytes bytes = write(spec);
  OpenedPlan opened(bytes);
  yupana_status_t status;
  EXPECT_EQ(verify(opened.plan.get(), &status), YUPANA_STATUS_INVALID_DATA);
  EXPECT_NE(std::string(status.message).find("'values'"), std::string::npos) << status.message;
}

TEST(PlanVerifyTest, CanBeCancelledAndTellsProgress) {
  const Bytes bytes = write(plan_with_chunks());
  OpenedPlan opened(bytes);
  struct Watch {
    uint64_t last = 0, total = 0, stop_at = UINT64_MAX;
  } watch;
  yupana_progress_t progress = {sizeof(progress), &watch, [](void *user, uint64_t done, uint64_t total) {
                                  auto *watch = static_cast<Watch *>(user);
                                  EXPECT_GE(done, watch->last);
                                  EXPECT_LE(done, total);
                                  watch->last = done;
                                  watch->total = total;
                                  return done >= watch->stop_at ? 1 : 0;
                                }};
  yupana_verify_options_t options = {sizeof(options), 2, 0, &progress};
  EXPECT_EQ(yupana_plan_verify(opened.plan.get(), &options, nullptr), YUPANA_STATUS_OK);
  EXPECT_EQ(watch.last, watch.total);
  watch = {};
  watch.stop_at = uint64_t{1} << 20;
  EXPECT_EQ(yupana_plan_verify(opened.plan.get(), &options, nullptr), YUPANA_STATUS_CANCELLED);
}

TEST(CompatibilityTest, SaysWhatIsMissing) {
  PlanSpec spec = test_plan();
  spec.plan.targets[0]->name = "sm_90a";
  const Bytes bytes = write(spec);
  OpenedPlan opened(bytes);
  yupana_status_t status;
  EXPECT_EQ(yupana_plan_compatible(opened.plan.get(), 0, nullptr, nullptr, &status), YUPANA_STATUS_INCOMPATIBLE);
  EXPECT_NE(std::string(status.message).find("sm_90a"), std::string::npos);
  EXPECT_EQ(yupana_plan_compatible(opened.plan.get(), 1, nullptr, nullptr, &status), YUPANA_STATUS_INVALID_ARGUMENT);
  uint32_t index = 7;
  EXPECT_EQ(yupana_plan_best_target(opened.plan.get(), nullptr, &index, &status), YUPANA_STATUS_INCOMPATIBLE);
  EXPECT_NE(std::string(status.message).find("sm_90a"), std::string::npos);
  EXPECT_EQ(index, 7u);
}

TEST(CompatibilityTest, PrefersTheHighestLevelThatRuns) {
  PlanSpec spec = test_plan();
  auto second = std::make_unique<schema::TargetT>(*spec.plan.targets[0]);
  second->name = "x86-64-v4";
  spec.plan.targets.push_back(std::move(second));
  const Bytes bytes = write(spec);
  OpenedPlan opened(bytes);
  ASSERT_EQ(opened.code, YUPANA_STATUS_OK) << opened.status.message;
  uint32_t index = 9;
  ASSERT_EQ(yupana_plan_best_target(opened.plan.get(), nullptr, &index, nullptr), YUPANA_STATUS_OK);
  EXPECT_EQ(index, std::string(yupana_native_target(nullptr)) == "x86-64-v3" ? 0u : 1u);
}

TEST(CompatibilityTest, PrefersTheFasterOfTwoLevelsThatRun) {
  PlanSpec spec = test_plan();
  const char *const names[] = {"x86-64-v3", "x86-64-v4", "x86-64-v4-bf16", "x86-64-v4-amx"};
  spec.plan.targets[0]->name = names[0];
  for (const char *name : {names[1], names[2], names[3]}) {
    auto next = std::make_unique<schema::TargetT>(*spec.plan.targets[0]);
    next->name = name;
    spec.plan.targets.push_back(std::move(next));
  }
  const Bytes bytes = write(spec);
  OpenedPlan opened(bytes);
  ASSERT_EQ(opened.code, YUPANA_STATUS_OK) << opened.status.message;
  uint32_t index = 9;
  ASSERT_EQ(yupana_plan_best_target(opened.plan.get(), nullptr, &index, nullptr), YUPANA_STATUS_OK);
  ASSERT_LT(index, 4u);
  EXPECT_STREQ(names[index], yupana_native_target(nullptr));
  yupana_fit_t fit;
  for (uint32_t i = 0; i < 4; ++i)
    if (yupana_plan_compatible(opened.plan.get(), i, nullptr, &fit, nullptr) == YUPANA_STATUS_OK) {
      EXPECT_EQ(fit, i == index ? YUPANA_FIT_EXACT : YUPANA_FIT_SUBSET) << names[i];
    }
}

} // namespace
} // namespace yupana::test
