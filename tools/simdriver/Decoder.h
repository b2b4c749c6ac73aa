// SPDX-License-Identifier: Apache-2.0
//
// Turns statements into instructions. What an opcode means stands beside its actions, in one file per family; this
// class resolves operands, adds the conversions that PTX leaves to registers wider than an operand, and keeps the
// constants.
#ifndef YUPANA_TOOLS_SIMDRIVER_DECODER_H
#define YUPANA_TOOLS_SIMDRIVER_DECODER_H

#include "tools/simdriver/Machine.h"

namespace yupana::ptx {

class Decoder {
public:
  Decoder(const ModuleText &module, const EntryText &entry, const VariablePlaces &places, Program &program)
      : module(module), entry(entry), places(places), program(program) {}
  void run();

  // For the families. A statement at hand: its opcode, its parts between dots, its operands.
  const StatementText &statement() const { return *now; }
  const std::vector<std::string> &parts() const { return opcodeParts; }
  bool has(std::string_view part) const;
  const OperandText &operand(size_t index) const;
  size_t operandCount() const { return now->operands.size(); }

  /// The register that holds an operand as `bytes` bytes: itself, a constant, or a narrowed copy. 0 bytes: a predicate.
  uint32_t source(const OperandText &operand, int bytes);
  /// The register to write, or a temporary that is widened into it afterwards.
  uint32_t destination(const OperandText &operand, int bytes, bool isSigned = false);
  /// The elements of a vector operand, or the operand itself.
  std::vector<OperandText> elements(const OperandText &operand) const;
  /// Appends registers to Program::operands and makes the instruction's list of them; what it had stays before.
  void list(Inst &inst, const std::vector<uint32_t> &registers);
  /// Base into `base` and distance into `distance`, for a space whose addresses take `bytes` bytes.
  void address(const OperandText &operand, int bytes, uint32_t &base, int64_t &distance);
  uint32_t constant(uint64_t value, int bytes);
  int64_t immediate(const OperandText &operand) const;
  uint32_t allocate(uint32_t bytes);
  /// The place and type of a parameter, for ld.param.
  std::pair<uint32_t, bool> parameter(const OperandText &operand) const;

  /// Adds an instruction with the statement's guard.
  void emit(Inst inst);
  void noteGrain(unsigned bytes);
  /// Refuses the statement below capability 9.0.
  void requireClusters() const;
  Program &target() { return program; }
  const EntryText &text() const { return entry; }

  [[noreturn]] void unsupported(const std::string &what = "") const;

private:
  void declare();
  void decodeStatement(size_t index);
  void special();
  void simple();
  uint32_t symbol(const OperandText &operand, int bytes);
  void resolveLabels();

  const ModuleText &module;
  const EntryText &entry;
  const VariablePlaces &places;
  Program &program;
  const StatementText *now = nullptr;
  std::vector<std::string> opcodeParts;
  std::vector<Inst> after; ///< Widenings that follow the instruction.
  std::vector<uint32_t> registerOffsets;
  std::unordered_map<std::string, uint64_t> sharedPlaces, localPlaces, parameterPlaces;
  std::map<std::pair<uint64_t, int>, uint32_t> constants, sharedAddresses;
  std::vector<int32_t> placeOf; ///< The first instruction of each statement.
  struct Fix {
    size_t inst;
    std::string label;
    int scope;
    uint32_t line;
    int64_t operandSlot; ///< -1: Inst::target, else an index into Program::operands.
  };
  std::vector<Fix> fixes;

  friend void decodeControl(Decoder &decoder);
};

/// Reads the type at an opcode's end: its bytes, and whether it is signed.
struct TypeInfo {
  int bytes = 0;
  bool isSigned = false, isFloat = false;
};
TypeInfo typeOf(std::string_view type);

// One function per family of opcodes.
void decodeControl(Decoder &decoder);        // bra, brx, ret, exit, trap
void decodeMove(Decoder &decoder);           // mov, cvta, isspacep, lop3, setp with a second predicate
void decodeAccess(Decoder &decoder);         // ld, ldu, st
void decodeAtomic(Decoder &decoder);         // atom, red
void decodeExchange(Decoder &decoder);       // shfl, vote, match, redux, activemask, elect
void decodeBarrier(Decoder &decoder);        // bar, barrier, fence, membar
void decodeClusterBarrier(Decoder &decoder); // barrier.cluster
void decodeMbarrier(Decoder &decoder);       // mbarrier
void decodeCopy(Decoder &decoder);           // cp.async, cp.async.bulk
void decodeMatrix(Decoder &decoder);         // ldmatrix, stmatrix, mma, wgmma
void decodeHint(Decoder &decoder);           // what changes no result: prefetch, setmaxnreg, griddepcontrol

} // namespace yupana::ptx

#endif // YUPANA_TOOLS_SIMDRIVER_DECODER_H
