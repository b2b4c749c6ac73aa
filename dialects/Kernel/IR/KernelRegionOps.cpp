// SPDX-License-Identifier: Apache-2.0
//
// Verifiers and textual forms of what scalar regions hold. Accesses are by element: a load names row and feature, and
// where that element lies in a packed form is left to code generators, which take it from runtime/schema/forms.h.
// Stores go to row-major views and to forms of token rows alone, because weights are written by the exporter and by
// nobody else.

#include "dialects/Kernel/IR/Kernel.h"

#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::kernel;

/// `view[indices] : type`, resolved into the operands of `result` in that order.
static ParseResult parseAccess(OpAsmParser &parser, OperationState &result, OpAsmParser::UnresolvedOperand *value) {
  OpAsmParser::UnresolvedOperand view;
  SmallVector<OpAsmParser::UnresolvedOperand> indices;
  ViewType type;
  if (value && (parser.parseOperand(*value) || parser.parseComma()))
    return failure();
  if (parser.parseOperand(view) || parser.parseOperandList(indices, OpAsmParser::Delimiter::Square) ||
      parser.parseOptionalAttrDict(result.attributes) || parser.parseColonType(type))
    return failure();
  if (value && parser.resolveOperand(*value, type.getElementType(), result.operands))
    return failure();
  if (parser.resolveOperand(view, type, result.operands) ||
      parser.resolveOperands(indices, parser.getBuilder().getIndexType(), result.operands))
    return failure();
  if (!value)
    result.addTypes(type.getElementType());
  return success();
}

static LogicalResult verifyAccess(Operation *op, ViewType view, OperandRange indices, Type element) {
  if (static_cast<int64_t>(indices.size()) != view.getRank())
    return op->emitOpError() << "has " << indices.size() << " indices into " << view << ", expected " << view.getRank();
  if (element != view.getElementType())
    return op->emitOpError() << "moves " << element << " to or from " << view;
  return success();
}

ParseResult LoadOp::parse(OpAsmParser &parser, OperationState &result) { return parseAccess(parser, result, nullptr); }

void LoadOp::print(OpAsmPrinter &printer) {
  printer << ' ' << getView() << '[' << getIndices() << ']';
  printer.printOptionalAttrDict((*this)->getAttrs());
  printer << " : " << getView().getType();
}

LogicalResult LoadOp::verify() { return verifyAccess(*this, getView().getType(), getIndices(), getValue().getType()); }

ParseResult StoreOp::parse(OpAsmParser &parser, OperationState &result) {
  OpAsmParser::UnresolvedOperand value;
  return parseAccess(parser, result, &value);
}

void StoreOp::print(OpAsmPrinter &printer) {
  printer << ' ' << getValue() << ", " << getView() << '[' << getIndices() << ']';
  printer.printOptionalAttrDict((*this)->getAttrs());
  printer << " : " << getView().getType();
}

LogicalResult StoreOp::verify() {
  ViewType view = getView().getType();
  if (!view.isRowMajor() && view.getForm().is_weight_form())
    return emitOpError() << "writes to " << view << ", expected a row-major view or one of token rows";
  return verifyAccess(*this, getView().getType(), getIndices(), getValue().getType());
}

LogicalResult AppendOp::verify() {
  if (getValue().getType() != getCache().getType().getElementType())
    return emitOpError() << "appends " << getValue().getType() << " to " << getCache().getType();
  ViewType pages = getPages().getType();
  auto sequences = lm::DimAttr::get(getContext(), lm::DimSymbol::S);
  if (pages.getRank() == 2 && pages.getDims()[0] == sequences && pages.getElementType().isInteger(32))
    return success();
  return emitOpError() << "finds pages through " << pages << ", expected a page table [\"S\", _] of i32";
}

LogicalResult RowSumOp::verify() {
  ViewType view = getView().getType();
  if (view.getRank() == 2 && view.getElementType().isF32() && view.isRowMajor())
    return success();
  return emitOpError() << "adds a row of " << view << ", expected a row-major matrix of f32";
}
