// SPDX-License-Identifier: Apache-2.0
//
// The command line of yupana-bench.
#ifndef YUPANA_TOOLS_YUPANABENCH_OPTIONS_H
#define YUPANA_TOOLS_YUPANABENCH_OPTIONS_H

#include "tools/support/Devices.h"
#include "yupana/yupana.h"

#include <cstdint>
#include <string>

namespace yupana {

struct Options {
  enum Mode { Run, Help, Version } mode = Run;
  std::string plan;
  uint32_t promptTokens = 512; ///< Of every sequence.
  uint32_t maxNewTokens = 128; ///< Decode steps; 0: none.
  uint32_t batch = 1;          ///< Sequences.
  uint32_t repetitions = 5;
  uint32_t warmup = 1;
  uint32_t stepTokens = 0; ///< 0: the plan's limit.
  uint32_t threads = 0;    ///< 0: all cores.
  uint64_t kvMemory = 0;   ///< Bytes; 0: what the run needs, and at least one sequence of the longest context.
  double bandwidth = 0;    ///< Bytes/s to hold the run against; 0: what the processor is measured to reach.
  double flops = 0;        ///< FLOP/s; given with `bandwidth` or not at all.
  std::string target;      ///< Empty: the best one.
  DeviceOption device;
  bool mapWeights = false;
  bool randomWeights = false;
  bool json = false;
  bool perKernel = false;
};

/// Writes one sentence into `status` and returns `code`.
yupana_status_code_t failWith(yupana_status_t &status, yupana_status_code_t code, const std::string &sentence);

/// Reads the command line. INVALID_ARGUMENT, naming the word.
yupana_status_code_t parseOptions(int argc, char **argv, Options &options, yupana_status_t &status);

/// What only the plan can tell: whether it lacks the weights that are to be random, and whether lengths, sequences and
/// step fit what it was compiled for. INVALID_ARGUMENT, or INVALID_DATA for a plan without weights.
yupana_status_code_t checkLimits(const yupana_plan_t *plan, const Options &options, yupana_status_t &status);

/// The text of `--help`.
extern const char *const helpText;

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANABENCH_OPTIONS_H
