// SPDX-License-Identifier: Apache-2.0
//
// The cumulative distribution is inverted in ascending id, in two steps: first the part is found in which the sum of
// masses passes the target, then the thread of it, which goes through its ids. The target is below the sum of all,
// which is not 0 since the best id is always kept, so there is one each time.
//
// Where the ids that filters cut among are too many to be listed, as in a row of equal logits, the one block looks for
// the cut in the whole row. That is slow, and right.
#include "compiler/Codegen/GPU/SampleDraw.h"
#include "compiler/Codegen/GPU/SampleFilters.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

SampleDraw::SampleDraw(KernelEmitter &e, SampleBlock &block, SampleRow &row, const SampleLayout &layout)
    : e(e), block(block), row(row), layout(layout), orders(e.shared(SampleLayout::entries * 8)),
      masses(e.shared(SampleLayout::entries * 8)), partMasses(e.shared(SampleLayout::threads * 8)) {}

/// Nobody counts bins where nothing is cut.
void SampleDraw::readBorders() {
  borders = SampleBorders::load(e, row);
  Value end = e.integer(layout.bins);
  borders.first = e.select(row.isCut, borders.first, end);
  borders.last = e.select(row.isCut, borders.last, end);
  borders.ofTopK = e.select(row.isCut, borders.ofTopK, end);
  borders.isListed = e.bitOr(borders.isListed, e.bitXor(row.isCut, e.integer(1, e.i1)));
}

void SampleDraw::collect(const SampleRow::Ids &ids, Value part) {
  Value least = row.leastMass();
  Value sum = row.over(ids, wide(0), [&](const SampleId &id, ValueRange carried) {
    Value bin = row.binOf(id.key), mass = row.massOf(id.key);
    Value counts = e.bitAnd(e.less(bin, borders.first), reaches(mass, least));
    e.when(borders.lists(e, bin), [&] {
      Value place = e.atomic(LLVM::AtomicBinOp::add, row.state(SampleLayout::entryCount), e.integer(1));
      e.store(id.order, e.element(row.state(layout.list), e.widen(place), 8));
    });
    return Values{e.add(carried[0], e.select(counts, mass, wide(0)))};
  })[0];
  sum = block.sum({sum})[0];
  e.when(e.equal(e.thread, e.integer(0)),
         [&] { e.store(sum, e.element(row.state(SampleLayout::sums), e.widen(part), 8)); });
}

void SampleDraw::addTo(Value part, Value mass) {
  e.atomic(LLVM::AtomicBinOp::add, e.element(partMasses, part, 8), mass);
}

void SampleDraw::run() {
  Value least = row.leastMass(), place = e.widen(e.thread);
  Value isPart = e.bitAnd(borders.isListed, e.less(e.thread, e.integer(layout.parts)));
  Value known = e.when(isPart, wide(0), [&]() -> Values {
    return {e.load(e.i64, e.element(row.state(SampleLayout::sums), place, 8))};
  })[0];
  e.store(known, e.element(partMasses, place, 8));
  e.barrier();
  Value cut = e.either(
      borders.isListed, {e.i64}, [&]() -> Values { return {cutListed(least)}; },
      [&]() -> Values { return {cutWhole(least)}; })[0];
  e.barrier();
  drawFrom(cut, least);
}

/// Each thread has every 256th of the ids, so it alone reads what it has written.
Value SampleDraw::cutListed(Value least) {
  Value count = e.load(e.i32, row.state(SampleLayout::entryCount)), none = wide(0);
  auto each = [&](ValueRange init, function_ref<Values(Value, ValueRange)> body) {
    return e.loop(e.thread, count, SampleLayout::threads, init, body);
  };
  auto larger = [&](Value x, Value y) { return e.make<arith::MaxUIOp>(x, y); };
  Values ends = each({none, none}, [&](Value i, ValueRange carried) {
    Value order = e.load(e.i64, e.element(row.state(layout.list), e.widen(i), 8));
    e.store(order, e.element(orders, i, 8));
    e.store(row.massOf(row.keyOf(order)), e.element(masses, i, 8));
    return Values{larger(carried[0], order), larger(carried[1], e.bitXor(order, -1))};
  });
  ends = block.combine(ends, larger);
  SampleChoice choice;
  choice.each = [&](ValueRange init, SampleChoice::Body body) {
    return each(init, [&](Value i, ValueRange carried) {
      Value order = e.load(e.i64, e.element(orders, i, 8)), bin = row.binOf(row.keyOf(order));
      Value mass = e.load(e.i64, e.element(masses, i, 8));
      return body({order, mass, e.equal(bin, borders.ofTopK), e.less(bin, e.add(borders.last, 1))}, carried);
    });
  };
  choice.low = e.sub(e.bitXor(ends[1], -1), wide(1));
  choice.high = ends[0];
  choice.hasTopK = e.bitAnd(row.hasTopK, e.less(borders.ofTopK, e.integer(layout.bins)));
  choice.hasTopP = row.hasTopP;
  choice.aboveTopK = borders.aboveTopK;
  choice.massAboveTopP = borders.massAboveFirst;
  Value cut = findCut(e, block, row, choice);
  each({}, [&](Value i, ValueRange) {
    Value order = e.load(e.i64, e.element(orders, i, 8)), mass = e.load(e.i64, e.element(masses, i, 8));
    e.when(e.bitAnd(reaches(order, cut), reaches(mass, least)),
           [&] { addTo(e.div(row.idOf(order), layout.partIds), mass); });
    return Values{};
  });
  return cut;
}

Value SampleDraw::cutWhole(Value least) {
  Value all = e.integer(1, e.i1), none = wide(0);
  SampleChoice choice;
  choice.each = [&](ValueRange init, SampleChoice::Body body) {
    return row.overRow(init, [&](const SampleRow::Ids &ids, ValueRange carried) {
      return row.over(ids, carried, [&](const SampleId &id, ValueRange inner) {
        return body({id.order, row.massOf(id.key), all, all}, inner);
      });
    });
  };
  choice.low = none;
  choice.high = row.bestOrder;
  choice.hasTopK = row.hasTopK;
  choice.hasTopP = row.hasTopP;
  Value mass = choice.each(none, [&](const SampleChoice::Entry &entry, ValueRange carried) {
    return Values{e.add(carried[0], entry.mass)};
  })[0];
  mass = block.sum({mass})[0];
  choice.aboveTopK = {none, e.select(row.hasTopK, none, mass)};
  choice.massAboveTopP = none;
  Value cut = findCut(e, block, row, choice);
  row.overRow({}, [&](const SampleRow::Ids &ids, ValueRange) {
    Value sum = row.over(ids, none, [&](const SampleId &id, ValueRange carried) {
      Value mass = row.massOf(id.key), counts = e.bitAnd(reaches(id.order, cut), reaches(mass, least));
      return Values{e.add(carried[0], e.select(counts, mass, none))};
    })[0];
    sum = block.combineLanes(sum, [&](Value x, Value y) { return e.add(x, y); });
    Value isThere = e.less(ids.first, e.integer(layout.vocabulary));
    e.when(e.bitAnd(isThere, e.equal(e.lane, e.integer(0))), [&] { addTo(e.div(ids.first, layout.partIds), sum); });
    return Values{};
  });
  return cut;
}

void SampleDraw::drawFrom(Value cut, Value least) {
  Value none = wide(0);
  auto holds = [&](Value before, Value own, Value target) {
    return e.bitAnd(reaches(target, before), e.less(target, e.add(before, own)));
  };
  Value own = e.load(e.i64, e.element(partMasses, e.widen(e.thread), 8));
  std::pair<Value, Value> sums = block.scan(own);
  Value before = sums.first, target = row.highProduct(row.random(), sums.second);
  auto mine = [&] { return Values{e.widen(e.thread), before}; };
  Values found = block.ofOne(holds(before, own, target), mine, {none, none});
  Value part = e.narrow(found[0]), rest = e.sub(target, found[1]);
  SmallVector<std::pair<Value, Value>> ids;
  own = row.over(row.load(part), none, [&](const SampleId &id, ValueRange carried) {
    Value mass = row.massOf(id.key), counts = e.bitAnd(reaches(id.order, cut), reaches(mass, least));
    ids.emplace_back(id.id, e.select(counts, mass, none));
    return Values{e.add(carried[0], ids.back().second)};
  })[0];
  before = block.scan(own).first;
  e.when(holds(before, own, rest), [&] {
    Value sum = before, drawn = ids.front().first;
    for (auto [id, mass] : ids) {
      drawn = e.select(holds(sum, mass, rest), id, drawn);
      sum = e.add(sum, mass);
    }
    row.storeId(drawn);
  });
}

void SampleDraw::clear() {
  constexpr int64_t chunkBytes = 16, words = SampleLayout::sums / 8;
  e.when(e.less(e.thread, e.integer(words)),
         [&] { row.clearWord(e.i64, e.element(row.state(0), e.widen(e.thread), 8)); });
  Value zeros = e.vector(Values(4, e.integer(0)));
  e.loop(e.thread, e.integer((layout.rowBytes - SampleLayout::sums) / chunkBytes), e.threads, {},
         [&](Value chunk, ValueRange) {
           Value place = e.element(row.state(SampleLayout::sums), e.widen(chunk), chunkBytes);
           e.store(zeros, place, chunkBytes);
           return Values{};
         });
}
