// SPDX-License-Identifier: Apache-2.0
//
// What `--per-kernel` says.
#ifndef YUPANA_TOOLS_YUPANABENCH_KERNELREPORT_H
#define YUPANA_TOOLS_YUPANABENCH_KERNELREPORT_H

#include "tools/yupana-bench/KernelTimes.h"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <vector>

namespace yupana {

/// What the machine reached.
struct Roofline {
  double bandwidth; ///< Bytes/s.
  double flops;     ///< FLOP/s.

  /// The least time for some work.
  double seconds(const Work &work) const;
  /// True if the bandwidth is what bounds it.
  bool isMemoryBound(const Work &work) const;
};

/// A table per phase, empty without any. Without a roofline there are no shares.
std::string kernelsText(const std::vector<PhaseTimes> &phases, const std::optional<Roofline> &roofline);
/// An object with a member per phase.
nlohmann::ordered_json kernelsJson(const std::vector<PhaseTimes> &phases, const std::optional<Roofline> &roofline);

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANABENCH_KERNELREPORT_H
