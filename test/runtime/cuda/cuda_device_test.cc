// SPDX-License-Identifier: Apache-2.0
//
// The CUDA device of the runtime on a driver made for tests: the test model's steps give the numbers that they give on
// a processor, every call of the driver may fail at any time, and what a machine or a plan lacks is said.

#include "test/runtime/ahead_support.h"
#include "test/runtime/cuda/fake_driver.h"

#include "runtime/schema/targets.h"

#include <fstream>
#include <thread>

namespace yupana::test {
namespace {

const char *const kDriver = YUPANA_FAKE_DRIVER;

yupana_device_t on_gpu(uint32_t ordinal = 0, const char *driver = kDriver) {
  return {sizeof(yupana_device_t), YUPANA_DEVICE_CUDA, ordinal, driver};
}

/// The test model for a GPU of the test driver.
class CudaTest : public testing::Test {
protected:
  void SetUp() override { fake_driver() = FakeDriver{}; }
  void TearDown() override {
    EXPECT_EQ(fake_driver().misuse, "");
    EXPECT_EQ(fake_driver().alive(), 0);
  }

  static PlanSpec spec() {
    PlanSpec out = test_plan();
    for_gpu(out);
    return out;
  }
  static ContextOwner create(const OpenedPlan &opened, yupana_context_options_t options = {},
                             yupana_status_t *status = nullptr, uint32_t ordinal = 0,
                             const yupana_allocator_t *allocator = nullptr) {
    yupana_device_t device = on_gpu(ordinal);
    options.device = &device;
    options.kv_bytes = yupana_plan_kv_bytes(opened.plan.get(), 60, 2);
    return make_context(opened.plan.get(), options, status, allocator);
  }
  static ContextOwner create_on_processor(const OpenedPlan &opened) {
    yupana_context_options_t options = {};
    options.target = "x86-64-v3";
    options.kv_bytes = yupana_plan_kv_bytes(opened.plan.get(), 60, 2);
    return make_context(opened.plan.get(), options);
  }
  static yupana_sequence_t sequence(const ContextOwner &context, uint64_t number = 0) {
    yupana_sequence_t out = 0;
    EXPECT_EQ(yupana_sequence_create(context.get(), number, &out, nullptr), YUPANA_STATUS_OK);
    return out;
  }

  /// Two sequences in pieces, side by side in changing order, with all logits.
  static void expect_steps(const ContextOwner &c, const Tokens &first, const Tokens &second) {
    yupana_sequence_t a = sequence(c, 1), b = sequence(c, 2);
    uint32_t done = 0;
    for (uint32_t take : {1u, 7u, 3u, 11u, 8u}) {
      Tokens x = slice(first, done, done + take), y = slice(second, done, done + take);
      bool swap = take % 2 != 0;
      Step both(c.get(), swap ? std::vector{span(b, y), span(a, x)} : std::vector{span(a, x), span(b, y)});
      ASSERT_EQ(both.code, YUPANA_STATUS_OK) << both.status.message;
      std::vector<float> expected = expected_range(swap ? second : first, done, done + take);
      std::vector<float> rest = expected_range(swap ? first : second, done, done + take);
      expected.insert(expected.end(), rest.begin(), rest.end());
      EXPECT_EQ(both.logits, expected) << take;
      done += take;
    }
    yupana_sequence_release(c.get(), a, nullptr);
    yupana_sequence_release(c.get(), b, nullptr);
  }
};

TEST_F(CudaTest, StepsGiveWhatAProcessorGives) {
  Bytes bytes = write(spec());
  OpenedPlan opened(bytes);
  ASSERT_TRUE(opened.plan) << opened.status.message;
  yupana_status_t status = {};
  ContextOwner c = create(opened, {}, &status);
  ASSERT_TRUE(c) << status.message;
  int64_t allocations = fake_driver().allocations;
  expect_steps(c, make_tokens(30, 1), make_tokens(30, 2));
  EXPECT_EQ(fake_driver().allocations, allocations) << "nothing is allocated after a context is created";
  EXPECT_GT(fake_driver().launches, 0);

  yupana_sequence_t s = sequence(c, 5);
  Tokens tokens = make_tokens(3);
  yupana_span_t sampling = span(s, tokens, YUPANA_ROWS_LAST);
  sampling.sample = 1;
  sampling.temperature = 1;
  sampling.seed = 4;
  Step sampled(c.get(), {sampling});
  EXPECT_EQ(sampled.sampled, Tokens{(4 + 5 + 3) % TEST_VOCAB});
}

// A step without results ends with waiting, so that the host may write the inputs of the next.
TEST_F(CudaTest, StepsWithoutResultsMayFollowOneAnother) {
  Bytes bytes = write(spec());
  OpenedPlan opened(bytes);
  ContextOwner c = create(opened);
  ASSERT_TRUE(c);
  yupana_sequence_t s = sequence(c);
  Tokens tokens = make_tokens(30);
  for (uint32_t i = 0; i < 29; ++i)
    ASSERT_EQ(Step(c.get(), {span(s, slice(tokens, i, i + 1), YUPANA_ROWS_NONE)}).code, YUPANA_STATUS_OK);
  EXPECT_EQ(Step(c.get(), {span(s, slice(tokens, 29, 30))}).logits, expected_range(tokens, 29, 30));
}

TEST_F(CudaTest, FewCopiesAndOnlyWhatIsWanted) {
  Bytes bytes = write(spec());
  OpenedPlan opened(bytes);
  ContextOwner c = create(opened);
  ASSERT_TRUE(c);
  yupana_sequence_t s = sequence(c);
  Tokens tokens = make_tokens(1);
  FakeDriver &driver = fake_driver();
  driver.copies_in = driver.copies_out = 0;
  ASSERT_EQ(Step(c.get(), {span(s, tokens, YUPANA_ROWS_NONE)}).code, YUPANA_STATUS_OK);
  EXPECT_EQ(driver.copies_in, 1) << "the inputs of a small model lie close together";
  EXPECT_EQ(driver.copies_out, 0);
  yupana_span_t sampling = span(s, tokens, YUPANA_ROWS_LAST);
  sampling.sample = 1;
  yupana_batch_t batch = {sizeof(batch), &sampling, 1, 1};
  auto result = sized<yupana_step_result_t>();
  ASSERT_EQ(yupana_context_step(c.get(), &batch, &result, nullptr), YUPANA_STATUS_OK);
  EXPECT_EQ(driver.copies_out, 1) << "ids alone";
  EXPECT_EQ(result.logits, nullptr);
  batch.keep_logits = 0;
  ASSERT_EQ(yupana_context_step(c.get(), &batch, &result, nullptr), YUPANA_STATUS_OK);
  EXPECT_EQ(driver.copies_out, 3);
}

// Decoding launches a captured step, sampling and prompts their launches one by one; the numbers are the same.
TEST_F(CudaTest, DecodingIsCaptured) {
  Bytes bytes = write(spec());
  OpenedPlan opened(bytes);
  ContextOwner c = create(opened);
  ASSERT_TRUE(c);
  FakeDriver &driver = fake_driver();
  int64_t captured = driver.launches;
  EXPECT_EQ(driver.graph_launches, 0);
  yupana_sequence_t a = sequence(c, 1), b = sequence(c, 2);
  Tokens first = make_tokens(12, 1), second = make_tokens(12, 2);
  for (uint32_t i = 0; i < 12; ++i) {
    Tokens x = slice(first, i, i + 1), y = slice(second, i, i + 1);
    Step both(c.get(), {span(a, x), span(b, y)});
    std::vector<float> expected = expected_range(first, i, i + 1), rest = expected_range(second, i, i + 1);
    expected.insert(expected.end(), rest.begin(), rest.end());
    EXPECT_EQ(both.logits, expected) << i;
  }
  EXPECT_EQ(driver.graph_launches, 12);
  EXPECT_EQ(driver.launches, captured);
  Tokens three = make_tokens(3);
  ASSERT_EQ(Step(c.get(), {span(a, three)}).code, YUPANA_STATUS_OK);
  EXPECT_EQ(driver.graph_launches, 12) << "a prompt of three tokens is no decoding step";
  EXPECT_GT(driver.launches, captured);
}

TEST_F(CudaTest, StepsMayRunAhead) {
  Bytes bytes = write(spec());
  OpenedPlan opened(bytes);
  ContextOwner c = create(opened);
  ASSERT_TRUE(c);
  int64_t allocations = fake_driver().allocations;
  expect_ahead(c.get());
  EXPECT_EQ(fake_driver().allocations, allocations);
}

// After the first, a step of decoding is one launch of a graph, which samples, too, one copy in and one out; whoever
// waits late gives the GPU nothing else in between.
TEST_F(CudaTest, ADecodeStepIsThreeCalls) {
  Bytes bytes = write(spec());
  OpenedPlan opened(bytes);
  FakeDriver &driver = fake_driver();
  for (uint32_t in_flight : {0u, 1u, 3u})
    for (uint32_t sequences : {1u, 3u, TEST_MAX_BATCH}) {
      ContextOwner c = create(opened);
      ASSERT_TRUE(c);
      Ahead ahead(c.get(), in_flight);
      std::vector<uint32_t> order;
      for (uint32_t i = 0; i < sequences; ++i) {
        ahead.add(2 + i);
        order.push_back(i);
      }
      ASSERT_EQ(ahead.step(order), YUPANA_STATUS_OK) << ahead.status.message;
      constexpr int kSteps = 9;
      driver.given.clear();
      for (int i = 0; i < kSteps; ++i)
        ASSERT_EQ(ahead.step(order), YUPANA_STATUS_OK) << ahead.status.message;
      EXPECT_EQ(ahead.in_flight(), in_flight);
      std::map<std::string, int64_t> expected = {
          {"cuMemcpyHtoDAsync", kSteps}, {"cuGraphLaunch", kSteps}, {"cuMemcpyDtoHAsync", kSteps}};
      // Pages that are used for the first time are cleared.
      driver.given.erase("cuMemsetD8Async");
      EXPECT_EQ(driver.given, expected) << sequences << " sequences, " << in_flight << " in flight";
      ASSERT_EQ(ahead.wait_for_all(), YUPANA_STATUS_OK);
      ahead.expect_contents();
    }
}

// Launches of kernels that wait overlap, in captures, too, but not the first of a step; on GPUs that cannot, none does.
TEST_F(CudaTest, KernelsThatWaitBeginEarly) {
  PlanSpec waiting = spec();
  for (auto &kernel : waiting.plan.targets[0]->kernels)
    kernel->waits = kernel->symbol != "test_append";
  Bytes bytes = write(waiting);
  OpenedPlan opened(bytes);
  ASSERT_TRUE(opened.plan) << opened.status.message;
  FakeDriver &driver = fake_driver();
  ContextOwner c = create(opened);
  ASSERT_TRUE(c);
  EXPECT_GT(driver.early_launches, 0);
  Tokens tokens = make_tokens(9);
  driver.early_launches = driver.launches = 0;
  Step prompt(c.get(), {span(sequence(c), tokens)});
  EXPECT_EQ(prompt.logits, expected_range(tokens, 0, 9));
  EXPECT_GE(driver.launches, 5);
  int64_t appends = 0;
  for (const auto &launch : waiting.plan.targets[0]->programs[1]->launches)
    appends += waiting.plan.targets[0]->kernels[launch->kernel]->symbol == "test_append";
  EXPECT_EQ(driver.early_launches, driver.launches - 1 - appends);

  // Nor by drivers whose graphs do not know it.
  driver.version = 12020;
  driver.early_launches = 0;
  ASSERT_TRUE(create(opened));
  EXPECT_EQ(driver.early_launches, 0);
  driver.version = 12030;
  waiting.plan.targets[0]->name = "sm_80";
  bytes = write(waiting);
  OpenedPlan older(bytes);
  ASSERT_TRUE(older.plan) << older.status.message;
  driver.capability[0] = 80;
  driver.early_launches = 0;
  ContextOwner there = create(older);
  ASSERT_TRUE(there);
  EXPECT_EQ(driver.early_launches, 0);
}

TEST_F(CudaTest, TwoContextsRunAtOnce) {
  Bytes bytes = write(spec());
  OpenedPlan opened(bytes);
  // The third is on another GPU, which loads weights of its own; both GPUs are of the plan's kind.
  fake_driver().capability[1] = 90;
  auto work = [&](uint32_t ordinal, uint32_t seed) {
    ContextOwner c = create(opened, {}, nullptr, ordinal);
    ASSERT_TRUE(c);
    for (int i = 0; i < 20; ++i)
      expect_steps(c, make_tokens(30, seed), make_tokens(30, seed + 1));
  };
  std::thread first(work, 0, 1), second(work, 0, 3), third(work, 1, 5);
  first.join();
  second.join();
  third.join();
}

TEST_F(CudaTest, WeightsAreSharedOnOneGpuAndNotBetweenTwo) {
  Bytes bytes = write(spec());
  OpenedPlan opened(bytes);
  fake_driver().capability[1] = 90;
  ContextOwner first = create(opened);
  ASSERT_TRUE(first);
  uint64_t read = opened.source.bytes_read;
  ContextOwner second = create(opened);
  ASSERT_TRUE(second);
  uint64_t again = opened.source.bytes_read - read;
  first.reset(); // the weights that it loaded stay
  expect_steps(second, make_tokens(30, 1), make_tokens(30, 2));
  read = opened.source.bytes_read;
  ContextOwner other = create(opened, {}, nullptr, 1);
  ASSERT_TRUE(other);
  EXPECT_GT(opened.source.bytes_read - read, again) << "another GPU reads the weights again";
  expect_steps(other, make_tokens(30, 1), make_tokens(30, 2));
}

TEST_F(CudaTest, MemoryIsTold) {
  Bytes bytes = write(spec());
  OpenedPlan opened(bytes);
  ContextOwner c = create(opened);
  ASSERT_TRUE(c);
  auto memory = sized<yupana_memory_info_t>();
  yupana_context_memory(c.get(), &memory);
  EXPECT_EQ(memory.device_total, fake_driver().memory);
  EXPECT_EQ(memory.device_free, fake_driver().memory - fake_driver().used);
  EXPECT_EQ(memory.code, 5u);
  EXPECT_GT(memory.weights, 0u);
}

TEST_F(CudaTest, FreeMemoryIsToldWithoutAContext) {
  yupana_device_t device = on_gpu();
  uint64_t free = 0, total = 0;
  ASSERT_EQ(yupana_gpu_memory(&device, &free, &total, nullptr), YUPANA_STATUS_OK);
  EXPECT_EQ(free, fake_driver().memory);
  EXPECT_EQ(total, fake_driver().memory);
  yupana_status_t status = {};
  device.ordinal = 5;
  EXPECT_EQ(yupana_gpu_memory(&device, &free, nullptr, &status), YUPANA_STATUS_INCOMPATIBLE);
  device.ordinal = 0;
  FakeDriver &driver = fake_driver();
  // Wherever it fails, nothing stays held.
  for (int64_t after = 0;; ++after) {
    driver.failed.clear();
    driver.fail_at = driver.calls + after;
    yupana_status_code_t code = yupana_gpu_memory(&device, &free, &total, &status);
    EXPECT_EQ(driver.alive(), 0) << driver.failed;
    if (driver.failed.empty())
      break;
    EXPECT_TRUE(code || driver.failed == "cuCtxPopCurrent" || driver.failed == "cuDevicePrimaryCtxRelease")
        << driver.failed;
  }
}

// 40 MB through windows of half a megabyte: chunks, windows that are used again, and a digest for each chunk.
TEST_F(CudaTest, LargeWeightsArriveWholeAndDamageIsFound) {
  PlanSpec large = spec();
  Bytes &weights = large.sections[kWeights - 1].bytes;
  // The kernels read the first entries; what follows must arrive, too.
  for (uint32_t i = TEST_VOCAB; i < 10u << 20; ++i)
    for (uint32_t b = 0; b < 4; ++b)
      weights.push_back(static_cast<uint8_t>(i * 2654435761u >> 8 * b));
  Bytes file = write(large);
  OpenedPlan opened(file);
  ASSERT_TRUE(opened.plan) << opened.status.message;
  for (uint32_t threads : {1u, 5u}) {
    yupana_context_options_t options = {};
    options.threads = threads;
    options.digests = YUPANA_DIGEST_OFF;
    yupana_status_t status = {};
    ContextOwner c = create(opened, options, &status);
    ASSERT_TRUE(c) << status.message;
    expect_steps(c, make_tokens(30, 1), make_tokens(30, 2));
    // Whoever compares digests afterwards reads what lies on the GPU.
    uint64_t read = opened.source.bytes_read;
    options.digests = YUPANA_DIGEST_ALWAYS;
    ContextOwner compared = create(opened, options, &status);
    ASSERT_TRUE(compared) << status.message;
    EXPECT_LT(opened.source.bytes_read - read, uint64_t{1} << 20);
  }
  // In the third chunk.
  file[entry_of(file, kWeights).offset + (uint64_t{35} << 20)] ^= 1;
  yupana_status_t status = {};
  EXPECT_FALSE(create(opened, {}, &status));
  EXPECT_EQ(status.code, YUPANA_STATUS_DIGEST_MISMATCH);
  EXPECT_NE(strstr(status.message, "chunk 2"), nullptr) << status.message;
  opened.source.unreadable_begin = entry_of(file, kWeights).offset + (uint64_t{20} << 20);
  opened.source.unreadable_end = opened.source.unreadable_begin + 1;
  EXPECT_FALSE(create(opened, {}, &status));
  EXPECT_EQ(status.code, YUPANA_STATUS_UNREADABLE) << status.message;
}

TEST_F(CudaTest, LoadingCanBeCancelled) {
  Bytes bytes = write(spec());
  OpenedPlan opened(bytes);
  yupana_progress_t progress = {sizeof(progress), nullptr, [](void *, uint64_t, uint64_t) { return 1; }};
  yupana_context_options_t options = {};
  options.progress = &progress;
  yupana_status_t status = {};
  EXPECT_FALSE(create(opened, options, &status));
  EXPECT_EQ(status.code, YUPANA_STATUS_CANCELLED);
}

TEST_F(CudaTest, MissingWeightsAreFilledAndMappingIsRefused) {
  PlanSpec stripped = spec();
  strip(stripped);
  // Without the two sections of weights the text of PTX has another number.
  for (auto &kernel : stripped.plan.targets[0]->kernels)
    kernel->images.pop_back();
  Bytes bytes = write(stripped);
  OpenedPlan opened(bytes);
  ASSERT_TRUE(opened.plan) << opened.status.message;
  yupana_filler_t filler = {sizeof(filler), nullptr,
                            [](void *, uint32_t, void *dst, uint64_t bytes) {
                              for (uint32_t i = 0; i < bytes / 4; ++i)
                                static_cast<float *>(dst)[i] = static_cast<float>(i + 1);
                              return 1;
                            },
                            nullptr};
  yupana_context_options_t options = {};
  options.filler = &filler;
  yupana_status_t status = {};
  {
    ContextOwner c = create(opened, options, &status);
    ASSERT_TRUE(c) << status.message;
    expect_steps(c, make_tokens(30, 1), make_tokens(30, 2));
  }
  filler.fill = [](void *, uint32_t, void *, uint64_t) { return 0; };
  EXPECT_FALSE(create(opened, options, &status));
  EXPECT_EQ(status.code, YUPANA_STATUS_UNREADABLE);

  Bytes whole_bytes = write(spec());
  OpenedPlan whole(whole_bytes);
  options = {};
  options.map_weights = 1;
  EXPECT_FALSE(create(whole, options, &status));
  EXPECT_EQ(status.code, YUPANA_STATUS_INVALID_ARGUMENT) << status.message;
}

// What repeats is made once and copied on the GPU: three floats, again and again, the last time in part.
TEST_F(CudaTest, WeightsThatRepeatAreCopied) {
  PlanSpec stripped = spec();
  strip(stripped);
  for (auto &kernel : stripped.plan.targets[0]->kernels)
    kernel->images.pop_back();
  Bytes bytes = write(stripped);
  OpenedPlan opened(bytes);
  ASSERT_TRUE(opened.plan) << opened.status.message;
  struct Made {
    uint64_t period, most = 0;
  };
  auto run = [&](uint64_t period) {
    Made made = {period};
    yupana_filler_t filler = {sizeof(filler), &made,
                              [](void *user, uint32_t, void *dst, uint64_t bytes) {
                                auto &made = *static_cast<Made *>(user);
                                made.most = bytes > made.most ? bytes : made.most;
                                for (uint32_t i = 0; i < bytes / 4; ++i)
                                  static_cast<float *>(dst)[i] = static_cast<float>(i % 3 + 1);
                                return 1;
                              },
                              [](void *user, uint32_t) { return static_cast<Made *>(user)->period; }};
    yupana_context_options_t options = {};
    options.filler = &filler;
    yupana_status_t status = {};
    ContextOwner c = create(opened, options, &status);
    EXPECT_TRUE(c) << status.message;
    if (!c)
      return std::vector<float>();
    EXPECT_EQ(made.most, period ? period : TEST_VOCAB * sizeof(float));
    Tokens tokens = make_tokens(5);
    return Step(c.get(), {span(sequence(c), tokens)}).logits;
  };
  std::vector<float> whole = run(0);
  EXPECT_FALSE(whole.empty());
  EXPECT_EQ(run(12), whole);
}

// A row that a token cannot be chosen from: the step is done, its logits are there, and the status says so.
TEST_F(CudaTest, RowsThatAreNotFiniteHaveAStatus) {
  Bytes bytes = write(spec());
  OpenedPlan opened(bytes);
  ContextOwner c = create(opened);
  ASSERT_TRUE(c);
  yupana_sequence_t s = sequence(c);
  Tokens tokens = make_tokens(2);
  yupana_span_t sampling = span(s, tokens);
  sampling.sample = 1;
  sampling.seed = TEST_NOT_FINITE_SEED;
  yupana_batch_t batch = {sizeof(batch), &sampling, 1, 0};
  auto result = sized<yupana_step_result_t>();
  yupana_status_t status = {};
  EXPECT_EQ(yupana_context_step(c.get(), &batch, &result, &status), YUPANA_STATUS_NOT_FINITE);
  EXPECT_NE(strstr(status.message, "row 1"), nullptr) << status.message;
  ASSERT_EQ(result.rows, 2u);
  ASSERT_NE(result.logits, nullptr);
  EXPECT_EQ(std::vector<float>(result.logits, result.logits + 2 * TEST_VOCAB), expected_range(tokens, 0, 2));
  EXPECT_EQ(result.sampled[1], YUPANA_NO_TOKEN);
  uint32_t length = 0;
  yupana_sequence_length(c.get(), s, &length);
  EXPECT_EQ(length, 2u);
  sampling.sample = 0;
  EXPECT_EQ(yupana_context_step(c.get(), &batch, &result, &status), YUPANA_STATUS_OK) << "nobody asked for a token";
}

/// Steps that run ahead, one of which may fail. True if one did: then all that were in flight are taken back, and the
/// context is dead.
bool fails_ahead(yupana_context_t *context) {
  Ahead ahead(context, 2);
  ahead.add(3);
  ahead.add(2);
  yupana_status_code_t code = YUPANA_STATUS_OK;
  for (const std::vector<uint32_t> &order : {std::vector<uint32_t>{0, 1}, {0, 1}, {0, 1}, {1, 0}})
    if (!code)
      code = ahead.step(order);
  if (!code)
    code = ahead.wait_for_all();
  if (!code)
    return false;
  EXPECT_EQ(code, YUPANA_STATUS_INTERNAL) << ahead.status.message;
  auto result = sized<yupana_step_result_t>();
  yupana_status_t status = {};
  yupana_context_wait(context, &result, &status);
  EXPECT_EQ(yupana_context_wait(context, &result, &status), YUPANA_STATUS_INVALID_ARGUMENT) << "none is in flight";
  for (uint32_t i = 0; i < 2; ++i) {
    uint32_t length = 0;
    yupana_sequence_length(context, ahead.sequence(i), &length);
    EXPECT_EQ(length, ahead.held(i));
  }
  return true;
}

/// Creates a context and does some steps while call `fail_at` of the driver fails. False when no call was made to fail.
bool run_with_failure(const OpenedPlan &opened, int64_t fail_at, int fail_with, bool stays, int *unnoticed_pushes) {
  FakeDriver &driver = fake_driver();
  driver = FakeDriver{};
  driver.fail_at = fail_at;
  driver.fail_with = fail_with;
  driver.stays_failed = stays;
  yupana_device_t device = on_gpu();
  yupana_context_options_t options = {};
  options.device = &device;
  options.threads = 1; // so that call numbers mean the same in every run
  yupana_status_t status = {};
  bool refused = false;
  int64_t closing = INT64_MAX; // the first call that only closes
  {
    ContextOwner c = make_context(opened.plan.get(), options, &status);
    std::string where = "call " + std::to_string(fail_at) + ", " + driver.failed + ": " + status.message;
    if (!c) {
      refused = true;
      EXPECT_FALSE(driver.failed.empty()) << where;
      bool memory = fail_with == 2 && status.code == YUPANA_STATUS_OUT_OF_MEMORY;
      EXPECT_TRUE(memory || status.code == YUPANA_STATUS_INTERNAL || status.code == YUPANA_STATUS_INCOMPATIBLE)
          << where;
      EXPECT_NE(status.message[0], '\0') << where;
    } else {
      yupana_sequence_t s = 0;
      EXPECT_EQ(yupana_sequence_create(c.get(), 0, &s, nullptr), YUPANA_STATUS_OK);
      Tokens tokens = make_tokens(9);
      uint32_t done = 0;
      while (done < 9) {
        yupana_span_t part = span(s, tokens);
        part.tokens = tokens.data() + done;
        part.token_count = 3;
        part.sample = 1;
        Step step(c.get(), {part});
        if (step.code) {
          EXPECT_FALSE(driver.failed.empty());
          EXPECT_EQ(step.code, YUPANA_STATUS_INTERNAL) << step.status.message;
          uint32_t length = 0;
          yupana_sequence_length(c.get(), s, &length);
          EXPECT_EQ(length, done) << "a step that fails leaves a sequence as it was";
          // The context is dead, and says so in the same words, even where the driver would go on.
          Step again(c.get(), {part});
          EXPECT_EQ(again.code, YUPANA_STATUS_INTERNAL);
          EXPECT_STREQ(again.status.message, step.status.message);
          refused = true;
          break;
        }
        EXPECT_EQ(step.logits, expected_range(tokens, done, done + 3)) << "call " << fail_at << " " << driver.failed;
        done += 3;
      }
      if (!refused && fails_ahead(c.get())) {
        EXPECT_FALSE(driver.failed.empty());
        refused = true;
      }
      closing = driver.calls;
    }
  }
  EXPECT_EQ(driver.alive(), 0) << "call " << fail_at << ", " << driver.failed << ": contexts " << driver.contexts
                               << ", blocks " << driver.blocks << ", pinned " << driver.pinned << ", streams "
                               << driver.streams << ", events " << driver.events << ", libraries " << driver.libraries
                               << ", graphs " << driver.graphs;
  EXPECT_EQ(driver.misuse, "") << "call " << fail_at << ", " << driver.failed;
  // What only gives back or tells may fail without harm.
  bool harmless = driver.failed == "cuGraphDestroy" || driver.failed == "cuCtxPopCurrent" ||
                  driver.failed == "cuMemFreeHost" || driver.failed == "cuEventDestroy";
  // The one before the windows of a finished load are given back.
  if (fail_at < closing && !driver.failed.empty() && !refused && driver.failed == "cuCtxPushCurrent")
    harmless = ++*unnoticed_pushes == 1;
  if (fail_at < closing && !driver.failed.empty() && !harmless) {
    EXPECT_TRUE(refused) << "call " << fail_at << ", " << driver.failed << ", was not noticed";
  }
  return !driver.failed.empty();
}

TEST_F(CudaTest, EveryCallOfTheDriverMayFail) {
  Bytes bytes = write(spec());
  OpenedPlan opened(bytes);
  // A kernel's fault, no memory, and what nobody knows; once each, and for good.
  for (int fail_with : {719, 2, 999})
    for (bool stays : {false, true}) {
      int64_t i = 0;
      int unnoticed_pushes = 0;
      while (run_with_failure(opened, i, fail_with, stays, &unnoticed_pushes) && !HasFailure())
        ++i;
      EXPECT_GT(i, 100);
    }
  fake_driver() = FakeDriver{};
}

TEST_F(CudaTest, EveryAllocationMayFail) {
  Bytes bytes = write(spec());
  int64_t total = 1;
  for (int64_t i = -1; i < total; ++i) {
    CountingAllocator allocator;
    allocator.fail_at = i;
    {
      OpenedPlan opened(bytes, &allocator.table);
      if (!opened.plan) {
        EXPECT_EQ(opened.code, YUPANA_STATUS_OUT_OF_MEMORY);
      } else {
        yupana_status_t status = {};
        ContextOwner c = create(opened, {}, &status, 0, &allocator.table);
        if (i < 0) {
          ASSERT_TRUE(c) << status.message;
          total = allocator.count;
        } else {
          EXPECT_FALSE(c);
          EXPECT_EQ(status.code, YUPANA_STATUS_OUT_OF_MEMORY) << i << ": " << status.message;
        }
      }
    }
    EXPECT_EQ(allocator.alive, 0) << i;
    EXPECT_EQ(fake_driver().alive(), 0) << i;
  }
  EXPECT_GT(total, 20);
}

/// A context is refused with `code` and a sentence that holds `part`.
void expect_refused(const OpenedPlan &opened, yupana_status_code_t code, const char *part, uint32_t ordinal = 0,
                    const char *driver = kDriver) {
  yupana_device_t device = on_gpu(ordinal, driver);
  yupana_context_options_t options = {};
  options.device = &device;
  yupana_status_t status = {};
  EXPECT_FALSE(make_context(opened.plan.get(), options, &status));
  EXPECT_EQ(status.code, static_cast<uint32_t>(code)) << status.message;
  EXPECT_NE(strstr(status.message, part), nullptr) << status.message;
}

TEST_F(CudaTest, WhatTheMachineLacksIsSaid) {
  Bytes bytes = write(spec());
  OpenedPlan opened(bytes);
  constexpr yupana_status_code_t kIncompatible = YUPANA_STATUS_INCOMPATIBLE;
  FakeDriver &driver = fake_driver();
  expect_refused(opened, kIncompatible, "cannot be loaded", 0, "no-such-driver.so");
  expect_refused(opened, kIncompatible, "is no CUDA driver", 0, "libm.so.6");
  driver.version = 11080;
  expect_refused(opened, kIncompatible, "version 11.8; expected at least 12.0");
  driver.version = 13000;
  driver.missing = "cuLibraryLoadData";
  expect_refused(opened, kIncompatible, "no function cuLibraryLoadData");
  driver.missing.clear();
  driver.init_result = 100;
  expect_refused(opened, kIncompatible, "finds no GPU");
  driver.init_result = 803;
  expect_refused(opened, kIncompatible, "does not start");
  driver.init_result = 0;
  expect_refused(opened, kIncompatible, "no GPU 7; the CUDA driver finds 2", 7);
  expect_refused(opened, YUPANA_STATUS_INVALID_ARGUMENT, "there is no device 16", 16);
  expect_refused(opened, kIncompatible, "does not run on GPU 1, Fake GPU of compute capability 8.0", 1);
  driver.memory = 1000;
  expect_refused(opened, YUPANA_STATUS_OUT_OF_MEMORY, "no memory on GPU 0 for activations");
  driver.memory = FakeDriver{}.memory;
  driver.max_threads = 32;
  expect_refused(opened, kIncompatible, "64 threads a block; GPU 0 runs it with 1 to 32");
  driver.max_threads = 1024;
  driver.max_shared = 1024;
  expect_refused(opened, kIncompatible, "needs 1536 bytes of shared memory a block; GPU 0 has 1024");
}

TEST_F(CudaTest, CubinsComeFirstAndPtxIsTakenWhereTheyAreRefused) {
  Bytes bytes = write(spec());
  OpenedPlan opened(bytes);
  fake_driver().takes_cubins = false;
  yupana_status_t status = {};
  {
    ContextOwner c = create(opened, {}, &status);
    ASSERT_TRUE(c) << status.message;
    expect_steps(c, make_tokens(30, 1), make_tokens(30, 2));
  }
  fake_driver().takes_ptx = false;
  expect_refused(opened, YUPANA_STATUS_INCOMPATIBLE, "does not take the plan's PTX");

  PlanSpec broken = spec();
  broken.sections.back().bytes = {'x'};
  fake_driver() = FakeDriver{};
  fake_driver().takes_cubins = false;
  Bytes invalid_bytes = write(broken);
  OpenedPlan invalid(invalid_bytes);
  expect_refused(invalid, YUPANA_STATUS_INVALID_DATA, "no valid PTX in a section of code");
  expect_refused(invalid, YUPANA_STATUS_INVALID_DATA, ": line 1: no PTX");
  broken = spec();
  broken.plan.targets[0]->kernels[2]->symbol = "nowhere";
  Bytes nameless_bytes = write(broken);
  OpenedPlan nameless(nameless_bytes);
  expect_refused(nameless, YUPANA_STATUS_INVALID_DATA, "no function 'nowhere'");
}

TEST_F(CudaTest, TheBestTargetIsChosen) {
  PlanSpec several = spec();
  auto add = [&](const char *name, bool cubin, bool ptx) {
    PlanSpec copy = spec();
    copy.plan.targets[0]->name = name;
    for (auto &kernel : copy.plan.targets[0]->kernels) {
      if (!ptx)
        kernel->images.pop_back();
      if (!cubin)
        kernel->images.erase(kernel->images.begin());
    }
    several.plan.targets.push_back(std::move(copy.plan.targets[0]));
  };
  add("sm_80", true, true);
  add("sm_89", true, false);
  add("sm_100a", true, true);
  Bytes bytes = write(several);
  OpenedPlan opened(bytes);
  ASSERT_TRUE(opened.plan) << opened.status.message;
  struct {
    int capability;
    int64_t best;
    const char *native;
  } cases[] = {{90, 0, "sm_90a"},   {89, 2, "sm_89"}, {86, 1, "sm_80"}, {80, 1, "sm_80"},
               {100, 3, "sm_100a"}, {103, 1, ""},     {75, -1, ""},     {120, 1, "sm_120a"}};
  for (const auto &c : cases) {
    fake_driver().capability[0] = c.capability;
    yupana_device_t device = on_gpu();
    uint32_t index = 99;
    yupana_status_code_t code = yupana_plan_best_target(opened.plan.get(), &device, &index, nullptr);
    EXPECT_EQ(code ? -1 : int64_t{index}, c.best) << c.capability;
    EXPECT_STREQ(yupana_native_target(&device), c.native) << c.capability;
  }
  fake_driver().capability[0] = 90;
  yupana_device_t device = on_gpu();
  yupana_fit_t fit;
  ASSERT_EQ(yupana_plan_compatible(opened.plan.get(), 1, &device, &fit, nullptr), YUPANA_STATUS_OK);
  EXPECT_EQ(fit, YUPANA_FIT_BY_PTX);
  ASSERT_EQ(yupana_plan_compatible(opened.plan.get(), 0, &device, &fit, nullptr), YUPANA_STATUS_OK);
  EXPECT_EQ(fit, YUPANA_FIT_EXACT);
  yupana_status_t status;
  EXPECT_EQ(yupana_plan_compatible(opened.plan.get(), 2, &device, &fit, &status), YUPANA_STATUS_INCOMPATIBLE);
  EXPECT_NE(strstr(status.message, "has cubins and no PTX"), nullptr) << status.message;
  device.kind = YUPANA_DEVICE_CPU;
  EXPECT_EQ(yupana_plan_compatible(opened.plan.get(), 1, &device, &fit, &status), YUPANA_STATUS_INCOMPATIBLE);
  device.kind = 3;
  EXPECT_EQ(yupana_plan_compatible(opened.plan.get(), 1, &device, &fit, &status), YUPANA_STATUS_INVALID_ARGUMENT);
}

// A plan for both runs on a GPU where there is one, and on the processor where that is asked for or nothing else there.
TEST_F(CudaTest, AnyDeviceIsTheGpuWhereThereIsOne) {
  PlanSpec both = spec();
  PlanSpec host = test_plan();
  auto number = static_cast<uint32_t>(both.sections.size() + 1);
  both.sections.push_back({schema::SectionKind::host_code, schema::kSectionRequired, read_code("kernels")});
  for (auto &kernel : host.plan.targets[0]->kernels)
    kernel->images = {{number, 0, 0, 0, schema::ImageFormat::elf_x86_64}};
  both.plan.targets.push_back(std::move(host.plan.targets[0]));
  Bytes bytes = write(both);
  OpenedPlan opened(bytes);
  ASSERT_TRUE(opened.plan) << opened.status.message;
  if (yupana_plan_compatible(opened.plan.get(), 1, nullptr, nullptr, nullptr))
    GTEST_SKIP() << "this machine is below x86-64-v3";
  yupana_device_t device = {sizeof(device), YUPANA_DEVICE_ANY, 0, kDriver};
  uint32_t index = 99;
  ASSERT_EQ(yupana_plan_best_target(opened.plan.get(), &device, &index, nullptr), YUPANA_STATUS_OK);
  EXPECT_EQ(index, 0u);
  device.kind = YUPANA_DEVICE_CPU;
  ASSERT_EQ(yupana_plan_best_target(opened.plan.get(), &device, &index, nullptr), YUPANA_STATUS_OK);
  EXPECT_EQ(index, 1u);
  device = {sizeof(device), YUPANA_DEVICE_ANY, 0, "no-such-driver.so"};
  ASSERT_EQ(yupana_plan_best_target(opened.plan.get(), &device, &index, nullptr), YUPANA_STATUS_OK);
  EXPECT_EQ(index, 1u);
  // Contexts of both kinds live side by side, each with its weights.
  ContextOwner gpu = create(opened), cpu = create_on_processor(opened);
  ASSERT_TRUE(gpu && cpu);
  expect_steps(gpu, make_tokens(30, 1), make_tokens(30, 2));
  expect_steps(cpu, make_tokens(30, 1), make_tokens(30, 2));
}

// The driver's rule, written out.
using schema::gpu_architecture;
using schema::gpu_fit;
using schema::GpuFit;
static_assert(gpu_architecture("sm_90a").capability == 90 && gpu_architecture("sm_90a").only);
static_assert(gpu_architecture("sm_120").capability == 120 && !gpu_architecture("sm_120").only);
static_assert(!gpu_architecture("sm_").capability && !gpu_architecture("sm_90b").capability);
static_assert(!gpu_architecture("sm_90ab").capability && !gpu_architecture("x86-64-v3").capability);
static_assert(!gpu_architecture("sm_99999").capability && !gpu_architecture("sm_9").capability);
constexpr GpuFit fit(const char *name, uint32_t capability, bool cubin, bool ptx) {
  return gpu_fit(gpu_architecture(name), capability, cubin, ptx);
}
static_assert(fit("sm_80", 80, true, true) == GpuFit::exact && fit("sm_80", 86, true, true) == GpuFit::fits);
static_assert(fit("sm_89", 86, true, true) == GpuFit::none && fit("sm_80", 90, true, true) == GpuFit::by_ptx);
static_assert(fit("sm_80", 90, true, false) == GpuFit::none && fit("sm_80", 80, false, true) == GpuFit::by_ptx);
static_assert(fit("sm_90a", 90, true, false) == GpuFit::exact && fit("sm_90a", 90, false, true) == GpuFit::by_ptx);
static_assert(fit("sm_90a", 100, true, true) == GpuFit::none && fit("sm_100a", 103, true, true) == GpuFit::none);

} // namespace
} // namespace yupana::test
