// SPDX-License-Identifier: Apache-2.0
//
// Verifiers of the model level. Rows are compared by name, "T" with "T", since their number is unknown until a step
// runs; features are static and compared as numbers. Shapes of weights are checked through symbols, at their use, so
// that the error names both the op and the declaration. Frontends are held to this form alone: what is verified here,
// no pass checks again.

#include "dialects/LM/IR/LM.h"

#include "runtime/schema/forms.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::lm;

#define GET_OP_CLASSES
#include "dialects/LM/IR/LMOps.cpp.inc"

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

/// Null after an error. A note names what the symbol is instead.
Operation *lm::lookupParameter(Operation *op, FlatSymbolRefAttr symbol, SymbolTableCollection &symbols) {
  Operation *found = symbols.lookupNearestSymbolFrom(op, symbol);
  if (isa_and_nonnull<WeightOp, InterleavedOp, TableOp>(found))
    return found;
  InFlightDiagnostic diag = op->emitOpError() << "uses " << symbol << ", expected the name of an lm.weight or lm.table";
  if (found)
    diag.attachNote(found->getLoc()) << symbol << " is declared here";
  return nullptr;
}

RankedTensorType lm::getParameterType(Operation *parameter) {
  if (auto weight = dyn_cast<WeightOp>(parameter))
    return weight.getTensorType();
  if (auto interleaved = dyn_cast<InterleavedOp>(parameter))
    return cast<RankedTensorType>(interleaved.getType());
  return cast<RankedTensorType>(cast<TableOp>(parameter).getType());
}

/// Compares a parameter's shape with what its use needs; `what` names the use in the diagnostic.
static LogicalResult checkParameter(Operation *op, FlatSymbolRefAttr symbol, StringRef what, ArrayRef<int64_t> shape,
                                    SymbolTableCollection &symbols) {
  // An optional parameter that is not there, such as a bias.
  if (!symbol)
    return success();
  Operation *parameter = lookupParameter(op, symbol, symbols);
  if (!parameter)
    return failure();
  RankedTensorType type = getParameterType(parameter);
  bool same = type.getRank() == static_cast<int64_t>(shape.size());
  for (size_t i = 0; same && i < shape.size(); ++i)
    same = ShapedType::isDynamic(shape[i]) || shape[i] == type.getDimSize(i);
  if (same)
    return success();
  InFlightDiagnostic diag = op->emitOpError() << what << " " << symbol << " is " << type << ", expected [";
  llvm::interleaveComma(shape, diag, [&](int64_t size) {
    if (ShapedType::isDynamic(size))
      diag << "_";
    else
      diag << size;
  });
  diag << "]";
  diag.attachNote(parameter->getLoc()) << symbol << " is declared here";
  return diag;
}

/// Follows the chain from the sources to the type: what an exporter does to the bytes is checked on the shapes, so that
/// it needs no checks of its own.
LogicalResult WeightOp::verify() {
  if (getSources().empty())
    return emitOpError() << "has no source tensor";
  auto current = cast<RankedTensorType>(getSourceType());
  if (!current.hasStaticShape())
    return emitOpError() << "reads sources of type " << current << ", expected a static shape";
  for (auto [index, link] : llvm::enumerate(getChain())) {
    auto transform = dyn_cast<TransformAttrInterface>(link);
    if (!transform)
      return emitOpError() << "link " << index << " of the chain is " << link << ", expected a transformation";
    auto stack = dyn_cast<StackAttr>(link);
    // Several sources become one by stacking, which must come first and take all of them.
    if ((index == 0 && getSources().size() > 1 && !stack) ||
        (stack && (index != 0 || stack.getCount() != static_cast<int64_t>(getSources().size()))))
      return emitOpError() << "has " << getSources().size() << " sources and link " << index << " is " << link
                           << "; several sources are stacked by the first link";
    // Packing comes last: what comes out of it has an order of bytes and no axes that a link could name.
    if (isa<PackAttr>(link) && index + 1 != getChain().size())
      return emitOpError() << "link " << index << " packs, expected it to be the last of " << getChain().size();
    FailureOr<RankedTensorType> next = transform.apply(current, [&] { return emitOpError(); });
    if (failed(next))
      return failure();
    current = *next;
  }
  if (getChain().empty() && getSources().size() > 1)
    return emitOpError() << "has " << getSources().size() << " sources and no chain; several sources are stacked";
  if (current != getType())
    return emitOpError() << "has type " << getType() << ", its chain ends in " << current;
  return success();
}

/// Empty for a weight whose form no pass has chosen yet.
StringRef WeightOp::getLayout() {
  if (getChain().empty())
    return "";
  auto pack = dyn_cast<PackAttr>(getChain().getValue().back());
  return pack ? pack.getLayout() : StringRef();
}

StringRef lm::getParameterLayout(Operation *parameter) {
  if (auto weight = dyn_cast<WeightOp>(parameter))
    return weight.getLayout();
  if (auto interleaved = dyn_cast<InterleavedOp>(parameter))
    return interleaved.getLayout().value_or("");
  return schema::kRowMajor.id;
}

LogicalResult InterleavedOp::verify() {
  // Attributes of 64 bits are unsigned in C++: a negative number in the text is a large one here.
  if (static_cast<int64_t>(getBy()) < 1)
    return emitOpError() << "alternates by " << static_cast<int64_t>(getBy()) << " rows, expected at least 1";
  if (!getLayout())
    return success();
  if (failed(PackAttr::verify([&] { return emitOpError(); }, *getLayout())))
    return failure();
  if (!schema::holds_pairs(*schema::find_form(*getLayout()), getBy()))
    return emitOpError() << "alternates by " << getBy() << " rows in layout " << *getLayout()
                         << ", where runs of both parts do not fill whole tiles";
  return success();
}

/// Parts are whole and row-major weights: interleaving is done on rows, and packing afterwards.
LogicalResult InterleavedOp::verifySymbolUses(SymbolTableCollection &symbols) {
  WeightOp parts[2];
  FlatSymbolRefAttr names[2] = {getFirstAttr(), getSecondAttr()};
  for (auto [part, symbol] : llvm::zip_equal(parts, names)) {
    part = symbols.lookupNearestSymbolFrom<WeightOp>(*this, symbol);
    if (!part)
      return emitOpError() << "has part " << symbol << ", expected the name of an lm.weight";
    if (!part.getLayout().empty()) {
      InFlightDiagnostic diag = emitOpError() << "has part " << symbol << ", which is packed as " << part.getLayout();
      diag.attachNote(part.getLoc()) << symbol << " is declared here";
      return diag;
    }
  }
  RankedTensorType type = parts[0].getTensorType();
  if (type != parts[1].getTensorType() || type.getRank() < 2) {
    InFlightDiagnostic diag = emitOpError() << "has parts of " << type << " and " << parts[1].getTensorType()
                                            << ", expected two of one type and at least two dimensions";
    diag.attachNote(parts[1].getLoc()) << getSecondAttr() << " is declared here";
    return diag;
  }
  SmallVector<int64_t> shape(type.getShape());
  int64_t &rows = shape[shape.size() - 2];
  rows = schema::interleaved_rows(rows, getBy());
  if (RankedTensorType expected = RankedTensorType::get(shape, type.getElementType()); getType() != expected)
    return emitOpError() << "has type " << getType() << ", its parts make " << expected;
  return success();
}

/// The generator knows the shape; only its rounding to float32 is fixed here.
LogicalResult TableOp::verify() {
  auto type = cast<RankedTensorType>(getType());
  SmallVector<int64_t> shape = getGenerator().getTableShape();
  if (type.getShape() != ArrayRef(shape) || !type.getElementType().isF32())
    return emitOpError() << "has type " << type << ", its generator gives "
                         << RankedTensorType::get(shape, Float32Type::get(getContext()));
  return success();
}

LogicalResult CacheOp::verify() {
  if (static_cast<int64_t>(getHeads()) < 1 || static_cast<int64_t>(getWidth()) < 1 ||
      (getChunk() && static_cast<int64_t>(*getChunk()) < 1))
    return emitOpError() << "has " << getHeads() << " heads of " << getWidth() << " features"
                         << "; expected positive sizes and chunk";
  return success();
}

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

/// The first dimension of a tensor, null for a scalar and where it has no name.
static DimAttr rowsOf(Value value) {
  SmallVector<DimAttr> dims = getDims(cast<RankedTensorType>(value.getType()));
  return dims.empty() ? DimAttr() : dims.front();
}

/// Rows may be dynamic, features never: kernels are made for their number.
static LogicalResult checkMatrix(Operation *op, StringRef name, Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getRank() == 2 && !ShapedType::isDynamic(type.getDimSize(1)))
    return success();
  return op->emitOpError() << name << " is " << type << ", expected [rows, features] with static features";
}

/// Rows are equal if they have one name; rows without a name are equal to none.
static LogicalResult checkRows(Operation *op, StringRef name, Value value, StringRef otherName, Value other) {
  if (rowsOf(value) && rowsOf(value) == rowsOf(other))
    return success();
  return op->emitOpError() << name << " is " << value.getType() << " and " << otherName << " " << other.getType()
                           << ": their rows differ";
}

static int64_t features(Value value) { return cast<RankedTensorType>(value.getType()).getDimSize(1); }

LogicalResult EmbedOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (failed(checkMatrix(*this, "result", getResult())) ||
      failed(checkRows(*this, "ids", getIds(), "result", getResult())))
    return failure();
  return checkParameter(*this, getWeightAttr(), "embedding", {ShapedType::kDynamic, features(getResult())}, symbols);
}

LogicalResult RMSNormOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (failed(checkMatrix(*this, "input", getInput())))
    return failure();
  int64_t width = getWidth();
  if (width < 1 || features(getInput()) % width)
    return emitOpError() << "normalises groups of " << width << " features, the input has " << features(getInput());
  return checkParameter(*this, getGainAttr(), "gain", {features(getInput())}, symbols);
}

LogicalResult LinearOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (failed(checkMatrix(*this, "input", getInput())) || failed(checkMatrix(*this, "result", getResult())) ||
      failed(checkRows(*this, "input", getInput(), "result", getResult())))
    return failure();
  if (failed(checkParameter(*this, getWeightAttr(), "weight", {features(getResult()), features(getInput())}, symbols)))
    return failure();
  return checkParameter(*this, getBiasAttr(), "bias", {features(getResult())}, symbols);
}

/// With `pairs`, features 2i and 2i + 1 of a head are rotated together.
static LogicalResult checkHeads(Operation *op, Value input, int64_t width, bool pairs) {
  if (width >= 1 && features(input) % width == 0 && !(pairs && width % 2))
    return success();
  return op->emitOpError() << "splits " << features(input) << " features into heads of " << width
                           << (pairs ? ", expected an even width that divides them" : "");
}

/// Tables are optional until materialize-tables has named them.
LogicalResult RopeOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (failed(checkMatrix(*this, "input", getInput())) || failed(checkHeads(*this, getInput(), getWidth(), true)) ||
      failed(checkRows(*this, "positions", getPositions(), "input", getInput())))
    return failure();
  if (!getTables())
    return success();
  if (getTables()->size() != (getPeriod() ? 1 : 2))
    return emitOpError() << "has " << getTables()->size() << " tables, expected one with a period and two without";
  for (auto table : getTables()->getAsRange<FlatSymbolRefAttr>())
    if (failed(checkParameter(*this, table, "table", {ShapedType::kDynamic, static_cast<int64_t>(getWidth()) / 2, 2},
                              symbols)))
      return failure();
  return success();
}

LogicalResult AttentionTemperatureOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (failed(checkMatrix(*this, "input", getInput())) ||
      failed(checkRows(*this, "positions", getPositions(), "input", getInput())))
    return failure();
  if (static_cast<int64_t>(getFloorScale()) < 1)
    return emitOpError() << "floor_scale is " << static_cast<int64_t>(getFloorScale()) << ", expected at least 1";
  return checkParameter(*this, getTableAttr(), "table", {ShapedType::kDynamic}, symbols);
}

LogicalResult AttentionOp::verifySymbolUses(SymbolTableCollection &symbols) {
  for (auto [name, value] :
       {std::pair<StringRef, Value>{"query", getQuery()}, {"key", getKey()}, {"value", getValue()}})
    if (failed(checkMatrix(*this, name, value)) || failed(checkRows(*this, name, value, "positions", getPositions())))
      return failure();
  if (failed(checkRows(*this, "sequences", getSequences(), "positions", getPositions())))
    return failure();
  auto cache = symbols.lookupNearestSymbolFrom<CacheOp>(*this, getCacheAttr());
  if (!cache)
    return emitOpError() << "uses " << getCacheAttr() << ", expected the name of an lm.cache";
  // Keys and values have the cache's heads, queries a multiple of them: several query heads share one (grouped-query
  // attention).
  int64_t row = cache.getHeads() * cache.getWidth();
  if (features(getKey()) == row && features(getValue()) == row && features(getQuery()) % row == 0 &&
      getResult().getType() == getQuery().getType())
    return success();
  InFlightDiagnostic diag = emitOpError() << "queries " << getQuery().getType() << ", keys " << getKey().getType()
                                          << " and values " << getValue().getType() << " do not fit " << getCacheAttr()
                                          << " of " << cache.getHeads() << " heads of " << cache.getWidth();
  diag.attachNote(cache.getLoc()) << getCacheAttr() << " is declared here";
  return diag;
}

LogicalResult GatedOp::verify() { return checkMatrix(*this, "gate", getGate()); }

LogicalResult AddOp::verify() { return checkMatrix(*this, "lhs", getLhs()); }

LogicalResult TakeRowsOp::verify() {
  if (failed(checkMatrix(*this, "input", getInput())) || failed(checkMatrix(*this, "result", getResult())) ||
      failed(checkRows(*this, "rows", getRows(), "result", getResult())))
    return failure();
  if (features(getInput()) != features(getResult()))
    return emitOpError() << "input has " << features(getInput()) << " features and the result "
                         << features(getResult());
  return success();
}

LogicalResult RecordOp::verify() {
  auto type = getIds().getType();
  if (type.getRank() == 1 && rowsOf(getIds()))
    return success();
  return emitOpError() << "ids are " << type << ", expected one for every token";
}

LogicalResult SampleOp::verify() {
  if (failed(checkMatrix(*this, "logits", getLogits())))
    return failure();
  // The others have the type of one of these.
  for (auto [name, value] : {std::pair<StringRef, Value>{"temperatures", getTemperatures()},
                             {"seeds", getSeeds()},
                             {"positions", getPositions()},
                             {"ids", getIds()}})
    if (failed(checkRows(*this, name, value, "logits", getLogits())))
      return failure();
  return success();
}
