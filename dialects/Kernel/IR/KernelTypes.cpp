// SPDX-License-Identifier: Apache-2.0

#include "dialects/Kernel/IR/Kernel.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/CheckedArithmetic.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::kernel;

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
  SmallVector<Attribute> dims;
  Type elementType;
  std::string layout = "row-major";
  if (parser.parseLess() || parser.parseLSquare() || lm::parseDimEntries(parser, dims) || parser.parseRSquare() ||
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
  lm::printDimEntries(printer, getDims());
  printer << "], " << getElementType();
  if (!isRowMajor())
    printer << ", \"" << getLayout() << '"';
  printer << '>';
}

LogicalResult ViewType::verify(function_ref<InFlightDiagnostic()> emitError, ArrayRef<Attribute> dims, Type elementType,
                               StringRef layout) {
  if (dims.empty())
    return emitError() << "a view has at least one dimension";
  for (auto [index, entry] : llvm::enumerate(dims)) {
    FailureOr<lm::DimSize> dim = lm::parseDimSize(entry);
    if (failed(dim) || dim->factor < 1)
      return emitError() << "dimension " << index << " of the view is " << entry
                         << "; expected a positive size, \"T\", \"S\", \"R\", \"N\" or a multiple such as \"2*T\"";
    if (index > 0 && !dim->symbol.empty())
      return emitError() << "only the first dimension of a view may be dynamic, dimension " << index << " is " << entry;
  }
  if (!elementType.isF32() && !elementType.isBF16() && !elementType.isInteger(32) && !elementType.isInteger(64))
    return emitError() << "a view holds f32, bf16, i32 or i64, not " << elementType;
  if (layout == "row-major")
    return success();
  if (layout != "panel32" && layout != "panel32x2")
    return emitError() << "unknown layout '" << layout << "', expected row-major, panel32 or panel32x2";
  if (dims.size() < 2 || isa<StringAttr>(dims[0]))
    return emitError() << "layout " << layout << " is for static views of at least two dimensions";
  return success();
}

int64_t ViewType::getDimSize(unsigned index) const {
  auto size = dyn_cast<IntegerAttr>(getDims()[index]);
  return size ? size.getInt() : ShapedType::kDynamic;
}

uint64_t ViewType::getElementBytes() const { return getElementType().getIntOrFloatBitWidth() / 8; }

std::optional<uint64_t> kernel::getBytes(ViewType type, const StepMaxima &maxima) {
  std::optional<uint64_t> bytes = type.getElementBytes();
  for (Attribute entry : type.getDims()) {
    lm::DimSize dim = *lm::parseDimSize(entry);
    int64_t symbol = dim.symbol == "T"   ? maxima.tokens
                     : dim.symbol == "S" ? maxima.sequences
                     : dim.symbol == "R" ? maxima.logitRows
                                         : 1;
    for (int64_t factor : {dim.factor, symbol})
      bytes = bytes ? llvm::checkedMulUnsigned<uint64_t>(*bytes, factor) : std::nullopt;
  }
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

Attribute GridAttr::parse(AsmParser &parser, Type) {
  SmallVector<Attribute> terms;
  if (parser.parseLess() || lm::parseDimEntries(parser, terms) || parser.parseGreater())
    return {};
  return getChecked([&] { return parser.emitError(parser.getNameLoc()); }, parser.getContext(), terms);
}

void GridAttr::print(AsmPrinter &printer) const {
  printer << '<';
  lm::printDimEntries(printer, getTerms());
  printer << '>';
}

LogicalResult GridAttr::verify(function_ref<InFlightDiagnostic()> emitError, ArrayRef<Attribute> terms) {
  int64_t depth = 0;
  for (Attribute term : terms) {
    auto name = dyn_cast<StringAttr>(term);
    StringRef text = name ? name.getValue() : "";
    if (!name || text == "T" || text == "S" || text == "R" || text == "sms") {
      ++depth;
      continue;
    }
    if (text != "+" && text != "*" && text != "ceildiv" && text != "min" && text != "max")
      return emitError() << "unknown grid term " << term;
    if (depth < 2)
      return emitError() << "grid operator " << term << " finds " << depth << " operands, expected 2";
    --depth;
  }
  if (depth != 1)
    return emitError() << "a grid expression leaves one value, this one leaves " << depth;
  return success();
}
