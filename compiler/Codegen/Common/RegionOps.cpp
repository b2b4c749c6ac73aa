// SPDX-License-Identifier: Apache-2.0
//
// Walkers refuse by these checks what their code does not cover, so that every target refuses the same ops by the same
// sentence. bfloat16 is a form of storage: a region widens what it loads and rounds what it stores, and every other op
// computes in float32, as reference results do.

#include "compiler/Codegen/Common/RegionOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

LogicalResult codegen::checkConversion(Operation *op, const char *device) {
  Type from = op->getOperand(0).getType(), to = op->getResult(0).getType();
  if ((from.isBF16() && to.isF32()) || (from.isF32() && to.isBF16()))
    return success();
  return op->emitError() << "'" << op->getName() << "' from " << from << " to " << to
                         << " is not supported in a scalar region on " << device;
}

LogicalResult codegen::checkElementwise(Operation *op, const char *device) {
  auto isBF16 = [](Type type) { return type.isBF16(); };
  bool known = isa<arith::ArithDialect, mlir::math::MathDialect>(op->getDialect()) &&
               llvm::none_of(op->getResultTypes(), isBF16) && llvm::none_of(op->getOperandTypes(), isBF16);
  if (known && op->hasTrait<OpTrait::Elementwise>() && op->getNumResults() == 1)
    return success();
  return op->emitError() << "'" << op->getName() << "' is not supported in a scalar region on " << device;
}

LogicalResult codegen::checkAppend(kernel::AppendOp op) {
  int64_t bytes = op.getCache().getType().getPageBytes();
  if (bytes > 0 && bytes % 4 == 0)
    return success();
  return op.emitError() << "writes to pages of " << bytes
                        << " bytes, expected the positive multiple of 4 that a cache group gives";
}

SmallVector<NamedAttribute> codegen::strictAttributes(Operation *op) {
  return llvm::filter_to_vector(op->getAttrs(),
                                [](NamedAttribute attribute) { return attribute.getName() != "fastmath"; });
}
