// SPDX-License-Identifier: Apache-2.0
//
// An optimal placement is NP-hard in general (dynamic storage allocation). This is greedy by size: large values are
// placed first, each at the lowest gap between those alive with it that holds it, and small ones fill the gaps. For
// chains of layers, whose buffers are few and of a handful of sizes, this reaches the sum of the largest set that is
// alive together. Quadratic in the number of values, which is some hundred per model. The tie break by index makes the
// result a function of the input alone.

#include "passes/Bufferize/MemoryPlan.h"

#include "compiler/Support/CheckedMath.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace yupana {
namespace {

bool liveTogether(const Lifetime &a, const Lifetime &b) {
  for (const LaunchRange &x : a.ranges)
    for (const LaunchRange &y : b.ranges)
      if (x.first <= y.last && y.first <= x.last)
        return true;
  return false;
}

} // namespace

std::optional<Placement> planMemory(const std::vector<Lifetime> &values, uint64_t alignment) {
  std::vector<size_t> bySize(values.size());
  std::iota(bySize.begin(), bySize.end(), size_t{0});
  std::sort(bySize.begin(), bySize.end(),
            [&](size_t a, size_t b) { return std::pair(values[b].size, a) < std::pair(values[a].size, b); });

  Placement plan;
  plan.offsets.resize(values.size());
  std::vector<size_t> placed; // by ascending offset
  for (size_t value : bySize) {
    uint64_t offset = 0;
    for (size_t other : placed) {
      if (!liveTogether(values[value], values[other]))
        continue;
      if (plan.offsets[other] >= offset && plan.offsets[other] - offset >= values[value].size)
        break;
      std::optional<uint64_t> end = checkedAdd(plan.offsets[other], values[other].size);
      std::optional<uint64_t> next = end ? checkedAlign(*end, alignment) : std::nullopt;
      if (!next)
        return std::nullopt;
      offset = std::max(offset, *next);
    }
    plan.offsets[value] = offset;
    auto before = [&](size_t a, size_t b) { return plan.offsets[a] < plan.offsets[b]; };
    placed.insert(std::upper_bound(placed.begin(), placed.end(), value, before), value);
    std::optional<uint64_t> end = checkedAdd(offset, values[value].size);
    std::optional<uint64_t> size = end ? checkedAlign(*end, alignment) : std::nullopt;
    if (!size)
      return std::nullopt;
    plan.size = std::max(plan.size, *size);
  }
  return plan;
}

} // namespace yupana
