// SPDX-License-Identifier: Apache-2.0
//
// Text is cut at added tokens, at those without the flag `normalized` first, as the `tokenizers` library does; what
// lies between them is split into words, and each word is merged. Text of several fragments is split as one, so that a
// word may run across the border of a fragment whose special tokens are parsed and one whose are not. Decoding holds
// back up to three bytes that may begin a character, since a token may end in the middle of one.

#include "runtime/text/tokenizer.h"

#include "runtime/text/merge.h"
#include "runtime/text/split.h"
#include "runtime/text/unicode.h"

#include <algorithm>

namespace yupana::text {
namespace {

using schema::TokenizerAdded;

/// The longest added token that `text` starts with, of those whose `normalized` flag is `normalized`; null if there is
/// none. Narrows the sorted list byte by byte: what is left shares the first `length` bytes of `text`.
const TokenizerAdded *longest_added(const Section &section, std::string_view text, bool normalized) {
  const TokenizerAdded *begin = section.added, *end = begin + section.header.added_count, *longest = nullptr;
  for (size_t length = 0; begin != end && length < text.size();) {
    uint8_t byte = static_cast<uint8_t>(text[length]);
    auto byte_of = [&](const TokenizerAdded &added) { return static_cast<uint8_t>(section.token(added.id)[length]); };
    begin = std::partition_point(begin, end, [&](const TokenizerAdded &added) { return byte_of(added) < byte; });
    end = std::partition_point(begin, end, [&](const TokenizerAdded &added) { return byte_of(added) == byte; });
    ++length;
    // Of tokens with a common beginning the shortest comes first; the ones behind it are longer than `length`.
    if (begin != end && section.token(begin->id).size() == length) {
      if (bool(begin->flags & schema::kAddedNormalized) == normalized)
        longest = begin;
      ++begin;
    }
  }
  return longest;
}

/// Encodes one text; gathers what the levels of splitting share.
class Encoder {
public:
  Encoder(const Section &section, const bool *starts_added, std::vector<uint32_t> *ids)
      : section_(section), starts_added_(starts_added), merger_(section), ids_(ids) {}

  /// Adds a part of the text.
  void add(std::string_view text, bool parse_special) {
    parse_special_ = parse_special;
    cut_added(text, /*normalized=*/false);
  }
  /// Encodes what is left after the last part.
  void finish() { encode_run(); }

private:
  /// Cuts `text` at the added tokens whose `normalized` flag is `normalized`: those without it are found first, the
  /// others in the pieces between, and words are split in what is then left.
  void cut_added(std::string_view text, bool normalized) {
    size_t start = 0, offset = 0;
    while (offset < text.size()) {
      const TokenizerAdded *added = nullptr;
      if (starts_added_[static_cast<uint8_t>(text[offset])])
        added = longest_added(section_, text.substr(offset), normalized);
      if (!added) {
        ++offset;
        continue;
      }
      size_t length = section_.token(added->id).size();
      // A special token that is not parsed still hides what overlaps it, as in the `tokenizers` library.
      if (parse_special_ || !(added->flags & schema::kAddedSpecial)) {
        add_piece(text.substr(start, offset - start), normalized);
        encode_run();
        ids_->push_back(added->id);
        start = offset + length;
      }
      offset += length;
    }
    add_piece(text.substr(start), normalized);
  }

  void add_piece(std::string_view piece, bool normalized) {
    if (normalized)
      run_ += piece;
    else
      cut_added(piece, true);
  }

  void encode_run() {
    for (std::string_view rest = run_; !rest.empty();) {
      size_t length = next_word(section_, rest);
      merger_.encode(rest.substr(0, length), ids_);
      rest.remove_prefix(length);
    }
    run_.clear();
  }

  const Section &section_;
  const bool *starts_added_;
  bool parse_special_ = false;
  Merger merger_;
  std::vector<uint32_t> *ids_;
  std::string run_; // text since the last added token
};

} // namespace

const char *Tokenizer::open(const void *data, size_t size) {
  if (const char *error = open_section(data, size, &section_))
    return error;
  for (uint32_t i = 0; i < section_.header.added_count; ++i)
    starts_added_[static_cast<uint8_t>(section_.token(section_.added[i].id)[0])] = true;
  return nullptr;
}

std::optional<uint32_t> Tokenizer::begin_token() const {
  uint32_t id = section_.header.begin_token;
  return id == schema::kNoToken ? std::nullopt : std::optional<uint32_t>(id);
}

/// The entry of an added token; null for any other id.
const TokenizerAdded *Tokenizer::find_added(uint32_t id) const {
  std::string_view text = token(id);
  const TokenizerAdded *end = section_.added + section_.header.added_count;
  const TokenizerAdded *found =
      std::lower_bound(section_.added, end, text, [&](const TokenizerAdded &added, std::string_view wanted) {
        return section_.token(added.id) < wanted;
      });
  return found != end && found->id == id ? found : nullptr;
}

bool Tokenizer::is_special(uint32_t id) const {
  const TokenizerAdded *added = find_added(id);
  return added && added->flags & schema::kAddedSpecial;
}

size_t Tokenizer::encode(std::string_view text, const EncodeOptions &options, std::vector<uint32_t> *ids) const {
  size_t well_formed = find_ill_formed(text);
  if (well_formed != text.size())
    return well_formed;
  if (options.begin_token && begin_token())
    ids->push_back(*begin_token());
  encode_fragments({{text, options.parse_special}}, ids);
  return text.size();
}

void Tokenizer::encode_fragments(const std::vector<Fragment> &fragments, std::vector<uint32_t> *ids) const {
  Encoder encoder(section_, starts_added_, ids);
  for (const Fragment &fragment : fragments)
    encoder.add(fragment.text, fragment.parse_special);
  encoder.finish();
}

void StreamDecoder::push(uint32_t id, std::string *out) {
  if (!show_special_ && tokenizer_->is_special(id))
    return;
  pending_ += tokenizer_->token(id);
  // Only the last three bytes can begin a sequence that is not finished.
  size_t whole = pending_.size();
  for (size_t tail = 1; tail <= 3 && tail <= pending_.size(); ++tail)
    if (is_sequence_prefix(std::string_view(pending_).substr(pending_.size() - tail)))
      whole = pending_.size() - tail;
  out->append(pending_, 0, whole);
  pending_.erase(0, whole);
}

void StreamDecoder::finish(std::string *out) {
  *out += pending_;
  pending_.clear();
}

std::string replace_ill_formed(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    size_t length = find_ill_formed(text);
    out += text.substr(0, length);
    text.remove_prefix(length);
    if (text.empty())
      break;
    append_code_point(0xFFFD, &out);
    length = 1;
    while (length < text.size() && is_sequence_prefix(text.substr(0, length + 1)))
      ++length;
    text.remove_prefix(length);
  }
  return out;
}

} // namespace yupana::text
