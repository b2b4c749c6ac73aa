// SPDX-License-Identifier: Apache-2.0
//
// Attributes of the model level: dimensions with names, the links of a weight's chain, packed forms, tables and
// defaults for sampling. A link maps a tensor type to the next, so that a chain is checked link by link as the exporter
// will apply it, and an error names the link. Extents may come from a plan without weights that is being refitted, so
// bounds are compared in a way that cannot overflow.

#include "dialects/LM/IR/LM.h"

#include "runtime/schema/forms.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::lm;

#include "dialects/LM/IR/LMEnums.cpp.inc"

#include "dialects/LM/IR/LMAttrInterfaces.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/LM/IR/LMAttrs.cpp.inc"

void LMDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/LM/IR/LMAttrs.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// Dimension lists
//===----------------------------------------------------------------------===//

/// The dimension that a name stands for, null where it stands for none: [factor*]symbol[+addend], such as "2*T+112".
static DimAttr dimOfName(MLIRContext *context, StringRef name) {
  int64_t factor = 1, addend = 0;
  if (size_t plus = name.find('+'); plus != StringRef::npos) {
    if (name.drop_front(plus + 1).getAsInteger(10, addend) || addend < 1)
      return {};
    name = name.take_front(plus);
  }
  if (size_t star = name.find('*'); star != StringRef::npos) {
    if (name.take_front(star).getAsInteger(10, factor) || factor < 1)
      return {};
    name = name.drop_front(star + 1);
  }
  std::optional<DimSymbol> symbol = name.empty() ? std::nullopt : symbolizeDimSymbol(name);
  return symbol ? DimAttr::get(context, *symbol, factor, addend) : DimAttr();
}

ParseResult lm::parseDim(AsmParser &parser, DimAttr &dim) {
  SMLoc loc = parser.getCurrentLocation();
  std::string name;
  if (failed(parser.parseOptionalString(&name))) {
    int64_t size;
    if (parser.parseInteger(size))
      return failure();
    // A number in the text may be negative.
    dim = DimAttr::getChecked([&] { return parser.emitError(loc); }, parser.getContext(), DimSymbol::None, size, 0);
    return success(dim != nullptr);
  }
  dim = dimOfName(parser.getContext(), name);
  if (dim)
    return success();
  return parser.emitError(loc) << "\"" << name << "\" names no dimension, expected \"T\", \"S\", \"R\", \"N\" or a "
                               << "multiple such as \"2*T\" or \"2*T+112\"";
}

ParseResult lm::parseDims(AsmParser &parser, SmallVectorImpl<DimAttr> &dims) {
  return parser.parseCommaSeparatedList([&] { return parseDim(parser, dims.emplace_back()); });
}

void lm::printDims(raw_ostream &stream, ArrayRef<DimAttr> dims) {
  llvm::interleaveComma(dims, stream, [&](DimAttr dim) { stream << dim.str(); });
}

/// The shape says which dimensions are dynamic, the encoding what they are called.
RankedTensorType lm::getNamedTensorType(ArrayRef<DimAttr> dims, Type elementType) {
  auto shape = llvm::map_to_vector(dims, [](DimAttr dim) { return dim.getSize(); });
  return RankedTensorType::get(shape, elementType, DimsAttr::get(elementType.getContext(), dims));
}

/// Static dimensions name themselves; a dynamic one without #lm.dims has no name.
SmallVector<DimAttr> lm::getDims(RankedTensorType type) {
  if (auto dims = dyn_cast_or_null<DimsAttr>(type.getEncoding()))
    return llvm::to_vector(dims.getEntries());
  return llvm::map_to_vector(type.getShape(), [&](int64_t size) {
    return ShapedType::isDynamic(size) ? DimAttr() : DimAttr::get(type.getContext(), size);
  });
}

std::string DimAttr::str() const {
  if (isStatic())
    return std::to_string(getFactor());
  std::string multiple = getFactor() == 1 ? "" : std::to_string(getFactor()) + "*";
  std::string more = getAddend() == 0 ? "" : "+" + std::to_string(getAddend());
  return ("\"" + multiple + stringifyDimSymbol(getSymbol()) + more + "\"").str();
}

Attribute DimAttr::parse(AsmParser &parser, Type) {
  DimAttr dim;
  if (parser.parseLess() || parseDim(parser, dim) || parser.parseGreater())
    return {};
  return dim;
}

void DimAttr::print(AsmPrinter &printer) const { printer << '<' << str() << '>'; }

LogicalResult DimAttr::verify(function_ref<InFlightDiagnostic()> emitError, DimSymbol symbol, int64_t factor,
                              int64_t addend) {
  int64_t least = symbol == DimSymbol::None ? 0 : 1;
  if (addend < 0 || (addend > 0 && symbol == DimSymbol::None))
    return emitError() << "dimension has " << addend << " more, expected at least 0, and 0 for a number";
  if (factor >= least)
    return success();
  return emitError() << "dimension is " << factor << ", expected at least " << least;
}

Attribute DimsAttr::parse(AsmParser &parser, Type) {
  SmallVector<DimAttr> dims;
  if (parser.parseLess() || parseDims(parser, dims) || parser.parseGreater())
    return {};
  return get(parser.getContext(), dims);
}

void DimsAttr::print(AsmPrinter &printer) const {
  printer << '<';
  printDims(printer.getStream(), getEntries());
  printer << '>';
}

/// Sizes of both must agree: a name stands at each dynamic dimension and nowhere else.
LogicalResult DimsAttr::verifyEncoding(ArrayRef<int64_t> shape, Type elementType,
                                       function_ref<InFlightDiagnostic()> emitError) const {
  if (shape.size() != getEntries().size())
    return emitError() << "#lm.dims names " << getEntries().size() << " dimensions, the tensor has " << shape.size();
  for (auto [index, pair] : llvm::enumerate(llvm::zip_equal(shape, getEntries()))) {
    auto [size, entry] = pair;
    if (entry.getSize() != size)
      return emitError() << "dimension " << index << " of the tensor and " << entry.str() << " of #lm.dims differ";
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Packed forms
//===----------------------------------------------------------------------===//

/// For messages; forms of token rows are no forms of weights.
std::string lm::listForms(bool ofWeights) {
  SmallVector<StringRef> ids;
  for (const schema::PackedForm *form : schema::kPackedForms)
    if (form->is_weight_form() || !ofWeights)
      ids.push_back(form->id);
  return llvm::join(ArrayRef(ids).drop_back(), ", ") + " or " + ids.back().str();
}

//===----------------------------------------------------------------------===//
// Transformation chains
//===----------------------------------------------------------------------===//

/// The verifier of the weight compares the count with the sources.
FailureOr<RankedTensorType> StackAttr::apply(RankedTensorType input, function_ref<InFlightDiagnostic()>) const {
  SmallVector<int64_t> shape{getCount()};
  llvm::append_range(shape, input.getShape());
  return RankedTensorType::get(shape, input.getElementType());
}

FailureOr<RankedTensorType> SliceAttr::apply(RankedTensorType input,
                                             function_ref<InFlightDiagnostic()> emitError) const {
  if (getAxis() < 0 || getAxis() >= input.getRank())
    return emitError() << "slice along axis " << getAxis() << " of a tensor of rank " << input.getRank();
  int64_t extent = input.getDimSize(getAxis());
  // Compared by division: (size - 1) * step could overflow.
  if (getOffset() < 0 || getSize() < 1 || getStep() < 1 || getOffset() >= extent ||
      getSize() - 1 > (extent - 1 - getOffset()) / getStep())
    return emitError() << "slice of " << getSize() << " from " << getOffset() << " by " << getStep() << " of axis "
                       << getAxis() << ", which has " << extent << " elements";
  SmallVector<int64_t> shape(input.getShape());
  shape[getAxis()] = getSize();
  return RankedTensorType::get(shape, input.getElementType());
}

FailureOr<RankedTensorType> TransposeAttr::apply(RankedTensorType input,
                                                 function_ref<InFlightDiagnostic()> emitError) const {
  SmallVector<int64_t> sorted(getPermutation());
  llvm::sort(sorted);
  if (!llvm::equal(sorted, llvm::seq<int64_t>(0, input.getRank())))
    return emitError() << "[" << getPermutation() << "] is no permutation of the axes of a tensor of rank "
                       << input.getRank();
  auto shape = llvm::map_to_vector(getPermutation(), [&](int64_t axis) { return input.getDimSize(axis); });
  return RankedTensorType::get(shape, input.getElementType());
}

/// What the exporter converts; integers are no weights.
FailureOr<RankedTensorType> ConvertAttr::apply(RankedTensorType input,
                                               function_ref<InFlightDiagnostic()> emitError) const {
  auto isKnown = [](Type type) { return type.isF32() || type.isBF16() || type.isF16(); };
  if (!isKnown(input.getElementType()) || !isKnown(getElementType()))
    return emitError() << "no conversion from " << input.getElementType() << " to " << getElementType();
  return RankedTensorType::get(input.getShape(), getElementType());
}

/// Packing moves bytes and forgets no dimension: the type stays the logical one.
FailureOr<RankedTensorType> PackAttr::apply(RankedTensorType input,
                                            function_ref<InFlightDiagnostic()> emitError) const {
  if (getLayout() != schema::kRowMajor.id && input.getRank() < 2)
    return emitError() << "layout " << getLayout() << " needs at least two dimensions, the tensor has "
                       << input.getRank();
  return input;
}

/// The bounds of the runtime (check_generation), so that a plan that is written can also be opened.
LogicalResult GenerationAttr::verify(function_ref<InFlightDiagnostic()> emitError, BoolAttr doSample,
                                     FloatAttr temperature, int64_t topK, FloatAttr topP, FloatAttr minP,
                                     FloatAttr repetitionPenalty) {
  if (topK < 0 || topK > UINT32_MAX)
    return emitError() << "top_k is " << topK << ", expected 0 to 2^32 - 1";
  constexpr double smallest = std::numeric_limits<float>::min(), greatest = std::numeric_limits<float>::max();
  struct {
    StringRef name;
    FloatAttr value;
    double low, high;
  } fields[] = {{"temperature", temperature, 0, greatest},
                {"top_p", topP, smallest, 1},
                {"min_p", minP, 0, 1},
                {"repetition_penalty", repetitionPenalty, smallest, greatest}};
  for (const auto &[name, value, low, high] : fields)
    if (!(value.getValueAsDouble() >= low && value.getValueAsDouble() <= high))
      return emitError() << name << " is " << value << ", expected " << low << " to " << high;
  return success();
}

LogicalResult PackAttr::verify(function_ref<InFlightDiagnostic()> emitError, StringRef layout) {
  const schema::PackedForm *form = schema::find_form(layout);
  if (!form)
    return emitError() << "unknown layout '" << layout << "', expected " << listForms(/*ofWeights=*/true);
  if (!form->is_weight_form())
    return emitError() << "layout " << layout << " is for token rows, expected " << listForms(/*ofWeights=*/true);
  return success();
}

//===----------------------------------------------------------------------===//
// Tables
//===----------------------------------------------------------------------===//

/// A row for each position, a pair of cosine and sine for each pair of features.
SmallVector<int64_t> RopeTableAttr::getTableShape() const { return {getCount(), getDim() / 2, 2}; }

SmallVector<int64_t> TemperatureTableAttr::getTableShape() const { return {getCount()}; }
