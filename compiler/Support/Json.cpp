// SPDX-License-Identifier: Apache-2.0
//
// Parses by events and builds the value itself, because the library's own builder accepts what two readers could
// understand differently: of duplicate keys it keeps the last, and a zero byte ends the text. Depth is bounded before
// the value is built, since destroying a deeply nested value recurses.

#include "compiler/Support/Json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <vector>

using namespace yupana;
using nlohmann::json;

namespace {

/// Builds the value that parser events describe; stops at the first event that breaks a rule.
class StrictBuilder final : public nlohmann::json_sax<json> {
public:
  explicit StrictBuilder(std::string_view text) : text(text) {}

  json root;
  std::string problem; ///< What was wrong, once an event has returned false.

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t &) override { return add(value); }
  bool string(string_t &value) override { return add(std::move(value)); }
  bool binary(binary_t &) override { return false; }
  bool start_object(size_t) override { return open(json::object()); }
  bool start_array(size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t &name) override {
    if (containers.back()->contains(name)) {
      problem = fmt::format("the key {} stands twice in one object", inQuotes(name));
      return false;
    }
    pendingKey = std::move(name);
    return true;
  }

  bool parse_error(size_t position, const std::string &, const nlohmann::detail::exception &) override {
    std::string_view before = text.substr(0, position > 0 ? position - 1 : 0);
    size_t line = 1 + static_cast<size_t>(std::count(before.begin(), before.end(), '\n'));
    size_t column = before.size() - (before.rfind('\n') + 1) + 1;
    problem = fmt::format("is not valid JSON at line {}, column {}", line, column);
    return false;
  }

private:
  json *place(json value) {
    if (containers.empty())
      return root = std::move(value), &root;
    json &container = *containers.back();
    if (container.is_array())
      return &container.emplace_back(std::move(value));
    return &*container.emplace(std::move(pendingKey), std::move(value)).first;
  }

  bool add(json value) { return place(std::move(value)), true; }

  bool open(json value) {
    if (containers.size() == maxJsonDepth) {
      problem = fmt::format("is nested deeper than {} levels", maxJsonDepth);
      return false;
    }
    containers.push_back(place(std::move(value)));
    return true;
  }

  bool close() { return containers.pop_back(), true; }

  std::string_view text;
  std::vector<json *> containers; ///< Open ones, outermost first. Only the innermost one grows, so they do not move.
  std::string pendingKey;
};

} // namespace

Result<json> yupana::parseJson(std::string_view text, std::string_view file) {
  // The parser takes a zero byte for the end of its input and would ignore what follows.
  if (size_t zero = text.find('\0'); zero != std::string_view::npos)
    return makeError(ExitCode::InvalidInput, "{}: is not valid JSON: byte {} is zero", file, zero);
  StrictBuilder builder(text);
  if (!json::sax_parse(text, &builder))
    return makeError(ExitCode::InvalidInput, "{}: {}", file, builder.problem);
  return std::move(builder.root);
}

std::string_view yupana::jsonTypeName(const json &value) {
  switch (value.type()) {
  case json::value_t::null:
    return "null";
  case json::value_t::boolean:
    return "a boolean";
  case json::value_t::number_integer:
  case json::value_t::number_unsigned:
  case json::value_t::number_float:
    return "a number";
  case json::value_t::string:
    return "a string";
  case json::value_t::array:
    return "a list";
  case json::value_t::object:
    return "an object";
  default:
    return "something else";
  }
}
