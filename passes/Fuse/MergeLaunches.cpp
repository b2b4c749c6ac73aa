// SPDX-License-Identifier: Apache-2.0

#include "passes/Fuse/Fusion.h"
#include "passes/Fuse/Passes.h"

#define DEBUG_TYPE "yupana-merge-launches"

namespace yupana {
#define GEN_PASS_DEF_MERGELAUNCHESPASS
#include "passes/Fuse/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;
using namespace yupana::fusion;

namespace {



/// May `op` run beside `earlier`, before everything that stands between? It must read nothing that is written there, and
/// what it writes must be touched by nobody there.
bool canRunBeside(kernel::LaunchedOpInterface op, kernel::LaunchedOpInterface earlier) {
  kernel::Accesses own = kernel::getAccesses(op);
  for (Operation *other = earlier; other != op; other = other->getNextNode()) {
    auto launched = dyn_cast<kernel::LaunchedOpInterface>(other);
    if (!launched)
      continue;
    kernel::Accesses accesses = kernel::getAccesses(launched);
    if (llvm::any_of(own.reads, [&](Value view) { return accesses.writes.contains(view); }) ||
        llvm::any_of(own.writes, [&](Value view) { return accesses.all.contains(view); }))
      return false;
  }
  return true;
}

struct MergeLaunchesPass : yupana::impl::MergeLaunchesPassBase<MergeLaunchesPass> {
  void runOnOperation() override {
    for (auto program : getOperation().getOps<kernel::ProgramOp>()) {
      SmallVector<kernel::LaunchedOpInterface> gemms;
      for (auto op : llvm::make_early_inc_range(program.getBody().getOps<kernel::GemmOp>()))
        place(op, gemms);
    }
  }

private:
  /// Joins the first group of gemms that `op` can run beside, else begins one.
  void place(kernel::GemmOp op, SmallVectorImpl<kernel::LaunchedOpInterface> &groups) {
    for (kernel::LaunchedOpInterface &group : groups)
      if (canRunBeside(op, group)) {
        group = join(op, group);
        return;
      }
    groups.push_back(op);
  }

  static kernel::LaunchedOpInterface join(kernel::GemmOp op, kernel::LaunchedOpInterface group) {
    auto parallel = dyn_cast<kernel::ParallelOp>(group.getOperation());
    if (!parallel) {
      OpBuilder builder(group);
      parallel = kernel::ParallelOp::create(builder, group->getLoc(), kernel::GridAttr(), Attribute());
      builder.createBlock(&parallel.getBody());
      group->moveBefore(&parallel.getBody().front(), parallel.getBody().front().end());
    }
    hoistViews(op, parallel);
    op->moveBefore(&parallel.getBody().front(), parallel.getBody().front().end());
    return parallel;
  }

  /// What names the memory of `op` has to stand before the place it moves to.
  static void hoistViews(kernel::GemmOp op, kernel::ParallelOp to) {
    for (Value view : kernel::getAccesses(op).all)
      if (Operation *named = view.getDefiningOp(); to->isBeforeInBlock(named))
        named->moveBefore(to);
  }
};

} // namespace
