// SPDX-License-Identifier: Apache-2.0
//
// The tokenizer section of a plan: a byte-level BPE vocabulary with everything encoding and decoding need, and the
// texts around the messages of a conversation, in tables that are read in place. Little-endian. The arrays follow the
// header in this order, without padding, and fill the section:
//
//   uint32_t        text_offsets[id_count + 1]   text of id i: text[text_offsets[i], text_offsets[i + 1])
//   uint32_t        words[word_count]            ids that BPE may produce, strictly ascending by their bytes
//   uint32_t        byte_ids[256]                the id of every single byte
//   uint32_t        merge_rows[id_count + 1]     merges with left id i: merges[merge_rows[i], merge_rows[i + 1])
//   TokenizerMerge  merges[merge_count]          strictly ascending by right id within a row
//   TokenizerAdded  added[added_count]           strictly ascending by their bytes, each well-formed UTF-8
//   TokenizerFold   folds[fold_count]            strictly ascending by code point
//   uint32_t        chat_offsets[kChatPartCount + 1]  ChatPart p: chat[chat_offsets[p], chat_offsets[p + 1])
//   uint16_t        class_index[kClassIndexSize] block of 256 code points -> index into class_blocks
//   uint8_t         class_blocks[class_block_count][256]  CharClass of each code point
//   uint8_t         text[text_size]
//   uint8_t         chat[chat_size]              each part well-formed UTF-8
//
// The Unicode tables travel with the vocabulary, so that a plan splits text the same way wherever it runs and the
// runtime needs no Unicode data of its own. An id with an empty text has no token.

#ifndef YUPANA_RUNTIME_SCHEMA_TOKENIZER_H
#define YUPANA_RUNTIME_SCHEMA_TOKENIZER_H

#include <cstddef>
#include <cstdint>

namespace yupana::schema {

inline constexpr uint32_t kTokenizerMagic = 0x4B4F5459; // "YTOK"
inline constexpr uint32_t kTokenizerVersion = 2;
inline constexpr uint32_t kNoToken = 0xFFFFFFFF;

/// Bounds of every count below, checked before any size is computed from them.
inline constexpr uint32_t kMaxTokenizerEntries = uint32_t{1} << 24;
inline constexpr uint32_t kMaxTokenizerText = uint32_t{1} << 30;
inline constexpr uint32_t kMaxChatText = uint32_t{1} << 20;

inline constexpr size_t kClassBlockSize = 256;
inline constexpr size_t kClassIndexSize = 0x110000 / kClassBlockSize;

/// How text is cut into words before merging: the seven alternatives of a regular expression.
enum class TokenizerSplit : uint32_t {
  llama4 = 1,
  llama3 = 2,
};

enum TokenizerFlags : uint32_t {
  kTokenizerIgnoreMerges = 1, // a word that is in the vocabulary as a whole is one token, whatever the merges say
};

/// The classes the split distinguishes. Carriage return and line feed are `space`.
enum class CharClass : uint8_t {
  other = 0,
  upper = 1,  // Lu, Lt
  lower = 2,  // Ll
  letter = 3, // Lm, Lo
  mark = 4,   // Mn, Mc, Me
  number = 5, // Nd, Nl, No
  space = 6,  // White_Space
};
inline constexpr uint8_t kCharClassCount = 7;

/// A conversation is `begin`, then for every message its role's header, its content and `end`, then `generation` where
/// the model is to answer, which is not empty. Special tokens in these texts are tokens, those in contents are text.
enum class ChatPart : uint32_t {
  begin = 0,
  system_header = 1, // headers come in the order of the flags below
  user_header = 2,
  assistant_header = 3,
  end = 4,
  generation = 5,
};
inline constexpr uint32_t kChatPartCount = 6;

enum ChatFlags : uint32_t {
  kChatTrimSystem = 1, // white space around the content of messages of this role is left out
  kChatTrimUser = 2,
  kChatTrimAssistant = 4,
  kChatOmitEmptySystem = 8, // a system message without content is left out
};

struct TokenizerHeader {
  uint32_t magic;
  uint32_t version;
  uint32_t split;       // TokenizerSplit
  uint32_t flags;       // TokenizerFlags
  uint32_t begin_token; // put before a prompt; kNoToken: nothing is
  uint32_t id_count;
  uint32_t word_count;
  uint32_t merge_count;
  uint32_t added_count;
  uint32_t fold_count;
  uint32_t class_block_count;
  uint32_t text_size;
  uint32_t chat_size;   // 0: the plan has no chat format
  uint32_t chat_flags;  // ChatFlags
  uint32_t reserved[2]; // zero
};
static_assert(sizeof(TokenizerHeader) == 64);

/// `left` (the row) followed by `right` becomes `result`; the pair of lowest rank merges first, of equal ranks the
/// leftmost.
struct TokenizerMerge {
  uint32_t right;
  uint32_t rank;
  uint32_t result;
};
static_assert(sizeof(TokenizerMerge) == 12);

enum TokenizerAddedFlags : uint32_t {
  kAddedSpecial = 1,    // control token: not part of shown text, and plain text when specials are not parsed
  kAddedNormalized = 2, // looked for in what the others left over
};

/// A token that is found in the text before it is split.
struct TokenizerAdded {
  uint32_t id;
  uint32_t flags; // TokenizerAddedFlags
};
static_assert(sizeof(TokenizerAdded) == 8);

/// A code point that equals an ASCII lower-case letter when case is ignored.
struct TokenizerFold {
  uint32_t code_point;
  uint32_t letter; // 'a'..'z'
};
static_assert(sizeof(TokenizerFold) == 8);

} // namespace yupana::schema

#endif
