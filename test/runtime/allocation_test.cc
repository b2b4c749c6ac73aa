// SPDX-License-Identifier: Apache-2.0
//
// What happens when memory runs out, and that none is asked for once a context is prepared. The linker redirects the
// allocation functions of this program, those that the runtime and the C++ library call included, to the functions
// below.

#include "test/runtime/step_support.h"

#include <cstdio>

namespace {
thread_local bool forbidden = false;

void check_allowed(const char *function) {
  if (!forbidden)
    return;
  fputs(function, stderr);
  fputs(" was called while allocation is forbidden\n", stderr);
  abort();
}
} // namespace

extern "C" {
void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__real_realloc(void *, size_t);
int __real_posix_memalign(void **, size_t, size_t);
void *__real__Znwm(size_t);

void *__wrap_malloc(size_t bytes) {
  check_allowed("malloc");
  return __real_malloc(bytes);
}
void *__wrap_calloc(size_t count, size_t bytes) {
  check_allowed("calloc");
  return __real_calloc(count, bytes);
}
void *__wrap_realloc(void *memory, size_t bytes) {
  check_allowed("realloc");
  return __real_realloc(memory, bytes);
}
int __wrap_posix_memalign(void **out, size_t alignment, size_t bytes) {
  check_allowed("posix_memalign");
  return __real_posix_memalign(out, alignment, bytes);
}
void *__wrap__Znwm(size_t bytes) {
  check_allowed("operator new");
  return __real__Znwm(bytes);
}
}

namespace yupana::test {
namespace {

/// Opens the plan and prepares a context with an allocator that fails once; the codes of both.
std::pair<yupana_status_code_t, yupana_status_code_t> open_and_prepare(const Bytes &bytes, CountingAllocator &memory,
                                                                       yupana_status_t *status) {
  MemoryReader source(bytes);
  yupana_plan_t *plan = nullptr;
  yupana_status_code_t opened = yupana_plan_open(&source.reader, &memory.table, &plan, status);
  if (opened)
    return {opened, opened};
  yupana_context_options_t options = {};
  options.size = sizeof(options);
  options.threads = 2;
  yupana_context_t *context = nullptr;
  yupana_status_code_t prepared = yupana_context_create(plan, &options, &memory.table, &context, status);
  yupana_context_release(context);
  yupana_plan_release(plan);
  return {opened, prepared};
}

TEST_F(StepTest, EveryFailingAllocationIsClean) {
  int64_t failures = 0;
  for (;; ++failures) {
    CountingAllocator memory;
    memory.fail_at = failures;
    yupana_status_t status = {};
    auto [opened, prepared] = open_and_prepare(bytes_, memory, &status);
    EXPECT_EQ(memory.alive, 0) << "allocation " << failures << " leaked";
    EXPECT_EQ(memory.alive_bytes, 0);
    if (prepared == YUPANA_STATUS_OK) {
      EXPECT_LE(memory.count, failures) << "a failed allocation was passed over";
      break;
    }
    ASSERT_EQ(prepared, YUPANA_STATUS_OUT_OF_MEMORY) << failures << ": " << status.message;
    EXPECT_EQ(status.code, static_cast<uint32_t>(prepared));
    EXPECT_NE(status.message[0], '\0');
  }
  EXPECT_GT(failures, 25);
}

TEST_F(StepTest, VerifyCleansUpToo) {
  for (int64_t failure = 0;; ++failure) {
    CountingAllocator memory;
    MemoryReader source(bytes_);
    yupana_plan_t *plan = nullptr;
    ASSERT_EQ(yupana_plan_open(&source.reader, &memory.table, &plan, nullptr), YUPANA_STATUS_OK);
    memory.fail_at = memory.count + failure;
    yupana_verify_options_t options = {sizeof(options), 2, 0, nullptr};
    yupana_status_code_t code = yupana_plan_verify(plan, &options, nullptr);
    yupana_plan_release(plan);
    EXPECT_EQ(memory.alive, 0) << failure;
    if (code == YUPANA_STATUS_OK)
      break;
    ASSERT_EQ(code, YUPANA_STATUS_OUT_OF_MEMORY) << failure;
  }
}

// Steps, sequences, truncation, refusals: nothing asks the allocator or the C library for memory.
TEST_F(StepTest, NothingIsAllocatedAfterPrepare) {
  CountingAllocator memory;
  for (uint32_t threads : {1u, 3u}) {
    ContextOwner c = make_context(opened_.plan.get(), with_threads(threads), nullptr, &memory.table);
    ASSERT_NE(c, nullptr);
    Tokens tokens = make_tokens(20);
    int64_t before = memory.count;
    yupana_step_result_t result = {};
    result.size = sizeof(result);
    int wrong = 0;
    forbidden = true;
    memory.fail_at = memory.count;
    for (int round = 0; round < 50; ++round) {
      yupana_sequence_t s = 0;
      wrong += yupana_sequence_create(c.get(), 1, &s, nullptr) != YUPANA_STATUS_OK;
      yupana_span_t spans[] = {span(s, tokens)};
      spans[0].sample = 1;
      yupana_batch_t batch = {sizeof(batch), spans, 1, 0};
      wrong += yupana_context_step(c.get(), &batch, &result, nullptr) != YUPANA_STATUS_OK;
      wrong += yupana_sequence_truncate(c.get(), s, 13, nullptr) != YUPANA_STATUS_OK;
      spans[0].token_count = 7;
      wrong += yupana_context_step(c.get(), &batch, &result, nullptr) != YUPANA_STATUS_OK;
      spans[0].token_count = 21;
      yupana_status_t status;
      wrong += yupana_context_step(c.get(), &batch, &result, &status) != YUPANA_STATUS_INVALID_ARGUMENT;
      wrong += yupana_sequence_release(c.get(), s, nullptr) != YUPANA_STATUS_OK;
    }
    forbidden = false;
    memory.fail_at = -1;
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(memory.count, before);
  }
  EXPECT_EQ(memory.alive, 0);
}

// Memory handed out holds a pattern: results do not depend on it, so nothing is read before it is written.
TEST_F(StepTest, UninitialisedMemoryIsNotRead) {
  CountingAllocator memory;
  ContextOwner c = make_context(opened_.plan.get(), with_threads(2), nullptr, &memory.table);
  Tokens tokens = make_tokens(24);
  Step step(c.get(), {span(sequence(c), tokens)});
  EXPECT_EQ(step.logits, expected_range(tokens, 0, 24));
}

TEST_F(StepTest, IncompleteAllocatorIsRefused) {
  CountingAllocator memory;
  memory.table.free = nullptr;
  MemoryReader source(bytes_);
  yupana_plan_t *plan = nullptr;
  EXPECT_EQ(yupana_plan_open(&source.reader, &memory.table, &plan, nullptr), YUPANA_STATUS_INVALID_ARGUMENT);
}

} // namespace
} // namespace yupana::test
