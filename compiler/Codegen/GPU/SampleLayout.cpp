// SPDX-License-Identifier: Apache-2.0
//
// Eight ids for each thread: few enough that one row fills most of a device, and that all logits of a thread are on
// their way at once. Bins are as many as keep those short in which a filter usually cuts, a few hundred ids of the
// largest vocabularies, and no more than a block reads in one go.
#include "compiler/Codegen/GPU/SampleLayout.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>

using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

SampleLayout::SampleLayout(int64_t vocabulary) : vocabulary(vocabulary), perLoad(vocabulary % 4 == 0 ? 4 : 1) {
  constexpr int64_t usualIds = 8, idsPerBin = 64, mostBins = 2048, chunkBytes = 16;
  int64_t neededIds = llvm::divideCeil(vocabulary, threads * threads);
  threadIds = std::max<int64_t>(usualIds, llvm::alignTo(neededIds, 4));
  partIds = threads * threadIds;
  parts = llvm::divideCeil(vocabulary, partIds);
  bins = std::clamp<int64_t>(llvm::PowerOf2Ceil(vocabulary) / idsPerBin, threads, mostBins);
  counts = llvm::alignTo(sums + parts * 8, chunkBytes);
  masses = counts + bins * 4;
  list = masses + bins * 8;
  rowBytes = llvm::alignTo(list + std::min(entries, vocabulary) * 8, chunkBytes);
}

llvm::SmallVector<kernel::ViewType> cuda::workspacesOf(kernel::SampleOp op) {
  mlir::MLIRContext *context = op.getContext();
  SampleLayout layout(op.getLogits().getType().getDimSize(1));
  auto size = [&](int64_t value) { return lm::DimAttr::get(context, value); };
  return {kernel::ViewType::get(context, {op.getRows(), size(layout.rowBytes / 8)}, mlir::IntegerType::get(context, 64),
                                "row-major"),
          kernel::ViewType::get(context, {size(1)}, mlir::IntegerType::get(context, 32), "row-major")};
}
