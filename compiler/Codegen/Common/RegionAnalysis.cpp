// SPDX-License-Identifier: Apache-2.0
//
// An op differs between lanes if an operand does; block order is use order, so one walk finds all of them. A sum is
// where lanes meet: it takes a value that differs and gives one that does not. Slices therefore end at sums, each of
// which is the result of an earlier pass over the lanes. Slices keep the order of the block, in which a value stands
// before its uses.

#include "compiler/Codegen/Common/RegionAnalysis.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

RegionAnalysis::RegionAnalysis(Region &region, ValueRange varying) : block(&region.front()) {
  DenseSet<Value> differs(varying.begin(), varying.end());
  for (Operation &op : *block) {
    if (isa<kernel::SumOp>(op) || llvm::none_of(op.getOperands(), [&](Value v) { return differs.contains(v); }))
      continue;
    varyingOps.insert(&op);
    differs.insert(op.result_begin(), op.result_end());
  }
}

/// The ops of a set, in the order of the block.
static SmallVector<Operation *> inOrder(Block &block, const DenseSet<Operation *> &needed) {
  SmallVector<Operation *> ops;
  for (Operation &op : block)
    if (needed.contains(&op))
      ops.push_back(&op);
  return ops;
}

SmallVector<Operation *> RegionAnalysis::slice(ValueRange roots, IsBound isBound) const {
  DenseSet<Operation *> needed;
  SmallVector<Value> open(roots);
  while (!open.empty()) {
    Value value = open.pop_back_val();
    Operation *op = value.getDefiningOp();
    // What is bound, or computed outside the region, has its value already.
    if (!op || op->getBlock() != block || isBound(value) || !needed.insert(op).second)
      continue;
    // A sum belongs to the slice, but what it adds is another pass over the lanes.
    if (!isa<kernel::SumOp>(op))
      llvm::append_range(open, op->getOperands());
  }
  return inOrder(*block, needed);
}

SmallVector<Operation *> RegionAnalysis::effects(IsBound isBound) const {
  SmallVector<Value> roots;
  DenseSet<Operation *> needed;
  for (Operation &op : *block) {
    // An op without results is there for its effect.
    if (op.getNumResults() != 0 || op.hasTrait<OpTrait::IsTerminator>())
      continue;
    needed.insert(&op);
    llvm::append_range(roots, op.getOperands());
  }
  needed.insert_range(slice(roots, isBound));
  return inOrder(*block, needed);
}

/// Sums that need no other open sum; the rest stays in `open`. Called again once these are bound.
SmallVector<kernel::SumOp> RegionAnalysis::takeReady(SmallVector<kernel::SumOp> &open, IsBound isBound) const {
  SmallVector<kernel::SumOp> ready, later;
  for (kernel::SumOp sum : open) {
    bool waits = llvm::any_of(slice(sum.getValue(), isBound), llvm::IsaPred<kernel::SumOp>);
    (waits ? later : ready).push_back(sum);
  }
  open = std::move(later);
  return ready;
}
