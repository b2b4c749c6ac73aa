// SPDX-License-Identifier: Apache-2.0
//
// What passes ask about a program of kernels, answered from the IR as it stands and kept nowhere: programs have some
// dozens of launches, so that asking again costs less than keeping an analysis valid while a pass moves bodies. A
// buffer has one writer and is named once per program (both verified), so its uses are those of one SSA value and no
// alias analysis is needed. Between programs memory is shared by name, which is why a buffer whose name occurs
// elsewhere has unknown uses. Indices are understood as far as lowerings and fusions write them, a linear form of group
// and lane; anything else is answered with "unknown", on which no pass acts.

#include "dialects/Kernel/Analysis/Analysis.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::kernel;

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

LaunchedOpInterface kernel::launchedOf(Operation *op) {
  while (op && !isa_and_nonnull<ProgramOp>(op->getParentOp()))
    op = op->getParentOp();
  return dyn_cast_or_null<LaunchedOpInterface>(op);
}

/// The one launched op that all of these stand in; null for none and for several.
template <typename Ops> static LaunchedOpInterface commonLaunched(const Ops &ops) {
  LaunchedOpInterface common;
  for (auto op : ops) {
    LaunchedOpInterface launched = launchedOf(op);
    if (common && launched != common)
      return {};
    common = launched;
  }
  return common;
}

LaunchedOpInterface BufferUses::writer() const { return commonLaunched(stores); }
LaunchedOpInterface BufferUses::reader() const { return commonLaunched(loads); }

/// A buffer of this name in another program is the same memory: what is written here may be read there.
bool kernel::isShared(BufferOp buffer) {
  auto program = buffer->getParentOfType<ProgramOp>();
  return llvm::any_of(program->getParentRegion()->getOps<ProgramOp>(), [&](ProgramOp other) {
    return other != program && llvm::any_of(other.getBody().getOps<BufferOp>(), [&](BufferOp named) {
             return named.getNameAttr() == buffer.getNameAttr();
           });
  });
}

/// Only buffers of one program can be followed to all their uses. Inputs, weights and what programs share count as
/// having other users, which keeps passes away from them.
BufferUses kernel::usesOf(Value view) {
  BufferUses uses;
  auto buffer = view.getDefiningOp<BufferOp>();
  uses.hasOthers = !buffer || isShared(buffer);
  for (Operation *user : view.getUsers()) {
    if (auto store = dyn_cast<StoreOp>(user))
      uses.stores.push_back(store);
    else if (auto load = dyn_cast<LoadOp>(user))
      uses.loads.push_back(load);
    else
      uses.hasOthers = true;
  }
  return uses;
}

/// In the order of their first load, so that what a pass makes of them does not depend on addresses.
llvm::SetVector<Value> kernel::loadedViews(Region &body) {
  llvm::SetVector<Value> views;
  body.walk([&](LoadOp load) { views.insert(load.getView()); });
  return views;
}

bool kernel::canSinkTo(LaunchedOpInterface earlier, LaunchedOpInterface later) {
  Accesses moved = earlier.getAccesses();
  // What `later` itself touches does not count: it becomes one kernel with `earlier`, or stays behind it.
  for (Operation *op = earlier->getNextNode(); op != later; op = op->getNextNode()) {
    // `later` does not follow at all.
    if (!op)
      return false;
    auto launched = dyn_cast<LaunchedOpInterface>(op);
    if (!launched)
      continue;
    Accesses between = launched.getAccesses();
    if (llvm::any_of(moved.writes, [&](Value view) { return between.all.contains(view); }) ||
        llvm::any_of(moved.reads, [&](Value view) { return between.writes.contains(view); }))
      return false;
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Indices
//===----------------------------------------------------------------------===//

/// Reads an index as group · a + lane · b + c. Passes compare these numbers and not the ops, which differ by frontends
/// and by what was folded.
std::optional<LaneIndex> kernel::laneIndex(Value index, MapOp map) {
  if (index == map.getGroup())
    return LaneIndex{1, 0, 0};
  if (index == map.getLane())
    return LaneIndex{0, 1, 0};
  if (std::optional<int64_t> constant = getConstantIntValue(index))
    return LaneIndex{0, 0, *constant};
  Operation *op = index.getDefiningOp();
  if (!isa_and_nonnull<arith::AddIOp, arith::MulIOp>(op))
    return std::nullopt;
  std::optional<LaneIndex> x = laneIndex(op->getOperand(0), map), y = laneIndex(op->getOperand(1), map);
  if (!x || !y)
    return std::nullopt;
  if (isa<arith::AddIOp>(op))
    return LaneIndex{x->group + y->group, x->lane + y->lane, x->constant + y->constant};
  // A product is linear if one side is a constant, which becomes `x`.
  if (x->group || x->lane)
    std::swap(x, y);
  if (x->group || x->lane)
    return std::nullopt;
  return LaneIndex{x->constant * y->group, x->constant * y->lane, x->constant * y->constant};
}

/// The element at [row, group · width + lane], which is the one that this lane computes. With one group its number is 0
/// and may stand with any factor.
bool kernel::isOwnElement(ValueRange indices, MapOp map) {
  if (indices.size() != 2 || indices[0] != map.getRow())
    return false;
  std::optional<LaneIndex> index = laneIndex(indices[1], map);
  return index && index->lane == 1 && index->constant == 0 &&
         (map.getGroups() == 1 || index->group == static_cast<int64_t>(map.getWidth()));
}

/// Which half of a pair of features, 2 · lane or 2 · lane + 1 of a head of twice the width, is accessed.
std::optional<int64_t> kernel::halfOfPair(ValueRange indices, MapOp map) {
  if (indices.size() != 2 || indices[0] != map.getRow())
    return std::nullopt;
  std::optional<LaneIndex> index = laneIndex(indices[1], map);
  int64_t head = 2 * static_cast<int64_t>(map.getWidth());
  if (!index || index->lane != 2 || (map.getGroups() != 1 && index->group != head) || index->constant < 0 ||
      index->constant > 1)
    return std::nullopt;
  return index->constant;
}

bool kernel::covers(MapOp map, int64_t features) {
  return static_cast<int64_t>(map.getGroups() * map.getWidth()) == features;
}

/// Values from outside of the block cannot depend on its arguments.
bool kernel::dependsOn(Value value, BlockArgument argument) {
  llvm::SetVector<Value> open;
  open.insert(value);
  for (size_t i = 0; i < open.size(); ++i) {
    Value next = open[i];
    if (next == argument)
      return true;
    if (Operation *op = next.getDefiningOp(); op && op->getBlock() == argument.getOwner())
      open.insert(op->operand_begin(), op->operand_end());
  }
  return false;
}

/// Views whose elements differ from lane to lane: those along the row, and not single values such as scores.
SmallVector<Value> kernel::viewsAlongRow(MapOp map) {
  llvm::SetVector<Value> views;
  auto lane = cast<BlockArgument>(map.getLane());
  for (auto load : map.getBody().getOps<LoadOp>())
    if (load.getView().getDefiningOp<BufferOp>() &&
        llvm::any_of(load.getIndices(), [&](Value index) { return dependsOn(index, lane); }))
      views.insert(load.getView());
  return views.takeVector();
}
