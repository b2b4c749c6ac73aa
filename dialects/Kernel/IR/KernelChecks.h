// SPDX-License-Identifier: Apache-2.0
//
// What the verifiers of the dialect's files share.

#ifndef YUPANA_DIALECTS_KERNEL_IR_KERNELCHECKS_H
#define YUPANA_DIALECTS_KERNEL_IR_KERNELCHECKS_H

#include "dialects/Kernel/IR/Kernel.h"

namespace yupana::kernel {

/// One size or name, as after `rows`.
mlir::ParseResult parseRows(mlir::OpAsmParser &parser, mlir::Attribute &rows);
void printRows(mlir::OpAsmPrinter &printer, mlir::Operation *op, mlir::Attribute rows);

/// What follows `product`: an input, a view or a region, `times` a weight and its type.
mlir::ParseResult parseProduct(mlir::OpAsmParser &parser, mlir::Region &input,
                               mlir::OpAsmParser::UnresolvedOperand &weight, mlir::Type &weightType);
void printProduct(mlir::OpAsmPrinter &printer, mlir::Region &input, mlir::Value weight);

/// Checks one view operand's shape and element type; entries of `dims` that are null match anything.
mlir::LogicalResult checkView(mlir::Operation *op, llvm::StringRef name, mlir::Value view,
                              llvm::ArrayRef<mlir::Attribute> dims, mlir::Type elementType);

/// Checks the block arguments of a scalar region.
mlir::LogicalResult checkArguments(mlir::Operation *op, mlir::Region &body, llvm::ArrayRef<mlir::Type> types);

/// Checks the input of a product of `rows` rows: a region (row, k) that writes nothing and yields `elementType`. One
/// that only reads a view reads it at the depth of `weight`.
mlir::LogicalResult checkInput(mlir::Operation *op, mlir::Region &input, mlir::Attribute rows, ViewType weight,
                               mlir::Type elementType);

} // namespace yupana::kernel

#endif
