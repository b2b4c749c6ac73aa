// SPDX-License-Identifier: Apache-2.0
//
// Events are written as steps end, so that a trace of any length takes no memory. A thread's span has its share of the
// launch's bytes and operations, by the cells it ran: their sum over the threads is the launch's.

#include "tools/yupana-run/Trace.h"

#include "tools/yupana-run/Json.h"
#include "tools/yupana-run/Session.h"

#include <cmath>
#include <cstdio>
#include <ctime>

using namespace yupana;

namespace {

constexpr uint32_t programLane = 0; // worker w has lane w + 1

void appendNumber(std::string &out, const char *name, uint64_t value) {
  out += ", \"";
  out += name;
  out += "\": ";
  out += std::to_string(value);
}

/// Microseconds, to the nanosecond.
void appendTime(std::string &out, const char *name, uint64_t nanoseconds) {
  char text[64];
  std::snprintf(text, sizeof text, ", \"%s\": %llu.%03u", name, static_cast<unsigned long long>(nanoseconds / 1000),
                static_cast<unsigned>(nanoseconds % 1000));
  out += text;
}

uint64_t rounded(double value) { return value > 0 ? static_cast<uint64_t>(value + 0.5) : 0; }

} // namespace

uint64_t Trace::now() {
  timespec time;
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1000000000 + static_cast<uint64_t>(time.tv_nsec);
}

int Trace::open(const std::string &path) {
  start = now();
  if (!file.open(path))
    return report(exitOutOfSpace, file.error());
  line = "{\"displayTimeUnit\": \"ns\", \"traceEvents\": [\n";
  line += "{\"ph\": \"M\", \"pid\": 1, \"name\": \"process_name\", \"args\": {\"name\": \"yupana-run\"}}";
  isFirst = false;
  file.write(line);
  addLane(programLane, "program");
  return exitDone;
}

/// Opens an event with a duration, up to its arguments.
void Trace::begin(const std::string &name, const char *category, uint32_t lane, uint64_t from, uint64_t to) {
  line = isFirst ? "" : ",\n";
  isFirst = false;
  line +=
      "{\"ph\": \"X\", \"pid\": 1, \"tid\": " + std::to_string(lane) + ", \"cat\": \"" + category + "\", \"name\": ";
  appendJsonString(line, name);
  from = from > start ? from : start;
  appendTime(line, "ts", from - start);
  appendTime(line, "dur", to > from ? to - from : 0);
}

void Trace::end() {
  line += "}";
  file.write(line);
}

void Trace::addLane(uint32_t lane, const std::string &name) {
  std::string number = std::to_string(lane);
  line = ",\n{\"ph\": \"M\", \"pid\": 1, \"tid\": " + number + ", \"name\": \"thread_name\", \"args\": {\"name\": ";
  appendJsonString(line, name);
  line += "}},\n{\"ph\": \"M\", \"pid\": 1, \"tid\": " + number +
          ", \"name\": \"thread_sort_index\", \"args\": {\"sort_index\": " + number + "}}";
  file.write(line);
}

void Trace::span(const char *name, uint64_t from, uint64_t to) {
  begin(name, "program", programLane, from, to);
  end();
}

int Trace::attach(const yupana_plan_t *plan, yupana_context_t *context) {
  yupana_context_info_t info = {};
  info.size = sizeof info;
  yupana_context_info(context, &info);
  const schema::Plan &root = *schema::GetPlan(yupana_plan_metadata(plan, nullptr));
  target = root.targets()->Get(info.target);
  work = std::make_unique<StepWork>(root, *target);
  purposes.clear();
  for (uint32_t launch = 0; launch < work->launches(); ++launch)
    purposes.push_back(work->purpose(launch));
  bool isGpu = target->kernels()->Get(0)->images()->Get(0)->format() != schema::ImageFormat::elf_x86_64;
  for (uint32_t worker = 0; worker < (isGpu ? 1 : info.threads); ++worker)
    addLane(worker + 1, isGpu ? "GPU" : "thread " + std::to_string(worker));
  yupana_profiler_t profiler = {sizeof profiler, this, onEvent};
  yupana_status_t status;
  return yupana_context_profile(context, &profiler, &status) == YUPANA_STATUS_OK ? exitDone : report(status);
}

int Trace::commit() {
  file.write("\n]}\n");
  return file.commit() ? exitDone : report(exitOutOfSpace, file.error());
}

void Trace::onEvent(void *user, const yupana_profile_event_t *event) {
  auto *trace = static_cast<Trace *>(user);
  if (event->kind == YUPANA_PROFILE_STEP)
    trace->addStep(*event);
  else if (event->kind == YUPANA_PROFILE_PROGRAM)
    trace->addProgram(*event);
  else if (event->kind == YUPANA_PROFILE_LAUNCH)
    trace->addLaunch(*event);
}

void Trace::addStep(const yupana_profile_event_t &event) {
  shape = StepShape::of(event.sequences, event.rows, event.positions, event.starts);
  begin("step", "step", programLane, event.begin_ns, event.end_ns);
  line += ", \"args\": {\"T\": " + std::to_string(event.tokens);
  appendNumber(line, "S", event.sequences);
  appendNumber(line, "R", event.rows);
  appendNumber(line, "position", event.positions[0]);
  line += "}";
  end();
}

void Trace::addProgram(const yupana_profile_event_t &event) {
  counted.reset();
  const schema::StepProgram &program = *target->programs()->Get(event.program);
  bool samples = program.function() == schema::Function::sample;
  begin(samples ? "sampling" : "forward", "step", programLane, event.begin_ns, event.end_ns);
  line += ", \"args\": {\"T\": " + std::to_string(event.tokens);
  appendNumber(line, "R", event.rows);
  appendNumber(line, "program_max_T", program.max_tokens());
  line += "}";
  end();
}

void Trace::addLaunch(const yupana_profile_event_t &event) {
  if (counted != event.launch) {
    launchWork = work->of(event.launch, shape);
    counted = event.launch;
  }
  double share = event.all_cells ? static_cast<double>(event.cells) / event.all_cells : 0;
  begin(work->kernel(event.launch), "kernel", event.worker + 1, event.begin_ns, event.end_ns);
  line += ", \"args\": {";
  if (std::optional<uint32_t> layer = work->layer(event.launch))
    line += "\"layer\": " + std::to_string(*layer) + ", ";
  line += "\"on\": ";
  appendJsonString(line, purposes[event.launch]);
  appendNumber(line, "launch", event.launch);
  appendNumber(line, "T", event.tokens);
  appendNumber(line, "R", event.rows);
  appendNumber(line, "cells", event.cells);
  appendNumber(line, "all_cells", event.all_cells);
  appendNumber(line, "bytes", rounded(launchWork.bytes * share));
  appendNumber(line, "flops", rounded(launchWork.flops * share));
  line += "}";
  end();
}
