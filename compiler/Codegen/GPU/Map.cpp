// SPDX-License-Identifier: Apache-2.0
//
// A cell of a map is a run of rows, and its work is the groups of these rows. A team of threads takes a group at a
// time: a warp where lanes are summed, which is what makes the partial sums those of the numerics; else as many threads
// as the group has lanes, up to the whole block, so that one wide row keeps all threads busy and many narrow groups do,
// too.
#include "compiler/Codegen/GPU/GroupRegion.h"
#include "compiler/Codegen/GPU/Kernels.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

static bool contains(kernel::MapOp op, bool (*isOne)(Operation *)) {
  return llvm::any_of(op.getBody().front(), [&](Operation &inner) { return isOne(&inner); });
}

/// Threads of a team: a power of two.
static int64_t teamSize(kernel::MapOp op, int64_t threads) {
  if (contains(op, [](Operation *inner) { return isa<kernel::SumOp>(inner); }))
    return warpLanes;
  bool addsRows = contains(op, [](Operation *inner) { return isa<kernel::RowSumOp>(inner); });
  int64_t most = llvm::bit_floor(static_cast<uint64_t>(threads)), least = addsRows ? warpLanes : 1;
  return std::clamp<int64_t>(llvm::PowerOf2Ceil(op.getWidth()), least, most);
}

LogicalResult cuda::emitTemplate(KernelEmitter &e, kernel::MapOp op) {
  FailureOr<kernel::GPUAttr> config = e.config(op);
  if (failed(config))
    return failure();
  int64_t team = teamSize(op, e.threads), teams = e.threads / team;
  Value begin = e.mul(e.cell, config->getRows());
  Value rows = e.min(e.sub(e.size(op.getRows()), begin), e.integer(config->getRows()));
  Value first = e.div(e.thread, team), index = e.rem(e.thread, team);
  LogicalResult result = success();
  e.loop(first, e.mul(rows, op.getGroups()), teams, {}, [&](Value item, ValueRange) -> OpEmitter::Values {
    ScalarRegion region(e, op.getBody(), op.getLane());
    region.bind(op.getRow(), e.add(begin, e.div(item, op.getGroups())));
    region.bind(op.getGroup(), e.rem(item, op.getGroups()));
    auto bind = [&](ScalarRegion &turn, Value lane) { turn.bind(op.getLane(), lane); };
    result = GroupRegion(e, op.getBody(), std::move(region), op.getWidth(), {index, team}, bind).emit();
    return {};
  });
  return result;
}
