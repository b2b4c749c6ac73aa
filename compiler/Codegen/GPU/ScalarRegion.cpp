// SPDX-License-Identifier: Apache-2.0
//
// A lane is a thread, so every op of a region is written once, as it stands, on scalars. What is left to do is memory:
// an element's address follows from the form of its view (runtime/schema/forms.h), by the arithmetic that the CPU
// generator and the exporter use, counted in i64 since a weight may have more than 2^31 elements. Neighbouring lanes
// name neighbouring elements wherever a region indexes by its lane, which is what makes accesses coalesced.
#include "compiler/Codegen/GPU/ScalarRegion.h"

#include "compiler/Codegen/Common/RegionOps.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

namespace {

/// Addresses of forms.h as i64 values of the IR.
struct IndexMath {
  KernelEmitter &e;

  Value add(Value x, Value y) { return e.add(x, y); }
  Value mul(Value x, Value y) { return e.mul(x, y); }
  Value exclusiveOr(Value x, Value y) { return e.bitXor(x, y); }
  Value mul(Value x, uint64_t y) { return e.mul(x, static_cast<int64_t>(y)); }
  Value div(Value x, uint64_t y) { return e.div(x, static_cast<int64_t>(y)); }
  Value rem(Value x, uint64_t y) { return e.rem(x, static_cast<int64_t>(y)); }
};

/// A type of the region as values of it are held.
Type heldType(KernelEmitter &e, Type type) { return isa<IndexType>(type) ? e.i32 : type; }

} // namespace

//===----------------------------------------------------------------------===//
// Addresses
//===----------------------------------------------------------------------===//

Value cuda::elementAddress(KernelEmitter &e, Value view, ValueRange indices) {
  auto type = cast<kernel::ViewType>(view.getType());
  IndexMath math{e};
  SmallVector<Value> wide = llvm::map_to_vector(indices, [&](Value index) { return e.widen(index); });
  auto rows = [&] {
    return e.widen(e.mul(e.ceilDiv(e.size(type.getDims()[0]), schema::kSwizzleRows), schema::kSwizzleRows));
  };
  Value index = elementIndex<IndexMath, Value>(math, type, wide, e.integer(0, e.i64), rows);
  return e.element(e.address(view), index, type.getElementBytes());
}

Value cuda::cacheAddress(KernelEmitter &e, Value cache, Value page, Value head, Value slot, Value lane) {
  auto type = cast<kernel::CacheType>(cache.getType());
  IndexMath math{e};
  Value index =
      schema::element_index(math, type.getForm(), type.getPackedShape(), e.widen(head), e.widen(slot), e.widen(lane));
  Value begin = e.mul(e.widen(page), type.getPageBytes());
  return e.at(e.address(cache), e.add(begin, e.mul(index, type.getElementBytes())));
}

Value cuda::addRow(KernelEmitter &e, Value view, Value row) {
  auto type = cast<kernel::ViewType>(view.getType());
  Value begin = elementAddress(e, view, {row, e.integer(0)});
  auto load = [&](Value column) { return e.loadFrom(view, e.f32, e.element(begin, e.widen(column), 4)); };
  int64_t width = type.getDimSize(1);
  constexpr int64_t mostTogether = 16 * warpLanes;
  if (width > mostTogether)
    return e.addLanes(e.loop(e.lane, e.integer(width), warpLanes, e.real(0), [&](Value column, ValueRange carried) {
      return OpEmitter::Values{e.fadd(carried[0], load(column))};
    })[0]);
  // All loads are on their way at once. Lanes behind the end add what changes no sum, whatever its sign.
  OpEmitter::Values loaded;
  for (int64_t first = 0; first < width; first += warpLanes) {
    Value column = e.add(e.lane, first);
    if (first + warpLanes <= width)
      loaded.push_back(load(column));
    else
      loaded.push_back(
          e.select(e.less(column, e.integer(width)), load(e.min(column, e.integer(width - 1))), e.real(-0.0f)));
  }
  Value sum = e.real(0);
  for (Value value : loaded)
    sum = e.fadd(sum, value);
  return e.addLanes(sum);
}

//===----------------------------------------------------------------------===//
// Regions
//===----------------------------------------------------------------------===//

ScalarRegion::ScalarRegion(KernelEmitter &emitter, Region &region, ValueRange varying)
    : e(emitter), region(region), analysis(region, varying) {}

SmallVector<Value> ScalarRegion::getAll(OperandRange operands) const {
  return llvm::map_to_vector(operands, [&](Value operand) { return get(operand); });
}

static bool isDone(const ScalarRegion &region, Operation *op) {
  return op->getNumResults() != 0 && region.get(op->getResult(0));
}

LogicalResult ScalarRegion::emitInvariant(ArrayRef<Operation *> ops, Value leads) {
  for (Operation *op : ops) {
    if (isVarying(op) || isDone(*this, op))
      continue;
    LogicalResult result = success();
    if (op->getNumResults() != 0)
      result = emit(op);
    else
      e.when(leads, [&] { result = emit(op); });
    if (failed(result))
      return failure();
  }
  return success();
}

LogicalResult ScalarRegion::emitRowConstants() {
  SmallVector<Value> roots;
  for (Operation &op : region.front())
    if (op.getNumResults() == 0 || isa<kernel::SumOp>(op))
      llvm::append_range(roots, op.getOperands());
  SmallVector<Operation *> constants;
  DenseSet<Value> fromSums;
  for (Operation *op : slice(roots)) {
    if (isa<kernel::SumOp>(op) || llvm::any_of(op->getOperands(), [&](Value v) { return fromSums.contains(v); }))
      fromSums.insert(op->result_begin(), op->result_end());
    else
      constants.push_back(op);
  }
  return emitInvariant(constants, Value());
}

LogicalResult ScalarRegion::emitVarying(ArrayRef<Operation *> ops) {
  for (Operation *op : ops)
    if (isVarying(op) && !isDone(*this, op) && failed(emit(op)))
      return failure();
  return success();
}

/// Indices of a load that gathers. One that was itself loaded may be an id that nobody could draw, where a step takes
/// its ids from the one before: its row means nothing, but has to lie within the table.
static SmallVector<Value> gatherIndices(KernelEmitter &e, kernel::LoadOp load, SmallVector<Value> indices) {
  auto type = cast<kernel::ViewType>(load.getView().getType());
  for (auto [i, index] : llvm::enumerate(load.getIndices())) {
    auto cast = index.getDefiningOp<arith::IndexCastUIOp>();
    int64_t size = type.getDimSize(static_cast<unsigned>(i));
    if (cast && cast.getIn().getDefiningOp<kernel::LoadOp>() && !ShapedType::isDynamic(size))
      indices[i] = e.make<arith::MinUIOp>(indices[i], e.integer(size - 1));
  }
  return indices;
}

LogicalResult ScalarRegion::emit(Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](kernel::LoadOp load) {
        Value address = elementAddress(e, load.getView(), gatherIndices(e, load, getAll(load.getIndices())));
        bind(load.getValue(), e.loadFrom(load.getView(), load.getValue().getType(), address));
        return success();
      })
      .Case([&](kernel::StoreOp store) {
        emitStore(store);
        return success();
      })
      .Case([&](kernel::AppendOp append) { return emitAppend(append); })
      .Case([&](arith::ConstantOp constant) {
        Value scalar = isa<IndexType>(constant.getType()) ? e.integer(*getConstantIntValue(constant.getResult()))
                                                          : Value(e.make<arith::ConstantOp>(constant.getValue()));
        bind(constant, scalar);
        return success();
      })
      .Case([&](kernel::RowSumOp sum) { return emitRowSum(sum); })
      .Case<arith::ExtFOp, arith::TruncFOp>([&](auto convert) { return emitConversion(convert); })
      .Case([&](arith::IndexCastOp cast) {
        emitIndexCast(cast, /*isSigned=*/true);
        return success();
      })
      .Case([&](arith::IndexCastUIOp cast) {
        emitIndexCast(cast, /*isSigned=*/false);
        return success();
      })
      .Default([&](Operation *other) { return emitElementwise(other); });
}

void ScalarRegion::emitIndexCast(Operation *op, bool isSigned) {
  Value value = get(op->getOperand(0));
  Type to = heldType(e, op->getResult(0).getType());
  unsigned fromBits = value.getType().getIntOrFloatBitWidth(), toBits = to.getIntOrFloatBitWidth();
  if (fromBits > toBits)
    value = e.make<arith::TruncIOp>(to, value);
  else if (fromBits < toBits)
    value = isSigned ? Value(e.make<arith::ExtSIOp>(to, value)) : Value(e.make<arith::ExtUIOp>(to, value));
  bind(op->getResult(0), value);
}

LogicalResult ScalarRegion::emitConversion(Operation *op) {
  if (failed(checkConversion(op, "a GPU")))
    return failure();
  Type to = op->getResult(0).getType();
  Value value = get(op->getOperand(0));
  bind(op->getResult(0),
       to.isF32() ? Value(e.make<arith::ExtFOp>(to, value)) : Value(e.make<arith::TruncFOp>(to, value)));
  return success();
}

LogicalResult ScalarRegion::emitRowSum(kernel::RowSumOp op) {
  if (isVarying(op))
    return op.emitOpError() << "adds another row in every lane, which is not supported on a GPU";
  bind(op.getResult(), addRow(e, op.getView(), get(op.getRow())));
  return success();
}

LogicalResult ScalarRegion::emitElementwise(Operation *op) {
  if (failed(checkElementwise(op, "a GPU")))
    return failure();
  OperationState state(e.loc, op->getName());
  state.operands = getAll(op->getOperands());
  state.addAttributes(strictAttributes(op));
  state.types.push_back(heldType(e, op->getResult(0).getType()));
  bind(op->getResult(0), e.b.create(state)->getResult(0));
  return success();
}

//===----------------------------------------------------------------------===//
// Effects
//===----------------------------------------------------------------------===//

/// Whoever stores the last column of a row of tokens stores zeros behind it, so that products may read whole tiles.
void ScalarRegion::emitStore(kernel::StoreOp op) {
  SmallVector<Value> indices = getAll(op.getIndices());
  e.store(get(op.getValue()), elementAddress(e, op.getView(), indices));
  kernel::ViewType view = op.getView().getType();
  if (view.getForm().is_weight_form())
    return;
  int64_t depth = view.getDimSize(1), columns = view.getForm().tile_columns(view.getElementBytes());
  if (depth % columns == 0)
    return;
  Value zero = e.make<arith::ConstantOp>(cast<TypedAttr>(e.b.getZeroAttr(view.getElementType())));
  e.when(e.equal(indices[1], e.integer(depth - 1)), [&] {
    e.loop(e.integer(depth), e.integer(llvm::alignTo(depth, columns)), [&](Value column) {
      e.store(zero, elementAddress(e, op.getView(), {indices[0], column}));
    });
  });
}

LogicalResult ScalarRegion::emitAppend(kernel::AppendOp op) {
  kernel::CacheType cache = op.getCache().getType();
  if (failed(checkAppend(op)))
    return failure();
  int64_t tokens = cache.getPageTokens();
  Value position = get(op.getPosition());
  Value entry = elementAddress(e, op.getPages(), {get(op.getSequence()), e.div(position, tokens)});
  Value page = e.loadFrom(op.getPages(), e.i32, entry);
  Value address = cacheAddress(e, op.getCache(), page, get(op.getHead()), e.rem(position, tokens), get(op.getLane()));
  e.store(get(op.getValue()), address);
  return success();
}
