// SPDX-License-Identifier: Apache-2.0
//
// The whole K is one range: a register tile keeps its accumulators from the first k to the last, whatever its shape. In
// bfloat16 the dot-product instructions add the odd element of a pair first, and two widened multiply-adds do the same
// where there are none, so all x86 targets without tile registers have the same bits. Tile registers add by blocks of
// 32, which nothing else does as fast, so that products of one row are computed in them, too. Sums keep a partial sum
// per lane of a 512-bit vector, or of two of 256 bits. A block of a softmax is two tiles of keys.
#include "compiler/Codegen/CPU/Numerics.h"

#include "compiler/Codegen/CPU/MatrixAttention.h"
#include "compiler/Codegen/CPU/OnlineSoftmax.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

kernel::NumericsAttr codegen::numericsOf(kernel::LaunchedOpInterface op, const Target &target) {
  constexpr int64_t partials = 16, block = OnlineSoftmax::blockTokens;
  constexpr int64_t whole = kernel::NumericsAttr::kWhole, none = kernel::NumericsAttr::kNone;
  MLIRContext *context = op->getContext();
  auto orderOf = [](Type element) {
    return element.isBF16() ? kernel::SumOrder::OddFirstPairs : kernel::SumOrder::Ascending;
  };
  return llvm::TypeSwitch<Operation *, kernel::NumericsAttr>(op)
      .Case([&](kernel::GemmOp gemm) {
        Type element = gemm.getWeightType(0).getElementType();
        bool inTiles = element.isBF16() && target.cpu().bf16Tile;
        kernel::SumOrder order = inTiles ? kernel::SumOrder::EvenOddBlocks : orderOf(element);
        return kernel::NumericsAttr::get(context, whole, order, partials, 0);
      })
      .Case([&](kernel::AttentionOp attention) {
        bool inTiles = usesTileRegisters(attention, target);
        kernel::SumOrder order =
            inTiles ? kernel::SumOrder::EvenOddBlocks : orderOf(attention.getKeys().getType().getElementType());
        return kernel::NumericsAttr::get(context, whole, order, partials, block);
      })
      .Case<kernel::MapOp, kernel::RouteOp>(
          [&](auto) { return kernel::NumericsAttr::get(context, none, kernel::SumOrder::Ascending, partials, 0); })
      .Default([](Operation *) { return kernel::NumericsAttr(); });
}
