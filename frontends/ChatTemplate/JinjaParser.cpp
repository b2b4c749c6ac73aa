// SPDX-License-Identifier: Apache-2.0
//
// Recursive descent with Jinja's precedences, from the loosest: conditional, or, and, not, comparison, + and -, ~, *
// and /, a sign, then what follows a value: attributes, subscripts, calls, filters and tests. A form of Jinja that the
// renderer does not know is parsed all the same and becomes an Unknown node with a name: a template may hold it in a
// branch that a plain conversation never takes. Depth is bounded, since a template is part of a checkpoint and the
// stack is not.

#include "frontends/ChatTemplate/JinjaSyntax.h"

#include <algorithm>

using namespace yupana;
using namespace yupana::jinja;

namespace {

/// Statements and expressions inside one another, deepest accepted. Every level is some fifteen calls of the
/// parser.
constexpr unsigned maxDepth = 100;
/// Operators inside one another in an expression, whether by brackets or by precedence. The renderer recurses over
/// them.
constexpr unsigned maxHeight = 200;

class Parser {
public:
  explicit Parser(const std::vector<Token> &tokens) : tokens(tokens) {}

  /// Statements up to a block that begins with one of `ends`, whose name is left to be taken; with no `ends`, all.
  Result<Body> parseStatements(std::initializer_list<std::string_view> ends);

private:
  using Rule = Result<ExpressionPtr> (Parser::*)();

  // Tokens end with Token::End, which is never taken: looking ahead and taking at the end both stay there.
  const Token &peek(size_t ahead = 0) const { return tokens[std::min(next + ahead, tokens.size() - 1)]; }
  const Token &take() { return tokens[next < tokens.size() - 1 ? next++ : next]; }
  bool isName(std::string_view name, size_t ahead = 0) const {
    return peek(ahead).kind == Token::Name && peek(ahead).text == name;
  }
  bool isOperator(std::string_view text) const { return peek().kind == Token::Operator && peek().text == text; }
  bool takeName(std::string_view name) { return isName(name) && (take(), true); }
  bool takeOperator(std::string_view text) { return isOperator(text) && (take(), true); }
  /// The error for the next token, which is not what had to come.
  Error unexpected(std::string_view expected) const;
  Result<void> expectOperator(std::string_view text);
  Result<void> expectKind(Token::Kind kind, std::string_view expected);
  Result<void> expectBlock(std::string_view name);

  Result<std::unique_ptr<Statement>> parseBlock();
  Result<void> parseIf(Statement &statement);
  Result<std::string> parseTarget();
  Result<void> parseFor(Statement &statement);
  Result<void> parseGeneration(Statement &statement);
  Result<void> parseSet(Statement &statement);

  ExpressionPtr make(Expression::Kind kind, std::string name = std::string()) const;
  Result<ExpressionPtr> parseExpression();
  Result<ExpressionPtr> parseOr();
  Result<ExpressionPtr> parseAnd();
  Result<ExpressionPtr> parseNot();
  Result<ExpressionPtr> parseComparison();
  Result<ExpressionPtr> parseSum();
  Result<ExpressionPtr> parseConcatenation();
  Result<ExpressionPtr> parseProduct();
  Result<ExpressionPtr> parseSigned();
  Result<ExpressionPtr> parseUnfiltered();
  Result<ExpressionPtr> parsePrimary();
  Result<ExpressionPtr> parseName();
  Result<ExpressionPtr> parseElements(std::string_view close);
  Result<ExpressionPtr> parseDictionary();
  Result<ExpressionPtr> parseSuffixes(ExpressionPtr value, bool filters);
  Result<ExpressionPtr> parseSubscript(ExpressionPtr value);
  Result<ExpressionPtr> parseTest(ExpressionPtr value);
  Result<void> parseArguments(Expression &call);
  Result<ExpressionPtr> parseChain(Rule operand, Expression::Kind kind, std::initializer_list<std::string_view> names);

  const std::vector<Token> &tokens;
  size_t next = 0;
  unsigned depth = 0;
};

/// Counts how deep the parser is for as long as it lives.
class Nesting {
public:
  explicit Nesting(unsigned &depth) : depth(++depth) {}
  ~Nesting() { --depth; }
  bool tooDeep() const { return depth > maxDepth; }

private:
  unsigned &depth;
};

/// A token in the words of a message.
std::string describe(const Token &token) {
  switch (token.kind) {
  case Token::Text:
    return "text";
  case Token::PrintBegin:
    return "'{{'";
  case Token::PrintEnd:
    return "'}}'";
  case Token::BlockBegin:
    return "'{%'";
  case Token::BlockEnd:
    return "'%}'";
  case Token::End:
    return "the end";
  default:
    return inQuotes(token.text);
  }
}

Error Parser::unexpected(std::string_view expected) const {
  return errorAt(peek().line, "found {}, expected {}", describe(peek()), expected);
}

Result<void> Parser::expectOperator(std::string_view text) {
  return takeOperator(text) ? Result<void>() : unexpected(inQuotes(text));
}

Result<void> Parser::expectKind(Token::Kind kind, std::string_view expected) {
  if (peek().kind != kind)
    return unexpected(expected);
  take();
  return {};
}

/// A block of one word, whose opening mark has been read.
Result<void> Parser::expectBlock(std::string_view name) {
  if (!takeName(name))
    return unexpected(inQuotes(name));
  return expectKind(Token::BlockEnd, "'%}'");
}

// --- Statements ------------------------------------------------------------------------------------------------------

Result<Body> Parser::parseStatements(std::initializer_list<std::string_view> ends) {
  Nesting nesting(depth);
  if (nesting.tooDeep())
    return errorAt(peek().line, "blocks are more than {} deep", maxDepth);
  Body body;
  // Blocks inside this one take their own ends, so the next end is this one's.
  while (peek().kind != Token::End) {
    auto statement = std::make_unique<Statement>();
    statement->line = peek().line;
    if (peek().kind == Token::Text) {
      statement->kind = Statement::Text;
      statement->text = take().text;
    } else if (peek().kind == Token::PrintBegin) {
      take();
      statement->kind = Statement::Print;
      YUPANA_ASSIGN_OR_RETURN(statement->value, parseExpression());
      YUPANA_RETURN_IF_ERROR(expectKind(Token::PrintEnd, "'}}'"));
    } else {
      // What is neither text nor a printed value begins a block: the lexer makes nothing else outside tags. The name of
      // an end stays for the caller, who takes it and what follows it.
      take();
      if (std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return isName(end); }))
        return body;
      YUPANA_ASSIGN_OR_RETURN(statement, parseBlock());
    }
    body.push_back(std::move(statement));
  }
  // The first of `ends` is the block's own end, which is right at every place.
  return ends.size() == 0 ? Result<Body>(std::move(body)) : unexpected(inQuotes(*ends.begin()));
}

/// A block whose opening mark has been read.
Result<std::unique_ptr<Statement>> Parser::parseBlock() {
  auto statement = std::make_unique<Statement>();
  statement->line = peek().line;
  if (takeName("if"))
    YUPANA_RETURN_IF_ERROR(parseIf(*statement));
  else if (takeName("for"))
    YUPANA_RETURN_IF_ERROR(parseFor(*statement));
  else if (takeName("set"))
    YUPANA_RETURN_IF_ERROR(parseSet(*statement));
  else if (takeName("generation"))
    YUPANA_RETURN_IF_ERROR(parseGeneration(*statement));
  else
    return unexpected("if, for or set");
  return statement;
}

/// Conditions and their bodies in order; one body more than conditions is the else.
Result<void> Parser::parseIf(Statement &statement) {
  statement.kind = Statement::If;
  bool more = true;
  while (more) {
    YUPANA_ASSIGN_OR_RETURN(ExpressionPtr condition, parseExpression());
    statement.conditions.push_back(std::move(condition));
    YUPANA_RETURN_IF_ERROR(expectKind(Token::BlockEnd, "'%}'"));
    YUPANA_ASSIGN_OR_RETURN(Body body, parseStatements({"endif", "elif", "else"}));
    statement.bodies.push_back(std::move(body));
    more = takeName("elif");
  }
  if (takeName("else")) {
    YUPANA_RETURN_IF_ERROR(expectKind(Token::BlockEnd, "'%}'"));
    YUPANA_ASSIGN_OR_RETURN(Body body, parseStatements({"endif"}));
    statement.bodies.push_back(std::move(body));
  }
  return expectBlock("endif");
}

/// What a value is given to: a name. Nothing stands for several names and for attributes, which the renderer refuses if
/// it comes there.
Result<std::string> Parser::parseTarget() {
  std::string target = peek().text;
  YUPANA_RETURN_IF_ERROR(expectKind(Token::Name, "a name"));
  while (takeOperator(",") || takeOperator(".")) {
    YUPANA_RETURN_IF_ERROR(expectKind(Token::Name, "a name"));
    target.clear();
  }
  return target;
}

/// A loop with a condition is read to its end and marked as not understood, by a target without a name. Only what
/// parseOr reads may come after `in`: a conditional there would take the condition of the loop.
Result<void> Parser::parseFor(Statement &statement) {
  statement.kind = Statement::For;
  YUPANA_ASSIGN_OR_RETURN(statement.text, parseTarget());
  if (!takeName("in"))
    return unexpected("'in'");
  YUPANA_ASSIGN_OR_RETURN(statement.value, parseOr());
  if (takeName("if")) {
    YUPANA_RETURN_IF_ERROR(parseExpression());
    statement.text.clear();
  }
  YUPANA_RETURN_IF_ERROR(expectKind(Token::BlockEnd, "'%}'"));
  YUPANA_ASSIGN_OR_RETURN(Body body, parseStatements({"endfor", "else"}));
  statement.bodies.push_back(std::move(body));
  if (takeName("else")) {
    YUPANA_RETURN_IF_ERROR(expectKind(Token::BlockEnd, "'%}'"));
    YUPANA_ASSIGN_OR_RETURN(Body otherwise, parseStatements({"endfor"}));
    statement.bodies.push_back(std::move(otherwise));
  }
  return expectBlock("endfor");
}

/// {% generation %} marks what a model wrote, for training; it renders as what is in it.
Result<void> Parser::parseGeneration(Statement &statement) {
  statement.kind = Statement::If;
  YUPANA_RETURN_IF_ERROR(expectKind(Token::BlockEnd, "'%}'"));
  YUPANA_ASSIGN_OR_RETURN(Body body, parseStatements({"endgeneration"}));
  statement.bodies.push_back(std::move(body)); // with no condition, it is the else
  return expectBlock("endgeneration");
}

// Only `{% set name = value %}`: a block of text as a value ends with an error here.
Result<void> Parser::parseSet(Statement &statement) {
  statement.kind = Statement::Set;
  YUPANA_ASSIGN_OR_RETURN(statement.text, parseTarget());
  YUPANA_RETURN_IF_ERROR(expectOperator("="));
  YUPANA_ASSIGN_OR_RETURN(statement.value, parseExpression());
  return expectKind(Token::BlockEnd, "'%}'");
}

// --- Expressions -----------------------------------------------------------------------------------------------------

/// A node at the line of the token that comes next.
ExpressionPtr Parser::make(Expression::Kind kind, std::string name) const {
  auto expression = std::make_unique<Expression>();
  expression->kind = kind;
  expression->line = peek().line;
  expression->name = std::move(name);
  return expression;
}

/// Height is checked beside depth: loops of the parser build trees that are higher than its own recursion, and the
/// renderer walks them by recursion.
Result<ExpressionPtr> Parser::parseExpression() {
  Nesting nesting(depth);
  if (nesting.tooDeep())
    return errorAt(peek().line, "expressions are more than {} deep", maxDepth);
  YUPANA_ASSIGN_OR_RETURN(ExpressionPtr value, parseOr());
  // Several conditionals in a row nest to the left; the height bounds them, as the recursion does not.
  while (value->height <= maxHeight && takeName("if")) {
    ExpressionPtr conditional = make(Expression::Conditional);
    YUPANA_ASSIGN_OR_RETURN(ExpressionPtr condition, parseOr());
    ExpressionPtr otherwise;
    if (takeName("else")) {
      YUPANA_ASSIGN_OR_RETURN(otherwise, parseExpression());
    }
    conditional->addOperand(std::move(value));
    conditional->addOperand(std::move(condition));
    // Null where there is no else: Jinja gives an undefined value then.
    conditional->addOperand(std::move(otherwise));
    value = std::move(conditional);
  }
  if (value->height > maxHeight)
    return errorAt(peek().line, "an expression has more than {} operators inside one another", maxHeight);
  return value;
}

/// operand, then any number of (name, operand), grouped from the left.
Result<ExpressionPtr> Parser::parseChain(Rule operand, Expression::Kind kind,
                                         std::initializer_list<std::string_view> names) {
  YUPANA_ASSIGN_OR_RETURN(ExpressionPtr value, (this->*operand)());
  auto follows = [&] {
    return std::any_of(names.begin(), names.end(), [&](auto name) { return isName(name) || isOperator(name); });
  };
  // A long chain is as high a tree as brackets would make.
  for (unsigned links = 0; follows(); ++links) {
    if (links == maxDepth)
      return errorAt(peek().line, "more than {} operators in a row", maxDepth);
    ExpressionPtr chain = make(kind, take().text);
    chain->addOperand(std::move(value));
    YUPANA_ASSIGN_OR_RETURN(ExpressionPtr right, (this->*operand)());
    chain->addOperand(std::move(right));
    value = std::move(chain);
  }
  return value;
}

Result<ExpressionPtr> Parser::parseOr() { return parseChain(&Parser::parseAnd, Expression::Or, {"or"}); }
Result<ExpressionPtr> Parser::parseAnd() { return parseChain(&Parser::parseNot, Expression::And, {"and"}); }

/// `not` binds more loosely than comparisons: `not a == b` is not (a == b).
Result<ExpressionPtr> Parser::parseNot() {
  Nesting nesting(depth);
  if (nesting.tooDeep())
    return errorAt(peek().line, "expressions are more than {} deep", maxDepth);
  if (!takeName("not"))
    return parseComparison();
  ExpressionPtr negation = make(Expression::Not);
  YUPANA_ASSIGN_OR_RETURN(ExpressionPtr operand, parseNot());
  negation->addOperand(std::move(operand));
  return negation;
}

/// One comparison. Python chains them (a < b < c is a < b and b < c), which no template for conversations does.
Result<ExpressionPtr> Parser::parseComparison() {
  YUPANA_ASSIGN_OR_RETURN(ExpressionPtr left, parseSum());
  // "not in" is an operator of two words; any other `not` here is the next token of somebody else.
  bool negated = isName("not") && isName("in", 1);
  bool isMembership = negated || isName("in");
  static constexpr std::string_view comparisons[] = {"==", "!=", "<", "<=", ">", ">="};
  if (!isMembership &&
      std::none_of(std::begin(comparisons), std::end(comparisons), [&](auto name) { return isOperator(name); }))
    return left;
  if (negated)
    take();
  ExpressionPtr comparison = make(Expression::Binary, take().text);
  comparison->addOperand(std::move(left));
  YUPANA_ASSIGN_OR_RETURN(ExpressionPtr right, parseSum());
  comparison->addOperand(std::move(right));
  if (std::any_of(std::begin(comparisons), std::end(comparisons), [&](auto name) { return isOperator(name); }))
    return unexpected("one comparison");
  if (!negated)
    return comparison;
  ExpressionPtr negation = make(Expression::Not);
  negation->addOperand(std::move(comparison));
  return negation;
}

Result<ExpressionPtr> Parser::parseSum() {
  return parseChain(&Parser::parseConcatenation, Expression::Binary, {"+", "-"});
}
Result<ExpressionPtr> Parser::parseConcatenation() {
  return parseChain(&Parser::parseProduct, Expression::Binary, {"~"});
}
Result<ExpressionPtr> Parser::parseProduct() {
  return parseChain(&Parser::parseSigned, Expression::Binary, {"*", "/", "//", "%", "**"});
}

/// A filter or a test takes the value with its sign: -x.size|abs is (-(x.size))|abs.
Result<ExpressionPtr> Parser::parseSigned() {
  YUPANA_ASSIGN_OR_RETURN(ExpressionPtr value, parseUnfiltered());
  return parseSuffixes(std::move(value), /*filters=*/true);
}

/// A value with its members, elements and calls, and signs before all of them. A sign is written as a sum with 0, which
/// takes what a sign takes.
Result<ExpressionPtr> Parser::parseUnfiltered() {
  Nesting nesting(depth);
  if (nesting.tooDeep())
    return errorAt(peek().line, "expressions are more than {} deep", maxDepth);
  if (!isOperator("-") && !isOperator("+")) {
    YUPANA_ASSIGN_OR_RETURN(ExpressionPtr value, parsePrimary());
    return parseSuffixes(std::move(value), /*filters=*/false);
  }
  ExpressionPtr sum = make(Expression::Binary, take().text);
  YUPANA_ASSIGN_OR_RETURN(ExpressionPtr operand, parseUnfiltered());
  ExpressionPtr zero = make(Expression::Literal);
  zero->value = int64_t{0};
  sum->addOperand(std::move(zero));
  sum->addOperand(std::move(operand));
  return sum;
}

/// Jinja knows the constants of Python and their spellings in lower case.
Result<ExpressionPtr> Parser::parseName() {
  std::string name = take().text;
  static constexpr std::pair<std::string_view, int> constants[] = {{"true", 1},  {"True", 1},  {"false", 0},
                                                                   {"False", 0}, {"none", -1}, {"None", -1}};
  for (auto [constant, value] : constants)
    if (name == constant) {
      ExpressionPtr literal = make(Expression::Literal);
      // A literal without a value is none.
      if (value >= 0)
        literal->value = value == 1;
      return literal;
    }
  return make(Expression::Variable, std::move(name));
}

Result<ExpressionPtr> Parser::parsePrimary() {
  switch (peek().kind) {
  case Token::Name:
    return parseName();
  case Token::String: {
    ExpressionPtr literal = make(Expression::Literal);
    std::string text;
    while (peek().kind == Token::String) // side by side they are one
      text += take().text;
    literal->value = std::move(text);
    return literal;
  }
  case Token::Integer: {
    // Nine digits fit any integer, where std::stoll would throw; more are no index or number of a conversation.
    if (peek().text.size() > 9)
      return errorAt(peek().line, "the number {} is too long", inQuotes(peek().text));
    ExpressionPtr literal = make(Expression::Literal);
    literal->value = static_cast<int64_t>(std::stoll(take().text));
    return literal;
  }
  default:
    break;
  }
  if (takeOperator("[")) {
    YUPANA_ASSIGN_OR_RETURN(ExpressionPtr list, parseElements("]"));
    list->kind = Expression::List;
    return list;
  }
  if (takeOperator("{"))
    return parseDictionary();
  // Brackets around a value only group. Tuples of several values are not known.
  if (!takeOperator("("))
    return unexpected("an expression");
  if (takeOperator(")"))
    return make(Expression::Unknown, "a tuple");
  YUPANA_ASSIGN_OR_RETURN(ExpressionPtr inner, parseExpression());
  if (takeOperator(")"))
    return inner;
  // A comma makes a tuple also of one value: ("user",) holds a text, where ("user") is one.
  if (!takeOperator(","))
    return unexpected(inQuotes(")"));
  YUPANA_RETURN_IF_ERROR(parseElements(")"));
  return make(Expression::Unknown, "a tuple");
}

/// Expressions between commas, up to `close`, as a list: the caller keeps it or takes it apart.
Result<ExpressionPtr> Parser::parseElements(std::string_view close) {
  ExpressionPtr list = make(Expression::List);
  while (!takeOperator(close)) {
    YUPANA_ASSIGN_OR_RETURN(ExpressionPtr element, parseExpression());
    list->addOperand(std::move(element));
    if (!takeOperator(",") && !isOperator(close))
      return unexpected(inQuotes(close));
  }
  return list;
}

/// Read for its extent alone: dictionaries are found in branches for tools.
Result<ExpressionPtr> Parser::parseDictionary() {
  while (!takeOperator("}")) {
    YUPANA_RETURN_IF_ERROR(parseExpression());
    YUPANA_RETURN_IF_ERROR(expectOperator(":"));
    YUPANA_RETURN_IF_ERROR(parseExpression());
    if (!takeOperator(",") && !isOperator("}"))
      return unexpected("'}'");
  }
  return make(Expression::Unknown, "a dictionary");
}

/// Attributes, subscripts, calls, filters and tests behind a value.
Result<ExpressionPtr> Parser::parseSuffixes(ExpressionPtr value, bool filters) {
  // Bounded as other chains are: each link is one more level of the tree.
  for (unsigned links = 0;; ++links) {
    if (links == maxDepth)
      return errorAt(peek().line, "more than {} operators in a row", maxDepth);
    if (takeOperator("[")) {
      YUPANA_ASSIGN_OR_RETURN(value, parseSubscript(std::move(value)));
    } else if (filters && takeName("is")) {
      YUPANA_ASSIGN_OR_RETURN(value, parseTest(std::move(value)));
    } else if (isOperator(".") || (filters && isOperator("|"))) {
      bool isFilter = take().text == "|";
      if (peek().kind != Token::Name)
        return unexpected("a name");
      ExpressionPtr named = make(isFilter ? Expression::Filter : Expression::Attribute, take().text);
      named->addOperand(std::move(value));
      if (isFilter && takeOperator("("))
        YUPANA_RETURN_IF_ERROR(parseArguments(*named));
      value = std::move(named);
    } else if (takeOperator("(")) {
      ExpressionPtr call = make(Expression::Call);
      call->addOperand(std::move(value));
      YUPANA_RETURN_IF_ERROR(parseArguments(*call));
      value = std::move(call);
    } else {
      return value;
    }
  }
}

/// value[index] or value[from:to]; the opening bracket has been read.
Result<ExpressionPtr> Parser::parseSubscript(ExpressionPtr value) {
  ExpressionPtr subscript = make(Expression::Subscript);
  ExpressionPtr from, to;
  if (!isOperator(":")) {
    YUPANA_ASSIGN_OR_RETURN(from, parseExpression());
  }
  bool isSlice = takeOperator(":");
  if (isSlice && !isOperator("]") && !isOperator(":")) {
    YUPANA_ASSIGN_OR_RETURN(to, parseExpression());
  }
  // Read to the bracket, although the renderer will refuse it: the branch may never be taken.
  if (isSlice && takeOperator(":")) {
    if (!isOperator("]"))
      YUPANA_RETURN_IF_ERROR(parseExpression());
    subscript->kind = Expression::Unknown;
    subscript->name = "a slice with a step";
  } else if (isSlice) {
    subscript->kind = Expression::Slice;
  }
  YUPANA_RETURN_IF_ERROR(expectOperator("]"));
  // In this order also for slices; what is left out is null.
  subscript->addOperand(std::move(value));
  subscript->addOperand(std::move(from));
  subscript->addOperand(std::move(to));
  return subscript;
}

/// value is [not] name [(arguments) or one value]; the word `is` has been read.
Result<ExpressionPtr> Parser::parseTest(ExpressionPtr value) {
  bool negated = takeName("not");
  if (peek().kind != Token::Name)
    return unexpected("the name of a test");
  ExpressionPtr test = make(Expression::Test, take().text);
  test->addOperand(std::move(value));
  // A test takes one argument without brackets (x is divisibleby 3), unless the word belongs to what surrounds it.
  bool isWord = peek().kind == Token::Name && !isName("else") && !isName("or") && !isName("and") && !isName("is") &&
                !isName("if") && !isName("in") && !isName("not");
  if (takeOperator("(")) {
    YUPANA_RETURN_IF_ERROR(parseArguments(*test));
  } else if (isWord || peek().kind == Token::String || peek().kind == Token::Integer || isOperator("[") ||
             isOperator("{")) {
    YUPANA_ASSIGN_OR_RETURN(ExpressionPtr argument, parsePrimary());
    test->addOperand(std::move(argument));
  }
  if (!negated)
    return test;
  ExpressionPtr negation = make(Expression::Not);
  negation->addOperand(std::move(test));
  return negation;
}

/// The arguments of a call, filter or test; the opening bracket has been read.
/// Named arguments are kept apart, as the renderer knows them for `map(attribute=...)` alone.
Result<void> Parser::parseArguments(Expression &call) {
  while (!takeOperator(")")) {
    bool isNamed = peek().kind == Token::Name && peek(1).kind == Token::Operator && peek(1).text == "=";
    std::string name = isNamed ? take().text : std::string();
    if (isNamed)
      take();
    YUPANA_ASSIGN_OR_RETURN(ExpressionPtr argument, parseExpression());
    if (isNamed) {
      // Named arguments are no operands, so their height is taken over here.
      call.height = std::max(call.height, argument->height + 1);
      call.named.emplace_back(std::move(name), std::move(argument));
    } else {
      call.addOperand(std::move(argument));
    }
    if (!takeOperator(",") && !isOperator(")"))
      return unexpected("')'");
  }
  return {};
}

} // namespace

Result<Body> yupana::jinja::parseBody(const std::vector<Token> &tokens) { return Parser(tokens).parseStatements({}); }
