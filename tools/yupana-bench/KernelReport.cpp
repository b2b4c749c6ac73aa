// SPDX-License-Identifier: Apache-2.0
//
// Times, bytes and operations are those of a step on average, so that the table adds up to what a step takes; rates and
// shares are of all launches together.

#include "tools/yupana-bench/KernelReport.h"

#include "tools/support/ProgressBar.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

using namespace yupana;
using Json = nlohmann::ordered_json;

/// Williams, Waterman and Patterson 2009: memory and arithmetic overlap at best, so the slower of the two bounds.
double Roofline::seconds(const Work &work) const { return std::max(work.bytes / bandwidth, work.flops / flops); }

bool Roofline::isMemoryBound(const Work &work) const { return work.bytes / bandwidth >= work.flops / flops; }

namespace {

/// What is in no kernel. At least 0: a GPU times its launches by events of its own, which need not agree with the
/// processor's clock to the last microsecond.
double secondsBetween(const PhaseTimes &phase) {
  double inside = 0;
  for (const KernelTime &kernel : phase.kernels)
    inside += kernel.seconds;
  return std::max(phase.seconds - inside, 0.0);
}

/// Above 1 where weights come from caches, or where the machine was slower while it was measured: not cut off at 1,
/// since that would hide it.
std::optional<double> shareOf(const KernelTime &kernel, const std::optional<Roofline> &roofline) {
  if (!roofline || kernel.seconds <= 0)
    return std::nullopt;
  return roofline->seconds(kernel.work) / kernel.seconds;
}

/// "1.5 GFLOP": three digits, powers of 1000.
std::string formatFlops(double flops) {
  std::string bytes = formatBytes(flops);
  return bytes.substr(0, bytes.size() - 1) + "FLOP";
}

/// 0 for a kernel too short for the clock, where a quotient would be no JSON number.
double perSecond(double amount, double seconds) { return seconds > 0 ? amount / seconds : 0; }

Json kernelJson(const PhaseTimes &phase, const KernelTime &kernel, const std::optional<Roofline> &roofline) {
  auto steps = static_cast<double>(phase.steps);
  std::optional<double> share = shareOf(kernel, roofline);
  // Null and not absent where unknown: readers find the same keys on every machine.
  Json json = {{"kernel", kernel.symbol},
               {"on", kernel.purpose},
               {"launches", static_cast<double>(kernel.launches) / steps},
               {"seconds", kernel.seconds / steps},
               {"least_seconds", kernel.leastSeconds / steps},
               {"share_of_step", perSecond(kernel.seconds, phase.seconds)},
               {"bytes", std::llround(kernel.work.bytes / steps)},
               {"flops", std::llround(kernel.work.flops / steps)},
               {"bytes_per_s", perSecond(kernel.work.bytes, kernel.seconds)},
               {"flops_per_s", perSecond(kernel.work.flops, kernel.seconds)},
               {"share_of_roofline", share ? Json(*share) : Json()},
               {"bound", roofline ? Json(roofline->isMemoryBound(kernel.work) ? "memory" : "arithmetic") : Json()}};
  return json;
}

} // namespace

std::string yupana::kernelsText(const std::vector<PhaseTimes> &phases, const std::optional<Roofline> &roofline) {
  std::string out;
  for (const PhaseTimes &phase : phases) {
    auto steps = static_cast<double>(phase.steps);
    size_t width = 7, purpose = 2;
    // Columns as wide as their headings, "kernel" and "on", at least.
    for (const KernelTime &kernel : phase.kernels) {
      width = std::max(width, kernel.symbol.size());
      purpose = std::max(purpose, kernel.purpose.size());
    }
    auto line = [&](const std::string &symbol, const std::string &on, double seconds) {
      return fmt::format("{:<{}}  {:<{}}  {:>10.1f} us  {:>5.1f} %", symbol, width, on, purpose, seconds / steps * 1e6,
                         100 * perSecond(seconds, phase.seconds));
    };
    out += fmt::format("\n{}, a step of {:.1f} us on average of {}\n", phase.name, phase.seconds / steps * 1e6,
                       phase.steps);
    out += fmt::format("{:<{}}  {:<{}}  {:>13}  {:>7}  {:>13}  {:>8}  {:>10}  {:>13}  {:>15}  {}\n", "kernel", width,
                       "on", purpose, "time", "of step", "least", "launches", "bytes", "FLOPs", "",
                       roofline ? "of roofline" : "");
    for (const KernelTime &kernel : phase.kernels) {
      bool memory = !roofline || roofline->isMemoryBound(kernel.work);
      // The rate of whatever bounds the kernel; the other one would say nothing about how well it does.
      std::string rate = memory ? formatBytes(perSecond(kernel.work.bytes, kernel.seconds)) + "/s"
                                : formatFlops(perSecond(kernel.work.flops, kernel.seconds)) + "/s";
      std::optional<double> share = shareOf(kernel, roofline);
      out += fmt::format("{}  {:>10.1f} us  {:>8.4g}  {:>10}  {:>13}  {:>15}  {}\n",
                         line(kernel.symbol, kernel.purpose, kernel.seconds), kernel.leastSeconds / steps * 1e6,
                         static_cast<double>(kernel.launches) / steps, formatBytes(kernel.work.bytes / steps),
                         formatFlops(kernel.work.flops / steps), rate,
                         share ? fmt::format("{:>5.1f} %, {}", 100 * *share, memory ? "memory" : "arithmetic") : "");
    }
    // Barriers and, on a GPU, launching: the rest of the step, so that the column adds up to 100 %.
    out += line("between", "", secondsBetween(phase)) + "\n";
  }
  return out;
}

Json yupana::kernelsJson(const std::vector<PhaseTimes> &phases, const std::optional<Roofline> &roofline) {
  Json json = Json::object();
  for (const PhaseTimes &phase : phases) {
    Json kernels = Json::array();
    for (const KernelTime &kernel : phase.kernels)
      kernels.push_back(kernelJson(phase, kernel, roofline));
    auto steps = static_cast<double>(phase.steps);
    json[phase.name] = {{"steps", phase.steps},
                        {"seconds", phase.seconds / steps},
                        {"seconds_between", secondsBetween(phase) / steps},
                        {"kernels", std::move(kernels)}};
  }
  return json;
}
