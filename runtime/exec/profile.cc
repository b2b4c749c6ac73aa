// SPDX-License-Identifier: Apache-2.0
//
// A context that is profiled has another table of device functions: a copy of its device's in which those that begin,
// run, end and close are replaced. So steps that nobody profiles run the same code as without any of this, and the core
// has not a byte of it. What happened is written down while a step runs and told when it has ended, so that telling
// takes no time between two launches.

#include "yupana/profile.h"

#include "runtime/device/profile.h"
#include "runtime/exec/context.h"

using namespace yupana::runtime;

namespace {

/// A program that a step ran.
struct Ran {
  uint32_t program;
  uint32_t first; // of its launches, in Profile::active
  uint32_t count;
  uint64_t begin, end;
};

/// A launch that a step ran.
struct RanLaunch {
  uint32_t number;
  uint32_t cells;
};

// A step runs a program of its own and one that samples.
constexpr uint32_t kProgramsPerStep = 2;

struct Profile {
  DeviceKind kind; // first, since the device's pointer to it leads here
  const DeviceKind *real;
  const DeviceProfile *way;
  void *state;
  yupana_context_t *context;
  Allocator allocator; // that the profile came from: the context is gone before its device is closed
  yupana_profiler_t profiler;
  uint64_t step_begin;
  StepSizes sizes;
  uint32_t programs;
  uint32_t launches;
  Ran ran[kProgramsPerStep];
  Array<RanLaunch> active; // of the step, one program after the other
  Array<LaunchSpan> spans; // [active][workers]
};

Profile &profile_of(const Device *device) {
  return *reinterpret_cast<Profile *>(const_cast<DeviceKind *>(device->kind));
}

/// The program that has launch `number`.
uint32_t program_of(const yupana_context_t &context, uint32_t number) {
  uint32_t program = 0;
  for (const yupana::schema::StepProgram *each : *context.target().programs()) {
    uint32_t count = each->launches()->size();
    if (number < count)
      break;
    number -= count;
    ++program;
  }
  return program;
}

/// A context's launches stand in one array, in order, and each begins with what the device is given.
uint32_t number_of(const yupana_context_t &context, const ActiveLaunch &active) {
  auto *prepared = reinterpret_cast<const PreparedLaunch *>(active.launch);
  return static_cast<uint32_t>(prepared - context.launches.data());
}

void send_inputs(Device *device, const InputBlock &block, uint32_t slot, const InputRange *ranges, uint32_t count) {
  Profile &profile = profile_of(device);
  profile.programs = profile.launches = 0;
  profile.step_begin = profile_now();
  profile.real->send_inputs(device, block, slot, ranges, count);
}

Code run_program(Device *device, const StepSizes &sizes, const ActiveLaunch *launches, uint32_t count,
                 yupana_status_t *status) {
  Profile &profile = profile_of(device);
  const yupana_context_t &context = *profile.context;
  Ran &ran = profile.ran[profile.programs];
  ran.first = profile.launches;
  ran.count = count;
  for (uint32_t i = 0; i < count; ++i)
    profile.active[ran.first + i] = {number_of(context, launches[i]), launches[i].cells};
  LaunchSpan *spans = profile.spans.data() + uint64_t{ran.first} * device->workers;
  for (uint64_t i = 0; i < uint64_t{count} * device->workers; ++i)
    spans[i] = {};
  ran.program = count ? program_of(context, profile.active[ran.first].number) : 0;
  ran.begin = profile_now();
  Code code = profile.way->run(device, profile.state, sizes, launches, count, spans, status);
  ran.end = profile_now();
  if (code)
    return code;
  profile.sizes = sizes;
  profile.launches += count;
  ++profile.programs;
  return code;
}

/// A step's launches come at once, those of its own program first.
Code run(Device *device, const StepSizes &sizes, const ActiveLaunch *launches, uint32_t count,
         yupana_status_t *status) {
  Profile &profile = profile_of(device);
  if (!profile.profiler.event)
    return profile.real->run(device, sizes, launches, count, status);
  const yupana_context_t &context = *profile.context;
  for (uint32_t first = 0, last; first < count && profile.programs < kProgramsPerStep; first = last) {
    uint32_t program = program_of(context, number_of(context, launches[first]));
    for (last = first + 1; last < count && program_of(context, number_of(context, launches[last])) == program; ++last) {
    }
    if (Code code = run_program(device, sizes, launches + first, last - first, status))
      return code;
  }
  return YUPANA_STATUS_OK;
}

void tell_launches(const Profile &profile, uint32_t workers, const Ran &ran, yupana_profile_event_t event) {
  event.kind = YUPANA_PROFILE_LAUNCH;
  for (uint32_t i = ran.first; i < ran.first + ran.count; ++i) {
    event.launch = profile.active[i].number;
    event.all_cells = profile.active[i].cells;
    for (uint32_t worker = 0; worker < workers; ++worker) {
      const LaunchSpan &span = profile.spans[uint64_t{i} * workers + worker];
      event.worker = worker;
      event.cells = span.cells;
      event.begin_ns = span.begin;
      event.end_ns = span.end;
      if (span.cells)
        profile.profiler.event(profile.profiler.user, &event);
    }
  }
}

void tell(const Profile &profile, uint32_t workers, uint64_t end) {
  yupana_profile_event_t event = {};
  event.size = sizeof(event);
  event.kind = YUPANA_PROFILE_STEP;
  event.tokens = profile.sizes.tokens;
  event.sequences = profile.sizes.sequences;
  event.rows = profile.sizes.rows;
  event.begin_ns = profile.step_begin;
  event.end_ns = end;
  event.positions = profile.context->inputs.input<uint32_t>(yupana::schema::StepInput::token_positions);
  event.starts = profile.context->inputs.input<uint32_t>(yupana::schema::StepInput::sequence_starts);
  profile.profiler.event(profile.profiler.user, &event);
  for (uint32_t i = 0; i < profile.programs; ++i) {
    const Ran &ran = profile.ran[i];
    event.kind = YUPANA_PROFILE_PROGRAM;
    event.program = ran.program;
    event.begin_ns = ran.begin;
    event.end_ns = ran.end;
    profile.profiler.event(profile.profiler.user, &event);
    tell_launches(profile, workers, ran, event);
  }
}

/// Launches that are timed are waited for, so a step has ended where its results have been asked for.
Code finish(Device *device, uint32_t slot, StepOutput outputs[kStepResults], yupana_status_t *status) {
  Profile &profile = profile_of(device);
  Code code = profile.real->finish(device, slot, outputs, status);
  if (!code && profile.profiler.event && profile.programs)
    code = profile.real->wait(device, slot, status);
  if (!code && profile.profiler.event && profile.programs)
    tell(profile, device->workers, profile_now());
  return code;
}

/// Gives the device its own table back, and frees the profile.
void close(Device *device) {
  Profile &profile = profile_of(device);
  device->kind = profile.real;
  profile.way->end(device, profile.state);
  Allocator allocator = profile.allocator;
  destroy_object(allocator, &profile);
  device->kind->close(device);
}

Code prepare(yupana_context_t &context, Profile &profile, yupana_status_t *out) {
  Device *device = context.device;
  profile.real = device->kind;
  profile.way = kDeviceProfiles[device->kind->index];
  profile.context = &context;
  profile.allocator = context.allocator;
  uint64_t launches = context.launches.size(), spans = 0;
  if (!checked_mul(launches, device->workers, &spans))
    return fail(out, YUPANA_STATUS_OUT_OF_MEMORY, "no memory for spans");
  Code code = profile.active.allocate(context.allocator, launches, "launches", out);
  if (!code)
    code = profile.spans.allocate(context.allocator, spans, "spans of launches", out);
  if (!code)
    code = profile.way->begin(device, static_cast<uint32_t>(launches), &profile.state, out);
  if (code)
    return code;
  profile.kind = *profile.real;
  profile.kind.send_inputs = send_inputs;
  profile.kind.run = run;
  profile.kind.finish = finish;
  profile.kind.close = close;
  device->kind = &profile.kind;
  return code;
}

} // namespace

yupana_status_code_t yupana_context_profile(yupana_context_t *context, const yupana_profiler_t *given,
                                            yupana_status_t *out_status) {
  yupana_profiler_t profiler = given ? read_sized(given) : yupana_profiler_t{};
  if (given && !profiler.event)
    return fail(out_status, YUPANA_STATUS_INVALID_ARGUMENT, "the profiler has no function");
  if (context->device->kind->run != run) {
    if (!given)
      return succeed(out_status);
    auto *made = create_object<Profile>(context->allocator);
    if (!made)
      return fail(out_status, YUPANA_STATUS_OUT_OF_MEMORY, "no memory for a profile");
    if (Code code = prepare(*context, *made, out_status)) {
      destroy_object(context->allocator, made);
      return code;
    }
  }
  profile_of(context->device).profiler = profiler;
  return succeed(out_status);
}
