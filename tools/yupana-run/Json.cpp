// SPDX-License-Identifier: Apache-2.0
//
// Reading is strict: ids are whole numbers below 2^32 without sign or leading zeros, text is well-formed UTF-8 with
// valid escapes, and nothing follows the value. Writing escapes what JSON demands; bytes that are not UTF-8, which a
// reply cut in the middle of a character ends with, become U+FFFD.

#include "tools/yupana-run/Json.h"

#include "runtime/text/tokenizer.h"
#include "runtime/text/unicode.h"

#include <optional>

using namespace yupana;

namespace {

/// A position in a JSON text.
class Cursor {
public:
  explicit Cursor(std::string_view text) : rest(text) {}

  bool atEnd() const { return rest.empty(); }
  char peek() const { return rest.empty() ? '\0' : rest.front(); }

  void skipSpace() {
    while (!rest.empty() && (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r'))
      rest.remove_prefix(1);
  }
  /// Skips `expected` if it comes next.
  bool take(char expected) {
    if (rest.empty() || rest.front() != expected)
      return false;
    rest.remove_prefix(1);
    return true;
  }
  char next() {
    char c = rest.front();
    rest.remove_prefix(1);
    return c;
  }
  /// Four hexadecimal digits.
  std::optional<uint32_t> takeHex4() {
    uint32_t value = 0;
    if (rest.size() < 4)
      return std::nullopt;
    for (int i = 0; i < 4; ++i) {
      char c = next();
      if (c >= '0' && c <= '9')
        value = value * 16 + static_cast<uint32_t>(c - '0');
      else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        value = value * 16 + static_cast<uint32_t>((c | 0x20) - 'a') + 10;
      else
        return std::nullopt;
    }
    return value;
  }
  /// A number without sign, fraction, exponent or leading zeros, below 2^32.
  std::optional<uint32_t> takeId() {
    if (peek() < '0' || peek() > '9')
      return std::nullopt;
    uint64_t value = 0;
    bool leadingZero = peek() == '0';
    size_t digits = 0;
    for (; peek() >= '0' && peek() <= '9'; ++digits) {
      value = value * 10 + static_cast<uint64_t>(next() - '0');
      if (value > UINT32_MAX || (leadingZero && digits))
        return std::nullopt;
    }
    return static_cast<uint32_t>(value);
  }

private:
  std::string_view rest;
};

/// \uXXXX behind its u, a pair of them for code points that UTF-16 writes as two.
bool takeUnicodeEscape(Cursor &cursor, std::string &out) {
  std::optional<uint32_t> unit = cursor.takeHex4();
  if (!unit)
    return false;
  uint32_t codePoint = *unit;
  if (codePoint >= 0xDC00 && codePoint <= 0xDFFF)
    return false;
  if (codePoint >= 0xD800 && codePoint <= 0xDBFF) {
    if (!cursor.take('\\') || !cursor.take('u'))
      return false;
    std::optional<uint32_t> low = cursor.takeHex4();
    if (!low || *low < 0xDC00 || *low > 0xDFFF)
      return false;
    codePoint = 0x10000 + ((codePoint - 0xD800) << 10) + (*low - 0xDC00);
  }
  text::append_code_point(codePoint, &out);
  return true;
}

bool takeEscape(Cursor &cursor, std::string &out) {
  if (cursor.atEnd())
    return false;
  static constexpr std::string_view names = "\"\\/bfnrt", values = "\"\\/\b\f\n\r\t";
  char name = cursor.next();
  if (name == 'u')
    return takeUnicodeEscape(cursor, out);
  size_t index = names.find(name);
  if (index == std::string_view::npos)
    return false;
  out.push_back(values[index]);
  return true;
}

/// The ids of a list whose bracket is already read.
const char *takeIds(Cursor &cursor, std::vector<uint32_t> &out) {
  cursor.skipSpace();
  if (cursor.take(']'))
    return nullptr;
  do {
    cursor.skipSpace();
    std::optional<uint32_t> id = cursor.takeId();
    if (!id)
      return "a list element is not a token id";
    out.push_back(*id);
    cursor.skipSpace();
  } while (cursor.take(','));
  return cursor.take(']') ? nullptr : "a list is not closed";
}

/// The sequences of a list of lists whose outer bracket is already read, at the first inner one.
const char *takeLists(Cursor &cursor, std::vector<std::vector<uint32_t>> &out) {
  do {
    cursor.skipSpace();
    if (!cursor.take('['))
      return "ids and lists of ids stand in one list";
    out.emplace_back();
    if (const char *problem = takeIds(cursor, out.back()))
      return problem;
    cursor.skipSpace();
  } while (cursor.take(','));
  return cursor.take(']') ? nullptr : "a list is not closed";
}

} // namespace

const char *yupana::parseJsonString(std::string_view text, std::string &out) {
  out.clear();
  if (text::find_ill_formed(text) != text.size())
    return "not well-formed UTF-8";
  Cursor cursor(text);
  cursor.skipSpace();
  if (!cursor.take('"'))
    return "not a JSON string";
  while (!cursor.take('"')) {
    if (cursor.atEnd())
      return "the string is not closed";
    char c = cursor.next();
    if (static_cast<unsigned char>(c) < 0x20)
      return "a control character in the string is not escaped";
    if (c != '\\')
      out.push_back(c);
    else if (!takeEscape(cursor, out))
      return "an escape in the string is not valid";
  }
  cursor.skipSpace();
  return cursor.atEnd() ? nullptr : "something follows the string";
}

const char *yupana::parseJsonSequences(std::string_view text, std::vector<std::vector<uint32_t>> &out) {
  out.clear();
  Cursor cursor(text);
  cursor.skipSpace();
  if (!cursor.take('['))
    return "not a JSON list of token ids";
  cursor.skipSpace();
  const char *problem;
  if (cursor.peek() == '[') {
    problem = takeLists(cursor, out);
  } else {
    out.emplace_back();
    problem = takeIds(cursor, out.back());
  }
  if (problem)
    return problem;
  cursor.skipSpace();
  return cursor.atEnd() ? nullptr : "something follows the list";
}

void yupana::appendJsonString(std::string &out, std::string_view text) {
  static constexpr char hexDigits[] = "0123456789abcdef";
  static constexpr std::string_view names = "bfnrt\"\\", values = "\b\f\n\r\t\"\\";
  out.push_back('"');
  for (char c : text::replace_ill_formed(text)) {
    size_t index = values.find(c);
    if (index != std::string_view::npos) {
      out.push_back('\\');
      out.push_back(names[index]);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\u00";
      out.push_back(hexDigits[c >> 4]);
      out.push_back(hexDigits[c & 15]);
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

void yupana::appendJsonIds(std::string &out, const std::vector<uint32_t> &ids) {
  out.push_back('[');
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i)
      out += ", ";
    out += std::to_string(ids[i]);
  }
  out.push_back(']');
}
