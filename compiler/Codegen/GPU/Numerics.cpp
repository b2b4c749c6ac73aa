// SPDX-License-Identifier: Apache-2.0
//
// The whole K is one range: accumulators stay in registers from the first k to the last. Only with the form `decode`,
// whose blocks may divide a cell between them, is it cut into ranges of the depth of the tile. In bfloat16 a matrix
// instruction takes 16 of K, and what it does inside them is the hardware's; in float32 there is one fused multiply-add
// for each k. Sums keep a partial sum per lane of a warp. A block of a softmax is a position per lane, or those that
// four warps multiply together; its exponentials have a partial sum for each position of a block. Where several tokens
// are attended from at once a row is a warp's, whose lanes have eight partial sums of it, and all positions are one
// segment, since no other block has part in them.
#include "compiler/Codegen/GPU/Numerics.h"

#include "compiler/Codegen/GPU/AttentionLayout.h"
#include "compiler/Codegen/GPU/Choices.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

kernel::NumericsAttr cuda::tileNumerics(MLIRContext *context) {
  return kernel::NumericsAttr::get(context, kernel::NumericsAttr::kWhole, kernel::SumOrder::MatrixBlocks,
                                   AttentionLayout::tilePartials, AttentionLayout::blockPositions);
}

kernel::NumericsAttr cuda::numericsOf(kernel::LaunchedOpInterface op) {
  constexpr int64_t partials = 32; // lanes of a warp
  constexpr int64_t whole = kernel::NumericsAttr::kWhole, none = kernel::NumericsAttr::kNone;
  MLIRContext *context = op->getContext();
  return llvm::TypeSwitch<Operation *, kernel::NumericsAttr>(op)
      .Case([&](kernel::GemmOp gemm) {
        bool isBF16 = gemm.getWeightType(0).getElementType().isBF16();
        kernel::SumOrder order = isBF16 ? kernel::SumOrder::MatrixBlocks : kernel::SumOrder::Ascending;
        auto config = dyn_cast_or_null<kernel::GPUAttr>(gemm.getConfigAttr());
        bool cuts = config && config.getForm() == kernel::GPUForm::Decode;
        return kernel::NumericsAttr::get(context, cuts ? config.getTileDepth() : whole, order, partials, 0);
      })
      .Case([&](kernel::AttentionOp attention) {
        AttentionShape shape = shapeOf(attention);
        if (shape.byTiles)
          return tileNumerics(context);
        bool isMatrix = shape.takesMatrices();
        int64_t positions = isMatrix ? AttentionLayout::blockPositions : partials;
        // Any segment of whole blocks will do, so that a test can ask for small ones.
        int64_t segment = shape.segment % positions ? chooseSegment(shape) : shape.segment;
        return kernel::NumericsAttr::get(context, whole,
                                         isMatrix ? kernel::SumOrder::MatrixBlocks : kernel::SumOrder::Ascending,
                                         positions, positions, segment);
      })
      .Case<kernel::MapOp, kernel::RouteOp>(
          [&](auto) { return kernel::NumericsAttr::get(context, none, kernel::SumOrder::Ascending, partials, 0); })
      .Default([](Operation *) { return kernel::NumericsAttr(); });
}
