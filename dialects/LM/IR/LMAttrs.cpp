// SPDX-License-Identifier: Apache-2.0

#include "dialects/LM/IR/LM.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
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

ParseResult lm::parseDimEntries(AsmParser &parser, SmallVectorImpl<Attribute> &entries) {
  Builder builder(parser.getContext());
  return parser.parseCommaSeparatedList([&]() -> ParseResult {
    std::string name;
    if (succeeded(parser.parseOptionalString(&name))) {
      entries.push_back(builder.getStringAttr(name));
      return success();
    }
    int64_t size;
    if (parser.parseInteger(size))
      return failure();
    entries.push_back(builder.getI64IntegerAttr(size));
    return success();
  });
}

void lm::printDimEntries(AsmPrinter &printer, ArrayRef<Attribute> entries) {
  llvm::interleaveComma(entries, printer, [&](Attribute entry) {
    if (auto size = dyn_cast<IntegerAttr>(entry))
      printer << size.getInt();
    else
      printer << entry;
  });
}

FailureOr<DimSize> lm::parseDimSize(Attribute entry) {
  if (auto size = dyn_cast<IntegerAttr>(entry))
    return DimSize{size.getInt(), ""};
  auto name = dyn_cast<StringAttr>(entry);
  if (!name)
    return failure();
  DimSize dim{1, name.getValue()};
  if (size_t star = dim.symbol.find('*'); star != StringRef::npos) {
    if (dim.symbol.take_front(star).getAsInteger(10, dim.factor) || dim.factor < 1)
      return failure();
    dim.symbol = dim.symbol.drop_front(star + 1);
  }
  if (dim.symbol != "T" && dim.symbol != "S" && dim.symbol != "R" && dim.symbol != "N")
    return failure();
  return dim;
}

RankedTensorType lm::getNamedTensorType(ArrayRef<Attribute> entries, Type elementType) {
  SmallVector<int64_t> shape;
  for (Attribute entry : entries) {
    auto size = dyn_cast<IntegerAttr>(entry);
    shape.push_back(size ? size.getInt() : ShapedType::kDynamic);
  }
  return RankedTensorType::get(shape, elementType, DimsAttr::get(elementType.getContext(), entries));
}

SmallVector<Attribute> lm::getDimEntries(RankedTensorType type) {
  if (auto dims = dyn_cast_or_null<DimsAttr>(type.getEncoding()))
    return llvm::to_vector(dims.getEntries());
  Builder builder(type.getContext());
  return llvm::map_to_vector(type.getShape(),
                             [&](int64_t size) -> Attribute { return builder.getI64IntegerAttr(size); });
}

Attribute DimsAttr::parse(AsmParser &parser, Type) {
  SmallVector<Attribute> entries;
  if (parser.parseLess() || parseDimEntries(parser, entries) || parser.parseGreater())
    return {};
  return get(parser.getContext(), entries);
}

void DimsAttr::print(AsmPrinter &printer) const {
  printer << '<';
  printDimEntries(printer, getEntries());
  printer << '>';
}

LogicalResult DimsAttr::verifyEncoding(ArrayRef<int64_t> shape, Type elementType,
                                       function_ref<InFlightDiagnostic()> emitError) const {
  if (shape.size() != getEntries().size())
    return emitError() << "#lm.dims names " << getEntries().size() << " dimensions, the tensor has " << shape.size();
  for (auto [index, pair] : llvm::enumerate(llvm::zip_equal(shape, getEntries()))) {
    auto [size, entry] = pair;
    FailureOr<DimSize> dim = parseDimSize(entry);
    if (failed(dim))
      return emitError() << "dimension " << index << " is named " << entry
                         << "; expected \"T\", \"S\", \"R\", \"N\" or a multiple such as \"2*T\"";
    if (dim->symbol.empty() ? dim->factor != size : !ShapedType::isDynamic(size))
      return emitError() << "dimension " << index << " of the tensor and " << entry << " of #lm.dims differ";
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Transformation chains
//===----------------------------------------------------------------------===//

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

FailureOr<RankedTensorType> ConvertAttr::apply(RankedTensorType input,
                                               function_ref<InFlightDiagnostic()> emitError) const {
  auto isKnown = [](Type type) { return type.isF32() || type.isBF16() || type.isF16(); };
  if (!isKnown(input.getElementType()) || !isKnown(getElementType()))
    return emitError() << "no conversion from " << input.getElementType() << " to " << getElementType();
  return RankedTensorType::get(input.getShape(), getElementType());
}

FailureOr<RankedTensorType> PackAttr::apply(RankedTensorType input,
                                            function_ref<InFlightDiagnostic()> emitError) const {
  if (getLayout() != "row-major" && input.getRank() < 2)
    return emitError() << "layout " << getLayout() << " needs at least two dimensions, the tensor has "
                       << input.getRank();
  return input;
}

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
  if (layout != "row-major" && layout != "panel32" && layout != "panel32x2")
    return emitError() << "unknown layout '" << layout << "', expected row-major, panel32 or panel32x2";
  return success();
}
