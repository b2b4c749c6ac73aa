// SPDX-License-Identifier: Apache-2.0
//
// Places values in an arena so that values that live at the same time do not overlap. Knows no IR.
#ifndef YUPANA_PASSES_BUFFERIZE_MEMORYPLAN_H
#define YUPANA_PASSES_BUFFERIZE_MEMORYPLAN_H

#include <cstdint>
#include <optional>
#include <vector>

namespace yupana {

/// Launches `first` to `last`, both included.
struct LaunchRange {
  int64_t first;
  int64_t last;
};

/// A value of `size` bytes, alive in every one of the ranges. Programs of which a step runs one are ranges apart: what
/// lives in one of them takes no memory in another.
struct Lifetime {
  uint64_t size;
  std::vector<LaunchRange> ranges;
};

struct Placement {
  std::vector<uint64_t> offsets; ///< One per value, multiples of the alignment.
  uint64_t size = 0;             ///< Of the arena, a multiple of the alignment.
};

/// Greedy by size: the largest value first, each at the lowest gap among those alive with it that holds it (Pisarchyk
/// and Lee, "Efficient memory management for deep neural net inference", 2020). Equal sizes are placed in the order
/// given, so the result depends on nothing else. `alignment` is a power of two. Empty if a sum does not fit 64 bits.
std::optional<Placement> planMemory(const std::vector<Lifetime> &values, uint64_t alignment);

} // namespace yupana

#endif // YUPANA_PASSES_BUFFERIZE_MEMORYPLAN_H
