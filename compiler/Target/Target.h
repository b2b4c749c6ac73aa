// SPDX-License-Identifier: Apache-2.0
//
// The machines that code is generated for: facts alone, no decisions.
#ifndef YUPANA_COMPILER_TARGET_TARGET_H
#define YUPANA_COMPILER_TARGET_TARGET_H

#include "compiler/Support/Error.h"

#include <string>
#include <string_view>
#include <vector>

namespace yupana {

/// A level of the x86-64 psABI.
struct CpuTarget {
  std::string_view name;     ///< As the command line, a plan and `#kernel.x86` name it.
  std::string_view cpu;      ///< LLVM's processor name. Never "native": code must not depend on who compiles it.
  std::string_view features; ///< LLVM's feature string beyond the processor, "+a,+b".
  unsigned vectorBits;       ///< Bits of one vector register.
  unsigned vectorRegisters;  ///< How many there are.
  bool bf16Dot;              ///< Has the dot product of bfloat16 pairs (AVX512_BF16)?

  /// float32 values in one vector register.
  constexpr unsigned lanes() const { return vectorBits / 32; }
};

/// Every CPU target that code is generated for, in ascending order of what it demands of the processor.
const std::vector<CpuTarget> &cpuTargets();

/// The target called `name`; "native" is the highest one this machine can run. A name that stands in the design but has
/// no code generator yet is ExitCode::Unsupported, any other ExitCode::Usage. The result lives as long as the program.
Result<const CpuTarget *> lookupCpuTarget(std::string_view name);

/// The highest target this machine can run; ExitCode::Unsupported when it is below the lowest.
Result<const CpuTarget *> detectHostTarget();

/// Can this machine run code for `target`?
bool hostRuns(const CpuTarget &target);

/// The names of `cpuTargets()` with commas between them, for messages and help texts.
std::string listCpuTargets();

} // namespace yupana

#endif // YUPANA_COMPILER_TARGET_TARGET_H
