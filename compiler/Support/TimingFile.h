// SPDX-License-Identifier: Apache-2.0
//
// The file that `yupana tune --merge` writes and `yupana compile --timing-cache` takes: which configs were the fastest
// for which kernels, and what was measured.
#ifndef YUPANA_COMPILER_SUPPORT_TIMINGFILE_H
#define YUPANA_COMPILER_SUPPORT_TIMINGFILE_H

#include "compiler/Support/Error.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace yupana {

/// A kernel in steps of one size; times are medians, in microseconds of a launch.
struct TimedShape {
  std::string phase; ///< "prefill" or "decode".
  uint64_t promptTokens = 0, batch = 0;
  double chosen = 0, usual = 0; ///< With the configs of the entry, and with those that the target has by itself.
  uint64_t samples = 0;         ///< Of the chosen ones.
};

/// What is known of one kernel of a target.
struct TimingEntry {
  std::string target;
  std::string signature;            ///< As kernel::digestKernel() has it.
  uint64_t tokens = 0;              ///< Most tokens of the steps that it runs in.
  std::string on;                   ///< What it works on, for people.
  std::vector<std::string> configs; ///< In MLIR's text, of all members of a launch in order.
  std::vector<TimedShape> measured;
  uint64_t candidates = 0; ///< Different configs that were timed.
  std::string device, date;
};

/// Reads a whole file. ExitCode::MissingFile when it cannot be read; ExitCode::InvalidInput when it is not of this form
/// and version, or has two entries for one kernel of a target. What configs and targets mean is not looked at.
Result<std::vector<TimingEntry>> readTimingFile(const std::string &path);

/// The text of a file with these entries, which it sorts.
std::string timingText(std::vector<TimingEntry> entries);

/// Members of an object of a file of this kind, for errors that name both: `where` is "FILE: entries[3]".
Result<std::string> stringMember(const nlohmann::json &object, const char *name, const std::string &where);
Result<uint64_t> wholeMember(const nlohmann::json &object, const char *name, const std::string &where);
/// A number above zero.
Result<double> timeMember(const nlohmann::json &object, const char *name, const std::string &where);
/// A list or an object, as `type` names it in jsonTypeName(); null otherwise. Valid as long as `object`.
Result<const nlohmann::json *> childMember(const nlohmann::json &object, const char *name, const char *type,
                                           const std::string &where);
/// ExitCode::InvalidInput unless the root of a file says that it is of this `format` and `version`.
Result<void> checkFormat(const nlohmann::json &root, const char *format, uint64_t version, const std::string &path);

} // namespace yupana

#endif // YUPANA_COMPILER_SUPPORT_TIMINGFILE_H
