// SPDX-License-Identifier: Apache-2.0
#ifndef YUPANA_TOOLS_YUPANABENCH_REPORT_H
#define YUPANA_TOOLS_YUPANABENCH_REPORT_H

#include "tools/yupana-bench/Benchmark.h"

#include <string>

namespace yupana {

/// What was measured, as a small table for people and as one JSON object.
std::string textReport(const yupana_plan_t *plan, const Options &options, const Measurements &measurements);
std::string jsonReport(const yupana_plan_t *plan, const Options &options, const Measurements &measurements);

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANABENCH_REPORT_H
