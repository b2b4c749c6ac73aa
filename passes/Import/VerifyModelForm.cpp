// SPDX-License-Identifier: Apache-2.0
//
// Closes the import phase: functions hold ops of lm and moe alone, every op that needs a table names one, and every
// weight has a user. The last check finds a frontend that declares a tensor and forgets to use it, which would be
// exported in silence and change no logit. Later phases rely on @step being there, since programs are made from it. It
// is the one check between what a frontend builds and passes that assume these forms without asking. An op of another
// dialect would find no lowering in the next phase.

#include "dialects/LM/IR/LM.h"
#include "dialects/MoE/IR/MoE.h"
#include "passes/Import/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#define DEBUG_TYPE "yupana-verify-model-form"

namespace yupana {
#define GEN_PASS_DEF_VERIFYMODELFORMPASS
#include "passes/Import/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;

namespace {

LogicalResult checkOp(Operation &op, func::FuncOp function) {
  if (!isa<lm::LMDialect, moe::MoEDialect>(op.getDialect()) && !isa<func::ReturnOp>(op)) {
    InFlightDiagnostic diag = op.emitOpError() << "is not of the model level, expected lm and moe ops alone";
    diag.attachNote(function.getLoc()) << "in this function";
    return diag;
  }
  if (auto rope = dyn_cast<lm::RopeOp>(op); rope && !rope.getTables())
    return rope.emitOpError() << "has no tables, expected materialize-tables to have run";
  if (auto temperature = dyn_cast<lm::AttentionTemperatureOp>(op); temperature && !temperature.getTable())
    return temperature.emitOpError() << "has no table, expected materialize-tables to have run";
  return success();
}

struct VerifyModelFormPass : yupana::impl::VerifyModelFormPassBase<VerifyModelFormPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (!module.lookupSymbol<func::FuncOp>("step")) {
      module.emitError() << "module has no function @step";
      return signalPassFailure();
    }
    for (auto function : module.getOps<func::FuncOp>())
      for (Operation &op : function.getBody().front())
        if (failed(checkOp(op, function)))
          return signalPassFailure();
    SymbolTableCollection tables;
    SymbolUserMap users(tables, module);
    for (auto weight : module.getOps<lm::WeightOp>()) {
      if (!users.useEmpty(weight))
        continue;
      weight.emitOpError() << "is used by no op";
      return signalPassFailure();
    }
  }
};

} // namespace
