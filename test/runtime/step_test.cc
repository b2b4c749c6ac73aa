// SPDX-License-Identifier: Apache-2.0

#include "test/runtime/ahead_support.h"

#include <cmath>
#include <functional>
#include <string>

namespace yupana::test {
namespace {

TEST_F(StepTest, PromptAtOnceOnOneTwoAndThreeThreads) {
  Tokens tokens = make_tokens(20);
  for (uint32_t threads : {1u, 2u, 3u}) {
    ContextOwner c = context(with_threads(threads));
    Step step(c.get(), {span(sequence(c), tokens)});
    ASSERT_EQ(step.code, YUPANA_STATUS_OK) << step.status.message;
    EXPECT_EQ(step.logits, expected_range(tokens, 0, 20)) << threads;
  }
}

TEST_F(StepTest, EveryCutOfAPromptGivesTheSameLogits) {
  Tokens tokens = make_tokens(37);
  for (uint32_t piece : {1u, 2u, 3u, 5u, 7u, 11u, 24u}) {
    ContextOwner c = context(with_threads(2));
    yupana_sequence_t s = sequence(c);
    for (uint32_t at = 0; at < tokens.size(); at += piece) {
      uint32_t end = std::min<uint32_t>(at + piece, static_cast<uint32_t>(tokens.size()));
      Step step(c.get(), {span(s, slice(tokens, at, end))});
      ASSERT_EQ(step.code, YUPANA_STATUS_OK) << step.status.message;
      ASSERT_EQ(step.logits, expected_range(tokens, at, end)) << piece << " at " << at;
    }
    EXPECT_EQ(length(c, s), 37u);
  }
}

TEST_F(StepTest, RaggedBatchesMixPrefillAndDecode) {
  yupana_context_options_t options = with_threads(3);
  options.kv_bytes = yupana_plan_kv_bytes(opened_.plan.get(), 160, 4);
  ContextOwner c = context(options);
  Tokens a = make_tokens(30, 1), b = make_tokens(18, 2), d = make_tokens(9, 3);
  yupana_sequence_t sa = sequence(c), sb = sequence(c), sd = sequence(c);
  Step first(c.get(), {span(sa, slice(a, 0, 10)), span(sb, slice(b, 0, 3))});
  ASSERT_EQ(first.code, YUPANA_STATUS_OK) << first.status.message;
  // b decodes one token while a goes on and d begins, in another order than before.
  Step second(c.get(), {span(sd, slice(d, 0, 8)), span(sb, slice(b, 3, 4)), span(sa, slice(a, 10, 23))});
  ASSERT_EQ(second.code, YUPANA_STATUS_OK) << second.status.message;
  std::vector<float> expected = expected_range(d, 0, 8);
  for (const auto &part : {expected_range(b, 3, 4), expected_range(a, 10, 23)})
    expected.insert(expected.end(), part.begin(), part.end());
  EXPECT_EQ(second.logits, expected);
}

TEST_F(StepTest, GivesTheRowsAskedFor) {
  ContextOwner c = context();
  Tokens tokens = make_tokens(12);
  yupana_sequence_t s = sequence(c), other = sequence(c);
  Step none(c.get(), {span(s, slice(tokens, 0, 4), YUPANA_ROWS_NONE)});
  EXPECT_EQ(none.code, YUPANA_STATUS_OK);
  EXPECT_EQ(none.rows, 0u);
  Step last(c.get(), {span(s, slice(tokens, 4, 7), YUPANA_ROWS_LAST)});
  EXPECT_EQ(last.logits, expected_logits(tokens, 6));
  uint32_t rows[] = {0, 3};
  Tokens rest = slice(tokens, 7, 12);
  yupana_span_t list = span(s, rest, YUPANA_ROWS_LIST);
  list.row_list = rows;
  list.row_count = 2;
  Tokens single = {5};
  Step mixed(c.get(), {span(other, single, YUPANA_ROWS_LAST), list});
  ASSERT_EQ(mixed.code, YUPANA_STATUS_OK) << mixed.status.message;
  std::vector<float> expected = expected_logits(single, 0);
  for (uint32_t position : {7u, 10u}) {
    std::vector<float> row = expected_logits(tokens, position);
    expected.insert(expected.end(), row.begin(), row.end());
  }
  EXPECT_EQ(mixed.logits, expected);
}

// The sampling program gets temperature, seed, the caller's number and the position the new token will take.
TEST_F(StepTest, SamplesWhereAsked) {
  ContextOwner c = context(with_threads(2));
  yupana_sequence_t s = sequence(c, 1000), greedy = sequence(c), silent = sequence(c);
  Tokens tokens = make_tokens(3);
  yupana_span_t spans[] = {span(s, tokens), span(greedy, tokens, YUPANA_ROWS_LAST),
                           span(silent, tokens, YUPANA_ROWS_LAST)};
  spans[0].sample = spans[1].sample = 1;
  spans[0].temperature = 0.5f;
  spans[0].seed = 77;
  Step step(c.get(), {spans[0], spans[1], spans[2]});
  ASSERT_EQ(step.code, YUPANA_STATUS_OK) << step.status.message;
  EXPECT_EQ(step.sampled, (Tokens{(1077 + 1) % TEST_VOCAB, (1077 + 2) % TEST_VOCAB, (1077 + 3) % TEST_VOCAB,
                                  TEST_VOCAB - 1, YUPANA_NO_TOKEN}));
  Step without(c.get(), {span(s, {1})});
  EXPECT_TRUE(without.sampled.empty());
}

// A row that no token can be chosen from: the step is done, its logits are there, and the status says so.
TEST_F(StepTest, RowsThatAreNotFiniteHaveAStatus) {
  ContextOwner c = context();
  yupana_sequence_t s = sequence(c);
  Tokens tokens = make_tokens(2);
  yupana_span_t sampling = span(s, tokens);
  sampling.sample = 1;
  sampling.seed = TEST_NOT_FINITE_SEED;
  yupana_batch_t batch = {sizeof(batch), &sampling, 1, 0};
  auto result = sized<yupana_step_result_t>();
  yupana_status_t status = {};
  EXPECT_EQ(yupana_context_step(c.get(), &batch, &result, &status), YUPANA_STATUS_NOT_FINITE);
  EXPECT_EQ(status.code, static_cast<uint32_t>(YUPANA_STATUS_NOT_FINITE));
  EXPECT_NE(strstr(status.message, "is not finite"), nullptr) << status.message;
  EXPECT_EQ(std::vector<float>(result.logits, result.logits + 2 * TEST_VOCAB), expected_range(tokens, 0, 2));
  EXPECT_EQ(Tokens(result.sampled, result.sampled + 2), (Tokens{YUPANA_NO_TOKEN, YUPANA_NO_TOKEN}));
  EXPECT_EQ(length(c, s), 2u);
  sampling.sample = 0;
  EXPECT_EQ(yupana_context_step(c.get(), &batch, &result, &status), YUPANA_STATUS_OK) << "nobody asked for a token";
  EXPECT_EQ(yupana_status_exit_code(YUPANA_STATUS_NOT_FINITE), 4);
}

// Parameters reach the rows of their span; 0 is off, whichever way the kernels say that.
TEST_F(StepTest, RowsHaveTheParametersOfTheirSpan) {
  ContextOwner c = context();
  Tokens tokens = make_tokens(2);
  yupana_span_t narrow = span(sequence(c), tokens), plain = span(sequence(c), tokens, YUPANA_ROWS_LAST), off = plain;
  narrow.sample = plain.sample = off.sample = 1;
  narrow.temperature = plain.temperature = off.temperature = 1;
  narrow.top_k = 3;
  narrow.top_p = 0.75f;
  narrow.min_p = 0.5f;
  off.sequence = sequence(c);
  off.top_p = off.repetition_penalty = 1;
  Step step(c.get(), {plain, narrow, off});
  ASSERT_EQ(step.code, YUPANA_STATUS_OK) << step.status.message;
  EXPECT_EQ(step.sampled, (Tokens{2, 420301, 420302, 2}));
  // What nobody samples is not worked on.
  narrow.sample = 0;
  narrow.repetition_penalty = 2;
  Step silent(c.get(), {narrow});
  EXPECT_EQ(silent.code, YUPANA_STATUS_OK) << silent.status.message;
}

/// What the test model samples after these tokens, with a penalty.
uint32_t told_history(const Tokens &tokens, size_t count) {
  uint32_t told = 0;
  for (uint32_t p = 0; p < count; ++p)
    told += (p + 1) * (tokens[p] + 1);
  return told;
}

// Every row sees the tokens up to its own: across cuts, beside others, after truncating, and in a slot used before.
TEST_F(StepTest, HistoryIsThatOfTheSequence) {
  for (uint32_t threads : {1u, 2u, 3u}) {
    ContextOwner c = context(with_threads(threads));
    Tokens a = make_tokens(20, 1), b = make_tokens(12, 2);
    auto ask = [](yupana_sequence_t sequence, const Tokens &tokens) {
      yupana_span_t out = span(sequence, tokens);
      out.sample = 1;
      out.repetition_penalty = 1.5f;
      return out;
    };
    auto expect = [](const Step &step, uint32_t row, const Tokens &tokens, uint32_t begin, uint32_t end) {
      ASSERT_EQ(step.code, YUPANA_STATUS_OK) << step.status.message;
      for (uint32_t p = begin; p < end; ++p)
        EXPECT_EQ(step.sampled[row + p - begin], told_history(tokens, p + 1)) << p;
    };
    yupana_sequence_t sa = sequence(c), sb = sequence(c);
    expect(Step(c.get(), {ask(sa, slice(a, 0, 3))}), 0, a, 0, 3);
    Tokens a1 = slice(a, 3, 11), b1 = slice(b, 0, 7), a2 = slice(a, 11, 20), b2 = slice(b, 7, 12);
    Step both(c.get(), {ask(sb, b1), ask(sa, a1)});
    expect(both, 0, b, 0, 7);
    expect(both, 7, a, 3, 11);
    // The positions given up hold other tokens afterwards.
    ASSERT_EQ(yupana_sequence_truncate(c.get(), sa, 8, nullptr), YUPANA_STATUS_OK);
    Tokens changed = slice(a, 0, 8);
    changed.insert(changed.end(), a2.begin(), a2.end());
    Step after(c.get(), {ask(sa, a2), ask(sb, b2)});
    expect(after, 0, changed, 8, 17);
    expect(after, 9, b, 7, 12);
    // A new sequence has an old one's slot and none of its tokens.
    ASSERT_EQ(yupana_sequence_release(c.get(), sa, nullptr), YUPANA_STATUS_OK);
    expect(Step(c.get(), {ask(sequence(c), b1)}), 0, b, 0, 7);
  }
}

TEST_F(StepTest, HistoryTakesMemoryOnlyWhereItIsUsed) {
  PlanSpec spec = test_plan();
  schema::TargetT &target = *spec.plan.targets[0];
  for (auto &program : target.programs)
    for (auto &launch : program->launches)
      for (schema::Argument &argument : launch->arguments)
        if (argument.kind() == schema::ArgumentKind::history)
          argument = {schema::ArgumentKind::input, 0, 0};
  const Bytes bytes = write(spec);
  OpenedPlan opened(bytes);
  ASSERT_EQ(opened.code, YUPANA_STATUS_OK) << opened.status.message;
  ContextOwner with = context(), without = make_context(opened.plan.get());
  auto memory = sized<yupana_memory_info_t>(), less = memory;
  yupana_context_memory(with.get(), &memory);
  yupana_context_memory(without.get(), &less);
  EXPECT_GE(memory.inputs - less.inputs, TEST_MAX_BATCH * TEST_MAX_CONTEXT * 4u);
}

TEST_F(StepTest, SamplingNeedsAProgram) {
  PlanSpec spec = test_plan();
  spec.plan.targets[0]->programs.pop_back();
  for (auto &buffer : spec.plan.targets[0]->buffers) {
    buffer->first_launch = 0;
    buffer->last_launch = 11;
  }
  const Bytes bytes = write(spec);
  OpenedPlan opened(bytes);
  ASSERT_EQ(opened.code, YUPANA_STATUS_OK) << opened.status.message;
  ContextOwner c = make_context(opened.plan.get());
  yupana_sequence_t s = sequence(c);
  Tokens one = {1};
  yupana_span_t ask = span(s, one);
  ask.sample = 1;
  EXPECT_EQ(Step(c.get(), {ask}).code, YUPANA_STATUS_UNSUPPORTED);
  EXPECT_EQ(length(c, s), 0u);
}

TEST_F(StepTest, StepsMayRunAhead) {
  yupana_context_options_t options = with_threads(2);
  options.kv_bytes = yupana_plan_kv_bytes(opened_.plan.get(), 60, 4);
  ContextOwner c = context(options);
  expect_ahead(c.get());
}

// What was submitted beyond the end of a text is truncated away while it runs; the sequence goes on from there.
TEST_F(StepTest, SequencesAreCutWhileStepsAreInFlight) {
  ContextOwner c = context();
  Ahead ahead(c.get(), 2);
  ahead.add(4);
  for (int i = 0; i < 3; ++i)
    ASSERT_EQ(ahead.step({0}), YUPANA_STATUS_OK) << ahead.status.message;
  yupana_sequence_t s = ahead.sequence(0);
  EXPECT_EQ(length(c, s), 6u);
  ASSERT_EQ(yupana_sequence_truncate(c.get(), s, 4, nullptr), YUPANA_STATUS_OK);
  EXPECT_EQ(ahead.step({0}), YUPANA_STATUS_INVALID_ARGUMENT) << "the token that was drawn is cut off";
  ASSERT_EQ(ahead.wait_for_all(), YUPANA_STATUS_OK);
  Tokens tokens = make_tokens(4, 1);
  tokens.push_back(9);
  EXPECT_EQ(Step(c.get(), {span(s, {9})}).logits, expected_logits(tokens, 4));
}

// A token that could not be drawn ends no step and reaches no memory.
TEST_F(StepTest, WhatFollowsATokenThatWasNotDrawnRuns) {
  ContextOwner c = context();
  yupana_sequence_t s = sequence(c);
  Tokens tokens = make_tokens(2);
  yupana_span_t first = span(s, tokens, YUPANA_ROWS_LAST), next = first;
  first.sample = 1;
  first.seed = TEST_NOT_FINITE_SEED;
  next.token_from_previous = next.token_count = next.sample = 1;
  yupana_batch_t one = {sizeof(one), &first, 1, 1}, two = {sizeof(two), &next, 1, 1};
  ASSERT_EQ(yupana_context_submit(c.get(), &one, nullptr), YUPANA_STATUS_OK);
  ASSERT_EQ(yupana_context_submit(c.get(), &two, nullptr), YUPANA_STATUS_OK);
  auto result = sized<yupana_step_result_t>();
  EXPECT_EQ(yupana_context_wait(c.get(), &result, nullptr), YUPANA_STATUS_NOT_FINITE);
  EXPECT_EQ(yupana_context_wait(c.get(), &result, nullptr), YUPANA_STATUS_OK);
  EXPECT_EQ(length(c, s), 3u);
}

// Every rule of submitting and waiting, and what it leaves as it was.
TEST_F(StepTest, RulesOfStepsInFlight) {
  ContextOwner c = context();
  yupana_sequence_t s = sequence(c), other = sequence(c);
  Tokens tokens = make_tokens(1);
  yupana_status_t status = {};
  auto submit = [&](yupana_sequence_t sequence, uint32_t sample, uint32_t previous, uint32_t keep_logits = 1) {
    yupana_span_t one = span(sequence, tokens, YUPANA_ROWS_LAST);
    one.sample = sample;
    one.token_from_previous = previous;
    yupana_batch_t batch = {sizeof(batch), &one, 1, keep_logits};
    return yupana_context_submit(c.get(), &batch, &status);
  };
  auto expect_refused = [&](yupana_status_code_t code, const char *words) {
    EXPECT_EQ(code, YUPANA_STATUS_INVALID_ARGUMENT) << words;
    EXPECT_NE(strstr(status.message, words), nullptr) << status.message;
  };
  auto result = sized<yupana_step_result_t>();
  expect_refused(yupana_context_wait(c.get(), &result, &status), "no step is in flight");
  expect_refused(submit(s, 1, 1), "the step before, which drew none");
  expect_refused(submit(s, 1, 2), "token_from_previous 2");
  ASSERT_EQ(submit(s, 0, 0), YUPANA_STATUS_OK);
  expect_refused(submit(s, 1, 1), "the step before, which drew none");
  ASSERT_EQ(submit(s, 1, 0), YUPANA_STATUS_OK);
  ASSERT_EQ(submit(other, 1, 0), YUPANA_STATUS_OK);
  expect_refused(submit(s, 1, 1), "the step before, which drew none");
  yupana_span_t many = span(other, make_tokens(2), YUPANA_ROWS_LAST);
  many.token_from_previous = 1;
  yupana_batch_t batch = {sizeof(batch), &many, 1, 1};
  expect_refused(yupana_context_submit(c.get(), &batch, &status), "2 tokens of the step before");
  expect_refused(yupana_context_step(c.get(), &batch, &result, &status), "wait for them first");
  ASSERT_EQ(submit(other, 1, 1, /*keep_logits=*/0), YUPANA_STATUS_OK);
  expect_refused(submit(other, 1, 1), "4 steps are in flight");
  ASSERT_EQ(yupana_context_wait(c.get(), &result, nullptr), YUPANA_STATUS_OK);
  expect_refused(submit(other, 1, 1), "gives logits: wait for it first");
  result.size = 8;
  expect_refused(yupana_context_wait(c.get(), &result, &status), "its size");
  result.size = sizeof(result);
  for (int i = 0; i < 3; ++i)
    ASSERT_EQ(yupana_context_wait(c.get(), &result, nullptr), YUPANA_STATUS_OK);
  EXPECT_NE(result.logits, nullptr);
  EXPECT_EQ(length(c, s), 2u);
  EXPECT_EQ(length(c, other), 2u);
}

struct Refused {
  const char *words;
  std::function<void(std::vector<yupana_span_t> &)> change;
};

// Every rule of a batch; what breaks one leaves the sequences as they were.
TEST_F(StepTest, RefusesWhatBreaksARule) {
  ContextOwner c = context();
  yupana_sequence_t s = sequence(c), other = sequence(c);
  Tokens tokens = make_tokens(10), many = make_tokens(25), bad = {1, TEST_VOCAB};
  uint32_t repeated[] = {1, 1}, outside[] = {10};
  ASSERT_EQ(Step(c.get(), {span(s, tokens)}).code, YUPANA_STATUS_OK);
  const Refused refusals[] = {
      {"is not alive", [&](auto &spans) { spans[0].sequence = 0; }},
      {"is not alive", [&](auto &spans) { spans[0].sequence = s + (uint64_t{1} << 32); }},
      {"an earlier span", [&](auto &spans) { spans.push_back(spans[0]); }},
      {"no tokens", [&](auto &spans) { spans[0].token_count = 0; }},
      {"no tokens", [&](auto &spans) { spans[0].tokens = nullptr; }},
      {"id 16", [&](auto &spans) { spans[0].tokens = bad.data(), spans[0].token_count = 2; }},
      {"adds 31 tokens to 10", [&](auto &spans) { spans[0].token_count = 31; }},
      {"25 tokens", [&](auto &spans) { spans[0] = span(other, many, YUPANA_ROWS_NONE); }},
      {"0 spans", [&](auto &spans) { spans.clear(); }},
      {"5 spans", [&](auto &spans) { spans.resize(5, spans[0]); }},
      {"rows of kind 4", [&](auto &spans) { spans[0].rows = 4; }},
      {"without a list", [&](auto &spans) { spans[0].rows = YUPANA_ROWS_LIST, spans[0].row_count = 1; }},
      {"ascending",
       [&](auto &spans) { spans[0].rows = YUPANA_ROWS_LIST, spans[0].row_count = 2, spans[0].row_list = repeated; }},
      {"lists row 10",
       [&](auto &spans) { spans[0].rows = YUPANA_ROWS_LIST, spans[0].row_count = 1, spans[0].row_list = outside; }},
      {"temperature", [&](auto &spans) { spans[0].temperature = -1; }},
      {"temperature", [&](auto &spans) { spans[0].temperature = NAN; }},
      {"temperature inf", [&](auto &spans) { spans[0].temperature = INFINITY; }},
      {"top_p 1.5; expected 0 to 1", [&](auto &spans) { spans[0].top_p = 1.5f; }},
      {"top_p -0.5", [&](auto &spans) { spans[0].top_p = -0.5f; }},
      {"top_p nan", [&](auto &spans) { spans[0].top_p = NAN; }},
      {"min_p 2; expected 0 to 1", [&](auto &spans) { spans[0].min_p = 2; }},
      {"repetition_penalty -1", [&](auto &spans) { spans[0].repetition_penalty = -1; }},
      {"repetition_penalty inf", [&](auto &spans) { spans[0].repetition_penalty = INFINITY; }},
      {"bytes", [&](auto &spans) { spans[0].size = 8; }},
  };
  uint32_t free_before = free_pages(c, 0);
  for (const Refused &refused : refusals) {
    std::vector<yupana_span_t> spans = {span(s, tokens)};
    refused.change(spans);
    Step step(c.get(), spans);
    EXPECT_EQ(step.code, YUPANA_STATUS_INVALID_ARGUMENT) << refused.words;
    EXPECT_NE(std::string(step.status.message).find(refused.words), std::string::npos) << step.status.message;
    EXPECT_EQ(length(c, s), 10u);
    EXPECT_EQ(free_pages(c, 0), free_before);
  }
  Step after(c.get(), {span(s, {3})});
  Tokens grown = tokens;
  grown.push_back(3);
  EXPECT_EQ(after.logits, expected_logits(grown, 10));
}

TEST_F(StepTest, RowsBeyondTheLimitAreRefused) {
  PlanSpec spec = test_plan();
  spec.plan.limits->max_logit_rows = 4;
  const Bytes bytes = write(spec);
  OpenedPlan opened(bytes);
  ContextOwner c = make_context(opened.plan.get());
  yupana_sequence_t s = sequence(c);
  EXPECT_EQ(Step(c.get(), {span(s, make_tokens(5))}).code, YUPANA_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(Step(c.get(), {span(s, make_tokens(5), YUPANA_ROWS_LAST)}).code, YUPANA_STATUS_OK);
}

// Spans of a caller compiled with a longer structure.
TEST_F(StepTest, LongerSpansAreWalkedByTheirSize) {
  struct Longer {
    yupana_span_t span;
    uint64_t later[3];
  };
  ContextOwner c = context();
  Tokens a = make_tokens(3, 1), b = make_tokens(4, 2);
  Longer spans[2] = {{span(sequence(c), a), {}}, {span(sequence(c), b), {}}};
  spans[0].span.size = spans[1].span.size = sizeof(Longer);
  yupana_batch_t batch = {sizeof(batch), &spans[0].span, 2, 0};
  yupana_step_result_t result = {};
  result.size = sizeof(result);
  ASSERT_EQ(yupana_context_step(c.get(), &batch, &result, nullptr), YUPANA_STATUS_OK);
  EXPECT_EQ(result.rows, 7u);
}

// Kernels see denormals as zero on every worker, and the caller's mode is as it was.
TEST_F(StepTest, FlushesDenormalsOnlyDuringSteps) {
  PlanSpec spec = test_plan();
  schema::TargetT &target = *spec.plan.targets[0];
  auto kernel = std::make_unique<schema::KernelT>();
  kernel->symbol = "test_denormal";
  kernel->arguments = 1;
  kernel->images = target.kernels[0]->images;
  target.kernels.push_back(std::move(kernel));
  for (int i = 0; i < 2; ++i) {
    auto launch = std::make_unique<schema::LaunchT>();
    launch->kernel = 6;
    launch->grid = {schema::GridTerm(schema::GridOp::constant, 1)};
    launch->arguments = {{schema::ArgumentKind::buffer, 3, 0}};
    target.programs[static_cast<size_t>(i)]->launches.push_back(std::move(launch));
  }
  for (auto &buffer : target.buffers)
    buffer->first_launch = 0, buffer->last_launch = 14;
  const Bytes bytes = write(spec);
  OpenedPlan opened(bytes);
  ASSERT_EQ(opened.code, YUPANA_STATUS_OK) << opened.status.message;
  for (uint32_t threads : {1u, 3u}) {
    ContextOwner c = make_context(opened.plan.get(), with_threads(threads));
    // No rows: the logits buffer keeps what is put there.
    yupana_sequence_t s = sequence(c);
    Tokens one = {1};
    yupana_span_t only = span(s, one);
    yupana_batch_t batch = {sizeof(batch), &only, 1, 0};
    yupana_step_result_t result = {};
    result.size = sizeof(result);
    ASSERT_EQ(yupana_context_step(c.get(), &batch, &result, nullptr), YUPANA_STATUS_OK);
    auto *values = const_cast<float *>(result.logits);
    values[0] = 1e-37f;
    values[1] = 5;
    only.rows = YUPANA_ROWS_NONE;
    ASSERT_EQ(yupana_context_step(c.get(), &batch, &result, nullptr), YUPANA_STATUS_OK);
    EXPECT_EQ(values[1], 0.0f);
    volatile float small = 1e-37f;
    EXPECT_GT(small * 1e-3f, 0.0f);
  }
}

TEST_F(StepTest, RepeatedRunsAreIdentical) {
  std::vector<float> first;
  for (int run = 0; run < 20; ++run) {
    ContextOwner c = context(with_threads(3));
    Step step(c.get(), {span(sequence(c), make_tokens(24))});
    if (run == 0)
      first = step.logits;
    ASSERT_EQ(step.logits, first);
  }
}

} // namespace
} // namespace yupana::test
