// SPDX-License-Identifier: Apache-2.0
//
// The version is in the file because a config that is misread would be a slower kernel that nobody notices. Entries are
// sorted, so that a table under version control changes where a time has changed and nowhere else.

#include "compiler/Support/TimingFile.h"

#include "compiler/Support/File.h"
#include "compiler/Support/Json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>
#include <tuple>

using namespace yupana;
using nlohmann::json;

namespace {

constexpr const char *formatName = "yupana timings";
constexpr uint64_t formatVersion = 1;
/// More than a table of any size has.
constexpr uint64_t largestFile = uint64_t{64} << 20;
constexpr size_t signatureDigits = 64;

Error wrongMember(const json &object, const char *name, const std::string &where, std::string_view expected) {
  if (!object.is_object())
    return makeError(ExitCode::InvalidInput, "{}: found {}, expected an object", where, jsonTypeName(object));
  auto found = object.find(name);
  if (found == object.end())
    return makeError(ExitCode::InvalidInput, "{}.{}: missing, expected {}", where, name, expected);
  return makeError(ExitCode::InvalidInput, "{}.{}: found {}, expected {}", where, name,
                   found->is_structured() ? std::string(jsonTypeName(*found)) : jsonText(*found), expected);
}

/// Null unless `object` is one and has the member.
const json *findMember(const json &object, const char *name) {
  auto found = object.is_object() ? object.find(name) : object.end();
  return object.is_object() && found != object.end() ? &*found : nullptr;
}

Result<TimedShape> readShape(const json &object, const std::string &where) {
  TimedShape shape;
  YUPANA_ASSIGN_OR_RETURN(shape.phase, stringMember(object, "phase", where));
  if (shape.phase != "prefill" && shape.phase != "decode")
    return wrongMember(object, "phase", where, "prefill or decode");
  YUPANA_ASSIGN_OR_RETURN(shape.promptTokens, wholeMember(object, "prompt_tokens", where));
  YUPANA_ASSIGN_OR_RETURN(shape.batch, wholeMember(object, "batch", where));
  YUPANA_ASSIGN_OR_RETURN(shape.chosen, timeMember(object, "microseconds", where));
  YUPANA_ASSIGN_OR_RETURN(shape.usual, timeMember(object, "default_microseconds", where));
  YUPANA_ASSIGN_OR_RETURN(shape.samples, wholeMember(object, "samples", where));
  return shape;
}

Result<TimingEntry> readEntry(const json &object, const std::string &where) {
  TimingEntry entry;
  YUPANA_ASSIGN_OR_RETURN(entry.target, stringMember(object, "target", where));
  YUPANA_ASSIGN_OR_RETURN(entry.signature, stringMember(object, "signature", where));
  if (entry.signature.size() != signatureDigits ||
      entry.signature.find_first_not_of("0123456789abcdef") != std::string::npos)
    return wrongMember(object, "signature", where, "64 lower-case hexadecimal digits");
  YUPANA_ASSIGN_OR_RETURN(entry.tokens, wholeMember(object, "tokens", where));
  YUPANA_ASSIGN_OR_RETURN(entry.on, stringMember(object, "on", where));
  YUPANA_ASSIGN_OR_RETURN(const json *configs, childMember(object, "configs", "a list", where));
  for (const json &config : *configs) {
    if (!config.is_string())
      return wrongMember(object, "configs", where, "a list of strings");
    entry.configs.push_back(config.get<std::string>());
  }
  if (entry.configs.empty())
    return wrongMember(object, "configs", where, "at least one config");
  YUPANA_ASSIGN_OR_RETURN(const json *measured, childMember(object, "measured", "a list", where));
  for (size_t i = 0; i < measured->size(); ++i) {
    YUPANA_ASSIGN_OR_RETURN(TimedShape shape, readShape((*measured)[i], fmt::format("{}.measured[{}]", where, i)));
    entry.measured.push_back(std::move(shape));
  }
  YUPANA_ASSIGN_OR_RETURN(entry.candidates, wholeMember(object, "candidates", where));
  YUPANA_ASSIGN_OR_RETURN(entry.device, stringMember(object, "device", where));
  YUPANA_ASSIGN_OR_RETURN(entry.date, stringMember(object, "date", where));
  return entry;
}

} // namespace

Result<std::string> yupana::stringMember(const json &object, const char *name, const std::string &where) {
  const json *member = findMember(object, name);
  if (!member || !member->is_string())
    return wrongMember(object, name, where, "a string");
  return member->get<std::string>();
}

Result<uint64_t> yupana::wholeMember(const json &object, const char *name, const std::string &where) {
  const json *member = findMember(object, name);
  std::optional<uint64_t> number = member ? wholeNumber(*member) : std::nullopt;
  if (!number)
    return wrongMember(object, name, where, "a whole number");
  return *number;
}

Result<double> yupana::timeMember(const json &object, const char *name, const std::string &where) {
  const json *member = findMember(object, name);
  if (!member || !member->is_number() || !(member->get<double>() > 0))
    return wrongMember(object, name, where, "a number above zero");
  return member->get<double>();
}

Result<const json *> yupana::childMember(const json &object, const char *name, const char *type,
                                         const std::string &where) {
  const json *member = findMember(object, name);
  if (!member || jsonTypeName(*member) != type)
    return wrongMember(object, name, where, type);
  return member;
}

Result<void> yupana::checkFormat(const json &root, const char *format, uint64_t version, const std::string &path) {
  const json *name = findMember(root, "format");
  if (!name || *name != format)
    return makeError(ExitCode::InvalidInput, "{}: is no file of the format \"{}\"", path, format);
  YUPANA_ASSIGN_OR_RETURN(uint64_t found, wholeMember(root, "version", path));
  if (found != version)
    return makeError(ExitCode::InvalidInput, "{}: has version {} of \"{}\", expected {}", path, found, format, version);
  return {};
}

Result<std::vector<TimingEntry>> yupana::readTimingFile(const std::string &path) {
  YUPANA_ASSIGN_OR_RETURN(std::string text, readWholeFile(path, largestFile));
  YUPANA_ASSIGN_OR_RETURN(json root, parseJson(text, path));
  YUPANA_RETURN_IF_ERROR(checkFormat(root, formatName, formatVersion, path));
  YUPANA_ASSIGN_OR_RETURN(const json *list, childMember(root, "entries", "a list", path));
  std::vector<TimingEntry> entries;
  std::set<std::pair<std::string, std::string>> seen;
  for (size_t i = 0; i < list->size(); ++i) {
    std::string where = fmt::format("{}: entries[{}]", path, i);
    YUPANA_ASSIGN_OR_RETURN(TimingEntry entry, readEntry((*list)[i], where));
    if (!seen.emplace(entry.target, entry.signature).second)
      return makeError(ExitCode::InvalidInput, "{}: a second entry for {} and signature {}", where, entry.target,
                       entry.signature);
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::string yupana::timingText(std::vector<TimingEntry> entries) {
  auto key = [](const TimingEntry &entry) { return std::tie(entry.target, entry.tokens, entry.on, entry.signature); };
  std::sort(entries.begin(), entries.end(),
            [&](const TimingEntry &a, const TimingEntry &b) { return key(a) < key(b); });
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const TimingEntry &entry : entries) {
    nlohmann::ordered_json measured = nlohmann::ordered_json::array();
    for (const TimedShape &shape : entry.measured)
      measured.push_back({{"phase", shape.phase},
                          {"prompt_tokens", shape.promptTokens},
                          {"batch", shape.batch},
                          {"microseconds", shape.chosen},
                          {"default_microseconds", shape.usual},
                          {"samples", shape.samples}});
    list.push_back({{"target", entry.target},
                    {"tokens", entry.tokens},
                    {"on", entry.on},
                    {"signature", entry.signature},
                    {"configs", entry.configs},
                    {"measured", measured},
                    {"candidates", entry.candidates},
                    {"device", entry.device},
                    {"date", entry.date}});
  }
  nlohmann::ordered_json root = {{"format", formatName}, {"version", formatVersion}, {"entries", list}};
  return root.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}
