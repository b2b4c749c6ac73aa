// SPDX-License-Identifier: Apache-2.0
//
// tokenizer.json as the `tokenizers` library writes it. Fields that have no say in what the library's `encode` and
// `decode` give are not looked at: truncation and padding (callers switch them off), unk_token and fuse_unk (every byte
// has a token), offsets.
#include "frontends/Tokenizer/Tokenizer.h"

#include "compiler/Support/Json.h"
#include "frontends/Tokenizer/JsonFields.h"
#include "runtime/schema/tokenizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>

using namespace yupana;
using nlohmann::json;

namespace {

/// A way to split text, by the regular expression that asks for it.
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
  Reader(const json &root, std::string_view file) : root(root), file(file) {}

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

  Result<void> readPipeline();
  Result<void> checkModel() const;
  Result<void> readVocabulary();
  Result<void> readAdded();
  Result<void> readAddedToken(const json &entry);
  Result<void> checkTexts() const;
  Result<void> readMerges();
  Result<void> readMerge(const json &entry);
  Result<void> readPostProcessor(const json &processor);
  Result<void> readTemplate(const json &processor);

  /// Makes room for `id` and gives it `text`.
  void setText(uint32_t id, std::string text, bool isWord) {
    if (id >= model.texts.size()) {
      model.texts.resize(id + 1);
      model.isWord.resize(id + 1);
    }
    model.texts[id] = std::move(text);
    model.isWord[id] = isWord;
  }

  const json &root;
  std::string_view file;
  ByteAlphabet alphabet;
  TokenizerModel model;
  std::unordered_map<std::string_view, uint32_t> vocabulary; ///< As spelled in the file; the keys live in `root`.
  std::unordered_set<uint32_t> undecoded; ///< Vocabulary ids that cannot be bytes; they must be added tokens.
};

/// Everything around the model: normalizer, pre-tokenizer and decoder.
Result<void> Reader::readPipeline() {
  const json &normalizer = member(root, "normalizer");
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

  const json &decoder = member(root, "decoder");
  if (!isType(decoder, "ByteLevel"))
    return unsupported("decoder", decoder, "ByteLevel");
  return {};
}

Result<void> Reader::checkModel() const {
  const json &bpe = member(root, "model");
  if (!isType(bpe, "BPE"))
    return unsupported("model.type", member(bpe, "type"), "\"BPE\"");
  for (const char *option : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}) {
    const json &value = member(bpe, option);
    if (!value.is_null() && value != "" && value != 0.0)
      return unsupported(fmt::format("model.{}", option), value, "null");
  }
  if (isTrue(bpe, "byte_fallback"))
    return unsupported("model.byte_fallback", true, "false");
  return {};
}

Result<void> Reader::readVocabulary() {
  const json &bpe = member(root, "model");
  model.ignoreMerges = isTrue(bpe, "ignore_merges");
  const json &entries = member(bpe, "vocab");
  if (!entries.is_object())
    return invalid("model.vocab is {}, expected an object", jsonTypeName(entries));
  std::vector<const std::string *> spellings;
  for (auto entry = entries.begin(); entry != entries.end(); ++entry) {
    std::optional<uint32_t> id = asId(entry.value());
    if (!id)
      return invalid("model.vocab gives {} the id {}, expected a whole number below {}", shown(entry.key()),
                     shown(entry.value()), schema::kMaxTokenizerEntries);
    if (*id < model.texts.size() && spellings[*id])
      return invalid("model.vocab gives {} and {} the same id {}", shown(*spellings[*id]), shown(entry.key()), *id);
    std::optional<std::string> bytes = alphabet.decode(entry.key());
    if (!bytes)
      undecoded.insert(*id);
    else if (bytes->empty())
      return invalid("model.vocab gives an empty text the id {}", *id);
    setText(*id, bytes.value_or(entry.key()), bytes.has_value());
    spellings.resize(model.texts.size());
    spellings[*id] = &entry.key();
    vocabulary.emplace(entry.key(), *id);
  }
  return {};
}

Result<void> Reader::readAddedToken(const json &entry) {
  const json &content = member(entry, "content");
  std::optional<uint32_t> id = asId(member(entry, "id"));
  if (!content.is_string() || !id)
    return invalid("an entry of added_tokens is {}, expected an object with `content` and an `id` below {}",
                   shown(entry), schema::kMaxTokenizerEntries);
  const std::string &text = content.get_ref<const std::string &>();
  if (text.empty())
    return {}; // the library looks for no empty token
  for (const char *option : {"single_word", "lstrip", "rstrip"})
    if (isTrue(entry, option))
      return unsupported(fmt::format("{} of the added token {}", option, shown(content)), true, "false");

  auto known = vocabulary.find(text);
  if (known != vocabulary.end()) {
    if (known->second != *id)
      return invalid("added token {} has the id {}, model.vocab gives it {}", shown(content), *id, known->second);
    undecoded.erase(*id);
    if (model.texts[*id] != text)
      return unsupported("added_tokens", content, "a text that is spelled the same in the byte-level alphabet");
  } else if (*id < model.texts.size() && !model.texts[*id].empty()) {
    return invalid("added token {} has the id {} of another token", shown(content), *id);
  } else {
    setText(*id, text, /*isWord=*/false);
  }
  model.added.push_back({*id, isTrue(entry, "special"), isTrue(entry, "normalized")});
  return {};
}

Result<void> Reader::readAdded() {
  const json &entries = member(root, "added_tokens");
  if (!entries.is_array() && !entries.is_null())
    return invalid("added_tokens is {}, expected a list", jsonTypeName(entries));
  for (const json &entry : entries)
    YUPANA_RETURN_IF_ERROR(readAddedToken(entry));

  std::unordered_set<std::string_view> seen;
  for (const TokenizerModel::AddedToken &token : model.added)
    if (!seen.insert(model.texts[token.id]).second)
      return invalid("added_tokens has {} twice", shown(model.texts[token.id]));
  return {};
}

/// What holds only of vocabulary and added tokens together.
Result<void> Reader::checkTexts() const {
  if (!undecoded.empty()) {
    uint32_t id = *std::min_element(undecoded.begin(), undecoded.end());
    return invalid("model.vocab has {} (id {}), which has characters outside the byte-level alphabet",
                   shown(model.texts[id]), id);
  }
  std::array<bool, 256> hasByte{};
  uint64_t bytes = 0;
  for (size_t id = 0; id < model.texts.size(); ++id) {
    bytes += model.texts[id].size();
    if (model.isWord[id] && model.texts[id].size() == 1)
      hasByte[static_cast<uint8_t>(model.texts[id][0])] = true;
  }
  for (size_t byte = 0; byte < hasByte.size(); ++byte)
    if (!hasByte[byte])
      return makeError(ExitCode::Unsupported,
                       "{}: model.vocab has no token for the single byte 0x{:02X}, expected all 256", file, byte);
  if (bytes > schema::kMaxTokenizerText)
    return invalid("the tokens have {} bytes in all, at most {} are expected", bytes, schema::kMaxTokenizerText);
  return {};
}

/// A merge is written "a b" or, since texts may hold spaces, ["a", "b"].
Result<void> Reader::readMerge(const json &entry) {
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
  if (left.empty() || right.empty())
    return invalid("model.merges has the entry {}, expected \"a b\" or [\"a\", \"b\"]", shown(entry));

  std::array<uint32_t, 3> ids;
  std::string joined = std::string(left).append(right);
  std::array<std::string_view, 3> spellings = {left, right, joined};
  for (size_t i = 0; i < ids.size(); ++i) {
    auto found = vocabulary.find(spellings[i]);
    if (found == vocabulary.end() || !model.isWord[found->second])
      return invalid("model.merges has the entry {}, but model.vocab has no {}", shown(entry),
                     shown(std::string(spellings[i])));
    ids[i] = found->second;
  }
  model.merges.push_back({ids[0], ids[1], ids[2], /*rank=*/0});
  return {};
}

Result<void> Reader::readMerges() {
  const json &entries = member(member(root, "model"), "merges");
  if (!entries.is_array())
    return invalid("model.merges is {}, expected a list", jsonTypeName(entries));
  if (entries.size() > schema::kMaxTokenizerEntries)
    return invalid("model.merges has {} entries, at most {} are expected", entries.size(),
                   schema::kMaxTokenizerEntries);
  for (const json &entry : entries)
    YUPANA_RETURN_IF_ERROR(readMerge(entry));

  // Of equal pairs the library keeps the last.
  std::unordered_set<uint64_t> seen;
  std::vector<TokenizerModel::Merge> kept;
  for (auto merge = model.merges.rbegin(); merge != model.merges.rend(); ++merge)
    if (seen.insert(uint64_t(merge->left) << 32 | merge->right).second)
      kept.push_back(*merge);
  model.merges.assign(kept.rbegin(), kept.rend());
  for (uint32_t rank = 0; rank < model.merges.size(); ++rank)
    model.merges[rank].rank = rank;
  return {};
}

/// TemplateProcessing of a single text: the text alone, or one special token before it.
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
  std::optional<uint32_t> id = asId(ids[0]);
  if (!id || *id >= model.texts.size() || model.texts[*id].empty())
    return invalid("post_processor puts {} before the text, which is the id of no token", shown(ids[0]));
  model.beginToken = *id;
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
    if (isType(step, "Sequence") || (isType(step, "TemplateProcessing") && model.beginToken))
      return unsupported("post_processor", processor, "one TemplateProcessing");
    YUPANA_RETURN_IF_ERROR(readPostProcessor(step));
  }
  return {};
}

} // namespace

Result<TokenizerModel> yupana::parseTokenizerJson(std::string_view text, std::string_view file) {
  YUPANA_ASSIGN_OR_RETURN(json root, parseJson(text, file));
  return Reader(root, file).read();
}
