// SPDX-License-Identifier: Apache-2.0
//
// Shares are computed where they are needed, by every block alike: the number of units depends on the experts in use,
// which no launch is told.
#include "compiler/Codegen/GPU/GemmUnits.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

DecodeMember::DecodeMember(kernel::GemmOp op, kernel::GPUAttr config)
    : op(op), byExpert(op.getExperts()), tileRows(config.getTileRows()), cellTiles(op.getCellTiles()),
      cells(op.getCells()) {
  kernel::ViewType weight = op.getWeightType(0);
  rowTiles = schema::row_tiles(weight.getForm(), weight.getPackedShape());
  steps = schema::column_tiles(weight.getForm(), weight.getPackedShape());
  int64_t stepElements = schema::kTile64x128.row_bytes / static_cast<int64_t>(weight.getElementBytes());
  rangeSteps = config.getTileDepth() / stepElements;
  ranges = llvm::divideCeil(steps, rangeSteps);
}

DecodeUnit::DecodeUnit(KernelEmitter &e, const DecodeMember &member, Value unit) {
  Value inside = e.sub(unit, member.begin), tileUnit = e.div(inside, member.ranges);
  Value cellUnit = e.div(tileUnit, member.cellTiles);
  range = e.rem(inside, member.ranges);
  tile = e.rem(tileUnit, member.cellTiles);
  slot = e.div(cellUnit, member.cells);
  cell = e.rem(cellUnit, member.cells);
  tileBegin = e.sub(unit, range);
  begin = e.sub(tileBegin, e.mul(tile, member.ranges));
  end = e.add(begin, member.cellUnits());
  firstStep = e.mul(range, member.rangeSteps);
  steps = e.min(e.sub(e.integer(member.steps), firstStep), e.integer(member.rangeSteps));
}

DecodeShares::DecodeShares(KernelEmitter &e, Value first, Value units, const DecodeShares *behind)
    : e(e), first(first), size(e.div(units, e.blockCount())), longer(e.rem(units, e.blockCount())) {
  Value own = e.cell;
  if (behind)
    own = e.select(e.less(own, behind->longer), e.sub(e.add(own, e.blockCount()), behind->longer),
                   e.sub(own, behind->longer));
  ownBegin = begin(own);
  ownEnd = begin(e.add(own, 1));
}

Value DecodeShares::begin(Value share) { return e.add(first, e.add(e.mul(share, size), e.min(share, longer))); }

Value DecodeShares::owner(Value unit) {
  Value inside = e.sub(unit, first), wide = e.add(size, 1), narrow = e.max(size, e.integer(1));
  Value border = e.mul(longer, wide);
  return e.select(e.less(inside, border), e.div(inside, wide), e.add(longer, e.div(e.sub(inside, border), narrow)));
}
