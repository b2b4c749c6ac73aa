// SPDX-License-Identifier: Apache-2.0

#include "dialects/Kernel/IR/Kernel.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::kernel;

/// Views and caches that an op writes; the rest of its operands it reads.
static SmallVector<Value> writtenOperands(Operation *op) {
  return llvm::TypeSwitch<Operation *, SmallVector<Value>>(op)
      .Case([](AttentionOp op) { return SmallVector<Value>{op.getOut()}; })
      .Case([](RouteOp op) {
        return SmallVector<Value>{op.getExperts(), op.getScores()};
      })
      .Case([](SampleOp op) { return SmallVector<Value>{op.getIds()}; })
      .Case([](StoreOp op) { return SmallVector<Value>{op.getView()}; })
      .Case([](AppendOp op) { return SmallVector<Value>{op.getCache()}; })
      .Default([](Operation *) { return SmallVector<Value>(); });
}

Accesses kernel::getAccesses(LaunchedOpInterface op) {
  Accesses accesses;
  op->walk<WalkOrder::PreOrder>([&](Operation *inner) {
    SmallVector<Value> written = writtenOperands(inner);
    for (Value operand : inner->getOperands()) {
      if (!isa<ViewType, CacheType>(operand.getType()))
        continue;
      accesses.all.insert(operand);
      (llvm::is_contained(written, operand) ? accesses.writes : accesses.reads).insert(operand);
    }
  });
  return accesses;
}
