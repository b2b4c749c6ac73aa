// SPDX-License-Identifier: Apache-2.0
//
// Parses by events and builds the value itself, because the library's own builder accepts what two readers could
// understand differently: of duplicate keys it keeps the last, and a zero byte ends the text. Depth is bounded before
// the value is built, since destroying a deeply nested value recurses.

#include "compiler/Support/Json.h"

#include "compiler/Support/FileKind.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>
#include <vector>

using namespace yupana;
using nlohmann::json;

namespace {

/// A word that Python writes for a number, and a spelling of zero that stands for it while the text is parsed: the
/// parser knows no such word, but it hands on how a number was spelled.
struct NonFinite {
  std::string_view word;
  std::string_view spelling;
  double value;
};
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr NonFinite nonFinites[] = {{"NaN", "0.0e-2147483647", std::numeric_limits<double>::quiet_NaN()},
                                    {"-Infinity", "-0.0e+2147483647", -infinity},
                                    {"Infinity", "0.0e+2147483647", infinity}};

/// True if no number or word goes on at `at`, so that what ends or begins there is whole.
bool isBorder(std::string_view text, size_t at) {
  return at >= text.size() || (!std::isalnum(static_cast<unsigned char>(text[at])) && text[at] != '.' &&
                               text[at] != '_' && text[at] != '+' && text[at] != '-');
}

/// `text` with the words replaced by their spellings; empty when it has none, or when it has a spelling itself.
std::string respellNonFinite(std::string_view text) {
  if (text.find("NaN") == text.npos && text.find("Infinity") == text.npos)
    return {};
  // A text that has the spelling already could not be told from one that was given it.
  if (text.find("e-2147483647") != text.npos || text.find("e+2147483647") != text.npos)
    return {};
  std::string out;
  bool inString = false, any = false;
  for (size_t at = 0; at < text.size();) {
    const NonFinite *found = nullptr;
    bool mayBegin = text[at] == 'N' || text[at] == 'I' || text[at] == '-';
    // A number or word that only contains one of the words is left for the parser to refuse.
    if (!inString && mayBegin && (at == 0 || isBorder(text, at - 1)))
      found = std::find_if(std::begin(nonFinites), std::end(nonFinites), [&](const NonFinite &candidate) {
        return text.substr(at, candidate.word.size()) == candidate.word && isBorder(text, at + candidate.word.size());
      });
    if (found && found != std::end(nonFinites)) {
      out += found->spelling;
      at += found->word.size();
      any = true;
      continue;
    }
    // An escape is taken as a pair, or an escaped quote would end the string.
    if (inString && text[at] == '\\' && at + 1 < text.size())
      out += text[at++];
    else if (text[at] == '"')
      inString = !inString;
    out += text[at++];
  }
  return any ? out : std::string();
}

/// Builds the value that parser events describe; stops at the first event that breaks a rule.
class StrictBuilder final : public nlohmann::json_sax<json> {
public:
  /// With `respelled`, `text` comes from respellNonFinite().
  StrictBuilder(std::string_view text, bool respelled, JsonSink *sink) : text(text), respelled(respelled), sink(sink) {}

  json root;
  std::string problem; ///< What was wrong, once an event has returned false.

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t &spelling) override {
    // Numbers keep their spelling, by which the words are told from the zeros that they became.
    for (const NonFinite &candidate : nonFinites)
      if (respelled && spelling == candidate.spelling)
        value = candidate.value;
    return add(value);
  }
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
    // The parser counts from 1 and has read the byte that is wrong.
    std::string_view before = text.substr(0, position > 0 ? position - 1 : 0);
    size_t line = 1 + static_cast<size_t>(std::count(before.begin(), before.end(), '\n'));
    size_t column = before.size() - (before.rfind('\n') + 1) + 1;
    problem = fmt::format("is not valid JSON at line {}, column {}", line, column);
    return false;
  }

private:
  json *place(json value) {
    // Pointers to open containers stay valid: while one is open, nothing is added to the one around it.
    if (containers.empty())
      return root = std::move(value), &root;
    json &container = *containers.back();
    if (container.is_array())
      return &container.emplace_back(std::move(value));
    return &*container.emplace(std::move(pendingKey), std::move(value)).first;
  }

  /// True inside of a list or object whose members the sink takes. The container itself stays empty.
  bool isSunk() const { return sunk && containers.back() == sunk; }
  std::string keyHere() const { return containers.back()->is_array() ? std::string() : pendingKey; }

  bool add(json value) {
    if (isSunk())
      sink->take(keyHere(), std::move(value));
    else
      place(std::move(value));
    return true;
  }

  bool open(json value) {
    // Before the value exists, so that no value is deeper than what can be freed.
    if (containers.size() == maxJsonDepth) {
      problem = fmt::format("is nested deeper than {} levels", maxJsonDepth);
      return false;
    }
    // The member is built apart and goes to the sink when it is whole.
    if (isSunk()) {
      memberKey = keyHere();
      member = std::move(value);
      containers.push_back(&member);
      return true;
    }
    if (!containers.empty())
      path.push_back(keyHere());
    containers.push_back(place(std::move(value)));
    if (sink && !sunk && !path.empty() && sink->wants(path, containers.back()->is_object()))
      sunk = containers.back();
    return true;
  }

  bool close() {
    json *closed = containers.back();
    containers.pop_back();
    if (sunk && closed == &member) {
      sink->take(memberKey, std::move(member));
      return true;
    }
    if (closed == sunk)
      sunk = nullptr;
    // An element of a list has an empty key on the path, so that each container takes one away; the root has none.
    if (!path.empty())
      path.pop_back();
    return true;
  }

  std::string_view text;
  bool respelled;
  std::vector<json *> containers; ///< Open ones, outermost first. Only the innermost one grows, so they do not move.
  std::string pendingKey;
  JsonSink *sink;
  std::vector<std::string> path; ///< The keys of `containers`, without those of `member`.
  json *sunk = nullptr;          ///< The container whose members the sink takes.
  json member;                   ///< The one being built for it, if it is a container itself, and its key.
  std::string memberKey;
};

} // namespace

Result<json> yupana::parseJson(std::string_view text, std::string_view file, JsonSink *sink) {
  auto invalid = [&](std::string_view problem) {
    return explainFileKind(text, file, "JSON", makeError(ExitCode::InvalidInput, "{}: {}", file, problem));
  };
  // The parser takes a zero byte for the end of its input and would ignore what follows.
  if (size_t zero = text.find('\0'); zero != std::string_view::npos)
    return invalid(fmt::format("is not valid JSON: byte {} is zero", zero));
  std::string respelled = respellNonFinite(text);
  std::string_view parsed = respelled.empty() ? text : respelled;
  StrictBuilder builder(parsed, !respelled.empty(), sink);
  if (!json::sax_parse(parsed, &builder))
    return invalid(builder.problem);
  return std::move(builder.root);
}

std::optional<uint64_t> yupana::wholeNumber(const json &value) {
  if (value.is_number_unsigned())
    return value.get<uint64_t>();
  if (!value.is_number_float())
    return std::nullopt;
  auto number = value.get<double>();
  // 2^64 itself is no 64-bit number. NaN fails the first comparison.
  if (!(number >= 0 && number < 0x1p64) || number != std::floor(number))
    return std::nullopt;
  return static_cast<uint64_t>(number);
}

std::string yupana::jsonText(const json &value) {
  if (value.is_number_float() && !std::isfinite(value.get<double>()))
    return std::isnan(value.get<double>()) ? "NaN" : value.get<double>() < 0 ? "-Infinity" : "Infinity";
  return value.dump(-1, ' ', /*ensure_ascii=*/true, json::error_handler_t::replace);
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
