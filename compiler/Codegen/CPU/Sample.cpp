// SPDX-License-Identifier: Apache-2.0
//
// Every pass goes over the whole row in fixed pieces of 16 lanes, so the result depends on nothing but the row. Two
// copies of the row in scratch memory are worked on: its keys, integers in the order of the logits, and its weights,
// which are the exponentials that softmax would divide by their sum. What is dropped on the way has the key of nothing
// and weight 0.
#include "compiler/Codegen/CPU/Kernels.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

namespace {

/// Ids whose weights are added up before the sum joins that of the row.
constexpr int64_t blockIds = 256;
/// Below the key of every logit, -infinity included.
constexpr int64_t noKey = std::numeric_limits<int32_t>::min();
/// Halvings that any interval of keys survives.
constexpr int64_t halvings = 32;

class SampleEmitter {
public:
  SampleEmitter(KernelEmitter &e, kernel::SampleOp op)
      : e(e), op(op), vocabulary(op.getLogits().getType().getDimSize(1)), padded(llvm::alignTo(vocabulary, blockIds)),
        keys(e.scratch(padded * 4)), weights(e.scratch(padded * 4)), someKeys(e.local(e.i32, vectorLanes)),
        someWeights(e.local(e.f32, vectorLanes)), vi32(e.vectorOf(e.i32)) {}

  void run();

private:
  /// How many ids have a key above a bound, and the sum of their weights.
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
  Value uniform(Value row);

  // Keys
  Value keyOf(Value logits);
  Value logitOf(Value keys);
  void writeKeys(Value logits);
  void penalize(Value row, Value logits, Value penalty);
  Value largestKey();
  Value firstWith(Value key);

  // Weights and filters
  void writeWeights(Value largestKey, Value temperature);
  Measure measure(Value bound);
  Interval bisect(Value largestKey, Measure all, function_ref<Value(Measure)> isEnough);
  void keep(const Interval &found, Value ties);
  Value keepTies(Value begin, Value key, Value isTie, Value ties);
  void keepTopK(Value largestKey, Value k);
  void keepTopP(Value largestKey, Value p);

  // The draw
  Value weight(Value id, Value minP, Type type);
  Value blockMass(Value begin, Value minP);
  Value draw(Value row, Value minP, Value best);
  Value drawFromBlock(Value begin, Value massBefore, Value target, Value minP);

  Value keyVector(Value begin) { return e.load(vi32, e.element(keys, begin, 4), 64); }
  Value broadcastKey(Value key) { return e.broadcast(e.narrow(key)); }
  Value above(Value keyVector, Value key) { return e.compare(arith::CmpIPredicate::sgt, keyVector, broadcastKey(key)); }
  Value both(Value x, Value y) { return e.make<arith::AndIOp>(x, y); }
  /// Runs `body` for the pieces of 16 ids of the padded row.
  Emitter::Values overRow(ValueRange init, function_ref<Emitter::Values(Value, ValueRange)> body) {
    return e.loop(e.integer(0), e.integer(padded), vectorLanes, init, body);
  }

  KernelEmitter &e;
  kernel::SampleOp op;
  int64_t vocabulary, padded;
  Value keys, weights;         ///< Of one row: i32 and f32 [padded].
  Value someKeys, someWeights; ///< Of 16 ids.
  Type vi32;
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
    // Not "is it 0": a temperature that is negative or no number is greedy too.
    Value id = e.when(e.greater(temperature, e.real(0)), best, [&]() -> Emitter::Values {
      writeWeights(largest, temperature);
      Value k = e.widen(parameter(op.getTopK(), row, e.i32)), p = parameter(op.getTopP(), row, e.f32);
      e.when(both(e.less(e.integer(0), k), e.less(k, e.integer(vocabulary))), [&] { keepTopK(largest, k); });
      e.when(e.greater(one, p), [&] { keepTopP(largest, p); });
      return {draw(row, parameter(op.getMinP(), row, e.f32), best)};
    })[0];
    e.store(e.narrow(id), e.element(e.address(op.getIds()), row, 4));
  });
}

/// Philox 4x32-10 with key (seed) and counter (sequence, position, 0): the upper 24 bits of its first word, in [0, 1).
Value SampleEmitter::uniform(Value row) {
  auto halves = [&](Value word) -> std::pair<Value, Value> {
    return {e.narrow(word), e.narrow(e.make<arith::ShRUIOp>(word, e.integer(32)))};
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
  Value bits = e.make<arith::ShRUIOp>(c0, e.integer(8, e.i32));
  return e.fmul(e.make<arith::UIToFPOp>(e.f64, bits), e.real(0x1p-24, e.f64));
}

//===----------------------------------------------------------------------===//
// Keys
//===----------------------------------------------------------------------===//

/// Flips the bits of negative floats below the sign, and back: read as integers, floats are then in order.
static Value flipNegative(KernelEmitter &e, Value bits) {
  auto constant = [&](int64_t value) {
    Value scalar = e.integer(value, e.i32);
    return isa<VectorType>(bits.getType()) ? e.broadcast(scalar) : scalar;
  };
  Value sign = e.make<arith::ShRSIOp>(bits, constant(31));
  return e.make<arith::XOrIOp>(bits, e.make<arith::AndIOp>(sign, constant(0x7fffffff)));
}

/// The keys of logits, a scalar or a vector. What is no number counts as -infinity, and both zeros are the same.
Value SampleEmitter::keyOf(Value logits) {
  auto constant = [&](double value) { return isa<VectorType>(logits.getType()) ? e.splat(value) : e.real(value); };
  Value isNumber = e.make<arith::CmpFOp>(arith::CmpFPredicate::ORD, logits, logits);
  Value number = e.select(isNumber, e.fadd(logits, constant(0)), constant(-std::numeric_limits<float>::infinity()));
  Type bits = isa<VectorType>(logits.getType()) ? vi32 : e.i32;
  return flipNegative(e, e.make<arith::BitcastOp>(bits, number));
}

Value SampleEmitter::logitOf(Value keys) {
  Type type = isa<VectorType>(keys.getType()) ? Type(e.vf32) : e.f32;
  return e.make<arith::BitcastOp>(type, flipNegative(e, keys));
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
  e.loop(e.integer(0), length, [&](Value position) {
    Value id = e.widen(e.load(e.i32, e.element(tokens, position, 4)));
    Value logit = e.load(e.f32, e.element(logits, id, 4));
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
// Weights and filters
//===----------------------------------------------------------------------===//

/// exp((logit - largest) / temperature): 1 for the best. No number where the largest logit is infinite; such weights
/// are never found by the draw.
void SampleEmitter::writeWeights(Value largestKey, Value temperature) {
  Value largest = e.broadcast(logitOf(e.narrow(largestKey)));
  overRow({}, [&](Value begin, ValueRange) -> Emitter::Values {
    Value key = keyVector(begin), distance = e.fsub(logitOf(key), largest);
    Value power = e.exp(e.fdiv(distance, e.broadcast(temperature)));
    e.store(e.select(above(key, e.integer(noKey)), power, e.splat(0)), e.element(weights, begin, 4), 64);
    return {};
  });
}

SampleEmitter::Measure SampleEmitter::measure(Value bound) {
  Type wide = e.vectorOf(e.f64);
  Value nobody = e.broadcast(e.integer(0, e.i32)), nothing = e.broadcast(e.real(0, e.f64));
  Emitter::Values sums = overRow({nobody, nothing}, [&](Value begin, ValueRange carried) -> Emitter::Values {
    Value inside = above(keyVector(begin), bound);
    Value mass = e.select(inside, e.load(e.vf32, e.element(weights, begin, 4), 64), e.splat(0));
    return {e.add(carried[0], e.make<arith::ExtUIOp>(vi32, inside)),
            e.fadd(carried[1], e.make<arith::ExtFOp>(wide, mass))};
  });
  return {e.widen(e.make<vector::ReductionOp>(vector::CombiningKind::ADD, sums[0])), e.addLanes(sums[1])};
}

/// Bisects the keys until the bounds are neighbours or one id lies between them. `all` measures the whole row, which is
/// enough.
SampleEmitter::Interval SampleEmitter::bisect(Value largestKey, Measure all, function_ref<Value(Measure)> isEnough) {
  Value none = e.integer(0), nothing = e.real(0, e.f64), one = e.integer(1);
  Emitter::Values state = {e.integer(noKey), largestKey, all.count, all.mass, none, nothing};
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
    Value keyAddress = e.element(keys, begin, 4), weightAddress = e.element(weights, begin, 4);
    Value old = keyVector(begin), mass = e.load(e.vf32, weightAddress, 64);
    Value inside = above(old, cut), isTie = e.equal(old, broadcastKey(cut));
    e.store(old, someKeys, 64);
    e.store(mass, someWeights, 64);
    e.store(e.select(inside, old, none), keyAddress, 64);
    e.store(e.select(inside, mass, e.splat(0)), weightAddress, 64);
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
        e.store(e.load(e.f32, e.element(someWeights, lane, 4)), e.element(weights, id, 4));
      });
      return {e.sub(left[0], e.make<arith::ExtUIOp>(e.i64, back))};
    });
  })[0];
}

void SampleEmitter::keepTopK(Value largestKey, Value k) {
  Measure all = {e.integer(vocabulary), e.real(0, e.f64)};
  Interval found = bisect(largestKey, all, [&](Measure m) { return e.compare(arith::CmpIPredicate::sge, m.count, k); });
  keep(found, e.sub(k, found.aboveHigh.count));
}

void SampleEmitter::keepTopP(Value largestKey, Value p) {
  Measure all = measure(e.integer(noKey));
  Value target = e.fmul(e.make<arith::ExtFOp>(e.f64, p), all.mass);
  auto isEnough = [&](Measure m) -> Value { return e.make<arith::CmpFOp>(arith::CmpFPredicate::OGE, m.mass, target); };
  Interval found = bisect(largestKey, all, isEnough);
  // So many ids of equal weight lie between the bounds; as few of them are kept as reach the target.
  Value ties = e.sub(found.aboveLow.count, found.aboveHigh.count);
  Value most = e.make<arith::SIToFPOp>(e.f64, ties);
  Value share = e.fdiv(e.fsub(target, found.aboveHigh.mass), e.fsub(found.aboveLow.mass, found.aboveHigh.mass));
  Value needed = e.make<mlir::math::CeilOp>(e.fmul(share, most));
  // Where weights are no numbers neither is this.
  needed = e.select(e.greater(most, needed), needed, most);
  keep(found, e.max(e.make<arith::FPToSIOp>(e.i64, needed), e.integer(1)));
}

//===----------------------------------------------------------------------===//
// The draw
//===----------------------------------------------------------------------===//

/// The weight of an id, or of the 16 from it on, after min p.
Value SampleEmitter::weight(Value id, Value minP, Type type) {
  bool isVector = isa<VectorType>(type);
  Value found = e.load(type, e.element(weights, id, 4), isVector ? 64 : 0);
  Value least = isVector ? e.broadcast(minP) : minP;
  return e.select(e.make<arith::CmpFOp>(arith::CmpFPredicate::OGE, found, least), found,
                  isVector ? e.splat(0) : e.real(0));
}

Value SampleEmitter::blockMass(Value begin, Value minP) {
  Type wide = e.vectorOf(e.f64);
  Value sums = e.loop(begin, e.add(begin, blockIds), vectorLanes, e.broadcast(e.real(0, e.f64)),
                      [&](Value id, ValueRange sum) -> Emitter::Values {
                        return {e.fadd(sum[0], e.make<arith::ExtFOp>(wide, weight(id, minP, e.vf32)))};
                      })[0];
  return e.addLanes(sums);
}

/// Inverts the cumulative distribution in ascending id. It is added up by blocks twice, once for the total and once to
/// find the block, by the same steps in float64: the second pass meets the very sums of the first, so a draw below the
/// total always finds a block.
Value SampleEmitter::draw(Value row, Value minP, Value best) {
  Value zero = e.real(0, e.f64), none = e.integer(-1), begin = e.integer(0), end = e.integer(padded);
  Value total = e.loop(begin, end, blockIds, zero, [&](Value block, ValueRange sum) -> Emitter::Values {
    return {e.fadd(sum[0], blockMass(block, minP))};
  })[0];
  Value target = e.fmul(uniform(row), total);
  Emitter::Values found = e.loop(begin, end, blockIds, {zero, zero, none}, [&](Value block, ValueRange state) {
    Value sum = e.fadd(state[0], blockMass(block, minP));
    Value here = both(e.equal(state[2], none), e.greater(sum, target));
    return Emitter::Values{sum, e.select(here, state[0], state[1]), e.select(here, block, state[2])};
  });
  // A total of 0 or one that is no number is found nowhere.
  return e.when(e.less(none, found[2]), best,
                [&]() -> Emitter::Values { return {drawFromBlock(found[2], found[1], target, minP)}; })[0];
}

/// The id at which the sum of weights passes the target. Its lanes add up in another order than the block did; should
/// rounding leave the sum below the target, it is the last id of the block that has a weight.
Value SampleEmitter::drawFromBlock(Value begin, Value massBefore, Value target, Value minP) {
  Value none = e.integer(-1);
  Emitter::Values found =
      e.loop(begin, e.add(begin, blockIds), 1, {massBefore, none, none}, [&](Value id, ValueRange state) {
        Value mass = weight(id, minP, e.f32);
        Value sum = e.fadd(state[0], e.make<arith::ExtFOp>(e.f64, mass));
        Value here = both(e.equal(state[1], none), e.greater(sum, target));
        Value last = e.select(e.greater(mass, e.real(0)), id, state[2]);
        return Emitter::Values{sum, e.select(here, id, state[1]), last};
      });
  return e.select(e.equal(found[1], none), found[2], found[1]);
}

LogicalResult codegen::emitSample(KernelEmitter &e, kernel::SampleOp op) {
  SampleEmitter(e, op).run();
  return success();
}
