// SPDX-License-Identifier: Apache-2.0
//
// What each kernel of a run took.
#ifndef YUPANA_TOOLS_YUPANABENCH_KERNELTIMES_H
#define YUPANA_TOOLS_YUPANABENCH_KERNELTIMES_H

#include "tools/support/StepWork.h"
#include "yupana/profile.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace yupana {

/// A kernel in all steps of a phase.
struct KernelTime {
  std::string symbol, purpose; ///< As StepWork says them.
  uint64_t launches = 0;
  double seconds = 0; ///< Of each launch from its first cell to its last, on whichever thread.
  Work work;
  std::vector<double> launchSeconds; ///< The same, launch by launch.
  double leastSeconds = 0;           ///< As medianRun says.
};

/// Reading prompts, or decoding.
struct PhaseTimes {
  const char *name;
  uint64_t steps = 0;
  double seconds = 0;              ///< Of all steps.
  std::vector<KernelTime> kernels; ///< In the order they first ran.
};

/// Adds up what a profiler is told, phase by phase: the prompt first, then decoding.
class KernelTimes {
public:
  KernelTimes(const schema::Plan &plan, const schema::Target &target) : work(plan, target) { begin("prefill"); }

  /// `this` must outlive the steps that it is given for.
  yupana_profiler_t profiler();
  void beginDecode() { begin("decode"); }
  /// Those that had steps.
  std::vector<PhaseTimes> phases();

private:
  void begin(const char *name);
  void add(const yupana_profile_event_t &event);
  void endLaunch();

  StepWork work;
  std::vector<PhaseTimes> list;
  std::map<std::pair<std::string, std::string>, size_t> places; ///< In the kernels of the phase.
  StepShape shape;
  uint32_t launch = 0; ///< The one being told, from `first` to `last`; no time: none.
  uint64_t first = 0, last = 0;
};

/// Of runs of one phase that took the same steps, at least one, the run that took the median time, whole, so that its
/// kernels add up to its steps. Each kernel's `leastSeconds` is the sum over its launches of the least time that the
/// launch took in any run: what the kernel takes where nothing disturbs it.
PhaseTimes medianRun(std::vector<PhaseTimes> runs);

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANABENCH_KERNELTIMES_H
