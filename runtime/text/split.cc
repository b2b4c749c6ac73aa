// SPDX-License-Identifier: Apache-2.0
//
// Two regular expressions by hand, a function for each alternative, over character classes that the plan's tables give.
// By hand because a library for Unicode expressions is larger than this runtime. The functions try what a backtracking
// matcher would try, in its order, so that words are the same; each reads a run of characters once, where a
// backtracking matcher can take time quadratic in the length of a run of spaces.

#include "runtime/text/split.h"

#include "runtime/text/unicode.h"

namespace yupana::text {
namespace {

using schema::CharClass;

constexpr size_t kNoMatch = 0;

/// A set of character classes, one bit each.
using ClassSet = uint32_t;
constexpr ClassSet set_of(CharClass c) { return ClassSet{1} << static_cast<uint32_t>(c); }

constexpr ClassSet kMarks = set_of(CharClass::mark);
constexpr ClassSet kSpaces = set_of(CharClass::space);
constexpr ClassSet kNumbers = set_of(CharClass::number);
constexpr ClassSet kLetters = set_of(CharClass::upper) | set_of(CharClass::lower) | set_of(CharClass::letter);
constexpr ClassSet kUncased = set_of(CharClass::letter) | kMarks;
/// [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] and [\p{Ll}\p{Lm}\p{Lo}\p{M}]: uncased letters and marks are in both.
constexpr ClassSet kHead = set_of(CharClass::upper) | kUncased;
constexpr ClassSet kTail = set_of(CharClass::lower) | kUncased;
/// [^\s\p{L}\p{N}] and, but for line ends, [^\r\n\p{L}\p{N}].
constexpr ClassSet kSymbols = set_of(CharClass::other) | kMarks;
constexpr ClassSet kPrefix = kSymbols | kSpaces;

/// A text seen as code points.
class Text {
public:
  Text(const Section &section, std::string_view bytes) : section_(section), bytes_(bytes) {}

  bool at_end(size_t offset) const { return offset == bytes_.size(); }

  /// True if there is a character at `offset` whose class is in `set`.
  bool is(size_t offset, ClassSet set) const { return !at_end(offset) && set_of(class_at(offset)) & set; }
  bool is_line_end(size_t offset) const {
    return !at_end(offset) && (bytes_[offset] == '\r' || bytes_[offset] == '\n');
  }
  bool is_byte(size_t offset, char byte) const { return !at_end(offset) && bytes_[offset] == byte; }

  /// The offset behind the character at `offset`.
  size_t after(size_t offset) const {
    size_t length;
    decode_sequence(bytes_.substr(offset), &length);
    return offset + length;
  }
  /// The offset behind the longest run of characters of `set` that starts at `offset`.
  size_t after_run(size_t offset, ClassSet set) const {
    while (is(offset, set))
      offset = after(offset);
    return offset;
  }
  size_t after_contraction(size_t offset) const;

private:
  CharClass class_at(size_t offset) const {
    size_t length;
    uint32_t c = decode_sequence(bytes_.substr(offset), &length);
    const uint8_t *block =
        section_.class_blocks + section_.class_index[c / schema::kClassBlockSize] * schema::kClassBlockSize;
    return static_cast<CharClass>(block[c % schema::kClassBlockSize]);
  }
  /// The ASCII letter that the character at `offset` equals when case is ignored; 0 if there is none.
  char folded(size_t offset) const;

  const Section &section_;
  std::string_view bytes_;
};

char Text::folded(size_t offset) const {
  if (at_end(offset))
    return 0;
  size_t length;
  uint32_t c = decode_sequence(bytes_.substr(offset), &length);
  for (uint32_t i = 0; i < section_.header.fold_count && section_.folds[i].code_point <= c; ++i)
    if (section_.folds[i].code_point == c)
      return static_cast<char>(section_.folds[i].letter);
  return 0;
}

/// (?i:'s|'t|'re|'ve|'m|'ll|'d)?
size_t Text::after_contraction(size_t offset) const {
  if (!is_byte(offset, '\''))
    return offset;
  size_t first = offset + 1;
  char second_letter = 0;
  switch (folded(first)) {
  case 's':
  case 't':
  case 'm':
  case 'd':
    return after(first);
  case 'r':
  case 'v':
    second_letter = 'e';
    break;
  case 'l':
    second_letter = 'l';
    break;
  default:
    return offset;
  }
  size_t second = after(first);
  return folded(second) == second_letter ? after(second) : offset;
}

/// Alternative 1 behind its optional first character: head* tail+.
size_t lower_word(const Text &text, size_t start) {
  size_t offset = start, tail = kNoMatch;
  bool has_tail = false;
  for (; text.is(offset, kHead); offset = text.after(offset))
    if (text.is(offset, kUncased)) {
      tail = offset;
      has_tail = true;
    }
  if (text.is(offset, kTail))
    return text.after_run(offset, kTail);
  // head* took all; it gives back until tail+ finds a character, the last uncased one. What follows that one is upper
  // case or no letter, so tail+ ends there.
  return has_tail ? text.after(tail) : kNoMatch;
}

/// Alternative 2 behind its optional first character: head+ tail*.
size_t upper_word(const Text &text, size_t start) {
  size_t head = text.after_run(start, kHead);
  return head == start ? kNoMatch : text.after_run(head, kTail);
}

/// Llama 3's alternative 1.
size_t match_contraction(const Text &text) { return text.after_contraction(0); }

/// Llama 3's alternative 2.
size_t match_letters(const Text &text) {
  bool prefixed = text.is(0, kPrefix) && !text.is_line_end(0);
  size_t start = prefixed ? text.after(0) : 0, end = text.after_run(start, kLetters);
  return end == start ? kNoMatch : end;
}

/// Alternatives 1 and 2. Each is tried with its optional first character before it is tried without.
size_t match_word(const Text &text) {
  bool prefixed = text.is(0, kPrefix) && !text.is_line_end(0);
  for (auto word : {lower_word, upper_word}) {
    size_t end = prefixed ? word(text, text.after(0)) : kNoMatch;
    if (end == kNoMatch)
      end = word(text, 0);
    if (end != kNoMatch)
      return text.after_contraction(end);
  }
  return kNoMatch;
}

/// Alternative 3.
size_t match_number(const Text &text) {
  size_t offset = 0;
  for (int digits = 0; digits < 3 && text.is(offset, kNumbers); ++digits)
    offset = text.after(offset);
  return offset;
}

/// Alternative 4; `slashes` may follow the symbols as line ends do.
size_t match_symbols(const Text &text, bool slashes) {
  size_t start = text.is_byte(0, ' ') ? 1 : 0;
  size_t offset = text.after_run(start, kSymbols);
  if (offset == start)
    return kNoMatch;
  while (text.is_line_end(offset) || (slashes && text.is_byte(offset, '/')))
    ++offset;
  return offset;
}
size_t match_symbols_and_slashes(const Text &text) { return match_symbols(text, true); }
size_t match_symbols_alone(const Text &text) { return match_symbols(text, false); }

/// Alternatives 5, 6 and 7.
size_t match_space(const Text &text) {
  size_t offset = 0, last = 0, behind_line_end = kNoMatch;
  for (; text.is(offset, kSpaces); offset = text.after(offset)) {
    last = offset;
    if (text.is_line_end(offset))
      behind_line_end = offset + 1;
  }
  if (behind_line_end != kNoMatch)
    return behind_line_end;
  // \s+ gives its last character back if something other than space follows, but keeps its only one.
  return text.at_end(offset) || last == 0 ? offset : last;
}

} // namespace

size_t next_word(const Section &section, std::string_view bytes) {
  using Match = size_t (*)(const Text &);
  static constexpr Match kLlama4[] = {match_word, match_number, match_symbols_and_slashes, match_space, nullptr};
  static constexpr Match kLlama3[] = {match_contraction,   match_letters, match_number,
                                      match_symbols_alone, match_space,   nullptr};
  bool is_llama3 = section.header.split == static_cast<uint32_t>(schema::TokenizerSplit::llama3);
  Text text(section, bytes);
  for (const Match *match = is_llama3 ? kLlama3 : kLlama4; *match; ++match)
    if (size_t end = (*match)(text))
      return end;
  return bytes.size(); // not reached: every class is the start of an alternative
}

} // namespace yupana::text
