// SPDX-License-Identifier: Apache-2.0
//
// Closes the schedule phase: every launched op has a grid and a config, and all configs are of one target. The library
// that outlining makes is for one target, and a kernel configured for another would only fail in its code generator,
// far from the file that was edited by hand. Configs may come from a tuner or a test, so this is checked and not
// assumed. A kernel.parallel has no config of its own: its members' are all there is to choose. Without a grid the
// runtime would not know how many cells there are to share out.

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
