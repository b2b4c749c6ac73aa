// SPDX-License-Identifier: Apache-2.0
//
// A wrong field does not end the reading: the first error is kept, a fallback stands in for the value, and the caller
// asks for the error when all fields have been read. So code that reads a configuration is a list of fields. Every key
// that was asked for counts as known, which is how unknown ones are found at the end.

#include "frontends/Llama4/ConfigFields.h"

#include "compiler/Support/Json.h"

#include <algorithm>
#include <cmath>

using namespace yupana;
using namespace yupana::llama4;
using nlohmann::json;

/// A value as it may stand in a message: short.
static std::string shown(const json &value) {
  constexpr size_t longest = 80;
  std::string text = jsonText(value);
  return text.size() > longest ? text.substr(0, longest) + "…" : text;
}

const json *ConfigFields::find(const std::string &key) {
  // Also of a key that is not there: what was asked for is what this reader understands.
  known.insert(key);
  auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

void ConfigFields::wrongType(const std::string &key, const json &value, std::string_view expected) {
  log.fail(ExitCode::InvalidInput, "{} is {}, expected {}", name(key), value.is_null() ? "null" : shown(value),
           expected);
}

bool ConfigFields::has(const std::string &key) {
  // Null is how transformers writes an optional field without a value.
  const json *value = find(key);
  return value && !value->is_null();
}

uint64_t ConfigFields::count(const std::string &key, uint64_t fallback, Bounds<uint64_t> bounds) {
  const json *value = find(key);
  if (!value)
    return fallback;
  std::string expected = fmt::format("an integer from {} to {}", bounds.lowest, bounds.highest);
  std::optional<uint64_t> found = wholeNumber(*value);
  if (!found || *found < bounds.lowest || *found > bounds.highest) {
    wrongType(key, *value, expected);
    return fallback;
  }
  return *found;
}

double ConfigFields::number(const std::string &key, double fallback, Bounds<double> bounds) {
  const json *value = find(key);
  if (!value)
    return fallback;
  // NaN stands in for what is no number. Comparisons with it are false, which is why the one below is negated.
  double found = value->is_number() ? value->get<double>() : std::nan("");
  if (!(found >= bounds.lowest && found <= bounds.highest)) {
    // Every whole number is an integer, however it is written: 5120.0 and 5.12e3 as well.
    wrongType(key, *value, fmt::format("a number from {} to {}", bounds.lowest, bounds.highest));
    return fallback;
  }
  return found;
}

bool ConfigFields::flag(const std::string &key, bool fallback) {
  const json *value = find(key);
  if (!value)
    return fallback;
  if (!value->is_boolean()) {
    wrongType(key, *value, "true or false");
    return fallback;
  }
  return value->get<bool>();
}

bool ConfigFields::truth(const std::string &key, bool fallback) {
  const json *value = find(key);
  // As Python takes numbers for booleans: zero is false.
  if (value && value->is_number())
    return value->get<double>() != 0;
  return flag(key, fallback);
}

std::optional<uint64_t> ConfigFields::optionalCount(const std::string &key, std::optional<uint64_t> fallback,
                                                    Bounds<uint64_t> bounds) {
  const json *value = find(key);
  if (!value)
    return fallback;
  if (value->is_null())
    return std::nullopt;
  // The fallback comes into play after an error alone, when nobody uses the value; it is one that is in bounds.
  return count(key, bounds.lowest, bounds);
}

std::optional<double> ConfigFields::optionalNumber(const std::string &key, Bounds<double> bounds) {
  return has(key) ? std::optional(number(key, bounds.lowest, bounds)) : std::nullopt;
}

std::optional<bool> ConfigFields::optionalFlag(const std::string &key) {
  return has(key) ? std::optional(flag(key, false)) : std::nullopt;
}

std::optional<std::string> ConfigFields::optionalText(const std::string &key) {
  if (!has(key))
    return std::nullopt;
  const json *value = find(key);
  if (!value->is_string()) {
    wrongType(key, *value, "a string");
    return std::nullopt;
  }
  return value->get<std::string>();
}

const json *ConfigFields::list(const std::string &key) {
  const json *value = find(key);
  if (!value || value->is_null())
    return nullptr;
  if (!value->is_array()) {
    wrongType(key, *value, "a list");
    return nullptr;
  }
  return value;
}

const json *ConfigFields::child(const std::string &key) {
  const json *value = find(key);
  if (!value || value->is_null())
    return nullptr;
  if (!value->is_object()) {
    wrongType(key, *value, "an object");
    return nullptr;
  }
  return value;
}

std::optional<std::vector<uint64_t>> ConfigFields::tokens(const std::string &key, uint64_t vocabSize) {
  const json *value = find(key);
  if (!value || value->is_null())
    return std::nullopt;
  std::vector<uint64_t> out;
  for (const json &item : value->is_array() ? *value : json::array({*value})) {
    std::optional<uint64_t> id = wholeNumber(item);
    // A negative number is an id that no vocabulary has.
    if (!id && !item.is_number_integer()) {
      wrongType(key, *value, "a token id or a list of token ids");
      return std::nullopt;
    }
    if (id && *id < vocabSize)
      out.push_back(*id);
    else
      log.note("{} {} is not in the vocabulary of {} tokens and is left out", name(key), shown(item), vocabSize);
  }
  // As a set: the order of stop tokens has no meaning.
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

const json *ConfigFields::findUnless(const std::string &key, const std::vector<json> &neutral) {
  const json *value = find(key);
  // Numbers are compared by value: 1 and 1.0 are both neutral where one of them is.
  if (!value || value->is_null() || std::find(neutral.begin(), neutral.end(), *value) != neutral.end())
    return nullptr;
  return value;
}

void ConfigFields::refuseUnless(const std::string &key, const std::vector<json> &neutral) {
  if (const json *value = findUnless(key, neutral))
    log.fail(ExitCode::Unsupported, "{} is {}, which is not supported", name(key), shown(*value));
}

void ConfigFields::noteUnless(const std::string &key, const std::vector<json> &neutral) {
  if (const json *value = findUnless(key, neutral))
    log.note("{} is {}, which has no effect", name(key), shown(*value));
}

void ConfigFields::know(std::initializer_list<std::string_view> keys) {
  for (std::string_view key : keys)
    known.emplace(key);
}

std::vector<std::string> ConfigFields::unknownKeys() const {
  // The library keeps keys in alphabetical order.
  std::vector<std::string> out;
  for (const auto &item : object.items())
    if (!known.count(item.key()))
      out.push_back(inQuotes(path + item.key()));
  return out;
}
