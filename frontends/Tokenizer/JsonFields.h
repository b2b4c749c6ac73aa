// SPDX-License-Identifier: Apache-2.0
//
// Fields of the tokenizer's JSON files, read without exceptions.
#ifndef YUPANA_FRONTENDS_TOKENIZER_JSONFIELDS_H
#define YUPANA_FRONTENDS_TOKENIZER_JSONFIELDS_H

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace yupana {

/// The value of a field, or null where `object` is no object or lacks it: readers then see the wrong type.
const nlohmann::json &member(const nlohmann::json &object, const char *name);

/// True if this field is true; absent means false.
bool isTrue(const nlohmann::json &object, const char *name);

/// True if the field `type` says `type`.
bool isType(const nlohmann::json &object, std::string_view type);

/// A token id below schema::kMaxTokenizerEntries.
std::optional<uint32_t> asId(const nlohmann::json &value);

/// The text of a special token, written as a string or as an object with `content`; nothing for other values.
std::optional<std::string> asTokenText(const nlohmann::json &value);

/// A value as it stands in the file, cut to a length that fits a sentence.
std::string shown(const nlohmann::json &value);

} // namespace yupana

#endif // YUPANA_FRONTENDS_TOKENIZER_JSONFIELDS_H
