// SPDX-License-Identifier: Apache-2.0
//
// White space around tags is settled here, by the options that transformers sets and by dashes in tags, so that parser
// and renderer see none of it.
#include "frontends/ChatTemplate/JinjaSyntax.h"

#include <algorithm>
#include <array>

using namespace yupana;
using namespace yupana::jinja;

namespace {

/// What Python's str.isspace() takes for white space, as UTF-8: the Unicode property and the four separators from
/// U+001C on.
constexpr std::array<std::string_view, 29> whiteSpace = {
    "\t",     "\n",     "\v",     "\f",     "\r",     "\x1C",   "\x1D",   "\x1E",   "\x1F",   " ",
    "\u0085", "\u00A0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006",
    "\u2007", "\u2008", "\u2009", "\u200A", "\u2028", "\u2029", "\u202F", "\u205F", "\u3000"};

bool startsWith(std::string_view text, std::string_view part) { return text.substr(0, part.size()) == part; }
bool isNameStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool isDigit(char c) { return c >= '0' && c <= '9'; }

/// Every line end as "\n", less one at the end, as Jinja reads sources.
std::string normalizeLineEnds(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n')
      continue;
    out.push_back(text[i] == '\r' ? '\n' : text[i]);
  }
  if (!out.empty() && out.back() == '\n')
    out.pop_back();
  return out;
}

class Lexer {
public:
  explicit Lexer(std::string_view text) : rest(text) {}

  Result<std::vector<Token>> run();

private:
  void add(Token::Kind kind, std::string text) { tokens.push_back({kind, std::move(text), line}); }
  /// Takes `size` bytes and counts the lines that end in them.
  std::string_view take(size_t size) {
    std::string_view taken = rest.substr(0, size);
    line += static_cast<size_t>(std::count(taken.begin(), taken.end(), '\n'));
    rest.remove_prefix(size);
    return taken;
  }
  void takeText(size_t size);
  /// Skips a comment, whose opening mark has been read.
  Result<void> takeComment();
  /// Reads the tokens of a tag up to and with its end, `close` ("}}" or "%}"); its opening mark has been read.
  Result<void> takeTag(std::string_view close, Token::Kind end);
  bool takeEnd(std::string_view close);
  Result<void> takeToken();
  Result<void> takeString();

  std::string_view rest;
  size_t line = 1;
  bool atLineStart = true; ///< True if the text to come begins a line.
  std::vector<Token> tokens;
};

/// Text up to a tag, or to the end, less the white space that the tag takes away.
void Lexer::takeText(size_t size) {
  std::string_view tag = rest.substr(size);
  std::string_view text = rest.substr(0, size);
  // The sign behind the opening mark: {%- takes all white space before it, {%+ none.
  char sign = tag.size() > 2 ? tag[2] : '\0';
  // transformers sets lstrip_blocks, which "-" widens to line ends and "+" switches off for one tag.
  if (sign == '-') {
    text = stripEnd(text);
  } else if (!tag.empty() && sign != '+' && tag[1] != '{') {
    // A block alone on its line takes the indentation away.
    size_t start = text.rfind('\n') + 1;
    if ((start > 0 || atLineStart) && stripEnd(text.substr(start)).empty())
      text = text.substr(0, start);
  }
  if (!text.empty())
    add(Token::Text, std::string(text));
  take(size);
}

/// Takes the end of a tag if it comes next, with the white space behind it that goes with it.
bool Lexer::takeEnd(std::string_view close) {
  bool strips = startsWith(rest, "-") && startsWith(rest.substr(1), close);
  bool keeps = close != "}}" && startsWith(rest, "+") && startsWith(rest.substr(1), close);
  if (!strips && !keeps && !startsWith(rest, close))
    return false;
  take(close.size() + (strips || keeps));
  std::string_view taken;
  if (strips)
    taken = take(rest.size() - stripStart(rest).size());
  // trim_blocks: the line end behind a block or a comment goes with it, behind a printed value it stays.
  else if (!keeps && close != "}}" && startsWith(rest, "\n"))
    taken = take(1);
  atLineStart = !taken.empty() && taken.back() == '\n';
  return true;
}

/// Comments do not nest, and what looks like a tag inside one is none.
Result<void> Lexer::takeComment() {
  size_t begin = line;
  for (; !rest.empty(); take(1))
    if (takeEnd("#}"))
      return {};
  return errorAt(begin, "a comment is not closed");
}

/// Line ends inside a string belong to it, as in Jinja.
Result<void> Lexer::takeString() {
  size_t begin = line;
  char quote = take(1)[0];
  std::string value;
  while (!rest.empty() && rest[0] != quote) {
    char c = take(1)[0];
    if (c != '\\') {
      value.push_back(c);
      continue;
    }
    // Of Python's escapes those that templates use. Others would have to be decoded alike.
    static constexpr std::string_view names = "nrt\\'\"", values = "\n\r\t\\'\"";
    size_t index = rest.empty() ? std::string_view::npos : names.find(rest[0]);
    if (index == std::string_view::npos)
      return errorAt(line, "a string has an escape other than \\n, \\r, \\t, \\\\, \\' and \\\"");
    take(1);
    value.push_back(values[index]);
  }
  if (rest.empty())
    return errorAt(begin, "a string is not closed");
  take(1);
  add(Token::String, std::move(value));
  return {};
}

Result<void> Lexer::takeToken() {
  if (rest[0] == '\'' || rest[0] == '"')
    return takeString();
  if (isNameStart(rest[0])) {
    size_t size = 1;
    while (size < rest.size() && (isNameStart(rest[size]) || isDigit(rest[size])))
      ++size;
    add(Token::Name, std::string(take(size)));
    return {};
  }
  // Python's underscores and floating-point numbers are no part of a conversation's template; the parser refuses them.
  if (isDigit(rest[0])) {
    size_t size = 1;
    while (size < rest.size() && isDigit(rest[size]))
      ++size;
    add(Token::Integer, std::string(take(size)));
    return {};
  }
  // Of two operators that begin alike the longer one counts.
  for (std::string_view two : {"==", "!=", "<=", ">=", "//", "**"})
    if (startsWith(rest, two)) {
      add(Token::Operator, std::string(take(2)));
      return {};
    }
  if (std::string_view("+-*/%~<>=.,:|()[]{}").find(rest[0]) == std::string_view::npos)
    return errorAt(line, "unexpected {}", inQuotes(rest.substr(0, 1)));
  add(Token::Operator, std::string(take(1)));
  return {};
}

/// Tags hold no tags, so that only their own end or a dictionary's brackets may come.
Result<void> Lexer::takeTag(std::string_view close, Token::Kind end) {
  size_t begin = line, braces = 0;
  while (!rest.empty()) {
    take(rest.size() - stripStart(rest).size());
    // Inside braces, "}}" closes two of them.
    if (braces == 0 && takeEnd(close)) {
      add(end, std::string());
      return {};
    }
    if (rest.empty())
      break;
    YUPANA_RETURN_IF_ERROR(takeToken());
    if (tokens.back().kind == Token::Operator)
      braces += tokens.back().text == "{" ? 1 : tokens.back().text == "}" && braces ? size_t(-1) : 0;
  }
  return errorAt(begin, "a tag is not closed");
}

/// Text and tags in turn. A brace that begins no tag is text.
Result<std::vector<Token>> Lexer::run() {
  while (!rest.empty()) {
    size_t tag = 0;
    while (tag < rest.size() && !(rest[tag] == '{' && tag + 1 < rest.size() &&
                                  (rest[tag + 1] == '{' || rest[tag + 1] == '%' || rest[tag + 1] == '#')))
      ++tag;
    takeText(tag);
    if (rest.empty())
      break;
    char kind = take(2)[1];
    if (startsWith(rest, "-") || startsWith(rest, "+"))
      take(1);
    if (kind == '#') {
      YUPANA_RETURN_IF_ERROR(takeComment());
      continue;
    }
    bool prints = kind == '{';
    add(prints ? Token::PrintBegin : Token::BlockBegin, std::string());
    YUPANA_RETURN_IF_ERROR(takeTag(prints ? "}}" : "%}", prints ? Token::PrintEnd : Token::BlockEnd));
  }
  add(Token::End, std::string());
  return std::move(tokens);
}

} // namespace

/// As Python's str.rstrip(), which trims by Unicode and not by ASCII.
std::string_view yupana::jinja::stripEnd(std::string_view text) {
  auto endsWith = [&](std::string_view space) {
    return text.size() >= space.size() && text.substr(text.size() - space.size()) == space;
  };
  for (;;) {
    auto space = std::find_if(whiteSpace.begin(), whiteSpace.end(), endsWith);
    if (space == whiteSpace.end())
      return text;
    text.remove_suffix(space->size());
  }
}

std::string_view yupana::jinja::stripStart(std::string_view text) {
  for (;;) {
    auto space = std::find_if(whiteSpace.begin(), whiteSpace.end(), [&](auto one) { return startsWith(text, one); });
    if (space == whiteSpace.end())
      return text;
    text.remove_prefix(space->size());
  }
}

std::string_view yupana::jinja::strip(std::string_view text) { return stripEnd(stripStart(text)); }

Result<std::vector<Token>> yupana::jinja::tokenize(std::string_view text) {
  std::string normalized = normalizeLineEnds(text);
  return Lexer(normalized).run();
}
