// SPDX-License-Identifier: Apache-2.0
//
// Draws as lm.sample's description says, bit for bit. A block takes a row. There is no memory for a copy of the row, so
// every pass computes keys, integers in the order of the logits, and masses anew; which ids a penalty lowers is a bit
// set in shared memory. Filters need no sorted row: they narrow an interval of keys by counts and masses above a few
// points, and since these are integers, the order in which threads add them is free. What a filter leaves is said by
// one key and one id: larger keys stay, and of those that are equal the ids below.
#include "compiler/Codegen/GPU/Kernels.h"

#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

namespace {

/// Below the key of every logit, -infinity included.
constexpr int64_t noKey = std::numeric_limits<int32_t>::min();
/// The keys of -infinity and infinity; NaN has the largest key there is.
constexpr int64_t lowestKey = -0x7f800001, infinityKey = 0x7f800000, nanKey = 0x7fffffff;
/// Bits of 2^-100: a logit of smaller magnitude counts as 0.
constexpr int64_t smallestBits = 0x0d800000;
/// The mass of the best id is 2 to this power.
constexpr int64_t massBits = 40;
/// Points that cut an interval of keys into four, and passes after which any interval is closed.
constexpr int64_t searchPoints = 3, searchPasses = 17;
/// What a row yields whose logits hold NaN or infinity.
constexpr int64_t noId = -1;
/// Values that a block adds up at once: a count and a mass for each point.
constexpr int64_t mostSums = 2 * searchPoints;

class SampleEmitter {
public:
  SampleEmitter(KernelEmitter &e, kernel::SampleOp op);

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
  /// Leaves ids whose key is above `cut`, and of those with this key the ids below `tieEnd`; both i32.
  struct Filter {
    Value cut, tieEnd;
  };
  using Values = OpEmitter::Values;
  using Body = function_ref<Values(Value id, Value key, ValueRange carried)>;

  // Parameters of a row
  Value parameter(TypedValue<kernel::ViewType> view, Type type);
  Value random();

  // Keys
  Value flipNegative(Value bits);
  Value keyOf(Value logit);
  Value logitOf(Value key) { return e.bitcast(e.f32, flipNegative(key)); }
  void markHistory();
  Value keyAt(Value id, Value logit);
  Value best();

  // Masses and filters
  Value exponential(Value y);
  Value massOf(Value key);
  SmallVector<Measure> measure(ArrayRef<Value> bounds, const Filter &filter, bool weighs);
  Interval search(Measure all, const Filter &filter, bool weighs, function_ref<Value(Measure)> isEnough);
  Filter keep(const Interval &found, Value ties, const Filter &filter);
  Value endOfTies(Value cut, Value ties, const Filter &filter);
  Filter keepTopK(Value k, const Filter &filter);
  Filter keepTopP(Value p, const Filter &filter);

  // The draw
  Value leastMass();
  Value draw(const Filter &filter);
  void sumParts(Value begin, Value size, const Filter &filter, Value least);
  Value partOf(Value size) { return e.div(e.add(size, warps - 1), warps); }

  // What the block does together
  /// Runs `body` for all ids of the row, each by one thread.
  Values overRow(ValueRange init, Body body);
  /// The i64 values of a warp's lanes combined, in every lane.
  Value combineLanes(Value value, function_ref<Value(Value, Value)> by);
  /// The values of all threads combined, in every thread.
  Values combine(Values values, function_ref<Value(Value, Value)> by);
  Value slot(int64_t value, Value ofWarp) { return e.element(e.at(slots, value * warps * 8), ofWarp, 8); }

  Value isKept(Value key, Value id, const Filter &filter) {
    Value isTie = both(e.equal(key, filter.cut), e.less(id, filter.tieEnd));
    return e.bitOr(e.less(filter.cut, key), isTie);
  }
  Value both(Value x, Value y) { return e.bitAnd(x, y); }
  Value wide(int64_t value) { return e.integer(value, e.i64); }
  Value signExtend(Value x) { return e.make<arith::ExtSIOp>(e.i64, x); }
  Value atLeast(Value x, Value y) { return e.compare(arith::CmpIPredicate::sge, x, y); }
  /// The upper 64 bits of the product of two unsigned i64.
  Value highProduct(Value x, Value y) { return e.make<arith::MulUIExtendedOp>(x, y).getHigh(); }
  Value toInteger(Value x) { return e.make<arith::FPToSIOp>(e.i64, x); }

  KernelEmitter &e;
  kernel::SampleOp op;
  int64_t vocabulary, warps;
  int64_t perLoad;   ///< Logits that a thread loads side by side.
  Value row, logits; ///< The cell's.
  Value seen;        ///< In shared memory: a bit for each id, set where the penalty lowers it.
  Value slots;       ///< In shared memory: i64 [mostSums][warps].
  Value penalty, isPenalized, largest, largestLogit, temperature;
};

} // namespace

SampleEmitter::SampleEmitter(KernelEmitter &e, kernel::SampleOp op)
    : e(e), op(op), vocabulary(op.getLogits().getType().getDimSize(1)), warps(e.threads / warpLanes),
      perLoad(vocabulary % 4 == 0 ? 4 : 1), row(e.cell),
      logits(e.element(e.address(op.getLogits()), e.widen(e.cell), vocabulary * 4)),
      seen(e.shared(llvm::divideCeil(vocabulary, 32) * 4)), slots(e.shared(mostSums * warps * 8)) {
  penalty = parameter(op.getPenalties(), e.f32);
  isPenalized = e.make<arith::CmpFOp>(arith::CmpFPredicate::ONE, penalty, e.real(1));
  penalty = e.fmax(penalty, e.real(0x1p-100));
}

Value SampleEmitter::parameter(TypedValue<kernel::ViewType> view, Type type) {
  return e.loadFrom(view, type, e.element(e.address(view), e.widen(row), type.getIntOrFloatBitWidth() / 8));
}

void SampleEmitter::run() {
  e.when(isPenalized, [&] { markHistory(); });
  Value found = best(), bestId = e.bitXor(e.narrow(found), -1);
  largest = e.narrow(e.shiftRight(found, 32));
  largestLogit = logitOf(largest);
  temperature = parameter(op.getTemperatures(), e.f32);
  Value isNumber = e.less(largest, e.integer(infinityKey));
  Value isDrawn = e.make<arith::CmpFOp>(arith::CmpFPredicate::OGE, temperature, e.real(0x1p-126));
  isDrawn = both(both(isDrawn, isNumber), e.less(e.integer(lowestKey), largest));
  Value id = e.when(isDrawn, bestId, [&]() -> Values {
    Filter filter = {e.integer(noKey), e.integer(0)};
    Value k = parameter(op.getTopK(), e.i32), p = parameter(op.getTopP(), e.f32);
    auto narrowed = [&](Value condition, function_ref<Filter()> by) {
      Values kept = e.when(condition, {filter.cut, filter.tieEnd}, [&] {
        Filter next = by();
        return Values{next.cut, next.tieEnd};
      });
      filter = {kept[0], kept[1]};
    };
    narrowed(both(e.less(e.integer(0), k), e.less(k, e.integer(vocabulary))), [&] { return keepTopK(k, filter); });
    narrowed(e.greater(e.real(1), p), [&] { return keepTopP(p, filter); });
    return {draw(filter)};
  })[0];
  id = e.select(isNumber, id, e.integer(noId));
  e.when(e.equal(e.thread, e.integer(0)), [&] { e.store(id, e.element(e.address(op.getIds()), e.widen(row), 4)); });
}

/// The first two words of Philox 4x32-10 with key (seed) and counter (sequence, position, 0), the first on top.
Value SampleEmitter::random() {
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

//===----------------------------------------------------------------------===//
// What the block does together
//===----------------------------------------------------------------------===//

SampleEmitter::Values SampleEmitter::overRow(ValueRange init, Body body) {
  Value begin = e.mul(e.thread, perLoad), end = e.integer(vocabulary);
  Type type = perLoad == 1 ? e.f32 : Type(VectorType::get({perLoad}, e.f32));
  Values result = e.loop(begin, end, e.threads * perLoad, init, [&](Value first, ValueRange carried) {
    Value loaded =
        e.loadFrom(op.getLogits(), type, e.element(logits, e.widen(first), 4), static_cast<unsigned>(perLoad * 4));
    Values next(carried);
    for (int64_t i = 0; i < perLoad; ++i) {
      Value id = e.add(first, i);
      next = body(id, keyAt(id, perLoad == 1 ? loaded : e.extract(loaded, i)), next);
    }
    return next;
  });
  // Threads may leave the loop one turn apart.
  e.syncWarp();
  return result;
}

Value SampleEmitter::combineLanes(Value value, function_ref<Value(Value, Value)> by) {
  // Shuffles are of 32 bits.
  for (int64_t half = warpLanes / 2; half > 0; half /= 2) {
    Value low = e.shuffleXor(e.narrow(value), half), high = e.shuffleXor(e.narrow(e.shiftRight(value, 32)), half);
    value = by(value, e.bitOr(e.shiftLeft(e.widen(high), wide(32)), e.widen(low)));
  }
  return value;
}

SampleEmitter::Values SampleEmitter::combine(Values values, function_ref<Value(Value, Value)> by) {
  for (auto [i, value] : llvm::enumerate(values)) {
    Value mine = combineLanes(value, by), place = slot(static_cast<int64_t>(i), e.warp);
    e.when(e.equal(e.lane, e.integer(0)), [&] { e.store(mine, place); });
  }
  e.barrier();
  auto ofWarp = [&](Value warp) {
    Values all;
    for (size_t i = 0; i < values.size(); ++i)
      all.push_back(e.load(e.i64, slot(static_cast<int64_t>(i), warp)));
    return all;
  };
  Values result = e.loop(e.integer(1), e.integer(warps), 1, ofWarp(e.integer(0)), [&](Value warp, ValueRange carried) {
    Values next = ofWarp(warp);
    for (auto [mine, before] : llvm::zip_equal(next, carried))
      mine = by(before, mine);
    return next;
  });
  // The slots are free again.
  e.barrier();
  return result;
}

//===----------------------------------------------------------------------===//
// Keys
//===----------------------------------------------------------------------===//

/// Flips the bits of negative floats below the sign, and back: read as integers, floats are then in order.
Value SampleEmitter::flipNegative(Value bits) {
  Value sign = e.make<arith::ShRSIOp>(bits, e.integer(31));
  return e.bitXor(bits, both(sign, e.integer(nanKey)));
}

/// The key of a logit. By integers alone, as on devices that flush subnormal numbers.
Value SampleEmitter::keyOf(Value logit) {
  Value bits = e.bitcast(e.i32, logit), magnitude = e.bitAnd(bits, 0x7fffffff), key = flipNegative(bits);
  key = e.select(e.less(magnitude, e.integer(smallestBits)), e.integer(0), key);
  return e.select(e.less(e.integer(infinityKey), magnitude), e.integer(nanKey), key);
}

/// Sets the bit of every id in the row's history at a position below the row's. One that could not be drawn stands
/// there for as long as the steps run that were submitted behind it; it sets some bit.
void SampleEmitter::markHistory() {
  auto strided = [&](Value end, function_ref<void(Value)> body) {
    e.loop(e.thread, end, e.threads, {}, [&](Value i, ValueRange) {
      body(i);
      return Values{};
    });
    e.barrier();
  };
  strided(e.integer(llvm::divideCeil(vocabulary, 32)),
          [&](Value word) { e.store(e.integer(0), e.element(seen, word, 4)); });
  int64_t context = op.getHistory().getType().getDimSize(1);
  Value slotOfRow = e.widen(parameter(op.getSlots(), e.i32));
  Value tokens = e.element(e.address(op.getHistory()), slotOfRow, context * 4);
  strided(parameter(op.getPositions(), e.i32), [&](Value position) {
    Value held = e.loadFrom(op.getHistory(), e.i32, e.element(tokens, e.widen(position), 4));
    Value id = e.make<arith::MinUIOp>(held, e.integer(vocabulary - 1));
    Value bit = e.shiftLeft(e.integer(1), e.bitAnd(id, 31));
    e.make<LLVM::AtomicRMWOp>(LLVM::AtomicBinOp::_or, e.element(seen, e.shiftRight(id, 5), 4), bit,
                              LLVM::AtomicOrdering::monotonic);
  });
}

/// The key of an id's logit after the penalty: once, however often the history holds the id.
Value SampleEmitter::keyAt(Value id, Value logit) {
  Value key = keyOf(logit);
  return e.when(isPenalized, key, [&]() -> Values {
    Value word = e.load(e.i32, e.element(seen, e.shiftRight(id, 5), 4));
    Value bit = e.bitAnd(word, e.shiftLeft(e.integer(1), e.bitAnd(id, 31)));
    Value isSeen = e.compare(arith::CmpIPredicate::ne, bit, e.integer(0));
    return e.when(isSeen, key, [&]() -> Values {
      Value known = logitOf(key), isPositive = e.greater(known, e.real(0));
      return {keyOf(e.select(isPositive, e.fdiv(known, penalty), e.fmul(known, penalty)))};
    });
  })[0];
}

/// The largest key, and below it the complement of the lowest id that has it.
Value SampleEmitter::best() {
  Value none = wide(std::numeric_limits<int64_t>::min());
  Values most = overRow(none, [&](Value id, Value key, ValueRange carried) {
    Value both = e.bitOr(e.shiftLeft(signExtend(key), wide(32)), e.widen(e.bitXor(id, -1)));
    return Values{e.max(carried[0], both)};
  });
  return combine(most, [&](Value x, Value y) { return e.max(x, y); })[0];
}

//===----------------------------------------------------------------------===//
// Masses and filters
//===----------------------------------------------------------------------===//

/// The bits of e^y as lm.sample states it, for y of (-28, 0]; anything for others. They are those of p with n added to
/// the exponent; adding 1.5 · 2^23 leaves n in the lower bits of t.
Value SampleEmitter::exponential(Value y) {
  Value magic = e.real(0x1.8p23), t = e.fma(y, e.real(0x1.715476p0), magic), n = e.fsub(t, magic);
  Value r = e.fma(n, e.real(-0x1.c85fep-10), e.fma(n, e.real(-0x1.62p-1), y)), p = e.real(0x1.6a23dp-10);
  for (double coefficient : {0x1.123a2p-7, 0x1.5558f2p-5, 0x1.555492p-3, 0x1.fffffcp-2, 1.0, 1.0})
    p = e.fma(p, r, e.real(coefficient));
  return e.add(e.bitcast(e.i32, p), e.shiftLeft(e.bitcast(e.i32, t), e.integer(23)));
}

/// floor(2^40 · e^((logit - largest) / temperature)), from the bits of the exponential.
Value SampleEmitter::massOf(Value key) {
  Value y = e.fdiv(e.fsub(logitOf(key), largestLogit), temperature), bits = exponential(y);
  Value digits = e.bitOr(e.bitAnd(bits, (1 << 23) - 1), e.integer(1 << 23));
  Value drop = e.sub(e.integer(127), e.shiftRight(bits, 23));
  Value mass = e.shiftLeft(e.widen(digits), wide(massBits - 23));
  mass = e.make<arith::ShRUIOp>(mass, e.widen(drop));
  return e.select(e.greater(y, e.real(-28)), mass, wide(0));
}

/// What is above each of the bounds, i64 keys, of what the filter leaves. Masses are 0 unless it `weighs`.
SmallVector<SampleEmitter::Measure> SampleEmitter::measure(ArrayRef<Value> bounds, const Filter &filter, bool weighs) {
  size_t points = bounds.size();
  SmallVector<Value> keys;
  for (Value bound : bounds)
    keys.push_back(e.narrow(bound));
  Values sums(weighs ? 2 * points : points, wide(0));
  sums = overRow(sums, [&](Value id, Value key, ValueRange carried) {
    Values next(carried);
    Value kept = isKept(key, id, filter), mass = weighs ? massOf(key) : Value();
    for (size_t i = 0; i < points; ++i) {
      Value inside = both(kept, e.less(keys[i], key));
      next[i] = e.add(next[i], e.make<arith::ExtUIOp>(e.i64, inside));
      if (weighs)
        next[points + i] = e.add(next[points + i], e.select(inside, mass, wide(0)));
    }
    return next;
  });
  sums = combine(sums, [&](Value x, Value y) { return e.add(x, y); });
  SmallVector<Measure> result;
  for (size_t i = 0; i < points; ++i)
    result.push_back({sums[i], weighs ? sums[points + i] : wide(0)});
  return result;
}

/// Narrows the interval of all keys until its bounds are neighbours or one id lies between them. `all` measures what
/// the filter leaves, which is enough.
SampleEmitter::Interval SampleEmitter::search(Measure all, const Filter &filter, bool weighs,
                                              function_ref<Value(Measure)> isEnough) {
  Values state = {wide(noKey), signExtend(largest), all.count, all.mass, wide(0), wide(0)};
  state = e.loop(e.integer(0), e.integer(searchPasses), 1, state, [&](Value, ValueRange s) {
    Value low = s[0], high = s[1], distance = e.sub(high, low), between = e.sub(s[2], s[4]);
    Value open = both(e.less(wide(1), distance), e.less(wide(1), between));
    return e.when(open, s, [&] {
      SmallVector<Value> points;
      for (int64_t i = 1; i <= searchPoints; ++i)
        points.push_back(e.add(low, e.div(e.mul(distance, i), searchPoints + 1)));
      SmallVector<Measure> found = measure(points, filter, weighs);
      Values next(s);
      auto take = [&](Value condition, unsigned i, Value point, Measure measure) {
        next[i] = e.select(condition, point, next[i]);
        next[2 + 2 * i] = e.select(condition, measure.count, next[2 + 2 * i]);
        next[3 + 2 * i] = e.select(condition, measure.mass, next[3 + 2 * i]);
      };
      // Counts and masses fall from point to point: the last that is enough, and the first that is not.
      for (auto [point, above] : llvm::zip_equal(points, found))
        take(isEnough(above), 0, point, above);
      for (auto [point, above] : llvm::reverse(llvm::zip_equal(points, found)))
        take(e.bitXor(isEnough(above), e.integer(1, e.i1)), 1, point, above);
      return next;
    });
  });
  return {state[0], state[1], {state[2], state[3]}, {state[4], state[5]}};
}

/// What a search has found: if one id lies between the bounds, what is above the lower one; else all that lies between
/// has the upper one as its key, and of these the first `ties` are kept.
SampleEmitter::Filter SampleEmitter::keep(const Interval &found, Value ties, const Filter &filter) {
  Value between = e.sub(found.aboveLow.count, found.aboveHigh.count), isSingle = e.equal(between, wide(1));
  Value cut = e.narrow(e.select(isSingle, found.low, found.high));
  Value isShared = both(e.bitXor(isSingle, e.integer(1, e.i1)), e.less(ties, between));
  // All of them: as many as the filter before left.
  Value all = e.select(e.equal(cut, filter.cut), filter.tieEnd, e.integer(vocabulary));
  all = e.select(isSingle, e.integer(0), all);
  Value end = e.when(isShared, all, [&]() -> Values { return {endOfTies(cut, ties, filter)}; })[0];
  return {cut, end};
}

/// The id below which the filter leaves exactly `ties` ids, of more, with the key `cut`.
Value SampleEmitter::endOfTies(Value cut, Value ties, const Filter &filter) {
  Values state = {e.integer(0), e.integer(vocabulary)};
  Value passes = e.integer(llvm::Log2_64_Ceil(static_cast<uint64_t>(vocabulary)));
  return e.loop(e.integer(0), passes, 1, state, [&](Value, ValueRange s) {
    Value middle = e.div(e.add(s[0], s[1]), 2);
    Values counts = overRow(wide(0), [&](Value id, Value key, ValueRange carried) {
      Value counted = both(both(e.equal(key, cut), isKept(key, id, filter)), e.less(id, middle));
      return Values{e.add(carried[0], e.make<arith::ExtUIOp>(e.i64, counted))};
    });
    Value count = combine(counts, [&](Value x, Value y) { return e.add(x, y); })[0];
    Value enough = atLeast(count, ties);
    return Values{e.select(enough, s[0], middle), e.select(enough, middle, s[1])};
  })[1];
}

SampleEmitter::Filter SampleEmitter::keepTopK(Value k, const Filter &filter) {
  Value wanted = e.widen(k);
  Measure all = {wide(vocabulary), wide(0)};
  Interval found = search(all, filter, /*weighs=*/false, [&](Measure m) { return atLeast(m.count, wanted); });
  return keep(found, e.sub(wanted, found.aboveHigh.count), filter);
}

SampleEmitter::Filter SampleEmitter::keepTopP(Value p, const Filter &filter) {
  Measure all = measure(wide(noKey), filter, /*weighs=*/true)[0];
  Value share = toInteger(e.fmul(e.fmax(p, e.real(0)), e.real(0x1p32)));
  Value target = e.max(highProduct(e.shiftLeft(share, wide(32)), all.mass), wide(1));
  Interval found = search(all, filter, /*weighs=*/true, [&](Measure m) { return atLeast(m.mass, target); });
  // Ids of equal mass lie between the bounds, more than none of it; as few of them are kept as reach the target.
  Value ties = e.sub(found.aboveLow.count, found.aboveHigh.count);
  Value each = e.div(e.sub(found.aboveLow.mass, found.aboveHigh.mass), ties);
  Value missing = e.sub(target, found.aboveHigh.mass);
  return keep(found, e.div(e.sub(e.add(missing, each), wide(1)), each), filter);
}

//===----------------------------------------------------------------------===//
// The draw
//===----------------------------------------------------------------------===//

/// The mass below which min p drops an id.
Value SampleEmitter::leastMass() {
  Value one = e.real(1), share = e.fmax(parameter(op.getMinP(), e.f32), e.real(0));
  share = e.select(e.greater(share, one), one, share);
  return toInteger(e.fmul(share, e.real(std::ldexp(1.0, massBits))));
}

/// Writes the mass of each warp's part of the ids [begin, begin + size) to its slot.
void SampleEmitter::sumParts(Value begin, Value size, const Filter &filter, Value least) {
  Value part = partOf(size), first = e.add(begin, e.mul(e.warp, part));
  Value end = e.min(e.min(e.add(first, part), e.add(begin, size)), e.integer(vocabulary));
  Value sum = e.loop(e.add(first, e.lane), end, warpLanes, wide(0), [&](Value id, ValueRange carried) -> Values {
    Value logit = e.loadFrom(op.getLogits(), e.f32, e.element(logits, e.widen(id), 4)), key = keyAt(id, logit);
    Value mass = massOf(key);
    Value counted = both(isKept(key, id, filter), atLeast(mass, least));
    return {e.add(carried[0], e.select(counted, mass, wide(0)))};
  })[0];
  e.syncWarp();
  sum = combineLanes(sum, [&](Value x, Value y) { return e.add(x, y); });
  e.when(e.equal(e.lane, e.integer(0)), [&] { e.store(sum, slot(0, e.warp)); });
  e.barrier();
}

/// Inverts the cumulative distribution in ascending id: the row is cut into a part for each warp, then the part in
/// which the sum passes the target, until one id is left. The target is below the total, which is not 0 since the best
/// id is always kept, so a part is found each time.
Value SampleEmitter::draw(const Filter &filter) {
  Value least = leastMass(), zero = e.integer(0), all = e.integer(warps);
  sumParts(zero, e.integer(vocabulary), filter, least);
  auto partMass = [&](Value warp) { return e.load(e.i64, slot(0, warp)); };
  Value total = e.loop(zero, all, 1, wide(0),
                       [&](Value warp, ValueRange sum) -> Values { return {e.add(sum[0], partMass(warp))}; })[0];
  int64_t levels = 1;
  for (int64_t size = vocabulary; size > 1; size = llvm::divideCeil(size, warps))
    ++levels;
  Values state = {zero, e.integer(vocabulary), highProduct(random(), total)};
  return e.loop(zero, e.integer(levels - 1), 1, state, [&](Value, ValueRange s) -> Values {
    Value part = partOf(s[1]);
    Values found = e.loop(zero, all, 1, {wide(0), wide(0), e.integer(-1)}, [&](Value warp, ValueRange sums) {
      Value sum = e.add(sums[0], partMass(warp));
      Value here = both(e.equal(sums[2], e.integer(-1)), e.less(s[2], sum));
      return Values{sum, e.select(here, sums[0], sums[1]), e.select(here, warp, sums[2])};
    });
    Value begin = e.add(s[0], e.mul(found[2], part));
    // The slots are read before they are written again.
    e.barrier();
    sumParts(begin, part, filter, least);
    return {begin, part, e.sub(s[2], found[1])};
  })[0];
}

LogicalResult cuda::emitTemplate(KernelEmitter &e, kernel::SampleOp op) {
  SampleEmitter sample(e, op);
  if (int64_t most = e.target.gpu().sharedBlockBytes; e.sharedBytes > most)
    return op.emitError() << "needs " << e.sharedBytes << " bytes of shared memory for a vocabulary of "
                          << op.getLogits().getType().getDimSize(1) << ", " << e.target.name << " has " << most;
  if (e.threads < 2 * warpLanes)
    return op.emitError() << "has " << e.threads << " threads, expected several warps, which the row is cut among";
  sample.run();
  return success();
}
