// SPDX-License-Identifier: Apache-2.0
//
// Filters need no sorted ids: they narrow an interval of orders by counts and masses above a few points, until one id
// is left in it. Counts and masses are integers, so the order in which threads add them is free.
#include "compiler/Codegen/GPU/SampleFilters.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

namespace {

/// Points that cut an interval of orders into three, its lower end among them, and passes after which any interval has
/// one id.
constexpr int64_t searchPoints = 3, searchPasses = 48;

class Search {
public:
  using Values = OpEmitter::Values;
  using Subset = function_ref<Value(const SampleChoice::Entry &)>;
  /// The order from which on ids stay, and what those are together with all above.
  struct Found {
    Value cut;
    SampleMeasure kept;
  };

  Search(KernelEmitter &e, SampleBlock &block, const SampleChoice &choice) : e(e), block(block), choice(choice) {}

  /// `isEnough` holds for everything above the lowest order, not for what is above the highest.
  Found run(Subset subset, SampleMeasure above, function_ref<Value(SampleMeasure)> isEnough);

private:
  SmallVector<SampleMeasure> measure(ArrayRef<Value> points, Subset subset, SampleMeasure above);
  Value lowestAbove(Value low, Subset subset);

  KernelEmitter &e;
  SampleBlock &block;
  const SampleChoice &choice;
};

} // namespace

/// What is above each of the points, of the subset and all above it.
SmallVector<SampleMeasure> Search::measure(ArrayRef<Value> points, Subset subset, SampleMeasure above) {
  Value none = e.integer(0, e.i64);
  Values sums(points.size(), none);
  sums.append(points.size(), e.integer(0));
  sums = choice.each(sums, [&](const SampleChoice::Entry &entry, ValueRange carried) {
    Values next(carried);
    Value isMember = subset(entry);
    for (auto [i, point] : llvm::enumerate(points)) {
      Value inside = e.bitAnd(isMember, e.compare(arith::CmpIPredicate::ugt, entry.order, point));
      Value &count = next[points.size() + i];
      count = e.add(count, e.make<arith::ExtUIOp>(e.i32, inside));
      next[i] = e.add(next[i], e.select(inside, entry.mass, none));
    }
    return next;
  });
  for (size_t i = 0; i < points.size(); ++i)
    sums[points.size() + i] = e.widen(sums[points.size() + i]);
  sums = block.sum(sums);
  SmallVector<SampleMeasure> result;
  for (size_t i = 0; i < points.size(); ++i)
    result.push_back({e.add(above.count, sums[points.size() + i]), e.add(above.mass, sums[i])});
  return result;
}

Search::Found Search::run(Subset subset, SampleMeasure above, function_ref<Value(SampleMeasure)> isEnough) {
  Value one = e.integer(1, e.i64);
  // What is above the lower end is known after the first pass.
  Value many = e.integer(std::numeric_limits<int32_t>::max(), e.i64);
  Values state = {choice.low, choice.high, many, e.integer(0, e.i64), above.count};
  state = e.loop(e.integer(0), e.integer(searchPasses), 1, state, [&](Value, ValueRange s) {
    Value low = s[0], high = s[1], isWide = e.less(one, e.sub(s[2], s[4]));
    return e.when(isWide, s, [&] {
      Value part = e.max(e.div(e.sub(high, low), searchPoints), one);
      SmallVector<Value> points = {low};
      while (points.size() < searchPoints)
        points.push_back(e.add(points.back(), part));
      SmallVector<SampleMeasure> found = measure(points, subset, above);
      // Counts and masses fall from point to point: the last that is enough, and the first that is not.
      Values next(s);
      for (auto [point, sums] : llvm::zip_equal(points, found)) {
        Value enough = isEnough(sums);
        next[0] = e.select(enough, point, next[0]);
        next[2] = e.select(enough, sums.count, next[2]);
        next[3] = e.select(enough, sums.mass, next[3]);
      }
      for (auto [point, sums] : llvm::reverse(llvm::zip_equal(points, found))) {
        Value enough = isEnough(sums);
        next[1] = e.select(enough, next[1], point);
        next[4] = e.select(enough, next[4], sums.count);
      }
      return next;
    });
  });
  return {lowestAbove(state[0], subset), {state[2], state[3]}};
}

/// Ids that are not of the subset may lie below it in the interval, so the cut is at the id itself.
Value Search::lowestAbove(Value low, Subset subset) {
  auto larger = [&](Value x, Value y) { return e.make<arith::MaxUIOp>(x, y); };
  Value none = e.integer(0, e.i64);
  Values complements = choice.each(none, [&](const SampleChoice::Entry &entry, ValueRange carried) {
    Value inside = e.bitAnd(subset(entry), e.compare(arith::CmpIPredicate::ugt, entry.order, low));
    return Values{larger(carried[0], e.select(inside, e.bitXor(entry.order, -1), none))};
  });
  return e.bitXor(block.combine(complements, larger)[0], -1);
}

Value cuda::findCut(KernelEmitter &e, SampleBlock &block, SampleRow &row, const SampleChoice &choice) {
  auto reaches = [&](Value x, Value y) { return e.compare(arith::CmpIPredicate::uge, x, y); };
  Value none = e.integer(0, e.i64);
  Search search(e, block, choice);
  OpEmitter::Values afterTopK = e.when(choice.hasTopK, {none, choice.aboveTopK.mass}, [&] {
    Value wanted = e.widen(row.topK);
    Search::Found found = search.run([](const SampleChoice::Entry &entry) { return entry.ofTopK; }, choice.aboveTopK,
                                     [&](SampleMeasure sum) { return reaches(sum.count, wanted); });
    return OpEmitter::Values{found.cut, found.kept.mass};
  });
  Value cut = afterTopK[0];
  return e.when(choice.hasTopP, cut, [&] {
    Value target = row.targetOf(afterTopK[1]);
    Search::Found found =
        search.run([&](const SampleChoice::Entry &entry) { return e.bitAnd(entry.ofTopP, reaches(entry.order, cut)); },
                   {none, choice.massAboveTopP}, [&](SampleMeasure sum) { return reaches(sum.mass, target); });
    return OpEmitter::Values{found.cut};
  })[0];
}
