// SPDX-License-Identifier: Apache-2.0
//
// The special tokens of a tokenizer.model, which holds none itself.
#include "frontends/Tokenizer/Tokenizer.h"

#include "compiler/Support/Json.h"
#include "frontends/Tokenizer/JsonFields.h"
#include "runtime/schema/tokenizer.h"

#include <algorithm>
#include <map>
#include <unordered_set>

using namespace yupana;
using nlohmann::json;

namespace {

/// `id` is a place. A token that replaces the text of a word stays a word, which merges may still produce.
void addToken(TokenizerModel &model, uint32_t id, const std::string &text, bool isSpecial, bool isNormalized) {
  if (id >= model.texts.size()) {
    model.texts.resize(id + 1);
    model.isWord.resize(id + 1);
  }
  model.texts.set(id, text);
  model.added.push_back({id, isSpecial, isNormalized});
}

/// Keys are numbers written as texts; a key that is none has no id.
std::optional<uint32_t> idOfKey(const std::string &key) {
  return asId(json::parse(key, nullptr, /*allow_exceptions=*/false));
}

/// One entry of added_tokens_decoder, `key` being its id.
Result<void> addEntry(TokenizerModel &model, const std::string &key, const json &entry, std::string_view file) {
  std::optional<uint32_t> id = idOfKey(key);
  std::optional<std::string> text = entry.is_object() ? asTokenText(entry) : std::nullopt;
  if (!id || !text || text->empty())
    return makeError(ExitCode::InvalidInput,
                     "{}: added_tokens_decoder has the entry {}: {}, expected an id below {} and an object with "
                     "`content`",
                     file, shown(key), shown(entry), schema::kMaxTokenizerEntries);
  // They let a token take white space or depend on what is beside it, which the runtime does not do.
  for (const char *option : {"single_word", "lstrip", "rstrip"})
    if (isTrue(entry, option))
      return makeError(ExitCode::Unsupported, "{}: {} of the added token {} is true, supported is false", file, option,
                       shown(*text));
  // A word may be listed among the added tokens; an id with another text would have two meanings.
  uint32_t place = model.places.of(*id);
  if (place < model.texts.size() && !model.texts[place].empty() && model.texts[place] != *text)
    return makeError(ExitCode::InvalidInput, "{}: added token {} has the id {} of another token", file, shown(*text),
                     *id);
  addToken(model, place, *text, isTrue(entry, "special"), isTrue(entry, "normalized"));
  return {};
}

Result<void> addEntries(TokenizerModel &model, const json &entries, std::string_view file, uint64_t vocabularySize) {
  if (!entries.is_object())
    return makeError(ExitCode::InvalidInput, "{}: added_tokens_decoder is {}, expected an object", file,
                     jsonTypeName(entries));
  // A file may have more words than the model says it knows. They keep their ids, and what comes behind them moves.
  uint64_t known = std::max<uint64_t>(vocabularySize, model.texts.size());
  std::vector<uint32_t> beyond;
  for (const auto &[key, entry] : entries.items())
    if (std::optional<uint32_t> id = idOfKey(key); id && *id >= known)
      beyond.push_back(*id);
  model.places = TokenPlaces(known, std::move(beyond));
  for (const auto &[key, entry] : entries.items())
    YUPANA_RETURN_IF_ERROR(addEntry(model, key, entry, file));
  // Of two tokens with one text, which of the ids is found would be chance.
  std::unordered_set<std::string_view> seen;
  for (const TokenizerModel::AddedToken &token : model.added)
    if (!seen.insert(model.texts[token.id]).second)
      return makeError(ExitCode::InvalidInput, "{}: added_tokens_decoder has {} twice", file,
                       shown(std::string(model.texts[token.id])));
  return {};
}

/// From the first free id to the end of the vocabulary: a model of fewer ids has fewer of the reserved tokens at the
/// end of the list.
void addMetaTokens(TokenizerModel &model, uint64_t vocabularySize) {
  for (const std::string &text : metaSpecialTokens())
    if (model.texts.size() < std::min<uint64_t>(vocabularySize, schema::kMaxTokenizerEntries))
      addToken(model, static_cast<uint32_t>(model.texts.size()), text, /*isSpecial=*/true, /*isNormalized=*/false);
}

/// The id of the added token with this text.
std::optional<uint32_t> findAdded(const TokenizerModel &model, std::string_view text) {
  for (const TokenizerModel::AddedToken &token : model.added)
    if (model.texts[token.id] == text)
      return token.id;
  return std::nullopt;
}

/// "<|NAME_reserved_special_token_FIRST|>" to that of LAST.
void addReserved(std::vector<std::string> &tokens, std::string_view name, int first, int last) {
  for (int number = first; number <= last; ++number)
    tokens.push_back(fmt::format("<|{}reserved_special_token_{}|>", name, number));
}

} // namespace

// The list of Llama4Tokenizer in github.com/meta-llama/llama-models, models/llama4/tokenizer.py.
std::vector<std::string> yupana::metaSpecialTokens() {
  std::vector<std::string> tokens = {"<|begin_of_text|>", "<|end_of_text|>",  "<|fim_prefix|>", "<|fim_middle|>",
                                     "<|fim_suffix|>",    "<|header_start|>", "<|header_end|>", "<|eom|>",
                                     "<|eot|>",           "<|step|>"};
  auto add = [&](std::initializer_list<const char *> more) { tokens.insert(tokens.end(), more.begin(), more.end()); };
  addReserved(tokens, "text_post_train_", 0, 5);
  add({"<|python_start|>", "<|python_end|>", "<|finetune_right_pad|>"});
  addReserved(tokens, "text_post_train_", 8, 68);
  add({"<|image_start|>", "<|image_end|>"});
  addReserved(tokens, "vision_", 0, 1);
  add({"<|tile_x_separator|>", "<|tile_y_separator|>"});
  addReserved(tokens, "vision_", 2, 5);
  add({"<|image|>"});
  addReserved(tokens, "vision_", 6, 6);
  add({"<|patch|>"});
  addReserved(tokens, "vision_", 7, 1047);
  addReserved(tokens, "reasoning_", 0, 7);
  add({"<|reasoning_thinking_start|>", "<|reasoning_thinking_end|>"});
  addReserved(tokens, "", 0, 903);
  return tokens;
}

Result<void> yupana::addSpecialTokens(TokenizerModel &model, std::string_view config, std::string_view file,
                                      uint64_t vocabularySize) {
  // Without the file the object stays empty, as of a file that says nothing.
  json root = json::object();
  if (!config.empty()) {
    YUPANA_ASSIGN_OR_RETURN(root, parseJson(config, file));
  }
  if (!root.is_object())
    return makeError(ExitCode::InvalidInput, "{}: is {}, expected an object", file, jsonTypeName(root));
  if (const json &entries = member(root, "added_tokens_decoder"); !entries.is_null())
    YUPANA_RETURN_IF_ERROR(addEntries(model, entries, file, vocabularySize));
  else
    // An empty object is a list without tokens, not a missing one: Meta's are for files that do not have the field.
    addMetaTokens(model, vocabularySize);
  uint64_t bytes = model.texts.bytes();
  if (bytes > schema::kMaxTokenizerText)
    return makeError(ExitCode::InvalidInput, "{}: the tokens have {} bytes in all, at most {} are expected", file,
                     bytes, schema::kMaxTokenizerText);

  // Null means none, as in transformers; where it is absent, Meta's tokenizer begins every prompt with this token.
  const json &begin = member(root, "bos_token");
  if (begin.is_null() && root.contains("bos_token"))
    return {}; // said to have none
  std::string text = asTokenText(begin).value_or("<|begin_of_text|>");
  model.beginToken = findAdded(model, text);
  if (!model.beginToken && !begin.is_null())
    return makeError(ExitCode::InvalidInput, "{}: bos_token is {}, which is no added token", file, shown(begin));
  return {};
}
