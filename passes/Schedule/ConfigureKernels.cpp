// SPDX-License-Identifier: Apache-2.0
//
// Where a GEMM tile is chosen: what the target answers is written on the op here. It runs last of what shapes launches,
// since choices depend on what a kernel has become and on the program it runs in; a config that is there already is
// kept, so that a tuner or a test can decide instead.

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
