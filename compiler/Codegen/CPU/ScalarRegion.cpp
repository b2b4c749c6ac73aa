// SPDX-License-Identifier: Apache-2.0
//
// Writes each op of a scalar region for 16 lanes. Values that are the same in all lanes stay scalars and are written
// once, before the loop over lanes; indices keep the form base + constant offsets as long as they can, which is what
// turns loads and stores into whole vectors instead of gathers.
#include "compiler/Codegen/CPU/ScalarRegion.h"

#include "compiler/Codegen/Common/RegionOps.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

/// A type of the region as values of it are held: i64 for an index, i16 for bfloat16, one per lane unless uniform.
static Type scalarType(Emitter &e, Type type) { return isa<IndexType>(type) ? e.i64 : type.isBF16() ? e.i16 : type; }

static Type laneType(Emitter &e, Type type, bool uniform) {
  Type scalar = scalarType(e, type);
  return uniform ? scalar : e.vectorOf(scalar);
}

ScalarRegion::ScalarRegion(KernelEmitter &emitter, Region &region, ValueRange varying)
    : e(emitter), math(emitter), analysis(region, varying) {}

LogicalResult ScalarRegion::emitInvariant(ArrayRef<Operation *> ops) {
  for (Operation *op : ops)
    if (!analysis.isVarying(op) && failed(emit(op, ActiveLanes())))
      return failure();
  return success();
}

LogicalResult ScalarRegion::emitVarying(ArrayRef<Operation *> ops, ActiveLanes active) {
  for (size_t i = 0; i < ops.size(); ++i) {
    if (!analysis.isVarying(ops[i]))
      continue;
    bool pair = i + 1 < ops.size() && isPair(ops[i], ops[i + 1]);
    if (failed(pair ? emitPair(ops[i], ops[i + 1], active) : emit(ops[i], active)))
      return failure();
    i += pair;
  }
  return success();
}

//===----------------------------------------------------------------------===//
// One op
//===----------------------------------------------------------------------===//

LogicalResult ScalarRegion::emit(Operation *op, ActiveLanes active) {
  auto lanesOf = [&](auto operands) {
    return llvm::map_to_vector(operands, [&](Value operand) { return get(operand); });
  };
  // What is not listed is index arithmetic, or one op of arith or math for each lane.
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](kernel::LoadOp load) {
        bind(load.getValue(), loadElement(load.getView(), lanesOf(load.getIndices()), active));
        return success();
      })
      .Case([&](kernel::StoreOp store) {
        emitStore(store, active);
        return success();
      })
      .Case([&](kernel::AppendOp append) { return emitAppend(append, active); })
      .Case([&](arith::ConstantOp constant) {
        Value scalar = isa<IndexType>(constant.getType()) ? e.integer(*getConstantIntValue(constant.getResult()))
                                                          : Value(e.make<arith::ConstantOp>(constant.getValue()));
        bind(constant, LaneValue::uniform(scalar));
        return success();
      })
      .Case([&](kernel::RowSumOp sum) { return emitRowSum(sum); })
      .Case<arith::ExtFOp, arith::TruncFOp>([&](auto convert) { return emitConversion(convert); })
      .Case([&](arith::IndexCastOp cast) { return emitIndexCast(cast, /*isSigned=*/true); })
      .Case([&](arith::IndexCastUIOp cast) { return emitIndexCast(cast, /*isSigned=*/false); })
      .Default([&](Operation *other) { return emitIndexArithmetic(other) ? success() : emitElementwise(other); });
}

LogicalResult ScalarRegion::emitIndexCast(Operation *op, bool isSigned) {
  LaneValue input = get(op->getOperand(0));
  Type from = op->getOperand(0).getType(), to = op->getResult(0).getType();
  unsigned fromBits = isa<IndexType>(from) ? 64 : from.getIntOrFloatBitWidth();
  unsigned toBits = isa<IndexType>(to) ? 64 : to.getIntOrFloatBitWidth();
  // Indices are 64 bits wide here, so a cast between them and i64 changes nothing.
  if (fromBits == toBits) {
    bind(op->getResult(0), input);
    return success();
  }
  Value value = input.isUniform() ? input.value : math.vector(input);
  Type type = laneType(e, to, input.isUniform());
  if (fromBits > toBits)
    value = e.make<arith::TruncIOp>(type, value);
  else if (isSigned)
    value = e.make<arith::ExtSIOp>(type, value);
  else
    value = e.make<arith::ExtUIOp>(type, value);
  bind(op->getResult(0), input.isUniform() ? LaneValue::uniform(value) : LaneValue::varying(value));
  return success();
}

/// Between float32 and bfloat16, which is held as its bits.
LogicalResult ScalarRegion::emitConversion(Operation *op) {
  if (failed(checkConversion(op, "a CPU")))
    return failure();
  LaneValue input = get(op->getOperand(0));
  // Works for scalars and vectors alike.
  Value value = isa<arith::ExtFOp>(op) ? e.widenBF16(input.value) : e.narrow16(input.value);
  bind(op->getResult(0), input.isUniform() ? LaneValue::uniform(value) : LaneValue::varying(value));
  return success();
}

/// The partial sums of one row, added for all lanes at once: computed once, since the row is the same in every lane.
LogicalResult ScalarRegion::emitRowSum(kernel::RowSumOp op) {
  if (!get(op.getRow()).isUniform())
    return op.emitOpError() << "adds another row in every lane, which is not supported on a CPU";
  int64_t width = op.getView().getType().getDimSize(1);
  Value row = e.element(e.address(op.getView()), get(op.getRow()).value, width * 4);
  Emitter::Values sums = e.pieces(width, vectorLanes, {e.splat(0)}, [&](Value begin, int64_t count, ValueRange sum) {
    Value vector = e.load(e.vf32, e.element(row, begin, 4));
    // What follows the row is another one.
    if (count < vectorLanes)
      vector = e.select(e.laneRange(e.integer(0), e.integer(count)), vector, e.splat(0));
    return Emitter::Values{e.fadd(sum[0], vector)};
  });
  bind(op.getResult(), LaneValue::uniform(e.addLanes(sums[0])));
  return success();
}

/// False if the op is no index arithmetic that keeps the cheap forms of lanes.
bool ScalarRegion::emitIndexArithmetic(Operation *op) {
  if (op->getNumOperands() != 2 || op->getNumResults() != 1 || !isa<IndexType>(op->getResult(0).getType()))
    return false;
  LaneValue x = get(op->getOperand(0)), y = get(op->getOperand(1));
  std::optional<LaneValue> result = llvm::TypeSwitch<Operation *, std::optional<LaneValue>>(op)
                                        .Case([&](arith::AddIOp) { return math.add(x, y); })
                                        .Case([&](arith::SubIOp) { return math.sub(x, y); })
                                        .Case([&](arith::MulIOp) { return math.mul(x, y); })
                                        .Case([&](arith::DivUIOp) { return math.div(x, y); })
                                        .Case([&](arith::RemUIOp) { return math.rem(x, y); })
                                        .Case([&](arith::XOrIOp) { return math.exclusiveOr(x, y); })
                                        .Default([](Operation *) { return std::nullopt; });
  if (result)
    bind(op->getResult(0), *result);
  return result.has_value();
}

/// One op of arith or math on scalars or on vectors, as its operands are.
LogicalResult ScalarRegion::emitElementwise(Operation *op) {
  if (failed(checkElementwise(op, "a CPU")))
    return failure();
  bool uniform = llvm::all_of(op->getOperands(), [&](Value operand) { return get(operand).isUniform(); });
  OperationState state(e.loc, op->getName());
  for (Value operand : op->getOperands())
    state.operands.push_back(uniform ? get(operand).value : math.vector(get(operand)));
  // Without fast-math flags, whatever the region's op has: results must not depend on how an op is vectorised.
  state.addAttributes(strictAttributes(op));
  state.types.push_back(laneType(e, op->getResult(0).getType(), uniform));
  Value result = e.b.create(state)->getResult(0);
  bind(op->getResult(0), uniform ? LaneValue::uniform(result) : LaneValue::varying(result));
  return success();
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// The index of an element in memory. Swizzled views have whole groups of rows, which are counted at run time.
LaneValue ScalarRegion::indexOf(kernel::ViewType view, ArrayRef<LaneValue> indices) {
  auto rows = [&] {
    return LaneValue::uniform(e.mul(e.ceilDiv(e.size(view.getDims()[0]), schema::kSwizzleRows), schema::kSwizzleRows));
  };
  return elementIndex<LaneMath, LaneValue>(math, view, indices, LaneValue::uniform(e.integer(0)), rows);
}

void ScalarRegion::emitStore(kernel::StoreOp op, ActiveLanes active) {
  auto indices = llvm::map_to_vector<2>(op.getIndices(), [&](Value index) { return get(index); });
  kernel::ViewType view = op.getView().getType();
  math.store(get(op.getValue()), e.address(op.getView()), indexOf(view, indices), active);
  // Views of tokens alone: kernels write no weights.
  if (!view.getForm().is_weight_form())
    emitTail(op, indices, active);
}

/// Whoever stores the last column of a row of tokens stores zeros behind it, so that products may read whole tiles.
/// Rare enough, since most depths fill their tiles, to look at one lane after the other.
void ScalarRegion::emitTail(kernel::StoreOp op, ArrayRef<LaneValue> indices, ActiveLanes active) {
  kernel::ViewType view = op.getView().getType();
  int64_t depth = view.getDimSize(1), columns = view.getForm().tile_columns(view.getElementBytes());
  if (depth % columns == 0)
    return;
  Type type = scalarType(e, view.getElementType());
  Value zero = type.isF32() ? e.real(0) : e.integer(0, type);
  // All lanes store the same element: one of them fills the tail.
  bool isSame = llvm::all_of(indices, [](const LaneValue &index) { return index.isUniform(); });
  for (int64_t lane = 0; lane < (isSame ? 1 : active.count); ++lane) {
    LaneValue row = LaneValue::uniform(math.lane(indices[0], lane));
    e.when(e.equal(math.lane(indices[1], lane), e.integer(depth - 1)), [&] {
      e.loop(e.integer(depth), e.integer(llvm::alignTo(depth, columns)), [&](Value column) {
        LaneValue index = indexOf(view, {row, LaneValue::uniform(column)});
        e.store(zero, e.element(e.address(op.getView()), index.value, view.getElementBytes()));
      });
    });
  }
}

LaneValue ScalarRegion::loadElement(Value view, ArrayRef<LaneValue> indices, ActiveLanes active) {
  auto type = cast<kernel::ViewType>(view.getType());
  return math.load(scalarType(e, type.getElementType()), e.address(view), indexOf(type, indices), active);
}

LogicalResult ScalarRegion::emitAppend(kernel::AppendOp op, ActiveLanes active) {
  if (failed(checkAppend(op)))
    return failure();
  math.store(get(op.getValue()), e.address(op.getCache()), placeOf(op, active), active);
  return success();
}

/// In elements of the cache. A position's page is looked up in the page table, its place within the page follows from
/// the layout.
LaneValue ScalarRegion::placeOf(kernel::AppendOp op, ActiveLanes active) {
  kernel::CacheType cache = op.getCache().getType();
  int64_t tokens = cache.getPageTokens();
  LaneValue position = get(op.getPosition()), slot = math.rem(position, tokens);
  LaneValue page = loadElement(op.getPages(), {get(op.getSequence()), math.div(position, tokens)}, active);
  // Page numbers are unsigned i32 in the table.
  Value wide = e.make<arith::ExtUIOp>(laneType(e, e.i64, page.isUniform()), page.value);
  page = page.isUniform() ? LaneValue::uniform(wide) : LaneValue::varying(wide);

  LaneValue index =
      schema::element_index(math, cache.getForm(), cache.getPackedShape(), get(op.getHead()), slot, get(op.getLane()));
  return math.add(math.mul(page, cache.getPageBytes() / cache.getElementBytes()), index);
}

//===----------------------------------------------------------------------===//
// Pairs
//===----------------------------------------------------------------------===//

/// The operand that says which column is written; null if `op` writes none.
static OpOperand *columnOf(Operation *op) {
  if (isa<kernel::StoreOp>(op))
    return &op->getOpOperands().back();
  auto append = dyn_cast<kernel::AppendOp>(op);
  return append ? &append.getLaneMutable() : nullptr;
}

/// True if both write a float, the one to an even column and the other to the one behind it, which are neighbours in
/// memory: rotary embeddings leave pairs, whose halves would be stored element by element.
bool ScalarRegion::isPair(Operation *first, Operation *next) {
  OpOperand *column = columnOf(first);
  if (!column || first->getName() != next->getName() || !analysis.isVarying(next) ||
      !isa<BFloat16Type, Float32Type>(first->getOperand(0).getType()))
    return false;
  for (unsigned i = 1; i < first->getNumOperands(); ++i) {
    Value x = first->getOperand(i), y = next->getOperand(i);
    auto add = y.getDefiningOp<arith::AddIOp>();
    bool isNext = add && add.getLhs() == x && getConstantIntValue(add.getRhs()) == 1;
    if (i == column->getOperandNumber() ? !isNext : x != y)
      return false;
  }
  if (!math.isEven(get(column->get())))
    return false;
  if (auto store = dyn_cast<kernel::StoreOp>(first)) {
    kernel::ViewType view = store.getView().getType();
    return view.isRowMajor() && view.getDimSize(view.getRank() - 1) % 2 == 0;
  }
  const schema::PackedForm &form = cast<kernel::AppendOp>(first).getCache().getType().getForm();
  return form.columns % 2 == 0;
}

LogicalResult ScalarRegion::emitPair(Operation *first, Operation *next, ActiveLanes active) {
  LaneValue even = get(first->getOperand(0)), odd = get(next->getOperand(0));
  if (auto append = dyn_cast<kernel::AppendOp>(first)) {
    if (failed(checkAppend(append)))
      return failure();
    math.storePairs(even, odd, e.address(append.getCache()), placeOf(append, active), active);
    return success();
  }
  auto store = cast<kernel::StoreOp>(first);
  auto indices = llvm::map_to_vector<2>(store.getIndices(), [&](Value index) { return get(index); });
  math.storePairs(even, odd, e.address(store.getView()), indexOf(store.getView().getType(), indices), active);
  return success();
}
