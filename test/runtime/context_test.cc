// SPDX-License-Identifier: Apache-2.0

#include "test/runtime/step_support.h"

#include <cstddef>
#include <cstdio>
#include <fstream>
#include <string>
#include <thread>

namespace yupana::test {
namespace {

yupana_status_code_t create(yupana_plan_t *plan, yupana_context_options_t options, yupana_status_t *status) {
  options.size = sizeof(options);
  yupana_context_t *context = nullptr;
  yupana_status_code_t code = yupana_context_create(plan, &options, nullptr, &context, status);
  yupana_context_release(context);
  return code;
}

TEST_F(StepTest, OptionsAreChecked) {
  yupana_status_t status;
  yupana_context_options_t options = {};
  options.target = "x86-64-v9";
  EXPECT_EQ(create(opened_.plan.get(), options, &status), YUPANA_STATUS_INVALID_ARGUMENT);
  EXPECT_NE(std::string(status.message).find("x86-64-v9"), std::string::npos);
  options = {};
  options.threads = 5000;
  EXPECT_EQ(create(opened_.plan.get(), options, &status), YUPANA_STATUS_INVALID_ARGUMENT);
  options = {};
  options.digests = 3;
  EXPECT_EQ(create(opened_.plan.get(), options, &status), YUPANA_STATUS_INVALID_ARGUMENT);
  options = {};
  options.map_weights = 2;
  EXPECT_EQ(create(opened_.plan.get(), options, &status), YUPANA_STATUS_INVALID_ARGUMENT);
  options = {};
  options.target = "x86-64-v3";
  EXPECT_EQ(create(opened_.plan.get(), options, &status), YUPANA_STATUS_OK) << status.message;
}

TEST_F(StepTest, ContextTellsItsMemory) {
  ContextOwner c = context(with_threads(2));
  auto memory = sized<yupana_memory_info_t>();
  yupana_context_memory(c.get(), &memory);
  EXPECT_GE(memory.weights, 64u);
  EXPECT_GE(memory.cache, 2u * 10 * 16);
  EXPECT_GE(memory.arenas, 1u);
  EXPECT_GE(memory.code, 4096u);
  EXPECT_EQ(memory.total, memory.weights + memory.cache + memory.arenas + memory.inputs + memory.scratch + memory.code +
                              memory.bookkeeping);
  auto info = sized<yupana_context_info_t>();
  yupana_context_info(c.get(), &info);
  EXPECT_EQ(info.threads, 2u);
  EXPECT_EQ(info.max_sequences, 4u);
  EXPECT_EQ(info.kv_positions, 40u);
}

TEST_F(StepTest, DigestPolicies) {
  auto with_policy = [](uint32_t policy) {
    yupana_context_options_t options = {};
    options.digests = policy;
    return options;
  };
  yupana_status_t status;
  uint64_t at = entry_of(bytes_, kWeights).offset + 9;
  ASSERT_EQ(create(opened_.plan.get(), with_policy(YUPANA_DIGEST_FIRST_LOAD), &status), YUPANA_STATUS_OK);
  bytes_[at] ^= 1;
  EXPECT_EQ(create(opened_.plan.get(), with_policy(YUPANA_DIGEST_ALWAYS), &status), YUPANA_STATUS_DIGEST_MISMATCH);
  EXPECT_NE(std::string(status.message).find("'embedding'"), std::string::npos) << status.message;
  EXPECT_EQ(create(opened_.plan.get(), with_policy(YUPANA_DIGEST_FIRST_LOAD), &status), YUPANA_STATUS_OK);
  EXPECT_EQ(create(opened_.plan.get(), with_policy(YUPANA_DIGEST_OFF), &status), YUPANA_STATUS_OK);
}

// Weights that came in unchecked are looked at when a context asks for it, without reading them again.
TEST_F(StepTest, SharedWeightsAreVerifiedOnDemand) {
  yupana_context_options_t options = {};
  options.digests = YUPANA_DIGEST_OFF;
  ContextOwner first = context(options);
  uint64_t before = opened_.source.bytes_read;
  ContextOwner second = context();
  EXPECT_LT(opened_.source.bytes_read - before, bytes_.size());
  first.reset();
  Step step(second.get(), {span(sequence(second), make_tokens(5))});
  EXPECT_EQ(step.logits, expected_range(make_tokens(5), 0, 5));
}

TEST_F(StepTest, DamagedCodeIsRefused) {
  bytes_[entry_of(bytes_, kCode).offset + 0x300] ^= 1;
  yupana_status_t status;
  EXPECT_EQ(create(opened_.plan.get(), {}, &status), YUPANA_STATUS_DIGEST_MISMATCH);
}

TEST_F(StepTest, MissingKernelIsNamed) {
  PlanSpec spec = test_plan();
  spec.plan.targets[0]->kernels[2]->symbol = "not_there";
  const Bytes bytes = write(spec);
  OpenedPlan opened(bytes);
  yupana_status_t status;
  EXPECT_EQ(create(opened.plan.get(), {}, &status), YUPANA_STATUS_INVALID_DATA);
  EXPECT_NE(std::string(status.message).find("'not_there'"), std::string::npos) << status.message;
}

/// Writes what the embedding of test_plan() holds, and counts.
struct TestFiller {
  yupana_filler_t table = {sizeof(table), this,
                           [](void *user, uint32_t weight, void *dst, uint64_t bytes) {
                             auto *self = static_cast<TestFiller *>(user);
                             EXPECT_EQ(weight, 0u);
                             EXPECT_EQ(bytes, TEST_VOCAB * 4u);
                             EXPECT_EQ(reinterpret_cast<uintptr_t>(dst) % 256, 0u);
                             for (uint32_t i = 0; i < TEST_VOCAB; ++i)
                               static_cast<float *>(dst)[i] = static_cast<float>(i + 1);
                             ++self->calls;
                             return self->good;
                           },
                           nullptr};
  std::atomic<int> calls{0};
  int good = 1;
};

TEST_F(StepTest, PlanWithoutWeightsNeedsAFiller) {
  PlanSpec spec = test_plan();
  strip(spec);
  const Bytes bytes = write(spec);
  OpenedPlan opened(bytes);
  ASSERT_EQ(opened.code, YUPANA_STATUS_OK) << opened.status.message;
  EXPECT_EQ(yupana_plan_missing_weights(opened.plan.get()), 1u);
  EXPECT_EQ(yupana_plan_missing_weights(opened_.plan.get()), 0u);
  auto weight = sized<yupana_weight_info_t>();
  ASSERT_EQ(yupana_plan_weight(opened.plan.get(), 0, &weight), YUPANA_STATUS_OK);
  EXPECT_EQ(weight.section, YUPANA_NO_SECTION);
  EXPECT_EQ(yupana_plan_verify(opened.plan.get(), nullptr, nullptr), YUPANA_STATUS_OK);

  yupana_status_t status;
  EXPECT_EQ(create(opened.plan.get(), {}, &status), YUPANA_STATUS_INVALID_DATA);
  EXPECT_STREQ(status.message, "memory.yplan: the plan has no weights: fill it with yupana refit");
  TestFiller filler;
  yupana_context_options_t options = with_threads(2);
  options.filler = &filler.table;
  ContextOwner first = make_context(opened.plan.get(), options, &status);
  ASSERT_TRUE(first) << status.message;
  ContextOwner second = make_context(opened.plan.get(), options, &status);
  ASSERT_TRUE(second) << status.message;
  EXPECT_EQ(filler.calls, 1) << "contexts of a plan share what was filled";
  first.reset();
  Step step(second.get(), {span(sequence(second), make_tokens(9))});
  EXPECT_EQ(step.logits, expected_range(make_tokens(9), 0, 9));
  auto memory = sized<yupana_memory_info_t>();
  yupana_context_memory(second.get(), &memory);
  EXPECT_EQ(memory.weights, 256 + 256u) << "the weight at its alignment, and padding";
  second.reset();
  EXPECT_TRUE(make_context(opened.plan.get(), options));
  EXPECT_EQ(filler.calls, 2) << "the last context frees it";
}

TEST_F(StepTest, FillersMayFailAndBeCancelled) {
  PlanSpec spec = test_plan();
  strip(spec);
  const Bytes bytes = write(spec);
  CountingAllocator allocator;
  OpenedPlan opened(bytes, &allocator.table);
  int64_t before = allocator.alive_bytes;
  TestFiller filler;
  filler.good = 0;
  yupana_context_options_t options = {};
  options.filler = &filler.table;
  yupana_status_t status;
  EXPECT_EQ(create(opened.plan.get(), options, &status), YUPANA_STATUS_UNREADABLE);
  EXPECT_NE(std::string(status.message).find("weight 0 could not be filled"), std::string::npos) << status.message;
  yupana_progress_t progress = {sizeof(progress), nullptr, [](void *, uint64_t, uint64_t) { return 1; }};
  options.progress = &progress;
  EXPECT_EQ(create(opened.plan.get(), options, &status), YUPANA_STATUS_CANCELLED);
  EXPECT_LT(allocator.alive_bytes - before, 256) << "the memory for weights is free again";
  filler.table.fill = nullptr;
  EXPECT_EQ(create(opened.plan.get(), options, &status), YUPANA_STATUS_INVALID_DATA) << "that is no filler";
}

// Entries of one value are one address, whichever a launch or the target names.
TEST_F(StepTest, LogitsMayHaveSeveralEntries) {
  PlanSpec spec = test_plan();
  schema::TargetT &target = *spec.plan.targets[0];
  auto second = std::make_unique<schema::BufferT>(*target.buffers[3]);
  target.buffers[3]->last_launch = 5;
  second->first_launch = 11;
  target.buffers.push_back(std::move(second));
  target.programs[1]->launches[5]->arguments[3] = {schema::ArgumentKind::buffer, 5, 0};
  // What lies on the bytes of the logits between their entries is no overlap; during one it is.
  target.buffers.push_back(std::make_unique<schema::BufferT>(*target.buffers[3]));
  target.buffers[6]->name = "between";
  target.buffers[6]->first_launch = 6;
  target.buffers[6]->last_launch = 10;
  {
    const Bytes bytes = write(spec);
    OpenedPlan opened(bytes);
    yupana_status_t status;
    ASSERT_EQ(yupana_plan_verify(opened.plan.get(), nullptr, &status), YUPANA_STATUS_OK) << status.message;
    for (uint32_t tokens : {3u, 9u}) {
      ContextOwner c = make_context(opened.plan.get());
      Step step(c.get(), {span(sequence(c), make_tokens(tokens))});
      EXPECT_EQ(step.logits, expected_range(make_tokens(tokens), 0, tokens));
    }
  }
  target.buffers[6]->last_launch = 11;
  const Bytes bytes = write(spec);
  OpenedPlan opened(bytes);
  EXPECT_EQ(yupana_plan_verify(opened.plan.get(), nullptr, nullptr), YUPANA_STATUS_INVALID_DATA);
}

// A plan for a GPU opens and verifies here, and says that it does not run; one that claims a CPU has no code for it.
TEST_F(StepTest, DeviceCodeIsNotRun) {
  PlanSpec spec = test_plan();
  for_gpu(spec);
  yupana_status_t status;
  {
    const Bytes bytes = write(spec);
    OpenedPlan opened(bytes);
    ASSERT_EQ(opened.code, YUPANA_STATUS_OK) << opened.status.message;
    EXPECT_EQ(yupana_plan_verify(opened.plan.get(), nullptr, &status), YUPANA_STATUS_OK) << status.message;
    EXPECT_EQ(create(opened.plan.get(), {}, &status), YUPANA_STATUS_INCOMPATIBLE);
  }
  spec.plan.targets[0]->name = "x86-64-v3";
  const Bytes bytes = write(spec);
  OpenedPlan opened(bytes);
  EXPECT_EQ(create(opened.plan.get(), {}, &status), YUPANA_STATUS_INVALID_DATA);
  EXPECT_NE(std::string(status.message).find("has no code for its device"), std::string::npos) << status.message;
}

TEST_F(StepTest, LoadingCanBeCancelled) {
  yupana_progress_t progress = {sizeof(progress), nullptr, [](void *, uint64_t, uint64_t) { return 1; }};
  yupana_context_options_t options = {};
  options.progress = &progress;
  yupana_status_t status;
  EXPECT_EQ(create(opened_.plan.get(), options, &status), YUPANA_STATUS_CANCELLED);
}

TEST_F(StepTest, IncompatibleTargetIsRefused) {
  PlanSpec spec = test_plan();
  spec.plan.targets[0]->name = "sm_90a";
  const Bytes bytes = write(spec);
  OpenedPlan opened(bytes);
  EXPECT_EQ(create(opened.plan.get(), {}, nullptr), YUPANA_STATUS_INCOMPATIBLE);
}

TEST_F(StepTest, ContextKeepsThePlanAlive) {
  ContextOwner c = context();
  opened_.plan.reset();
  EXPECT_EQ(opened_.source.closed, 0);
  Step step(c.get(), {span(sequence(c), make_tokens(3))});
  EXPECT_EQ(step.code, YUPANA_STATUS_OK);
  c.reset();
  EXPECT_EQ(opened_.source.closed, 1);
}

/// The test plan in a file, opened.
class MappedTest : public StepTest {
protected:
  MappedTest() {
    path_ = testing::TempDir() + "mapped." + testing::UnitTest::GetInstance()->current_test_info()->name();
    save();
    yupana_plan_t *plan = nullptr;
    EXPECT_EQ(yupana_plan_open_file(path_.c_str(), nullptr, &plan, nullptr), YUPANA_STATUS_OK);
    file_plan_.reset(plan);
  }
  ~MappedTest() override { std::remove(path_.c_str()); }

  void save() {
    std::ofstream(path_, std::ios::binary | std::ios::in | std::ios::out | std::ios::trunc)
        .write(reinterpret_cast<const char *>(bytes_.data()), static_cast<std::streamsize>(bytes_.size()));
  }
  ContextOwner make(uint32_t map, uint32_t digests = YUPANA_DIGEST_ALWAYS, yupana_status_t *status = nullptr) {
    yupana_context_options_t options = {};
    options.map_weights = map;
    options.digests = digests;
    return make_context(file_plan_.get(), options, status);
  }
  bool is_mapped() const {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);)
      if (line.find(path_) != std::string::npos)
        return true;
    return false;
  }
  void expect_steps(const ContextOwner &context) {
    Step step(context.get(), {span(sequence(context), make_tokens(9))});
    EXPECT_EQ(step.logits, expected_range(make_tokens(9), 0, 9));
  }

  std::string path_;
  PlanOwner file_plan_;
};

TEST_F(MappedTest, WeightsAreMappedWhileAContextUsesThem) {
  ContextOwner read = make(0);
  EXPECT_FALSE(is_mapped());
  read.reset();
  ContextOwner first = make(1), second = make(1);
  ASSERT_TRUE(first && second);
  EXPECT_TRUE(is_mapped());
  expect_steps(first);
  first.reset();
  EXPECT_TRUE(is_mapped());
  expect_steps(second);
  // One that would read shares what is there.
  ContextOwner third = make(0);
  second.reset();
  expect_steps(third);
  third.reset();
  EXPECT_FALSE(is_mapped());
}

TEST_F(MappedTest, DigestsOfMappedWeightsAreCompared) {
  bytes_[entry_of(bytes_, kWeights).offset + 9] ^= 1;
  save();
  yupana_status_t status;
  EXPECT_FALSE(make(1, YUPANA_DIGEST_ALWAYS, &status));
  EXPECT_EQ(status.code, YUPANA_STATUS_DIGEST_MISMATCH);
  EXPECT_NE(std::string(status.message).find("'embedding'"), std::string::npos) << status.message;
  EXPECT_FALSE(is_mapped());
  EXPECT_TRUE(make(1, YUPANA_DIGEST_OFF, &status)) << status.message;
}

TEST_F(StepTest, ReadersThatCannotMapAreRefused) {
  yupana_context_options_t options = {};
  options.map_weights = 1;
  yupana_status_t status;
  EXPECT_EQ(create(opened_.plan.get(), options, &status), YUPANA_STATUS_INVALID_ARGUMENT);
  EXPECT_NE(std::string(status.message).find("cannot map"), std::string::npos) << status.message;

  OpenedPlan failing(bytes_);
  yupana_reader_t reader = failing.source.reader;
  reader.map = [](void *, uint64_t, uint64_t) -> const void * { return nullptr; };
  reader.unmap = [](void *, const void *, uint64_t) { FAIL() << "nothing was mapped"; };
  yupana_plan_t *plan = nullptr;
  ASSERT_EQ(yupana_plan_open(&reader, nullptr, &plan, &status), YUPANA_STATUS_OK);
  EXPECT_EQ(create(plan, options, &status), YUPANA_STATUS_OUT_OF_MEMORY);
  yupana_plan_release(plan);
}

// Programs compiled before readers could map hand in a shorter structure; nothing behind it is read.
TEST_F(StepTest, ShorterReadersAreAccepted) {
  OpenedPlan source(bytes_);
  yupana_reader_t reader = source.source.reader;
  reader.size = offsetof(yupana_reader_t, map);
  reader.map = reinterpret_cast<const void *(*)(void *, uint64_t, uint64_t)>(uintptr_t{1});
  reader.unmap = nullptr;
  yupana_plan_t *plan = nullptr;
  yupana_status_t status;
  ASSERT_EQ(yupana_plan_open(&reader, nullptr, &plan, &status), YUPANA_STATUS_OK) << status.message;
  yupana_context_options_t options = {};
  EXPECT_EQ(create(plan, options, &status), YUPANA_STATUS_OK) << status.message;
  options.map_weights = 1;
  EXPECT_EQ(create(plan, options, &status), YUPANA_STATUS_INVALID_ARGUMENT);
  yupana_plan_release(plan);
}

// Several threads, each with a context of its own over one plan, preparing and stepping at the same time.
TEST_F(StepTest, ContextsOfOnePlanRunAtOnce) {
  std::vector<std::thread> users;
  std::atomic<int> good{0};
  for (uint32_t user = 0; user < 3; ++user)
    users.emplace_back([&, user] {
      for (int round = 0; round < 10; ++round) {
        ContextOwner c = make_context(opened_.plan.get(), with_threads(1 + user % 2));
        Tokens tokens = make_tokens(24, user);
        yupana_sequence_t s = 0;
        yupana_sequence_create(c.get(), 0, &s, nullptr);
        Step first(c.get(), {span(s, slice(tokens, 0, 15))});
        Step second(c.get(), {span(s, slice(tokens, 15, 24))});
        good += second.logits == expected_range(tokens, 15, 24);
      }
    });
  for (std::thread &user : users)
    user.join();
  EXPECT_EQ(good, 30);
}

} // namespace
} // namespace yupana::test
