// SPDX-License-Identifier: Apache-2.0
//
// Evaluates trees. An undefined value is JSON's "discarded", which nothing else makes. Steps and output are bounded,
// since a template is part of a checkpoint and may loop: whatever copies, compares or scans spends what that costs
// before it does so, whatever the size of its result. A message is a mark that may be written, compared with nothing
// and stripped: an operation whose result would depend on its characters is an error, so that the recognised format
// holds for every message.

#include "frontends/ChatTemplate/JinjaSyntax.h"

#include "compiler/Support/Json.h"

#include <map>

using namespace yupana;
using namespace yupana::jinja;
using nlohmann::json;

namespace {

/// The longest text that a rendering may make.
constexpr size_t maxText = size_t(1) << 16;
/// Lists inside one another, deepest accepted: copying and freeing them recurses.
constexpr unsigned maxListDepth = 100;
/// Steps of an iteration of a loop, for the variable `loop` and a scope.
constexpr uint64_t iterationSteps = 16;

/// Copying and comparing run over some 64 bytes in the time of one step.
uint64_t stepsOf(size_t bytes) { return 1 + bytes / 64; }

/// A value of its own beside null, since Jinja tells an undefined name from None: `is defined` and `default` ask for
/// it.
json undefined() { return json(json::value_t::discarded); }

bool isOpaque(const json &value) {
  return value.is_string() && value.get_ref<const std::string &>().find(opaqueMark) != std::string::npos;
}

/// As Python's bool(): empty texts, lists and dictionaries are false, and so is an undefined value.
bool isTruthy(const json &value) {
  switch (value.type()) {
  case json::value_t::null:
  case json::value_t::discarded:
    return false;
  case json::value_t::boolean:
    return value.get<bool>();
  case json::value_t::string:
    return !value.get_ref<const std::string &>().empty();
  case json::value_t::array:
  case json::value_t::object:
    return !value.empty();
  default:
    // A number.
    return value != 0;
  }
}

/// What copying a value costs, in steps; more than there are where it holds lists too deep.
uint64_t weightOf(const json &value, unsigned depth = 0) {
  if (depth > maxListDepth)
    return Work::mostSteps;
  uint64_t weight = value.is_string() ? stepsOf(value.get_ref<const std::string &>().size()) : 1;
  if (value.is_structured())
    for (const json &element : value)
      weight += weightOf(element, depth + 1);
  return weight;
}

/// Finding `name` among the keys of a scope.
uint64_t lookupSteps(const std::map<std::string, json> &scope, const std::string &name) {
  uint64_t comparisons = 1;
  for (size_t size = scope.size(); size > 1; size /= 2)
    ++comparisons;
  return 1 + comparisons * stepsOf(name.size()) / 4;
}

/// At worst, every place of `text` begins like `part`.
uint64_t searchSteps(const std::string &text, const std::string &part) {
  uint64_t places = text.size() < part.size() ? 0 : text.size() - part.size() + 1;
  return stepsOf(text.size()) + places * stepsOf(part.size()) / 16;
}

class Renderer {
public:
  // The outermost scope, which loops do not leave; `set` outside of loops writes to it.
  Renderer(const json &variables, Work &work) : work(work) {
    scopes.emplace_back();
    for (const auto &[name, value] : variables.items())
      scopes.back()[name] = value;
  }

  Result<void> run(const Body &body);
  std::string takeOutput() { return std::move(output); }

private:
  using Arguments = std::vector<json>;

  Result<void> run(const Statement &statement);
  Result<void> runFor(const Statement &statement);
  Result<std::string> print(const json &value, size_t line);

  Result<json> evaluate(const Expression &expression);
  Result<json> evaluateKind(const Expression &expression);
  Result<json> attribute(const Expression &expression);
  Result<json> subscript(const Expression &expression);
  Result<json> slice(const Expression &expression);
  Result<json> call(const Expression &expression);
  Result<json> filter(const Expression &expression);
  Result<json> test(const Expression &expression);
  Result<json> binary(const Expression &expression);
  Result<json> compare(const Expression &expression, const json &left, const json &right);
  Result<json> contains(const Expression &expression, const json &left, const json &right);
  Result<json> join(const Expression &expression, const json &list, const std::string &between);
  Result<json> trim(const Expression &expression, const std::string &text);

  Result<const json *> find(const std::string &name, size_t line);
  static Error unknown(const Expression &expression, std::string_view what) {
    return errorAt(expression.line, "{} is not understood", what);
  }
  static Error looksInside(const Expression &expression) {
    return errorAt(expression.line, "what is written depends on the text of a message");
  }

  std::vector<std::map<std::string, json>> scopes;
  std::string output;
  Work &work;
};

// --- Statements ------------------------------------------------------------------------------------------------------

Result<void> Renderer::run(const Body &body) {
  for (const auto &statement : body)
    YUPANA_RETURN_IF_ERROR(run(*statement));
  return {};
}

Result<void> Renderer::run(const Statement &statement) {
  YUPANA_RETURN_IF_ERROR(work.spend(1, statement.line));
  switch (statement.kind) {
  case Statement::Text:
    // Before the text is copied, as everywhere: a template cannot make work that it has not paid for.
    YUPANA_RETURN_IF_ERROR(work.spend(stepsOf(statement.text.size()), statement.line));
    output += statement.text;
    break;
  case Statement::Print: {
    YUPANA_ASSIGN_OR_RETURN(json value, evaluate(*statement.value));
    YUPANA_ASSIGN_OR_RETURN(std::string text, print(value, statement.line));
    output += text;
    break;
  }
  case Statement::If: {
    size_t chosen = 0;
    for (; chosen < statement.conditions.size(); ++chosen) {
      YUPANA_ASSIGN_OR_RETURN(json condition, evaluate(*statement.conditions[chosen]));
      if (isTruthy(condition))
        break;
    }
    // Without a condition that holds, the body behind the last one is the else, if there is one.
    if (chosen < statement.bodies.size())
      YUPANA_RETURN_IF_ERROR(run(statement.bodies[chosen]));
    break;
  }
  case Statement::For:
    YUPANA_RETURN_IF_ERROR(runFor(statement));
    break;
  case Statement::Set: {
    if (statement.text.empty())
      return errorAt(statement.line, "setting several variables, or an attribute, is not understood");
    YUPANA_ASSIGN_OR_RETURN(json value, evaluate(*statement.value));
    // Into the innermost scope: in Jinja a variable that is set in a loop does not reach outside of it.
    YUPANA_RETURN_IF_ERROR(work.spend(lookupSteps(scopes.back(), statement.text), statement.line));
    scopes.back()[statement.text] = std::move(value);
    break;
  }
  }
  // After every statement, so that the output is never more than one statement beyond the bound.
  if (output.size() > maxText)
    return errorAt(statement.line, "it writes more than {} bytes", maxText);
  return {};
}

Result<void> Renderer::runFor(const Statement &statement) {
  if (statement.text.empty())
    return errorAt(statement.line, "a loop with several variables, or with a condition, is not understood");
  YUPANA_ASSIGN_OR_RETURN(json list, evaluate(*statement.value));
  if (!list.is_array())
    return errorAt(statement.line, "a loop over something else than a list is not understood");
  // The else of a loop runs if there was nothing to loop over.
  if (list.empty() && statement.bodies.size() > 1)
    return run(statement.bodies[1]);
  for (size_t i = 0; i < list.size(); ++i) {
    YUPANA_RETURN_IF_ERROR(
        work.spend(iterationSteps + weightOf(list[i]) + stepsOf(statement.text.size()), statement.line));
    // Variables that the body sets end with the iteration.
    scopes.emplace_back();
    scopes.back()[statement.text] = list[i];
    // The fields that do not depend on the elements; of others, such as `previtem`, attribute() says that they are
    // unknown.
    scopes.back()["loop"] = {{"index", i + 1},
                             {"index0", i},
                             {"revindex", list.size() - i},
                             {"revindex0", list.size() - i - 1},
                             {"first", i == 0},
                             {"last", i + 1 == list.size()},
                             {"length", list.size()}};
    YUPANA_RETURN_IF_ERROR(run(statement.bodies[0]));
    scopes.pop_back();
  }
  return {};
}

/// Writes a value. What Jinja writes of other values (True, None, lists as Python shows them) no template for
/// conversations relies on, so that it is an error.
Result<std::string> Renderer::print(const json &value, size_t line) {
  YUPANA_RETURN_IF_ERROR(work.spend(weightOf(value), line));
  if (value.is_string())
    return value.get_ref<const std::string &>();
  if (value.is_number_integer())
    return value.dump();
  if (value.is_discarded())
    return std::string();
  return errorAt(line, "writing {} is not understood", jsonTypeName(value));
}

// --- Expressions -----------------------------------------------------------------------------------------------------

/// The innermost scope that has the name decides; null for a name that nobody has set.
Result<const json *> Renderer::find(const std::string &name, size_t line) {
  for (auto scope = scopes.rbegin(); scope != scopes.rend(); ++scope) {
    YUPANA_RETURN_IF_ERROR(work.spend(lookupSteps(*scope, name), line));
    if (auto found = scope->find(name); found != scope->end())
      return &found->second;
  }
  return nullptr;
}

/// Every value that is made is paid for by its size, so that doubling a list again and again ends after few steps.
Result<json> Renderer::evaluate(const Expression &expression) {
  YUPANA_ASSIGN_OR_RETURN(json value, evaluateKind(expression));
  YUPANA_RETURN_IF_ERROR(work.spend(weightOf(value), expression.line));
  return value;
}

Result<json> Renderer::evaluateKind(const Expression &expression) {
  switch (expression.kind) {
  case Expression::Literal:
    return expression.value;
  case Expression::List: {
    json list = json::array();
    for (const ExpressionPtr &operand : expression.operands) {
      YUPANA_ASSIGN_OR_RETURN(json element, evaluate(*operand));
      list.push_back(std::move(element));
    }
    return list;
  }
  case Expression::Variable: {
    YUPANA_ASSIGN_OR_RETURN(const json *found, find(expression.name, expression.line));
    if (found)
      YUPANA_RETURN_IF_ERROR(work.spend(weightOf(*found), expression.line));
    return found ? *found : undefined();
  }
  case Expression::Attribute:
    return attribute(expression);
  case Expression::Subscript:
    return subscript(expression);
  case Expression::Slice:
    return slice(expression);
  case Expression::Call:
    return call(expression);
  case Expression::Filter:
    return filter(expression);
  case Expression::Test:
    return test(expression);
  case Expression::Not: {
    YUPANA_ASSIGN_OR_RETURN(json value, evaluate(*expression.operands[0]));
    return json(!isTruthy(value));
  }
  // As in Python the result is one of the operands, not a truth, and the right one is looked at only where it decides.
  case Expression::And:
  case Expression::Or: {
    YUPANA_ASSIGN_OR_RETURN(json left, evaluate(*expression.operands[0]));
    if (isTruthy(left) == (expression.kind == Expression::Or))
      return left;
    return evaluate(*expression.operands[1]);
  }
  case Expression::Binary:
    return binary(expression);
  case Expression::Conditional: {
    YUPANA_ASSIGN_OR_RETURN(json condition, evaluate(*expression.operands[1]));
    if (isTruthy(condition))
      return evaluate(*expression.operands[0]);
    // Jinja gives an undefined value for a conditional without an else.
    return expression.operands[2] ? evaluate(*expression.operands[2]) : undefined();
  }
  case Expression::Unknown:
    break;
  }
  return unknown(expression, expression.name);
}

/// object.name: the field, or undefined. Methods are only ever called, see call().
Result<json> Renderer::attribute(const Expression &expression) {
  YUPANA_ASSIGN_OR_RETURN(json object, evaluate(*expression.operands[0]));
  // Python would find these names on a dictionary before its keys.
  static constexpr std::string_view methods[] = {"clear", "copy",    "fromkeys",   "get",    "items", "keys",
                                                 "pop",   "popitem", "setdefault", "update", "values"};
  bool isMethod = std::find(std::begin(methods), std::end(methods), expression.name) != std::end(methods);
  // A loop has more fields than are kept here.
  bool isLoop = expression.operands[0]->kind == Expression::Variable && expression.operands[0]->name == "loop";
  if (!object.is_object() || isMethod || (isLoop && !object.contains(expression.name)))
    return unknown(expression, fmt::format("the attribute {}", expression.name));
  auto found = object.find(expression.name);
  return found == object.end() ? undefined() : *found;
}

/// object[key] or list[index]. Of a text nothing is taken, which would look inside a message.
Result<json> Renderer::subscript(const Expression &expression) {
  YUPANA_ASSIGN_OR_RETURN(json object, evaluate(*expression.operands[0]));
  YUPANA_ASSIGN_OR_RETURN(json index, evaluate(*expression.operands[1]));
  if (object.is_object() && index.is_string()) {
    auto found = object.find(index.get_ref<const std::string &>());
    return found == object.end() ? undefined() : *found;
  }
  if (!object.is_array() || !index.is_number_integer())
    return unknown(expression, fmt::format("taking {} out of {}", jsonTypeName(index), jsonTypeName(object)));
  int64_t position = index.get<int64_t>(), size = static_cast<int64_t>(object.size());
  position += position < 0 ? size : 0;
  return position < 0 || position >= size ? undefined() : object[static_cast<size_t>(position)];
}

/// list[from:to], bounds as in Python: negative ones count from the end, and those beyond an end mean that end.
Result<json> Renderer::slice(const Expression &expression) {
  YUPANA_ASSIGN_OR_RETURN(json list, evaluate(*expression.operands[0]));
  int64_t size = static_cast<int64_t>(list.size()), bounds[2] = {0, size};
  for (size_t i = 0; i < 2; ++i) {
    if (!expression.operands[i + 1])
      continue;
    YUPANA_ASSIGN_OR_RETURN(json bound, evaluate(*expression.operands[i + 1]));
    if (!bound.is_number_integer())
      return unknown(expression, "a slice bound that is no number");
    int64_t position = bound.get<int64_t>();
    // A negative bound beyond the beginning is the beginning.
    bounds[i] = std::clamp<int64_t>(position < 0 ? position + size : position, 0, size);
  }
  if (!list.is_array())
    return unknown(expression, fmt::format("a slice of {}", jsonTypeName(list)));
  json part = json::array();
  for (int64_t i = bounds[0]; i < bounds[1]; ++i)
    part.push_back(list[static_cast<size_t>(i)]);
  return part;
}

/// The functions and methods that are known.
Result<json> Renderer::call(const Expression &expression) {
  const Expression &callee = *expression.operands[0];
  bool isPlain = expression.operands.size() == 1 && expression.named.empty();
  if (callee.kind == Expression::Variable && callee.name == "raise_exception")
    return errorAt(expression.line, "it raises an exception");
  // A date changes from day to day: what is written with one in it has no fixed form.
  if (callee.kind == Expression::Variable && callee.name == "strftime_now")
    return json(std::string(opaqueMark));
  if (callee.kind == Expression::Attribute && callee.name == "strip" && isPlain) {
    YUPANA_ASSIGN_OR_RETURN(json text, evaluate(*callee.operands[0]));
    if (text.is_string())
      return trim(expression, text.get_ref<const std::string &>());
  }
  return unknown(expression, callee.name.empty() ? "a call" : fmt::format("the call of {}", callee.name));
}

/// Every character that is taken away has been compared with every kind of white space.
Result<json> Renderer::trim(const Expression &expression, const std::string &text) {
  YUPANA_RETURN_IF_ERROR(work.spend(stepsOf(text.size()), expression.line));
  std::string_view rest = strip(text);
  YUPANA_RETURN_IF_ERROR(work.spend(text.size() - rest.size(), expression.line));
  return json(std::string(rest));
}

Result<json> Renderer::join(const Expression &expression, const json &list, const std::string &between) {
  std::string text;
  for (size_t i = 0; i < list.size(); ++i) {
    YUPANA_RETURN_IF_ERROR(work.spend(stepsOf(between.size()), expression.line));
    YUPANA_ASSIGN_OR_RETURN(std::string part, print(list[i], expression.line));
    text += i ? between + part : part;
    // After each part, so that a short list of long texts ends as soon as it is too long.
    if (text.size() > maxText)
      return errorAt(expression.line, "it makes a text of more than {} bytes", maxText);
  }
  return json(std::move(text));
}

/// Only what the filters do with the kinds of values below is known. A filter that would look inside a text, such as
/// `upper` or `replace`, is unknown even where the text is no message.
Result<json> Renderer::filter(const Expression &expression) {
  YUPANA_ASSIGN_OR_RETURN(json value, evaluate(*expression.operands[0]));
  const std::string &name = expression.name;
  bool isPlain = expression.operands.size() == 1 && expression.named.empty();
  if (name == "trim" && isPlain && value.is_string())
    return trim(expression, value.get_ref<const std::string &>());
  if ((name == "length" || name == "count") && isPlain && value.is_structured())
    return json(static_cast<int64_t>(value.size()));
  if ((name == "string" || name == "safe") && isPlain && value.is_string())
    return value;
  if (name == "list" && isPlain && value.is_array())
    return value;
  if ((name == "first" || name == "last") && isPlain && value.is_array() && !value.empty())
    return name == "first" ? value.front() : value.back();
  // With one argument the default stands in for undefined values alone, not for false ones.
  if ((name == "default" || name == "d") && expression.operands.size() == 2 && expression.named.empty())
    return value.is_discarded() ? evaluate(*expression.operands[1]) : std::move(value);
  if (name == "join" && expression.operands.size() <= 2 && expression.named.empty() && value.is_array()) {
    json between = "";
    if (expression.operands.size() == 2) {
      YUPANA_ASSIGN_OR_RETURN(between, evaluate(*expression.operands[1]));
    }
    if (between.is_string())
      return join(expression, value, between.get_ref<const std::string &>());
  }
  if (name == "map" && expression.operands.size() == 1 && expression.named.size() == 1 &&
      expression.named[0].first == "attribute" && value.is_array()) {
    YUPANA_ASSIGN_OR_RETURN(json field, evaluate(*expression.named[0].second));
    json mapped = json::array();
    for (const json &element : value) {
      YUPANA_RETURN_IF_ERROR(work.spend(weightOf(element) + weightOf(field), expression.line));
      if (!element.is_object() || !field.is_string() || !element.contains(field.get_ref<const std::string &>()))
        return unknown(expression, "map over other things than objects with the attribute");
      mapped.push_back(element[field.get_ref<const std::string &>()]);
    }
    return mapped;
  }
  return unknown(expression, fmt::format("the filter {} on {}", name, jsonTypeName(value)));
}

/// The tests of Jinja that ask for the kind of a value; they look at no text.
Result<json> Renderer::test(const Expression &expression) {
  const Expression &operand = *expression.operands[0];
  const std::string &name = expression.name;
  bool isPlain = expression.operands.size() == 1 && expression.named.empty();
  // Functions are not values here, but they are defined.
  bool isFunction =
      operand.kind == Expression::Variable && (operand.name == "raise_exception" || operand.name == "strftime_now");
  if (isPlain && isFunction && (name == "defined" || name == "undefined"))
    return json(name == "defined");
  YUPANA_ASSIGN_OR_RETURN(json value, evaluate(operand));
  if (!isPlain)
    return unknown(expression, fmt::format("the test {}", name));
  if (name == "defined")
    return json(!value.is_discarded());
  if (name == "undefined")
    return json(value.is_discarded());
  if (name == "none")
    return json(value.is_null());
  if (name == "string")
    return json(value.is_string());
  if (name == "mapping")
    return json(value.is_object());
  if (name == "iterable" || name == "sequence")
    return json(value.is_structured() || value.is_string() || value.is_discarded());
  if (name == "number")
    return json(value.is_number() || value.is_boolean());
  if (name == "boolean")
    return json(value.is_boolean());
  if (name == "true" || name == "false")
    return json(value.is_boolean() && value.get<bool>() == (name == "true"));
  return unknown(expression, fmt::format("the test {}", name));
}

Result<json> Renderer::binary(const Expression &expression) {
  const std::string &name = expression.name;
  YUPANA_ASSIGN_OR_RETURN(json left, evaluate(*expression.operands[0]));
  YUPANA_ASSIGN_OR_RETURN(json right, evaluate(*expression.operands[1]));
  if (name == "in")
    // Both sides are copied into a new text, for which print() pays.
    return contains(expression, left, right);
  if (name == "~" || (name == "+" && left.is_string() && right.is_string())) {
    YUPANA_ASSIGN_OR_RETURN(std::string text, print(left, expression.line));
    YUPANA_ASSIGN_OR_RETURN(std::string more, print(right, expression.line));
    if (text.size() + more.size() > maxText)
      return errorAt(expression.line, "it makes a text of more than {} bytes", maxText);
    return json(text + more);
  }
  if (name == "==" || name == "!=" || name[0] == '<' || name[0] == '>')
    return compare(expression, left, right);
  // Of arithmetic what indices need; operators with rounding or on texts are unknown.
  bool areNumbers = left.is_number_integer() && right.is_number_integer();
  int64_t a = areNumbers ? left.get<int64_t>() : 0, b = areNumbers ? right.get<int64_t>() : 0, result = 0;
  if (areNumbers && name == "+" && !__builtin_add_overflow(a, b, &result))
    return json(result);
  if (areNumbers && name == "-" && !__builtin_sub_overflow(a, b, &result))
    return json(result);
  // Python's remainder has the sign of the divisor.
  if (areNumbers && name == "%" && b > 0)
    return json((a % b + b) % b);
  return unknown(expression,
                 fmt::format("{} between {} and {}", inQuotes(name), jsonTypeName(left), jsonTypeName(right)));
}

Result<json> Renderer::compare(const Expression &expression, const json &left, const json &right) {
  const std::string &name = expression.name;
  YUPANA_RETURN_IF_ERROR(work.spend(weightOf(left) + weightOf(right), expression.line));
  // Whether a marked text equals another one depends on its characters. A value of another type always differs.
  if ((isOpaque(left) && right.is_string()) || (isOpaque(right) && left.is_string()))
    return looksInside(expression);
  if (name == "==" || name == "!=") {
    // Python compares lists by their elements and True with 1; neither is needed, so both are refused rather than got
    // wrong.
    bool areComparable = !left.is_structured() && !right.is_structured() && left.is_boolean() == right.is_boolean();
    bool differInKind = left.is_discarded() || left.is_null() || right.is_discarded() || right.is_null();
    if (!areComparable && !differInKind)
      return unknown(expression, fmt::format("comparing {} with {}", jsonTypeName(left), jsonTypeName(right)));
    bool areEqual =
        left.is_discarded() || right.is_discarded() ? left.is_discarded() && right.is_discarded() : left == right;
    return json(areEqual == (name == "=="));
  }
  if (!left.is_number_integer() || !right.is_number_integer())
    return unknown(expression, fmt::format("comparing {} with {}", jsonTypeName(left), jsonTypeName(right)));
  int64_t a = left.get<int64_t>(), b = right.get<int64_t>();
  return json(name == "<" ? a < b : name == "<=" ? a <= b : name == ">" ? a > b : a >= b);
}

/// `in`, over keys of an object, parts of a text or elements of a list.
Result<json> Renderer::contains(const Expression &expression, const json &left, const json &right) {
  YUPANA_RETURN_IF_ERROR(work.spend(weightOf(left) + weightOf(right), expression.line));
  if (isOpaque(left) || isOpaque(right))
    return looksInside(expression);
  if (left.is_string() && right.is_object())
    return json(right.contains(left.get_ref<const std::string &>()));
  if (left.is_string() && right.is_string()) {
    const auto &part = left.get_ref<const std::string &>(), &text = right.get_ref<const std::string &>();
    YUPANA_RETURN_IF_ERROR(work.spend(searchSteps(text, part), expression.line));
    return json(text.find(part) != std::string::npos);
  }
  if (!left.is_string() || !right.is_array())
    return unknown(expression, fmt::format("looking for {} in {}", jsonTypeName(left), jsonTypeName(right)));
  // Whether it equals `left` depends on its text. An element behind a match does not matter.
  for (const json &element : right) {
    if (isOpaque(element))
      return looksInside(expression);
    if (element == left)
      return json(true);
  }
  return json(false);
}

} // namespace

Template::Template(Body body) : body(std::move(body)) {}
Template::Template(Template &&) noexcept = default;
Template &Template::operator=(Template &&) noexcept = default;
Template::~Template() = default;

Result<Template> Template::parse(std::string_view text) {
  if (text.size() > maxTemplateBytes)
    return makeError(ExitCode::Unsupported, "it has more than {} bytes", maxTemplateBytes);
  // The text is ill-formed UTF-8 if replacing such bytes and leaving them out give different texts.
  json asJson = std::string(text);
  if (asJson.dump(-1, ' ', false, json::error_handler_t::replace) !=
      asJson.dump(-1, ' ', false, json::error_handler_t::ignore))
    return makeError(ExitCode::Unsupported, "it is not well-formed UTF-8");
  YUPANA_ASSIGN_OR_RETURN(std::vector<Token> tokens, tokenize(text));
  YUPANA_ASSIGN_OR_RETURN(Body parsed, parseBody(tokens));
  return Template(std::move(parsed));
}

/// Counts are cut to the budget before they are added, so that the sum does not wrap.
Result<void> Work::spend(uint64_t count, size_t line) {
  steps += std::min(count, mostSteps + 1);
  if (steps > mostSteps)
    return errorAt(line, "it takes more than {} steps", mostSteps);
  if (steps < nextQuestion)
    return {};
  // What asking costs is not known here; 4096 steps take well under a millisecond.
  constexpr uint64_t stepsBetweenQuestions = 4096;
  nextQuestion = steps + stepsBetweenQuestions;
  if (isCancelled && isCancelled())
    return makeError(ExitCode::Interrupted, "interrupted, nothing was written");
  return {};
}

Result<std::string> Template::render(const json &variables, Work &work) const {
  Renderer renderer(variables, work);
  YUPANA_RETURN_IF_ERROR(renderer.run(body));
  return renderer.takeOutput();
}
