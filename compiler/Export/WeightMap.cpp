// SPDX-License-Identifier: Apache-2.0
//
// A chain of stacks, slices and transposes is an affine map from the index of a weight to a source tensor and an
// element of it: each axis has a stride in elements and a stride in sources. So the exporter never materialises what a
// link makes, and any chain costs the same to read. Strides are products of extents of a tensor that exists in a file,
// whose size was checked, so they cannot overflow; conversions and packing do not move elements and leave the map
// alone.

#include "compiler/Export/WeightMap.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace yupana;

namespace {

/// The map of the first source alone: row-major.
WeightMap mapOfSource(RankedTensorType type) {
  WeightMap map;
  uint64_t stride = 1;
  for (int64_t extent : llvm::reverse(type.getShape())) {
    map.axes.push_back({static_cast<uint64_t>(extent), stride, 0});
    stride *= static_cast<uint64_t>(extent);
  }
  std::reverse(map.axes.begin(), map.axes.end());
  return map;
}

/// The new axis moves from tensor to tensor, and within a tensor not at all.
/// It comes first, as torch.stack along axis 0 puts it.
void applyStack(WeightMap &map, lm::StackAttr stack) {
  map.axes.insert(map.axes.begin(), {static_cast<uint64_t>(stack.getCount()), 0, 1});
}

void applySlice(WeightMap &map, lm::SliceAttr slice) {
  // A step multiplies the strides: neighbours of the slice are so many indices apart.
  WeightMap::Axis &axis = map.axes[slice.getAxis()];
  uint64_t offset = static_cast<uint64_t>(slice.getOffset());
  map.firstElement += offset * axis.elementStride;
  map.firstSource += offset * axis.sourceStride;
  axis.extent = static_cast<uint64_t>(slice.getSize());
  axis.elementStride *= static_cast<uint64_t>(slice.getStep());
  axis.sourceStride *= static_cast<uint64_t>(slice.getStep());
}

/// Axis i of the result is axis permutation[i]; nothing moves but the order in which axes are walked.
void applyTranspose(WeightMap &map, lm::TransposeAttr transpose) {
  std::vector<WeightMap::Axis> axes;
  for (int64_t from : transpose.getPermutation())
    axes.push_back(map.axes[from]);
  map.axes = std::move(axes);
}

} // namespace

Result<WeightMap> yupana::resolveChain(lm::WeightOp weight) {
  WeightMap map = mapOfSource(cast<RankedTensorType>(weight.getSourceType()));
  for (Attribute link : weight.getChain()) {
    if (auto stack = dyn_cast<lm::StackAttr>(link))
      applyStack(map, stack);
    else if (auto slice = dyn_cast<lm::SliceAttr>(link))
      applySlice(map, slice);
    else if (auto transpose = dyn_cast<lm::TransposeAttr>(link))
      applyTranspose(map, transpose);
    // Elements are converted once, to the type that the weight has at the end.
    else if (auto convert = dyn_cast<lm::ConvertAttr>(link);
             convert && convert.getElementType() != weight.getTensorType().getElementType())
      return makeError(ExitCode::Unsupported, "weight {}: its chain converts to a type that it does not end in",
                       inQuotes(weight.getSymName().str()));
    else if (!isa<lm::ConvertAttr, lm::PackAttr>(link))
      return makeError(ExitCode::Internal, "weight {}: its chain has a link that the exporter does not know",
                       inQuotes(weight.getSymName().str()));
  }
  return map;
}
