// SPDX-License-Identifier: Apache-2.0
//
// A hand-written plan of literal PTX, through the C API and the CUDA device of the runtime, on the stand-in for the
// driver: it interprets the PTX, puts asynchronous work off, and reports races, undefined values and leaks.

#include "test/runtime/ahead_support.h"
#include "test/runtime/cuda/ptx_plan.h"
#include "yupana/profile.h"

#include <chrono>
#include <cstdio>
#include <dlfcn.h>
#include <mutex>
#include <thread>

namespace yupana::test {
namespace {

/// What the stand-in tells of itself.
template <typename F> F *stand_in(const char *name) {
  void *library = dlopen(YUPANA_SIMDRIVER, RTLD_NOW | RTLD_LOCAL);
  EXPECT_NE(library, nullptr) << dlerror();
  return reinterpret_cast<F *>(dlsym(library, name));
}
uint64_t alive() { return stand_in<unsigned long long()>("yupana_sim_live")(); }

ContextOwner create(const OpenedPlan &opened, yupana_status_t *status) {
  yupana_device_t device = {sizeof(device), YUPANA_DEVICE_CUDA, 0, YUPANA_SIMDRIVER};
  yupana_context_options_t options = {};
  options.device = &device;
  options.threads = 1;
  options.kv_bytes = yupana_plan_kv_bytes(opened.plan.get(), 60, 2);
  return make_context(opened.plan.get(), options, status);
}

TEST(SimulatedTest, StepsGiveWhatAProcessorGives) {
  Bytes bytes = write(ptx_plan());
  OpenedPlan opened(bytes);
  ASSERT_TRUE(opened.plan) << opened.status.message;
  yupana_status_t status = {};
  {
    ContextOwner c = create(opened, &status);
    ASSERT_TRUE(c) << status.message;
    yupana_sequence_t a = 0, b = 0;
    yupana_sequence_create(c.get(), 1, &a, nullptr);
    yupana_sequence_create(c.get(), 2, &b, nullptr);
    Tokens first = make_tokens(30, 1), second = make_tokens(30, 2);
    uint32_t done = 0;
    for (uint32_t take : {1u, 7u, 3u, 11u, 8u}) {
      Tokens x = slice(first, done, done + take), y = slice(second, done, done + take);
      Step both(c.get(), {span(a, x), span(b, y)});
      ASSERT_EQ(both.code, YUPANA_STATUS_OK) << both.status.message;
      std::vector<float> expected = expected_range(first, done, done + take);
      std::vector<float> rest = expected_range(second, done, done + take);
      expected.insert(expected.end(), rest.begin(), rest.end());
      EXPECT_EQ(both.logits, expected) << take;
      done += take;
    }
    // The parameters of sampling, each in its place.
    Tokens last = slice(make_tokens(2), 0, 1);
    yupana_span_t drawn = span(a, last), held = span(b, last);
    drawn.sample = held.sample = 1;
    drawn.temperature = 0.5f;
    drawn.seed = 77;
    drawn.top_k = 3;
    drawn.top_p = 0.75f;
    drawn.min_p = 0.5f;
    held.repetition_penalty = 2;
    second.push_back(last[0]);
    uint32_t sum = 0;
    for (uint32_t p = 0; p < second.size(); ++p)
      sum += (p + 1) * (second[p] + 1);
    Step sampled(c.get(), {drawn, held});
    EXPECT_EQ(sampled.sampled, (Tokens{(77 + 1 + 31) % TEST_VOCAB + 300 + 20000 + 400000, sum}));
  }
  EXPECT_EQ(alive(), 0u);
}

// Ids stay on the device from step to step; what is undefined or read too early would be told.
TEST(SimulatedTest, StepsMayRunAhead) {
  Bytes bytes = write(ptx_plan());
  OpenedPlan opened(bytes);
  ASSERT_TRUE(opened.plan) << opened.status.message;
  yupana_status_t status = {};
  {
    ContextOwner c = create(opened, &status);
    ASSERT_TRUE(c) << status.message;
    expect_ahead(c.get());
  }
  EXPECT_EQ(alive(), 0u);
}

// A plan whose kernels wait runs as before, with launches that overlap; one that only says so is found out by its first
// step, whether a graph launches it or the runtime.
TEST(SimulatedTest, KernelsThatSayTheyWaitHaveTo) {
  for (bool waits : {true, false})
    for (uint32_t tokens : {1u, 9u}) {
      PlanSpec spec = ptx_plan();
      Bytes &code = spec.sections[kCode - 1].bytes;
      std::string text(code.begin(), code.end());
      const std::string begin = "  mov.u32 %r0, %tid.x;\n";
      const std::string wait = "  griddepcontrol.wait;\n  griddepcontrol.launch_dependents;\n";
      for (size_t at = text.find(begin); waits && at != std::string::npos;
           at = text.find(begin, at + wait.size() + begin.size()))
        text.insert(at, wait);
      code.assign(text.begin(), text.end());
      for (auto &kernel : spec.plan.targets[0]->kernels)
        kernel->waits = true;
      Bytes bytes = write(spec);
      OpenedPlan opened(bytes);
      ASSERT_TRUE(opened.plan) << opened.status.message;
      yupana_status_t status = {};
      {
        ContextOwner c = create(opened, &status);
        ASSERT_TRUE(c) << status.message;
        yupana_sequence_t s = 0;
        yupana_sequence_create(c.get(), 1, &s, nullptr);
        Tokens ids = make_tokens(tokens);
        Step step(c.get(), {span(s, ids)});
        if (waits) {
          EXPECT_EQ(step.logits, expected_range(ids, 0, tokens));
          yupana_sequence_release(c.get(), s, nullptr);
          expect_ahead(c.get());
        } else {
          EXPECT_EQ(step.code, YUPANA_STATUS_INTERNAL);
          std::string report = stand_in<const char *()>("yupana_sim_report")();
          EXPECT_NE(report.find("no griddepcontrol.wait stands before it"), std::string::npos) << report;
        }
      }
      EXPECT_EQ(alive(), 0u);
    }
}

// Events stand between the launches, also where a graph was captured for the step, and change no logit.
TEST(SimulatedTest, LaunchesAreTimedByEvents) {
  Bytes bytes = write(ptx_plan());
  OpenedPlan opened(bytes);
  ASSERT_TRUE(opened.plan) << opened.status.message;
  yupana_status_t status = {};
  {
    ContextOwner c = create(opened, &status);
    ASSERT_TRUE(c) << status.message;
    std::vector<yupana_profile_event_t> told;
    yupana_profiler_t profiler = {sizeof(profiler), &told, [](void *user, const yupana_profile_event_t *event) {
                                    static_cast<std::vector<yupana_profile_event_t> *>(user)->push_back(*event);
                                  }};
    ASSERT_EQ(yupana_context_profile(c.get(), &profiler, &status), YUPANA_STATUS_OK) << status.message;
    yupana_sequence_t a = 0;
    yupana_sequence_create(c.get(), 1, &a, nullptr);
    Tokens tokens = make_tokens(9);
    Step prompt(c.get(), {span(a, slice(tokens, 0, 8))}), one(c.get(), {span(a, slice(tokens, 8, 9))});
    ASSERT_EQ(one.code, YUPANA_STATUS_OK) << one.status.message;
    EXPECT_EQ(prompt.logits, expected_range(tokens, 0, 8));
    EXPECT_EQ(one.logits, expected_range(tokens, 8, 9));
    uint32_t launches = 0;
    uint64_t before = 0;
    for (const yupana_profile_event_t &event : told) {
      EXPECT_LE(event.begin_ns, event.end_ns);
      if (event.kind != YUPANA_PROFILE_LAUNCH)
        continue;
      ++launches;
      EXPECT_LE(before, event.begin_ns) << "one stream does one launch after the other";
      EXPECT_EQ(event.cells, event.all_cells);
      before = event.begin_ns;
    }
    EXPECT_GE(launches, 2u);
  }
  EXPECT_EQ(alive(), 0u);
}

// At every call number: the status is right and nothing stays.
TEST(SimulatedTest, EveryCallMayFail) {
  Bytes bytes = write(ptx_plan());
  OpenedPlan opened(bytes);
  ASSERT_TRUE(opened.plan) << opened.status.message;
  auto *calls = stand_in<unsigned long long()>("yupana_sim_calls");
  auto *fail = stand_in<void(unsigned long long, int)>("yupana_sim_fail");
  constexpr uint64_t kNone = UINT64_MAX;
  auto run = [&](uint64_t fail_in, int result) {
    uint64_t begin = calls();
    fail(fail_in == kNone ? kNone : begin + fail_in, result);
    yupana_status_t status = {};
    yupana_status_code_t code;
    if (ContextOwner c = create(opened, &status)) {
      yupana_sequence_t s = 0;
      yupana_sequence_create(c.get(), 1, &s, nullptr);
      Tokens tokens = make_tokens(9);
      Step step(c.get(), {span(s, tokens)});
      code = step.code;
      status = step.status;
      if (!code) {
        EXPECT_EQ(step.logits, expected_range(tokens, 0, 9)) << "call " << fail_in;
      } else {
        EXPECT_EQ(code, YUPANA_STATUS_INTERNAL) << status.message;
      }
    } else {
      code = static_cast<yupana_status_code_t>(status.code);
      EXPECT_TRUE(code == YUPANA_STATUS_INTERNAL || code == YUPANA_STATUS_INCOMPATIBLE ||
                  (code == YUPANA_STATUS_OUT_OF_MEMORY && result == 2))
          << "call " << fail_in << ": " << status.message;
    }
    fail(kNone, 0);
    return calls() - begin;
  };
  uint64_t total = run(kNone, 0);
  EXPECT_EQ(alive(), 0u);
  for (uint64_t i = 0; i < total && !HasFailure(); ++i) {
    run(i, i % 2 ? 2 : 719); // no memory and a kernel's fault, in turn
    EXPECT_EQ(alive(), 0u) << "call " << i << " of " << total;
  }
}

// Reading, hashing and copying overlap: with set speeds loading takes hardly longer than the slowest of them alone. The
// bound is wide and tried three times, since the machine may have other things to do; a loader that does one after the
// other misses it by far every time.
TEST(SimulatedTest, LoadingTakesAsLongAsItsSlowestPart) {
  using Clock = std::chrono::steady_clock;
  PlanSpec spec = ptx_plan();
  Bytes &weights = spec.sections[kWeights - 1].bytes;
  for (uint32_t i = TEST_VOCAB; i < 20u << 18; ++i)
    for (uint32_t b = 0; b < 4; ++b)
      weights.push_back(static_cast<uint8_t>(i * 2654435761u >> 8 * b));
  Bytes bytes = write(spec);
  double megabytes = static_cast<double>(weights.size()) / 1e6;
  struct Disk {
    const yupana_reader_t *file;
    double speed = 0; // megabytes per second
    std::mutex lock{};
    Clock::time_point free{};
  };
  auto read = [](void *user, void *dst, uint64_t bytes, uint64_t offset) {
    auto &disk = *static_cast<Disk *>(user);
    Clock::time_point end;
    {
      // One after the other, as if the disk had one head.
      std::lock_guard<std::mutex> guard(disk.lock);
      std::chrono::duration<double> takes(disk.speed ? static_cast<double>(bytes) / (disk.speed * 1e6) : 0);
      end = std::max(disk.free, Clock::now()) + std::chrono::duration_cast<Clock::duration>(takes);
      disk.free = end;
    }
    std::this_thread::sleep_until(end);
    return disk.file->read(disk.file->user, dst, bytes, offset);
  };
  auto *set_copies = stand_in<void(unsigned long long)>("yupana_sim_copy_bandwidth");
  for (auto [disk_speed, copy_speed] : {std::pair{12.0, 20.0}, {20.0, 12.0}, {14.0, 14.0}}) {
    const double slowest = megabytes / std::min(disk_speed, copy_speed), most = slowest * 1.4;
    double seconds = most + 1;
    for (int tries = 0; tries < 3 && seconds > most; ++tries) {
      MemoryReader source(bytes);
      Disk disk = {&source.reader};
      yupana_reader_t reader = source.reader;
      reader.user = &disk;
      reader.read = read;
      reader.close = nullptr;
      yupana_plan_t *plan = nullptr;
      ASSERT_EQ(yupana_plan_open(&reader, nullptr, &plan, nullptr), YUPANA_STATUS_OK);
      disk.speed = disk_speed;
      set_copies(static_cast<unsigned long long>(copy_speed * 1e6));
      yupana_device_t device = {sizeof(device), YUPANA_DEVICE_CUDA, 0, YUPANA_SIMDRIVER};
      yupana_context_options_t options = {};
      options.device = &device;
      Clock::time_point begin = Clock::now();
      ContextOwner c = make_context(plan, options);
      seconds = std::chrono::duration<double>(Clock::now() - begin).count();
      set_copies(0);
      ASSERT_TRUE(c);
      std::printf("disk %.0f MB/s, bus %.0f MB/s: %.2f s, %.2f times the slowest alone\n", disk_speed, copy_speed,
                  seconds, seconds / slowest);
      EXPECT_GE(seconds, slowest * 0.99);
      c.reset();
      yupana_plan_release(plan);
    }
    EXPECT_LE(seconds, most);
  }
  EXPECT_EQ(alive(), 0u);
}

} // namespace
} // namespace yupana::test
