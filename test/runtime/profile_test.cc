// SPDX-License-Identifier: Apache-2.0
//
// Profiling changes no result, tells of every launch that ran, and only while it is asked for.

#include "test/runtime/step_support.h"
#include "yupana/profile.h"

#include <map>

namespace yupana::test {
namespace {

/// Keeps what a profiler is told.
struct Told {
  std::vector<yupana_profile_event_t> events;
  std::vector<Tokens> positions; ///< Of each event.

  static void add(void *user, const yupana_profile_event_t *event) {
    auto *told = static_cast<Told *>(user);
    told->events.push_back(*event);
    told->positions.emplace_back(event->positions, event->positions + event->tokens);
  }
  yupana_profiler_t profiler() { return {sizeof(yupana_profiler_t), this, add}; }

  std::vector<yupana_profile_event_t> of(yupana_profile_kind_t kind) const {
    std::vector<yupana_profile_event_t> out;
    for (const yupana_profile_event_t &event : events)
      if (event.kind == kind)
        out.push_back(event);
    return out;
  }
};

using ProfileTest = StepTest;

TEST_F(ProfileTest, TellsEveryLaunchOfAStepAndChangesNoLogit) {
  Tokens tokens = make_tokens(20);
  for (uint32_t threads : {1u, 3u}) {
    ContextOwner c = context(with_threads(threads));
    Told told;
    yupana_profiler_t profiler = told.profiler();
    ASSERT_EQ(yupana_context_profile(c.get(), &profiler, nullptr), YUPANA_STATUS_OK);
    Step step(c.get(), {span(sequence(c), tokens)});
    ASSERT_EQ(step.code, YUPANA_STATUS_OK) << step.status.message;
    EXPECT_EQ(step.logits, expected_range(tokens, 0, 20));

    auto steps = told.of(YUPANA_PROFILE_STEP), programs = told.of(YUPANA_PROFILE_PROGRAM);
    ASSERT_EQ(steps.size(), 1u);
    ASSERT_EQ(programs.size(), 1u);
    EXPECT_EQ(told.events[0].kind, uint32_t{YUPANA_PROFILE_STEP});
    EXPECT_EQ(told.events[1].kind, uint32_t{YUPANA_PROFILE_PROGRAM});
    EXPECT_EQ(steps[0].tokens, 20u);
    EXPECT_LE(steps[0].begin_ns, programs[0].begin_ns);
    EXPECT_LE(programs[0].end_ns, steps[0].end_ns);
    for (uint32_t t = 0; t < 20; ++t)
      EXPECT_EQ(told.positions[0][t], t);
    std::map<uint32_t, uint32_t> cells, all;
    uint64_t begin = programs[0].begin_ns;
    for (const yupana_profile_event_t &launch : told.of(YUPANA_PROFILE_LAUNCH)) {
      EXPECT_LT(launch.worker, threads);
      EXPECT_LE(begin, launch.begin_ns);
      EXPECT_LE(launch.begin_ns, launch.end_ns);
      EXPECT_LE(launch.end_ns, programs[0].end_ns);
      EXPECT_GT(launch.cells, 0u);
      cells[launch.launch] += launch.cells;
      all[launch.launch] = launch.all_cells;
    }
    EXPECT_FALSE(cells.empty());
    EXPECT_EQ(cells, all) << "every cell was run by one worker";
  }
}

TEST_F(ProfileTest, TellsOfSamplingApart) {
  ContextOwner c = context(with_threads(2));
  Told told;
  yupana_profiler_t profiler = told.profiler();
  ASSERT_EQ(yupana_context_profile(c.get(), &profiler, nullptr), YUPANA_STATUS_OK);
  Tokens tokens = make_tokens(3);
  yupana_span_t sampled = span(sequence(c), tokens, YUPANA_ROWS_LAST);
  sampled.sample = 1;
  Step step(c.get(), {sampled});
  ASSERT_EQ(step.code, YUPANA_STATUS_OK) << step.status.message;
  auto programs = told.of(YUPANA_PROFILE_PROGRAM);
  ASSERT_EQ(programs.size(), 2u);
  EXPECT_LT(programs[0].program, programs[1].program);
  EXPECT_LE(programs[0].end_ns, programs[1].begin_ns);
}

TEST_F(ProfileTest, EndsWhenItIsNoLongerAskedFor) {
  ContextOwner c = context(with_threads(2));
  Tokens tokens = make_tokens(4);
  yupana_sequence_t s = sequence(c);
  EXPECT_EQ(yupana_context_profile(c.get(), nullptr, nullptr), YUPANA_STATUS_OK);
  Told told, other;
  yupana_profiler_t profiler = told.profiler(), second = other.profiler();
  ASSERT_EQ(yupana_context_profile(c.get(), &profiler, nullptr), YUPANA_STATUS_OK);
  ASSERT_EQ(yupana_context_profile(c.get(), &second, nullptr), YUPANA_STATUS_OK);
  ASSERT_EQ(Step(c.get(), {span(s, tokens)}).code, YUPANA_STATUS_OK);
  EXPECT_TRUE(told.events.empty());
  size_t count = other.events.size();
  EXPECT_GT(count, 2u);
  ASSERT_EQ(yupana_context_profile(c.get(), nullptr, nullptr), YUPANA_STATUS_OK);
  Step after(c.get(), {span(s, tokens)});
  EXPECT_EQ(after.code, YUPANA_STATUS_OK);
  EXPECT_EQ(other.events.size(), count);
}

TEST_F(ProfileTest, TellsNothingOfAStepThatIsRefused) {
  ContextOwner c = context();
  Told told;
  yupana_profiler_t profiler = told.profiler();
  ASSERT_EQ(yupana_context_profile(c.get(), &profiler, nullptr), YUPANA_STATUS_OK);
  EXPECT_EQ(Step(c.get(), {span(sequence(c), {})}).code, YUPANA_STATUS_INVALID_ARGUMENT);
  EXPECT_TRUE(told.events.empty());
  profiler.event = nullptr;
  EXPECT_EQ(yupana_context_profile(c.get(), &profiler, nullptr), YUPANA_STATUS_INVALID_ARGUMENT);
}

} // namespace
} // namespace yupana::test
