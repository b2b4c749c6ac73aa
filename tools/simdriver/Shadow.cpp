// SPDX-License-Identifier: Apache-2.0
//
// A cell remembers its last writer and, as long as they can be told by one epoch, its readers; only cells that several
// warps of a cluster read at once cost a clock, and cells that several clusters read are merely marked, because a later
// write to them needs to know of every cluster anyway.
#include "tools/simdriver/Shadow.h"

#include <algorithm>
#include <cstring>

using namespace yupana::ptx;

/// Slot by slot, the later of both.
static void joinClock(Clock &into, const Clock &from) {
  for (size_t i = 0, e = std::min(into.size(), from.size()); i < e; ++i)
    into[i] = std::max(into[i], from[i]);
}

/// Clocks of other clusters are shared by all who know them and are never changed: what is joined becomes a new one.
void Knowledge::joinForeign(uint32_t cluster, const OtherClusters &foreign) {
  auto merged = others ? std::make_shared<OtherClusters>(*others) : std::make_shared<OtherClusters>();
  for (auto &[index, clock] : foreign) {
    if (index == cluster) {
      joinClock(own, *clock);
      continue;
    }
    auto &slot = (*merged)[index];
    if (!slot) {
      slot = clock;
    } else if (slot != clock) {
      auto both = std::make_shared<Clock>(*slot);
      joinClock(*both, *clock);
      slot = std::move(both);
    }
  }
  others = std::move(merged);
}

void Knowledge::join(const Knowledge &other) {
  // Knowledge that has not been filled in takes the other as it is.
  hasWaited |= other.hasWaited;
  if (own.empty())
    own = other.own;
  else
    joinClock(own, other.own);
  // Most warps of a cluster know the same of other clusters, so this is where joining mostly ends.
  if (!other.others || other.others == others)
    return;
  // What others knew is immutable, so sharing it costs nothing. ~0u: no cluster is taken for the own one.
  if (!others)
    others = other.others;
  else
    joinForeign(~0u, *other.others);
}

void Knowledge::joinSlots(const Knowledge &other, size_t first) {
  own.resize(std::max(own.size(), other.own.size()));
  for (size_t i = first; i < other.own.size(); ++i)
    own[i] = std::max(own[i], other.own[i]);
}

/// A snapshot: others keep it while the warp's own clock goes on.
std::shared_ptr<const OtherClusters> Knowledge::published(uint32_t cluster) const {
  auto all = others ? std::make_shared<OtherClusters>(*others) : std::make_shared<OtherClusters>();
  (*all)[cluster] = std::make_shared<Clock>(own);
  return all;
}

/// Gives back only the pages that were touched: a launch mostly uses little of the memory, and clearing all of it would
/// take longer than small kernels run.
void ShadowMemory::reset(uint64_t newBase, uint64_t bytes, unsigned newGrain, uint32_t newSlots, uint32_t newClusters) {
  for (uint32_t page : touched) {
    memset(static_cast<void *>(pages[page].get()), 0, pageCells * sizeof(Cell));
    spare.push_back(std::move(pages[page]));
  }
  touched.clear();
  // Readers of the last launch are forgotten with their cells.
  freePool.clear();
  for (uint32_t entry = 0; entry < pool.size(); ++entry)
    freePool.push_back(entry);
  base = newBase, grain = newGrain, slots = newSlots, clusters = newClusters;
}

Cell &ShadowMemory::cell(uint64_t index) {
  uint64_t page = index / pageCells;
  if (page >= pages.size())
    pages.resize(page + 1);
  if (!pages[page]) {
    if (spare.empty()) {
      // Pages given back are zero already.
      pages[page].reset(new Cell[pageCells]());
    } else {
      pages[page] = std::move(spare.back());
      spare.pop_back();
    }
    touched.push_back(static_cast<uint32_t>(page));
  }
  return pages[page][index % pageCells];
}

/// For looking only: no page is made for a cell that nobody touched.
Cell *ShadowMemory::find(uint64_t index) {
  uint64_t page = index / pageCells;
  return page < pages.size() && pages[page] ? &pages[page][index % pageCells] : nullptr;
}

bool ShadowMemory::knows(const Knowledge &known, uint32_t cluster, uint32_t who, uint32_t clock) const {
  // 0 stands for nobody, so numbers begin at 1.
  uint32_t id = (who & ~strongBit) - 1, of = id / slots, slot = id % slots;
  if (of == cluster)
    return known.own[slot] >= clock;
  // Of other clusters only what acquires at device scope told.
  if (!known.others)
    return false;
  auto found = known.others->find(of);
  return found != known.others->end() && (*found->second)[slot] >= clock;
}

Conflict ShadowMemory::conflict(uint32_t who, bool otherWrote, uint32_t clock, uint32_t statement) const {
  uint32_t id = (who & ~strongBit) - 1;
  return {true, otherWrote, clock == neverKnown, id / slots, id % slots, statement};
}

/// A write has to be ordered after every read since the last write.
Conflict ShadowMemory::checkReaders(Cell &cell, const Agent &agent, const Knowledge &known) {
  if (cell.reader == everyone) {
    // Who has read is not known any more. Only a writer that has heard from every cluster is ordered after all of them.
    // readClock is 0 as long as all readers were strong, whose reads do not race with a strong write.
    bool strongOnly = cell.readClock == 0;
    // How many other clusters the writer has heard of, whatever it has heard of them.
    size_t others = known.others ? known.others->size() - known.others->count(agent.cluster) : 0;
    if ((strongOnly && agent.strong) || others + 1 >= clusters)
      return {};
    return {true, false, false, ~0u, 0, cell.readStatement};
  }
  if (cell.reader == several) {
    Readers &readers = pool[cell.readClock];
    for (Reader &reader : readers.list) {
      uint32_t who = 1 + readers.cluster * slots + reader.slot;
      if (!(agent.strong && (reader.statement & strongBit)) && !knows(known, agent.cluster, who, reader.clock))
        return conflict(who, false, reader.clock, reader.statement & ~strongBit);
    }
    // The write takes the cell; its list is free again.
    freePool.push_back(cell.readClock);
    return {};
  }
  if (!cell.reader || (agent.strong && (cell.reader & strongBit)) ||
      knows(known, agent.cluster, cell.reader, cell.readClock))
    return {};
  return conflict(cell.reader, false, cell.readClock, cell.readStatement);
}

uint32_t ShadowMemory::newReaders(uint32_t cluster) {
  if (freePool.empty()) {
    freePool.push_back(static_cast<uint32_t>(pool.size()));
    pool.emplace_back();
  }
  uint32_t entry = freePool.back();
  freePool.pop_back();
  pool[entry].cluster = cluster;
  pool[entry].list.clear();
  return entry;
}

/// Of a cell that lists its readers; its list is free again.
bool ShadowMemory::hasPlainReader(const Cell &cell) {
  if (cell.reader != several)
    return !(cell.reader & strongBit);
  const std::vector<Reader> &list = pool[cell.readClock].list;
  freePool.push_back(cell.readClock);
  return std::any_of(list.begin(), list.end(), [](const Reader &reader) { return !(reader.statement & strongBit); });
}

/// A read replaces one that happened before it; one that did not has to be remembered beside it.
void ShadowMemory::noteRead(Cell &cell, const Agent &agent, const Knowledge &known) {
  uint32_t who = (1 + agent.cluster * slots + agent.slot) | (agent.strong ? strongBit : 0);
  if (cell.reader == everyone) {
    // Once a plain read is among them it stays so.
    cell.readClock |= !agent.strong;
    return;
  }
  if (cell.reader != several) {
    // A copy in flight has no end that could be known: its read must stay listed.
    if (!cell.reader || cell.reader == who ||
        (knows(known, agent.cluster, cell.reader, cell.readClock) && cell.readClock != neverKnown)) {
      cell.reader = who, cell.readClock = agent.clock, cell.readStatement = agent.statement;
      return;
    }
    uint32_t id = (cell.reader & ~strongBit) - 1;
    if (id / slots == agent.cluster) {
      uint32_t entry = newReaders(agent.cluster);
      pool[entry].list.push_back({id % slots, cell.readClock, cell.readStatement | (cell.reader & strongBit)});
      cell.reader = several;
      cell.readClock = entry;
    }
  }
  if (cell.reader == several && pool[cell.readClock].cluster == agent.cluster) {
    uint32_t statement = agent.statement | (agent.strong ? strongBit : 0);
    // A slot's later read stands for its earlier ones.
    for (Reader &reader : pool[cell.readClock].list)
      if (reader.slot == agent.slot) {
        reader.clock = agent.clock, reader.statement = statement;
        return;
      }
    pool[cell.readClock].list.push_back({agent.slot, agent.clock, statement});
    return;
  }
  // A reader of another cluster: from here on the cell does not list its readers.
  bool plain = !agent.strong || hasPlainReader(cell);
  cell.reader = everyone, cell.readClock = plain, cell.readStatement = agent.statement;
}

Conflict ShadowMemory::access(uint64_t address, uint32_t bytes, bool write, const Agent &agent,
                              const Knowledge &known) {
  uint32_t who = (1 + agent.cluster * slots + agent.slot) | (agent.strong ? strongBit : 0);
  for (uint64_t g = (address - base) >> grain, e = (address - base + bytes - 1) >> grain; g <= e; ++g) {
    Cell &c = cell(g);
    // Two strong accesses do not race.
    bool bothStrong = agent.strong && (c.writer & strongBit);
    if (c.writer && c.writer != who && !bothStrong && !knows(known, agent.cluster, c.writer, c.writeClock))
      return conflict(c.writer, true, c.writeClock, c.writeStatement);
    // Memory that belongs to the hardware, an mbarrier or the destination of a copy, belongs to nobody else until it
    // ends.
    if (c.writer == who && c.writeClock == neverKnown)
      return conflict(c.writer, true, c.writeClock, c.writeStatement);
    if (!write) {
      // Reading again moves the read's clock on: a later write must be ordered after it.
      if (c.reader == who)
        c.readClock = agent.clock, c.readStatement = agent.statement;
      else
        noteRead(c, agent, known);
      continue;
    }
    // A write after the own read alone needs no check.
    if (c.reader && c.reader != who)
      if (Conflict found = checkReaders(c, agent, known); found.found)
        return found;
    // The write was ordered after all readers, so they are forgotten: whoever is ordered after it is ordered after
    // them.
    c = {who, agent.clock, agent.statement, 0, 0, 0, agent.async};
  }
  return {};
}

/// The grains belong to `agent` from now on; what was there before was checked when the copy began.
void ShadowMemory::settle(uint64_t address, uint32_t bytes, const Agent &agent) {
  uint32_t who = 1 + agent.cluster * slots + agent.slot;
  for (uint64_t g = (address - base) >> grain, e = (address - base + bytes - 1) >> grain; g <= e; ++g) {
    Cell &c = cell(g);
    c = {who, agent.clock, agent.statement, 0, 0, 0, agent.async};
  }
}
