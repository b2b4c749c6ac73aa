// SPDX-License-Identifier: Apache-2.0
//
// Asks the target in which order it adds, for every launched op that adds up, and writes the answer on the op. It runs
// after the fusions that all programs share, so that what they build is asked about once, and before programs are
// cloned, so that all of a target add alike. Adding an attribute changes nothing that is computed here; it binds what
// comes after. A code generator refuses an op that states an order which it does not have. An order that is stated
// already is kept, so that a test can ask for another.

#include "dialects/Kernel/Transforms/TargetPass.h"
#include "passes/Layout/Passes.h"

#define DEBUG_TYPE "yupana-state-numerics"

namespace yupana {
#define GEN_PASS_DEF_STATENUMERICSPASS
#include "passes/Layout/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;

namespace {

struct StateNumericsPass : kernel::TargetPass<yupana::impl::StateNumericsPassBase<StateNumericsPass>> {
  using TargetPass::TargetPass;

  void runOnModule(const kernel::TargetModel &model) override {
    getOperation().walk([&](kernel::LaunchedOpInterface op) {
      if (op.addsUp() && !op.getNumericsAttr())
        op.setNumericsAttr(model.getNumerics(op));
    });
  }
};

} // namespace
