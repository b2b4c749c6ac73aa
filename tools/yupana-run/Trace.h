// SPDX-License-Identifier: Apache-2.0
//
// What a run did and when, in the trace event format that Perfetto and chrome://tracing show.
#ifndef YUPANA_TOOLS_YUPANARUN_TRACE_H
#define YUPANA_TOOLS_YUPANARUN_TRACE_H

#include "tools/support/StepWork.h"
#include "tools/support/TextFile.h"
#include "yupana/profile.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace yupana {

/// A lane of what the program does (opening, preparing, loading, steps, programs), and one for each thread, or for the
/// GPU, of the kernels it ran. Functions return an exit code, after reporting what went wrong.
class Trace {
public:
  /// Nanoseconds of the clock that all times are of.
  static uint64_t now();

  /// Starts the file, at time 0.
  int open(const std::string &path);
  /// True once it has been opened.
  bool isOpen() const { return file.isOpen(); }

  /// Something that the program did. Spans of one lane that overlap lie one within the other.
  void span(const char *name, uint64_t begin, uint64_t end);
  /// Steps of the context from now on. The plan outlives the trace.
  int attach(const yupana_plan_t *plan, yupana_context_t *context);
  /// Ends the file and gives it its name.
  int commit();

private:
  static void onEvent(void *user, const yupana_profile_event_t *event);
  void addStep(const yupana_profile_event_t &event);
  void addProgram(const yupana_profile_event_t &event);
  void addLaunch(const yupana_profile_event_t &event);
  void addLane(uint32_t lane, const std::string &name);
  void begin(const std::string &name, const char *category, uint32_t lane, uint64_t from, uint64_t to);
  void end();

  TextFile file;
  std::string line; ///< The event being written.
  bool isFirst = true;
  uint64_t start = 0;
  const schema::Target *target = nullptr;
  std::unique_ptr<StepWork> work;
  std::vector<std::string> purposes; ///< By launch.
  StepShape shape;                   ///< Of the step being told.
  std::optional<uint32_t> counted;   ///< The launch that `launchWork` is of, in this step.
  Work launchWork;
};

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANARUN_TRACE_H
