// SPDX-License-Identifier: Apache-2.0
//
// Matches products that do not depend on each other or on a launch between them. They become members of one
// kernel.parallel, whose cells follow one another in one grid: a barrier less, and the cells of the larger fill the
// gaps of the smaller. A product moves up to the first launch that it may join, past launches that neither write what
// it reads nor touch what it writes. Members keep their code, so no bit changes. It runs last, since no other pass
// looks into a launch's members.

#include "dialects/Kernel/Transforms/Bodies.h"
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

/// A launched op and what it touches.
struct Launch {
  kernel::LaunchedOpInterface op;
  kernel::Accesses accesses;
};

/// True if `op` must stay behind `other`: it reads what `other` writes, or writes what `other` touches.
bool dependsOnLaunch(const kernel::Accesses &op, const kernel::Accesses &other) {
  return llvm::any_of(op.reads, [&](Value view) { return other.writes.contains(view); }) ||
         llvm::any_of(op.writes, [&](Value view) { return other.all.contains(view); });
}

struct MergeLaunchesPass : yupana::impl::MergeLaunchesPassBase<MergeLaunchesPass> {
  void runOnOperation() override {
    for (auto program : getOperation().getOps<kernel::ProgramOp>()) {
      SmallVector<Launch> launches;
      for (auto op : llvm::make_early_inc_range(program.getBody().getOps<kernel::LaunchedOpInterface>()))
        place({op, op.getAccesses()}, launches);
    }
  }

private:
  /// Lets a gemm join the first one behind everything that it depends on; all else stays where it is.
  static void place(Launch next, SmallVectorImpl<Launch> &launches) {
    if (auto gemm = dyn_cast<kernel::GemmOp>(next.op.getOperation())) {
      auto free = launches.end();
      while (free != launches.begin() && !dependsOnLaunch(next.accesses, std::prev(free)->accesses))
        --free;
      auto group = std::find_if(free, launches.end(), [](Launch &launch) {
        return isa<kernel::GemmOp, kernel::ParallelOp>(launch.op.getOperation());
      });
      if (group != launches.end())
        return join(gemm, next.accesses, *group);
    }
    launches.push_back(std::move(next));
  }

  static void join(kernel::GemmOp op, const kernel::Accesses &accesses, Launch &group) {
    auto parallel = dyn_cast<kernel::ParallelOp>(group.op.getOperation());
    if (!parallel) {
      OpBuilder builder(group.op);
      parallel = kernel::ParallelOp::create(builder, group.op->getLoc(), /*workspaces=*/ValueRange(),
                                            kernel::GridAttr(), kernel::ConfigAttrInterface());
      builder.createBlock(&parallel.getBody());
      group.op->moveBefore(&parallel.getBody().front(), parallel.getBody().front().end());
      group.op = parallel;
    }
    // What names the memory of `op` has to stand before the place it moves to.
    for (Value view : accesses.all)
      if (Operation *named = view.getDefiningOp(); parallel->isBeforeInBlock(named))
        named->moveBefore(parallel);
    op->moveBefore(&parallel.getBody().front(), parallel.getBody().front().end());
    group.accesses.reads.insert_range(accesses.reads);
    group.accesses.writes.insert_range(accesses.writes);
    group.accesses.all.insert_range(accesses.all);
  }
};

} // namespace
