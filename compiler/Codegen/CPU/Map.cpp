// SPDX-License-Identifier: Apache-2.0
//
// A map cell is a run of rows. Each row is walked group by group, and each group in pieces of 16 lanes: sums over the
// group first, then everything with an effect, so that a sum is there before the lanes that need it. How many rows a
// cell has is the config's: as many as make it worth claiming (Choices.cpp).

#include "compiler/Codegen/CPU/GroupRegion.h"
#include "compiler/Codegen/CPU/Kernels.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

static LogicalResult emitRowGroup(KernelEmitter &e, kernel::MapOp op, Value row, Value group) {
  ScalarRegion region(e, op.getBody(), op.getLane());
  region.bind(op.getRow(), LaneValue::uniform(row));
  region.bind(op.getGroup(), LaneValue::uniform(group));
  auto bindLanes = [&](ScalarRegion &piece, Value begin, ActiveLanes) {
    piece.bind(op.getLane(), LaneValue::consecutive(begin, vectorLanes));
  };
  return GroupRegion(e, op.getBody(), std::move(region), op.getWidth(), bindLanes).emit();
}

LogicalResult codegen::emitTemplate(KernelEmitter &e, kernel::MapOp op) {
  FailureOr<kernel::X86Attr> config = e.config(op);
  if (failed(config))
    return failure();
  Value begin = e.mul(e.first, config->getRows());
  Value end = e.min(e.mul(e.last, config->getRows()), e.size(op.getRows()));
  LogicalResult result = success();
  e.loop(begin, end, [&](Value row) {
    if (op.getGroups() == 1)
      result = emitRowGroup(e, op, row, e.integer(0));
    else
      e.loop(e.integer(0), e.integer(op.getGroups()), [&](Value group) { result = emitRowGroup(e, op, row, group); });
  });
  return result;
}
