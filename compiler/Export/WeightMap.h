// SPDX-License-Identifier: Apache-2.0
//
// A weight's chain as one affine map from an index of the weight to an element of a checkpoint tensor.
#ifndef YUPANA_COMPILER_EXPORT_WEIGHTMAP_H
#define YUPANA_COMPILER_EXPORT_WEIGHTMAP_H

#include "compiler/Export/Export.h"
#include "dialects/LM/IR/LM.h"

namespace yupana {

/// Element (i0, i1, ..) of the weight is element firstElement + sum(ij * axes[j].elementStride) of source
/// firstSource + sum(ij * axes[j].sourceStride).
struct WeightMap {
  struct Axis {
    uint64_t extent;
    uint64_t elementStride; ///< Within a source tensor.
    uint64_t sourceStride;  ///< 1 along the axis that stacks sources, else 0.

    /// Neighbours along this axis are neighbours in a source tensor.
    bool isContiguous() const { return elementStride == 1 && sourceStride == 0; }
  };
  std::vector<Axis> axes;
  uint64_t firstElement = 0;
  uint64_t firstSource = 0;
};

/// Follows the chain of a verified weight. Elements are converted to the weight's type, once: ExitCode::Unsupported for
/// a chain that converts to another type on the way.
Result<WeightMap> resolveChain(lm::WeightOp weight);

} // namespace yupana

#endif // YUPANA_COMPILER_EXPORT_WEIGHTMAP_H
