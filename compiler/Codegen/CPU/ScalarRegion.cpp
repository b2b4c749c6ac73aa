// SPDX-License-Identifier: Apache-2.0
#include "compiler/Codegen/CPU/ScalarRegion.h"

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
    : e(emitter), math(emitter), block(region.front()) {
  DenseSet<Value> differs(varying.begin(), varying.end());
  for (Operation &op : block) {
    // A sum takes values that differ and gives one that does not.
    if (isa<kernel::SumOp>(op) || llvm::none_of(op.getOperands(), [&](Value v) { return differs.contains(v); }))
      continue;
    varyingOps.insert(&op);
    differs.insert(op.result_begin(), op.result_end());
  }
}

//===----------------------------------------------------------------------===//
// What is needed
//===----------------------------------------------------------------------===//

SmallVector<Operation *> ScalarRegion::slice(ValueRange roots) const {
  DenseSet<Operation *> needed;
  SmallVector<Value> open(roots);
  while (!open.empty()) {
    Value value = open.pop_back_val();
    Operation *op = value.getDefiningOp();
    if (!op || op->getBlock() != &block || values.contains(value) || !needed.insert(op).second)
      continue;
    if (!isa<kernel::SumOp>(op))
      llvm::append_range(open, op->getOperands());
  }
  SmallVector<Operation *> ops;
  for (Operation &op : block)
    if (needed.contains(&op))
      ops.push_back(&op);
  return ops;
}

SmallVector<Operation *> ScalarRegion::effects() const {
  SmallVector<Value> roots;
  DenseSet<Operation *> needed;
  for (Operation &op : block) {
    if (op.getNumResults() != 0 || isa<kernel::EndOp>(op))
      continue;
    needed.insert(&op);
    llvm::append_range(roots, op.getOperands());
  }
  needed.insert_range(slice(roots));
  SmallVector<Operation *> ops;
  for (Operation &op : block)
    if (needed.contains(&op))
      ops.push_back(&op);
  return ops;
}

LogicalResult ScalarRegion::emitInvariant(ArrayRef<Operation *> ops) {
  for (Operation *op : ops)
    if (!varyingOps.contains(op) && failed(emit(op, ActiveLanes())))
      return failure();
  return success();
}

LogicalResult ScalarRegion::emitVarying(ArrayRef<Operation *> ops, ActiveLanes active) {
  for (Operation *op : ops)
    if (varyingOps.contains(op) && failed(emit(op, active)))
      return failure();
  return success();
}

//===----------------------------------------------------------------------===//
// One op
//===----------------------------------------------------------------------===//

LogicalResult ScalarRegion::emit(Operation *op, ActiveLanes active) {
  auto lanesOf = [&](auto operands) {
    return llvm::map_to_vector(operands, [&](Value operand) { return get(operand); });
  };
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](kernel::LoadOp load) {
        bind(load.getValue(), loadElement(load.getView(), lanesOf(load.getIndices()), active));
        return success();
      })
      .Case([&](kernel::StoreOp store) {
        LaneValue index = elementIndex(store.getView().getType(), lanesOf(store.getIndices()));
        math.store(get(store.getValue()), e.address(store.getView()), index, active);
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

/// Between float32 and bfloat16, the two types a region may compute with.
LogicalResult ScalarRegion::emitConversion(Operation *op) {
  Type from = op->getOperand(0).getType(), to = op->getResult(0).getType();
  bool widens = from.isBF16() && to.isF32();
  if (!widens && !(from.isF32() && to.isBF16()))
    return op->emitError() << "'" << op->getName() << "' from " << from << " to " << to
                           << " is not supported in a scalar region on a CPU";
  LaneValue input = get(op->getOperand(0));
  Value value = widens ? e.widenBF16(input.value) : e.narrow16(input.value);
  bind(op->getResult(0), input.isUniform() ? LaneValue::uniform(value) : LaneValue::varying(value));
  return success();
}

LogicalResult ScalarRegion::emitRowSum(kernel::RowSumOp op) {
  if (!get(op.getRow()).isUniform())
    return op.emitOpError() << "adds another row in every lane, which is not supported on a CPU";
  int64_t width = op.getView().getType().getDimSize(1);
  Value row = e.element(e.address(op.getView()), get(op.getRow()).value, width * 4);
  Emitter::Values sums = e.pieces(width, vectorLanes, {e.splat(0)}, [&](Value begin, int64_t count, ValueRange sum) {
    Value vector = e.load(e.vf32, e.element(row, begin, 4));
    if (count < vectorLanes)
      vector = e.select(e.laneRange(e.integer(0), e.integer(count)), vector, e.splat(0));
    return Emitter::Values{e.fadd(sum[0], vector)};
  });
  bind(op.getResult(), LaneValue::uniform(e.addLanes(sums[0])));
  return success();
}

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

LogicalResult ScalarRegion::emitElementwise(Operation *op) {
  auto isBF16 = [](Type type) { return type.isBF16(); };
  bool known = isa<arith::ArithDialect, mlir::math::MathDialect>(op->getDialect()) &&
               llvm::none_of(op->getResultTypes(), isBF16) && llvm::none_of(op->getOperandTypes(), isBF16);
  if (!known || !op->hasTrait<OpTrait::Elementwise>() || op->getNumResults() != 1)
    return op->emitError() << "'" << op->getName() << "' is not supported in a scalar region on a CPU";
  bool uniform = llvm::all_of(op->getOperands(), [&](Value operand) { return get(operand).isUniform(); });
  OperationState state(e.loc, op->getName());
  for (Value operand : op->getOperands())
    state.operands.push_back(uniform ? get(operand).value : math.vector(get(operand)));
  // Every op rounds once, whatever a producer of the region would have allowed.
  for (NamedAttribute attribute : op->getAttrs())
    if (attribute.getName() != "fastmath")
      state.attributes.push_back(attribute);
  state.types.push_back(laneType(e, op->getResult(0).getType(), uniform));
  Value result = e.b.create(state)->getResult(0);
  bind(op->getResult(0), uniform ? LaneValue::uniform(result) : LaneValue::varying(result));
  return success();
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

LaneValue ScalarRegion::elementIndex(kernel::ViewType view, ArrayRef<LaneValue> indices) {
  int64_t rank = view.getRank();
  LaneValue index = LaneValue::uniform(e.integer(0));
  auto extend = [&](int64_t extent, const LaneValue &next) { index = math.add(math.mul(index, extent), next); };
  if (view.isRowMajor()) {
    for (int64_t i = 0; i < rank; ++i)
      extend(view.getDimSize(i), indices[i]);
    return index;
  }
  // [.., N / 32 rounded up, K, 32], or [.., K / 2 rounded up, 32, 2] in pairs.
  int64_t depth = view.getDimSize(rank - 1);
  const LaneValue &n = indices[rank - 2], &k = indices[rank - 1];
  for (int64_t i = 0; i < rank - 2; ++i)
    extend(view.getDimSize(i), indices[i]);
  extend(llvm::divideCeil(view.getDimSize(rank - 2), 32), math.div(n, 32));
  bool paired = view.getLayout() == "panel32x2";
  extend(paired ? llvm::divideCeil(depth, 2) : depth, paired ? math.div(k, 2) : k);
  extend(32, math.rem(n, 32));
  if (paired)
    extend(2, math.rem(k, 2));
  return index;
}

LaneValue ScalarRegion::loadElement(Value view, ArrayRef<LaneValue> indices, ActiveLanes active) {
  auto type = cast<kernel::ViewType>(view.getType());
  return math.load(scalarType(e, type.getElementType()), e.address(view), elementIndex(type, indices), active);
}

LogicalResult ScalarRegion::emitAppend(kernel::AppendOp op, ActiveLanes active) {
  kernel::CacheType cache = op.getCache().getType();
  if (cache.getPageBytes() == 0 || cache.getPageBytes() % 4)
    return op.emitError() << "writes to pages of " << cache.getPageBytes()
                          << " bytes, expected the positive multiple of 4 that a cache group gives";
  int64_t tokens = cache.getPageTokens(), width = cache.getWidth();
  LaneValue position = get(op.getPosition()), slot = math.rem(position, tokens);
  LaneValue page = loadElement(op.getPages(), {get(op.getSequence()), math.div(position, tokens)}, active);
  Value wide = e.make<arith::ExtUIOp>(laneType(e, e.i64, page.isUniform()), page.value);
  page = page.isUniform() ? LaneValue::uniform(wide) : LaneValue::varying(wide);

  LaneValue head = get(op.getHead()), lane = get(op.getLane()), index;
  if (cache.getPart() == kernel::CachePart::Key) {
    // [heads][P / 32][width][32], or [width / 2][32][2] in pairs.
    bool paired = cache.getElementType().isBF16();
    index = math.add(math.mul(head, tokens / 32), math.div(slot, 32));
    index = math.add(math.mul(index, paired ? width / 2 : width), paired ? math.div(lane, 2) : lane);
    index = math.add(math.mul(index, 32), math.rem(slot, 32));
    if (paired)
      index = math.add(math.mul(index, 2), math.rem(lane, 2));
  } else {
    // [heads][P][width]
    index = math.add(math.mul(math.add(math.mul(head, tokens), slot), width), lane);
  }
  index = math.add(math.mul(page, cache.getPageBytes() / cache.getElementBytes()), index);
  math.store(get(op.getValue()), e.address(op.getCache()), index, active);
  return success();
}
