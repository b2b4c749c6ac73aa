// SPDX-License-Identifier: Apache-2.0
//
// Numbers found by measurement; the reasons stand at each. They change speed alone: a tile's shape decides which
// accumulators are in registers together, never the order in which one accumulator adds (Numerics.cpp), so they may be
// tuned without a change of bits.

#include "compiler/Codegen/CPU/Choices.h"

#include <algorithm>

using namespace yupana;
using namespace yupana::codegen;

namespace {

/// The register tile that leaves room for the weights' vectors and one broadcast input: 6x16 uses 15 of 16 ymm
/// registers; 12x32 uses 27 of 32 zmm, or 29 where weights are widened. A tall tile loads weights and inputs less
/// often, and keeps both pipes busy when rows are split evenly. (AMD EPYC, dot products, 32 rows an expert: 3 % faster
/// than 8x32, no difference with many rows. Intel Xeon, float32 out of the second level of cache: 81 % of the peak, 79
/// % with 8x32.)
X86Choice registerTile(const CpuFacts &cpu, int64_t rows) {
  if (cpu.vectorRegisters >= 32)
    return {12, 32, rows};
  return {6, 16, rows};
}

/// A cell long enough that claiming it costs nothing beside doing it, short enough to share a prompt's rows out evenly.
constexpr int64_t elementsPerCell = 16384;

} // namespace

X86Choice codegen::chooseGemm(const CpuFacts &cpu, bool isBF16) {
  // A cell reads one panel of the weight from memory: this many rows amortise that, and are few enough that those of a
  // usual depth stay in the second level of cache from one panel to the next. A whole number of tiles of 6 and of 12
  // rows. Programs of few rows get no smaller cells: the kernel tells few rows from many itself, and programs that cut
  // alike share its code.
  constexpr int64_t cellRows = 144;
  // Tile registers hold the sums of 32 rows by a panel, and multiply so fast that inputs must not fall out of the
  // second level of cache; more rows gain nothing. (Intel Xeon, 512 tokens: no difference from 128 rows to 512.)
  if (isBF16 && cpu.bf16Tile)
    return {32, 32, 128};
  return registerTile(cpu, cellRows);
}

X86Choice codegen::chooseMap(const CpuFacts &cpu, int64_t groups, int64_t width) {
  return registerTile(cpu, std::max<int64_t>(1, elementsPerCell / std::max<int64_t>(1, groups * width)));
}

X86Choice codegen::chooseRoute(const CpuFacts &cpu, int64_t products) {
  return registerTile(cpu, std::clamp<int64_t>(elementsPerCell / std::max<int64_t>(1, products), 1, 64));
}

X86Choice codegen::chooseFixed(const CpuFacts &cpu) { return registerTile(cpu, 1); }
