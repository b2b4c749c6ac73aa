// SPDX-License-Identifier: Apache-2.0
//
// The state of a launch while it runs: warps, blocks, clusters, what the checks know. Internal to the interpreter.
#ifndef YUPANA_TOOLS_SIMDRIVER_MACHINE_H
#define YUPANA_TOOLS_SIMDRIVER_MACHINE_H

#include "tools/simdriver/Dependents.h"
#include "tools/simdriver/Memory.h"
#include "tools/simdriver/Program.h"
#include "tools/simdriver/Shadow.h"

#include <atomic>
#include <deque>
#include <map>
#include <random>

namespace yupana::ptx {

/// Why a warp hands over: it goes on later, or waits for the cluster's epoch to change, or stands at a barrier.
enum class Stop : uint8_t { None, Yield, Blocked, AtBarrier, Ended };

/// One path of a diverged warp: lanes, where they are, and where they meet the path below.
struct Path {
  int32_t pc = 0, reconverge = -1;
  uint32_t lanes = 0;
};

/// A 16-byte (or 4, 8) copy of cp.async: data moves when it is waited for.
struct LaneCopy {
  uint32_t to = 0, bytes = 0, valid = 0;
  uint64_t from = 0;
};
using CopyGroup = std::vector<LaneCopy>;

struct Block;
struct Cluster;
struct Launch;

struct Warp {
  Cluster *cluster = nullptr;
  Block *block = nullptr;
  /// Its slot in the clocks of its cluster, and its number within its block.
  uint32_t index = 0, number = 0;
  int32_t pc = 0, reconverge = -1;
  /// Lanes of the running path; lanes that have not ended.
  uint32_t active = 0, live = 0;
  Stop stop = Stop::None;
  uint64_t blockedEpoch = 0;
  uint32_t barrier = 0;
  std::vector<Path> paths; ///< Below the running one.
  uint8_t *file = nullptr;
  /// A mask of undefined lanes for each 64 bytes of the file.
  std::vector<uint32_t> undefined;
  uint64_t instructions = 0, laneInstructions = 0, matrixInstructions = 0;

  // Asynchronous work.
  std::array<CopyGroup, 32> openCopies;
  std::array<std::deque<CopyGroup>, 32> copyGroups;
  /// Accumulators of wgmma: those of the open group, then of groups that were committed and not waited for.
  std::vector<uint32_t> openRegisters;
  std::deque<std::vector<uint32_t>> pendingRegisters;
  uint32_t committedGroups = 0, waitedGroups = 0;
  /// For each 64 bytes of the file: groups that write it, and its undefined lanes once they end.
  std::vector<uint32_t> writers, undefinedLater;
  /// For each 64 bytes of the file: the number of wgmma.fence before its last write by other instructions.
  std::vector<uint32_t> writtenAtFence;
  uint32_t matrixFences = 0;
  const Inst *atBarrier = nullptr;
  /// The mbarrier wait that failed last.
  const Inst *triedWait = nullptr;
  std::vector<uint8_t> local;
  /// Lanes that have arrived at the cluster's barrier: in the running phase, and without having waited since.
  uint32_t clusterArrived = 0, clusterOwed = 0;

  // What the warp knows of others.
  Knowledge knowledge;
  /// At its last fences: what a strong store publishes, and at which scope; what strong loads saw since.
  Knowledge fenced, seen;
  Knowledge seenOfOthers; ///< As `seen`, of what other blocks published.
  Scope fencedAt = Scope::Block;
  bool hasFenced = false, hasSeen = false;
  /// Clocks of fences towards the asynchronous proxy, and what was known at the last.
  std::vector<uint32_t> proxyFences;
  Clock knownAtProxyFence;
  /// The clock of its last fence.mbarrier_init; of each warp, up to which clock its mbarrier.init are known.
  uint32_t initFence = 0;
  Clock knownInits;

  template <class T> T *at(uint32_t offset) { return reinterpret_cast<T *>(file + offset); }
  uint32_t &undefinedAt(uint32_t offset) { return undefined[offset >> 6]; }
  uint32_t clock() const { return knowledge.own[index]; }
};

/// What a warp of another block of the cluster last did to the memory of a block.
struct PeerUse {
  uint32_t warp = 0, clock = 0, statement = 0; ///< Clock 0: nothing.
  uint32_t completion = 0;                     ///< Of an arrival: the clock of its mbarrier that tells of it, too.
};

struct Mbarrier {
  uint32_t count = 0, pending = 0, slot = 0;
  /// Phases completed since init, and what the slot's clock was then.
  uint32_t phase = 0, clockBase = 0;
  int64_t bytes = 0;
  bool live = false;
  Knowledge arriving, released;
  /// Of arrivals from other blocks at the scope of the cluster, which waits at that scope learn.
  Knowledge arrivingFromPeers, releasedFromPeers;
  std::vector<PeerUse> peerArrivals; ///< One of each warp.
  uint32_t initWarp = 0, initClock = 0;
  /// The slot's clock when the last copy that ends here has ended, and the copy's statement.
  uint32_t copyClock = 0, copyStatement = 0;
  /// The slot's clock when the running phase completes.
  uint32_t nextClock() const { return clockBase + phase + 1; }
};

/// Copies that end at an mbarrier: one of cp.async.bulk, or those of cp.async before a cp.async.mbarrier.arrive.
struct BarrierCopy {
  CopyGroup copies;
  uint32_t barrier = 0, statement = 0;
  uint32_t bytes = 0, arrivals = 0; ///< What its end takes from the barrier.
};

struct NamedBarrier {
  uint32_t arrived = 0; ///< Threads.
  uint32_t needed = 0;  ///< 0: all threads of the block that have not ended.
  std::vector<Warp *> waiting;
  Knowledge knowledge;
  uint32_t trueLanes = 0, falseLanes = 0; ///< Of bar.red.
};

/// barrier.cluster: every thread of the cluster that has not ended arrives, and later waits.
struct ClusterBarrier {
  bool isOpen = false; ///< Somebody has arrived in the running phase.
  std::vector<Warp *> waiting;
  Knowledge arriving, released;
  Clock arrivingInits, releasedInits; ///< As Warp::knownInits.
};

/// Slots of a cluster's clock: its warps, then the mbarriers of each block, then of each block warpgroups whose wgmma
/// reads shared memory.
constexpr uint32_t mbarrierSlots = 64, warpgroupSlots = 8;

struct Block {
  uint32_t index = 0, x = 0, y = 0, z = 0, rank = 0;
  uint32_t shared = 0;                                 ///< The address of its first byte of shared memory.
  uint32_t firstWarp = 0, liveWarps = 0, lastWarp = 0; ///< lastWarp: the one that ended last.
  std::array<NamedBarrier, 16> barriers;
  uint32_t mbarriersMade = 0;
  std::vector<PeerUse> peerUses; ///< Of each warp of the cluster. Empty without any.
};

/// What runs together: the blocks of a cluster, mostly one. Their shared memories lie in one window, that of each rank
/// `blockWindow` behind the one before, so that an address says whose it is.
struct Cluster {
  Launch *launch = nullptr;
  uint32_t index = 0, size = 1; ///< Among the launch's clusters; blocks.
  uint32_t threads = 0, warpsPerBlock = 0, warpCount = 0, liveWarps = 0;
  /// From the first byte of the first block on. Only what blocks have is ever touched.
  std::unique_ptr<uint8_t[]> shared, sharedDefined;
  std::vector<Block> blocks;
  std::vector<Warp> warps;    ///< Of the blocks, one block after the other.
  std::vector<uint8_t> files; ///< Register files of all warps.
  std::map<uint32_t, Mbarrier> mbarriers;
  ClusterBarrier barrier;
  std::vector<BarrierCopy> copies;
  std::map<uint64_t, SyncPoint> syncs; ///< On shared memory.
  /// Grows when something happens that a waiting warp may wait for.
  uint64_t epoch = 1;
  std::mt19937_64 random;
  ShadowMemory shadow;
  std::vector<Range> ranges; ///< The allocation that each instruction last met.
  uint64_t events = 0;       ///< Stores, ends, barriers: signs of progress.
  uint32_t warpgroupSlot(const Warp &warp) const {
    return warpCount + size * mbarrierSlots + warp.block->rank * warpgroupSlots + warp.number / 4 % warpgroupSlots;
  }
  /// Whether an address of shared memory belongs to a block of the cluster, and to which.
  bool holds(uint32_t address) const { return address / blockWindow < size; }
  Block &blockAt(uint32_t address) { return blocks[address / blockWindow]; }
};

struct Launch {
  const Program *program = nullptr;
  Memory *memory = nullptr;
  const Options *options = nullptr;
  LaunchShape shape;
  uint32_t clusterSize = 1, clusters = 0; ///< Blocks of a cluster, clusters of the grid.
  bool isExplicitCluster = false;         ///< The kernel or the launch asks for clusters.
  std::vector<uint8_t> parameters;
  uint32_t sharedBytes = 0;
  ShadowMemory shadow; ///< Of global memory.
  std::map<uint64_t, SyncPoint> syncs;
  uint64_t moduleData = 0; ///< Where the module's variables lie.
  std::atomic<uint64_t> events{0};
  std::atomic<bool> failed{false};
  bool races = false, undefined = false;
  Dependents dependents;
  std::shared_ptr<const Program> former; ///< Of the launch before, if its accesses were noted.
  uint32_t warpsPerBlock() const { return (shape.threads + 31) / 32; }
  uint32_t slots() const { return clusterSize * (warpsPerBlock() + mbarrierSlots + warpgroupSlots); }
  /// The number of the block that has a rank in a cluster.
  uint32_t blockIndex(uint32_t cluster, uint32_t rank) const;
  /// The rank of the block whose warp, mbarrier or warpgroup a slot is.
  uint32_t rankOfSlot(uint32_t slot) const;
};

/// The instruction that runs on this thread, for reports.
extern thread_local const Inst *currentInst;

/// Ends the launch with a report that names kernel, line, text, block and warp.
[[noreturn]] void fail(const Warp &warp, Fault fault, const std::string &what);
/// "line 12 `bar.sync 0;`"
std::string describe(const Program &program, uint32_t statement);

inline const Program &programOf(const Warp &warp) { return *warp.cluster->launch->program; }
inline const uint32_t *operandsOf(const Warp &warp, const Inst &inst) {
  return programOf(warp).operands.data() + inst.list;
}

/// Runs a warp until it stops or `budget` instructions are done.
void runWarp(Warp &warp, uint32_t budget);
/// Runs a launch; throws a Failure.
void runLaunch(Launch &launch, Statistics &statistics);

// Accesses to shared memory: bounds, alignment, order, definedness. Addresses are those of the shared window, and
// belong to the warp's own block unless `ofCluster`.
struct AccessKind {
  bool write = false, strong = false;
  bool async = false;   ///< By the asynchronous proxy.
  bool pending = false; ///< Has begun, and nobody knows of its end yet.
  /// Ends when this slot (not 0) reaches this clock; 0: at once, by the warp.
  uint32_t slot = 0, clock = 0;
};
uint8_t *sharedAt(Warp &warp, uint32_t address, uint32_t bytes, uint32_t alignment, bool ofCluster = false);
void orderShared(Warp &warp, uint32_t address, uint32_t bytes, AccessKind kind);
bool definedShared(Warp &warp, uint32_t address, uint32_t bytes);
void defineShared(Warp &warp, uint32_t address, uint32_t bytes, bool defined = true);

// Accesses to global memory.
uint8_t *globalAt(Warp &warp, const Inst &inst, uint64_t address, uint32_t bytes, uint32_t alignment);
void orderGlobal(Warp &warp, uint64_t address, uint32_t bytes, AccessKind kind);
bool definedGlobal(Warp &warp, uint64_t address, uint32_t bytes);
void defineGlobal(Warp &warp, uint64_t address, uint32_t bytes, bool defined = true);

// Ends of asynchronous work, in any order: called by the scheduler.
void finishOneCopy(Cluster &cluster);
/// A warp of the block has ended: its barriers for all threads may be complete.
void leaveBarriers(Cluster &cluster, Block &block);
/// Lanes have arrived at the cluster's barrier, or ended: its phase may be complete.
void completeClusterBarrier(Cluster &cluster);
/// The last warp of its block has ended: nobody may still use the block's memory.
void endBlock(Warp &last);
Mbarrier &mbarrierAt(Warp &warp, uint32_t address, bool ofCluster = false);
/// Takes arrivals and bytes from a barrier, which may complete its phase.
void arrive(Cluster &cluster, Mbarrier &barrier, uint32_t arrivals, int64_t bytes);
/// The most bytes that an mbarrier counts, expected or arrived ahead.
constexpr int64_t mostBarrierBytes = (1 << 20) - 1;

/// Marks progress and wakes the warps of a cluster that wait.
inline void happen(Cluster &cluster) {
  ++cluster.epoch;
  ++cluster.events;
}

/// Runs `body(lane)` for each lane of a mask; the loop over all lanes is vectorised.
template <class Body> inline void forLanes(uint32_t lanes, Body body) {
  if (lanes == ~0u) {
#ifdef __clang__
#pragma clang loop vectorize(assume_safety)
#else
#pragma GCC ivdep
#endif
    for (int lane = 0; lane < 32; ++lane)
      body(lane);
  } else {
    for (uint32_t rest = lanes; rest; rest &= rest - 1)
      body(__builtin_ctz(rest));
  }
}

inline void setPredicate(Warp &warp, uint32_t offset, uint32_t lanes, uint32_t value) {
  uint32_t &mask = *warp.at<uint32_t>(offset);
  mask = (mask & ~lanes) | (value & lanes);
}

} // namespace yupana::ptx

#endif // YUPANA_TOOLS_SIMDRIVER_MACHINE_H
