// SPDX-License-Identifier: Apache-2.0
//
// Barriers of a block, mbarriers and fences. A warp that has to wait hands over; what completes a barrier wakes it. A
// barrier joins the knowledge of all who arrive and gives it to all who leave, which is how it orders accesses. An
// mbarrier collects knowledge during a phase and hands it to waiters when the phase is complete; its eight bytes belong
// to the hardware from its initialisation on, so that ordinary accesses to them are races.

#include "tools/simdriver/Access.h"

#include <fmt/format.h>

using namespace yupana;
using namespace yupana::ptx;

namespace {

/// What a barrier gives back: nothing, or how the predicates of all threads are joined (bar.red).
enum class BarKind : uint16_t { Sync, Arrive, CountTrue, AllTrue, AnyTrue };

/// Lets the waiting warps of a complete barrier go on. Each gets its result here, since its instruction is behind it
/// and does not run again.
void release(Block &block, NamedBarrier &barrier) {
  for (Warp *warp : barrier.waiting) {
    const Inst &inst = *warp->atBarrier;
    if (block.launch->races) {
      // What the warp does from here on belongs to a new epoch.
      warp->knowledge.join(barrier.knowledge);
      ++warp->knowledge.own[warp->index];
    }
    auto kind = static_cast<BarKind>(inst.kind);
    // With bar.red the threads with a true predicate; else 0, and no case below looks at it.
    uint32_t total = barrier.trueLanes;
    if (kind == BarKind::CountTrue)
      forLanes(warp->active, [d = warp->at<uint32_t>(inst.d), total](int lane) { d[lane] = total; });
    else if (kind == BarKind::AllTrue)
      setPredicate(*warp, inst.d, warp->active, barrier.falseLanes ? 0 : ~0u);
    else if (kind == BarKind::AnyTrue)
      setPredicate(*warp, inst.d, warp->active, total ? ~0u : 0);
    warp->undefinedAt(inst.d) &= ~warp->active;
    warp->stop = Stop::None;
    warp->atBarrier = nullptr;
  }
  // Barriers are used again and again: the next use begins with no count and no arrivals.
  barrier = {};
  happen(block);
}

/// Threads that a barrier without a count waits for. A warp counts whole while any of its lanes lives.
uint32_t liveThreads(const Block &block) {
  uint32_t threads = 0;
  for (const Warp &warp : block.warps)
    threads += warp.live ? 32 : 0;
  return threads;
}

void barrier(Warp &warp, const Inst &inst, uint32_t lanes) {
  Block &block = *warp.block;
  // A barrier is one for the warp: its first lane's operands count.
  requireDefined(warp, inst, inst.a, lanes, "the barrier's number");
  uint32_t index = warp.at<uint32_t>(inst.a)[__builtin_ctz(lanes)];
  uint32_t count = inst.b == zeroRegister ? 0 : warp.at<uint32_t>(inst.b)[__builtin_ctz(lanes)];
  if (index > 15 || count % 32 != 0 || count > block.warpCount * 32)
    fail(warp, Fault::Misuse,
         fmt::format("barrier {} for {} threads: there are 16 barriers, for whole warps of the {} "
                     "threads of the block",
                     index, count, block.threads));
  // bar is barrier.aligned, which all lanes execute together; lanes that arrive one by one are not built.
  if (lanes != warp.live)
    fail(warp, Fault::Misuse, fmt::format("only the lanes {:#x} of {:#x} reach the barrier", lanes, warp.live));
  NamedBarrier &barrier = block.barriers[index];
  // The count belongs to a use of a barrier: all who take part must state the same.
  if (barrier.arrived && barrier.needed != count)
    fail(warp, Fault::Misuse,
         fmt::format("barrier {} is awaited for {} threads here and for {} elsewhere (0: all)", index, count,
                     barrier.needed));
  barrier.needed = count;
  // Whole warps count, the last one of a block, too, which may have fewer threads.
  barrier.arrived += 32;
  auto kind = static_cast<BarKind>(inst.kind);
  if (kind > BarKind::Arrive) {
    uint32_t trueLanes = *warp.at<uint32_t>(inst.c) & lanes;
    barrier.trueLanes += static_cast<uint32_t>(__builtin_popcount(trueLanes));
    barrier.falseLanes += static_cast<uint32_t>(__builtin_popcount(lanes & ~trueLanes));
  }
  if (block.launch->races) {
    // Arriving publishes what the warp has done; its later accesses are of a new epoch, which others do not learn of.
    barrier.knowledge.join(warp.knowledge);
    ++warp.knowledge.own[warp.index];
  }
  if (kind != BarKind::Arrive) {
    // The warp's program counter is past the barrier; release() writes the result and wakes it.
    warp.atBarrier = &inst;
    warp.stop = Stop::AtBarrier;
    barrier.waiting.push_back(&warp);
  }
  // After the warp is among the waiting, so that a report lists it.
  if (count && barrier.arrived > count)
    fail(warp, Fault::Misuse,
         fmt::format("{} threads are at barrier {}, which takes {}", barrier.arrived, index, count));
  if (barrier.arrived == (count ? count : liveThreads(block)))
    release(block, barrier);
}

/// Lanes of a warp know of each other's accesses in this model, so that only the members are checked.
void warpBarrier(Warp &warp, const Inst &inst, uint32_t lanes) {
  uint32_t members = warp.at<uint32_t>(inst.a)[__builtin_ctz(lanes)];
  if (uint32_t missing = members & warp.live & ~lanes)
    fail(warp, Fault::Misuse,
         fmt::format("the mask {:#x} names lane {}, which is elsewhere", members, __builtin_ctz(missing)));
}

//===----------------------------------------------------------------------===//
// Fences
//===----------------------------------------------------------------------===//

/// Inst::kind is true for a scope wider than the block.
void fence(Warp &warp, const Inst &inst, uint32_t) { fenceMemory(warp, inst.kind); }

/// Later accesses of the asynchronous proxy are ordered after what the warp has done or learned of up to here; Shadow
/// asks for the clock of such a fence.
void proxyFence(Warp &warp, const Inst &, uint32_t) {
  // Nothing but the check of races asks for it.
  if (!warp.block->launch->races)
    return;
  warp.knownAtProxyFence = warp.knowledge.own;
  warp.proxyFences.push_back(warp.clock());
  ++warp.knowledge.own[warp.index];
}

/// For fences whose order this model keeps anyway, and for hints.
void nothing(Warp &, const Inst &, uint32_t) {}

//===----------------------------------------------------------------------===//
// mbarriers
//===----------------------------------------------------------------------===//

/// In the shared window.
uint32_t addressOf(Warp &warp, const Inst &inst, int lane) {
  return warp.at<uint32_t>(inst.a)[lane] + static_cast<uint32_t>(inst.immediate);
}

void initBarrier(Warp &warp, const Inst &inst, uint32_t lanes) {
  Block &block = *warp.block;
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
    bool known = block.mbarriers.count(address);
    // An mbarrier must be invalidated before its memory serves another one.
    Mbarrier &barrier = block.mbarriers[address];
    if (barrier.live)
      fail(warp, Fault::Misuse, fmt::format("the mbarrier in {} is in use", describeShared(warp, address)));
    if (!known) {
      barrier.slot = block.warpCount + block.mbarriersMade++;
      if (block.mbarriersMade > mbarrierSlots)
        fail(warp, Fault::Unsupported, fmt::format("more than {} mbarriers in a block", mbarrierSlots));
    }
    uint32_t clock = barrier.nextClock(), slot = barrier.slot;
    barrier = {};
    barrier.live = true;
    barrier.slot = slot, barrier.clockBase = clock;
    barrier.count = barrier.pending = count;
    if (block.launch->races) {
      AccessKind kind;
      kind.write = true;
      orderShared(warp, address, 8, kind);
      // From now on its bytes belong to the hardware.
      block.shadow.settle(address, 8, {block.index, slot, neverKnown, inst.statement, false, true});
      barrier.initWarp = warp.index, barrier.initClock = warp.clock();
      // A completed phase sets the clock of the barrier's own slot, which must be there even if nobody published.
      barrier.arriving.own.resize(block.slots());
    }
  }
  happen(block);
}

void dropBarrier(Warp &warp, const Inst &inst, uint32_t lanes) {
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    uint32_t address = addressOf(warp, inst, __builtin_ctz(rest));
    mbarrierAt(warp, address).live = false;
    // The memory is the program's again, as if the warp had written it, but holds nothing that a program may read.
    if (warp.block->launch->races)
      warp.block->shadow.settle(address, 8,
                                {warp.block->index, warp.index, warp.clock(), inst.statement, false, false});
    defineShared(warp, address, 8, false);
  }
}

enum ArriveFlags : uint16_t { WithBytes = 1, NoArrival = 2, Relaxed = 4, Completes = 8 };

void arriveAt(Warp &warp, const Inst &inst, uint32_t lanes) {
  Block &block = *warp.block;
  requireDefined(warp, inst, inst.a, lanes, "the address");
  requireDefined(warp, inst, inst.b, lanes, "the count");
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    Mbarrier &barrier = mbarrierAt(warp, addressOf(warp, inst, lane));
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
    if (block.launch->races && arrivals && !(inst.kind & Relaxed)) {
      barrier.arriving.join(warp.knowledge);
      ++warp.knowledge.own[warp.index];
    }
    // complete_tx takes bytes from those that are expected; expect_tx adds some.
    arrive(block, barrier, arrivals, inst.kind & Completes ? bytes : -bytes);
  }
  // Progress, even where no phase completed: nobody need wake up for it.
  ++block.events;
}

enum WaitFlags : uint16_t { ByParity = 1, Unordered = 2, MayBlock = 4 };

void tryWait(Warp &warp, const Inst &inst, uint32_t lanes) {
  Block &block = *warp.block;
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
    // `released` is empty until a first phase has completed.
    if (completed && block.launch->races && !(inst.kind & Unordered) && !barrier.released.own.empty())
      warp.knowledge.join(barrier.released);
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
  warp.blockedEpoch = block.epoch;
}

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
  decoder.address(decoder.operand(at), 4, inst.a, inst.immediate);
  inst.b = decoder.operandCount() > at + 1 ? decoder.source(decoder.operand(at + 1), 4) : decoder.constant(1, 4);
  if (at == 1 && decoder.operand(0).kind == OperandText::Register)
    inst.d = decoder.destination(decoder.operand(0), 8);
  decoder.emit(inst);
}

} // namespace

Mbarrier &yupana::ptx::mbarrierAt(Warp &warp, uint32_t address) {
  Block &block = *warp.block;
  sharedAt(warp, address, 8, 8);
  auto found = block.mbarriers.find(address);
  if (found == block.mbarriers.end() || !found->second.live)
    fail(warp, Fault::Misuse,
         fmt::format("there is no mbarrier in {}: it was not initialised", describeShared(warp, address)));
  Mbarrier &barrier = found->second;
  // Using an mbarrier asks for its initialisation to be known, as by a barrier of the block.
  if (block.launch->races && barrier.initWarp != warp.index && warp.knowledge.own[barrier.initWarp] < barrier.initClock)
    fail(warp, Fault::Race,
         fmt::format("race on {}: this use is not ordered after the mbarrier.init by warp {}",
                     describeShared(warp, address), barrier.initWarp));
  return barrier;
}

void yupana::ptx::arrive(Block &block, Mbarrier &barrier, uint32_t arrivals, int64_t bytes) {
  barrier.pending -= arrivals;
  // Bytes may be there before they are expected: the count goes below zero and the phase still waits for the arrival.
  barrier.bytes -= bytes;
  if (barrier.pending || barrier.bytes)
    return;
  // Waiters learn what all arrivals of this phase and of earlier ones knew, and that the phase is complete.
  if (block.launch->races) {
    barrier.released = barrier.arriving;
    barrier.released.own[barrier.slot] = barrier.nextClock();
    barrier.arriving.own[barrier.slot] = barrier.nextClock();
  }
  ++barrier.phase;
  barrier.pending = barrier.count;
  happen(block);
}

/// A warp that has ended is not waited for: the ones at a barrier without a count may now be all there are. Barriers
/// with a count go on waiting for as many.
void yupana::ptx::leaveBarriers(Block &block) {
  uint32_t threads = liveThreads(block);
  for (NamedBarrier &barrier : block.barriers)
    if (barrier.arrived && !barrier.needed && barrier.arrived == threads)
      release(block, barrier);
}

void yupana::ptx::decodeBarrier(Decoder &decoder) {
  const auto &parts = decoder.parts();
  Inst inst;
  if (parts[0] == "fence" || parts[0] == "membar") {
    // mbarrier_init and the proxies other than async order what this model keeps in order anyway.
    inst.action = nothing;
    if (parts[0] == "membar" || decoder.has("acq_rel") || decoder.has("sc") ||
        ((decoder.has("acquire") || decoder.has("release")) && !decoder.has("mbarrier_init") &&
         !decoder.has("proxy"))) {
      inst.action = fence;
      // Fences of clusters and of the system count as fences of the device.
      inst.kind = !decoder.has("cta");
    } else if (decoder.has("proxy") && decoder.has("async")) {
      inst.action = proxyFence;
    } else if (!decoder.has("mbarrier_init") && !decoder.has("proxy")) {
      decoder.unsupported();
    }
  } else if (decoder.has("warp")) { // bar.warp.sync
    inst.action = warpBarrier;
    inst.a = decoder.source(decoder.operand(0), 4);
  } else if (decoder.has("cluster")) {
    // A cluster of one block: its arrival and its wait order what the block's own barriers do not, so they are refused.
    decoder.unsupported("clusters are not built");
  } else {
    inst.action = barrier;
    size_t at = 0;
    if (decoder.has("red")) {
      inst.kind = static_cast<uint16_t>(decoder.has("popc")  ? BarKind::CountTrue
                                        : decoder.has("and") ? BarKind::AllTrue
                                                             : BarKind::AnyTrue);
      at = 1;
    } else {
      inst.kind = static_cast<uint16_t>(decoder.has("arrive") ? BarKind::Arrive : BarKind::Sync);
    }
    inst.a = decoder.source(decoder.operand(at), 4);
    size_t last = decoder.operandCount() - 1;
    if (at == 1) {
      // The predicate is the last operand and the result the first: bar.red.op a {, b}, c.
      inst.c = decoder.source(decoder.operand(last--), 0);
      inst.d = decoder.destination(decoder.operand(0), decoder.has("popc") ? 4 : 0);
    }
    if (last > at)
      inst.b = decoder.source(decoder.operand(at + 1), 4);
    else if (decoder.has("arrive"))
      decoder.unsupported("an arrival needs a count");
  }
  decoder.emit(inst);
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
                                      (what == "try_wait" ? MayBlock : 0));
    decoder.address(decoder.operand(1), 4, inst.a, inst.immediate);
    inst.b = decoder.source(decoder.operand(2), parity ? 4 : 8);
    inst.d = decoder.destination(decoder.operand(0), 0);
    decoder.emit(inst);
  } else {
    decoder.unsupported();
  }
}

void yupana::ptx::decodeHint(Decoder &decoder) {
  Inst inst;
  inst.action = nothing;
  const std::string &base = decoder.parts()[0];
  if (base == "nanosleep") {
    // Time is counted in instructions here, so to sleep is to let others run.
    inst.action = [](Warp &warp, const Inst &, uint32_t) { warp.stop = Stop::Yield; };
  } else if (base == "createpolicy") {
    // A cache policy is opaque and changes nothing; that it depends on its inputs is all that is followed.
    inst.flows = true;
    inst.d = decoder.destination(decoder.operand(0), 8);
  }
  decoder.emit(inst);
}
