// SPDX-License-Identifier: Apache-2.0
//
// Reads what LLVM's NVPTX back end and hand-written tests contain, by recursive descent over tokens. Registers are
// numbered while they are read, because inline assembly declares the same names again in nested braces.
#include "tools/simdriver/Syntax.h"

#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <fmt/format.h>
#include <unordered_map>

using namespace yupana;
using namespace yupana::ptx;

namespace {

// Far above what a compiler writes; a text that asks for more is refused before memory is.
constexpr uint64_t mostRegisters = uint64_t{1} << 20;     ///< Of one entry.
constexpr uint64_t mostVariableBytes = uint64_t{1} << 30; ///< Of one module.
constexpr uint64_t mostAlignment = uint64_t{1} << 16;
constexpr unsigned deepestOperand = 4;
constexpr size_t deepestScope = 256;

/// Opcodes, directives and names are one word each: a dot or a percent sign may stand anywhere in it.
bool isWordCharacter(char c) {
  return isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%' || c == '.';
}

/// Bytes of `.b32`, `.f64`, `.bf16x2` and their like; 0 for a predicate; nothing for what is no type.
std::optional<uint32_t> bytesOfType(std::string_view type) {
  static const std::unordered_map<std::string_view, uint32_t> sizes = {
      {".pred", 0},   {".b8", 1},   {".u8", 1},  {".s8", 1},  {".b16", 2}, {".u16", 2},  {".s16", 2},
      {".f16", 2},    {".bf16", 2}, {".b32", 4}, {".u32", 4}, {".s32", 4}, {".f32", 4},  {".f16x2", 4},
      {".bf16x2", 4}, {".b64", 8},  {".u64", 8}, {".s64", 8}, {".f64", 8}, {".b128", 16}};
  auto found = sizes.find(type);
  if (found == sizes.end())
    return std::nullopt;
  return found->second;
}

/// One pass over the tokens. The first fault ends it with a Failure, which Module::parse turns into a report.
class Parser {
public:
  explicit Parser(std::string_view text) : tokens(tokenize(text)) {}

  ModuleText run() {
    while (peek().kind != TokenKind::End)
      directive();
    return std::move(module);
  }

private:
  const Token &peek(size_t ahead = 0) const { return tokens[std::min(at + ahead, tokens.size() - 1)]; }
  // The last token is End, which is never passed: looking beyond it sees End again.
  const Token &next() { return tokens[at + 1 < tokens.size() ? at++ : at]; }
  // A string may hold any word and is none.
  bool isNext(std::string_view text) const { return peek().text == text && peek().kind != TokenKind::String; }
  bool take(std::string_view text) {
    if (!isNext(text))
      return false;
    next();
    return true;
  }
  void expect(std::string_view text) {
    if (!take(text))
      fail(fmt::format("'{}' is expected, not '{}'", text, peek().text));
  }
  [[noreturn]] void fail(const std::string &what, Fault fault = Fault::Syntax) const {
    throw Failure{{fault, fmt::format("PTX line {}: {}", peek().line, what)}};
  }
  /// Debug directives end with their line, not with a semicolon.
  void skipLine() {
    uint32_t line = peek().line;
    while (peek().kind != TokenKind::End && peek().line == line)
      next();
  }
  /// Sections hold debug data, whose braces match.
  void skipBraces() {
    expect("{");
    for (int depth = 1; depth && peek().kind != TokenKind::End;) {
      depth += isNext("{") ? 1 : isNext("}") ? -1 : 0;
      next();
    }
  }

  uint64_t number(bool *isFloat = nullptr);
  uint64_t number(uint64_t most, const char *what);
  void directive();
  void target();
  VariableText variable(std::string_view space, bool isExtern);
  void initializer(VariableText &variable, uint32_t element);
  void entry();
  void entryDirectives(EntryText &entry);
  void body(EntryText &entry);
  void bodyDirective(EntryText &entry);
  void registers(EntryText &entry);
  void statement(EntryText &entry);
  OperandText operand();
  OperandText simpleOperand();
  OperandText address();
  OperandText word();
  int findRegister(std::string_view name) const;

  std::vector<Token> tokens;
  size_t at = 0;
  ModuleText module;
  /// Names of registers, from the outermost scope to the innermost.
  std::vector<std::unordered_map<std::string, int>> names;
  /// Indices into EntryText::scopes, the innermost last.
  std::vector<int> scopeStack;
  uint64_t variableBytes = 0;
  unsigned operandDepth = 0;
};

/// An integer as C writes it, hexadecimal and octal ones included, or the bits of 0fXXXXXXXX and 0dXXXXXXXXXXXXXXXX. A
/// sign negates modulo 2^64; whoever uses the number cuts it to its own width.
uint64_t Parser::number(bool *isFloat) {
  bool negative = take("-");
  if (peek().kind != TokenKind::Number)
    fail(fmt::format("a number is expected, not '{}'", peek().text));
  std::string text(next().text);
  // 0f takes eight digits and 0d sixteen, which tells them from hexadecimal numbers without an x and from octal ones.
  bool hexFloat = text.size() > 2 && text[0] == '0' &&
                  (text[1] == 'f' || text[1] == 'F' || text[1] == 'd' || text[1] == 'D') &&
                  (text.size() == 10 || text.size() == 18);
  if (isFloat)
    *isFloat = hexFloat;
  const char *digits = text.c_str() + (hexFloat ? 2 : 0);
  char *end = nullptr;
  errno = 0;
  uint64_t value = strtoull(digits, &end, hexFloat ? 16 : 0);
  // 17U is 17 without a sign.
  if (!hexFloat && *end == 'U')
    ++end;
  if (end == digits || *end || errno)
    fail(fmt::format("'{}' is no number that is known", text));
  return negative ? 0 - value : value;
}

/// A number of no sign that is at most `most`.
uint64_t Parser::number(uint64_t most, const char *what) {
  uint64_t value = number();
  if (value > most)
    fail(fmt::format("{} {}; at most {} are supported", value, what, most), Fault::Unsupported);
  return value;
}

void Parser::target() {
  std::string_view name = next().text; // sm_90a
  if (name.substr(0, 3) != "sm_")
    fail(fmt::format("the target is '{}'; sm_NN is expected", name));
  module.target = static_cast<unsigned>(strtoul(std::string(name.substr(3)).c_str(), nullptr, 10));
  // "sm_90a": its features are in no other architecture, so that it runs on this one alone.
  module.exact = isalpha(static_cast<unsigned char>(name.back()));
  // Options behind it, debug among them, change nothing that is simulated.
  while (take(","))
    next();
}

void Parser::directive() {
  std::string_view word = next().text;
  if (word == ".version") {
    std::string number(next().text); // 9.0
    size_t dot = std::min(number.find('.'), number.size());
    // 10 times the major version and the minor one: 9.0 is 90.
    module.version = 10 * static_cast<unsigned>(strtoul(number.c_str(), nullptr, 10));
    if (dot + 1 < number.size())
      module.version += static_cast<unsigned>(number[dot + 1] - '0');
  } else if (word == ".target") {
    target();
  } else if (word == ".address_size") {
    if (number() != 64)
      fail("addresses of 32 bits are not supported", Fault::Unsupported);
  } else if (word == ".file" || word == ".loc") {
    // By the line of the word itself, which may be the last on it.
    --at;
    skipLine();
  } else if (word == ".section") {
    next();
    skipBraces();
  } else if (word == ".visible" || word == ".weak" || word == ".common") { // linkage, and nothing is linked
  } else if (word == ".extern") {
    if (isNext(".func"))
      fail("calls of functions are not supported", Fault::Unsupported);
    module.variables.push_back(variable(next().text, true));
  } else if (word == ".shared" || word == ".global" || word == ".const") {
    module.variables.push_back(variable(word, false));
  } else if (word == ".entry") {
    entry();
  } else if (word == ".func") {
    fail("calls of functions are not supported", Fault::Unsupported);
  } else if (word != ";") {
    --at;
    fail(fmt::format("'{}' begins no directive that is known", word));
  }
}

/// `.align 16 .b8 name[64] = {...};`, after its state space.
VariableText Parser::variable(std::string_view space, bool isExtern) {
  VariableText result;
  result.space = space;
  result.isExtern = isExtern;
  uint32_t element = 0;
  // Words before the name come in any order.
  for (;;) {
    std::string_view word = next().text;
    if (word == ".align") {
      result.align = static_cast<uint32_t>(number(mostAlignment, "bytes of alignment"));
      if (result.align == 0 || (result.align & (result.align - 1)) != 0)
        fail(fmt::format("an alignment is a power of two, not {}", result.align));
    } else if (word == ".ptr" || word == ".global" || word == ".shared" || word == ".const") {
      // Of a parameter, `.ptr .global .align 16`: what it points to.
      if (space != ".param")
        fail(fmt::format("'{}' belongs to parameters", word));
    } else if (auto bytes = bytesOfType(word)) {
      element = *bytes;
    } else if (word[0] == '.') {
      fail(fmt::format("'{}' is not supported in a declaration", word), Fault::Unsupported);
    } else {
      result.name = word;
      break;
    }
  }
  result.bytes = element;
  if (take("[")) {
    // Without a size the memory is what the launch gives (dynamic shared memory).
    result.bytes = isNext("]") ? 0 : element * number(mostVariableBytes, "elements of a variable");
    expect("]");
  }
  variableBytes += result.bytes;
  if (variableBytes > mostVariableBytes)
    fail(fmt::format("variables of more than {} bytes are not supported", mostVariableBytes), Fault::Unsupported);
  // A variable is aligned to its elements at least.
  result.align = std::max(result.align, element);
  if (take("="))
    initializer(result, element);
  // Parameters are parted by commas, which the caller takes.
  if (space != ".param")
    take(";");
  return result;
}

/// Numbers alone: addresses of other variables do not occur in what is run here.
void Parser::initializer(VariableText &variable, uint32_t element) {
  bool list = take("{");
  // A list may be shorter than its array, whose rest is zero.
  variable.initial.resize(variable.bytes);
  for (size_t i = 0; !isNext("}") && !isNext(";"); ++i) {
    uint64_t value = number();
    for (uint32_t b = 0; b < element && i * element + b < variable.bytes; ++b)
      variable.initial[i * element + b] = b < sizeof value ? static_cast<uint8_t>(value >> 8 * b) : 0;
    if (!take(","))
      break;
  }
  if (list)
    expect("}");
}

void Parser::entry() {
  EntryText entry;
  entry.line = peek().line;
  entry.name = next().text;
  if (take("("))
    while (!take(")")) {
      expect(".param");
      // The alignment behind .ptr is that of what it points to.
      VariableText parameter = variable(".param", false);
      entry.parameters.push_back(parameter);
      take(",");
    }
  entryDirectives(entry);
  // Scopes of one entry do not reach into the next: the first is the entry's own braces.
  names.assign(1, {});
  scopeStack.assign(1, 0);
  entry.scopes.assign(1, {});
  expect("{");
  body(entry);
  module.entries.push_back(std::move(entry));
}

void Parser::entryDirectives(EntryText &entry) {
  while (!isNext("{")) {
    std::string_view word = next().text;
    if (word != ".maxntid" && word != ".reqntid" && word != ".minnctapersm" && word != ".maxnreg" &&
        word != ".maxnctapersm" && word != ".pragma" && word != ".reqnctapercluster" && word != ".explicitcluster" &&
        word != ".maxclusterrank" && word != ".blocksareclusters" && word != ".noreturn")
      fail(fmt::format("'{}' is no directive of an entry that is known", word));
    // Up to three extents of a block, of which the product is the number of threads, or of a cluster.
    uint64_t product = 1;
    std::array<uint32_t, 3> extents{1, 1, 1};
    size_t count = 0;
    while (peek().kind == TokenKind::Number || peek().kind == TokenKind::String || isNext(",")) {
      if (peek().kind == TokenKind::Number) {
        uint64_t extent = number(UINT32_MAX, "threads");
        product = std::min(product * extent, uint64_t{UINT32_MAX});
        if (count < 3)
          extents[count++] = static_cast<uint32_t>(extent);
      } else {
        next();
      }
    }
    take(";");
    if (word == ".reqnctapercluster") {
      if (!count || !product)
        fail("a cluster has at least one block in each direction");
      entry.cluster = extents;
    } else if (word == ".maxclusterrank" && count) {
      entry.mostClusterBlocks = extents[0];
    } else if (word == ".explicitcluster") {
      entry.needsCluster = true;
    } else if (word == ".blocksareclusters") {
      fail("grids that count clusters are not supported", Fault::Unsupported);
    }
    // A launch with more threads is refused. The other limits help to allocate registers, which are not scarce here.
    if (word == ".maxntid" || word == ".reqntid")
      entry.maxThreads = static_cast<uint32_t>(product);
  }
}

/// Statements up to the brace that closes the entry.
void Parser::body(EntryText &entry) {
  // The entry's closing brace takes away its own scope, the last one.
  while (!scopeStack.empty()) {
    if (peek().kind == TokenKind::End)
      fail("the text ends inside an entry");
    if (take("{")) {
      if (scopeStack.size() == deepestScope)
        fail(fmt::format("more than {} scopes in each other are not supported", deepestScope), Fault::Unsupported);
      entry.scopes.push_back({scopeStack.back(), {}, {}});
      scopeStack.push_back(static_cast<int>(entry.scopes.size()) - 1);
      names.emplace_back();
    } else if (take("}")) {
      scopeStack.pop_back();
      names.pop_back();
    } else if (take(";")) {
    } else if (peek().kind == TokenKind::Word && peek(1).text == ":") {
      // A label; the table of a brx.idx begins like one.
      std::string name(next().text);
      next();
      if (isNext(".branchtargets")) {
        next();
        std::vector<std::string> labels;
        do
          labels.emplace_back(next().text);
        while (take(","));
        expect(";");
        entry.scopes[scopeStack.back()].tables.push_back({name, labels});
      } else {
        // Of the statement that follows.
        entry.scopes[scopeStack.back()].labels.push_back({name, static_cast<int>(entry.statements.size())});
      }
    } else if (peek().text[0] == '.') {
      bodyDirective(entry);
    } else {
      statement(entry);
    }
  }
}

void Parser::bodyDirective(EntryText &entry) {
  std::string_view word = next().text;
  if (word == ".reg") {
    registers(entry);
  } else if (word == ".shared" || word == ".local") {
    entry.variables.push_back(variable(word, false));
  } else if (word == ".pragma") {
    next();
    expect(";");
  } else if (word == ".loc" || word == ".file") {
    --at;
    skipLine();
  } else {
    fail(fmt::format("'{}' is not supported inside an entry", word), Fault::Unsupported);
  }
}

/// `.reg .b32 %r<8>, a, b;`
void Parser::registers(EntryText &entry) {
  std::string_view type = next().text;
  auto bytes = bytesOfType(type);
  if (!bytes)
    fail(fmt::format("'{}' is no type of registers", type));
  auto declare = [&](const std::string &name) {
    names.back()[name] = static_cast<int>(entry.registers.size());
    // PTX has no arithmetic of 8 bits: such a register is held as 16, which loads and conversions expect.
    entry.registers.push_back({name, *bytes == 1 ? 2 : *bytes});
  };
  do {
    std::string name(next().text);
    // %r<8> is %r0 to %r7.
    if (take("<")) {
      uint64_t count = number(mostRegisters - entry.registers.size(), "more registers");
      expect(">");
      for (uint64_t i = 0; i < count; ++i)
        declare(name + std::to_string(i));
    } else if (entry.registers.size() < mostRegisters) {
      declare(name);
    } else {
      fail("there are too many registers", Fault::Unsupported);
    }
  } while (take(","));
  expect(";");
}

/// An inner declaration hides an outer one of the same name.
int Parser::findRegister(std::string_view name) const {
  std::string key(name);
  for (auto scope = names.rbegin(); scope != names.rend(); ++scope)
    if (auto found = scope->find(key); found != scope->end())
      return found->second;
  return -1;
}

void Parser::statement(EntryText &entry) {
  StatementText result;
  size_t first = at;
  result.line = peek().line;
  result.scope = scopeStack.back();
  if (take("@")) {
    result.guardNegated = take("!");
    // Of the scope in which the statement stands: names that are declared later do not count.
    result.guard = findRegister(next().text);
    if (result.guard < 0)
      fail(fmt::format("'{}' is no register", tokens[at - 1].text));
  }
  if (peek().kind != TokenKind::Word)
    fail(fmt::format("an instruction is expected, not '{}'", peek().text));
  result.opcode = next().text;
  while (!isNext(";")) {
    if (peek().kind == TokenKind::End)
      fail("the text ends inside an instruction");
    result.operands.push_back(operand());
    if (!take(","))
      // A comma may be missing only before the end, which the next line expects.
      break;
  }
  expect(";");
  // The statement as messages quote it: on one line, without comments.
  for (size_t i = first; i + 1 < at; ++i) {
    bool tight = i == first || tokens[i].text == "," || tokens[i].text == "]" || tokens[i].text == "}" ||
                 tokens[i - 1].text == "[" || tokens[i - 1].text == "{" || tokens[i - 1].text == "@" ||
                 tokens[i - 1].text == "!" || tokens[i].text == "+" || tokens[i - 1].text == "+" ||
                 tokens[i].text == "|" || tokens[i - 1].text == "|" || tokens[i - 1].text == "-";
    result.text += (tight ? "" : " ") + std::string(tokens[i].text);
  }
  entry.statements.push_back(std::move(result));
}

OperandText Parser::operand() {
  if (operandDepth == deepestOperand)
    fail(fmt::format("operands nest deeper than {}", deepestOperand), Fault::Unsupported);
  ++operandDepth;
  OperandText result = simpleOperand();
  --operandDepth;
  return result;
}

OperandText Parser::simpleOperand() {
  OperandText result;
  // A vector, such as {%r1, %r2}.
  if (take("{")) {
    result.kind = OperandText::Vector;
    while (!take("}")) {
      result.elements.push_back(operand());
      take(",");
    }
    return result;
  }
  if (take("["))
    return address();
  if (take("!")) {
    result = operand();
    result.negated = true;
    return result;
  }
  if (peek().kind == TokenKind::Number || isNext("-")) {
    result.kind = OperandText::Number;
    result.value = number(&result.isFloat);
    return result;
  }
  return word();
}

/// After the bracket: a register or a symbol, then a distance; or a number. Several operands make a list, as the
/// coordinates of tensor copies do.
OperandText Parser::address() {
  // A distance is added to what the operand has already, such as the place of a symbol.
  OperandText base = operand();
  OperandText result = base;
  if (base.kind != OperandText::Register && base.kind != OperandText::Symbol && base.kind != OperandText::Number)
    fail("an address is a register, a variable or a number, and a distance");
  result.kind = OperandText::Address;
  if (take("+"))
    result.value += number();
  // number() takes the sign.
  else if (isNext("-"))
    result.value += number();
  expect("]");
  return result;
}

OperandText Parser::word() {
  OperandText result;
  if (peek().kind != TokenKind::Word)
    fail(fmt::format("an operand is expected, not '{}'", peek().text));
  std::string_view name = next().text;
  // What nobody needs: the operand stays a sink.
  if (name == "_")
    return result;
  result.reg = findRegister(name);
  if (result.reg >= 0) {
    // "p|q" is a pair of destinations, of which the second may be a sink.
    result.kind = OperandText::Register;
    if (take("|") && !take("_")) {
      result.second = findRegister(next().text);
      if (result.second < 0)
        fail(fmt::format("'{}' is no register", tokens[at - 1].text));
    }
    return result;
  }
  // A variable, a special register or a label: which of them, the decoder knows.
  result.kind = OperandText::Symbol;
  result.symbol = name;
  if (isNext("+")) {
    next();
    result.value = number();
  }
  return result;
}

} // namespace

std::vector<Token> yupana::ptx::tokenize(std::string_view text) {
  std::vector<Token> tokens;
  uint32_t line = 1;
  // It may end before its length: a driver takes text that a NUL ends.
  for (size_t i = 0; i < text.size() && text[i];) {
    char c = text[i];
    if (c == '\n') {
      ++line, ++i;
    } else if (isspace(static_cast<unsigned char>(c))) {
      ++i;
    } else if (text.substr(i, 2) == "//") {
      i = std::min(text.find('\n', i), text.size());
    } else if (text.substr(i, 2) == "/*") {
      size_t end = std::min(text.find("*/", i), text.size());
      for (; i < end; ++i)
        line += text[i] == '\n';
      i = std::min(end + 2, text.size());
    } else if (c == '"') {
      size_t end = std::min(text.find('"', i + 1), text.size() - 1);
      tokens.push_back({TokenKind::String, text.substr(i, end + 1 - i), line});
      i = end + 1;
    } else if (isWordCharacter(c)) {
      size_t end = i;
      // A word goes on over "::", as in shared::cta, but ends at a label's colon.
      while (end < text.size() && (isWordCharacter(text[end]) || text.substr(end, 2) == "::"))
        end += text[end] == ':' ? 2 : 1;
      bool number = isdigit(static_cast<unsigned char>(c));
      tokens.push_back({number ? TokenKind::Number : TokenKind::Word, text.substr(i, end - i), line});
      i = end;
    } else {
      tokens.push_back({TokenKind::Punctuation, text.substr(i, 1), line});
      ++i;
    }
  }
  tokens.push_back({TokenKind::End, "end of text", line});
  return tokens;
}

/// From the scope of the jump outwards, as registers are found.
std::optional<int> EntryText::label(const std::string &name, int scope) const {
  for (; scope >= 0; scope = scopes[scope].parent)
    for (auto &[label, place] : scopes[scope].labels)
      if (label == name)
        return place;
  return std::nullopt;
}

const std::vector<std::string> *EntryText::table(const std::string &name, int scope) const {
  for (; scope >= 0; scope = scopes[scope].parent)
    for (auto &[label, targets] : scopes[scope].tables)
      if (label == name)
        return &targets;
  return nullptr;
}

ModuleText yupana::ptx::parseModule(std::string_view text) { return Parser(text).run(); }
