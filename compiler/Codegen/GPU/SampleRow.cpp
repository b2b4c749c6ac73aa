// SPDX-License-Identifier: Apache-2.0
//
// The arithmetic of lm.sample's description, bit for bit. There is no memory for a copy of a row, so whoever looks at
// an id computes its key, an integer in the order of the logits, and its mass anew.
#include "compiler/Codegen/GPU/SampleRow.h"

#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

/// The keys of -infinity and infinity; NaN has the largest key there is.
static constexpr int64_t lowestKey = -0x7f800001, infinityKey = 0x7f800000, nanKey = 0x7fffffff;
/// Bits of 2^-100: a logit of smaller magnitude counts as 0.
static constexpr int64_t smallestBits = 0x0d800000;
/// The mass of the best id is 2 to this power.
static constexpr int64_t massBits = 40;
/// e^y has no mass from here down.
static constexpr double leastExponent = -28;
/// What a row yields whose logits hold NaN or infinity.
static constexpr int64_t noId = -1;

SampleRow::SampleRow(KernelEmitter &e, kernel::SampleOp op, const SampleLayout &layout)
    : e(e), op(op), layout(layout), seen(e.shared(llvm::divideCeil(layout.vocabulary, 32) * 4)) {}

Value SampleRow::parameter(TypedValue<kernel::ViewType> view, Type type) {
  return e.loadFrom(view, type, e.element(e.address(view), e.widen(row), type.getIntOrFloatBitWidth() / 8));
}

void SampleRow::enter(Value number) {
  row = number;
  logits = e.element(e.address(op.getLogits()), e.widen(row), layout.vocabulary * 4);
  base = e.element(e.address(op.getWorkspaces()[0]), e.widen(row), layout.rowBytes);
  temperature = parameter(op.getTemperatures(), e.f32);
  isDrawn = e.make<arith::CmpFOp>(arith::CmpFPredicate::OGE, temperature, e.real(0x1p-126));
  topK = parameter(op.getTopK(), e.i32);
  hasTopK = both(e.less(e.integer(0), topK), e.less(topK, e.integer(layout.vocabulary)));
  topP = parameter(op.getTopP(), e.f32);
  hasTopP = e.greater(e.real(1), topP);
  isCut = e.bitOr(hasTopK, hasTopP);
  penalty = parameter(op.getPenalties(), e.f32);
  isPenalized = e.make<arith::CmpFOp>(arith::CmpFPredicate::ONE, penalty, e.real(1));
  penalty = e.fmax(penalty, e.real(0x1p-100));
}

/// By accesses that may meet others: the one who clears a word has heard that all blocks of its row are done with it,
/// and nothing of other rows.
Value SampleRow::loadWord(Type type, int64_t offset) {
  return e.make<LLVM::LoadOp>(type, state(offset), type.getIntOrFloatBitWidth() / 8, /*isVolatile=*/false,
                              /*isNonTemporal=*/false, /*isInvariant=*/false, /*isInvariantGroup=*/false,
                              LLVM::AtomicOrdering::monotonic, StringRef("device"));
}

void SampleRow::clearWord(Type type, Value address) {
  e.make<LLVM::StoreOp>(e.integer(0, type), address, type.getIntOrFloatBitWidth() / 8, /*isVolatile=*/false,
                        /*isNonTemporal=*/false, /*isInvariantGroup=*/false, LLVM::AtomicOrdering::monotonic,
                        StringRef("device"));
}

//===----------------------------------------------------------------------===//
// The best id
//===----------------------------------------------------------------------===//

void SampleRow::readBest() {
  bestOrder = loadWord(e.i64, SampleLayout::best);
  Value largest = keyOf(bestOrder);
  isNumber = e.less(largest, e.integer(infinityKey));
  isOpen = both(isNumber, e.less(e.integer(lowestKey), largest));
  largestLogit = logitOf(largest);
  // All ids that have a mass, or, where they are fewer, all that are not -infinity, fall to all bins but the last.
  Value lowest = flipSign(e.bitXor(loadWord(e.i32, SampleLayout::lowest), -1));
  Value range = e.fsub(largestLogit, logitOf(lowest)), most = e.fmul(temperature, e.real(-leastExponent));
  range = e.select(e.greater(most, range), range, most);
  scale = e.fdiv(e.real(static_cast<double>(layout.bins - 2)), range);
  Value bound = e.real(0x1p100);
  scale = e.select(e.greater(scale, bound), bound, scale);
}

void SampleRow::storeId(Value id) { e.store(id, e.element(e.address(op.getIds()), e.widen(row), 4)); }

void SampleRow::storeBest() { storeId(e.select(isNumber, idOf(bestOrder), e.integer(noId))); }

//===----------------------------------------------------------------------===//
// Ids and their keys
//===----------------------------------------------------------------------===//

/// Behind the last id the last ones are read again.
SampleRow::Ids SampleRow::load(Value first, int64_t count) {
  Ids ids = {first, {}};
  Type type = layout.perLoad == 1 ? e.f32 : Type(VectorType::get({layout.perLoad}, e.f32));
  Value last = e.integer(layout.vocabulary - layout.perLoad);
  for (int64_t i = 0; i < count; i += layout.perLoad) {
    Value place = e.element(logits, e.widen(e.min(e.add(first, i), last)), 4);
    ids.loaded.push_back(e.loadFrom(op.getLogits(), type, place, static_cast<unsigned>(layout.perLoad * 4)));
  }
  return ids;
}

SampleRow::Ids SampleRow::load(Value part) {
  return load(e.add(e.mul(part, layout.partIds), e.mul(e.thread, layout.threadIds)), layout.threadIds);
}

SampleRow::Values SampleRow::over(const Ids &ids, ValueRange init, Body body) {
  Values carried(init);
  for (int64_t i = 0, count = static_cast<int64_t>(ids.loaded.size()) * layout.perLoad; i < count; ++i) {
    Value id = e.add(ids.first, i), run = ids.loaded[i / layout.perLoad];
    Value logit = layout.perLoad == 1 ? run : e.extract(run, i % layout.perLoad);
    Value key = penalized(id, keyOfLogit(logit)), complement = e.widen(e.bitXor(id, -1));
    Value order = e.bitOr(e.shiftLeft(e.widen(flipSign(key)), wide(32)), complement);
    Value isThere = e.less(id, e.integer(layout.vocabulary));
    carried = body({id, e.select(isThere, key, e.integer(lowestKey)), e.select(isThere, order, wide(0))}, carried);
  }
  return carried;
}

SampleRow::Values SampleRow::overRow(ValueRange init, function_ref<Values(const Ids &, ValueRange)> body) {
  Value begin = e.mul(e.thread, layout.perLoad);
  return e.loop(
      e.integer(0), e.integer(layout.vocabulary), layout.perLoad * e.threads, init,
      [&](Value turn, ValueRange carried) { return body(load(e.add(turn, begin), layout.perLoad), carried); });
}

/// Flips the bits of negative floats below the sign, and back: read as integers, floats are then in order.
Value SampleRow::flipNegative(Value bits) {
  Value sign = e.make<arith::ShRSIOp>(bits, e.integer(31));
  return e.bitXor(bits, both(sign, e.integer(nanKey)));
}

/// The key of a logit. By integers alone, as on devices that flush subnormal numbers.
Value SampleRow::keyOfLogit(Value logit) {
  Value bits = e.bitcast(e.i32, logit), magnitude = e.bitAnd(bits, 0x7fffffff), key = flipNegative(bits);
  key = e.select(e.less(magnitude, e.integer(smallestBits)), e.integer(0), key);
  return e.select(e.less(e.integer(infinityKey), magnitude), e.integer(nanKey), key);
}

Value SampleRow::depthOf(Value key) {
  Value isFinite = both(e.less(e.integer(lowestKey), key), e.less(key, e.integer(infinityKey)));
  return e.select(isFinite, e.bitXor(flipSign(key), -1), e.integer(0));
}

/// Sets the bit of every id in the row's history at a position below the row's. One that could not be drawn stands
/// there for as long as the steps run that were submitted behind it; it sets some bit.
void SampleRow::markHistory() {
  auto strided = [&](Value end, function_ref<void(Value)> body) {
    e.loop(e.thread, end, e.threads, {}, [&](Value i, ValueRange) {
      body(i);
      return Values{};
    });
    e.barrier();
  };
  strided(e.integer(llvm::divideCeil(layout.vocabulary, 32)),
          [&](Value word) { e.store(e.integer(0), e.element(seen, word, 4)); });
  int64_t context = op.getHistory().getType().getDimSize(1);
  Value slotOfRow = e.widen(parameter(op.getSlots(), e.i32));
  Value tokens = e.element(e.address(op.getHistory()), slotOfRow, context * 4);
  strided(parameter(op.getPositions(), e.i32), [&](Value position) {
    Value held = e.loadFrom(op.getHistory(), e.i32, e.element(tokens, e.widen(position), 4));
    Value id = e.make<arith::MinUIOp>(held, e.integer(layout.vocabulary - 1));
    Value bit = e.shiftLeft(e.integer(1), e.bitAnd(id, 31));
    e.atomic(LLVM::AtomicBinOp::_or, e.element(seen, e.shiftRight(id, 5), 4), bit);
  });
}

/// The key after the penalty: once, however often the history holds the id.
Value SampleRow::penalized(Value id, Value key) {
  return e.when(isPenalized, key, [&]() -> Values {
    id = e.min(id, e.integer(layout.vocabulary - 1));
    Value word = e.load(e.i32, e.element(seen, e.shiftRight(id, 5), 4));
    Value bit = e.bitAnd(word, e.shiftLeft(e.integer(1), e.bitAnd(id, 31)));
    Value isSeen = e.compare(arith::CmpIPredicate::ne, bit, e.integer(0));
    return e.when(isSeen, key, [&]() -> Values {
      Value known = logitOf(key), isPositive = e.greater(known, e.real(0));
      return {keyOfLogit(e.select(isPositive, e.fdiv(known, penalty), e.fmul(known, penalty)))};
    });
  })[0];
}

//===----------------------------------------------------------------------===//
// Masses
//===----------------------------------------------------------------------===//

/// The bits of e^y as lm.sample states it, for y of (-28, 0]; anything for others. They are those of p with n added to
/// the exponent; adding 1.5 · 2^23 leaves n in the lower bits of t.
Value SampleRow::exponential(Value y) {
  Value magic = e.real(0x1.8p23), t = e.fma(y, e.real(0x1.715476p0), magic), n = e.fsub(t, magic);
  Value r = e.fma(n, e.real(-0x1.c85fep-10), e.fma(n, e.real(-0x1.62p-1), y)), p = e.real(0x1.6a23dp-10);
  for (double coefficient : {0x1.123a2p-7, 0x1.5558f2p-5, 0x1.555492p-3, 0x1.fffffcp-2, 1.0, 1.0})
    p = e.fma(p, r, e.real(coefficient));
  return e.add(e.bitcast(e.i32, p), e.shiftLeft(e.bitcast(e.i32, t), e.integer(23)));
}

/// From the bits of the exponential.
Value SampleRow::massOf(Value key) {
  Value y = e.fdiv(e.fsub(logitOf(key), largestLogit), temperature), bits = exponential(y);
  Value digits = e.bitOr(e.bitAnd(bits, (1 << 23) - 1), e.integer(1 << 23));
  Value drop = e.sub(e.integer(127), e.shiftRight(bits, 23));
  Value mass = e.shiftLeft(e.widen(digits), wide(massBits - 23));
  mass = e.make<arith::ShRUIOp>(mass, e.widen(drop));
  return e.select(e.greater(y, e.real(leastExponent)), mass, wide(0));
}

Value SampleRow::leastMass() {
  Value one = e.real(1), share = e.fmax(parameter(op.getMinP(), e.f32), e.real(0));
  share = e.select(e.greater(share, one), one, share);
  return toInteger(e.fmul(share, e.real(std::ldexp(1.0, massBits))));
}

/// Where the distance is no number times the scale, it is infinite, and the id has no mass.
Value SampleRow::binOf(Value key) {
  Value last = e.real(static_cast<double>(layout.bins - 1));
  Value place = e.fmul(e.fsub(largestLogit, logitOf(key)), scale);
  return e.make<arith::FPToSIOp>(e.i32, e.select(e.greater(last, place), place, last));
}

Value SampleRow::targetOf(Value mass) {
  Value share = toInteger(e.fmul(e.fmax(topP, e.real(0)), e.real(0x1p32)));
  return e.max(highProduct(e.shiftLeft(share, wide(32)), mass), wide(1));
}

/// The first two words of Philox 4x32-10 with key (seed) and counter (sequence, position, 0), the first on top.
Value SampleRow::random() {
  auto halves = [&](Value word) -> std::pair<Value, Value> {
    return {e.narrow(word), e.narrow(e.shiftRight(word, 32))};
  };
  auto [key0, key1] = halves(parameter(op.getSeeds(), e.i64));
  auto [c0, c1] = halves(parameter(op.getSequences(), e.i64));
  Value c2 = parameter(op.getPositions(), e.i32), c3 = e.integer(0);
  for (int round = 0; round < 10; ++round) {
    auto [low0, high0] = halves(e.mul(e.widen(c0), 0xD2511F53));
    auto [low1, high1] = halves(e.mul(e.widen(c2), 0xCD9E8D57));
    c0 = e.bitXor(e.bitXor(high1, c1), key0);
    c2 = e.bitXor(e.bitXor(high0, c3), key1);
    c1 = low1;
    c3 = low0;
    key0 = e.add(key0, static_cast<int32_t>(0x9E3779B9));
    key1 = e.add(key1, static_cast<int32_t>(0xBB67AE85));
  }
  return e.bitOr(e.shiftLeft(e.widen(c0), wide(32)), e.widen(c1));
}
