// SPDX-License-Identifier: Apache-2.0
//
// tokenizer.model as tiktoken's load_tiktoken_bpe reads it (github.com/openai/tiktoken, tiktoken/load.py), strictly.
#include "frontends/Tokenizer/Tokenizer.h"

#include "compiler/Support/FileKind.h"
#include "runtime/schema/tokenizer.h"

#include <array>
#include <unordered_map>

using namespace yupana;

namespace {

/// The value of a base64 digit (RFC 4648, section 4), or -1.
int digitValue(char c) {
  if (c >= 'A' && c <= 'Z')
    return c - 'A';
  if (c >= 'a' && c <= 'z')
    return c - 'a' + 26;
  if (c >= '0' && c <= '9')
    return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/// The bytes of a base64 text; nothing unless it is the only way to write them: whole groups, padded, the bits that are
/// left over zero.
std::optional<std::string> decodeBase64(std::string_view text) {
  if (text.size() % 4 != 0)
    return std::nullopt;
  size_t padding = 0;
  // Two at most: a last group has one byte at least.
  while (padding < 2 && !text.empty() && text.back() == '=') {
    text.remove_suffix(1);
    ++padding;
  }
  std::string bytes;
  uint32_t bits = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    int value = digitValue(text[i]);
    if (value < 0)
      return std::nullopt;
    bits = (bits << 6 | static_cast<uint32_t>(value)) & 0xFFFF;
    // Digit 1, 2 and 3 of a group complete a byte and leave 4, 2 and 0 bits of the next.
    if (i % 4 != 0)
      bytes.push_back(static_cast<char>(bits >> (6 - 2 * (i % 4))));
  }
  uint32_t leftOver = padding == 2 ? 0xF : padding == 1 ? 0x3 : 0;
  return bits & leftOver ? std::nullopt : std::optional<std::string>(std::move(bytes));
}

/// Reads one file, line by line, into a model.
class Reader {
public:
  explicit Reader(std::string_view file) : file(file) {}

  Result<TokenizerModel> read(std::string_view text) {
    // In this order, as each step relies on the ones before.
    YUPANA_RETURN_IF_ERROR(readWords(text));
    YUPANA_RETURN_IF_ERROR(indexWords());
    YUPANA_RETURN_IF_ERROR(findMerges());
    model.isWord.assign(model.texts.size(), true);
    // A word of the vocabulary is one token before any pair is looked at.
    model.ignoreMerges = true;
    return std::move(model);
  }

private:
  template <typename... Args> Error invalid(fmt::format_string<Args...> format, Args &&...args) const {
    return makeError(ExitCode::InvalidInput, "{}: {}", file, fmt::format(format, std::forward<Args>(args)...));
  }
  Result<void> readWords(std::string_view text);
  Result<void> readWord(std::string_view line);
  Result<void> indexWords();
  Result<void> findMerges();

  std::string_view file;
  TokenizerModel model;
  uint64_t textBytes = 0;
  std::unordered_map<std::string_view, uint32_t> ids; ///< Of the texts in `model`, which stay where they are.
};

Result<void> Reader::readWords(std::string_view text) {
  while (!text.empty()) {
    // The last line need not end with a line feed.
    size_t end = std::min(text.find('\n'), text.size());
    YUPANA_RETURN_IF_ERROR(readWord(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return {};
}

Result<void> Reader::readWord(std::string_view line) {
  size_t rank = model.texts.size(), space = line.find(' ');
  if (rank == schema::kMaxTokenizerEntries)
    return invalid("has more than {} lines", schema::kMaxTokenizerEntries);
  std::optional<std::string> bytes = decodeBase64(line.substr(0, space));
  if (space == std::string_view::npos || !bytes || bytes->empty())
    return invalid("line {} is {}, expected a token in base64, a space and its rank", rank + 1, inQuotes(line));
  // Compared as text, so that signs, zeros before the number and a carriage return behind it are faults.
  if (line.substr(space + 1) != std::to_string(rank))
    return invalid("line {} has the rank {}, expected {}: ranks count from 0 without a gap", rank + 1,
                   inQuotes(line.substr(space + 1)), rank);
  if (bytes->size() > maxTokenBytes)
    return invalid("line {} has a token of {} bytes, at most {} are expected", rank + 1, bytes->size(), maxTokenBytes);
  textBytes += bytes->size();
  if (textBytes > schema::kMaxTokenizerText)
    return invalid("the tokens have more than {} bytes in all", schema::kMaxTokenizerText);
  model.texts.push_back(*std::move(bytes));
  return {};
}

Result<void> Reader::indexWords() {
  ids.reserve(model.texts.size());
  for (uint32_t id = 0; id < model.texts.size(); ++id) {
    auto [entry, isNew] = ids.emplace(model.texts[id], id);
    if (!isNew)
      return invalid("line {} has the token of line {} again, {}", id + 1, entry->second + 1,
                     inQuotes(model.texts[id]));
  }
  // Byte-level BPE begins with single bytes: without one of them a text could not be encoded.
  for (int byte = 0; byte < 256; ++byte) {
    char text = static_cast<char>(byte);
    if (!ids.count(std::string_view(&text, 1)))
      return invalid("has no token for the single byte 0x{:02X}, expected all 256", byte);
  }
  return {};
}

/// Every pair of tokens whose bytes together are a token.
Result<void> Reader::findMerges() {
  // All pairs that make one token have the same rank, since tiktoken ranks what a pair makes. Ranks count only tokens
  // that some pair makes.
  uint32_t rank = 0;
  for (uint32_t id = 0; id < model.texts.size(); ++id) {
    std::string_view text = model.texts[id];
    size_t before = model.merges.size();
    for (size_t cut = 1; cut < text.size(); ++cut) {
      auto left = ids.find(text.substr(0, cut));
      auto right = left == ids.end() ? ids.end() : ids.find(text.substr(cut));
      if (right != ids.end())
        model.merges.push_back({left->second, right->second, id, rank});
    }
    // Within the loop: a file of long tokens of one letter would make many more before the end.
    if (model.merges.size() > schema::kMaxTokenizerEntries)
      return invalid("its tokens can be put together in more than {} ways", schema::kMaxTokenizerEntries);
    rank += model.merges.size() > before;
  }
  return {};
}

} // namespace

Result<TokenizerModel> yupana::parseTokenizerModel(std::string_view text, std::string_view file) {
  Result<TokenizerModel> model = Reader(file).read(text);
  if (model)
    return model;
  // A fault may come from a file of another kind, which is the better thing to say.
  constexpr std::string_view expected = "a line for every token, as tiktoken writes it";
  std::optional<FileKind> kind = recognizeFileKind(text.substr(0, fileKindBytes));
  if (kind && kind->isWhole)
    return makeError(ExitCode::Unsupported, "{}: is {}, expected {}", file, kind->what, expected);
  return explainFileKind(text, file, expected, model.takeError());
}
