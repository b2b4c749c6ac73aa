// SPDX-License-Identifier: Apache-2.0

#include "dialects/Kernel/IR/Kernel.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/CheckedArithmetic.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::kernel;

#include "dialects/Kernel/IR/KernelAttrInterfaces.cpp.inc"
#include "dialects/Kernel/IR/KernelEnums.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/Kernel/IR/KernelTypes.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Kernel/IR/KernelAttrs.cpp.inc"

void KernelDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/Kernel/IR/KernelTypes.cpp.inc"
      >();
}

void KernelDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Kernel/IR/KernelAttrs.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// ViewType
//===----------------------------------------------------------------------===//

Type ViewType::parse(AsmParser &parser) {
  SmallVector<lm::DimAttr> dims;
  Type elementType;
  std::string layout = "row-major";
  if (parser.parseLess() || parser.parseLSquare() || lm::parseDims(parser, dims) || parser.parseRSquare() ||
      parser.parseComma() || parser.parseType(elementType))
    return {};
  if (succeeded(parser.parseOptionalComma()) && parser.parseString(&layout))
    return {};
  if (parser.parseGreater())
    return {};
  return getChecked([&] { return parser.emitError(parser.getNameLoc()); }, parser.getContext(), dims, elementType,
                    layout);
}

void ViewType::print(AsmPrinter &printer) const {
  printer << "<[";
  lm::printDims(printer.getStream(), getDims());
  printer << "], " << getElementType();
  if (!isRowMajor())
    printer << ", \"" << getLayout() << '"';
  printer << '>';
}

LogicalResult ViewType::verify(function_ref<InFlightDiagnostic()> emitError, ArrayRef<lm::DimAttr> dims,
                               Type elementType, StringRef layout) {
  if (dims.empty())
    return emitError() << "a view has at least one dimension";
  for (auto [index, dim] : llvm::enumerate(dims)) {
    if (dim.getFactor() < 1)
      return emitError() << "dimension " << index << " of the view is " << dim.str() << ", expected at least 1";
    if (index > 0 && !dim.isStatic())
      return emitError() << "only the first dimension of a view may be dynamic, dimension " << index << " is "
                         << dim.str();
  }
  if (!elementType.isF32() && !elementType.isBF16() && !elementType.isInteger(32) && !elementType.isInteger(64))
    return emitError() << "a view holds f32, bf16, i32 or i64, not " << elementType;
  if (layout == "row-major")
    return success();
  if (layout != "panel32" && layout != "panel32x2")
    return emitError() << "unknown layout '" << layout << "', expected row-major, panel32 or panel32x2";
  if (dims.size() < 2 || !dims[0].isStatic())
    return emitError() << "layout " << layout << " is for static views of at least two dimensions";
  return success();
}

int64_t ViewType::getDimSize(unsigned index) const { return getDims()[index].getSize(); }

uint64_t ViewType::getElementBytes() const { return getElementType().getIntOrFloatBitWidth() / 8; }

/// What a symbol stands for at most; 1 for none, and for the slots of a history, which no buffer is sized by.
static int64_t largest(lm::DimSymbol symbol, const StepMaxima &maxima) {
  switch (symbol) {
  case lm::DimSymbol::T:
    return maxima.tokens;
  case lm::DimSymbol::S:
    return maxima.sequences;
  case lm::DimSymbol::R:
    return maxima.logitRows;
  case lm::DimSymbol::N:
  case lm::DimSymbol::None:
    return 1;
  }
  llvm_unreachable("every symbol has a case");
}

std::optional<uint64_t> kernel::getBytes(ViewType type, const StepMaxima &maxima) {
  std::optional<uint64_t> bytes = type.getElementBytes();
  for (lm::DimAttr dim : type.getDims())
    for (int64_t factor : {dim.getFactor(), largest(dim.getSymbol(), maxima)})
      bytes = bytes ? llvm::checkedMulUnsigned<uint64_t>(*bytes, factor) : std::nullopt;
  return bytes;
}

//===----------------------------------------------------------------------===//
// CacheType
//===----------------------------------------------------------------------===//

LogicalResult CacheType::verify(function_ref<InFlightDiagnostic()> emitError, CachePart part, int64_t heads,
                                int64_t width, int64_t pageTokens, int64_t pageBytes, Type elementType) {
  if (!elementType.isF32() && !elementType.isBF16())
    return emitError() << "a cache holds f32 or bf16, not " << elementType;
  if (elementType.isBF16() && width % 2)
    return emitError() << "a cache of bf16 has its features in pairs, the width is " << width;
  if (heads < 1 || width < 1)
    return emitError() << "a cache has at least one head and one feature, not " << heads << " and " << width;
  if (pageTokens < 32 || pageTokens % 32)
    return emitError() << "page_tokens is " << pageTokens << ", expected a multiple of 32";
  int64_t partBytes = heads * width * pageTokens * (elementType.getIntOrFloatBitWidth() / 8);
  if (pageBytes != 0 && pageBytes < partBytes)
    return emitError() << "page_bytes is " << pageBytes << ", one part alone takes " << partBytes;
  return success();
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

LogicalResult X86Attr::verify(function_ref<InFlightDiagnostic()> emitError, StringAttr isa, int64_t tileRows,
                              int64_t tileColumns, int64_t rows) {
  if (tileRows < 1 || tileColumns < 16 || tileColumns % 16 || 32 % tileColumns)
    return emitError() << "tile is " << tileRows << " x " << tileColumns
                       << ", expected at least one row and 16 or 32 columns";
  if (rows < 1)
    return emitError() << "rows is " << rows << ", expected at least 1";
  return success();
}

StringRef X86Attr::getTarget() const { return getIsa().getValue(); }

std::string GridTerm::str() const {
  return op == GridOp::Constant ? std::to_string(value) : ("\"" + stringifyGridOp(op) + "\"").str();
}

static ParseResult parseGridTerm(AsmParser &parser, GridTerm &term) {
  SMLoc loc = parser.getCurrentLocation();
  std::string name;
  if (failed(parser.parseOptionalString(&name))) {
    term.op = GridOp::Constant;
    return parser.parseInteger(term.value);
  }
  std::optional<GridOp> op = symbolizeGridOp(name);
  if (!op || *op == GridOp::Constant)
    return parser.emitError(loc) << "unknown grid term \"" << name << "\"";
  term.op = *op;
  return success();
}

Attribute GridAttr::parse(AsmParser &parser, Type) {
  SmallVector<GridTerm> terms;
  if (parser.parseLess() ||
      parser.parseCommaSeparatedList([&] { return parseGridTerm(parser, terms.emplace_back()); }) ||
      parser.parseGreater())
    return {};
  return getChecked([&] { return parser.emitError(parser.getNameLoc()); }, parser.getContext(), terms);
}

void GridAttr::print(AsmPrinter &printer) const {
  printer << '<';
  llvm::interleaveComma(getTerms(), printer, [&](const GridTerm &term) { printer << term.str(); });
  printer << '>';
}

LogicalResult GridAttr::verify(function_ref<InFlightDiagnostic()> emitError, ArrayRef<GridTerm> terms) {
  int64_t depth = 0;
  for (const GridTerm &term : terms) {
    if (!term.isOperand() && depth < 2)
      return emitError() << "grid operator " << term.str() << " finds " << depth << " operands, expected 2";
    depth += term.isOperand() ? 1 : -1;
  }
  if (depth != 1)
    return emitError() << "a grid expression leaves one value, this one leaves " << depth;
  return success();
}
