// SPDX-License-Identifier: Apache-2.0
//
// The hand-written splitter against a matcher that executes each regular expression piece by piece, with backtracking.
#include "runtime/text/split.h"
#include "runtime/text/unicode.h"
#include "test/runtime/text/support.h"

#include <gtest/gtest.h>

#include <functional>
#include <optional>

using namespace yupana;
using schema::CharClass;

namespace {

using CodePoints = std::vector<uint32_t>;
using Predicate = std::function<bool(uint32_t)>;

CharClass class_of(uint32_t c) {
  const text::Section &s = test::open_shared_section();
  return static_cast<CharClass>(s.class_blocks[s.class_index[c / 256] * 256 + c % 256]);
}

bool is_letter(CharClass c) { return c == CharClass::upper || c == CharClass::lower || c == CharClass::letter; }
bool line_end(uint32_t c) { return c == '\r' || c == '\n'; }
bool space(uint32_t c) { return class_of(c) == CharClass::space; }
bool number(uint32_t c) { return class_of(c) == CharClass::number; }
bool prefix(uint32_t c) { return !line_end(c) && !is_letter(class_of(c)) && !number(c); }
bool uncased(uint32_t c) { return class_of(c) == CharClass::letter || class_of(c) == CharClass::mark; }
bool head(uint32_t c) { return class_of(c) == CharClass::upper || uncased(c); }
bool tail(uint32_t c) { return class_of(c) == CharClass::lower || uncased(c); }
bool letter(uint32_t c) { return is_letter(class_of(c)); }
bool symbol(uint32_t c) { return !space(c) && !is_letter(class_of(c)) && !number(c); }

/// A greedy repetition of a set, or a negative look-ahead at one.
struct Piece {
  Predicate set;
  size_t least;
  size_t most;
  bool not_before = false;
};
constexpr size_t kUnbounded = SIZE_MAX;

/// Where the pieces from `piece` on match from `offset`, the longest repetition first; nothing if they do not.
std::optional<size_t> match(const CodePoints &text, size_t offset, const std::vector<Piece> &pieces, size_t piece) {
  if (piece == pieces.size())
    return offset;
  const Piece &p = pieces[piece];
  if (p.not_before) {
    if (offset < text.size() && p.set(text[offset]))
      return std::nullopt;
    return match(text, offset, pieces, piece + 1);
  }
  size_t count = 0;
  while (count < p.most && offset + count < text.size() && p.set(text[offset + count]))
    ++count;
  for (;; --count) {
    if (count < p.least)
      return std::nullopt;
    if (auto end = match(text, offset + count, pieces, piece + 1))
      return end;
    if (count == 0)
      return std::nullopt;
  }
}

size_t contraction(const CodePoints &text, size_t offset) {
  auto fold = [](uint32_t c) -> uint32_t { return c == 0x17F ? 's' : c >= 'A' && c <= 'Z' ? c + 32 : c; };
  for (std::string_view ending : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
    size_t i = 0;
    while (i < ending.size() && offset + i < text.size() && fold(text[offset + i]) == static_cast<uint32_t>(ending[i]))
      ++i;
    if (i == ending.size())
      return offset + i;
  }
  return offset;
}

/// The word that Llama 3's expression finds.
size_t reference_word_llama3(const CodePoints &text) {
  if (size_t end = contraction(text, 0))
    return end;
  const std::vector<std::vector<Piece>> alternatives = {
      {{prefix, 0, 1}, {letter, 1, kUnbounded}},
      {{number, 1, 3}},
      {{[](uint32_t c) { return c == ' '; }, 0, 1}, {symbol, 1, kUnbounded}, {line_end, 0, kUnbounded}},
      {{space, 0, kUnbounded}, {line_end, 1, kUnbounded}},
      {{space, 1, kUnbounded}, {[](uint32_t c) { return !space(c); }, 0, 0, /*not_before=*/true}},
      {{space, 1, kUnbounded}},
  };
  for (const std::vector<Piece> &alternative : alternatives)
    if (auto end = match(text, 0, alternative, 0))
      return *end;
  ADD_FAILURE() << "no alternative matches";
  return text.size();
}

/// The word that Llama 4's expression finds.
size_t reference_word(const CodePoints &text) {
  const std::vector<std::vector<Piece>> alternatives = {
      {{prefix, 0, 1}, {head, 0, kUnbounded}, {tail, 1, kUnbounded}},
      {{prefix, 0, 1}, {head, 1, kUnbounded}, {tail, 0, kUnbounded}},
      {{number, 1, 3}},
      {{[](uint32_t c) { return c == ' '; }, 0, 1},
       {symbol, 1, kUnbounded},
       {[](uint32_t c) { return line_end(c) || c == '/'; }, 0, kUnbounded}},
      {{space, 0, kUnbounded}, {line_end, 1, kUnbounded}},
      {{space, 1, kUnbounded}, {[](uint32_t c) { return !space(c); }, 0, 0, /*not_before=*/true}},
      {{space, 1, kUnbounded}},
  };
  for (size_t i = 0; i < alternatives.size(); ++i)
    if (auto end = match(text, 0, alternatives[i], 0))
      return i < 2 ? contraction(text, *end) : *end;
  ADD_FAILURE() << "no alternative matches";
  return text.size();
}

std::string utf8(const CodePoints &text, size_t begin, size_t end) {
  std::string out;
  for (size_t i = begin; i < end; ++i)
    text::append_code_point(text[i], &out);
  return out;
}

void expect_same_words(const text::Section &section, size_t (*reference)(const CodePoints &), CodePoints text) {
  std::string bytes = utf8(text, 0, text.size());
  std::string_view rest = bytes;
  while (!text.empty()) {
    size_t expected = reference(text);
    size_t length = text::next_word(section, rest);
    ASSERT_EQ(rest.substr(0, length), utf8(text, 0, expected)) << "in \"" << rest << '"';
    rest.remove_prefix(length);
    text.erase(text.begin(), text.begin() + static_cast<ptrdiff_t>(expected));
  }
  EXPECT_TRUE(rest.empty());
}

void expect_same_words(const CodePoints &text) {
  static const text::Section llama3 = [] {
    text::Section section = test::open_shared_section();
    section.header.split = static_cast<uint32_t>(schema::TokenizerSplit::llama3);
    return section;
  }();
  expect_same_words(test::open_shared_section(), reference_word, text);
  expect_same_words(llama3, reference_word_llama3, text);
}

/// One or two of every class, and all that the expression names itself.
const CodePoints kAlphabet = {'A',
                              0x1C5 /* Lt */,
                              'a',
                              0xDF /* Ll */,
                              0x2B0 /* Lm */,
                              0x4E2D /* Lo */,
                              0x301 /* Mn */,
                              0x20DD /* Me */,
                              '1',
                              0x2167 /* Nl */,
                              0x1D7CE /* Nd, four bytes */,
                              ' ',
                              '\t',
                              0xA0,
                              0x3000,
                              '\r',
                              '\n',
                              '/',
                              '.',
                              0x1F600,
                              '\'',
                              's',
                              'S',
                              0x17F,
                              'l',
                              'L',
                              'r',
                              'e',
                              0x85};

// Every text of up to three characters of the alphabet, and longer ones at random.
TEST(SplitTest, AllShortTexts) {
  for (uint32_t a : kAlphabet)
    for (uint32_t b : kAlphabet) {
      expect_same_words({a, b});
      for (uint32_t c : kAlphabet)
        expect_same_words({a, b, c});
    }
}

TEST(SplitTest, RandomTexts) {
  test::Random random(1);
  for (int round = 0; round < 20000; ++round) {
    // A few letters at a time, so that runs and backtracking are common.
    size_t kinds = 1 + random.below(5);
    CodePoints letters, text;
    for (size_t i = 0; i < kinds; ++i)
      letters.push_back(kAlphabet[random.below(static_cast<uint32_t>(kAlphabet.size()))]);
    for (size_t length = 1 + random.below(24); length; --length)
      text.push_back(letters[random.below(static_cast<uint32_t>(kinds))]);
    expect_same_words(text);
  }
}

// Classes at code points whose category is known by heart; the reference above shares the tables.
TEST(SplitTest, Classes) {
  EXPECT_EQ(class_of('A'), CharClass::upper);
  EXPECT_EQ(class_of(0x1C5), CharClass::upper);
  EXPECT_EQ(class_of('z'), CharClass::lower);
  EXPECT_EQ(class_of(0x2B0), CharClass::letter);
  EXPECT_EQ(class_of(0x4E2D), CharClass::letter);
  EXPECT_EQ(class_of(0x301), CharClass::mark);
  EXPECT_EQ(class_of(0x2167), CharClass::number);
  EXPECT_EQ(class_of(0x3000), CharClass::space);
  EXPECT_EQ(class_of(0x85), CharClass::space);
  EXPECT_EQ(class_of(0x180E), CharClass::other); // a format character since Unicode 6.3
  EXPECT_EQ(class_of(0x200B), CharClass::other);
  EXPECT_EQ(class_of(0x1F600), CharClass::other);
  EXPECT_EQ(class_of(0x10FFFF), CharClass::other);
}

TEST(SplitTest, FoldsOfLetters) {
  const text::Section &s = test::open_shared_section();
  EXPECT_EQ(s.header.fold_count, 26u * 2 + 2); // and long s, Kelvin sign
  for (uint32_t i = 0; i < s.header.fold_count; ++i)
    if (s.folds[i].code_point > 127) {
      EXPECT_TRUE((s.folds[i].code_point == 0x17F && s.folds[i].letter == 's') ||
                  (s.folds[i].code_point == 0x212A && s.folds[i].letter == 'k'));
    }
}

} // namespace
