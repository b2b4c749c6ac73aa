// SPDX-License-Identifier: Apache-2.0
//
// Typed, range-checked access to the fields of one JSON object of a configuration.
#ifndef YUPANA_FRONTENDS_LLAMA4_CONFIGFIELDS_H
#define YUPANA_FRONTENDS_LLAMA4_CONFIGFIELDS_H

#include "compiler/Support/Error.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace yupana::llama4 {

/// The first error met while a file is read, and notes about what has no effect. Readers go on with defaults after an
/// error, so that the code that reads forty fields need not ask after each one.
class ConfigLog {
public:
  explicit ConfigLog(std::string_view file) : fileName(file) {}

  const std::string &file() const { return fileName; }
  /// Keeps the error if it is the first. The message is completed with the file's name.
  template <typename... Args> void fail(ExitCode code, fmt::format_string<Args...> format, Args &&...args) {
    if (!first)
      first = withContext(makeError(code, format, std::forward<Args>(args)...), fileName);
  }
  /// Adds a sentence, completed with the file's name.
  template <typename... Args> void note(fmt::format_string<Args...> format, Args &&...args) {
    sentences.push_back(fmt::format("{}: {}", fileName, fmt::format(format, std::forward<Args>(args)...)));
  }

  bool failed() const { return first.has_value(); }
  /// Only after failed().
  Error takeError() { return std::move(*first); }
  std::vector<std::string> takeNotes() { return std::move(sentences); }

private:
  std::string fileName;
  std::optional<Error> first;
  std::vector<std::string> sentences;
};

/// Inclusive bounds of a number.
template <typename T> struct Bounds {
  T lowest;
  T highest;
};

/// One object. Every accessor remembers its key as known; unknownKeys() lists the others. A value of the wrong type or
/// out of bounds is an error in the log, and the accessor returns the fallback. Null is an error except where an
/// accessor says otherwise.
class ConfigFields {
public:
  /// `path` stands before keys in messages, e.g. "text_config.".
  ConfigFields(const nlohmann::json &object, std::string path, ConfigLog &log)
      : object(object), path(std::move(path)), log(log) {}

  /// The key is not there at all.
  bool absent(const std::string &key) { return !find(key); }
  /// The key is there and not null.
  bool has(const std::string &key);
  /// "key" with the path before it, in quotes.
  std::string name(const std::string &key) const { return fmt::format("'{}'", pathOf(key)); }
  /// The same without quotes.
  std::string pathOf(const std::string &key) const { return path + key; }

  uint64_t count(const std::string &key, uint64_t fallback, Bounds<uint64_t> bounds);
  double number(const std::string &key, double fallback, Bounds<double> bounds);
  bool flag(const std::string &key, bool fallback);
  /// A boolean, or a number of which every value but zero is true.
  bool truth(const std::string &key, bool fallback);
  /// Absent: `fallback`; null: nothing.
  std::optional<uint64_t> optionalCount(const std::string &key, std::optional<uint64_t> fallback,
                                        Bounds<uint64_t> bounds);
  /// Absent or null: nothing.
  std::optional<double> optionalNumber(const std::string &key, Bounds<double> bounds);
  std::optional<bool> optionalFlag(const std::string &key);
  std::optional<std::string> optionalText(const std::string &key);
  /// The list or object of that key; null pointer when absent or null.
  const nlohmann::json *list(const std::string &key);
  const nlohmann::json *child(const std::string &key);
  /// Token ids, given as one number or as a list, in ascending order and once each; nothing when absent or null. Ids
  /// that are not in [0, vocabSize) are left out with a note.
  std::optional<std::vector<uint64_t>> tokens(const std::string &key, uint64_t vocabSize);

  /// Refuses the key (ExitCode::Unsupported) unless it is absent, null or equal to one of `neutral`.
  void refuseUnless(const std::string &key, const std::vector<nlohmann::json> &neutral);
  /// Notes that the key has no effect, under the same conditions.
  void noteUnless(const std::string &key, const std::vector<nlohmann::json> &neutral);
  /// Marks keys as known.
  void know(std::initializer_list<std::string_view> keys);
  /// Keys that nobody asked for, in alphabetical order, with the path before them.
  std::vector<std::string> unknownKeys() const;

  ConfigLog &errors() { return log; }

private:
  const nlohmann::json *find(const std::string &key);
  const nlohmann::json *findUnless(const std::string &key, const std::vector<nlohmann::json> &neutral);
  void wrongType(const std::string &key, const nlohmann::json &value, std::string_view expected);

  const nlohmann::json &object;
  std::string path;
  ConfigLog &log;
  std::set<std::string, std::less<>> known;
};

} // namespace yupana::llama4

#endif // YUPANA_FRONTENDS_LLAMA4_CONFIGFIELDS_H
