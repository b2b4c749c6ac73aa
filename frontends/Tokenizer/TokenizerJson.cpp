// SPDX-License-Identifier: Apache-2.0
//
// tokenizer.json as the `tokenizers` library writes it. Fields that have no say in what the library's `encode` and
// `decode` give are not looked at: truncation and padding (callers switch them off), unk_token and fuse_unk (every byte
// has a token), offsets. The vocabulary, the merges and the added tokens are no part of the JSON value.
#include "frontends/Tokenizer/Tokenizer.h"

#include "frontends/Tokenizer/JsonFields.h"
#include "frontends/Tokenizer/TokenizerEntries.h"
#include "runtime/schema/tokenizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <unordered_set>

using namespace yupana;
using nlohmann::json;

namespace {

/// A way to split text, by the regular expression that asks for it. Expressions are compared as texts: the runtime has
/// each as code written by hand and interprets none.
struct Split {
  std::string_view pattern;
  schema::TokenizerSplit split;
};
constexpr Split splits[] = {
    {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
     R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
     R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     schema::TokenizerSplit::llama4},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
     R"(\s*[\r\n]+|\s+(?!\S)|\s+)",
     schema::TokenizerSplit::llama3},
};

/// Undoes the byte-level alphabet, in which printable Latin-1 characters stand for their own byte and U+0100 onwards
/// for the others, in ascending order.
class ByteAlphabet {
public:
  ByteAlphabet() {
    byteOf.fill(-1);
    // 68 bytes are not printable, so that the alphabet ends at U+0143.
    int16_t next = 0x100;
    for (int16_t byte = 0; byte < 256; ++byte) {
      bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
      byteOf[printable ? byte : next++] = byte;
    }
  }

  /// The bytes that `text`, valid UTF-8, stands for; nothing when a character is outside the alphabet.
  std::optional<std::string> decode(std::string_view text) const {
    std::string bytes;
    while (!text.empty()) {
      utf8proc_int32_t codePoint;
      utf8proc_ssize_t length = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t *>(text.data()),
                                                 static_cast<utf8proc_ssize_t>(text.size()), &codePoint);
      if (length < 1 || static_cast<size_t>(codePoint) >= byteOf.size() || byteOf[codePoint] < 0)
        return std::nullopt;
      bytes.push_back(static_cast<char>(byteOf[codePoint]));
      text.remove_prefix(static_cast<size_t>(length));
    }
    return bytes;
  }

private:
  std::array<int16_t, 0x144> byteOf;
};

/// Reads one file, part by part, into a model.
class Reader {
public:
  // The order decides which of several faults is told. What may be merely unsupported comes before the vocabulary, so
  // that a file for another kind of tokenizer is not called broken for the words that it lacks.
  Reader(const json &root, const TokenizerEntries &entries, std::string_view file, uint64_t vocabularySize)
      : root(root), entries(entries), file(file), vocabularySize(vocabularySize) {}

  Result<TokenizerModel> read() {
    if (!root.is_object())
      return makeError(ExitCode::InvalidInput, "{}: is {}, expected an object", file, jsonTypeName(root));
    YUPANA_RETURN_IF_ERROR(readPipeline());
    YUPANA_RETURN_IF_ERROR(checkModel());
    YUPANA_RETURN_IF_ERROR(readVocabulary());
    YUPANA_RETURN_IF_ERROR(readAdded());
    YUPANA_RETURN_IF_ERROR(checkTexts());
    YUPANA_RETURN_IF_ERROR(readMerges());
    YUPANA_RETURN_IF_ERROR(readPostProcessor(member(root, "post_processor")));
    return std::move(model);
  }

private:
  Error unsupported(std::string_view field, const json &found, std::string_view expected) const {
    return makeError(ExitCode::Unsupported, "{}: {} is {}, supported is {}", file, field, shown(found), expected);
  }
  template <typename... Args> Error invalid(fmt::format_string<Args...> format, Args &&...args) const {
    return makeError(ExitCode::InvalidInput, "{}: {}", file, fmt::format(format, std::forward<Args>(args)...));
  }
  static std::string quoted(std::string_view text) { return shown(std::string(text)); }

  Result<void> readPipeline();
  Result<void> checkModel() const;
  void placeTokens();
  Result<void> indexVocabulary();
  Result<void> readVocabulary();
  Result<void> readAdded();
  Result<void> readAddedToken(const TokenizerEntries::Added &token);
  Result<void> checkTexts() const;
  Result<void> readMerges();
  Result<TokenizerModel::Merge> readMerge(size_t number) const;
  void dropRepeatedMerges();
  Result<void> readPostProcessor(const json &processor);
  Result<void> readTemplate(const json &processor);

  std::optional<uint32_t> findWord(std::string_view spelling) const {
    return wordsBySpelling.find(hash(spelling), [&](uint32_t word) { return entries.spelling(word) == spelling; });
  }

  const json &root;
  const TokenizerEntries &entries;
  std::string_view file;
  uint64_t vocabularySize;
  ByteAlphabet alphabet;
  TokenizerModel model;
  std::hash<std::string_view> hash;
  IndexTable wordsBySpelling;
  std::vector<bool> undecoded; ///< By place: words that cannot be bytes; they must be added tokens.
};

/// Everything around the model: normalizer, pre-tokenizer and decoder. Whatever is not just as Llama's files have it is
/// unsupported, since each of these steps changes which tokens a text becomes.
Result<void> Reader::readPipeline() {
  const json &normalizer = member(root, "normalizer");
  // An empty sequence changes no text.
  bool emptySequence = isType(normalizer, "Sequence") && member(normalizer, "normalizers").is_array() &&
                       member(normalizer, "normalizers").empty();
  if (!normalizer.is_null() && !emptySequence)
    return unsupported("normalizer", normalizer, "null");

  const json &preTokenizer = member(root, "pre_tokenizer");
  const json &steps = member(preTokenizer, "pretokenizers");
  if (!isType(preTokenizer, "Sequence") || !steps.is_array() || steps.size() != 2 || !isType(steps[0], "Split") ||
      !isType(steps[1], "ByteLevel"))
    return unsupported("pre_tokenizer", preTokenizer, "a Sequence of Split and ByteLevel");
  const json &pattern = member(member(steps[0], "pattern"), "Regex");
  auto known = std::find_if(std::begin(splits), std::end(splits), [&](const Split &split) {
    return pattern.is_string() && pattern.get_ref<const std::string &>() == split.pattern;
  });
  if (known == std::end(splits))
    return unsupported("pre_tokenizer.pretokenizers[0].pattern", member(steps[0], "pattern"),
                       "the regular expression of Llama 4 or of Llama 3");
  model.split = known->split;
  if (member(steps[0], "behavior") != "Isolated")
    return unsupported("pre_tokenizer.pretokenizers[0].behavior", member(steps[0], "behavior"), "\"Isolated\"");
  if (isTrue(steps[0], "invert"))
    return unsupported("pre_tokenizer.pretokenizers[0].invert", member(steps[0], "invert"), "false");
  for (const char *option : {"add_prefix_space", "use_regex"})
    // Both are true when absent.
    if (member(steps[1], option) != false)
      return unsupported(fmt::format("pre_tokenizer.pretokenizers[1].{}", option), member(steps[1], option), "false");

  // The decoder must undo the alphabet; another one would give back other texts.
  const json &decoder = member(root, "decoder");
  if (!isType(decoder, "ByteLevel"))
    return unsupported("decoder", decoder, "ByteLevel");
  return {};
}

/// BPE without options that change words or their pairs.
Result<void> Reader::checkModel() const {
  const json &bpe = member(root, "model");
  if (!isType(bpe, "BPE"))
    return unsupported("model.type", member(bpe, "type"), "\"BPE\"");
  for (const char *option : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}) {
    const json &value = member(bpe, option);
    // An empty affix and a dropout of zero are written by some versions and change nothing.
    if (!value.is_null() && value != "" && value != 0.0)
      return unsupported(fmt::format("model.{}", option), value, "null");
  }
  if (isTrue(bpe, "byte_fallback"))
    return unsupported("model.byte_fallback", true, "false");
  return {};
}

/// Makes room for every token, in both lists, before any text is set: places follow from the ids of all of them.
void Reader::placeTokens() {
  std::vector<uint32_t> beyond;
  // Ids beyond the model's vocabulary get places behind it, which is why all ids are needed first.
  uint32_t last = 0;
  auto see = [&](uint32_t id) {
    last = std::max(last, id);
    if (id >= vocabularySize)
      beyond.push_back(id);
  };
  for (size_t word = 0; word < entries.wordCount(); ++word)
    see(entries.idOf(word));
  for (const TokenizerEntries::Added &token : entries.addedTokens())
    see(token.id);
  model.places = TokenPlaces(vocabularySize, std::move(beyond));
  size_t count = model.places.of(last) + size_t{1};
  model.texts.resize(count);
  // A word's bytes are never more than its spelling.
  model.texts.reserve(entries.spellingBytes());
  model.isWord.resize(count);
  undecoded.resize(count);
}

/// The JSON reader refuses keys that come twice; these never passed through it.
Result<void> Reader::indexVocabulary() {
  wordsBySpelling = IndexTable(entries.wordCount());
  for (uint32_t word = 0; word < entries.wordCount(); ++word) {
    std::string_view spelling = entries.spelling(word);
    if (findWord(spelling))
      return invalid("the key {} stands twice in one object", inQuotes(spelling));
    wordsBySpelling.add(hash(spelling), word);
  }
  return {};
}

Result<void> Reader::readVocabulary() {
  const json &bpe = member(root, "model");
  model.ignoreMerges = isTrue(bpe, "ignore_merges");
  // `vocab` is empty here, as its entries were taken out, but its kind is still to be seen.
  if (const json &vocabulary = member(bpe, "vocab"); !vocabulary.is_object())
    return invalid("model.vocab is {}, expected an object", jsonTypeName(vocabulary));
  // Errors of entries were kept aside until the kind of tokenizer was known to be supported.
  if (entries.wordError)
    return *entries.wordError;
  YUPANA_RETURN_IF_ERROR(indexVocabulary());
  placeTokens();
  // By place: for the message about two words with one id.
  std::vector<uint32_t> wordOf(model.texts.size(), UINT32_MAX);
  for (uint32_t word = 0; word < entries.wordCount(); ++word) {
    std::string_view spelling = entries.spelling(word);
    uint32_t id = entries.idOf(word), place = model.places.of(id);
    if (wordOf[place] != UINT32_MAX)
      return invalid("model.vocab gives {} and {} the same id {}", quoted(entries.spelling(wordOf[place])),
                     quoted(spelling), id);
    wordOf[place] = word;
    // Words that are no bytes may still be added tokens with their text written plainly, which readAddedToken settles.
    std::optional<std::string> bytes = alphabet.decode(spelling);
    if (bytes && bytes->empty())
      return invalid("model.vocab gives an empty text the id {}", id);
    undecoded[place] = !bytes;
    model.isWord[place] = bytes.has_value();
    model.texts.set(place, bytes ? std::string_view(*bytes) : spelling);
  }
  return {};
}

Result<void> Reader::readAddedToken(const TokenizerEntries::Added &token) {
  if (!token.option.empty())
    return unsupported(fmt::format("{} of the added token {}", token.option, shown(token.content)), true, "false");
  uint32_t place = model.places.of(token.id);
  if (std::optional<uint32_t> word = findWord(token.content)) {
    if (entries.idOf(*word) != token.id)
      return invalid("added token {} has the id {}, model.vocab gives it {}", shown(token.content), token.id,
                     entries.idOf(*word));
    undecoded[place] = false;
    // The library looks for the spelling in the text, but decoding gives the bytes that it stands for.
    if (model.texts[place] != token.content)
      return unsupported("added_tokens", token.content, "a text that is spelled the same in the byte-level alphabet");
  } else if (!model.texts[place].empty()) {
    return invalid("added token {} has the id {} of another token", shown(token.content), token.id);
  } else {
    model.texts.set(place, token.content);
  }
  model.added.push_back({place, token.special, token.normalized});
  return {};
}

Result<void> Reader::readAdded() {
  const json &list = member(root, "added_tokens");
  if (!list.is_array() && !list.is_null())
    return invalid("added_tokens is {}, expected a list", jsonTypeName(list));
  for (const TokenizerEntries::Added &token : entries.addedTokens())
    YUPANA_RETURN_IF_ERROR(readAddedToken(token));
  if (entries.addedError)
    return *entries.addedError;

  // Of two tokens with one text, which of the ids is found would be chance.
  std::unordered_set<std::string_view> seen;
  for (const TokenizerModel::AddedToken &token : model.added)
    if (!seen.insert(model.texts[token.id]).second)
      return invalid("added_tokens has {} twice", quoted(model.texts[token.id]));
  return {};
}

/// What holds only of vocabulary and added tokens together.
Result<void> Reader::checkTexts() const {
  if (auto first = std::find(undecoded.begin(), undecoded.end(), true); first != undecoded.end()) {
    auto place = static_cast<uint32_t>(first - undecoded.begin());
    return invalid("model.vocab has {} (id {}), which has characters outside the byte-level alphabet",
                   quoted(model.texts[place]), model.places.idAt(place));
  }
  std::array<bool, 256> hasByte{};
  uint64_t bytes = 0;
  for (size_t id = 0; id < model.texts.size(); ++id) {
    bytes += model.texts[id].size();
    if (model.isWord[id] && model.texts[id].size() == 1)
      hasByte[static_cast<uint8_t>(model.texts[id][0])] = true;
  }
  // Byte-level BPE begins with single bytes: without all of them there would be texts without tokens.
  for (size_t byte = 0; byte < hasByte.size(); ++byte)
    if (!hasByte[byte])
      return makeError(ExitCode::Unsupported,
                       "{}: model.vocab has no token for the single byte 0x{:02X}, expected all 256", file, byte);
  if (bytes > schema::kMaxTokenizerText)
    return invalid("the tokens have {} bytes in all, at most {} are expected", bytes, schema::kMaxTokenizerText);
  return {};
}

/// Both sides and what they make must be words, as the library demands. Ranks are given when the repeated are gone.
Result<TokenizerModel::Merge> Reader::readMerge(size_t number) const {
  TokenizerEntries::Merge merge = entries.merge(number);
  std::string joined = std::string(merge.left).append(merge.right);
  std::array<uint32_t, 3> places;
  std::array<std::string_view, 3> spellings = {merge.left, merge.right, joined};
  for (size_t i = 0; i < places.size(); ++i) {
    std::optional<uint32_t> word = findWord(spellings[i]);
    uint32_t place = word ? model.places.of(entries.idOf(*word)) : 0;
    if (!word || !model.isWord[place])
      return invalid("model.merges has the entry {}, but model.vocab has no {}",
                     shown(json::array({merge.left, merge.right})), quoted(spellings[i]));
    places[i] = place;
  }
  return TokenizerModel::Merge{places[0], places[1], places[2], /*rank=*/0};
}

/// Of equal pairs the library keeps the last.
void Reader::dropRepeatedMerges() {
  std::vector<TokenizerModel::Merge> &merges = model.merges;
  IndexTable seen(merges.size());
  size_t kept = merges.size();
  for (size_t i = merges.size(); i-- > 0;) {
    TokenizerModel::Merge merge = merges[i];
    // Fibonacci hashing: the multiplier is 2^64 over the golden ratio. The lowest bits of the product follow from the
    // right id alone and are dropped.
    size_t pair = (uint64_t(merge.left) << 32 | merge.right) * 0x9E3779B97F4A7C15 >> 20;
    bool isRepeated = seen.find(pair,
                                [&](uint32_t other) {
                                  return merges[other].left == merge.left && merges[other].right == merge.right;
                                })
                          .has_value();
    if (isRepeated)
      continue;
    merges[--kept] = merge;
    seen.add(pair, static_cast<uint32_t>(kept));
  }
  merges.erase(merges.begin(), merges.begin() + static_cast<ptrdiff_t>(kept));
}

Result<void> Reader::readMerges() {
  const json &list = member(member(root, "model"), "merges");
  if (!list.is_array())
    return invalid("model.merges is {}, expected a list", jsonTypeName(list));
  if (entries.mergeCount() > schema::kMaxTokenizerEntries)
    return invalid("model.merges has {} entries, at most {} are expected", entries.mergeCount(),
                   schema::kMaxTokenizerEntries);
  if (entries.mergeError)
    return *entries.mergeError;
  model.merges.reserve(entries.mergeCount());
  for (size_t number = 0; number < entries.mergeCount(); ++number) {
    YUPANA_ASSIGN_OR_RETURN(TokenizerModel::Merge merge, readMerge(number));
    model.merges.push_back(merge);
  }
  dropRepeatedMerges();
  for (uint32_t rank = 0; rank < model.merges.size(); ++rank)
    model.merges[rank].rank = rank;
  return {};
}

/// TemplateProcessing of a single text: the text alone, or one special token before it. Templates for pairs of texts
/// are not looked at, since a prompt is one text.
Result<void> Reader::readTemplate(const json &processor) {
  const char *expected = "one special token before the text, or the text alone";
  const json &single = member(processor, "single");
  if (!single.is_array() || single.empty() || single.size() > 2 || !single.back().contains("Sequence"))
    return unsupported("post_processor.single", single, expected);
  if (single.size() == 1)
    return {};
  const json &name = member(member(single[0], "SpecialToken"), "id");
  if (!name.is_string())
    return unsupported("post_processor.single", single, expected);
  const json &ids =
      member(member(member(processor, "special_tokens"), name.get_ref<const std::string &>().c_str()), "ids");
  if (!ids.is_array() || ids.size() != 1)
    return unsupported(fmt::format("post_processor.special_tokens of {}", shown(name)), ids, "one id");
  // An id of no token has no place, or an empty text there.
  std::optional<uint32_t> id = asId(ids[0]), place = id ? model.places.find(*id) : id;
  if (!place || *place >= model.texts.size() || model.texts[*place].empty())
    return invalid("post_processor puts {} before the text, which is the id of no token", shown(ids[0]));
  model.beginToken = *place;
  return {};
}

Result<void> Reader::readPostProcessor(const json &processor) {
  // ByteLevel changes offsets alone.
  if (processor.is_null() || isType(processor, "ByteLevel"))
    return {};
  if (isType(processor, "TemplateProcessing"))
    return readTemplate(processor);
  const json &steps = member(processor, "processors");
  if (!isType(processor, "Sequence") || !steps.is_array())
    return unsupported("post_processor", processor, "TemplateProcessing");
  for (const json &step : steps) {
    // A nested sequence is not followed, and a second template would put a second token before the text.
    if (isType(step, "Sequence") || (isType(step, "TemplateProcessing") && model.beginToken))
      return unsupported("post_processor", processor, "one TemplateProcessing");
    YUPANA_RETURN_IF_ERROR(readPostProcessor(step));
  }
  return {};
}

} // namespace

Result<TokenizerModel> yupana::parseTokenizerJson(std::string text, std::string_view file, uint64_t vocabularySize) {
  TokenizerEntries entries(file);
  YUPANA_ASSIGN_OR_RETURN(json root, parseJson(text, file, &entries));
  // The entries hold all that is used of it, and what is made of them next takes as much memory again. Assigning an
  // empty string would keep the memory.
  std::string().swap(text);
  return Reader(root, entries, file, vocabularySize).read();
}
