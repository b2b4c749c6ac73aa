// SPDX-License-Identifier: Apache-2.0
//
// Who wrote and read each grain of memory last, and who knows of whom: the happens-before check (FastTrack's epochs on
// vector clocks of warps).
//
// An agent is a slot of a cluster, which is mostly one block: a warp, an mbarrier (for copies that end at it) or a
// warpgroup (for wgmma). A clock holds, for each slot of the own cluster, the latest event that is known to have
// happened; of other clusters a warp knows what releases and acquires at device scope told it.
#ifndef YUPANA_TOOLS_SIMDRIVER_SHADOW_H
#define YUPANA_TOOLS_SIMDRIVER_SHADOW_H

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace yupana::ptx {

using Clock = std::vector<uint32_t>;
/// The clock of something that has begun and whose end nobody can know yet.
constexpr uint32_t neverKnown = ~0u;

/// Immutable once shared.
using OtherClusters = std::map<uint32_t, std::shared_ptr<const Clock>>;

struct Knowledge {
  Clock own;
  std::shared_ptr<const OtherClusters> others;
  /// The launches before this one have ended: griddepcontrol.wait has returned, here or for who told of it.
  bool hasWaited = false;
  void join(const Knowledge &other);
  /// Joins what is known of the slots of the own cluster from `first` on.
  void joinSlots(const Knowledge &other, size_t first);
  /// Joins what is known of other clusters, of which `cluster`, the own, is taken into `own`.
  void joinForeign(uint32_t cluster, const OtherClusters &foreign);
  /// Everything known, the own cluster included, as others may take it.
  std::shared_ptr<const OtherClusters> published(uint32_t cluster) const;
};

/// Who takes part in an order.
enum class Scope : uint8_t { Block, Cluster, Device };

/// A location that strong stores publish at.
struct SyncPoint {
  std::shared_ptr<const OtherClusters> published;
  Scope scope = Scope::Block;
  uint32_t block = 0; ///< Who published; ~0: several blocks.
};

struct Cell {
  /// 0: none; else 1 + cluster * slots + slot, the top bit for strong accesses.
  uint32_t writer = 0, writeClock = 0, writeStatement = 0;
  /// Also `several`, with an index into the pool in readClock, or `everyone`.
  uint32_t reader = 0, readClock = 0, readStatement = 0;
  bool writeByAsync = false; ///< By the asynchronous proxy.
};

struct Agent {
  uint32_t cluster = 0, slot = 0, clock = 0, statement = 0;
  bool strong = false, async = false;
};

struct Conflict {
  bool found = false;
  bool otherWrote = false, pending = false;
  uint32_t cluster = 0, slot = 0, statement = 0;
};

class ShadowMemory {
public:
  /// `slots`: of each cluster. `base`: the address of the first grain. Forgets everything.
  void reset(uint64_t base, uint64_t bytes, unsigned grain, uint32_t slots, uint32_t clusters);
  /// Checks an access against those before it, and notes it. `known`: what the acting warp knows.
  Conflict access(uint64_t address, uint32_t bytes, bool write, const Agent &agent, const Knowledge &known);
  /// Notes a write without a check: the end of a copy whose begin was checked.
  void settle(uint64_t address, uint32_t bytes, const Agent &agent);
  /// All cells of [address, address + bytes) that were written.
  template <class Visitor> void writers(uint64_t address, uint32_t bytes, Visitor visit) {
    for (uint64_t g = (address - base) >> grain, e = (address - base + bytes - 1) >> grain; g <= e; ++g)
      if (Cell *found = find(g); found && found->writer)
        visit(*found);
  }
  /// All cells of [address, address + bytes) that were accessed.
  template <class Visitor> void visit(uint64_t address, uint32_t bytes, Visitor visit) {
    for (uint64_t g = (address - base) >> grain, e = (address - base + bytes - 1) >> grain; g <= e; ++g)
      if (Cell *found = find(g))
        visit(*found);
  }
  uint32_t slotsPerCluster() const { return slots; }

private:
  static constexpr uint32_t strongBit = 1u << 31, several = strongBit - 1, everyone = strongBit - 2;
  static constexpr unsigned pageCells = 1024;

  Cell &cell(uint64_t index);
  Cell *find(uint64_t index);
  bool knows(const Knowledge &known, uint32_t cluster, uint32_t who, uint32_t clock) const;
  Conflict conflict(uint32_t who, bool otherWrote, uint32_t clock, uint32_t statement) const;
  Conflict checkReaders(Cell &cell, const Agent &agent, const Knowledge &known);
  bool hasPlainReader(const Cell &cell);
  void noteRead(Cell &cell, const Agent &agent, const Knowledge &known);

  uint64_t base = 0;
  unsigned grain = 2;
  uint32_t slots = 0, clusters = 0;
  std::vector<std::unique_ptr<Cell[]>> pages;
  std::vector<std::unique_ptr<Cell[]>> spare;
  std::vector<uint32_t> touched;
  struct Reader {
    uint32_t slot, clock, statement; ///< The statement's top bit: strong.
  };
  struct Readers {
    uint32_t cluster = 0;
    std::vector<Reader> list;
  };
  /// Of cells that several slots of one cluster have read since the last write; entries are used again.
  std::vector<Readers> pool;
  std::vector<uint32_t> freePool;
  uint32_t newReaders(uint32_t cluster);
};

} // namespace yupana::ptx

#endif // YUPANA_TOOLS_SIMDRIVER_SHADOW_H
