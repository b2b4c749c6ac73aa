// SPDX-License-Identifier: Apache-2.0
//
// Draws as lm.sample's description says, bit for bit. Two copies of the row in scratch memory are worked on: its keys,
// integers in the order of the logits, and its masses, the exponentials of softmax in fixed point. An id that is
// dropped on the way gets the key that no logit has and mass 0. Filters need no sorted row: they bisect the keys, and
// since counts and masses are integers, the order in which they are added is free.
#include "compiler/Codegen/CPU/Kernels.h"

#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

namespace {

/// Ids whose masses are added up together while the block that holds the drawn id is looked for.
constexpr int64_t blockIds = 256;
/// Below the key of every logit, -infinity included.
constexpr int64_t noKey = std::numeric_limits<int32_t>::min();
/// The keys of -infinity and infinity; NaN has the largest key there is.
constexpr int64_t lowestKey = -0x7f800001, infinityKey = 0x7f800000, nanKey = 0x7fffffff;
/// Bits of 2^-100: a logit of smaller magnitude counts as 0.
constexpr int64_t smallestBits = 0x0d800000;
/// The mass of the best id is 2 to this power.
constexpr int64_t massBits = 40;
/// Halvings after which any interval of keys is closed.
constexpr int64_t halvings = 32;
/// What a row yields whose logits hold NaN or infinity.
constexpr int64_t noId = -1;

class SampleEmitter {
public:
  SampleEmitter(KernelEmitter &e, kernel::SampleOp op)
      : e(e), op(op), vocabulary(op.getLogits().getType().getDimSize(1)), padded(llvm::alignTo(vocabulary, blockIds)),
        keys(e.scratch(padded * 4)), masses(e.scratch(padded * 8)), someKeys(e.local(e.i32, vectorLanes)),
        someMasses(e.local(e.i64, vectorLanes)), vi32(e.vectorOf(e.i32)), vi64(e.vectorOf(e.i64)) {}

  void run();

private:
  /// How many ids have a key above a bound, and the sum of their masses.
  struct Measure {
    Value count, mass;
  };
  /// Two bounds between which the answer of a search lies: what is above `low` is enough, what is above `high` is not.
  struct Interval {
    Value low, high;
    Measure aboveLow, aboveHigh;
  };

  // Parameters of a row
  Value parameter(TypedValue<kernel::ViewType> view, Value row, Type type);
  Value random(Value row);

  // Keys
  Value flipNegative(Value bits);
  Value keyOf(Value logits);
  Value logitOf(Value keys);
  void writeKeys(Value logits);
  void penalize(Value row, Value logits, Value penalty);
  Value largestKey();
  Value firstWith(Value key);

  // Masses and filters
  Value exponential(Value y);
  void writeMasses(Value largestKey, Value temperature);
  Measure measure(Value bound);
  Interval bisect(Value largestKey, Measure all, function_ref<Value(Measure)> isEnough);
  void keep(const Interval &found, Value ties);
  Value keepTies(Value begin, Value key, Value isTie, Value ties);
  void keepTopK(Value largestKey, Value k);
  void keepTopP(Value largestKey, Value p);

  // The draw
  Value leastMass(Value minP);
  Value mass(Value id, Value least, Type type);
  Value blockMass(Value begin, Value least);
  Value draw(Value row, Value least);
  Value drawFromBlock(Value begin, Value massBefore, Value target, Value least);

  Value keyVector(Value begin) { return e.load(vi32, e.element(keys, begin, 4), 64); }
  Value broadcastKey(Value key) { return e.broadcast(e.narrow(key)); }
  Value above(Value keyVector, Value key) { return e.compare(arith::CmpIPredicate::sgt, keyVector, broadcastKey(key)); }
  Value both(Value x, Value y) { return e.make<arith::AndIOp>(x, y); }
  Value shiftLeft(Value x, Value bits) { return e.make<arith::ShLIOp>(x, bits); }
  Value shiftRight(Value x, Value bits) { return e.make<arith::ShRUIOp>(x, bits); }
  /// The upper 64 bits of the product of two unsigned i64.
  Value highProduct(Value x, Value y) { return e.make<arith::MulUIExtendedOp>(x, y).getHigh(); }
  /// A constant of the type of `like`, a scalar or a vector.
  Value constantLike(Value like, int64_t value) {
    Value scalar = e.integer(value, getElementTypeOrSelf(like.getType()));
    return isa<VectorType>(like.getType()) ? e.broadcast(scalar) : scalar;
  }
  Value sumOf(Value vector) { return e.make<vector::ReductionOp>(vector::CombiningKind::ADD, vector); }
  /// Runs `body` for the pieces of 16 ids of the padded row.
  Emitter::Values overRow(ValueRange init, function_ref<Emitter::Values(Value, ValueRange)> body) {
    return e.loop(e.integer(0), e.integer(padded), vectorLanes, init, body);
  }

  KernelEmitter &e;
  kernel::SampleOp op;
  int64_t vocabulary, padded;
  Value keys, masses;         ///< Of one row: i32 and i64 [padded].
  Value someKeys, someMasses; ///< Of 16 ids.
  Type vi32, vi64;
};

} // namespace

Value SampleEmitter::parameter(TypedValue<kernel::ViewType> view, Value row, Type type) {
  return e.load(type, e.element(e.address(view), row, type.getIntOrFloatBitWidth() / 8));
}

void SampleEmitter::run() {
  e.loop(e.first, e.last, [&](Value row) {
    Value logits = e.element(e.address(op.getLogits()), row, vocabulary * 4), one = e.real(1);
    Value temperature = parameter(op.getTemperatures(), row, e.f32), penalty = parameter(op.getPenalties(), row, e.f32);
    writeKeys(logits);
    e.when(e.make<arith::CmpFOp>(arith::CmpFPredicate::ONE, penalty, one), [&] { penalize(row, logits, penalty); });
    Value largest = largestKey(), best = firstWith(largest);
    Value isNumber = e.less(largest, e.integer(infinityKey));
    Value isDrawn = e.make<arith::CmpFOp>(arith::CmpFPredicate::OGE, temperature, e.real(0x1p-126));
    isDrawn = both(both(isDrawn, isNumber), e.less(e.integer(lowestKey), largest));
    Value id = e.when(isDrawn, best, [&]() -> Emitter::Values {
      writeMasses(largest, temperature);
      Value k = e.widen(parameter(op.getTopK(), row, e.i32)), p = parameter(op.getTopP(), row, e.f32);
      e.when(both(e.less(e.integer(0), k), e.less(k, e.integer(vocabulary))), [&] { keepTopK(largest, k); });
      e.when(e.greater(one, p), [&] { keepTopP(largest, p); });
      return {draw(row, leastMass(parameter(op.getMinP(), row, e.f32)))};
    })[0];
    id = e.select(isNumber, id, e.integer(noId));
    e.store(e.narrow(id), e.element(e.address(op.getIds()), row, 4));
  });
}

/// The first two words of Philox 4x32-10 with key (seed) and counter (sequence, position, 0), the first on top.
Value SampleEmitter::random(Value row) {
  auto halves = [&](Value word) -> std::pair<Value, Value> {
    return {e.narrow(word), e.narrow(shiftRight(word, e.integer(32)))};
  };
  auto [key0, key1] = halves(parameter(op.getSeeds(), row, e.i64));
  auto [c0, c1] = halves(parameter(op.getSequences(), row, e.i64));
  Value c2 = parameter(op.getPositions(), row, e.i32), c3 = e.integer(0, e.i32);
  auto exclusiveOr = [&](Value x, Value y) -> Value { return e.make<arith::XOrIOp>(x, y); };
  for (int round = 0; round < 10; ++round) {
    auto [low0, high0] = halves(e.mul(e.widen(c0), 0xD2511F53));
    auto [low1, high1] = halves(e.mul(e.widen(c2), 0xCD9E8D57));
    c0 = exclusiveOr(exclusiveOr(high1, c1), key0);
    c2 = exclusiveOr(exclusiveOr(high0, c3), key1);
    c1 = low1;
    c3 = low0;
    key0 = e.add(key0, static_cast<int32_t>(0x9E3779B9));
    key1 = e.add(key1, static_cast<int32_t>(0xBB67AE85));
  }
  return e.make<arith::OrIOp>(shiftLeft(e.widen(c0), e.integer(32)), e.widen(c1));
}

//===----------------------------------------------------------------------===//
// Keys
//===----------------------------------------------------------------------===//

/// Flips the bits of negative floats below the sign, and back: read as integers, floats are then in order.
Value SampleEmitter::flipNegative(Value bits) {
  Value sign = e.make<arith::ShRSIOp>(bits, constantLike(bits, 31));
  return e.make<arith::XOrIOp>(bits, both(sign, constantLike(bits, nanKey)));
}

/// The keys of logits, a scalar or a vector. By integers alone, so that it does not matter whether the processor
/// flushes subnormal numbers.
Value SampleEmitter::keyOf(Value logits) {
  Value bits = e.make<arith::BitcastOp>(isa<VectorType>(logits.getType()) ? vi32 : e.i32, logits);
  Value magnitude = both(bits, constantLike(bits, 0x7fffffff)), key = flipNegative(bits);
  key = e.select(e.less(magnitude, constantLike(bits, smallestBits)), constantLike(bits, 0), key);
  return e.select(e.less(constantLike(bits, infinityKey), magnitude), constantLike(bits, nanKey), key);
}

Value SampleEmitter::logitOf(Value keys) {
  Type type = isa<VectorType>(keys.getType()) ? Type(e.vf32) : e.f32;
  return e.make<arith::BitcastOp>(type, flipNegative(keys));
}

void SampleEmitter::writeKeys(Value logits) {
  Value none = e.broadcast(e.integer(noKey, e.i32));
  e.pieces(vocabulary, vectorLanes, [&](Value begin, int64_t count) {
    Value key = keyOf(e.load(e.vf32, e.element(logits, begin, 4)));
    if (count < vectorLanes)
      key = e.select(e.laneRange(e.integer(0), e.integer(count)), key, none);
    e.store(key, e.element(keys, begin, 4), 64);
  });
  int64_t written = llvm::alignTo(vocabulary, vectorLanes);
  e.pieces((padded - written) / vectorLanes, 1,
           [&](Value i, int64_t) { e.store(none, e.element(keys, e.add(e.mul(i, vectorLanes), written), 4), 64); });
}

/// Lowers the logit of every id in the sequence's history, from what it was in the row: once, however often it occurs.
void SampleEmitter::penalize(Value row, Value logits, Value penalty) {
  int64_t context = op.getHistory().getType().getDimSize(1);
  Value slot = e.widen(parameter(op.getSlots(), row, e.i32));
  Value tokens = e.element(e.address(op.getHistory()), slot, context * 4);
  Value length = e.widen(parameter(op.getPositions(), row, e.i32));
  penalty = e.fmax(penalty, e.real(0x1p-100));
  e.loop(e.integer(0), length, [&](Value position) {
    Value id = e.widen(e.load(e.i32, e.element(tokens, position, 4)));
    Value logit = logitOf(keyOf(e.load(e.f32, e.element(logits, id, 4))));
    Value lower = e.select(e.greater(logit, e.real(0)), e.fdiv(logit, penalty), e.fmul(logit, penalty));
    e.store(keyOf(lower), e.element(keys, id, 4));
  });
}

Value SampleEmitter::largestKey() {
  Value most = overRow(e.broadcast(e.integer(noKey, e.i32)), [&](Value begin, ValueRange carried) {
    return Emitter::Values{e.max(carried[0], keyVector(begin))};
  })[0];
  return e.make<arith::ExtSIOp>(e.i64, e.make<vector::ReductionOp>(vector::CombiningKind::MAXSI, most));
}

/// The lowest id that has this key.
Value SampleEmitter::firstWith(Value key) {
  Value lanes = e.integers(llvm::to_vector(llvm::seq<int64_t>(0, vectorLanes)));
  Value none = e.broadcast(e.integer(padded));
  Value first = overRow(none, [&](Value begin, ValueRange carried) {
    Value ids = e.add(lanes, e.broadcast(begin));
    Value has = e.equal(keyVector(begin), broadcastKey(key));
    return Emitter::Values{e.min(carried[0], e.select(has, ids, none))};
  })[0];
  return e.make<vector::ReductionOp>(vector::CombiningKind::MINSI, first);
}

//===----------------------------------------------------------------------===//
// Masses and filters
//===----------------------------------------------------------------------===//

/// e^y as lm.sample states it, for 16 y of (-28, 0]; anything for others. The bits of the result are those of p with n
/// added to the exponent; adding 1.5 · 2^23 leaves n in the lower bits of t.
Value SampleEmitter::exponential(Value y) {
  Value magic = e.splat(0x1.8p23), t = e.fma(y, e.splat(0x1.715476p0), magic), n = e.fsub(t, magic);
  Value r = e.fma(n, e.splat(-0x1.c85fep-10), e.fma(n, e.splat(-0x1.62p-1), y));
  Value p = e.splat(0x1.6a23dp-10);
  for (double coefficient : {0x1.123a2p-7, 0x1.5558f2p-5, 0x1.555492p-3, 0x1.fffffcp-2, 1.0, 1.0})
    p = e.fma(p, r, e.splat(coefficient));
  Value bits = e.make<arith::BitcastOp>(vi32, p), shifted = e.make<arith::BitcastOp>(vi32, t);
  return e.add(bits, shiftLeft(shifted, constantLike(bits, 23)));
}

/// floor(2^40 · e^((logit - largest) / temperature)), which is 2^40 for the best; 0 for ids without a key, whose logit
/// reads as NaN. From the bits of the exponential, since not every level converts floats to i64.
void SampleEmitter::writeMasses(Value largestKey, Value temperature) {
  Value largest = e.broadcast(logitOf(e.narrow(largestKey))), divisor = e.broadcast(temperature);
  overRow({}, [&](Value begin, ValueRange) -> Emitter::Values {
    Value y = e.fdiv(e.fsub(logitOf(keyVector(begin)), largest), divisor), bits = exponential(y);
    Value implicit = constantLike(bits, 1 << 23);
    Value digits = e.make<arith::OrIOp>(both(bits, constantLike(bits, (1 << 23) - 1)), implicit);
    Value drop = e.sub(constantLike(bits, 127), shiftRight(bits, constantLike(bits, 23)));
    Value wide = e.make<arith::ExtUIOp>(vi64, digits), found = shiftLeft(wide, constantLike(wide, massBits - 23));
    found = shiftRight(found, e.make<arith::ExtUIOp>(vi64, drop));
    found = e.select(e.greater(y, e.splat(-28)), found, constantLike(found, 0));
    e.store(found, e.element(masses, begin, 8), 64);
    return {};
  });
}

SampleEmitter::Measure SampleEmitter::measure(Value bound) {
  Value nobody = e.broadcast(e.integer(0, e.i32)), nothing = e.broadcast(e.integer(0));
  Emitter::Values sums = overRow({nobody, nothing}, [&](Value begin, ValueRange carried) -> Emitter::Values {
    Value inside = above(keyVector(begin), bound);
    Value found = e.select(inside, e.load(vi64, e.element(masses, begin, 8), 64), nothing);
    return {e.add(carried[0], e.make<arith::ExtUIOp>(vi32, inside)), e.add(carried[1], found)};
  });
  return {e.widen(sumOf(sums[0])), sumOf(sums[1])};
}

/// Bisects the keys until the bounds are neighbours or one id lies between them. `all` measures the whole row, which is
/// enough.
SampleEmitter::Interval SampleEmitter::bisect(Value largestKey, Measure all, function_ref<Value(Measure)> isEnough) {
  Value none = e.integer(0), one = e.integer(1);
  Emitter::Values state = {e.integer(noKey), largestKey, all.count, all.mass, none, none};
  state = e.loop(none, e.integer(halvings), 1, state, [&](Value, ValueRange s) {
    Value low = s[0], high = s[1], between = e.sub(s[2], s[4]);
    Value open = both(e.less(one, e.sub(high, low)), e.less(one, between));
    return e.when(open, s, [&]() -> Emitter::Values {
      Value middle = e.add(low, e.div(e.sub(high, low), 2));
      Measure found = measure(middle);
      Value enough = isEnough(found);
      auto lower = [&](Value value, Value old) { return e.select(enough, value, old); };
      auto upper = [&](Value value, Value old) { return e.select(enough, old, value); };
      return {lower(middle, low),      upper(middle, high),      lower(found.count, s[2]),
              lower(found.mass, s[3]), upper(found.count, s[4]), upper(found.mass, s[5])};
    });
  });
  return {state[0], state[1], {state[2], state[3]}, {state[4], state[5]}};
}

/// Drops all but what a search has found: if one id lies between the bounds, what is above the lower one; else all that
/// lies between has the upper one as its key, and of these the first `ties` are kept.
void SampleEmitter::keep(const Interval &found, Value ties) {
  Value single = e.equal(e.sub(found.aboveLow.count, found.aboveHigh.count), e.integer(1));
  Value cut = e.select(single, found.low, found.high), none = e.broadcast(e.integer(noKey, e.i32));
  overRow(e.select(single, e.integer(0), ties), [&](Value begin, ValueRange left) -> Emitter::Values {
    Value keyAddress = e.element(keys, begin, 4), massAddress = e.element(masses, begin, 8);
    Value old = keyVector(begin), oldMass = e.load(vi64, massAddress, 64);
    Value inside = above(old, cut), isTie = e.equal(old, broadcastKey(cut));
    e.store(old, someKeys, 64);
    e.store(oldMass, someMasses, 64);
    e.store(e.select(inside, old, none), keyAddress, 64);
    e.store(e.select(inside, oldMass, constantLike(oldMass, 0)), massAddress, 64);
    return {keepTies(begin, cut, isTie, left[0])};
  });
}

/// Puts back up to `ties` of the 16 ids from `begin` that have this key; how many may be put back after them.
Value SampleEmitter::keepTies(Value begin, Value key, Value isTie, Value ties) {
  Value any = e.make<vector::ReductionOp>(vector::CombiningKind::OR, isTie), none = e.integer(0);
  return e.when(both(any, e.less(none, ties)), ties, [&] {
    return e.loop(none, e.integer(vectorLanes), 1, ties, [&](Value lane, ValueRange left) -> Emitter::Values {
      Value id = e.add(begin, lane), found = e.load(e.i32, e.element(someKeys, lane, 4));
      Value back = both(e.equal(found, e.narrow(key)), e.less(none, left[0]));
      e.when(back, [&] {
        e.store(found, e.element(keys, id, 4));
        e.store(e.load(e.i64, e.element(someMasses, lane, 8)), e.element(masses, id, 8));
      });
      return {e.sub(left[0], e.make<arith::ExtUIOp>(e.i64, back))};
    });
  })[0];
}

void SampleEmitter::keepTopK(Value largestKey, Value k) {
  Measure all = {e.integer(vocabulary), e.integer(0)};
  Interval found = bisect(largestKey, all, [&](Measure m) { return e.compare(arith::CmpIPredicate::sge, m.count, k); });
  keep(found, e.sub(k, found.aboveHigh.count));
}

void SampleEmitter::keepTopP(Value largestKey, Value p) {
  Measure all = measure(e.integer(noKey));
  Value share = e.make<arith::FPToSIOp>(e.i64, e.fmul(e.fmax(p, e.real(0)), e.real(0x1p32)));
  Value target = e.max(highProduct(shiftLeft(share, e.integer(32)), all.mass), e.integer(1));
  Interval found =
      bisect(largestKey, all, [&](Measure m) { return e.compare(arith::CmpIPredicate::sge, m.mass, target); });
  // Ids of equal mass lie between the bounds, more than none of it; as few of them are kept as reach the target.
  Value ties = e.sub(found.aboveLow.count, found.aboveHigh.count);
  Value each = e.div(e.sub(found.aboveLow.mass, found.aboveHigh.mass), ties);
  Value missing = e.sub(target, found.aboveHigh.mass);
  keep(found, e.div(e.sub(e.add(missing, each), e.integer(1)), each));
}

//===----------------------------------------------------------------------===//
// The draw
//===----------------------------------------------------------------------===//

/// The mass below which min p drops an id.
Value SampleEmitter::leastMass(Value minP) {
  Value one = e.real(1), share = e.fmax(minP, e.real(0));
  share = e.select(e.greater(share, one), one, share);
  return e.make<arith::FPToSIOp>(e.i64, e.fmul(share, e.real(std::ldexp(1.0, massBits))));
}

/// The mass of an id, or of the 16 from it on, after min p.
Value SampleEmitter::mass(Value id, Value least, Type type) {
  bool isVector = isa<VectorType>(type);
  Value found = e.load(type, e.element(masses, id, 8), isVector ? 64 : 0);
  Value isKept = e.compare(arith::CmpIPredicate::sge, found, isVector ? e.broadcast(least) : least);
  return e.select(isKept, found, constantLike(found, 0));
}

Value SampleEmitter::blockMass(Value begin, Value least) {
  Value sums =
      e.loop(begin, e.add(begin, blockIds), vectorLanes, e.broadcast(e.integer(0)),
             [&](Value id, ValueRange sum) -> Emitter::Values { return {e.add(sum[0], mass(id, least, vi64))}; })[0];
  return sumOf(sums);
}

/// Inverts the cumulative distribution in ascending id: once for the total, once to find the block. The target is below
/// the total, which is not 0 since the best id is always kept, so a block is found.
Value SampleEmitter::draw(Value row, Value least) {
  Value zero = e.integer(0), none = e.integer(-1), end = e.integer(padded);
  Value total = e.loop(zero, end, blockIds, zero, [&](Value block, ValueRange sum) -> Emitter::Values {
    return {e.add(sum[0], blockMass(block, least))};
  })[0];
  Value target = highProduct(random(row), total);
  Emitter::Values found = e.loop(zero, end, blockIds, {zero, zero, none}, [&](Value block, ValueRange state) {
    Value sum = e.add(state[0], blockMass(block, least));
    Value here = both(e.equal(state[2], none), e.less(target, sum));
    return Emitter::Values{sum, e.select(here, state[0], state[1]), e.select(here, block, state[2])};
  });
  return drawFromBlock(found[2], found[1], target, least);
}

/// The first id of the block with which the sum of masses passes the target.
Value SampleEmitter::drawFromBlock(Value begin, Value massBefore, Value target, Value least) {
  Value none = e.integer(-1);
  return e.loop(begin, e.add(begin, blockIds), 1, {massBefore, none}, [&](Value id, ValueRange state) {
    Value sum = e.add(state[0], mass(id, least, e.i64));
    Value here = both(e.equal(state[1], none), e.less(target, sum));
    return Emitter::Values{sum, e.select(here, id, state[1])};
  })[1];
}

LogicalResult codegen::emitTemplate(KernelEmitter &e, kernel::SampleOp op) {
  SampleEmitter(e, op).run();
  return success();
}
