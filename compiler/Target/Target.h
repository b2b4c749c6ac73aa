// SPDX-License-Identifier: Apache-2.0
//
// The machines that code is or will be generated for: facts alone. What is chosen for them is asked of their back ends
// (compiler/Codegen/BackEnd.h).
#ifndef YUPANA_COMPILER_TARGET_TARGET_H
#define YUPANA_COMPILER_TARGET_TARGET_H

#include "compiler/Support/Error.h"

#include <string_view>
#include <variant>
#include <vector>

namespace yupana {

/// A level of the x86-64 psABI, or what was added to it.
struct CpuFacts {
  std::string_view cpu;      ///< LLVM's processor name. Never "native": code must not depend on who compiles it.
  std::string_view features; ///< LLVM's feature string beyond the processor, "+a,+b".
  std::string_view needed;   ///< What a processor needs beyond the target before this one, as LLVM names features.
  unsigned vectorBits;       ///< Bits of one vector register.
  unsigned vectorRegisters;  ///< How many there are.
  bool bf16Dot;              ///< True if there is a dot product of bfloat16 pairs (AVX512_BF16).
  bool bf16Tile;             ///< True if there is a matrix product of bfloat16 tiles (AMX_BF16).

  /// float32 values in one vector register.
  constexpr unsigned lanes() const { return vectorBits / 32; }
};

/// A compute capability (CUDA C++ Programming Guide, "Compute Capabilities").
struct GpuFacts {
  unsigned capability;       ///< Major times 10 and minor.
  bool oneGeneration;        ///< True if code runs on devices of exactly this capability (an `a` target).
  unsigned sharedBlockBytes; ///< Most shared memory of a block.
  int64_t flightBytes; ///< Bytes of reads that a multiprocessor must have on their way to get its share of memory.
};

struct Target {
  std::string_view name; ///< As the command line, a plan and the config of a kernel name it.
  std::variant<CpuFacts, GpuFacts> facts;

  bool isCpu() const { return std::holds_alternative<CpuFacts>(facts); }
  const CpuFacts &cpu() const { return std::get<CpuFacts>(facts); }
  const GpuFacts &gpu() const { return std::get<GpuFacts>(facts); }
};

/// Every target, in the order of runtime/schema/targets.h.
const std::vector<Target> &targets();

/// The target called `name`, null if none is. It lives as long as the program.
const Target *findTarget(std::string_view name);

} // namespace yupana

#endif // YUPANA_COMPILER_TARGET_TARGET_H
