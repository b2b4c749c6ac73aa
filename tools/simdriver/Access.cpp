// SPDX-License-Identifier: Apache-2.0
//
// Every access ends here: whether it lies in memory that exists, whether it is ordered after what others did there,
// whether what it reads was written. Bounds are those of one allocation, as compute-sanitizer has them, and not of all
// memory. An access is ordered if the happens-before relation says so, whatever the schedule of this run was: a race is
// found without being hit. Strong accesses and fences move knowledge between agents as the PTX memory model has it, at
// the scope of a block or of the device.

#include "tools/simdriver/Access.h"

#include <cstring>
#include <fmt/format.h>

using namespace yupana;
using namespace yupana::ptx;

thread_local const Inst *yupana::ptx::currentInst = nullptr;

/// A statement beyond the list is the return that the decoder adds.
std::string yupana::ptx::describe(const Program &program, uint32_t statement) {
  const SourceLine &line = program.lines[std::min<size_t>(statement, program.lines.size() - 1)];
  return fmt::format("line {} `{}`", line.line, line.text);
}

void yupana::ptx::fail(const Warp &warp, Fault fault, const std::string &what) {
  const Program &program = programOf(warp);
  // Set by the scheduler before each action, and by checks that run for another instruction.
  throw Failure{{fault, fmt::format("kernel '{}', {}, block {}, warp {}: {}", program.name,
                                    describe(program, currentInst ? currentInst->statement : 0), warp.block->index,
                                    warp.number, what)}};
}

std::string yupana::ptx::describeShared(const Warp &warp, uint64_t address) {
  auto rank = static_cast<uint32_t>(address / blockWindow);
  uint64_t byte = address % blockWindow - sharedBase;
  if (rank == warp.block->rank || rank >= warp.cluster->size)
    return fmt::format("shared memory at byte {}", byte);
  return fmt::format("shared memory of block {} at byte {}", warp.cluster->blocks[rank].index, byte);
}

std::string yupana::ptx::describeWarp(const Warp &warp, uint32_t slot) {
  const Warp &other = warp.cluster->warps[slot];
  if (other.block == warp.block)
    return fmt::format("warp {}", other.number);
  return fmt::format("block {}, warp {}", other.block->index, other.number);
}

std::string yupana::ptx::describeGlobal(const Warp &warp, uint64_t address) {
  Range range = warp.cluster->launch->memory->find(address);
  if (range.begin > range.end)
    return fmt::format("global memory at address {:#x}, which lies in no allocation", address);
  return fmt::format("global memory at byte {} of the {} bytes at {:#x}", address - range.begin,
                     range.end - range.begin, range.begin);
}

[[noreturn]] static void reportConflict(const Warp &warp, const Conflict &conflict, bool write,
                                        const std::string &where) {
  const Launch &launch = *warp.cluster->launch;
  std::string other = conflict.otherWrote ? "write" : "read";
  std::string who, statement = describe(programOf(warp), conflict.statement);
  // ~0 is the number of no cluster and stands for several. Slots are those of warps, then of copies and barriers.
  if (conflict.cluster == ~0u) {
    who = fmt::format("the {} by several blocks, the last in {}", other, statement);
  } else {
    uint32_t block = launch.blockIndex(conflict.cluster, launch.rankOfSlot(conflict.slot));
    if (conflict.slot < warp.cluster->warpCount)
      who = fmt::format("the {} by block {}, warp {}, in {}", other, block, conflict.slot % launch.warpsPerBlock(),
                        statement);
    else
      who = fmt::format("the asynchronous {} of block {} in {}", other, block, statement);
  }
  fail(warp, Fault::Race,
       fmt::format("race on {}: this {} is not ordered after {}{}", where, write ? "write" : "read", who,
                   conflict.pending ? ", which nobody has waited for" : ""));
}

//===----------------------------------------------------------------------===//
// Shared memory
//===----------------------------------------------------------------------===//

/// Of an address that does not lie in the memory of the warp's own block: that of a peer, if the instruction may.
static void checkPeer(Warp &warp, uint32_t address, uint32_t bytes, bool ofCluster) {
  Cluster &cluster = *warp.cluster;
  uint32_t size = cluster.launch->sharedBytes, offset = address % blockWindow - sharedBase;
  bool exists = cluster.holds(address) && &cluster.blockAt(address) != warp.block;
  if (!exists || offset > size || bytes > size - offset)
    fail(warp, Fault::OutOfBounds,
         fmt::format("{} bytes at byte {} of {}, which has {} bytes", bytes,
                     exists ? int64_t{address % blockWindow} - int64_t{sharedBase}
                            : int64_t{address} - int64_t{warp.block->shared},
                     exists ? fmt::format("the shared memory of block {}", cluster.blockAt(address).index)
                            : "shared memory",
                     size));
  if (!ofCluster)
    fail(warp, Fault::Misuse,
         fmt::format("this reaches the own block's memory alone, not {}", describeShared(warp, address)));
  if (!cluster.blockAt(address).liveWarps)
    fail(warp, Fault::Misuse,
         fmt::format("{} is gone, since that block ended with its warp {}", describeShared(warp, address),
                     cluster.blockAt(address).lastWarp));
}

uint8_t *yupana::ptx::sharedAt(Warp &warp, uint32_t address, uint32_t bytes, uint32_t alignment, bool ofCluster) {
  uint32_t size = warp.cluster->launch->sharedBytes, offset = address - warp.block->shared;
  if (offset > size || bytes > size - offset)
    checkPeer(warp, address, bytes, ofCluster);
  if (address & (alignment - 1))
    fail(warp, Fault::Misaligned, fmt::format("{} is not aligned to {}", describeShared(warp, address), alignment));
  return warp.cluster->shared.get() + (address - sharedBase);
}

/// Reads by the asynchronous proxy see plain stores only through a fence of the writer after the store, or of the
/// reader after it learned of the store.
static void requireProxyFence(Warp &warp, uint32_t address, uint32_t bytes) {
  Cluster &cluster = *warp.cluster;
  cluster.shadow.writers(address, bytes, [&](const Cell &cell) {
    // 1 + cluster * slots + slot, and the top bit for strong accesses.
    uint32_t slot = ((cell.writer & ~(1u << 31)) - 1) % cluster.shadow.slotsPerCluster();
    // Copies write by the asynchronous proxy themselves, and what has not ended is a race of its own.
    if (slot >= cluster.warpCount || cell.writeClock == neverKnown || cell.writeByAsync)
      return;
    for (uint32_t fence : cluster.warps[slot].proxyFences)
      if (fence >= cell.writeClock && warp.knowledge.own[slot] > fence)
        return;
    if (!warp.knownAtProxyFence.empty() && warp.knownAtProxyFence[slot] >= cell.writeClock)
      return;
    fail(warp, Fault::Race,
         fmt::format("{} is read by the asynchronous proxy, but no fence.proxy.async stands after its store by {} in "
                     "{}",
                     describeShared(warp, address), describeWarp(warp, slot),
                     describe(programOf(warp), cell.writeStatement)));
  });
}

void yupana::ptx::orderShared(Warp &warp, uint32_t address, uint32_t bytes, AccessKind kind) {
  Cluster &cluster = *warp.cluster;
  if (kind.async && !kind.write)
    requireProxyFence(warp, address, bytes);
  // A peer must live until this is over. Of a copy its barrier tells, which belongs to that block.
  if (address - warp.block->shared >= cluster.launch->sharedBytes && !kind.slot) {
    Block &peer = cluster.blockAt(address);
    peer.peerUses.resize(cluster.warpCount);
    peer.peerUses[warp.index] = {warp.index, warp.clock(), currentInst->statement};
  }
  // A copy writes in the name of its barrier, with the clock at which waiting for it tells of it.
  Agent agent{cluster.index,
              kind.slot ? kind.slot : warp.index,
              kind.slot ? kind.clock : warp.clock(),
              currentInst->statement,
              kind.strong,
              kind.async};
  // Nobody knows of its end yet: any access to its bytes is a race.
  if (kind.pending)
    agent.clock = neverKnown;
  Conflict conflict = cluster.shadow.access(address, bytes, kind.write, agent, warp.knowledge);
  if (conflict.found)
    reportConflict(warp, conflict, kind.write, describeShared(warp, address));
}

// Eight bytes at a time, since rows of matrices and copies are long.
static bool allSet(const uint8_t *bytes, uint32_t count) {
  uint64_t word;
  for (; count >= 8; count -= 8, bytes += 8) {
    memcpy(&word, bytes, 8);
    if (~word)
      return false;
  }
  for (; count; --count, ++bytes)
    if (*bytes != 0xff)
      return false;
  return true;
}

bool yupana::ptx::definedShared(Warp &warp, uint32_t address, uint32_t bytes) {
  return allSet(warp.cluster->sharedDefined.get() + (address - sharedBase), bytes);
}

void yupana::ptx::defineShared(Warp &warp, uint32_t address, uint32_t bytes, bool defined) {
  memset(warp.cluster->sharedDefined.get() + (address - sharedBase), defined ? 0xff : 0, bytes);
}

//===----------------------------------------------------------------------===//
// Global memory
//===----------------------------------------------------------------------===//

uint8_t *yupana::ptx::globalAt(Warp &warp, const Inst &inst, uint64_t address, uint32_t bytes, uint32_t alignment) {
  Launch &launch = *warp.cluster->launch;
  // The allocation that this instruction touched last: lanes and iterations mostly stay within one.
  Range &range = warp.cluster->ranges[&inst - launch.program->code.data()];
  if (!range.holds(address, bytes)) {
    range = launch.memory->find(address);
    if (!range.holds(address, bytes)) {
      range = {};
      fail(warp, Fault::OutOfBounds, fmt::format("{} bytes of {}", bytes, describeGlobal(warp, address)));
    }
  }
  if (address & (alignment - 1))
    fail(warp, Fault::Misaligned, fmt::format("{} is not aligned to {}", describeGlobal(warp, address), alignment));
  return launch.memory->host(address);
}

void yupana::ptx::orderGlobal(Warp &warp, uint64_t address, uint32_t bytes, AccessKind kind) {
  Launch &launch = *warp.cluster->launch;
  if (!launch.dependents.earlier.empty())
    orderBehindEarlier(warp, address, bytes, kind.write);
  Agent agent{warp.cluster->index, warp.index, warp.clock(), currentInst->statement, kind.strong, kind.async};
  if (kind.pending)
    agent.clock = neverKnown;
  Conflict conflict = launch.shadow.access(address, bytes, kind.write, agent, warp.knowledge);
  if (conflict.found)
    reportConflict(warp, conflict, kind.write, describeGlobal(warp, address));
}

bool yupana::ptx::definedGlobal(Warp &warp, uint64_t address, uint32_t bytes) {
  return allSet(warp.cluster->launch->memory->defined(address), bytes);
}

void yupana::ptx::defineGlobal(Warp &warp, uint64_t address, uint32_t bytes, bool defined) {
  memset(warp.cluster->launch->memory->defined(address), defined ? 0xff : 0, bytes);
}

//===----------------------------------------------------------------------===//
// Strong accesses and fences
//===----------------------------------------------------------------------===//

uint16_t yupana::ptx::accessFlags(const Decoder &decoder) {
  uint16_t flags = 0;
  // volatile is relaxed at the scope of the system, as the manual has it; mmio is no weaker.
  if (decoder.has("relaxed") || decoder.has("volatile") || decoder.has("mmio"))
    flags |= Strong;
  if (decoder.has("acquire") || decoder.has("acq_rel"))
    flags |= Strong | Acquire;
  if (decoder.has("release") || decoder.has("acq_rel"))
    flags |= Strong | Release;
  if (decoder.has("gpu") || decoder.has("sys") || decoder.has("volatile") || decoder.has("mmio"))
    flags |= AtGpu;
  else if (decoder.has("cluster"))
    flags |= AtCluster;
  if (decoder.has("nc"))
    flags |= ReadOnly;
  if (decoder.has("shared") || decoder.has("shared::cta") || decoder.has("shared::cluster"))
    flags |= decoder.has("shared::cluster") ? InShared | OfCluster : InShared;
  else if (decoder.has("local"))
    flags |= InLocal;
  // Variables of constant memory lie with those of global memory.
  else if (!decoder.has("global") && !decoder.has("const"))
    flags |= Anywhere;
  return flags;
}

/// Shared memory is the cluster's, and what is published there nobody else can see.
static std::map<uint64_t, SyncPoint> &syncsOf(Warp &warp, uint16_t flags) {
  return (flags & StateSpace) == InShared ? warp.cluster->syncs : warp.cluster->launch->syncs;
}

void yupana::ptx::learn(Warp &warp, uint16_t flags, uint64_t address) {
  auto &syncs = syncsOf(warp, flags);
  auto found = syncs.find(address);
  if (found == syncs.end() || !found->second.published)
    return;
  const SyncPoint &point = found->second;
  Scope scope = std::min(point.scope, scopeOf(flags));
  bool ofOthers = point.block != warp.block->index;
  // What was released at the scope of a block, or is acquired so, holds within the block alone.
  if (scope == Scope::Block && ofOthers)
    return;
  OtherClusters visible = *point.published;
  if (scope != Scope::Device)
    for (auto it = visible.begin(); it != visible.end();)
      it = it->first == warp.cluster->index ? std::next(it) : visible.erase(it);
  // A relaxed read does not order yet: a fence that follows makes it so (fence-fence synchronisation).
  if (flags & Acquire) {
    warp.knowledge.joinForeign(warp.cluster->index, visible);
  } else {
    Knowledge &seen = ofOthers ? warp.seenOfOthers : warp.seen;
    if (seen.own.empty())
      seen.own.resize(warp.knowledge.own.size());
    seen.joinForeign(warp.cluster->index, visible);
    warp.hasSeen = true;
  }
}

void yupana::ptx::publish(Warp &warp, uint16_t flags, uint64_t address, bool replaces) {
  SyncPoint &point = syncsOf(warp, flags)[address];
  std::shared_ptr<const OtherClusters> mine;
  Scope scope = Scope::Block;
  // A release tells what its warp knows; a relaxed write, what it knew at its last fence.
  if (flags & Release) {
    mine = warp.knowledge.published(warp.cluster->index);
    scope = scopeOf(flags);
    ++warp.knowledge.own[warp.index];
  } else if (warp.hasFenced) {
    mine = warp.fenced.published(warp.cluster->index);
    scope = std::min(warp.fencedAt, scopeOf(flags));
  }
  // A store ends the release sequence of those before it; an atomic continues it and hands on what they published, too.
  if (replaces || !point.published) {
    point = {mine, scope, warp.block->index};
  } else if (mine) {
    Knowledge both;
    both.others = point.published;
    both.joinForeign(~0u, *mine);
    point.published = both.others;
    point.scope = std::min(point.scope, scope);
    if (point.block != warp.block->index)
      point.block = ~0u;
  }
}

void yupana::ptx::fenceMemory(Warp &warp, Scope scope) {
  // For the host: blocks may run on several of its threads.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!warp.cluster->launch->races)
    return;
  if (warp.hasSeen) {
    // A fence of the block's scope does not order what other blocks have told, nor one of the cluster's what other
    // clusters have.
    for (Knowledge *seen : {&warp.seen, &warp.seenOfOthers}) {
      if (seen == &warp.seenOfOthers && scope == Scope::Block)
        continue;
      OtherClusters foreign = seen->others && scope == Scope::Device ? *seen->others : OtherClusters{};
      seen->others.reset();
      warp.knowledge.join(*seen);
      warp.knowledge.joinForeign(warp.cluster->index, foreign);
    }
    warp.hasSeen = false;
    warp.seen = warp.seenOfOthers = {};
  }
  // From here on relaxed writes tell of what was known now.
  warp.fenced = warp.knowledge;
  warp.fencedAt = scope;
  warp.hasFenced = true;
  ++warp.knowledge.own[warp.index];
}

//===----------------------------------------------------------------------===//
// Generic addresses and undefined values
//===----------------------------------------------------------------------===//

void yupana::ptx::requireDefined(Warp &warp, const Inst &, uint32_t offset, uint32_t lanes, const char *what) {
  if (!warp.cluster->launch->undefined)
    return;
  if (uint32_t bad = warp.undefinedAt(offset) & lanes)
    fail(warp, Fault::Undefined,
         fmt::format("{} of lane {} comes from a value that was never written, or that nobody waited for", what,
                     __builtin_ctz(bad)));
}

void yupana::ptx::runGeneric(Warp &warp, const Inst &inst, uint32_t lanes, Action global, Action shared, Action local) {
  const uint64_t *addresses = warp.at<uint64_t>(inst.a);
  requireDefined(warp, inst, inst.a, lanes, "the address");
  uint32_t inShared = 0, inLocal = 0;
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    // The windows of shared and local memory lie where no allocation is; the address within is the lower half.
    int lane = __builtin_ctz(rest);
    uint64_t window = (addresses[lane] + inst.immediate) & ~uint64_t{0xffffffff};
    inShared |= (window == sharedWindow ? 1u : 0u) << lane;
    inLocal |= (window == localWindow ? 1u : 0u) << lane;
  }
  // Actions find the instruction's place in the program by its address, so it cannot be copied for them.
  if (uint32_t rest = lanes & ~inShared & ~inLocal)
    global(warp, inst, rest);
  Inst moved = inst;
  moved.a = scratchRegister;
  uint32_t *scratch = warp.at<uint32_t>(scratchRegister);
  warp.undefinedAt(scratchRegister) = 0;
  for (int lane = 0; lane < 32; ++lane)
    scratch[lane] = static_cast<uint32_t>(addresses[lane]);
  if (inShared)
    shared(warp, moved, inShared);
  if (inLocal)
    local(warp, moved, inLocal);
}
