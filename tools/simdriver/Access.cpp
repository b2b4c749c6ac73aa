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
                                    warp.index, what)}};
}

std::string yupana::ptx::describeShared(const Warp &, uint64_t address) {
  return fmt::format("shared memory at byte {}", address - sharedBase);
}

std::string yupana::ptx::describeGlobal(const Warp &warp, uint64_t address) {
  Range range = warp.block->launch->memory->find(address);
  if (range.begin > range.end)
    return fmt::format("global memory at address {:#x}, which lies in no allocation", address);
  return fmt::format("global memory at byte {} of the {} bytes at {:#x}", address - range.begin,
                     range.end - range.begin, range.begin);
}

[[noreturn]] static void reportConflict(const Warp &warp, const Conflict &conflict, bool write,
                                        const std::string &where) {
  const Block &block = *warp.block;
  std::string other = conflict.otherWrote ? "write" : "read";
  std::string who;
  // ~0 is the number of no block and stands for several. Slots are those of warps, then of copies and barriers.
  if (conflict.block == ~0u)
    who = fmt::format("the {} by several blocks, the last in {}", other, describe(programOf(warp), conflict.statement));
  else if (conflict.slot < block.warpCount)
    who = fmt::format("the {} by block {}, warp {}, in {}", other, conflict.block, conflict.slot,
                      describe(programOf(warp), conflict.statement));
  else
    who = fmt::format("the asynchronous {} of block {} in {}", other, conflict.block,
                      describe(programOf(warp), conflict.statement));
  fail(warp, Fault::Race,
       fmt::format("race on {}: this {} is not ordered after {}{}", where, write ? "write" : "read", who,
                   conflict.pending ? ", which nobody has waited for" : ""));
}

//===----------------------------------------------------------------------===//
// Shared memory
//===----------------------------------------------------------------------===//

uint8_t *yupana::ptx::sharedAt(Warp &warp, uint32_t address, uint32_t bytes, uint32_t alignment) {
  Block &block = *warp.block;
  uint32_t size = block.launch->sharedBytes, offset = address - sharedBase;
  if (address < sharedBase || offset > size || bytes > size - offset)
    fail(warp, Fault::OutOfBounds,
         fmt::format("{} bytes at byte {} of shared memory, which has {} bytes", bytes,
                     static_cast<int64_t>(address) - int64_t{sharedBase}, size));
  if (address & (alignment - 1))
    fail(warp, Fault::Misaligned, fmt::format("{} is not aligned to {}", describeShared(warp, address), alignment));
  return block.shared.data() + offset;
}

/// Reads by the asynchronous proxy see plain stores only through a fence of the writer after the store, or of the
/// reader after it learned of the store.
static void requireProxyFence(Warp &warp, uint32_t address, uint32_t bytes) {
  Block &block = *warp.block;
  block.shadow.writers(address, bytes, [&](const Cell &cell) {
    // 1 + block * slots + slot, and the top bit for strong accesses.
    uint32_t slot = ((cell.writer & ~(1u << 31)) - 1) % block.shadow.slotsPerBlock();
    // Copies write by the asynchronous proxy themselves, and what has not ended is a race of its own.
    if (slot >= block.warpCount || cell.writeClock == neverKnown || cell.writeByAsync)
      return;
    for (uint32_t fence : block.warps[slot].proxyFences)
      if (fence >= cell.writeClock && warp.knowledge.own[slot] > fence)
        return;
    if (!warp.knownAtProxyFence.empty() && warp.knownAtProxyFence[slot] >= cell.writeClock)
      return;
    fail(warp, Fault::Race,
         fmt::format(
             "{} is read by the asynchronous proxy, but no fence.proxy.async stands after its store by warp {} in "
             "{}",
             describeShared(warp, address), slot, describe(programOf(warp), cell.writeStatement)));
  });
}

void yupana::ptx::orderShared(Warp &warp, uint32_t address, uint32_t bytes, AccessKind kind) {
  Block &block = *warp.block;
  if (kind.async && !kind.write)
    requireProxyFence(warp, address, bytes);
  // A copy writes in the name of its barrier, with the clock at which waiting for it tells of it.
  Agent agent{block.index,
              kind.slot ? kind.slot : warp.index,
              kind.slot ? kind.clock : warp.clock(),
              currentInst->statement,
              kind.strong,
              kind.async};
  // Nobody knows of its end yet: any access to its bytes is a race.
  if (kind.pending)
    agent.clock = neverKnown;
  Conflict conflict = block.shadow.access(address, bytes, kind.write, agent, warp.knowledge);
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
  return allSet(warp.block->sharedDefined.data() + (address - sharedBase), bytes);
}

void yupana::ptx::defineShared(Warp &warp, uint32_t address, uint32_t bytes, bool defined) {
  memset(warp.block->sharedDefined.data() + (address - sharedBase), defined ? 0xff : 0, bytes);
}

//===----------------------------------------------------------------------===//
// Global memory
//===----------------------------------------------------------------------===//

uint8_t *yupana::ptx::globalAt(Warp &warp, const Inst &inst, uint64_t address, uint32_t bytes, uint32_t alignment) {
  Launch &launch = *warp.block->launch;
  // The allocation that this instruction touched last: lanes and iterations mostly stay within one.
  Range &range = warp.block->ranges[&inst - launch.program->code.data()];
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
  Launch &launch = *warp.block->launch;
  if (!launch.dependents.earlier.empty())
    orderBehindEarlier(warp, address, bytes, kind.write);
  Agent agent{warp.block->index, warp.index, warp.clock(), currentInst->statement, kind.strong, kind.async};
  if (kind.pending)
    agent.clock = neverKnown;
  Conflict conflict = launch.shadow.access(address, bytes, kind.write, agent, warp.knowledge);
  if (conflict.found)
    reportConflict(warp, conflict, kind.write, describeGlobal(warp, address));
}

bool yupana::ptx::definedGlobal(Warp &warp, uint64_t address, uint32_t bytes) {
  return allSet(warp.block->launch->memory->defined(address), bytes);
}

void yupana::ptx::defineGlobal(Warp &warp, uint64_t address, uint32_t bytes, bool defined) {
  memset(warp.block->launch->memory->defined(address), defined ? 0xff : 0, bytes);
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
  if (decoder.has("nc"))
    flags |= ReadOnly;
  if (decoder.has("shared") || decoder.has("shared::cta") || decoder.has("shared::cluster"))
    flags |= InShared;
  else if (decoder.has("local"))
    flags |= InLocal;
  // Variables of constant memory lie with those of global memory.
  else if (!decoder.has("global") && !decoder.has("const"))
    flags |= Anywhere;
  return flags;
}

/// Shared memory is the block's, and what is published there nobody else can see.
static std::map<uint64_t, SyncPoint> &syncsOf(Warp &warp, uint16_t flags) {
  return (flags & StateSpace) == InShared ? warp.block->syncs : warp.block->launch->syncs;
}

void yupana::ptx::learn(Warp &warp, uint16_t flags, uint64_t address) {
  auto &syncs = syncsOf(warp, flags);
  auto found = syncs.find(address);
  if (found == syncs.end() || !found->second.published)
    return;
  const SyncPoint &point = found->second;
  OtherBlocks visible = *point.published;
  // What was released at the scope of a block, or is acquired so, holds within the block alone.
  if (!point.atGpu || !(flags & AtGpu))
    for (auto it = visible.begin(); it != visible.end();)
      it = it->first == warp.block->index ? std::next(it) : visible.erase(it);
  // A relaxed read does not order yet: a fence that follows makes it so (fence-fence synchronisation).
  if (flags & Acquire) {
    warp.knowledge.joinForeign(warp.block->index, visible);
  } else {
    if (warp.seen.own.empty())
      warp.seen.own.resize(warp.knowledge.own.size());
    warp.seen.joinForeign(warp.block->index, visible);
    warp.hasSeen = true;
  }
}

void yupana::ptx::publish(Warp &warp, uint16_t flags, uint64_t address, bool replaces) {
  SyncPoint &point = syncsOf(warp, flags)[address];
  std::shared_ptr<const OtherBlocks> mine;
  bool atGpu = false;
  // A release tells what its warp knows; a relaxed write, what it knew at its last fence.
  if (flags & Release) {
    mine = warp.knowledge.published(warp.block->index);
    atGpu = flags & AtGpu;
    ++warp.knowledge.own[warp.index];
  } else if (warp.hasFenced) {
    mine = warp.fenced.published(warp.block->index);
    atGpu = warp.fencedAtGpu && (flags & AtGpu);
  }
  // A store ends the release sequence of those before it; an atomic continues it and hands on what they published, too.
  if (replaces || !point.published) {
    point.published = mine;
    point.atGpu = atGpu;
  } else if (mine) {
    Knowledge both;
    both.others = point.published;
    both.joinForeign(~0u, *mine);
    point.published = both.others;
    point.atGpu = point.atGpu && atGpu;
  }
}

void yupana::ptx::fenceMemory(Warp &warp, bool atGpu) {
  // For the host: blocks may run on several of its threads.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!warp.block->launch->races)
    return;
  if (warp.hasSeen) {
    OtherBlocks foreign = warp.seen.others ? *warp.seen.others : OtherBlocks{};
    if (!atGpu)
      // A fence of the block's scope does not order what other blocks have told.
      foreign.clear();
    warp.seen.others.reset();
    warp.knowledge.join(warp.seen);
    warp.knowledge.joinForeign(warp.block->index, foreign);
    warp.hasSeen = false;
    warp.seen = {};
  }
  // From here on relaxed writes tell of what was known now.
  warp.fenced = warp.knowledge;
  warp.fencedAtGpu = atGpu;
  warp.hasFenced = true;
  ++warp.knowledge.own[warp.index];
}

//===----------------------------------------------------------------------===//
// Generic addresses and undefined values
//===----------------------------------------------------------------------===//

void yupana::ptx::requireDefined(Warp &warp, const Inst &, uint32_t offset, uint32_t lanes, const char *what) {
  if (!warp.block->launch->undefined)
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
