// SPDX-License-Identifier: Apache-2.0
//
// The command line of yupana-run.
#ifndef YUPANA_TOOLS_YUPANARUN_OPTIONS_H
#define YUPANA_TOOLS_YUPANARUN_OPTIONS_H

#include "tools/support/Devices.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace yupana {

/// Exit codes, the same in every program of the project.
enum ExitCode {
  exitDone = 0,
  exitInternal = 1,
  exitUsage = 2,
  exitUnreadable = 3,
  exitInvalid = 4,
  exitUnsupported = 5,
  exitDoesNotFit = 6,
  exitOutOfSpace = 7,
  exitInterrupted = 130,
};

/// One `--prompt`, `--user` or `--tokens`.
struct Input {
  enum Kind { Prompt, User, Tokens } kind;
  std::string value;
};

struct Options {
  enum Mode { Generate, Chat, Tokenize, Detokenize, Help, Version } mode = Generate;
  std::string plan;
  std::vector<Input> inputs; ///< In the order given.
  std::optional<std::string> system;
  std::string logits;  ///< Empty: none wanted.
  std::string profile; ///< Likewise.
  bool json = false;
  bool noSpecial = false;
  bool mapWeights = false;
  std::optional<uint32_t> maxNewTokens;
  std::optional<float> temperature; ///< Absent, like those below: what the plan says.
  std::optional<uint32_t> topK;
  std::optional<float> topP;
  std::optional<float> minP;
  std::optional<float> repetitionPenalty;
  uint64_t seed = 0;
  uint32_t stepTokens = 0; ///< 0: the plan's limit.
  uint32_t threads = 0;    ///< 0: all cores.
  uint64_t kvMemory = 0;   ///< Bytes; 0: the library's default.
  std::string target;      ///< Empty: the best one.
  DeviceOption device;
};

/// Reads the command line. Returns exitDone, or an exit code with one sentence in `error`.
int parseOptions(int argc, char **argv, Options &options, std::string &error);

/// The text of `--help`.
extern const char *const helpText;

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANARUN_OPTIONS_H
