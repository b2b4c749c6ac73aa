// SPDX-License-Identifier: Apache-2.0
//
// Closes the compilation, once code generation has replaced the library: plan ops and the weights they name are all
// that is left, and every kernel has an image. The exporter takes this for granted and has no errors of its own for it,
// because what is missing can be named here by its op, and there only by a number. It runs on the merged module of all
// targets, after the phases of each; how many targets there are is the user's choice, so one is enough. An op that is
// left is one that a phase forgot.

#include "dialects/Plan/IR/Plan.h"
#include "passes/ToPlan/Passes.h"

#define DEBUG_TYPE "yupana-verify-plan-form"

namespace yupana {
#define GEN_PASS_DEF_VERIFYPLANFORMPASS
#include "passes/ToPlan/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;

namespace {

struct VerifyPlanFormPass : yupana::impl::VerifyPlanFormPassBase<VerifyPlanFormPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    for (Operation &op : *module.getBody()) {
      if (isa<plan::PlanDialect>(op.getDialect()) || isa<lm::WeightOp, lm::InterleavedOp, lm::TableOp>(op))
        continue;
      op.emitOpError() << "is left, expected plan ops and the weights they name alone";
      return signalPassFailure();
    }
    if (!llvm::hasSingleElement(module.getOps<plan::ModelOp>())) {
      module.emitError() << "module has "
                         << std::distance(module.getOps<plan::ModelOp>().begin(), module.getOps<plan::ModelOp>().end())
                         << " plan.model ops, expected one";
      return signalPassFailure();
    }
    if (module.getOps<plan::TargetOp>().empty()) {
      module.emitError() << "module has no plan.target";
      return signalPassFailure();
    }
    for (auto target : module.getOps<plan::TargetOp>()) {
      for (auto kernel : target.getBody().getOps<plan::KernelOp>()) {
        if (kernel.getImages() && !kernel.getImages()->empty())
          continue;
        kernel.emitOpError() << kernel.getSymbolAttr() << " has no image, expected code generation to have run";
        return signalPassFailure();
      }
    }
  }
};

} // namespace
