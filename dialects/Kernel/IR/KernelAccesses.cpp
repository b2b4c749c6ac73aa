// SPDX-License-Identifier: Apache-2.0

#include "dialects/Kernel/IR/Kernel.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::kernel;

/// Views that a launched op without a region writes; the rest of its operands it reads.
static SmallVector<Value> writtenOperands(Operation *op) {
  return llvm::TypeSwitch<Operation *, SmallVector<Value>>(op)
      .Case([](AttentionOp op) { return SmallVector<Value>{op.getOut()}; })
      .Case([](RouteOp op) {
        return SmallVector<Value>{op.getExperts(), op.getScores()};
      })
      .Case([](SortTokensOp op) {
        return SmallVector<Value>{op.getOffsets(), op.getOrder(), op.getSlots()};
      })
      .Case([](SampleOp op) { return SmallVector<Value>{op.getIds()}; })
      .Default([](Operation *) { return SmallVector<Value>(); });
}

Accesses kernel::getAccesses(LaunchedOpInterface op) {
  Accesses accesses;
  SmallVector<Value> written = writtenOperands(op);
  for (Value operand : op->getOperands()) {
    accesses.all.insert(operand);
    (llvm::is_contained(written, operand) ? accesses.writes : accesses.reads).insert(operand);
  }
  op->walk([&](Operation *inner) {
    if (inner == op.getOperation())
      return;
    for (Value operand : inner->getOperands()) {
      if (!isa<ViewType, CacheType>(operand.getType()))
        continue;
      accesses.all.insert(operand);
      bool writes = false;
      if (auto store = dyn_cast<StoreOp>(inner))
        writes = store.getView() == operand;
      else if (auto append = dyn_cast<AppendOp>(inner))
        writes = append.getCache() == operand;
      (writes ? accesses.writes : accesses.reads).insert(operand);
    }
  });
  return accesses;
}
