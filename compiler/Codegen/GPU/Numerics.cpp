// SPDX-License-Identifier: Apache-2.0
//
// The whole K is one range: accumulators stay in registers from the first k to the last. Only with the form `decode`,
// whose blocks may divide a cell between them, is it cut into ranges of the depth of the tile. In bfloat16 a matrix
// instruction takes 16 of K, and what it does inside them is the hardware's; in float32 there is one fused multiply-add
// for each k. Sums keep a partial sum per lane of a warp. A block of a softmax is a position per lane.
#include "compiler/Codegen/GPU/Numerics.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

kernel::NumericsAttr cuda::numericsOf(kernel::LaunchedOpInterface op) {
  constexpr int64_t partials = 32, block = 32;
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
      .Case([&](kernel::AttentionOp) {
        return kernel::NumericsAttr::get(context, whole, kernel::SumOrder::Ascending, partials, block);
      })
      .Case<kernel::MapOp, kernel::RouteOp>(
          [&](auto) { return kernel::NumericsAttr::get(context, none, kernel::SumOrder::Ascending, partials, 0); })
      .Default([](Operation *) { return kernel::NumericsAttr(); });
}
