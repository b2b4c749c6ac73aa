// SPDX-License-Identifier: Apache-2.0
//
// Options may stand anywhere and none twice, since with two values a user would have to know which one counts. A word
// that begins with a dash and is no option is refused and never taken for a file; after "--" every word is one. Options
// of later versions are told apart from typing errors by their exit code.

#include "tools/yupana/Arguments.h"

#include "tools/support/Numbers.h"

#include <algorithm>

using namespace yupana;

namespace {

/// A word split into an option and the value written in the same word.
struct Split {
  std::string name;
  std::optional<std::string> value;
};

/// "--name=value" has its value behind the first "=", "-j8" behind the letter.
Split splitWord(const std::string &word) {
  if (word.compare(0, 2, "--") != 0)
    return word.size() > 2 ? Split{word.substr(0, 2), word.substr(2)} : Split{word, std::nullopt};
  size_t equals = word.find('=');
  return equals == std::string::npos ? Split{word, std::nullopt}
                                     : Split{word.substr(0, equals), word.substr(equals + 1)};
}

} // namespace

Result<Arguments> Arguments::parse(const std::vector<std::string> &words, const std::vector<OptionSpec> &specs,
                                   const std::vector<std::string> &planned) {
  Arguments parsed;
  bool onlyWords = false;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string &word = words[i];
    // What a script passes whose variable is not set.
    if (word.empty())
      return makeError(ExitCode::Usage, "found an empty argument, expected the name of a file or folder; see --help");
    // A dash alone is no option: by custom it names standard input.
    if (onlyWords || word.size() < 2 || word[0] != '-') {
      parsed.words.push_back(word);
      continue;
    }
    if (word == "--") {
      onlyWords = true;
      continue;
    }
    Split split = splitWord(word);
    // Before the options of this version, with an exit code of its own: a script can tell an older program by it.
    if (std::find(planned.begin(), planned.end(), split.name) != planned.end())
      return makeError(ExitCode::Unsupported, "option {}: not in this version", split.name);
    auto spec = std::find_if(specs.begin(), specs.end(), [&](const OptionSpec &s) { return s.name == split.name; });
    if (spec == specs.end())
      return makeError(ExitCode::Usage, "option {}: unknown, see --help", inQuotes(split.name));
    if (parsed.has(split.name))
      return makeError(ExitCode::Usage, "option {}: given twice", split.name);
    if (!spec->takesValue && split.value)
      return makeError(ExitCode::Usage, "option {}: takes no value, found {}", split.name, inQuotes(*split.value));
    if (spec->takesValue && !split.value) {
      if (i + 1 == words.size())
        return makeError(ExitCode::Usage, "option {}: needs a value, see --help", split.name);
      // The next word whatever it looks like: names of files and negative numbers may begin with a dash.
      split.value = words[++i];
    }
    parsed.options[split.name] = split.value.value_or("");
  }
  return parsed;
}

std::optional<std::string> Arguments::value(const std::string &name) const {
  auto found = options.find(name);
  return found == options.end() ? std::nullopt : std::optional<std::string>(found->second);
}

Result<std::optional<uint64_t>> Arguments::number(const std::string &name, uint64_t least, uint64_t greatest) const {
  std::optional<std::string> text = value(name);
  if (!text)
    return std::optional<uint64_t>();
  std::optional<uint64_t> number = parseNumber(*text, greatest);
  if (!number || *number < least)
    return makeError(ExitCode::Usage, "option {}: found {}, expected a whole number from {} to {}", name,
                     inQuotes(*text), least, greatest);
  return number;
}

Result<std::string> Arguments::only(const std::string &what) const {
  if (words.size() == 1)
    return words.front();
  if (words.empty())
    return makeError(ExitCode::Usage, "{} is missing, see --help", what);
  return makeError(ExitCode::Usage, "found {} after {}, expected {} alone", inQuotes(words[1]), inQuotes(words[0]),
                   what);
}
