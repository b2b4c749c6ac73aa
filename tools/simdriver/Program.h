// SPDX-License-Identifier: Apache-2.0
//
// A kernel as the machine runs it: a dense array of instructions whose operands are byte offsets into the register file
// of a warp. In that file a 64-bit register takes 256 bytes (32 lanes), a 32-bit one 128, a 16-bit one 64; a predicate
// is one 32-bit mask of lanes in 64 bytes. Constants and special registers are registers that are filled beforehand.
#ifndef YUPANA_TOOLS_SIMDRIVER_PROGRAM_H
#define YUPANA_TOOLS_SIMDRIVER_PROGRAM_H

#include "tools/simdriver/Syntax.h"

#include <memory>
#include <unordered_map>

namespace yupana::ptx {

struct Warp;
struct Inst;
/// Runs an instruction for the lanes of a mask, which is never empty but for branches.
using Action = void (*)(Warp &warp, const Inst &inst, uint32_t lanes);

/// Offset of the register that holds zeros, and of the one that takes what nobody reads.
constexpr uint32_t zeroRegister = 0, sinkRegister = 256, firstRegister = 512;

struct Inst {
  Action action = nullptr;
  /// Registers; zeroRegister where there is none, so that definedness flows from a, b and c to d.
  uint32_t d = sinkRegister, a = zeroRegister, b = zeroRegister, c = zeroRegister;
  /// Distance of an address, or an immediate.
  int64_t immediate = 0, immediate2 = 0;
  /// More registers: Program::operands[list, list + count).
  uint32_t list = 0;
  uint16_t count = 0;
  /// What an action makes of it: a kind, a size.
  uint16_t kind = 0;
  uint32_t guard = zeroRegister;
  bool guardNegated = false;
  /// d becomes undefined where a, b or c is. Other actions see to it themselves.
  bool flows = false;
  /// Needs all lanes of the warp that have not ended.
  bool aligned = false;
  bool isBranch = false;
  int32_t target = -1, reconverge = -1;
  uint32_t statement = 0; ///< Program::lines
};

struct SourceLine {
  uint32_t line = 0;
  std::string text;
};

/// Places of the special registers in the file, each 128 bytes from `firstRegister` on.
enum class Special : uint32_t {
  TidX,
  TidY,
  TidZ,
  NtidX,
  NtidY,
  NtidZ,
  CtaidX,
  CtaidY,
  CtaidZ,
  NctaidX,
  NctaidY,
  NctaidZ,
  Laneid,
  Warpid,
  Nwarpid,
  LanemaskEq,
  LanemaskLe,
  LanemaskLt,
  LanemaskGe,
  LanemaskGt,
  Smid,
  Nsmid,
  Gridid,
  DynamicShared,
  TotalShared,
  ClusterRank,
  ClusterSize,
  ClusterCtaidX,
  ClusterCtaidY,
  ClusterCtaidZ,
  ClusterNctaidX,
  ClusterNctaidY,
  ClusterNctaidZ,
  ClusteridX,
  ClusteridY,
  ClusteridZ,
  NclusteridX,
  NclusteridY,
  NclusteridZ,
  IsExplicitCluster, ///< A predicate.
  Count
};
constexpr uint32_t offsetOf(Special special) { return firstRegister + 128 * static_cast<uint32_t>(special); }

struct Constant {
  uint32_t offset = 0, bytes = 4;
  uint64_t value = 0;
  /// What the value is relative to: where the device keeps the module's variables, where a block's shared memory lies.
  enum Base : uint8_t { Absolute, Module, Block } base = Absolute;
};

/// What the variables of a module in global and constant memory hold at first.
struct ModuleData {
  std::vector<uint8_t> initial;
};

struct Program : std::enable_shared_from_this<Program> {
  std::string name;
  KernelInfo info;
  std::vector<Inst> code;
  std::vector<uint32_t> operands;
  std::vector<SourceLine> lines;
  std::vector<Constant> constants;
  uint32_t fileBytes = offsetOf(Special::Count) + 256;
  uint32_t parameterBytes = 0;
  uint32_t localBytes = 0;
  /// Addresses of shared memory begin at `sharedBase`; dynamic shared memory begins after the static one.
  uint32_t dynamicShared = 0;
  /// The smallest access, as a power of two of bytes: the grain of race checking.
  unsigned grain = 2;
  /// Blocks may wait for each other: strong accesses to global memory.
  bool talksBetweenBlocks = false;
  bool usesWarpgroups = false;
  bool readsCluster = false; ///< A special register of clusters.
  std::shared_ptr<const ModuleData> data;
};

/// The address of the first byte of shared memory in its window; below it lies what the system reserves.
constexpr uint32_t sharedBase = 1024;
/// What lies between the shared memories of two ranks of a cluster.
constexpr uint32_t blockWindow = 1u << 24;
/// Generic addresses of shared and local memory.
constexpr uint64_t sharedWindow = uint64_t{0xA000} << 32, localWindow = uint64_t{0xB000} << 32;

/// Scratch registers of the file: a 64-bit one that actions may use within one instruction.
constexpr uint32_t scratchRegister = offsetOf(Special::Count);

/// Places of a module's variables in its data, by name.
using VariablePlaces = std::unordered_map<std::string, uint64_t>;
std::shared_ptr<const ModuleData> layOut(const ModuleText &module, VariablePlaces &places);

/// Translates one entry. Throws a Failure that names the line.
Program decode(const ModuleText &module, const EntryText &entry, std::shared_ptr<const ModuleData> data,
               const VariablePlaces &places);

/// Sets Inst::reconverge of every branch: where its lanes meet again, the immediate post-dominator.
void findReconvergence(Program &program);

} // namespace yupana::ptx

#endif // YUPANA_TOOLS_SIMDRIVER_PROGRAM_H
