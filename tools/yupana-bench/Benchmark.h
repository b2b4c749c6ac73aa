// SPDX-License-Identifier: Apache-2.0
//
// Running prompts and decode steps against the clock.
#ifndef YUPANA_TOOLS_YUPANABENCH_BENCHMARK_H
#define YUPANA_TOOLS_YUPANABENCH_BENCHMARK_H

#include "tools/yupana-bench/KernelTimes.h"
#include "tools/yupana-bench/Machine.h"
#include "tools/yupana-bench/Options.h"

#include <optional>
#include <vector>

namespace yupana {

struct Measurements {
  double loadSeconds = 0; ///< Opening the plan and preparing it.
  uint64_t peakRss = 0;   ///< Bytes; without what measuring the machine takes.
  uint32_t target = 0;    ///< Index in the plan.
  uint32_t threads = 0;
  std::vector<double> promptSeconds; ///< Of all sequences together, by repetition.
  std::vector<double> decodeSeconds; ///< Of all decode steps together; empty without any.
  std::vector<PhaseTimes> kernels;   ///< With --per-kernel: of the prompt and, where there is one, of decoding.
  std::vector<MachineSpeed> machine; ///< Before each repetition and after the last; empty when it cannot be measured.
};

/// From now on Ctrl-C makes runBenchmark return CANCELLED instead of ending the program; a second one ends it.
void catchInterrupts();

/// Opens the plan into `plan`, which the caller releases, prepares it and measures. The codes of the library, with a
/// sentence in `status`.
yupana_status_code_t runBenchmark(const Options &options, yupana_plan_t *&plan, Measurements &measurements,
                                  yupana_status_t &status);

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANABENCH_BENCHMARK_H
