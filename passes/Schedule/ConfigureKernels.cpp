// SPDX-License-Identifier: Apache-2.0
//
// Writes on each launched op the config that the target chooses for it, tiles among it, and the grid that follows from
// op and config. It runs last of what shapes launches, since both depend on what a kernel has become and on the program
// it runs in. A config that is there already is kept, so that a tuner or a test can decide instead; a grid is always
// written anew. Kernels are told apart, where a tuner decides, before the first config is written, since what follows
// from configs must not show. Members come before their kernel.parallel, whose grid is the sum of theirs unless the
// target shares out their work. A target that has no grid for an op reports it at the op. What blocks of a launch leave
// for one another lies in workspaces, whose sizes follow from the config, too; they get names here, before memory is
// planned.

#include "dialects/Kernel/Transforms/GridBuilder.h"
#include "dialects/Kernel/Transforms/KernelText.h"
#include "dialects/Kernel/Transforms/TargetPass.h"
#include "passes/Schedule/Passes.h"
#include "passes/Schedule/Timings.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringMap.h"

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

/// The ops of a launch that take a config: its members, or the op itself.
SmallVector<LaunchedOpInterface> configuredOps(LaunchedOpInterface launch) {
  if (auto parallel = dyn_cast<ParallelOp>(launch.getOperation()))
    return llvm::to_vector(parallel.getBody().getOps<LaunchedOpInterface>());
  return {launch};
}

SmallVector<LaunchedOpInterface> launchesOf(ModuleOp module) {
  SmallVector<LaunchedOpInterface> launches;
  module.walk([&](LaunchedOpInterface op) {
    if (!isa<ParallelOp>(op->getParentOp()))
      launches.push_back(op);
  });
  return launches;
}

struct ConfigureKernelsPass : kernel::TargetPass<yupana::impl::ConfigureKernelsPassBase<ConfigureKernelsPass>> {
  using TargetPass::TargetPass;

  void runOnModule(const TargetModel &model) override {
    if (failed(decide(model)))
      return signalPassFailure();
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

private:
  /// Writes the configs that a tuner decides about.
  LogicalResult decide(const TargetModel &model) {
    if (candidate < -1 || (candidate >= 0 && !timings.empty()))
      return getOperation().emitError() << "candidate is " << candidate.getValue()
                                        << ", expected a number from 0, and then no timings, or -1 for none";
    if (candidate >= 0)
      takeCandidates(model);
    return timings.empty() ? success() : takeFastest(model);
  }

  void takeCandidates(const TargetModel &model) {
    SmallVector<LaunchedOpInterface> launches = launchesOf(getOperation());
    SmallVector<std::string> digests;
    for (LaunchedOpInterface launch : launches)
      digests.push_back(digestKernel(launch, maxTokensOf(launch)));
    for (auto [launch, digest] : llvm::zip_equal(launches, digests)) {
      int64_t most = 1, tokens = maxTokensOf(launch);
      for (LaunchedOpInterface op : configuredOps(launch)) {
        if (op.getConfigAttr())
          continue;
        SmallVector<ConfigAttrInterface> configs = model.listConfigs(op, tokens);
        auto count = static_cast<int64_t>(configs.size());
        op.setConfigAttr(configs[std::min<int64_t>(candidate, count - 1)]);
        most = std::max(most, count);
      }
      launch->setAttr(SignatureAttr::attributeName,
                      SignatureAttr::get(&getContext(), StringAttr::get(&getContext(), digest), tokens, most));
    }
  }

  LogicalResult takeFastest(const TargetModel &model) {
    Result<Timings> file = Timings::read(timings, getContext());
    if (!file)
      return getOperation().emitError() << file.error().message;
    llvm::StringMap<bool> kernels; ///< By digest: whether the file has told its configs.
    size_t stale = 0, timed = 0;
    SmallVector<std::pair<LaunchedOpInterface, const Timings::Configs *>> decided;
    for (LaunchedOpInterface launch : launchesOf(getOperation())) {
      std::string digest = digestKernel(launch, maxTokensOf(launch));
      const Timings::Configs *configs = file->find(model.getName(), digest);
      bool listed = configs && areListed(model, launch, *configs);
      if (listed)
        decided.push_back({launch, configs});
      if (!kernels.try_emplace(digest, listed).second)
        continue;
      timed += listed;
      stale += configs && !listed;
    }
    for (auto [launch, configs] : decided)
      for (auto [op, config] : llvm::zip_equal(configuredOps(launch), *configs))
        if (!op.getConfigAttr())
          op.setConfigAttr(config);
    InFlightDiagnostic remark = getOperation().emitRemark();
    remark << "timings: " << timed << " of " << kernels.size() << " kernels of " << model.getName()
           << " configured from " << timings.getValue();
    if (size_t unused = file->count(model.getName()) - timed - stale)
      remark << ", in which " << unused << (unused == 1 ? " entry matches" : " entries match") << " no kernel";
    if (stale)
      remark << "; " << stale << (stale == 1 ? " has" : " have")
             << " configs that this compiler does not time any more";
    return success();
  }

  /// A config that the target does not list might change bits, or be one that it cannot generate code for.
  static bool areListed(const TargetModel &model, LaunchedOpInterface launch, const Timings::Configs &configs) {
    SmallVector<LaunchedOpInterface> ops = configuredOps(launch);
    return ops.size() == configs.size() && llvm::all_of(llvm::zip(ops, configs), [&](auto pair) {
             auto [op, config] = pair;
             return llvm::is_contained(model.listConfigs(op, maxTokensOf(op)), config);
           });
  }
};

} // namespace
