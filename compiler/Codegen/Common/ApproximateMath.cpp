// SPDX-License-Identifier: Apache-2.0
//
// Replaces math functions by polynomials in a fixed order of operations, so that all targets have the same bits for
// them, whatever their libraries. It runs on kernels just before they are lowered. A function that was left would
// become a call: kernels are linked against nothing, so this would be an undefined symbol at the end of the
// compilation. What remains must therefore be an instruction of every target, or it is an error that names the op.

#include "compiler/Codegen/Common/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

#define DEBUG_TYPE "yupana-approximate-math"

namespace yupana::codegen::common {
#define GEN_PASS_DEF_APPROXIMATEMATHPASS
#include "compiler/Codegen/Common/Passes.h.inc"
} // namespace yupana::codegen::common

using namespace mlir;
using namespace yupana::codegen::common;

/// Computed by one instruction of every target, or by a few integer ones.
static bool isInstruction(Operation *op) {
  return isa<math::AbsFOp, math::AbsIOp, math::CeilOp, math::CopySignOp, math::CountLeadingZerosOp,
             math::CountTrailingZerosOp, math::CtPopOp, math::FloorOp, math::FmaOp, math::IsFiniteOp, math::IsInfOp,
             math::IsNaNOp, math::IsNormalOp, math::RoundEvenOp, math::SqrtOp, math::TruncOp>(op);
}

namespace {

struct ApproximateMathPass : yupana::codegen::common::impl::ApproximateMathPassBase<ApproximateMathPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    mlir::math::populateExpansionPatterns(
        patterns, {"tan", "sinh", "cosh", "asinh", "acosh", "atanh", "fpowi", "powf", "exp2", "rsqrt"});
    populateMathPolynomialApproximationPatterns(patterns, [](StringRef) { return true; });
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      return signalPassFailure();
    WalkResult result = getOperation()->walk([](Operation *op) -> WalkResult {
      if (!isa_and_nonnull<math::MathDialect>(op->getDialect()) || isInstruction(op))
        return WalkResult::advance();
      return op->emitOpError() << "of " << op->getResult(0).getType() << " has neither an instruction nor a polynomial";
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
