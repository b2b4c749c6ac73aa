// SPDX-License-Identifier: Apache-2.0
//
// The words of a command line: options, in any order, and what is not an option.
#ifndef YUPANA_TOOLS_YUPANA_ARGUMENTS_H
#define YUPANA_TOOLS_YUPANA_ARGUMENTS_H

#include "compiler/Support/Error.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace yupana {

/// An option a command has.
struct OptionSpec {
  std::string name;        ///< With its dashes: "-o", "--json".
  bool takesValue = false; ///< `--name VALUE` or `--name=VALUE`; of one letter also `-jVALUE`.
};

/// A command line taken apart.
class Arguments {
public:
  /// ExitCode::Usage, naming the word, for an empty one and an option that is not in `specs`, given twice or without
  /// its value; ExitCode::Unsupported for an option that is in `planned`, which later versions have.
  static Result<Arguments> parse(const std::vector<std::string> &words, const std::vector<OptionSpec> &specs,
                                 const std::vector<std::string> &planned = {});

  bool has(const std::string &name) const { return options.count(name) != 0; }
  /// The value of an option, or nothing when it was not given.
  std::optional<std::string> value(const std::string &name) const;
  /// The value as a whole decimal number between `least` and `greatest`; ExitCode::Usage otherwise.
  Result<std::optional<uint64_t>> number(const std::string &name, uint64_t least, uint64_t greatest) const;
  const std::vector<std::string> &positional() const { return words; }
  /// The one word that is no option; `what` names it in the error: "a checkpoint folder". ExitCode::Usage.
  Result<std::string> only(const std::string &what) const;

private:
  std::map<std::string, std::string> options;
  std::vector<std::string> words;
};

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANA_ARGUMENTS_H
