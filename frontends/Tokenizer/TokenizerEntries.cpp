// SPDX-License-Identifier: Apache-2.0
//
// As values of a JSON library, the words and merges of a tokenizer take ten times the memory of its file. Here they are
// bytes one behind the other, with four to eight bytes beside each. What is wrong with an entry is kept until its part
// is read, so that what is told first does not depend on the order of the file.

#include "frontends/Tokenizer/TokenizerEntries.h"

#include "frontends/Tokenizer/JsonFields.h"
#include "runtime/schema/tokenizer.h"

#include <nlohmann/json.hpp>

using namespace yupana;
using nlohmann::json;

IndexTable::IndexTable(size_t count) {
  // A power of two, so that a mask takes the place of a division, and at most three quarters full, so that searches for
  // what is not there end soon.
  size_t size = 16;
  while (size < count + count / 3)
    size *= 2;
  slots.resize(size);
  mask = size - 1;
}

void IndexTable::add(size_t hash, uint32_t number) {
  size_t at = hash & mask;
  while (slots[at])
    at = (at + 1) & mask;
  slots[at] = number + 1;
}

/// Takes the elements of these three lists and objects out of the value that is built. The parser asks at each
/// beginning of a list or object, and elements go to take() until it ends, so that `part` holds for them.
bool TokenizerEntries::wants(const std::vector<std::string> &path, bool isObject) {
  if (path.size() == 1 && path[0] == "added_tokens" && !isObject) {
    part = AddedTokens;
    return true;
  }
  if (path.size() != 2 || path[0] != "model" || (path[1] == "vocab") != isObject)
    return false;
  part = path[1] == "vocab" ? Words : Merges;
  return path[1] == "vocab" || path[1] == "merges";
}

void TokenizerEntries::take(const std::string &key, json value) {
  switch (part) {
  case Words:
    return takeWord(key, value);
  case Merges:
    return takeMerge(value);
  case AddedTokens:
    return takeAdded(value);
  }
}

/// Ids may come twice and spellings, too: both are looked at when all words are there.
void TokenizerEntries::takeWord(const std::string &spelling, const json &id) {
  std::optional<uint32_t> number = asId(id);
  if (!number && !wordError)
    wordError = invalid("model.vocab gives {} the id {}, expected a whole number below {}", shown(spelling), shown(id),
                        schema::kMaxTokenizerEntries);
  if (wordError)
    return;
  words.push_back({static_cast<uint32_t>(spellings.size()), *number});
  spellings += spelling;
}

std::string_view TokenizerEntries::spelling(size_t word) const {
  size_t begin = words[word].begin, end = word + 1 < words.size() ? words[word + 1].begin : spellings.size();
  return std::string_view(spellings).substr(begin, end - begin);
}

/// A merge is written "a b" or, since texts may hold spaces, ["a", "b"].
void TokenizerEntries::takeMerge(const json &entry) {
  std::string_view left, right;
  if (entry.is_string()) {
    std::string_view both = entry.get_ref<const std::string &>();
    size_t space = both.find(' ');
    if (space != std::string_view::npos && both.find(' ', space + 1) == std::string_view::npos) {
      left = both.substr(0, space);
      right = both.substr(space + 1);
    }
  } else if (entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_string()) {
    left = entry[0].get_ref<const std::string &>();
    right = entry[1].get_ref<const std::string &>();
  }
  // What is wrong with the first entry is kept; the rest are counted alone, for the message about too many.
  if ((left.empty() || right.empty()) && !mergeError)
    mergeError = invalid("model.merges has the entry {}, expected \"a b\" or [\"a\", \"b\"]", shown(entry));
  ++merges;
  if (mergeError || merges > schema::kMaxTokenizerEntries)
    return;
  for (std::string_view side : {left, right}) {
    sides += side;
    sideEnds.push_back(static_cast<uint32_t>(sides.size()));
  }
}

/// The sides follow one another, so that each begins where the one before it ends.
TokenizerEntries::Merge TokenizerEntries::merge(size_t number) const {
  size_t begin = number ? sideEnds[2 * number - 1] : 0, middle = sideEnds[2 * number], end = sideEnds[2 * number + 1];
  std::string_view all = sides;
  return {all.substr(begin, middle - begin), all.substr(middle, end - middle)};
}

/// An option that is not supported is kept by its name and refused when it is the turn of the added tokens.
void TokenizerEntries::takeAdded(const json &entry) {
  if (addedError)
    return;
  const json &content = member(entry, "content");
  std::optional<uint32_t> id = asId(member(entry, "id"));
  if (!content.is_string() || !id) {
    addedError = invalid("an entry of added_tokens is {}, expected an object with `content` and an `id` below {}",
                         shown(entry), schema::kMaxTokenizerEntries);
    return;
  }
  Added token = {
      content.get_ref<const std::string &>(), *id, isTrue(entry, "special"), isTrue(entry, "normalized"), {}};
  if (token.content.empty())
    return; // the library looks for no empty token
  for (const char *option : {"single_word", "lstrip", "rstrip"})
    if (token.option.empty() && isTrue(entry, option))
      token.option = option;
  added.push_back(std::move(token));
}
