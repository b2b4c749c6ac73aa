// SPDX-License-Identifier: Apache-2.0
//
// Barriers of a block and fences. A warp that has to wait hands over; what completes a barrier wakes it. A barrier
// joins the knowledge of all who arrive and gives it to all who leave, which is how it orders accesses.

#include "tools/simdriver/Access.h"

#include <fmt/format.h>

using namespace yupana;
using namespace yupana::ptx;

namespace {

/// What a barrier gives back: nothing, or how the predicates of all threads are joined (bar.red).
enum class BarKind : uint16_t { Sync, Arrive, CountTrue, AllTrue, AnyTrue };

/// Lets the waiting warps of a complete barrier go on. Each gets its result here, since its instruction is behind it
/// and does not run again.
void release(Cluster &cluster, NamedBarrier &barrier) {
  for (Warp *warp : barrier.waiting) {
    const Inst &inst = *warp->atBarrier;
    if (cluster.launch->races) {
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
  happen(cluster);
}

/// Threads that a barrier without a count waits for. A warp counts whole while any of its lanes lives.
uint32_t liveThreads(const Cluster &cluster, const Block &block) {
  uint32_t threads = 0;
  for (uint32_t w = 0; w < cluster.warpsPerBlock; ++w)
    threads += cluster.warps[block.firstWarp + w].live ? 32 : 0;
  return threads;
}

void barrier(Warp &warp, const Inst &inst, uint32_t lanes) {
  Cluster &cluster = *warp.cluster;
  Block &block = *warp.block;
  // A barrier is one for the warp: its first lane's operands count.
  requireDefined(warp, inst, inst.a, lanes, "the barrier's number");
  uint32_t index = warp.at<uint32_t>(inst.a)[__builtin_ctz(lanes)];
  uint32_t count = inst.b == zeroRegister ? 0 : warp.at<uint32_t>(inst.b)[__builtin_ctz(lanes)];
  if (index > 15 || count % 32 != 0 || count > cluster.warpsPerBlock * 32)
    fail(warp, Fault::Misuse,
         fmt::format("barrier {} for {} threads: there are 16 barriers, for whole warps of the {} "
                     "threads of the block",
                     index, count, cluster.threads));
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
  if (cluster.launch->races) {
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
  if (barrier.arrived == (count ? count : liveThreads(cluster, block)))
    release(cluster, barrier);
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

/// Inst::kind is the scope.
void fence(Warp &warp, const Inst &inst, uint32_t) { fenceMemory(warp, static_cast<Scope>(inst.kind)); }

/// Later accesses of the asynchronous proxy are ordered after what the warp has done or learned of up to here; Shadow
/// asks for the clock of such a fence.
void proxyFence(Warp &warp, const Inst &, uint32_t) {
  // Nothing but the check of races asks for it.
  if (!warp.cluster->launch->races)
    return;
  warp.knownAtProxyFence = warp.knowledge.own;
  warp.proxyFences.push_back(warp.clock());
  ++warp.knowledge.own[warp.index];
}

/// fence.mbarrier_init: a relaxed arrival at the cluster's barrier then tells of the mbarrier.init before it.
void initFence(Warp &warp, const Inst &, uint32_t) {
  if (warp.cluster->launch->races)
    warp.initFence = warp.knowledge.own[warp.index]++;
}

/// For fences whose order this model keeps anyway, and for hints.
void nothing(Warp &, const Inst &, uint32_t) {}

} // namespace

/// A warp that has ended is not waited for: the ones at a barrier without a count may now be all there are. Barriers
/// with a count go on waiting for as many.
void yupana::ptx::leaveBarriers(Cluster &cluster, Block &block) {
  uint32_t threads = liveThreads(cluster, block);
  for (NamedBarrier &barrier : block.barriers)
    if (barrier.arrived && !barrier.needed && barrier.arrived == threads)
      release(cluster, barrier);
}

void yupana::ptx::decodeBarrier(Decoder &decoder) {
  const auto &parts = decoder.parts();
  Inst inst;
  if (parts[0] == "fence" || parts[0] == "membar") {
    // The proxies other than async order what this model keeps in order anyway.
    inst.action = nothing;
    if (parts[0] == "membar" || decoder.has("acq_rel") || decoder.has("sc") ||
        ((decoder.has("acquire") || decoder.has("release")) && !decoder.has("mbarrier_init") &&
         !decoder.has("proxy"))) {
      inst.action = fence;
      // Fences of the system count as fences of the device.
      inst.kind = static_cast<uint16_t>(decoder.has("cta")       ? Scope::Block
                                        : decoder.has("cluster") ? Scope::Cluster
                                                                 : Scope::Device);
    } else if (decoder.has("proxy") && decoder.has("async")) {
      inst.action = proxyFence;
    } else if (decoder.has("mbarrier_init")) {
      inst.action = initFence;
    } else if (!decoder.has("proxy")) {
      decoder.unsupported();
    }
  } else if (decoder.has("warp")) { // bar.warp.sync
    inst.action = warpBarrier;
    inst.a = decoder.source(decoder.operand(0), 4);
  } else if (decoder.has("cluster")) {
    return decodeClusterBarrier(decoder);
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
