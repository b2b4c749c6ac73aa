// SPDX-License-Identifier: Apache-2.0
//
// Closes the schedule phase: every kernel is configured, all of them for one target.

#include "dialects/Kernel/IR/Kernel.h"
#include "passes/Schedule/Passes.h"

#define DEBUG_TYPE "yupana-verify-schedule"

namespace yupana {
#define GEN_PASS_DEF_VERIFYSCHEDULEPASS
#include "passes/Schedule/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;

namespace {

struct VerifySchedulePass : yupana::impl::VerifySchedulePassBase<VerifySchedulePass> {
  void runOnOperation() override {
    kernel::LaunchedOpInterface first;
    WalkResult result = getOperation().walk([&](kernel::LaunchedOpInterface op) -> WalkResult {
      // What its members choose is all there is to choose.
      if (isa<kernel::ParallelOp>(op) && op.getGridAttr())
        return WalkResult::advance();
      kernel::ConfigAttrInterface config = op.getConfigAttr();
      if (!config || !op.getGridAttr())
        return op->emitOpError() << "has no grid or no config, expected configure-kernels to have run";
      if (!first)
        first = op;
      StringRef expected = first.getConfigAttr().getTarget();
      if (config.getTarget() == expected)
        return WalkResult::advance();
      InFlightDiagnostic diag = op->emitOpError() << "is configured for \"" << config.getTarget()
                                                  << "\", other kernels for \"" << expected << '"';
      diag.attachNote(first->getLoc()) << "first kernel";
      return diag;
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
