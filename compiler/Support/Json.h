// SPDX-License-Identifier: Apache-2.0
//
// JSON read strictly: what two readers could understand differently is refused.
#ifndef YUPANA_COMPILER_SUPPORT_JSON_H
#define YUPANA_COMPILER_SUPPORT_JSON_H

#include "compiler/Support/Error.h"

#include <nlohmann/json_fwd.hpp>

#include <string_view>

namespace yupana {

/// Arrays and objects inside one another, deepest accepted.
inline constexpr unsigned maxJsonDepth = 64;

/// Parses `text`, which must be one JSON value and nothing else, valid UTF-8, without duplicate keys and at most
/// maxJsonDepth levels deep. `file` names the text in errors, which have ExitCode::InvalidInput.
Result<nlohmann::json> parseJson(std::string_view text, std::string_view file);

/// A word for the type of `value`, for messages: "null", "a boolean", "a number", "a string", "a list", "an object".
std::string_view jsonTypeName(const nlohmann::json &value);

} // namespace yupana

#endif // YUPANA_COMPILER_SUPPORT_JSON_H
