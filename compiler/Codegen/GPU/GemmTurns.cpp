// SPDX-License-Identifier: Apache-2.0
//
// Turns of the same weight tiles follow one another, so that blocks which run at once read them from memory together,
// and an expert's weights come through the L2 cache once. Where there are more rows than that cache should hold beside
// them, weights come once for every group of so many rows. How many rows an expert has is known when the kernel runs,
// so a block walks the experts and carries its next unit along.
#include "compiler/Codegen/GPU/GemmTurns.h"

#include "dialects/Kernel/Transforms/GridBuilder.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

/// Token rows that stay in the L2 cache while all weight tiles pass: 16 MiB or so at usual depths.
static constexpr int64_t groupRows = 2048;

int64_t cuda::panelCells(kernel::GemmOp op) {
  return llvm::divideCeil(op.getFeatures(), panelCellTiles * op.getTileFeatures());
}

kernel::GridAttr cuda::panelUnits(kernel::GemmOp op, int64_t tileRows) {
  kernel::GridBuilder turns(op.getContext());
  turns.dim(op.getRows()).ceilDiv(tileRows);
  // The last turn of each expert may have few rows.
  if (op.getOrder())
    turns.plus(op.getExpertCount());
  return turns.times(panelCells(op)).get();
}

PanelTurns::PanelTurns(KernelEmitter &e, kernel::GemmOp op, int64_t tileRows, Value stride, Value rank)
    : e(e), op(op), tileRows(tileRows), cells(panelCells(op) / (rank ? panelCluster : 1)), stride(stride), rank(rank) {}

Value PanelTurns::forEach(Value next, Values &carried, Body body) {
  Value zero = e.integer(0);
  Values values = {next};
  values.append(carried);
  if (op.getOrder()) {
    Value offsets = e.address(op.getExperts());
    values = e.loop(zero, e.integer(op.getExpertCount()), 1, values, [&](Value expert, ValueRange inner) {
      Value place = e.element(offsets, e.widen(expert), 4);
      Value begin = e.loadConstant(e.i32, place), end = e.loadConstant(e.i32, e.at(place, 4));
      return forRows(expert, begin, end, inner, body);
    });
  } else {
    Value rows = e.size(op.getRows());
    int64_t most = std::max(groupRows / tileRows, int64_t{1}) * tileRows;
    values = e.loop(zero, e.ceilDiv(rows, most), 1, values, [&](Value group, ValueRange inner) {
      Value begin = e.mul(group, most);
      return forRows(zero, begin, e.min(rows, e.add(begin, most)), inner, body);
    });
  }
  carried.assign(values.begin() + 1, values.end());
  return values[0];
}

/// Units of the rows from `begin` to `end`. Carries the next unit, counted from the first of these, and the body's
/// values.
PanelTurns::Values PanelTurns::forRows(Value expert, Value begin, Value end, ValueRange carried, Body body) {
  Value zero = e.integer(0), next = carried[0], rows = e.sub(end, begin);
  Value turns = e.ceilDiv(rows, tileRows), units = e.mul(turns, cells);
  Value left = e.add(e.sub(units, next), e.sub(stride, e.integer(1)));
  Value own = e.select(e.less(next, units), e.div(left, stride), zero);
  Values last = e.loop(zero, own, 1, carried.drop_front(), [&](Value index, ValueRange inner) {
    Value unit = e.add(next, e.mul(index, stride));
    Value first = e.mul(e.rem(unit, turns), tileRows);
    Value count = e.min(e.sub(rows, first), e.integer(tileRows));
    Value cell = e.div(unit, turns);
    if (rank)
      cell = e.add(e.mul(cell, panelCluster), rank);
    return body({cell, expert, e.add(begin, first), count}, inner);
  });
  Values all = {e.sub(e.add(next, e.mul(own, stride)), units)};
  all.append(last);
  return all;
}
