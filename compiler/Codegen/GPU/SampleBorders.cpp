// SPDX-License-Identifier: Apache-2.0
//
// Each thread has some neighbouring bins, sums them up and knows from the lower threads' sums what is above them. The
// last bin is left out: its ids have no mass, so that nothing depends on where among them a filter cuts.
//
// Top p cuts by the mass of what top k leaves, which is not known as long as its own bin is not cut. But it lies
// between the masses without and with this bin, and so the bin in which top p cuts lies between two others, mostly one
// and the same.
#include "compiler/Codegen/GPU/SampleBorders.h"

#include <tuple>

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

namespace {

// Where SampleBorders lie in the state of a row, from SampleLayout::borders on.
constexpr int64_t firstAt = 0, lastAt = 4, ofTopKAt = 8, isListedAt = 12, countAt = 16, massAt = 24,
                  massAboveFirstAt = 32;

/// The bin with which a sum over all bins up to it reaches something, and the sums before it and of it alone; the
/// number of bins, all sums and 0 where none does.
struct Border {
  Value bin; ///< i32.
  SampleMeasure before, inside;
};

class BorderFinder {
public:
  BorderFinder(KernelEmitter &e, SampleBlock &block, SampleRow &row, const SampleLayout &layout)
      : e(e), block(block), row(row), bins(layout.bins), ownBins(layout.bins / SampleLayout::threads) {
    firstBin = e.widen(e.mul(e.thread, ownBins));
    counts = e.element(row.state(layout.counts), firstBin, 4);
    masses = e.element(row.state(layout.masses), firstBin, 8);
    SampleMeasure own = {e.integer(0, e.i64), e.integer(0, e.i64)};
    overOwn([&](Value, SampleMeasure bin) { own = plus(own, bin); });
    std::tie(before.count, all.count) = block.scan(own.count);
    std::tie(before.mass, all.mass) = block.scan(own.mass);
    upToOwn = plus(before, own);
  }

  SampleBorders find();

private:
  /// Runs the body for the thread's bins, which it loads.
  void overOwn(function_ref<void(Value bin, SampleMeasure)> body);
  Border reaching(function_ref<Value(SampleMeasure)> isEnough);
  Border when(Value condition, Border otherwise, function_ref<Border()> then);
  SampleMeasure plus(SampleMeasure x, SampleMeasure y) { return {e.add(x.count, y.count), e.add(x.mass, y.mass)}; }
  Value reaches(Value x, Value y) { return e.compare(arith::CmpIPredicate::uge, x, y); }

  KernelEmitter &e;
  SampleBlock &block;
  SampleRow &row;
  int64_t bins, ownBins;
  Value firstBin, counts, masses;     ///< The thread's first bin, and where its own begin in memory.
  SampleMeasure before, upToOwn, all; ///< Of the bins before these, of these as well, and of all bins.
};

} // namespace

void BorderFinder::overOwn(function_ref<void(Value, SampleMeasure)> body) {
  for (int64_t i = 0; i < ownBins; ++i)
    body(e.add(firstBin, i), {e.widen(e.load(e.i32, e.at(counts, i * 4))), e.load(e.i64, e.at(masses, i * 8))});
}

/// The one thread that has the bin loads its bins again: there are not registers enough to keep all of them.
Border BorderFinder::reaching(function_ref<Value(SampleMeasure)> isEnough) {
  Value none = e.integer(0, e.i64), yes = e.integer(1, e.i1);
  Value isHere = e.bitAnd(isEnough(upToOwn), e.bitXor(isEnough(before), yes));
  auto search = [&] {
    OpEmitter::Values found(5, none);
    SampleMeasure sum = before;
    overOwn([&](Value bin, SampleMeasure own) {
      // The last of those before which it is not enough.
      Value isOpen = e.bitXor(isEnough(sum), yes);
      for (auto [value, next] :
           llvm::zip_equal(found, OpEmitter::Values{bin, sum.count, sum.mass, own.count, own.mass}))
        value = e.select(isOpen, next, value);
      sum = plus(sum, own);
    });
    return found;
  };
  OpEmitter::Values found = block.ofOne(isHere, search, {e.integer(bins, e.i64), all.count, all.mass, none, none});
  return {e.narrow(found[0]), {found[1], found[2]}, {found[3], found[4]}};
}

Border BorderFinder::when(Value condition, Border otherwise, function_ref<Border()> then) {
  auto flat = [](Border border) {
    return OpEmitter::Values{border.bin, border.before.count, border.before.mass, border.inside.count,
                             border.inside.mass};
  };
  OpEmitter::Values found = e.when(condition, flat(otherwise), [&] { return flat(then()); });
  return {found[0], {found[1], found[2]}, {found[3], found[4]}};
}

SampleBorders BorderFinder::find() {
  Value none = e.integer(0, e.i64), end = e.integer(bins);
  Border whole = {end, all, {none, none}};
  Border ofTopK = when(row.hasTopK, whole, [&] {
    Value wanted = e.widen(row.topK);
    return reaching([&](SampleMeasure sum) { return reaches(sum.count, wanted); });
  });
  auto ofMass = [&](Value mass) {
    Value target = row.targetOf(mass);
    return reaching([&](SampleMeasure sum) { return reaches(sum.mass, target); });
  };
  Border first = when(row.hasTopP, ofTopK, [&] { return ofMass(ofTopK.before.mass); });
  Border last = when(row.hasTopP, ofTopK, [&] { return ofMass(e.add(ofTopK.before.mass, ofTopK.inside.mass)); });
  // The bin of top k is not counted twice.
  Value listed = e.sub(e.add(last.before.count, last.inside.count), first.before.count);
  listed = e.add(listed, e.select(e.less(last.bin, ofTopK.bin), ofTopK.inside.count, none));
  Value isListed = e.less(listed, e.integer(SampleLayout::entries + 1, e.i64));
  return {first.bin, last.bin, ofTopK.bin, isListed, ofTopK.before, first.before.mass};
}

Value SampleBorders::lists(KernelEmitter &e, Value bin) const {
  Value isBetween = e.bitAnd(e.compare(arith::CmpIPredicate::sge, bin, first), e.less(bin, e.add(last, 1)));
  return e.bitOr(isBetween, e.equal(bin, ofTopK));
}

SampleBorders SampleBorders::load(KernelEmitter &e, SampleRow &row) {
  auto word = [&](Type type, int64_t offset) { return row.loadWord(type, SampleLayout::borders + offset); };
  return {word(e.i32, firstAt),
          word(e.i32, lastAt),
          word(e.i32, ofTopKAt),
          e.equal(word(e.i32, isListedAt), e.integer(1)),
          {word(e.i64, countAt), word(e.i64, massAt)},
          word(e.i64, massAboveFirstAt)};
}

void SampleBorders::store(KernelEmitter &e, SampleRow &row) const {
  Value to = row.state(SampleLayout::borders);
  auto word = [&](Value value, int64_t offset) { e.store(value, e.at(to, offset)); };
  word(first, firstAt);
  word(last, lastAt);
  word(ofTopK, ofTopKAt);
  word(e.make<arith::ExtUIOp>(e.i32, isListed), isListedAt);
  word(aboveTopK.count, countAt);
  word(aboveTopK.mass, massAt);
  word(massAboveFirst, massAboveFirstAt);
}

SampleBorders cuda::findBorders(KernelEmitter &e, SampleBlock &block, SampleRow &row, const SampleLayout &layout) {
  return BorderFinder(e, block, row, layout).find();
}
