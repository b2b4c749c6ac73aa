// SPDX-License-Identifier: Apache-2.0
//
// The text of a PTX module as statements whose registers are numbered and whose labels are places. Knows no opcode.
#ifndef YUPANA_TOOLS_SIMDRIVER_SYNTAX_H
#define YUPANA_TOOLS_SIMDRIVER_SYNTAX_H

#include "tools/simdriver/PtxSim.h"

#include <optional>

namespace yupana::ptx {

/// Thrown inside the library, caught at its border.
struct Failure {
  Report report;
};

enum class TokenKind { End, Word, Number, String, Punctuation };

struct Token {
  TokenKind kind = TokenKind::End;
  std::string_view text;
  uint32_t line = 0;
};

/// Words hold letters, digits, `_ $ % .` and double colons; comments are skipped.
std::vector<Token> tokenize(std::string_view text);

/// A virtual register. A predicate has width 0.
struct RegisterText {
  std::string name;
  uint32_t bytes = 0;
};

struct OperandText {
  enum Kind { Register, Number, Symbol, Address, Vector, Sink } kind = Sink;
  /// Register: its index in EntryText::registers, or in Address and Symbol -1 where there is none.
  int reg = -1;
  /// Register: the second one of `p|q`, or -1.
  int second = -1;
  bool negated = false;
  /// Number: its bits, floats as written; `wide` for 0d. Address and Symbol: what is added.
  uint64_t value = 0;
  bool isFloat = false;
  /// Symbol, and Address whose base is one: a variable, a label or a special register.
  std::string symbol;
  std::vector<OperandText> elements;
};

struct StatementText {
  uint32_t line = 0;
  std::string text; ///< As written, white space made single.
  int guard = -1;   ///< A predicate register.
  bool guardNegated = false;
  std::string opcode;
  std::vector<OperandText> operands;
  int scope = 0;
};

/// A variable of one state space, or a parameter.
struct VariableText {
  std::string name, space;
  uint64_t bytes = 0;
  uint32_t align = 1;
  bool isExtern = false;
  std::vector<uint8_t> initial;
};

struct EntryText {
  std::string name;
  uint32_t line = 0;
  std::vector<VariableText> parameters, variables;
  std::vector<RegisterText> registers;
  std::vector<StatementText> statements;
  uint32_t maxThreads = 0;           ///< 0: not said.
  std::array<uint32_t, 3> cluster{}; ///< .reqnctapercluster, or zeros.
  bool needsCluster = false;         ///< .explicitcluster
  uint32_t mostClusterBlocks = 0;    ///< .maxclusterrank, or 0.

  struct Scope {
    int parent = -1;
    std::vector<std::pair<std::string, int>> labels;
    /// Of `.branchtargets`.
    std::vector<std::pair<std::string, std::vector<std::string>>> tables;
  };
  std::vector<Scope> scopes;
  /// The index of the statement a label stands before, seen from a scope.
  std::optional<int> label(const std::string &name, int scope) const;
  const std::vector<std::string> *table(const std::string &name, int scope) const;
};

struct ModuleText {
  unsigned target = 0, version = 0;
  bool exact = false;
  std::vector<VariableText> variables;
  std::vector<EntryText> entries;
};

/// Throws a Failure of kind Syntax or Unsupported that names the line.
ModuleText parseModule(std::string_view text);

} // namespace yupana::ptx

#endif // YUPANA_TOOLS_SIMDRIVER_SYNTAX_H
