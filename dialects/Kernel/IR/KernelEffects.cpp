// SPDX-License-Identifier: Apache-2.0
//
// What launched ops read and write, and the effects that upstream passes see.
//
// A launched op touches memory through its operands and through the loads, stores and appends of its regions. Stores
// and appends have write effects of their own. Loads have none: they may be joined, moved within their region and
// dropped, because nothing they read is written by the op they stand in. That is verified here, once for all ops. A
// workspace is the exception: one op reads and writes it, so loads of it have a read effect. Passes that remove or
// reorder launched ops ask the launched op, whose effects are the union.

#include "dialects/Kernel/IR/Kernel.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::kernel;

/// The views and caches that an op writes itself; the rest of its operands it reads.
static SmallVector<Value> writtenOperands(Operation *op) {
  if (auto launched = dyn_cast<LaunchedOpInterface>(op))
    return launched.getWrittenOperands();
  SmallVector<Value> written;
  if (auto memory = dyn_cast<MemoryEffectOpInterface>(op)) {
    SmallVector<MemoryEffects::EffectInstance> effects;
    memory.getEffects<MemoryEffects::Write>(effects);
    for (MemoryEffects::EffectInstance &effect : effects)
      written.push_back(effect.getValue());
  }
  return written;
}

/// What an effect on a view or cache is an effect on. An argument of an outlined kernel that is a view counts as memory
/// of the step: nothing is reordered there.
static SideEffects::Resource *resourceOf(Value view) {
  if (isa<CacheType>(view.getType()) || view.getDefiningOp<HistoryOp>())
    return LastingMemory::get();
  return StepMemory::get();
}

bool kernel::isWorkspace(Value view) {
  if (auto buffer = view.getDefiningOp<BufferOp>())
    return buffer.getWorkspace();
  auto argument = dyn_cast<BlockArgument>(view);
  auto func = argument ? dyn_cast<FuncOp>(argument.getOwner()->getParentOp()) : FuncOp();
  return func && func.getWorkspaces() &&
         llvm::is_contained(*func.getWorkspaces(), static_cast<int64_t>(argument.getArgNumber()));
}

/// What a load of `view` does: nothing, except where its own kernel may have written.
static void addLoad(OpOperand &view, SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  if (isWorkspace(view.get()))
    effects.emplace_back(MemoryEffects::Read::get(), &view, StepMemory::get());
}

void LoadOp::getEffects(SmallVectorImpl<MemoryEffects::EffectInstance> &effects) { addLoad(getViewMutable(), effects); }
void RowSumOp::getEffects(SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  addLoad(getViewMutable(), effects);
}

void StoreOp::getEffects(SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  effects.emplace_back(MemoryEffects::Write::get(), &getViewMutable(), resourceOf(getView()));
}

//===----------------------------------------------------------------------===//
// Launched ops
//===----------------------------------------------------------------------===//

/// The regions of a parallel op hold launched ops, which have their own.
SmallVector<Region *> kernel::detail::collectScalarRegions(Operation *op) {
  SmallVector<Region *> regions;
  if (isa<ParallelOp>(op))
    return regions;
  for (Region &region : op->getRegions())
    if (!region.empty())
      regions.push_back(&region);
  return regions;
}

/// In the order of the text. An op that both reads and writes a view, as a workspace, counts as its writer.
Accesses kernel::detail::collectAccesses(Operation *op) {
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

void kernel::detail::addEffects(const Accesses &accesses, SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  // Effects name results and arguments in two ways; the view is either.
  auto add = [&](auto *effect, Value view) {
    if (auto result = dyn_cast<OpResult>(view))
      effects.emplace_back(effect, result, resourceOf(view));
    else
      effects.emplace_back(effect, cast<BlockArgument>(view), resourceOf(view));
  };
  for (Value view : accesses.reads)
    add(MemoryEffects::Read::get(), view);
  for (Value view : accesses.writes)
    add(MemoryEffects::Write::get(), view);
}

LogicalResult kernel::detail::verifyAccesses(Operation *op) {
  for (Value workspace : cast<LaunchedOpInterface>(op).getGivenWorkspaces())
    if (!isWorkspace(workspace))
      return op->emitOpError() << "is given a " << workspace.getType()
                               << " as a workspace, expected memory that is one";
  // Its members are verified one by one, and against one another by the op itself, which names both.
  if (isa<ParallelOp>(op))
    return success();
  Accesses accesses = cast<LaunchedOpInterface>(op).getAccesses();
  for (Value view : accesses.writes) {
    if (!accesses.reads.contains(view) || isWorkspace(view))
      continue;
    InFlightDiagnostic diag = op->emitOpError() << "reads a " << view.getType() << " that it also writes";
    op->walk([&](Operation *inner) {
      if (inner != op && llvm::is_contained(writtenOperands(inner), view))
        diag.attachNote(inner->getLoc()) << "written here";
    });
    return diag;
  }
  return success();
}
