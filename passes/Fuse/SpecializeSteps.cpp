// SPDX-License-Identifier: Apache-2.0
//
// Matches every program of the step function and clones it once per bucket of the target: steps of few tokens and steps
// of many are then fused, cut and scheduled apart. It is legal since a step runs one program alone, and all of them
// find the same weights, tables, caches and history, whose forms the layout phase has fixed for the whole target;
// buffers are renamed, results keep their names, because the runtime and the sampling program look for them there. It
// runs after everything that is decided once per target and before everything that is decided per program. The order in
// which products add is decided here, for each program, since what is fused must add alike. Where
// results must not depend on the size of a step, and programs of the target could differ, the one there is stays alone.

#include "dialects/Kernel/IR/Kernel.h"
#include "dialects/Kernel/Transforms/TargetPass.h"
#include "passes/Fuse/Passes.h"

#include "mlir/IR/Builders.h"

#define DEBUG_TYPE "yupana-specialize-steps"

namespace yupana {
#define GEN_PASS_DEF_SPECIALIZESTEPSPASS
#include "passes/Fuse/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;
using namespace yupana::kernel;

namespace {

/// Buffers that other programs or the runtime find by their names.
llvm::DenseSet<StringAttr> sharedNames(ProgramOp program) {
  llvm::DenseSet<StringAttr> names;
  for (auto result : program.getBody().getOps<ResultOp>())
    if (auto buffer = result.getView().getDefiningOp<BufferOp>())
      names.insert(buffer.getNameAttr());
  return names;
}

struct SpecializeStepsPass : kernel::TargetPass<yupana::impl::SpecializeStepsPassBase<SpecializeStepsPass>> {
  using TargetPass::TargetPass;

  void runOnModule(const TargetModel &model) override {
    if (batchInvariant && !model.programsAgree())
      return;
    for (auto program : llvm::to_vector(getOperation().getOps<ProgramOp>()))
      if (program.getFunction() == Function::Step)
        for (int64_t bucket : model.getStepBuckets(program.getMaxTokens()))
          if (bucket < static_cast<int64_t>(program.getMaxTokens()))
            cloneFor(program, bucket);
    for (auto program : getOperation().getOps<ProgramOp>())
      if (program.getFunction() == Function::Step)
        stateNumerics(model, program);
  }

private:
  /// All are asked before the first is changed: an answer may depend on the program as it is.
  static void stateNumerics(const TargetModel &model, ProgramOp program) {
    SmallVector<std::pair<LaunchedOpInterface, NumericsAttr>> answers;
    program.walk([&](LaunchedOpInterface op) {
      if (op.getNumericsAttr())
        answers.push_back({op, model.getProgramNumerics(op, program.getMaxTokens())});
    });
    for (auto [op, numerics] : answers)
      op.setNumericsAttr(numerics);
  }

  /// Stands before `program`, so that step programs ascend in their largest T.
  void cloneFor(ProgramOp program, int64_t maxTokens) {
    OpBuilder builder(program);
    auto clone = cast<ProgramOp>(builder.clone(*program));
    clone.setMaxTokens(maxTokens);
    std::string name = (program.getSymName() + "." + Twine(maxTokens)).str();
    clone.setSymName(name);
    llvm::DenseSet<StringAttr> shared = sharedNames(clone);
    for (auto buffer : clone.getBody().getOps<BufferOp>())
      if (!shared.contains(buffer.getNameAttr()))
        buffer.setName((name + "." + buffer.getName()).str());
  }
};

} // namespace
