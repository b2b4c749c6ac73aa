// SPDX-License-Identifier: Apache-2.0
//
// Tokens and trees of the template language, between lexer, parser and renderer.
#ifndef YUPANA_FRONTENDS_CHATTEMPLATE_JINJASYNTAX_H
#define YUPANA_FRONTENDS_CHATTEMPLATE_JINJASYNTAX_H

#include "frontends/ChatTemplate/Jinja.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace yupana::jinja {

/// An error at a place of the template.
template <typename... Args> Error errorAt(size_t line, fmt::format_string<Args...> format, Args &&...args) {
  return makeError(ExitCode::Unsupported, "line {}: {}", line, fmt::format(format, std::forward<Args>(args)...));
}

struct Token {
  enum Kind {
    Text,       ///< What stands outside tags.
    PrintBegin, ///< {{
    PrintEnd,
    BlockBegin, ///< {%
    BlockEnd,
    Name,
    String, ///< `text` is the value.
    Integer,
    Operator,
    End,
  };
  Kind kind;
  std::string text;
  size_t line;
};

/// Cuts a template into tokens, with white space around tags and comments already dealt with.
Result<std::vector<Token>> tokenize(std::string_view text);

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

struct Expression {
  enum Kind {
    Literal,
    List,      ///< Operands are the elements.
    Variable,  ///< `name`.
    Attribute, ///< operand.name
    Subscript, ///< operand[operand]
    Slice,     ///< operand[operand:operand]; absent bounds are null.
    Call,      ///< operand(operands..., named...)
    Filter,    ///< operand | name(operands..., named...)
    Test,      ///< operand is name(operands...)
    Not,
    And,
    Or,
    Binary,      ///< `name` is the operator.
    Conditional, ///< operand if operand else operand; the last may be null.
    Unknown,     ///< Parsed but never understood; `name` says what it is.
  };
  Kind kind;
  size_t line;
  std::string name;
  nlohmann::json value; ///< Of a literal.
  std::vector<ExpressionPtr> operands;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  unsigned height = 0; ///< Operands inside one another below it.

  void addOperand(ExpressionPtr operand) {
    if (operand)
      height = std::max(height, operand->height + 1);
    operands.push_back(std::move(operand));
  }
};

using Body = std::vector<std::unique_ptr<Statement>>;

struct Statement {
  enum Kind { Text, Print, If, For, Set };
  Kind kind;
  size_t line;
  std::string text; ///< Text: itself. For and Set: the variable; empty for a form that is parsed but not understood.
  std::vector<ExpressionPtr> conditions; ///< If: one for each body, the rest of the bodies is the else.
  ExpressionPtr value;                   ///< Print, Set; what For runs over.
  std::vector<Body> bodies;              ///< If; For has one, and one more for its else.
};

/// Parses tokens that end with Token::End.
Result<Body> parseBody(const std::vector<Token> &tokens);

} // namespace yupana::jinja

#endif // YUPANA_FRONTENDS_CHATTEMPLATE_JINJASYNTAX_H
