// SPDX-License-Identifier: Apache-2.0
//
// A launch has an event per thread; it lasts from the first of their beginnings to the last of their ends, since the
// next launch waits for all. What lies between launches is in no kernel: the barrier, and on a GPU what starting one
// takes.

#include "tools/yupana-bench/KernelTimes.h"

#include <algorithm>
#include <numeric>

using namespace yupana;

yupana_profiler_t KernelTimes::profiler() {
  // The interface is C: it calls back through a plain pointer, with the object as `user`.
  return {sizeof(yupana_profiler_t), this,
          [](void *user, const yupana_profile_event_t *event) { static_cast<KernelTimes *>(user)->add(*event); }};
}

void KernelTimes::begin(const char *name) {
  // A launch still open belongs to the phase that ends.
  endLaunch();
  list.push_back({name, 0, 0, {}});
  places.clear();
}

std::vector<PhaseTimes> KernelTimes::phases() {
  // The last event of a run is a launch, which nothing behind it has closed.
  endLaunch();
  std::vector<PhaseTimes> out = list;
  out.erase(std::remove_if(out.begin(), out.end(), [](const PhaseTimes &phase) { return !phase.steps; }), out.end());
  return out;
}

void KernelTimes::add(const yupana_profile_event_t &event) {
  // Events of one launch follow each other, one per worker; any other event closes the launch before it. This comes
  // first, since the work of that launch depends on the shape of its own step.
  if (event.kind != YUPANA_PROFILE_LAUNCH || event.launch != launch || !last)
    endLaunch();
  if (event.kind == YUPANA_PROFILE_STEP) {
    ++list.back().steps;
    list.back().seconds += static_cast<double>(event.end_ns - event.begin_ns) / 1e9;
    // The arrays of the event live as long as the call, so the shape copies what it needs.
    shape = StepShape::of(event.sequences, event.rows, event.positions, event.starts);
  }
  if (event.kind != YUPANA_PROFILE_LAUNCH)
    return;
  first = last ? std::min(first, event.begin_ns) : event.begin_ns;
  last = std::max(last, event.end_ns);
  launch = event.launch;
}

void KernelTimes::endLaunch() {
  if (!last)
    return;
  std::vector<KernelTime> &kernels = list.back().kernels;
  // The same kernel on other weights is a line of its own: its rate is another.
  auto [place, isNew] = places.insert({{work.kernel(launch), work.purpose(launch)}, kernels.size()});
  if (isNew)
    kernels.push_back({work.kernel(launch), work.purpose(launch), 0, 0, {}, {}, 0});
  KernelTime &kernel = kernels[place->second];
  ++kernel.launches;
  kernel.launchSeconds.push_back(static_cast<double>(last - first) / 1e9);
  kernel.seconds += kernel.launchSeconds.back();
  kernel.work += work.of(launch, shape);
  last = 0;
}

PhaseTimes yupana::medianRun(std::vector<PhaseTimes> runs) {
  // Runs of the same steps launch the same kernels in the same order, so a launch is found by its place.
  std::vector<KernelTime> least = runs.front().kernels;
  for (const PhaseTimes &run : runs)
    for (size_t kernel = 0; kernel < least.size(); ++kernel)
      for (size_t launch = 0; launch < least[kernel].launchSeconds.size(); ++launch) {
        double &seconds = least[kernel].launchSeconds[launch];
        seconds = std::min(seconds, run.kernels[kernel].launchSeconds[launch]);
      }
  // The middle one, not the mean of two: its kernels must be of one run. Of an even number it is the slower.
  auto middle = runs.begin() + static_cast<ptrdiff_t>(runs.size() / 2);
  std::nth_element(runs.begin(), middle, runs.end(),
                   [](const PhaseTimes &a, const PhaseTimes &b) { return a.seconds < b.seconds; });
  for (size_t kernel = 0; kernel < least.size(); ++kernel) {
    const std::vector<double> &launches = least[kernel].launchSeconds;
    middle->kernels[kernel].leastSeconds = std::accumulate(launches.begin(), launches.end(), 0.0);
  }
  return std::move(*middle);
}
