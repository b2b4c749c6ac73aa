// SPDX-License-Identifier: Apache-2.0
//
// The long parts of a tokenizer.json, taken while it is parsed.
#ifndef YUPANA_FRONTENDS_TOKENIZER_TOKENIZERENTRIES_H
#define YUPANA_FRONTENDS_TOKENIZER_TOKENIZERENTRIES_H

#include "compiler/Support/Json.h"

namespace yupana {

/// Numbers of things, found by what they are: a table of hashes that takes six bytes for each.
class IndexTable {
public:
  /// For at most `count` numbers below 2^32 - 1.
  explicit IndexTable(size_t count = 0);

  /// The number with this hash for which `equals` holds; nothing if there is none.
  template <typename Equals> std::optional<uint32_t> find(size_t hash, Equals equals) const {
    for (size_t at = hash & mask; slots[at]; at = (at + 1) & mask)
      if (equals(slots[at] - 1))
        return slots[at] - 1;
    return std::nullopt;
  }
  /// Adds a number that is not there yet.
  void add(size_t hash, uint32_t number);

private:
  size_t mask;
  std::vector<uint32_t> slots; ///< A number plus one; 0 is free.
};

/// model.vocab, model.merges and added_tokens, in the order of the file.
class TokenizerEntries final : public JsonSink {
public:
  struct Added {
    std::string content;
    uint32_t id;
    bool special, normalized;
    std::string option; ///< One that is true and not supported; empty: none.
  };

  /// `file` names the text in errors.
  explicit TokenizerEntries(std::string_view file) : file(file) {}

  bool wants(const std::vector<std::string> &path, bool isObject) override;
  void take(const std::string &key, nlohmann::json value) override;

  size_t wordCount() const { return words.size(); }
  /// As spelled in the file; valid once all are taken.
  std::string_view spelling(size_t word) const;
  uint32_t idOf(size_t word) const { return words[word].id; }
  /// Bytes of all spellings.
  size_t spellingBytes() const { return spellings.size(); }

  size_t mergeCount() const { return merges; }
  /// Both sides of a merge, "a" and "b".
  struct Merge {
    std::string_view left, right;
  };
  Merge merge(size_t number) const;

  const std::vector<Added> &addedTokens() const { return added; }

  /// The first thing that is wrong with each of the three.
  std::optional<Error> wordError, mergeError, addedError;

private:
  void takeWord(const std::string &spelling, const nlohmann::json &id);
  void takeMerge(const nlohmann::json &entry);
  void takeAdded(const nlohmann::json &entry);
  template <typename... Args> Error invalid(fmt::format_string<Args...> format, Args &&...args) const {
    return makeError(ExitCode::InvalidInput, "{}: {}", file, fmt::format(format, std::forward<Args>(args)...));
  }

  struct Word {
    uint32_t begin; ///< In `spellings`; it ends where the next one begins.
    uint32_t id;
  };
  enum { Words, Merges, AddedTokens } part = Words;
  std::string_view file;
  std::string spellings, sides;
  std::vector<Word> words;
  std::vector<uint32_t> sideEnds; ///< In `sides`, two for every merge.
  size_t merges = 0;
  std::vector<Added> added;
};

} // namespace yupana

#endif // YUPANA_FRONTENDS_TOKENIZER_TOKENIZERENTRIES_H
