// SPDX-License-Identifier: Apache-2.0
//
// What a tuner may try for x86: register tiles of other heights, and cells of other lengths. Neither changes a bit
// (Choices.cpp); both move the balance between reading weights again and sharing the work out evenly, which depends on
// caches and the number of cores, and these differ more between processors of one level than between levels.

#include "compiler/Codegen/CPU/CPUBackEnd.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

SmallVector<kernel::ConfigAttrInterface> CPUBackEnd::listConfigs(kernel::LaunchedOpInterface op,
                                                                 int64_t maxTokens) const {
  auto usual = cast<kernel::X86Attr>(chooseConfig(op, maxTokens));
  SmallVector<kernel::ConfigAttrInterface> configs = {usual};
  auto add = [&](int64_t tileRows, int64_t rows) {
    auto config = kernel::X86Attr::get(op->getContext(), usual.getIsa(), tileRows, usual.getTileColumns(),
                                       std::max<int64_t>(1, rows));
    if (!llvm::is_contained(configs, kernel::ConfigAttrInterface(config)))
      configs.push_back(config);
  };
  int64_t rows = usual.getRows();
  if (auto gemm = dyn_cast<kernel::GemmOp>(op.getOperation())) {
    // A lower tile needs fewer registers, so each of these can be had; 72, 144 and 288 are whole numbers of all. Tile
    // registers have one way to hold sums.
    bool inTiles = getTarget().cpu().bf16Tile && gemm.getWeightType(0).getElementType().isBF16();
    int64_t tallest = usual.getTileRows(), lower = inTiles ? tallest : tallest * 2 / 3;
    for (int64_t height : {tallest, lower})
      for (int64_t cell : {rows, rows / 2, rows * 2})
        add(height, cell);
  } else if (isa<kernel::MapOp, kernel::RouteOp>(op.getOperation())) {
    for (int64_t cell : {rows / 4, rows * 4})
      add(usual.getTileRows(), cell);
  }
  return configs;
}
