// SPDX-License-Identifier: Apache-2.0
//
// A checkpoint's tokenizer, read and turned into the tokenizer section of a plan.
#ifndef YUPANA_FRONTENDS_TOKENIZER_TOKENIZER_H
#define YUPANA_FRONTENDS_TOKENIZER_TOKENIZER_H

#include "compiler/Support/Error.h"
#include "frontends/ChatTemplate/ChatTemplate.h"
#include "runtime/schema/tokenizer.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace yupana {

/// The bytes of every id, empty for an id without a token. Takes eight bytes an id beside them.
class TokenTexts {
public:
  TokenTexts() = default;
  TokenTexts(std::initializer_list<std::string_view> texts) {
    for (std::string_view text : texts)
      push_back(text);
  }

  size_t size() const { return places.size(); }
  /// Ids that are new have no token.
  void resize(size_t count) { places.resize(count); }
  /// Makes room for texts of so many bytes in all.
  void reserve(size_t bytes) { pool.reserve(bytes); }
  /// Valid until the next text is set.
  std::string_view operator[](size_t id) const {
    return std::string_view(pool).substr(places[id].begin, places[id].length);
  }
  /// `id` is below size().
  void set(size_t id, std::string_view text) {
    places[id] = {static_cast<uint32_t>(pool.size()), static_cast<uint32_t>(text.size())};
    pool += text;
  }
  void push_back(std::string_view text) {
    places.emplace_back();
    set(places.size() - 1, text);
  }
  /// Bytes of all texts.
  uint64_t bytes() const {
    uint64_t sum = 0;
    for (const Place &place : places)
      sum += place.length;
    return sum;
  }

private:
  struct Place {
    uint32_t begin = 0, length = 0;
  };
  std::string pool;
  std::vector<Place> places;
};

/// Where tokens stand that the model does not know: behind those it knows without a gap, however far their ids are, so
/// that a single id costs no memory. A model is run with neither, so that it does not matter which number they have.
class TokenPlaces {
public:
  TokenPlaces() = default;
  /// Ids from `known` on are moved; `beyond` has those of all tokens there, in any order.
  TokenPlaces(uint64_t known, std::vector<uint32_t> beyond);

  /// The place of a token, which is its id where the model knows it; nothing for an id of no token.
  std::optional<uint32_t> find(uint32_t id) const;
  /// As of find(), for the id of a token.
  uint32_t of(uint32_t id) const { return find(id).value_or(id); }
  /// The id of the token at `place`.
  uint32_t idAt(uint32_t place) const { return place < known ? place : beyond[place - known]; }

private:
  uint32_t known = UINT32_MAX;
  std::vector<uint32_t> beyond; ///< In ascending order.
};

/// A byte-level BPE tokenizer whose text is split in one of the ways that the runtime knows.
struct TokenizerModel {
  /// `left` followed by `right` becomes `result`; ids. The pair of lowest rank merges first, of equal ranks the
  /// leftmost.
  struct Merge {
    uint32_t left;
    uint32_t right;
    uint32_t result;
    uint32_t rank; ///< Below the number of merges.
  };
  /// A token that is found in the text before the text is split.
  struct AddedToken {
    uint32_t id;
    bool special;    ///< A control token: not shown, and plain text where special tokens are not parsed.
    bool normalized; ///< Looked for in what the others left over.
  };

  /// By the places of tokens, which all ids below are, too.
  TokenTexts texts;
  TokenPlaces places;
  /// Ids that merging may produce, by id: the vocabulary without the tokens that were only added to it.
  std::vector<bool> isWord;
  /// In ascending rank, no pair twice.
  std::vector<Merge> merges;
  std::vector<AddedToken> added;
  /// Put before a prompt.
  std::optional<uint32_t> beginToken;
  /// A word that is in the vocabulary as a whole is one token, whatever the merges say.
  bool ignoreMerges = false;
  /// How text is cut into words.
  schema::TokenizerSplit split = schema::TokenizerSplit::llama4;
  /// How a conversation is written; none for a checkpoint without a chat template, or with one that is not understood.
  std::optional<ChatFormat> chat;
};

/// Largest tokenizer.json that is read; Llama 4's has 28 MB.
inline constexpr uint64_t maxTokenizerBytes = uint64_t(256) << 20;
/// Largest tokenizer.model that is read, Llama 4's has 4 MB, and its longest token, Llama 4's has 113 bytes: the work
/// of finding merges is bounded by their product.
inline constexpr uint64_t maxTokenizerModelBytes = uint64_t(64) << 20;
inline constexpr size_t maxTokenBytes = 1024;

/// Reads the text of a `tokenizer.json`; `file` names it in errors. ExitCode::InvalidInput when it contradicts itself,
/// ExitCode::Unsupported, naming the field, when it asks for another tokenizer than TokenizerModel describes.
/// Takes up to three times the text's memory, and frees the text on the way. The model knows ids below
/// `vocabularySize`.
Result<TokenizerModel> parseTokenizerJson(std::string text, std::string_view file,
                                          uint64_t vocabularySize = schema::kMaxTokenizerEntries);

/// Reads the text of a `tokenizer.model` as tiktoken writes it: a line for every word, its bytes in base64, a space and
/// its rank, which is its id. Text is split as Llama 4 splits it, there are no added tokens yet, and of the pairs whose
/// bytes together are a word the one of lowest id merges first. ExitCode::Unsupported for a SentencePiece model, which
/// has the same name; ExitCode::InvalidInput, naming the line, for anything else.
Result<TokenizerModel> parseTokenizerModel(std::string_view text, std::string_view file);

/// Adds what a `tokenizer.model` leaves to the text of a `tokenizer_config.json`: its added tokens and its begin token.
/// Without added tokens there, or with an empty text for no such file, the model gets Meta's special tokens, from the
/// first free id to below `vocabularySize`, and begins with <|begin_of_text|> unless the file says otherwise.
Result<void> addSpecialTokens(TokenizerModel &model, std::string_view config, std::string_view file,
                              uint64_t vocabularySize);

/// Llama 4's 2048 special tokens, in the order of their ids.
std::vector<std::string> metaSpecialTokens();

/// The bytes of runtime/schema/tokenizer.h for a model as the parsers make them, with the Unicode classes of every code
/// point. The same model gives the same bytes.
std::vector<uint8_t> writeTokenizerSection(const TokenizerModel &model);

/// What a checkpoint's text files come to.
struct CompiledTokenizer {
  std::vector<uint8_t> section; ///< Empty where there is no tokenizer, or one that is not understood.
  /// `eos_token` of tokenizer_config.json, else of special_tokens_map.json: an added token that the model knows.
  std::optional<uint32_t> endToken;
  /// The added token that begins the end of a turn in the chat format, which ends a reply in chats; empty without one.
  std::string endOfTurn;
};

/// Reads the tokenizer of the checkpoint in `folder`, from its `tokenizer.json`, else from its `tokenizer.model`. The
/// chat format comes from `chat_template.jinja`, else from `chat_template.json`, else from `tokenizer_config.json`.
/// `vocabularySize` is how many ids the model knows.
///
/// A template or a well-formed tokenizer.json of a kind that is not understood costs the plan that part and adds a
/// sentence to `notes`; so do a folder without a tokenizer, tokens beyond the vocabulary, which stay in the section
/// though a text that has them cannot be run, and a tokenizer.model alone, which does not say how text is split.
/// ExitCode::InvalidInput for a broken file, ExitCode::Unsupported for a SentencePiece model, ExitCode::Interrupted
/// when `isCancelled`, which may be empty and is asked while a template is recognised, says so.
Result<CompiledTokenizer> compileTokenizer(const std::string &folder, uint64_t vocabularySize,
                                           std::vector<std::string> &notes,
                                           const std::function<bool()> &isCancelled = {});

} // namespace yupana

#endif // YUPANA_FRONTENDS_TOKENIZER_TOKENIZER_H
