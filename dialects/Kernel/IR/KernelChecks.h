// SPDX-License-Identifier: Apache-2.0
//
// What the verifiers of the dialect's files share.

#ifndef YUPANA_DIALECTS_KERNEL_IR_KERNELCHECKS_H
#define YUPANA_DIALECTS_KERNEL_IR_KERNELCHECKS_H

#include "dialects/Kernel/IR/Kernel.h"

namespace yupana::kernel {

/// One dimension, as after `rows`.
mlir::ParseResult parseRows(mlir::OpAsmParser &parser, lm::DimAttr &rows);
void printRows(mlir::OpAsmPrinter &printer, mlir::Operation *op, lm::DimAttr rows);

/// The attributes that an op has in its textual form, checked before they become properties: what does not fit would be
/// dropped there without a word.
template <typename Op> mlir::ParseResult parseAttributes(mlir::OpAsmParser &parser, mlir::OperationState &result) {
  llvm::SMLoc loc = parser.getCurrentLocation();
  if (parser.parseOptionalAttrDictWithKeyword(result.attributes))
    return mlir::failure();
  return Op::verifyInherentAttrs(result.name, result.attributes, [&] { return parser.emitError(loc); });
}

/// What follows `product`: an input, a view or a region, `times` a weight and its type.
mlir::ParseResult parseProduct(mlir::OpAsmParser &parser, mlir::Region &input,
                               mlir::OpAsmParser::UnresolvedOperand &weight, mlir::Type &weightType);
void printProduct(mlir::OpAsmPrinter &printer, mlir::Region &input, mlir::Value weight);

/// Checks one view operand's shape and element type; entries of `dims` that are null match anything.
mlir::LogicalResult checkView(mlir::Operation *op, llvm::StringRef name, mlir::Value view,
                              llvm::ArrayRef<lm::DimAttr> dims, mlir::Type elementType);

/// Checks the block arguments of a scalar region.
mlir::LogicalResult checkArguments(mlir::Operation *op, mlir::Region &body, llvm::ArrayRef<mlir::Type> types);

/// Checks the input of a product of `rows` rows: a region (row, k) that writes nothing and yields `elementType`. One
/// that only reads a view reads it at the depth of `weight`.
mlir::LogicalResult checkInput(mlir::Operation *op, mlir::Region &input, lm::DimAttr rows, ViewType weight,
                               mlir::Type elementType);

/// Checks that the numerics of `op`, if it has any, state the order of products and the block of a softmax just where
/// it has such.
mlir::LogicalResult checkNumerics(mlir::Operation *op, NumericsAttr numerics, bool products, bool block);

} // namespace yupana::kernel

#endif
