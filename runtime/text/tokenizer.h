// SPDX-License-Identifier: Apache-2.0
//
// Text to token ids and back.

#ifndef YUPANA_RUNTIME_TEXT_TOKENIZER_H
#define YUPANA_RUNTIME_TEXT_TOKENIZER_H

#include "runtime/text/section.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace yupana::text {

struct EncodeOptions {
  bool begin_token = false;  // put the begin token first, if the tokenizer has one
  bool parse_special = true; // false: special tokens in the text are text like any other
};

/// A part of a text, with special tokens of its own.
struct Fragment {
  std::string_view text; // well-formed UTF-8
  bool parse_special;
};

/// A tokenizer section, opened. Immutable: any number of threads may use one at once.
class Tokenizer {
public:
  /// Opens `size` bytes at `data`, a plan's tokenizer section, which are verified and then used in place: they outlive
  /// the tokenizer and are aligned to four bytes. Returns null, or one clause that says what is wrong with them.
  const char *open(const void *data, size_t size);

  /// Ids are below this; not every id below it has a token.
  uint32_t id_limit() const { return section_.header.id_count; }
  std::optional<uint32_t> begin_token() const;

  /// The bytes of a token, not always whole UTF-8; empty if `id` has none.
  std::string_view token(uint32_t id) const { return id < id_limit() ? section_.token(id) : std::string_view(); }
  /// True if `id` is a token that is found in a text before the text is split.
  bool is_added(uint32_t id) const { return find_added(id) != nullptr; }
  /// True if `id` is a control token, which readers of a text are not shown.
  bool is_special(uint32_t id) const;

  /// Appends the ids of `text` to `*ids`. Text is well-formed UTF-8 of less than 2^31
  /// bytes; what is not well formed is refused rather than replaced, as a
  /// replacement would not decode to the same bytes. Returns text.size(), or the byte offset of the first ill-formed
  /// sequence, with `*ids` as it was.
  size_t encode(std::string_view text, const EncodeOptions &options, std::vector<uint32_t> *ids) const;
  /// Appends the ids of the text that `fragments` make one behind the other. Words go across their borders, added
  /// tokens do not.
  void encode_fragments(const std::vector<Fragment> &fragments, std::vector<uint32_t> *ids) const;

  const Section &section() const { return section_; }

private:
  const schema::TokenizerAdded *find_added(uint32_t id) const;

  Section section_{};
  bool starts_added_[256] = {}; // true if an added token begins with this byte
};

/// Turns ids into text as they come: each piece ends where a UTF-8 sequence ends, and all pieces together are the bytes
/// of the tokens. Ids without a token add nothing. Bytes that no later byte can make well formed are passed on as they
/// are.
class StreamDecoder {
public:
  /// `tokenizer` outlives the decoder. Without `show_special`, special tokens add nothing.
  StreamDecoder(const Tokenizer &tokenizer, bool show_special) : tokenizer_(&tokenizer), show_special_(show_special) {}

  /// Adds a token and appends to `*out` what is whole by now.
  void push(uint32_t id, std::string *out);
  /// Appends what is left, the beginning of a sequence whose end never came.
  void finish(std::string *out);

private:
  const Tokenizer *tokenizer_;
  bool show_special_;
  std::string pending_; // at most three bytes between calls
};

/// `text` with U+FFFD for each longest run of bytes that begins a sequence but does not complete it, and for each other
/// byte that is not well formed.
std::string replace_ill_formed(std::string_view text);

} // namespace yupana::text

#endif
