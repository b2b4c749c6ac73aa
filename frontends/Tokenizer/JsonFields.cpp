// SPDX-License-Identifier: Apache-2.0
//
// Fields of the tokenizer's files, which come from many tools. A field that is absent and one of another type both read
// as nothing, so that the caller decides whether that is an error and says which field it is.

#include "frontends/Tokenizer/JsonFields.h"

#include "compiler/Support/Json.h"
#include "runtime/schema/tokenizer.h"

using namespace yupana;
using nlohmann::json;

const json &yupana::member(const json &object, const char *name) {
  // Null is also what `find` sees in a value that is no object, so that lookups may be chained.
  static const json absent;
  auto found = object.find(name);
  return found == object.end() ? absent : *found;
}

bool yupana::isTrue(const json &object, const char *name) {
  const json &value = member(object, name);
  return value.is_boolean() && value.get_ref<const bool &>();
}

bool yupana::isType(const json &object, std::string_view type) {
  const json &value = member(object, "type");
  return value.is_string() && value.get_ref<const std::string &>() == type;
}

std::optional<uint32_t> yupana::asId(const json &value) {
  std::optional<uint64_t> id = wholeNumber(value);
  // The bound keeps arrays indexed by the id small; below it a number fits 32 bits.
  return id && *id < schema::kMaxTokenizerEntries ? std::optional<uint32_t>(*id) : std::nullopt;
}

std::optional<std::string> yupana::asTokenText(const json &value) {
  const json &text = value.is_object() ? member(value, "content") : value;
  return text.is_string() ? std::optional<std::string>(text.get_ref<const std::string &>()) : std::nullopt;
}

std::string yupana::shown(const json &value) {
  // Bytes that are no UTF-8 are replaced: messages are printed as text.
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  constexpr size_t longest = 120;
  if (text.size() <= longest)
    return text;
  size_t length = longest;
  while ((text[length] & 0xC0) == 0x80) // not inside a character
    --length;
  return text.substr(0, length) + "...";
}
