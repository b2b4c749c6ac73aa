// SPDX-License-Identifier: Apache-2.0
//
// ld and st. The lanes of one instruction mostly touch neighbouring elements, so checks run over spans of neighbours,
// and moving data is a plain loop: without that a model would take hours. Data and the map of written bytes are moved
// in the same way, so that a value which was never written stays undefined through any number of copies, and only its
// use is an error.

#include "tools/simdriver/Access.h"

#include "tools/simdriver/Operations.h"

#include <fmt/format.h>

using namespace yupana;
using namespace yupana::ptx;

namespace {

/// Calls visit(address, bytes) for runs of lanes whose accesses of `bytes` bytes follow one another or repeat.
template <class A, class Visit>
void forSpans(const A *addresses, int64_t distance, uint32_t lanes, uint32_t bytes, Visit visit) {
  uint64_t begin = 0, end = 0, last = 0;
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    // Modulo 2^32 or 2^64, as the address register is wide.
    uint64_t address = static_cast<A>(addresses[__builtin_ctz(rest)] + static_cast<A>(distance));
    if (begin != end && address == last)
      continue;
    last = address;
    if (begin != end && address == end) {
      end += bytes;
      continue;
    }
    if (begin != end)
      visit(begin, static_cast<uint32_t>(end - begin));
    begin = address, end = address + bytes;
  }
  if (begin != end)
    visit(begin, static_cast<uint32_t>(end - begin));
}

/// Undefined lanes of one loaded element, read from the map of written bytes.
/// A byte is defined or not, an element if all of its bytes are.
template <class T, class Map> uint32_t undefinedLanes(uint32_t lanes, Map map) {
  uint32_t result = 0;
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    T written;
    memcpy(&written, map(lane), sizeof(T));
    result |= (written != static_cast<T>(~T{0}) ? 1u : 0u) << lane;
  }
  return result;
}

inline uint8_t *bytesAt(uintptr_t address) { return reinterpret_cast<uint8_t *>(address); }

/// By memcpy: elements of all types lie in the same bytes.
template <class T> T loaded(const uint8_t *from) {
  T value;
  memcpy(&value, from, sizeof(T));
  return value;
}
template <class T> void keep(uint8_t *to, T value) { memcpy(to, &value, sizeof(T)); }

/// After a strong access others may act before the next instruction.
void yield(Warp &warp, const Inst &inst) {
  if (inst.kind & Strong)
    warp.stop = Stop::Yield;
}

//===----------------------------------------------------------------------===//
// Global
//===----------------------------------------------------------------------===//

/// What to add to the lanes' addresses for the host's, after all lanes were found to lie in allocations.
template <class T> uintptr_t globalBase(Warp &warp, const Inst &inst, uint32_t lanes) {
  requireDefined(warp, inst, inst.a, lanes, "the address");
  Launch &launch = *warp.cluster->launch;
  const uint64_t *addresses = warp.at<uint64_t>(inst.a);
  uint32_t bytes = inst.count * static_cast<uint32_t>(sizeof(T));
  // One comparison for all lanes: the least, the greatest, and the bits of all for their alignment.
  uint64_t low = ~uint64_t{0}, high = 0, bits = 0;
  forLanes(lanes, [&](int lane) {
    low = std::min(low, addresses[lane]);
    high = std::max(high, addresses[lane]);
    bits |= addresses[lane] + inst.immediate;
  });
  // The allocation that this instruction met last, which mostly holds all lanes again; else each is looked up.
  const Range &range = warp.cluster->ranges[&inst - launch.program->code.data()];
  low += inst.immediate, high += inst.immediate;
  if (low < range.begin || high > range.end || bytes > range.end - high || (bits & (bytes - 1))) {
    // Lane by lane: this finds other allocations, and says of which lane the address is wrong and why.
    for (uint32_t rest = lanes; rest; rest &= rest - 1) {
      currentInst = &inst;
      globalAt(warp, inst, addresses[__builtin_ctz(rest)] + inst.immediate, bytes, bytes);
    }
  }
  return launch.memory->toHost() + static_cast<uint64_t>(inst.immediate);
}

template <class T> void checkGlobal(Warp &warp, const Inst &inst, uint32_t lanes, bool write) {
  if (!warp.cluster->launch->races)
    return;
  AccessKind kind;
  kind.write = write;
  kind.strong = inst.kind & Strong;
  // All registers of a vector together: it is one access.
  uint32_t bytes = inst.count * static_cast<uint32_t>(sizeof(T));
  forSpans(warp.at<uint64_t>(inst.a), inst.immediate, lanes, bytes,
           [&](uint64_t address, uint32_t length) { orderGlobal(warp, address, length, kind); });
  // The read-only cache is not kept coherent within a launch, so even an ordered write is too late.
  if (inst.kind & ReadOnly)
    forSpans(warp.at<uint64_t>(inst.a), inst.immediate, lanes, bytes, [&](uint64_t address, uint32_t length) {
      warp.cluster->launch->shadow.writers(address, length, [&](const Cell &cell) {
        fail(warp, Fault::Race,
             fmt::format("{} is read through the read-only path (.nc), but this launch writes it in {}",
                         describeGlobal(warp, address), describe(programOf(warp), cell.writeStatement)));
      });
    });
}

template <class T, class R> void loadGlobal(Warp &warp, const Inst &inst, uint32_t lanes) {
  uintptr_t memory = globalBase<T>(warp, inst, lanes);
  Launch &launch = *warp.cluster->launch;
  checkGlobal<T>(warp, inst, lanes, false);
  const uint64_t *addresses = warp.at<uint64_t>(inst.a);
  const uint32_t *registers = operandsOf(warp, inst);
  // The destination may be the address register: addresses are read before anything is written.
  uint64_t from[32];
  memcpy(from, addresses, sizeof from);
  for (int v = 0; v < inst.count; ++v) {
    R *to = warp.at<R>(registers[v]);
    if (inst.kind & Strong)
      for (uint32_t rest = lanes; rest; rest &= rest - 1)
        // Other blocks may run on other threads of the host, and strong accesses are atomic.
        to[__builtin_ctz(rest)] = __atomic_load_n(
            reinterpret_cast<const T *>(memory + from[__builtin_ctz(rest)] + v * sizeof(T)), __ATOMIC_SEQ_CST);
    else
      for (uint32_t rest = lanes; rest; rest &= rest - 1)
        to[__builtin_ctz(rest)] = loaded<T>(bytesAt(memory + from[__builtin_ctz(rest)] + v * sizeof(T)));
    // What is loaded is as defined as its bytes; a register that nobody defined is no error before it is used.
    if (launch.undefined) {
      uintptr_t written = launch.memory->toDefined() + static_cast<uint64_t>(inst.immediate) + v * sizeof(T);
      uint32_t &undefined = warp.undefinedAt(registers[v]);
      undefined =
          (undefined & ~lanes) | undefinedLanes<T>(lanes, [&](int lane) { return bytesAt(written + from[lane]); });
    }
  }
  if (inst.kind & Strong) {
    // At the time of the read: what was published by then is what it tells.
    if (launch.races)
      for (uint32_t rest = lanes; rest; rest &= rest - 1)
        learn(warp, inst.kind, from[__builtin_ctz(rest)] + inst.immediate);
    yield(warp, inst);
  }
}

template <class T, class R> void storeGlobal(Warp &warp, const Inst &inst, uint32_t lanes) {
  uintptr_t memory = globalBase<T>(warp, inst, lanes);
  Launch &launch = *warp.cluster->launch;
  checkGlobal<T>(warp, inst, lanes, true);
  const uint64_t *addresses = warp.at<uint64_t>(inst.a);
  const uint32_t *registers = operandsOf(warp, inst);
  // With its bytes what it publishes is there, as no other warp runs in between.
  if ((inst.kind & Strong) && launch.races)
    for (uint32_t rest = lanes; rest; rest &= rest - 1)
      publish(warp, inst.kind, addresses[__builtin_ctz(rest)] + inst.immediate, true);
  for (int v = 0; v < inst.count; ++v) {
    const R *from = warp.at<R>(registers[v]);
    if (inst.kind & Strong)
      for (uint32_t rest = lanes; rest; rest &= rest - 1)
        __atomic_store_n(reinterpret_cast<T *>(memory + addresses[__builtin_ctz(rest)] + v * sizeof(T)),
                         static_cast<T>(from[__builtin_ctz(rest)]), __ATOMIC_SEQ_CST);
    else
      for (uint32_t rest = lanes; rest; rest &= rest - 1)
        keep(bytesAt(memory + addresses[__builtin_ctz(rest)] + v * sizeof(T)),
             static_cast<T>(from[__builtin_ctz(rest)]));
    if (launch.undefined) {
      uintptr_t written = launch.memory->toDefined() + static_cast<uint64_t>(inst.immediate) + v * sizeof(T);
      uint32_t undefined = warp.undefinedAt(registers[v]);
      for (uint32_t rest = lanes; rest; rest &= rest - 1) {
        int lane = __builtin_ctz(rest);
        // An undefined value makes bytes undefined that were defined before.
        memset(bytesAt(written + addresses[lane]), undefined >> lane & 1 ? 0 : 0xff, sizeof(T));
      }
    }
  }
  // Something has happened: warps that wait for memory to change are worth running again.
  ++warp.cluster->events;
  yield(warp, inst);
}

//===----------------------------------------------------------------------===//
// Shared and local
//===----------------------------------------------------------------------===//

template <class T> void checkShared(Warp &warp, const Inst &inst, uint32_t lanes, bool write) {
  requireDefined(warp, inst, inst.a, lanes, "the address");
  const uint32_t *addresses = warp.at<uint32_t>(inst.a);
  uint32_t bytes = inst.count * static_cast<uint32_t>(sizeof(T));
  uint32_t distance = static_cast<uint32_t>(inst.immediate);
  uint32_t low = ~0u, high = 0, bits = 0;
  forLanes(lanes, [&](int lane) {
    low = std::min(low, addresses[lane] + distance);
    high = std::max(high, addresses[lane] + distance);
    bits |= addresses[lane] + distance;
  });
  uint32_t size = warp.cluster->launch->sharedBytes, start = warp.block->shared;
  // As for global memory, with bounds that are the same for all lanes.
  if (low < start || high - start > size || bytes > size - (high - start) || (bits & (bytes - 1)))
    for (uint32_t rest = lanes; rest; rest &= rest - 1)
      sharedAt(warp, addresses[__builtin_ctz(rest)] + distance, bytes, bytes, reachesPeers(inst.kind));
  if (!warp.cluster->launch->races)
    return;
  AccessKind kind;
  kind.write = write;
  kind.strong = inst.kind & Strong;
  forSpans(addresses, inst.immediate, lanes, bytes,
           [&](uint64_t address, uint32_t length) { orderShared(warp, static_cast<uint32_t>(address), length, kind); });
}

template <class T, class R> void loadShared(Warp &warp, const Inst &inst, uint32_t lanes) {
  checkShared<T>(warp, inst, lanes, false);
  Cluster &cluster = *warp.cluster;
  uint32_t from[32];
  const uint32_t *addresses = warp.at<uint32_t>(inst.a);
  // All lanes, also those that do not take part: their addresses are computed and not used.
  for (int lane = 0; lane < 32; ++lane)
    from[lane] = addresses[lane] + static_cast<uint32_t>(inst.immediate) - sharedBase;
  const uint32_t *registers = operandsOf(warp, inst);
  for (int v = 0; v < inst.count; ++v) {
    R *to = warp.at<R>(registers[v]);
    const uint8_t *memory = cluster.shared.get() + v * sizeof(T);
    for (uint32_t rest = lanes; rest; rest &= rest - 1)
      to[__builtin_ctz(rest)] = loaded<T>(memory + from[__builtin_ctz(rest)]);
    if (cluster.launch->undefined) {
      const uint8_t *written = cluster.sharedDefined.get() + v * sizeof(T);
      uint32_t &undefined = warp.undefinedAt(registers[v]);
      undefined = (undefined & ~lanes) | undefinedLanes<T>(lanes, [&](int lane) { return written + from[lane]; });
    }
  }
  if (inst.kind & Strong) {
    if (cluster.launch->races)
      for (uint32_t rest = lanes; rest; rest &= rest - 1)
        learn(warp, (inst.kind & ~StateSpace) | InShared, from[__builtin_ctz(rest)] + sharedBase);
    yield(warp, inst);
  }
}

template <class T, class R> void storeShared(Warp &warp, const Inst &inst, uint32_t lanes) {
  checkShared<T>(warp, inst, lanes, true);
  Cluster &cluster = *warp.cluster;
  const uint32_t *addresses = warp.at<uint32_t>(inst.a), *registers = operandsOf(warp, inst);
  uint32_t distance = static_cast<uint32_t>(inst.immediate) - sharedBase;
  if ((inst.kind & Strong) && cluster.launch->races)
    for (uint32_t rest = lanes; rest; rest &= rest - 1)
      publish(warp, (inst.kind & ~StateSpace) | InShared,
              addresses[__builtin_ctz(rest)] + static_cast<uint32_t>(inst.immediate), true);
  for (int v = 0; v < inst.count; ++v) {
    const R *from = warp.at<R>(registers[v]);
    uint8_t *memory = cluster.shared.get() + v * sizeof(T);
    for (uint32_t rest = lanes; rest; rest &= rest - 1)
      keep(memory + (addresses[__builtin_ctz(rest)] + distance), static_cast<T>(from[__builtin_ctz(rest)]));
    if (cluster.launch->undefined) {
      uint8_t *written = cluster.sharedDefined.get() + v * sizeof(T);
      uint32_t undefined = warp.undefinedAt(registers[v]);
      for (uint32_t rest = lanes; rest; rest &= rest - 1) {
        int lane = __builtin_ctz(rest);
        memset(written + (addresses[lane] + distance), undefined >> lane & 1 ? 0 : 0xff, sizeof(T));
      }
    }
  }
  ++cluster.events;
  yield(warp, inst);
}

/// The lane's own bytes: nobody else can race for them, and what was never written is followed byte by byte.
uint8_t *localAt(Warp &warp, int lane, uint32_t address, uint32_t bytes) {
  uint32_t size = programOf(warp).localBytes;
  if (address > size || bytes > size - address)
    fail(warp, Fault::OutOfBounds,
         fmt::format("{} bytes at byte {} of local memory, which has {}", bytes, address, size));
  if (address & (bytes - 1))
    fail(warp, Fault::Misaligned, fmt::format("local memory at byte {} is not aligned to {}", address, bytes));
  return warp.local.data() + size_t{size} * static_cast<size_t>(lane) + address;
}

template <class T, class R, bool Write> void accessLocal(Warp &warp, const Inst &inst, uint32_t lanes) {
  const uint32_t *registers = operandsOf(warp, inst);
  // Behind the bytes of all lanes lies their map of what was written.
  size_t definedAt = size_t{programOf(warp).localBytes} * 32;
  uint32_t from[32];
  memcpy(from, warp.at<uint32_t>(inst.a), sizeof from);
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    uint32_t address = from[lane] + static_cast<uint32_t>(inst.immediate);
    uint8_t *bytes = localAt(warp, lane, address, inst.count * static_cast<uint32_t>(sizeof(T)));
    for (int v = 0; v < inst.count; ++v, bytes += sizeof(T)) {
      R &value = warp.at<R>(registers[v])[lane];
      uint32_t &undefined = warp.undefinedAt(registers[v]);
      if (Write) {
        keep(bytes, static_cast<T>(value));
        memset(bytes + definedAt, undefined >> lane & 1 ? 0 : 0xff, sizeof(T));
      } else {
        value = loaded<T>(bytes);
        T written;
        memcpy(&written, bytes + definedAt, sizeof(T));
        undefined = (undefined & ~(1u << lane)) | (written != static_cast<T>(~T{0}) ? 1u : 0u) << lane;
      }
    }
  }
}

/// Lanes of one instruction may lie in different spaces.
template <class T, class R> void loadAnywhere(Warp &warp, const Inst &inst, uint32_t lanes) {
  runGeneric(warp, inst, lanes, loadGlobal<T, R>, loadShared<T, R>, accessLocal<T, R, false>);
}
template <class T, class R> void storeAnywhere(Warp &warp, const Inst &inst, uint32_t lanes) {
  runGeneric(warp, inst, lanes, storeGlobal<T, R>, storeShared<T, R>, accessLocal<T, R, true>);
}

/// The same bytes for every lane.
void loadParameter(Warp &warp, const Inst &inst, uint32_t lanes) {
  const uint8_t *from = warp.cluster->launch->parameters.data() + inst.immediate;
  const uint32_t *registers = operandsOf(warp, inst);
  uint32_t bytes = 1u << (inst.kind & SizeMask);
  for (int v = 0; v < inst.count; ++v, from += bytes) {
    uint64_t value = 0;
    memcpy(&value, from, bytes);
    // Parameters are always defined: a launch copies all of them.
    warp.undefinedAt(registers[v]) &= ~lanes;
    if (bytes == 8)
      forLanes(lanes, [to = warp.at<uint64_t>(registers[v]), value](int lane) { to[lane] = value; });
    else if (bytes == 4)
      forLanes(lanes, [to = warp.at<uint32_t>(registers[v]), value](int lane) { to[lane] = uint32_t(value); });
    else
      forLanes(lanes, [to = warp.at<uint16_t>(registers[v]), value](int lane) { to[lane] = uint16_t(value); });
  }
}

/// T is the element in memory, R the register, which is wider for bytes.
template <class T, class R = T> Action choose(bool load, uint16_t space) {
  switch (space) {
  case InGlobal:
    return load ? loadGlobal<T, R> : storeGlobal<T, R>;
  case InShared:
    return load ? loadShared<T, R> : storeShared<T, R>;
  case InLocal:
    return load ? accessLocal<T, R, false> : accessLocal<T, R, true>;
  default:
    return load ? loadAnywhere<T, R> : storeAnywhere<T, R>;
  }
}

} // namespace

void yupana::ptx::decodeAccess(Decoder &decoder) {
  bool load = decoder.parts()[0] != "st";
  TypeInfo type = typeOf(decoder.parts().back());
  if (type.bytes < 1 || type.bytes > 8)
    decoder.unsupported();
  const OperandText &data = decoder.operand(load ? 0 : 1), &where = decoder.operand(load ? 1 : 0);
  Inst inst;
  inst.kind = accessFlags(decoder);
  // A byte lives in a register of 16 bits.
  std::vector<uint32_t> registers;
  int width = std::max(type.bytes, 2);
  for (const OperandText &element : decoder.elements(data))
    registers.push_back(load ? decoder.destination(element, width, type.isSigned) : decoder.source(element, width));
  decoder.list(inst, registers);
  // The size once more, for parameters, whose action is not a template.
  inst.kind |= type.bytes == 8 ? 3 : type.bytes == 4 ? 2 : type.bytes == 2 ? 1 : 0;
  if (decoder.has("param") || decoder.has("param::entry")) {
    auto [place, known] = decoder.parameter(where);
    if (!load || !known)
      decoder.unsupported("only parameters of the kernel can be read, by their names");
    inst.immediate = place;
    inst.action = loadParameter;
    decoder.emit(inst);
    return;
  }
  uint16_t space = inst.kind & StateSpace;
  bool shortAddress = space == InShared || space == InLocal;
  decoder.address(where, shortAddress ? 4 : 8, inst.a, inst.immediate);
  if (space == InGlobal || space == Anywhere)
    // Blocks that talk to one another must run side by side, or one could wait for another that never begins.
    decoder.target().talksBetweenBlocks |= (inst.kind & Strong) != 0;
  decoder.noteGrain(static_cast<unsigned>(type.bytes));
  inst.action = type.bytes == 8   ? choose<uint64_t>(load, space)
                : type.bytes == 4 ? choose<uint32_t>(load, space)
                : type.bytes == 2 ? choose<uint16_t>(load, space)
                : type.isSigned   ? choose<int8_t, int16_t>(load, space)
                                  : choose<uint8_t, uint16_t>(load, space);
  decoder.emit(inst);
}
