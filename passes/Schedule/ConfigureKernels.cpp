// SPDX-License-Identifier: Apache-2.0
//
// Writes on each launched op the config that the target chooses for it, tiles among it, and the grid that follows from
// op and config. It runs last of what shapes launches, since both depend on what a kernel has become and on the program
// it runs in. A config that is there already is kept, so that a tuner or a test can decide instead; a grid is always
// written anew. Members come before their kernel.parallel, whose grid is the sum of theirs unless the target shares out
// their work. A target that has no grid for an op reports it at the op. What blocks of a launch leave for one another
// lies in workspaces, whose sizes follow from the config, too; they get names here, before memory is planned.

#include "dialects/Kernel/Transforms/GridBuilder.h"
#include "dialects/Kernel/Transforms/TargetPass.h"
#include "passes/Schedule/Passes.h"

#include "mlir/IR/Builders.h"

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

/// Names the memory that the target wants for a launch, in front of it. Buffers of different programs never have one
/// name, which would make them one.
void giveWorkspaces(const TargetModel &model, LaunchedOpInterface op, int64_t &count) {
  auto program = dyn_cast<ProgramOp>(op->getParentOp());
  if (!program || !op.getGivenWorkspaces().empty())
    return;
  OpBuilder builder(op);
  SmallVector<Value> workspaces;
  for (ViewType type : model.getWorkspaces(op)) {
    std::string name = (program.getSymName() + ".workspace." + Twine(count++)).str();
    workspaces.push_back(BufferOp::create(builder, op->getLoc(), type, builder.getStringAttr(name),
                                          builder.getUnitAttr(), IntegerAttr(), IntegerAttr(), IntegerAttr(),
                                          IntegerAttr(), IntegerAttr()));
  }
  if (!workspaces.empty())
    op.giveWorkspaces(workspaces);
}

struct ConfigureKernelsPass : kernel::TargetPass<yupana::impl::ConfigureKernelsPassBase<ConfigureKernelsPass>> {
  using TargetPass::TargetPass;

  void runOnModule(const TargetModel &model) override {
    int64_t workspaces = 0;
    WalkResult result = getOperation().walk([&](LaunchedOpInterface op) -> WalkResult {
      if (auto parallel = dyn_cast<ParallelOp>(op.getOperation())) {
        GridAttr shared = model.getSharedGrid(parallel);
        parallel.setGridAttr(shared ? shared : sumOfGrids(parallel));
        giveWorkspaces(model, op, workspaces);
        return WalkResult::advance();
      }
      if (!op.getConfigAttr())
        op.setConfigAttr(model.chooseConfig(op, maxTokensOf(op)));
      GridAttr grid = model.getGrid(op);
      if (!grid)
        return WalkResult::interrupt();
      op.setGridAttr(grid);
      giveWorkspaces(model, op, workspaces);
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
