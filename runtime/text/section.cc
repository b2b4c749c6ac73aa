// SPDX-License-Identifier: Apache-2.0
//
// The counts in the header settle where each array lies, and that they fill the section. Then the arrays are checked,
// and each check relies on those before it alone. Everything that encoding and decoding index by is bounded here once,
// so that they index without asking: a section comes from a plan file, which may come from anywhere.

#include "runtime/text/section.h"

#include "runtime/text/unicode.h"

#include <cstring>

namespace yupana::text {
namespace {

using namespace schema;

/// Hands out the arrays of a section one after the other. Counts are bounded by open_section before, so that no size
/// here needs more than 64 bits.
struct Cursor {
  const char *data;
  uint64_t offset;

  template <typename T> const T *take(uint64_t count) {
    const char *start = data + offset;
    offset += count * sizeof(T);
    return reinterpret_cast<const T *>(start);
  }
};

uint64_t section_size(const TokenizerHeader &h) {
  return sizeof(TokenizerHeader) +
         sizeof(uint32_t) * (2 * (uint64_t{h.id_count} + 1) + h.word_count + 256 + kChatPartCount + 1) +
         sizeof(TokenizerMerge) * uint64_t{h.merge_count} + sizeof(TokenizerAdded) * uint64_t{h.added_count} +
         sizeof(TokenizerFold) * uint64_t{h.fold_count} + sizeof(uint16_t) * kClassIndexSize +
         kClassBlockSize * uint64_t{h.class_block_count} + h.text_size + h.chat_size;
}

const char *check_header(const TokenizerHeader &h, size_t size) {
  if (h.magic != kTokenizerMagic)
    return "the tokenizer section does not start with its magic number";
  if (h.version != kTokenizerVersion)
    return "the tokenizer section has a version this program does not read";
  bool split_known = h.split == static_cast<uint32_t>(TokenizerSplit::llama4) ||
                     h.split == static_cast<uint32_t>(TokenizerSplit::llama3);
  if (!split_known || (h.flags & ~uint32_t{kTokenizerIgnoreMerges}))
    return "the tokenizer section asks for a feature this program does not know";
  for (uint32_t word : h.reserved)
    if (word)
      return "a reserved field of the tokenizer section is not zero";
  for (uint32_t count : {h.id_count, h.word_count, h.merge_count, h.added_count, h.fold_count, h.class_block_count})
    if (count > kMaxTokenizerEntries)
      return "a count of the tokenizer section is too large";
  if (h.text_size > kMaxTokenizerText || h.chat_size > kMaxChatText)
    return "a text of the tokenizer section is too large";
  return section_size(h) == size ? nullptr : "the tokenizer section's size does not follow from its counts";
}

const char *check_tokens(const Section &s) {
  const TokenizerHeader &h = s.header;
  for (uint32_t id = 0; id < h.id_count; ++id)
    if (s.text_offsets[id] > s.text_offsets[id + 1])
      return "the tokenizer's text offsets do not ascend";
  if (s.text_offsets[0] != 0 || s.text_offsets[h.id_count] != h.text_size)
    return "the tokenizer's text offsets do not cover its text";
  for (uint32_t i = 0; i < h.word_count; ++i) {
    if (s.words[i] >= h.id_count || s.token(s.words[i]).empty())
      return "the tokenizer's word list names an id without a token";
    if (i && s.token(s.words[i - 1]) >= s.token(s.words[i]))
      return "the tokenizer's word list is not sorted";
  }
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t id = s.byte_ids[byte];
    if (id >= h.id_count || s.token(id).size() != 1 || static_cast<uint8_t>(s.token(id)[0]) != byte)
      return "the tokenizer lacks the token of a single byte";
  }
  if (h.begin_token != kNoToken && (h.begin_token >= h.id_count || s.token(h.begin_token).empty()))
    return "the tokenizer's begin token has no text";
  return nullptr;
}

/// Bytes that merges may compare. Different pairs may join to one token, so that a long one could be compared as often
/// as there are merges: work far beyond the size of the section.
uint64_t most_compared_bytes(const TokenizerHeader &h) { return 64 * section_size(h); }

const char *check_merge_row(const Section &s, uint32_t left, uint64_t *compared) {
  const TokenizerHeader &h = s.header;
  std::string_view left_text = s.token(left);
  for (uint32_t i = s.merge_rows[left]; i < s.merge_rows[left + 1]; ++i) {
    const TokenizerMerge &merge = s.merges[i];
    if (merge.right >= h.id_count || merge.result >= h.id_count || merge.rank >= h.merge_count)
      return "a merge of the tokenizer names an id or rank out of range";
    if (i > s.merge_rows[left] && s.merges[i - 1].right >= merge.right)
      return "the tokenizer's merges are not sorted";
    std::string_view right_text = s.token(merge.right), result = s.token(merge.result);
    if ((*compared += result.size()) > most_compared_bytes(h))
      return "the tokenizer's merges join to the same long tokens too often";
    if (left_text.empty() || right_text.empty() || result.size() != left_text.size() + right_text.size() ||
        result.substr(0, left_text.size()) != left_text || result.substr(left_text.size()) != right_text)
      return "a merge of the tokenizer does not join its two tokens";
  }
  return nullptr;
}

const char *check_merges(const Section &s) {
  const TokenizerHeader &h = s.header;
  for (uint32_t id = 0; id < h.id_count; ++id)
    if (s.merge_rows[id] > s.merge_rows[id + 1])
      return "the tokenizer's merge rows do not ascend";
  if (s.merge_rows[0] != 0 || s.merge_rows[h.id_count] != h.merge_count)
    return "the tokenizer's merge rows do not cover its merges";
  uint64_t compared = 0;
  for (uint32_t id = 0; id < h.id_count; ++id)
    if (const char *error = check_merge_row(s, id, &compared))
      return error;
  return nullptr;
}

const char *check_added(const Section &s) {
  for (uint32_t i = 0; i < s.header.added_count; ++i) {
    const TokenizerAdded &added = s.added[i];
    if (added.id >= s.header.id_count || s.token(added.id).empty())
      return "an added token of the tokenizer has no text";
    if (added.flags & ~uint32_t{kAddedSpecial | kAddedNormalized})
      return "an added token of the tokenizer has unknown flags";
    // A match that began or ended inside a character would leave pieces that are not text.
    if (find_ill_formed(s.token(added.id)) != s.token(added.id).size())
      return "an added token of the tokenizer is not well-formed UTF-8";
    if (i && s.token(s.added[i - 1].id) >= s.token(added.id))
      return "the tokenizer's added tokens are not sorted";
  }
  return nullptr;
}

const char *check_unicode(const Section &s) {
  for (uint32_t i = 0; i < s.header.fold_count; ++i) {
    const TokenizerFold &fold = s.folds[i];
    if (fold.letter < 'a' || fold.letter > 'z' || fold.code_point > kMaxCodePoint ||
        (i && s.folds[i - 1].code_point >= fold.code_point))
      return "the tokenizer's case folds are out of range or not sorted";
  }
  for (size_t i = 0; i < kClassIndexSize; ++i)
    if (s.class_index[i] >= s.header.class_block_count)
      return "the tokenizer's character classes name a block out of range";
  for (size_t i = 0; i < s.header.class_block_count * kClassBlockSize; ++i)
    if (s.class_blocks[i] >= kCharClassCount)
      return "the tokenizer's character classes have a value out of range";
  return nullptr;
}

const char *check_chat(const Section &s) {
  constexpr uint32_t known = kChatTrimSystem | kChatTrimUser | kChatTrimAssistant | kChatOmitEmptySystem;
  if ((s.header.chat_flags & ~known) || (!s.header.chat_size && s.header.chat_flags))
    return "the chat format has unknown flags";
  for (uint32_t part = 0; part < kChatPartCount; ++part)
    if (s.chat_offsets[part] > s.chat_offsets[part + 1])
      return "the chat format's offsets do not ascend";
  if (s.chat_offsets[0] != 0 || s.chat_offsets[kChatPartCount] != s.header.chat_size)
    return "the chat format's offsets do not cover its text";
  // So that there is always something to go on from.
  if (s.header.chat_size && s.chat_part(ChatPart::generation).empty())
    return "the chat format has no prompt for an answer";
  for (uint32_t part = 0; part < kChatPartCount; ++part) {
    std::string_view text = s.chat_part(static_cast<ChatPart>(part));
    if (find_ill_formed(text) != text.size())
      return "the chat format is not well-formed UTF-8";
  }
  return nullptr;
}

} // namespace

const char *open_section(const void *data, size_t size, Section *section) {
  if (size < sizeof(TokenizerHeader))
    return "the tokenizer section is shorter than its header";
  if (reinterpret_cast<uintptr_t>(data) % alignof(TokenizerHeader))
    return "the tokenizer section is not aligned";
  Section &s = *section;
  std::memcpy(&s.header, data, sizeof s.header);
  const TokenizerHeader &h = s.header;
  if (const char *error = check_header(h, size))
    return error;

  Cursor cursor{static_cast<const char *>(data), sizeof(TokenizerHeader)};
  s.text_offsets = cursor.take<uint32_t>(uint64_t{h.id_count} + 1);
  s.words = cursor.take<uint32_t>(h.word_count);
  s.byte_ids = cursor.take<uint32_t>(256);
  s.merge_rows = cursor.take<uint32_t>(uint64_t{h.id_count} + 1);
  s.merges = cursor.take<TokenizerMerge>(h.merge_count);
  s.added = cursor.take<TokenizerAdded>(h.added_count);
  s.folds = cursor.take<TokenizerFold>(h.fold_count);
  s.chat_offsets = cursor.take<uint32_t>(kChatPartCount + 1);
  s.class_index = cursor.take<uint16_t>(kClassIndexSize);
  s.class_blocks = cursor.take<uint8_t>(kClassBlockSize * uint64_t{h.class_block_count});
  s.text = cursor.take<char>(h.text_size);
  s.chat = cursor.take<char>(h.chat_size);

  // Tokens first: the other checks read their text.
  for (auto check : {check_tokens, check_merges, check_added, check_unicode, check_chat})
    if (const char *error = check(s))
      return error;
  return nullptr;
}

} // namespace yupana::text
