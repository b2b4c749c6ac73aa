// SPDX-License-Identifier: Apache-2.0
//
// mbarriers. One collects knowledge during a phase and hands it to waiters when the phase is complete; its eight bytes
// belong to the hardware from its initialisation on, so that ordinary accesses to them are races. Threads of all blocks
// of a cluster arrive, those of its own block wait; what the others know goes to waits at the scope of the cluster
// alone.

#include "tools/simdriver/Access.h"

#include <fmt/format.h>

using namespace yupana;
using namespace yupana::ptx;

namespace {

/// In the shared window.
uint32_t addressOf(Warp &warp, const Inst &inst, int lane) {
  return warp.at<uint32_t>(inst.a)[lane] + static_cast<uint32_t>(inst.immediate);
}

void initBarrier(Warp &warp, const Inst &inst, uint32_t lanes) {
  Cluster &cluster = *warp.cluster;
  requireDefined(warp, inst, inst.a, lanes, "the address");
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    uint32_t address = addressOf(warp, inst, lane), count = warp.at<uint32_t>(inst.b)[lane];
    sharedAt(warp, address, 8, 8);
    // The count has 20 bits.
    if (count == 0 || count > (1u << 20) - 1)
      fail(warp, Fault::Misuse, fmt::format("an mbarrier for {} arrivals; it takes 1 to 1048575", count));
    // A slot belongs to an address for as long as the block runs: clocks of an earlier barrier there must not count for
    // the new one.
    bool known = cluster.mbarriers.count(address);
    // An mbarrier must be invalidated before its memory serves another one.
    Mbarrier &barrier = cluster.mbarriers[address];
    if (barrier.live)
      fail(warp, Fault::Misuse, fmt::format("the mbarrier in {} is in use", describeShared(warp, address)));
    if (!known) {
      Block &block = *warp.block;
      barrier.slot = cluster.warpCount + block.rank * mbarrierSlots + block.mbarriersMade++;
      if (block.mbarriersMade > mbarrierSlots)
        fail(warp, Fault::Unsupported, fmt::format("more than {} mbarriers in a block", mbarrierSlots));
    }
    uint32_t clock = barrier.nextClock(), slot = barrier.slot;
    barrier = {};
    barrier.live = true;
    barrier.slot = slot, barrier.clockBase = clock;
    barrier.count = barrier.pending = count;
    if (cluster.launch->races) {
      AccessKind kind;
      kind.write = true;
      orderShared(warp, address, 8, kind);
      // From now on its bytes belong to the hardware.
      cluster.shadow.settle(address, 8, {cluster.index, slot, neverKnown, inst.statement, false, true});
      barrier.initWarp = warp.index, barrier.initClock = warp.clock();
      // A completed phase sets the clock of the barrier's own slot, which must be there even if nobody published.
      barrier.arriving.own.resize(cluster.launch->slots());
    }
  }
  happen(cluster);
}

void dropBarrier(Warp &warp, const Inst &inst, uint32_t lanes) {
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    uint32_t address = addressOf(warp, inst, __builtin_ctz(rest));
    mbarrierAt(warp, address).live = false;
    // The memory is the program's again, as if the warp had written it, but holds nothing that a program may read.
    if (warp.cluster->launch->races)
      warp.cluster->shadow.settle(address, 8,
                                  {warp.cluster->index, warp.index, warp.clock(), inst.statement, false, false});
    defineShared(warp, address, 8, false);
  }
}

enum ArriveFlags : uint16_t {
  WithBytes = 1,
  NoArrival = 2,
  Relaxed = 4,
  Completes = 8,
  ForCluster = 16, ///< The scope of the cluster.
  AtPeers = 32,    ///< .shared::cluster
};

/// A relaxed arrival or wait orders no loads and stores. But asynchronous reads and copies that a thread has waited for
/// are over, and what it does then is later: that is told.
void join(const Warp &warp, Knowledge &into, const Knowledge &from, bool relaxed) {
  if (from.own.empty())
    return;
  if (relaxed)
    into.joinSlots(from, warp.cluster->warpCount);
  else
    into.join(from);
}

/// What an arrival tells those who wait. Threads of another block learn of it at the scope of the cluster alone.
void tellOfArrival(Warp &warp, const Inst &inst, Mbarrier &barrier, bool isPeer) {
  bool relaxed = inst.kind & Relaxed;
  if (!isPeer)
    join(warp, barrier.arriving, warp.knowledge, relaxed);
  else if (inst.kind & ForCluster)
    join(warp, barrier.arrivingFromPeers, warp.knowledge, relaxed);
  if (!relaxed)
    ++warp.knowledge.own[warp.index];
}

/// The barrier's block must live until the arrival is over: who knows that its phase is complete knows that, whatever
/// the scopes.
void noteArrivalOfPeer(Warp &warp, const Inst &inst, Mbarrier &barrier) {
  PeerUse use{warp.index, warp.clock(), inst.statement, barrier.nextClock()};
  for (PeerUse &former : barrier.peerArrivals)
    if (former.warp == warp.index) {
      former = use;
      return;
    }
  barrier.peerArrivals.push_back(use);
}

void arriveAt(Warp &warp, const Inst &inst, uint32_t lanes) {
  Cluster &cluster = *warp.cluster;
  requireDefined(warp, inst, inst.a, lanes, "the address");
  requireDefined(warp, inst, inst.b, lanes, "the count");
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    uint32_t address = addressOf(warp, inst, lane);
    Mbarrier &barrier = mbarrierAt(warp, address, inst.kind & AtPeers);
    bool isPeer = &cluster.blockAt(address) != warp.block;
    uint32_t value = warp.at<uint32_t>(inst.b)[lane];
    // With expect_tx the operand is bytes and the arrival is one.
    uint32_t arrivals = inst.kind & NoArrival ? 0 : inst.kind & WithBytes ? 1 : value;
    int64_t bytes = inst.kind & WithBytes ? value : 0;
    // The token is the phase that the arrival belongs to, before the arrival may complete it.
    if (inst.d != sinkRegister) {
      warp.at<uint64_t>(inst.d)[lane] = barrier.phase;
      warp.undefinedAt(inst.d) &= ~(1u << lane);
    }
    if (arrivals > barrier.pending)
      fail(warp, Fault::Misuse,
           fmt::format("{} arrivals at an mbarrier that expects {} more in this phase", arrivals, barrier.pending));
    if (!(inst.kind & Completes))
      bytes = -bytes;
    if (std::abs(barrier.bytes - bytes) > mostBarrierBytes)
      fail(warp, Fault::Misuse,
           fmt::format("an mbarrier with {} bytes to come; it counts to {}", barrier.bytes - bytes, mostBarrierBytes));
    if (cluster.launch->races && isPeer)
      noteArrivalOfPeer(warp, inst, barrier);
    if (cluster.launch->races && arrivals)
      tellOfArrival(warp, inst, barrier, isPeer);
    // complete_tx takes bytes from those that are expected; expect_tx adds some.
    arrive(cluster, barrier, arrivals, bytes);
  }
  // Progress, even where no phase completed: nobody need wake up for it.
  ++cluster.events;
}

enum WaitFlags : uint16_t { ByParity = 1, Unordered = 2, MayBlock = 4, OfPeers = 8 };

void tryWait(Warp &warp, const Inst &inst, uint32_t lanes) {
  Cluster &cluster = *warp.cluster;
  requireDefined(warp, inst, inst.a, lanes, "the address");
  requireDefined(warp, inst, inst.b, lanes, "the phase");
  uint32_t done = 0;
  // try_wait may give up at any time, and here it does so the first time: code that looks at its answer asks again, and
  // code that does not is found out, whatever the schedule.
  bool givesUp = (inst.kind & MayBlock) && warp.triedWait != &inst;
  warp.triedWait = givesUp ? &inst : nullptr;
  for (uint32_t rest = givesUp ? 0 : lanes; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    Mbarrier &barrier = mbarrierAt(warp, addressOf(warp, inst, lane));
    // try_wait.parity names the phase that it waits for by its parity: that phase is complete once the running one has
    // the other. A token names the phase itself.
    bool completed = inst.kind & ByParity ? (barrier.phase & 1) != (warp.at<uint32_t>(inst.b)[lane] & 1)
                                          : barrier.phase != static_cast<uint32_t>(warp.at<uint64_t>(inst.b)[lane]);
    done |= (completed ? 1u : 0u) << lane;
    if (completed && cluster.launch->races) {
      join(warp, warp.knowledge, barrier.released, inst.kind & Unordered);
      if (inst.kind & OfPeers)
        join(warp, warp.knowledge, barrier.releasedFromPeers, inst.kind & Unordered);
    }
  }
  setPredicate(warp, inst.d, lanes, done);
  warp.undefinedAt(inst.d) &= ~lanes;
  // Some lanes may go on; the others see false and ask again.
  if (givesUp || done)
    return;
  // All lanes failed: the next attempt is no first one, and a wait that may block hands over until something has
  // happened.
  warp.triedWait = &inst;
  warp.stop = inst.kind & MayBlock ? Stop::Blocked : Stop::Yield;
  warp.blockedEpoch = cluster.epoch;
}

/// Without a scope it is the block.
bool isForCluster(const Decoder &decoder) { return decoder.has("cluster") || decoder.has("gpu") || decoder.has("sys"); }

void decodeArrive(Decoder &decoder, Inst inst) {
  // With a result, or the sink `_`, the address comes second.
  size_t at = decoder.operand(0).kind == OperandText::Address ? 0 : 1;
  bool expects = decoder.has("expect_tx"), completes = decoder.has("complete_tx");
  inst.action = arriveAt;
  // mbarrier.expect_tx and mbarrier.complete_tx change the count of bytes alone.
  if (decoder.parts()[1] != "arrive")
    inst.kind |= NoArrival;
  if (decoder.has("noComplete"))
    decoder.unsupported("arrivals without completion are not built");
  inst.kind |= expects || completes ? WithBytes : 0;
  inst.kind |= completes ? Completes : 0;
  inst.kind |= decoder.has("relaxed") ? Relaxed : 0;
  inst.kind |= isForCluster(decoder) ? ForCluster : 0;
  inst.kind |= decoder.has("shared::cluster") ? AtPeers : 0;
  decoder.address(decoder.operand(at), 4, inst.a, inst.immediate);
  inst.b = decoder.operandCount() > at + 1 ? decoder.source(decoder.operand(at + 1), 4) : decoder.constant(1, 4);
  if (at == 1 && decoder.operand(0).kind == OperandText::Register && (inst.kind & AtPeers))
    decoder.unsupported("an arrival by .shared::cluster has no result");
  if (at == 1 && decoder.operand(0).kind == OperandText::Register)
    inst.d = decoder.destination(decoder.operand(0), 8);
  decoder.emit(inst);
}

} // namespace

Mbarrier &yupana::ptx::mbarrierAt(Warp &warp, uint32_t address, bool ofCluster) {
  Cluster &cluster = *warp.cluster;
  sharedAt(warp, address, 8, 8, ofCluster);
  auto found = cluster.mbarriers.find(address);
  if (found == cluster.mbarriers.end() || !found->second.live)
    fail(warp, Fault::Misuse,
         fmt::format("there is no mbarrier in {}: it was not initialised", describeShared(warp, address)));
  Mbarrier &barrier = found->second;
  // Using an mbarrier asks for its initialisation to be known, as by a barrier of the block or of the cluster.
  if (cluster.launch->races && barrier.initWarp != warp.index &&
      warp.knowledge.own[barrier.initWarp] < barrier.initClock &&
      (warp.knownInits.empty() || warp.knownInits[barrier.initWarp] < barrier.initClock))
    fail(warp, Fault::Race,
         fmt::format("race on {}: this use is not ordered after the mbarrier.init by {}", describeShared(warp, address),
                     describeWarp(warp, barrier.initWarp)));
  return barrier;
}

void yupana::ptx::arrive(Cluster &cluster, Mbarrier &barrier, uint32_t arrivals, int64_t bytes) {
  barrier.pending -= arrivals;
  // Bytes may be there before they are expected: the count goes below zero and the phase still waits for the arrival.
  barrier.bytes -= bytes;
  if (barrier.pending || barrier.bytes)
    return;
  // Waiters learn what all arrivals of this phase and of earlier ones knew, and that the phase is complete.
  if (cluster.launch->races) {
    barrier.released = barrier.arriving;
    barrier.releasedFromPeers = barrier.arrivingFromPeers;
    barrier.released.own[barrier.slot] = barrier.nextClock();
    barrier.arriving.own[barrier.slot] = barrier.nextClock();
  }
  ++barrier.phase;
  barrier.pending = barrier.count;
  happen(cluster);
}

void yupana::ptx::decodeMbarrier(Decoder &decoder) {
  const std::string &what = decoder.parts()[1];
  Inst inst;
  if (what == "init" || what == "inval") {
    inst.action = what == "init" ? initBarrier : dropBarrier;
    decoder.address(decoder.operand(0), 4, inst.a, inst.immediate);
    if (what == "init")
      inst.b = decoder.source(decoder.operand(1), 4);
    decoder.emit(inst);
  } else if (what == "arrive" || what == "expect_tx" || what == "complete_tx") {
    decodeArrive(decoder, inst);
  } else if (what == "try_wait" || what == "test_wait") {
    inst.action = tryWait;
    bool parity = decoder.has("parity");
    inst.kind = static_cast<uint16_t>((parity ? ByParity : 0) | (decoder.has("relaxed") ? Unordered : 0) |
                                      (isForCluster(decoder) ? OfPeers : 0) | (what == "try_wait" ? MayBlock : 0));
    if (decoder.has("shared::cluster"))
      decoder.unsupported("only threads of its own block wait for an mbarrier");
    decoder.address(decoder.operand(1), 4, inst.a, inst.immediate);
    inst.b = decoder.source(decoder.operand(2), parity ? 4 : 8);
    inst.d = decoder.destination(decoder.operand(0), 0);
    decoder.emit(inst);
  } else {
    decoder.unsupported();
  }
}
