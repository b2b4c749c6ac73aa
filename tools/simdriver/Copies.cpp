// SPDX-License-Identifier: Apache-2.0
//
// Asynchronous copies into shared memory are as late as they may be: from their begin until they are waited for the
// destination holds nothing and belongs to the copy. So a kernel that reads too early reads undefined bytes, and one
// that writes there meets a race, on every seed. The source is checked at the begin and read at the end, since it may
// not change in between. Bulk copies end in an order that the seed draws.

#include "tools/simdriver/Access.h"

#include <cstring>
#include <fmt/format.h>

using namespace yupana;
using namespace yupana::ptx;

namespace {

/// Moves the data of one copy: `valid` bytes from global memory, then zeros. `agent` is who then has written.
void finish(Cluster &cluster, const LaneCopy &copy, const Agent &agent) {
  Launch &launch = *cluster.launch;
  uint8_t *to = cluster.shared.get() + (copy.to - sharedBase);
  uint8_t *written = cluster.sharedDefined.get() + (copy.to - sharedBase);
  // Beyond `valid` zeros are written, and they are defined.
  memset(to, 0, copy.bytes);
  memset(written, 0xff, copy.bytes);
  if (copy.valid) {
    memcpy(to, launch.memory->host(copy.from), copy.valid);
    if (launch.undefined)
      memcpy(written, launch.memory->defined(copy.from), copy.valid);
  }
  // The agent is their writer from now on: who knows of its clock may use the bytes.
  if (launch.races)
    cluster.shadow.settle(copy.to, copy.bytes, agent);
}

/// Checks both ends, takes the destination, notes who will have written it.
void begin(Warp &warp, const Inst &inst, const LaneCopy &copy, uint32_t alignment, AccessKind write,
           bool ofCluster = false) {
  Cluster &cluster = *warp.cluster;
  uint8_t *to = sharedAt(warp, copy.to, copy.bytes, alignment, ofCluster);
  if (copy.valid)
    globalAt(warp, inst, copy.from, copy.valid, alignment);
  if (cluster.launch->races) {
    write.write = true;
    // The write first: while it lasts nobody may touch the bytes, whether the source is in order or not.
    orderShared(warp, copy.to, copy.bytes, write);
    // The source is read at the end, but ordered now: a store to it in between is the race that hardware has.
    if (copy.valid)
      orderGlobal(warp, copy.from, copy.valid, {});
  }
  // NaN until the copy ends, for reads that the checks are switched off for.
  memset(to, 0xff, copy.bytes);
  defineShared(warp, copy.to, copy.bytes, false);
}

/// cp.async of 4, 8 or 16 bytes a lane: those beyond `valid` become zero.
void copyLanes(Warp &warp, const Inst &inst, uint32_t lanes) {
  requireDefined(warp, inst, inst.a, lanes, "the destination");
  requireDefined(warp, inst, inst.b, lanes, "the source");
  requireDefined(warp, inst, inst.c, lanes, "the number of bytes");
  const uint32_t *to = warp.at<uint32_t>(inst.a), *valid = warp.at<uint32_t>(inst.c);
  const uint64_t *from = warp.at<uint64_t>(inst.b);
  AccessKind kind;
  kind.pending = true;
  // Each lane has its copy, its groups and its waits.
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    LaneCopy copy{to[lane] + static_cast<uint32_t>(inst.immediate), inst.kind, valid[lane],
                  from[lane] + static_cast<uint64_t>(inst.immediate2)};
    if (copy.valid > copy.bytes)
      fail(warp, Fault::Misuse, fmt::format("a cp.async of {} bytes from {} bytes", copy.bytes, copy.valid));
    begin(warp, inst, copy, copy.bytes, kind);
    warp.openCopies[lane].push_back(copy);
  }
}

/// Who has written once a lane has waited: its warp, at that moment.
Agent agentOf(Warp &warp, uint32_t statement) {
  uint32_t clock = warp.cluster->launch->races ? warp.clock() : 0;
  return {warp.cluster->index, warp.index, clock, statement, false, false};
}

/// Groups are kept for each lane: a wait of one lane says nothing about the copies of another.
void commitLanes(Warp &warp, const Inst &, uint32_t lanes) {
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    warp.copyGroups[lane].push_back(std::move(warp.openCopies[lane]));
    warp.openCopies[lane].clear();
  }
}

void waitLanes(Warp &warp, const Inst &inst, uint32_t lanes) {
  if (inst.kind) // wait_all
    commitLanes(warp, inst, lanes);
  Agent agent = agentOf(warp, inst.statement);
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    auto &groups = warp.copyGroups[__builtin_ctz(rest)];
    // All but the newest so many groups have ended, the oldest first.
    while (static_cast<int64_t>(groups.size()) > inst.immediate) {
      for (const LaneCopy &copy : groups.front())
        finish(*warp.cluster, copy, agent);
      groups.pop_front();
    }
  }
}

/// cp.async.mbarrier.arrive: all copies of the lane so far end at the barrier instead of a wait.
void arriveAfterCopies(Warp &warp, const Inst &inst, uint32_t lanes) {
  Cluster &cluster = *warp.cluster;
  requireDefined(warp, inst, inst.a, lanes, "the address");
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    // Also those of the group that was not committed.
    int lane = __builtin_ctz(rest);
    uint32_t address = warp.at<uint32_t>(inst.a)[lane] + static_cast<uint32_t>(inst.immediate);
    Mbarrier &barrier = mbarrierAt(warp, address);
    BarrierCopy end;
    end.barrier = address, end.statement = inst.statement, end.arrivals = 1;
    for (CopyGroup &group : warp.copyGroups[lane])
      end.copies.insert(end.copies.end(), group.begin(), group.end());
    warp.copyGroups[lane].clear();
    end.copies.insert(end.copies.end(), warp.openCopies[lane].begin(), warp.openCopies[lane].end());
    warp.openCopies[lane].clear();
    if (!inst.kind) // without .noinc the arrival is one more
      ++barrier.pending;
    // The copies are the barrier's from now on: who waits for it knows of them.
    if (cluster.launch->races)
      for (const LaneCopy &copy : end.copies)
        cluster.shadow.settle(copy.to, copy.bytes, {cluster.index, barrier.slot, barrier.nextClock(), inst.statement});
    if (cluster.launch->races) {
      barrier.arriving.join(warp.knowledge);
      ++warp.knowledge.own[warp.index];
    }
    cluster.copies.push_back(std::move(end));
  }
  ++cluster.events;
}

/// One destination of a bulk copy: its bytes count against what that barrier expects.
void beginBulk(Warp &warp, const Inst &inst, const LaneCopy &copy, uint32_t barrierAddress, bool ofCluster) {
  Cluster &cluster = *warp.cluster;
  Mbarrier &barrier = mbarrierAt(warp, barrierAddress, ofCluster);
  AccessKind kind;
  // Whatever phases end before the copy does, its bytes are nobody else's.
  kind.async = kind.pending = true;
  kind.slot = barrier.slot;
  begin(warp, inst, copy, 16, kind, ofCluster);
  BarrierCopy end;
  end.copies.push_back(copy);
  end.barrier = barrierAddress, end.statement = inst.statement, end.bytes = copy.bytes;
  cluster.copies.push_back(std::move(end));
}

enum BulkFlags : uint16_t { ToPeers = 1, ToSeveral = 2 };

/// The operands behind the size: the barrier, its distance and, with ToSeveral, the mask of ranks.
void copyBulk(Warp &warp, const Inst &inst, uint32_t lanes) {
  Cluster &cluster = *warp.cluster;
  const uint32_t *operands = operandsOf(warp, inst);
  for (uint32_t offset : {inst.a, inst.b, inst.c, operands[0]})
    requireDefined(warp, inst, offset, lanes, "an operand");
  if (inst.kind & ToSeveral)
    requireDefined(warp, inst, operands[2], lanes, "the mask");
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    uint32_t bytes = warp.at<uint32_t>(inst.c)[lane];
    LaneCopy copy{warp.at<uint32_t>(inst.a)[lane] + static_cast<uint32_t>(inst.immediate), bytes, bytes,
                  warp.at<uint64_t>(inst.b)[lane] + static_cast<uint64_t>(inst.immediate2)};
    uint32_t address = warp.at<uint32_t>(operands[0])[lane] + operands[1];
    // Sizes and places of bulk copies are multiples of 16 bytes in the manual.
    if (bytes == 0 || bytes % 16)
      fail(warp, Fault::Misaligned, fmt::format("a bulk copy of {} bytes, which is no multiple of 16", bytes));
    if (copy.to / blockWindow != address / blockWindow)
      fail(warp, Fault::Misuse,
           fmt::format("the copy goes to {} and its mbarrier is in {}: both lie in one block",
                       describeShared(warp, copy.to), describeShared(warp, address)));
    if (!(inst.kind & ToSeveral)) {
      beginBulk(warp, inst, copy, address, inst.kind & ToPeers);
      continue;
    }
    uint32_t mask = warp.at<uint16_t>(operands[2])[lane];
    if (mask == 0 || mask >> cluster.size)
      fail(warp, Fault::Misuse, fmt::format("a copy to the ranks {:#x} of a cluster of {}", mask, cluster.size));
    for (; mask; mask &= mask - 1) {
      uint32_t window = static_cast<uint32_t>(__builtin_ctz(mask)) * blockWindow;
      copy.to = window + copy.to % blockWindow;
      beginBulk(warp, inst, copy, window + address % blockWindow, true);
    }
  }
  ++cluster.events;
}

void nothing(Warp &, const Inst &, uint32_t) {}

void decodeBulk(Decoder &decoder) {
  const auto &parts = decoder.parts();
  Inst inst;
  // A prefetch changes no result; its operands are not looked at.
  if (decoder.has("prefetch")) {
    inst.action = nothing;
  } else if (parts.size() > 3 && (parts[3] == "shared::cluster" || parts[3] == "shared::cta") &&
             decoder.has("global") && !decoder.has("tensor")) {
    inst.action = copyBulk;
    inst.kind = parts[3] == "shared::cluster" ? ToPeers : 0;
    decoder.address(decoder.operand(0), 4, inst.a, inst.immediate);
    decoder.address(decoder.operand(1), 8, inst.b, inst.immediate2);
    inst.c = decoder.source(decoder.operand(2), 4);
    uint32_t barrier = 0;
    int64_t distance = 0;
    decoder.address(decoder.operand(3), 4, barrier, distance);
    std::vector<uint32_t> more{barrier, static_cast<uint32_t>(distance)};
    if (decoder.has("multicast::cluster")) {
      decoder.requireClusters();
      if (!inst.kind)
        decoder.unsupported("a copy to several blocks names shared::cluster");
      inst.kind |= ToSeveral;
      more.push_back(decoder.source(decoder.operand(4), 2));
    }
    decoder.list(inst, more);
  } else {
    decoder.unsupported("of the bulk copies only those from global to shared memory, without a tensor map, are built");
  }
  decoder.noteGrain(4);
  decoder.emit(inst);
}

} // namespace

void yupana::ptx::finishOneCopy(Cluster &cluster) {
  // Hardware ends copies in any order.
  // By the cluster's own generator, so that a run depends on the seed and not on other clusters.
  size_t chosen = cluster.random() % cluster.copies.size();
  BarrierCopy end = std::move(cluster.copies[chosen]);
  cluster.copies.erase(cluster.copies.begin() + static_cast<std::ptrdiff_t>(chosen));
  Mbarrier &barrier = cluster.mbarriers.at(end.barrier);
  Agent agent{cluster.index, barrier.slot, barrier.nextClock(), end.statement, false, end.bytes != 0};
  for (const LaneCopy &copy : end.copies)
    finish(cluster, copy, agent);
  Warp &warp = cluster.warps[cluster.blockAt(end.barrier).firstWarp];
  // The barrier was told of fewer arrivals than came.
  if (end.arrivals > barrier.pending)
    fail(
        warp, Fault::Misuse,
        fmt::format("the end of {} is one arrival too many at its mbarrier", describe(programOf(warp), end.statement)));
  if (barrier.bytes - end.bytes < -mostBarrierBytes)
    fail(warp, Fault::Misuse,
         fmt::format("with {} its mbarrier has {} bytes that it was not told to expect; it counts to {}",
                     describe(programOf(warp), end.statement), end.bytes - barrier.bytes, mostBarrierBytes));
  if (end.bytes)
    barrier.copyClock = barrier.nextClock(), barrier.copyStatement = end.statement;
  arrive(cluster, barrier, end.arrivals, end.bytes);
  ++cluster.events;
}

void yupana::ptx::decodeCopy(Decoder &decoder) {
  const auto &parts = decoder.parts();
  if (parts.size() < 3 || parts[1] != "async")
    decoder.unsupported();
  if (parts[2] == "bulk")
    return decodeBulk(decoder);
  Inst inst;
  if (parts[2] == "commit_group") {
    inst.action = commitLanes;
  } else if (parts[2] == "wait_group") {
    inst.action = waitLanes;
    inst.immediate = decoder.immediate(decoder.operand(0));
  } else if (parts[2] == "wait_all") {
    inst.action = waitLanes;
    inst.kind = 1;
  } else if (parts[2] == "mbarrier") {
    inst.action = arriveAfterCopies;
    inst.kind = decoder.has("noinc");
    decoder.address(decoder.operand(0), 4, inst.a, inst.immediate);
  } else if (parts[2] == "ca" || parts[2] == "cg") {
    inst.action = copyLanes;
    decoder.address(decoder.operand(0), 4, inst.a, inst.immediate);
    decoder.address(decoder.operand(1), 8, inst.b, inst.immediate2);
    int64_t bytes = decoder.immediate(decoder.operand(2));
    // .cg, past the first-level cache, has 16 bytes alone.
    if (bytes != 16 && (parts[2] == "cg" || (bytes != 4 && bytes != 8)))
      decoder.unsupported("a cp.async of that many bytes does not exist");
    inst.kind = static_cast<uint16_t>(bytes);
    // A cache hint is an operand of its own at the end and changes no result.
    size_t operands = decoder.operandCount() - (decoder.has("L2::cache_hint") ? 1 : 0);
    inst.c = operands > 3 ? decoder.source(decoder.operand(3), 4) : decoder.constant(static_cast<uint64_t>(bytes), 4);
    decoder.noteGrain(4);
  } else {
    decoder.unsupported();
  }
  decoder.emit(inst);
}
