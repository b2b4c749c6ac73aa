// SPDX-License-Identifier: Apache-2.0
//
// What blocks of a cluster have to do with each other beyond their shared memory: which block is which, the cluster's
// barrier, and that a block must not end while others use its memory. A cluster of one block is no special case.

#include "tools/simdriver/Access.h"

#include <fmt/format.h>

using namespace yupana;
using namespace yupana::ptx;

Report yupana::ptx::resolveCluster(const KernelInfo &info, unsigned capability, LaunchShape &shape) {
  auto refuse = [](const std::string &why) { return Report{Fault::Launch, why}; };
  auto text = [](const std::array<uint32_t, 3> &extents) {
    return fmt::format("{} x {} x {}", extents[0], extents[1], extents[2]);
  };
  bool kernelSays = info.cluster[0] != 0, launchSays = shape.cluster != std::array<uint32_t, 3>{};
  if (kernelSays && launchSays && info.cluster != shape.cluster)
    return refuse(fmt::format("the launch asks for clusters of {} blocks, the kernel for {}", text(shape.cluster),
                              text(info.cluster)));
  if (info.needsCluster && !kernelSays && !launchSays)
    return refuse("the kernel has .explicitcluster, and nobody says of what shape");
  if (capability < 90 && (kernelSays || launchSays || info.needsCluster))
    return refuse(fmt::format("clusters on a device of capability {}.{}", capability / 10, capability % 10));
  if (!launchSays)
    shape.cluster = kernelSays ? info.cluster : std::array<uint32_t, 3>{1, 1, 1};
  uint32_t grid[] = {shape.grid, shape.gridY, shape.gridZ};
  uint64_t blocks = 1;
  for (size_t i = 0; i < 3; ++i) {
    if (shape.cluster[i] == 0 || grid[i] % shape.cluster[i])
      return refuse(fmt::format("a grid of {} x {} x {} blocks is no multiple of clusters of {}", grid[0], grid[1],
                                grid[2], text(shape.cluster)));
    // Cut off, as three large extents would wrap.
    blocks = std::min(blocks * shape.cluster[i], uint64_t{1} << 31);
  }
  uint64_t most =
      info.mostClusterBlocks ? std::min<uint64_t>(info.mostClusterBlocks, mostClusterBlocks) : mostClusterBlocks;
  if (blocks > most)
    return refuse(fmt::format("clusters of {} blocks; {} is the most", text(shape.cluster), most));
  return {};
}

/// Clusters and the blocks within one are numbered in the same way: x first, then y, then z.
uint32_t Launch::blockIndex(uint32_t cluster, uint32_t rank) const {
  if (clusterSize == 1)
    return cluster;
  const auto &extent = shape.cluster;
  uint32_t across = shape.grid / extent[0], down = shape.gridY / extent[1];
  uint32_t x = cluster % across * extent[0] + rank % extent[0];
  uint32_t y = cluster / across % down * extent[1] + rank / extent[0] % extent[1];
  uint32_t z = cluster / across / down * extent[2] + rank / extent[0] / extent[1];
  return x + shape.grid * (y + shape.gridY * z);
}

uint32_t Launch::rankOfSlot(uint32_t slot) const {
  for (uint32_t each : {warpsPerBlock(), mbarrierSlots}) {
    if (slot < clusterSize * each)
      return slot / each;
    slot -= clusterSize * each;
  }
  return slot / warpgroupSlots;
}

//===----------------------------------------------------------------------===//
// barrier.cluster
//===----------------------------------------------------------------------===//

namespace {

enum ClusterBarrierFlags : uint16_t { Aligned = 1, Unordered = 2 };

/// Slot by slot, the later of both.
void joinClocks(Clock &into, const Clock &from) {
  into.resize(std::max(into.size(), from.size()));
  for (size_t i = 0; i < from.size(); ++i)
    into[i] = std::max(into[i], from[i]);
}

void requireAligned(Warp &warp, const Inst &inst, uint32_t lanes) {
  if ((inst.kind & Aligned) && lanes != warp.live)
    fail(warp, Fault::Misuse, fmt::format("only the lanes {:#x} of {:#x} reach the barrier", lanes, warp.live));
}

/// What the phase that is complete tells.
void learnFromCluster(Warp &warp) {
  if (!warp.cluster->launch->races)
    return;
  const ClusterBarrier &barrier = warp.cluster->barrier;
  if (!barrier.released.own.empty())
    warp.knowledge.join(barrier.released);
  joinClocks(warp.knownInits, barrier.releasedInits);
  // What the warp does from here on belongs to a new epoch.
  ++warp.knowledge.own[warp.index];
}

void arriveAtCluster(Warp &warp, const Inst &inst, uint32_t lanes) {
  Cluster &cluster = *warp.cluster;
  requireAligned(warp, inst, lanes);
  if (uint32_t twice = lanes & warp.clusterOwed)
    fail(warp, Fault::Misuse,
         fmt::format("lane {} arrives at the cluster's barrier again, and has not waited", __builtin_ctz(twice)));
  warp.clusterOwed |= lanes;
  warp.clusterArrived |= lanes;
  ClusterBarrier &barrier = cluster.barrier;
  barrier.isOpen = true;
  if (cluster.launch->races) {
    // A relaxed arrival orders nothing but what fence.mbarrier_init has released.
    barrier.arrivingInits.resize(cluster.warpCount);
    barrier.arrivingInits[warp.index] = warp.initFence;
    joinClocks(barrier.arrivingInits, warp.knownInits);
    if (!(inst.kind & Unordered)) {
      barrier.arriving.join(warp.knowledge);
      ++warp.knowledge.own[warp.index];
    }
  }
  ++cluster.events;
  completeClusterBarrier(cluster);
}

void waitForCluster(Warp &warp, const Inst &inst, uint32_t lanes) {
  requireAligned(warp, inst, lanes);
  if (uint32_t never = lanes & ~warp.clusterOwed)
    fail(warp, Fault::Misuse,
         fmt::format("lane {} waits at the cluster's barrier, and has not arrived", __builtin_ctz(never)));
  warp.clusterOwed &= ~lanes;
  // Arrivals of a phase that is complete are taken away.
  if (!(warp.clusterArrived & lanes))
    return learnFromCluster(warp);
  warp.atBarrier = &inst;
  warp.stop = Stop::AtBarrier;
  warp.cluster->barrier.waiting.push_back(&warp);
}

} // namespace

void yupana::ptx::completeClusterBarrier(Cluster &cluster) {
  ClusterBarrier &barrier = cluster.barrier;
  for (const Warp &warp : cluster.warps)
    if (warp.live & ~warp.clusterArrived)
      return;
  for (Warp &warp : cluster.warps)
    warp.clusterArrived = 0;
  barrier.isOpen = false;
  // Everybody learns of a phase before the next one can be complete, so what earlier ones told is known.
  barrier.released = std::move(barrier.arriving);
  barrier.releasedInits = std::move(barrier.arrivingInits);
  barrier.arriving = {};
  barrier.arrivingInits.clear();
  for (Warp *warp : barrier.waiting) {
    learnFromCluster(*warp);
    warp->stop = Stop::None;
    warp->atBarrier = nullptr;
  }
  barrier.waiting.clear();
  happen(cluster);
}

void yupana::ptx::decodeClusterBarrier(Decoder &decoder) {
  const auto &parts = decoder.parts();
  decoder.requireClusters();
  Inst inst;
  bool arrives = parts.size() > 2 && parts[2] == "arrive";
  if (!arrives && (parts.size() < 3 || parts[2] != "wait" || decoder.has("relaxed")))
    decoder.unsupported();
  inst.action = arrives ? arriveAtCluster : waitForCluster;
  inst.kind = static_cast<uint16_t>((decoder.has("aligned") ? Aligned : 0) | (decoder.has("relaxed") ? Unordered : 0));
  decoder.emit(inst);
}

//===----------------------------------------------------------------------===//
// The end of a block
//===----------------------------------------------------------------------===//

void yupana::ptx::endBlock(Warp &last) {
  Cluster &cluster = *last.cluster;
  Block &block = *last.block;
  block.lastWarp = last.number;
  const Program &program = programOf(last);
  auto isKnown = [&](uint32_t slot, uint32_t clock) {
    for (uint32_t w = 0; w < cluster.warpsPerBlock; ++w)
      if (cluster.warps[block.firstWarp + w].knowledge.own[slot] >= clock)
        return true;
    return false;
  };
  // A copy must end, and somebody know of it, before its block does: its memory goes to another block.
  auto requireWait = [&](bool hasWaited, uint32_t statement) {
    if (!hasWaited)
      throw Failure{{Fault::Misuse,
                     fmt::format("kernel '{}', block {}: the block ended, and nobody had waited for the copy of {}",
                                 program.name, block.index, describe(program, statement))}};
  };
  for (const BarrierCopy &copy : cluster.copies)
    requireWait(&cluster.blockAt(copy.barrier) != &block, copy.statement);
  if (!cluster.launch->races)
    return;
  // The same holds for what other blocks of the cluster do there.
  auto requireEnd = [&](const PeerUse &use, bool isOver, const char *what) {
    if (!isOver)
      fail(last, Fault::Misuse,
           fmt::format("the block ends, and nobody in it knows that the {} by {} is over, in {}", what,
                       describeWarp(last, use.warp), describe(program, use.statement)));
  };
  for (const PeerUse &use : block.peerUses)
    requireEnd(use, !use.clock || isKnown(use.warp, use.clock), "access to its shared memory");
  for (const auto &[address, barrier] : cluster.mbarriers) {
    if (&cluster.blockAt(address) != &block)
      continue;
    requireWait(!barrier.copyClock || isKnown(barrier.slot, barrier.copyClock), barrier.copyStatement);
    for (const PeerUse &use : barrier.peerArrivals)
      requireEnd(use, isKnown(use.warp, use.clock) || isKnown(barrier.slot, use.completion), "arrival at its mbarrier");
  }
}
