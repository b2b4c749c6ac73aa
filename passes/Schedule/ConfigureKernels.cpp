// SPDX-License-Identifier: Apache-2.0
//
// Writes on each launched op the config that the target chooses for it, tiles among it, and the grid that follows from
// op and config. It runs last of what shapes launches, since both depend on what a kernel has become and on the program
// it runs in. A config that is there already is kept, so that a tuner or a test can decide instead; a grid is always
// written anew. Members come before their kernel.parallel, whose grid is the sum of theirs. A target that has no grid
// for an op reports it at the op.

#include "dialects/Kernel/Transforms/GridBuilder.h"
#include "dialects/Kernel/Transforms/TargetPass.h"
#include "passes/Schedule/Passes.h"

#define DEBUG_TYPE "yupana-configure-kernels"

namespace yupana {
#define GEN_PASS_DEF_CONFIGUREKERNELSPASS
#include "passes/Schedule/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;
using namespace yupana::kernel;

namespace {

/// The members have their grids: a walk comes to them first.
GridAttr sumOfGrids(ParallelOp op) {
  GridBuilder sum(op.getContext());
  for (auto member : op.getBody().getOps<LaunchedOpInterface>())
    sum.add(member.getGridAttr());
  return sum.get();
}

/// The largest T of the steps that the op runs in.
int64_t maxTokensOf(LaunchedOpInterface op) {
  auto program = op->getParentOfType<ProgramOp>();
  return program ? program.getMaxTokens() : 1;
}

struct ConfigureKernelsPass : kernel::TargetPass<yupana::impl::ConfigureKernelsPassBase<ConfigureKernelsPass>> {
  using TargetPass::TargetPass;

  void runOnModule(const TargetModel &model) override {
    WalkResult result = getOperation().walk([&](LaunchedOpInterface op) -> WalkResult {
      if (auto parallel = dyn_cast<ParallelOp>(op.getOperation())) {
        parallel.setGridAttr(sumOfGrids(parallel));
        return WalkResult::advance();
      }
      if (!op.getConfigAttr())
        op.setConfigAttr(model.chooseConfig(op, maxTokensOf(op)));
      GridAttr grid = model.getGrid(op);
      if (!grid)
        return WalkResult::interrupt();
      op.setGridAttr(grid);
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
