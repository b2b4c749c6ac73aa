// SPDX-License-Identifier: Apache-2.0
//
// JSON read strictly: what two readers could understand differently is refused.
#ifndef YUPANA_COMPILER_SUPPORT_JSON_H
#define YUPANA_COMPILER_SUPPORT_JSON_H

#include "compiler/Support/Error.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace yupana {

/// Arrays and objects inside one another, deepest accepted.
inline constexpr unsigned maxJsonDepth = 64;

/// Takes the members of long lists and objects one by one while a text is parsed, so that they need not all be in
/// memory as values, which take many times the text.
class JsonSink {
public:
  virtual ~JsonSink() = default;
  /// Asked at the beginning of every list or object inside the root; `path` has the keys that lead to it, an empty one
  /// for an element of a list. True: its members come to take(), and it stays empty in the value that is built.
  virtual bool wants(const std::vector<std::string> &path, bool isObject) = 0;
  /// A member with its key, which is empty in a list. A key may come twice.
  virtual void take(const std::string &key, nlohmann::json value) = 0;
};

/// Parses `text`, which must be one JSON value and nothing else, valid UTF-8, without duplicate keys and at most
/// maxJsonDepth levels deep. The bare words NaN, Infinity and -Infinity, as Python writes such numbers, are numbers.
/// `file` names the text in errors, which have ExitCode::InvalidInput and say what the file is where it is no text of
/// this kind at all (FileKind.h). `sink` may be null.
Result<nlohmann::json> parseJson(std::string_view text, std::string_view file, JsonSink *sink = nullptr);

/// The value of a number that is whole and not negative, however it is written: 32, 32.0 or 3.2e1. Nothing for any
/// other value.
std::optional<uint64_t> wholeNumber(const nlohmann::json &value);

/// `value` as JSON on one line, for messages; numbers that are not finite are NaN, Infinity and -Infinity.
std::string jsonText(const nlohmann::json &value);

/// A word for the type of `value`, for messages: "null", "a boolean", "a number", "a string", "a list", "an object".
std::string_view jsonTypeName(const nlohmann::json &value);

} // namespace yupana

#endif // YUPANA_COMPILER_SUPPORT_JSON_H
