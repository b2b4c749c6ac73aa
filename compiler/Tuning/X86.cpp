// SPDX-License-Identifier: Apache-2.0
#include "compiler/Tuning/X86.h"

#include <algorithm>

using namespace yupana;
using namespace yupana::tuning;

namespace {

/// The register tile that leaves room for the weights' vectors and one broadcast input: 6x16 uses 15 of 16 ymm
/// registers; 8x32 uses 19 of 32 zmm, and taller ones gain nothing.
X86Choice registerTile(const CpuTarget &target, int64_t rows) {
  if (target.vectorRegisters >= 32)
    return {8, 32, rows};
  return {6, 16, rows};
}

/// A cell long enough that claiming it costs nothing beside doing it, short enough to share a prompt's rows out evenly.
constexpr int64_t elementsPerCell = 16384;

} // namespace

X86Choice tuning::chooseGemm(const CpuTarget &target) {
  // A cell reads one panel of the weight from memory: this many rows amortise that, and are few enough that those of a
  // usual depth stay in the second level of cache from one panel to the next. A whole number of tiles of 6 and of 8
  // rows.
  return registerTile(target, 144);
}

X86Choice tuning::chooseMap(const CpuTarget &target, int64_t groups, int64_t width) {
  return registerTile(target, std::max<int64_t>(1, elementsPerCell / std::max<int64_t>(1, groups * width)));
}

X86Choice tuning::chooseRoute(const CpuTarget &target, int64_t products) {
  return registerTile(target, std::clamp<int64_t>(elementsPerCell / std::max<int64_t>(1, products), 1, 64));
}

X86Choice tuning::chooseFixed(const CpuTarget &target) { return registerTile(target, 1); }
