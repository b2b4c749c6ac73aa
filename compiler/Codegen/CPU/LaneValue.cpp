// SPDX-License-Identifier: Apache-2.0
//
// Index arithmetic on lanes without vectors, as long as the lanes differ by constants: the form decides which loads and
// stores are contiguous, and gathers cost about a load per lane. Beside the offsets a value keeps a number that divides
// its base, without which no division or remainder could be folded: tiles and runs are cut at multiples, so dividing by
// their size keeps the offsets apart from the base. A rule that does not apply gives a vector, which is always right.

#include "compiler/Codegen/CPU/LaneValue.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"

#include <numeric>

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

using Offsets = LaneValue::Offsets;

//===----------------------------------------------------------------------===//
// Forms
//===----------------------------------------------------------------------===//

LaneValue LaneValue::uniform(Value scalar) {
  std::optional<int64_t> constant = getConstantIntValue(scalar);
  return {Form::Uniform, scalar, {}, constant ? std::abs(*constant) : 1};
}

LaneValue LaneValue::pattern(Value base, const Offsets &offsets, int64_t multiple) {
  bool same = llvm::all_of(offsets, [](int64_t offset) { return offset == 0; });
  return {same ? Form::Uniform : Form::Pattern, base, offsets, multiple};
}

LaneValue LaneValue::consecutive(Value base, int64_t multiple) {
  Offsets offsets;
  std::iota(offsets.begin(), offsets.end(), 0);
  return pattern(base, offsets, isConstantIntValue(base, 0) ? 0 : multiple);
}

template <typename Function> static Offsets mapOffsets(const Offsets &x, Function function) {
  Offsets result;
  llvm::transform(x, result.begin(), function);
  return result;
}

/// The constant that a uniform value is.
static std::optional<int64_t> constantOf(const LaneValue &x) {
  return x.isUniform() ? getConstantIntValue(x.value) : std::nullopt;
}

/// True if all offsets are in [0, limit).
static bool offsetsBelow(const LaneValue &x, int64_t limit) {
  return llvm::all_of(x.offsets, [&](int64_t offset) { return offset >= 0 && offset < limit; });
}

static bool isMultiple(const LaneValue &x, int64_t factor) { return x.multiple % factor == 0; }

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

Value LaneMath::vector(const LaneValue &x) {
  if (x.isVarying())
    return x.value;
  Value base = e.broadcast(x.value);
  return x.isUniform() ? base : e.add(base, e.integers(x.offsets));
}

Value LaneMath::lane(const LaneValue &x, int64_t lane) {
  return x.isVarying() ? Value(e.make<vector::ExtractOp>(x.value, lane)) : e.add(x.value, x.offsets[lane]);
}

LaneValue LaneMath::add(const LaneValue &x, const LaneValue &y) {
  if (x.isVarying() || y.isVarying())
    return LaneValue::varying(e.add(vector(x), vector(y)));
  Offsets offsets;
  for (int64_t i = 0; i < vectorLanes; ++i)
    offsets[i] = x.offsets[i] + y.offsets[i];
  return LaneValue::pattern(e.add(x.value, y.value), offsets, std::gcd(x.multiple, y.multiple));
}

LaneValue LaneMath::sub(const LaneValue &x, const LaneValue &y) {
  if (x.isVarying() || y.isVarying())
    return LaneValue::varying(e.sub(vector(x), vector(y)));
  Offsets offsets;
  for (int64_t i = 0; i < vectorLanes; ++i)
    offsets[i] = x.offsets[i] - y.offsets[i];
  return LaneValue::pattern(e.sub(x.value, y.value), offsets, std::gcd(x.multiple, y.multiple));
}

LaneValue LaneMath::mul(const LaneValue &x, const LaneValue &y) {
  if (!constantOf(y) && constantOf(x))
    return mul(y, x);
  if (std::optional<int64_t> factor = constantOf(y); factor && !x.isVarying())
    return LaneValue::pattern(e.mul(x.value, y.value), mapOffsets(x.offsets, [&](int64_t o) { return o * *factor; }),
                              x.multiple * std::abs(*factor));
  if (x.isUniform() && y.isUniform())
    return LaneValue::uniform(e.mul(x.value, y.value));
  return LaneValue::varying(e.mul(vector(x), vector(y)));
}

LaneValue LaneMath::div(const LaneValue &x, const LaneValue &y) {
  std::optional<int64_t> by = constantOf(y);
  if (by && *by > 0 && x.form == LaneValue::Form::Pattern) {
    if (isMultiple(x, *by) && offsetsBelow(x, INT64_MAX))
      return LaneValue::pattern(e.div(x.value, y.value), mapOffsets(x.offsets, [&](int64_t o) { return o / *by; }),
                                x.multiple / *by);
    // Between the base and the next multiple of `by` there is room for every offset.
    if (offsetsBelow(x, std::gcd(x.multiple, *by)))
      return LaneValue::uniform(e.div(x.value, y.value));
  }
  if (x.isUniform() && y.isUniform()) {
    LaneValue result = LaneValue::uniform(e.div(x.value, y.value));
    if (by && *by > 0 && isMultiple(x, *by) && !constantOf(result))
      result.multiple = x.multiple / *by;
    return result;
  }
  return LaneValue::varying(e.div(vector(x), vector(y)));
}

LaneValue LaneMath::rem(const LaneValue &x, const LaneValue &y) {
  std::optional<int64_t> by = constantOf(y);
  if (by && *by > 0 && x.form == LaneValue::Form::Pattern) {
    if (isMultiple(x, *by) && offsetsBelow(x, INT64_MAX))
      return LaneValue::pattern(e.integer(0), mapOffsets(x.offsets, [&](int64_t o) { return o % *by; }), 0);
    int64_t step = std::gcd(x.multiple, *by);
    if (offsetsBelow(x, step))
      return LaneValue::pattern(e.rem(x.value, y.value), x.offsets, step);
  }
  if (x.isUniform() && y.isUniform()) {
    LaneValue result = LaneValue::uniform(e.rem(x.value, y.value));
    if (by && !constantOf(result))
      result.multiple = std::max<int64_t>(1, std::gcd(x.multiple, *by));
    return result;
  }
  return LaneValue::varying(e.rem(vector(x), vector(y)));
}

LaneValue LaneMath::exclusiveOr(const LaneValue &x, const LaneValue &y) {
  std::optional<int64_t> bits = constantOf(y);
  if (bits && *bits >= 0 && x.form == LaneValue::Form::Pattern) {
    // Bits of the offsets and of the constant alike lie below those of the base.
    int64_t step = x.multiple == 0 ? int64_t(1) << 62 : x.multiple & -x.multiple;
    if (*bits < step && offsetsBelow(x, step))
      return LaneValue::pattern(x.value, mapOffsets(x.offsets, [&](int64_t o) { return o ^ *bits; }), 1);
  }
  if (x.isUniform() && y.isUniform())
    return LaneValue::uniform(e.b.createOrFold<arith::XOrIOp>(e.loc, x.value, y.value));
  return LaneValue::varying(e.make<arith::XOrIOp>(vector(x), vector(y)));
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Value LaneMath::addresses(Type type, Value base, const LaneValue &index) {
  Type vectorOfPointers = e.vectorOf(e.ptr);
  return e.make<LLVM::GEPOp>(vectorOfPointers, type, base, ValueRange{vector(index)});
}

LaneValue LaneMath::load(Type type, Value base, const LaneValue &index, ActiveLanes active) {
  int64_t bytes = type.getIntOrFloatBitWidth() / 8;
  if (index.isUniform())
    return LaneValue::uniform(e.load(type, e.element(base, index.value, bytes)));
  ArrayRef<int64_t> offsets = ArrayRef(index.offsets).take_front(active.count);
  int64_t low = *llvm::min_element(offsets), high = *llvm::max_element(offsets);
  if (index.isVarying() || high - low >= 2 * vectorLanes || (bytes != 4 && bytes != 2)) {
    Value none = e.broadcast(type.isFloat() ? e.real(0, type) : e.integer(0, type));
    Value mask = e.laneRange(e.integer(0), e.integer(active.count));
    return LaneValue::varying(e.make<LLVM::masked_gather>(e.vectorOf(type), addresses(type, base, index), mask,
                                                          ValueRange{none}, static_cast<uint32_t>(bytes)));
  }
  // Every load begins at or before an element that an active lane names.
  Value start = e.element(base, e.add(index.value, low), bytes);
  Value block = e.load(e.vectorOf(type), start), next = block;
  bool two = high - low >= vectorLanes;
  if (two)
    next = e.load(e.vectorOf(type), e.at(start, vectorLanes * bytes));
  SmallVector<int64_t> picked;
  for (int64_t offset : index.offsets)
    picked.push_back(std::clamp<int64_t>(offset - low, 0, (two ? 2 : 1) * vectorLanes - 1));
  if (llvm::equal(picked, llvm::seq<int64_t>(0, vectorLanes)))
    return LaneValue::varying(block);
  return LaneValue::varying(e.make<vector::ShuffleOp>(block, next, picked));
}

void LaneMath::store(const LaneValue &value, Value base, const LaneValue &index, ActiveLanes active) {
  Type type = getElementTypeOrSelf(value.value);
  int64_t bytes = type.getIntOrFloatBitWidth() / 8;
  if (index.isUniform() && value.isUniform())
    return e.store(value.value, e.element(base, index.value, bytes));
  bool consecutive = index.form == LaneValue::Form::Pattern;
  for (int64_t i = 0; i < active.count; ++i)
    consecutive &= index.offsets[i] == index.offsets[0] + i;
  if (consecutive)
    return e.storeLanes(vector(value), e.element(base, e.add(index.value, index.offsets[0]), bytes), active.count);
  e.make<LLVM::masked_scatter>(vector(value), addresses(type, base, index),
                               e.laneRange(e.integer(0), e.integer(active.count)), static_cast<uint32_t>(bytes));
}

bool LaneMath::isEven(const LaneValue &index) const {
  return !index.isVarying() && index.multiple % 2 == 0 &&
         llvm::all_of(index.offsets, [](int64_t offset) { return offset % 2 == 0; });
}

void LaneMath::storePairs(const LaneValue &even, const LaneValue &odd, Value base, const LaneValue &index,
                          ActiveLanes active) {
  bool consecutive = index.form == LaneValue::Form::Pattern;
  for (int64_t i = 0; i < active.count; ++i)
    consecutive &= index.offsets[i] == index.offsets[0] + 2 * i;
  Type element = getElementTypeOrSelf(even.value);
  int64_t bytes = element.getIntOrFloatBitWidth() / 8;
  Value start = consecutive ? e.element(base, e.add(index.value, index.offsets[0]), bytes) : Value();
  if (element.isF32()) {
    if (!consecutive) {
      store(even, base, index, active);
      return store(odd, base, add(index, LaneValue::uniform(e.integer(1))), active);
    }
    for (int64_t first = 0; first < active.count; first += vectorLanes / 2) {
      SmallVector<int64_t> picked;
      for (int64_t i = 0; i < vectorLanes; ++i)
        picked.push_back(first + i / 2 + i % 2 * vectorLanes);
      e.storeLanes(e.make<vector::ShuffleOp>(vector(even), vector(odd), picked), e.at(start, 2 * first * bytes),
                   std::min(2 * (active.count - first), vectorLanes));
    }
    return;
  }
  Type pairs = e.vectorOf(e.i32);
  Value high = e.make<arith::ShLIOp>(e.make<arith::ExtUIOp>(pairs, vector(odd)), e.broadcast(e.integer(16, e.i32)));
  Value value = e.make<arith::OrIOp>(e.make<arith::ExtUIOp>(pairs, vector(even)), high);
  if (consecutive)
    return e.storeLanes(value, start, active.count);
  e.make<LLVM::masked_scatter>(value, addresses(e.i16, base, index), e.laneRange(e.integer(0), e.integer(active.count)),
                               /*alignment=*/4u);
}
