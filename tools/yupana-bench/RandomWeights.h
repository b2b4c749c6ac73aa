// SPDX-License-Identifier: Apache-2.0
//
// Random weights, of the right size and magnitude, for a plan that was compiled without weights.
#ifndef YUPANA_TOOLS_YUPANABENCH_RANDOMWEIGHTS_H
#define YUPANA_TOOLS_YUPANABENCH_RANDOMWEIGHTS_H

#include "runtime/schema/plan_generated.h"
#include "yupana/yupana.h"

#include <cstdint>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace yupana {

/// Fills weights where they lie. Matrices [.., N, K] get values of deviation 1/sqrt(K), so that activations keep their
/// magnitude from layer to layer; gains of norms lie near 1; padding is zero. The same plan gets the same values.
class RandomWeights {
public:
  /// `plan` outlives the object; its metadata has been checked by the library.
  explicit RandomWeights(const schema::Plan &plan) : plan(plan) {}

  /// Writes all bytes of weight `index`, or as many as period() gives. False when this program does not know its packed
  /// form or element type. Any thread.
  bool fill(uint32_t index, void *destination, uint64_t bytes);
  /// The bytes after which weight `index` repeats: one block. 0 for one that is smaller, or has padding. Any thread.
  uint64_t period(uint32_t index) const;

  /// The object as the library calls it. Valid as long as the object.
  yupana_filler_t filler();

private:
  /// Values `center` + u, u even in [-width, width).
  struct Range {
    float center, width;
    bool isBf16;
    bool operator<(const Range &other) const {
      return std::make_pair(isBf16, std::make_pair(center, width)) <
             std::make_pair(other.isBf16, std::make_pair(other.center, other.width));
    }
  };
  const std::vector<uint8_t> &block(const Range &range);

  const schema::Plan &plan;
  std::mutex lock; ///< Guards `blocks`, whose values stay where they are.
  std::map<Range, std::vector<uint8_t>> blocks;
};

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANABENCH_RANDOMWEIGHTS_H
