// SPDX-License-Identifier: Apache-2.0
//
// Textual forms, verifiers and sizes of views, caches and grids. A view is typed by its dimensions, of which the first
// may be a size of the step, its elements and the id of its form; sizes in bytes and the limits of each form come from
// runtime/schema/forms.h, so that compiler, exporter and runtime cannot disagree. Sizes that a module may choose freely
// are computed with overflow checks and are absent where they do not fit 64 bits.

#include "dialects/Kernel/IR/Kernel.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/CheckedArithmetic.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::kernel;

#include "dialects/Kernel/IR/KernelAttrInterfaces.cpp.inc"
#include "dialects/Kernel/IR/KernelEnums.cpp.inc"

/// What follows the sizes of a cache: the type of its elements and its layout, where they are not the usual ones.
static ParseResult parseCacheElements(AsmParser &parser, Type &elementType, std::string &layout) {
  elementType = Float32Type::get(parser.getContext());
  layout = schema::kCacheKeys32.id;
  bool hasType = false;
  while (succeeded(parser.parseOptionalComma())) {
    if (succeeded(parser.parseOptionalKeyword("layout")))
      return failure(parser.parseEqual() || parser.parseString(&layout));
    if (hasType || parser.parseType(elementType))
      return failure();
    hasType = true;
  }
  return success();
}

static void printCacheElements(AsmPrinter &printer, Type elementType, StringRef layout) {
  if (!elementType.isF32())
    printer << ", " << elementType;
  if (layout != schema::kCacheKeys32.id)
    printer << ", layout = \"" << layout << '"';
}

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
  std::string layout = schema::kRowMajor.id;
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
  const schema::PackedForm *form = schema::find_form(layout);
  if (!form)
    return emitError() << "unknown layout '" << layout << "', expected " << lm::listForms(/*ofWeights=*/false);
  // Packed forms are of matrices: of tokens, whose rows may be dynamic, or of weights, which are static and may come in
  // batches.
  if (!form->is_weight_form() && dims.size() != 2)
    return emitError() << "layout " << layout << " is for views of two dimensions, this one has " << dims.size();
  if (form->is_weight_form() && form != &schema::kRowMajor && (dims.size() < 2 || !dims[0].isStatic()))
    return emitError() << "layout " << layout << " is for static views of at least two dimensions";
  return success();
}

int64_t ViewType::getDimSize(unsigned index) const { return getDims()[index].getSize(); }

uint64_t ViewType::getElementBytes() const { return getElementType().getIntOrFloatBitWidth() / 8; }

const schema::PackedForm &ViewType::getForm() const { return *schema::find_form(getLayout()); }

schema::PackedShape ViewType::getPackedShape() const {
  SmallVector<uint64_t> extents;
  for (lm::DimAttr dim : getDims())
    extents.push_back(dim.isStatic() ? dim.getSize() : 0);
  schema::PackedShape shape;
  // More batches than 2^64 do not matter to an address: nobody has the memory.
  (void)schema::packed_shape(extents, getElementBytes(), &shape);
  return shape;
}

/// What a symbol stands for at most; 1 for none, and for the slots of a history, which no buffer is sized by: their
/// number is chosen when a plan is prepared.
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

/// At the largest step: memory is planned once for all steps of a program. Nothing if it needs 2^64 bytes or more.
std::optional<uint64_t> kernel::getBytes(ViewType type, const StepMaxima &maxima) {
  SmallVector<uint64_t> extents;
  for (lm::DimAttr dim : type.getDims()) {
    std::optional<uint64_t> extent =
        llvm::checkedMulAddUnsigned<uint64_t>(dim.getFactor(), largest(dim.getSymbol(), maxima), dim.getAddend());
    if (!extent)
      return std::nullopt;
    extents.push_back(*extent);
  }
  schema::PackedShape shape;
  uint64_t bytes;
  if (!schema::packed_shape(extents, type.getElementBytes(), &shape) ||
      !schema::packed_bytes(type.getForm(), shape, &bytes))
    return std::nullopt;
  return bytes;
}

//===----------------------------------------------------------------------===//
// CacheType
//===----------------------------------------------------------------------===//

LogicalResult CacheType::verify(function_ref<InFlightDiagnostic()> emitError, CachePart part, int64_t heads,
                                int64_t width, int64_t pageTokens, int64_t pageBytes, Type elementType, StringRef id) {
  if (!elementType.isF32() && !elementType.isBF16())
    return emitError() << "a cache holds f32 or bf16, not " << elementType;
  const schema::CacheLayout *layout = schema::find_cache_layout(id);
  if (!layout)
    return emitError() << "unknown cache layout '" << id << "', expected "
                       << llvm::join(llvm::map_range(schema::kCacheLayouts, [](auto *known) { return known->id; }),
                                     " or ");
  int64_t elementBytes = elementType.getIntOrFloatBitWidth() / 8;
  const schema::PackedForm &keys = layout->keys(elementBytes);
  int64_t columns = keys.tile_columns(elementBytes), rows = keys.tile_rows;
  if (heads < 1 || width < 1)
    return emitError() << "a cache has at least one head and one feature, not " << heads << " and " << width;
  if (width % columns)
    return emitError() << "width is " << width << ", expected a multiple of " << columns << " for " << elementType
                       << " in layout " << id;
  if (pageTokens < rows || pageTokens % rows)
    return emitError() << "page_tokens is " << pageTokens << ", expected a multiple of " << rows;
  // Of keys or of values; a page may hold the parts of several layers.
  std::optional<int64_t> partBytes = llvm::checkedMul(heads, width);
  for (int64_t factor : {pageTokens, elementBytes})
    partBytes = partBytes ? llvm::checkedMul(*partBytes, factor) : std::nullopt;
  if (!partBytes)
    return emitError() << "a page of " << pageTokens << " tokens with " << heads << " heads of " << width
                       << " features has more than 2^63 bytes";
  // 0: group-caches has not placed it yet.
  if (pageBytes != 0 && pageBytes < *partBytes)
    return emitError() << "page_bytes is " << pageBytes << ", one part alone takes " << *partBytes;
  return success();
}

/// Keys and values lie differently, since the one is read along features and the other along positions.
const schema::PackedForm &CacheType::getForm() const {
  const schema::CacheLayout &layout = *schema::find_cache_layout(getLayout());
  return getPart() == CachePart::Key ? layout.keys(getElementBytes()) : *layout.values;
}

schema::PackedShape CacheType::getPackedShape() const {
  return {static_cast<uint64_t>(getHeads()), static_cast<uint64_t>(getPageTokens()), static_cast<uint64_t>(getWidth()),
          static_cast<uint64_t>(getElementBytes())};
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

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

/// Enough for an exporter that translates term by term; that no size of step overflows is proved when a plan is opened.
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
