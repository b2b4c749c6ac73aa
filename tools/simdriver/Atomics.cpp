// SPDX-License-Identifier: Apache-2.0
//
// atom and red: lane after lane, each by compare and swap on the host, so that blocks on several threads may meet.
// Lanes act in ascending order, which is one of the orders that hardware may choose; sums of floats therefore have one
// order here and another there. After an atomic others may act before the next instruction. An exchange makes its place
// defined, all other changes only if it was defined before.

#include "tools/simdriver/Access.h"

#include "tools/simdriver/Operations.h"

#include <fmt/format.h>

using namespace yupana;
using namespace yupana::ptx;

namespace {

enum class Change : uint16_t { Add, Min, Max, And, Or, Xor, Exchange, CompareAndSwap, Increment, Decrement };

/// The Change in Inst::kind above the flags of accesses.
constexpr unsigned changeShift = 10;

/// What an atomic writes. `c` counts for compare and swap alone.
template <class T> T changed(Change change, T old, T b, T c) {
  if constexpr (std::is_integral_v<T>) {
    // Sums of signed integers wrap around in PTX; in C++ that holds for unsigned ones.
    using U = std::make_unsigned_t<T>;
    switch (change) {
    case Change::Add:
      return static_cast<T>(static_cast<U>(old) + static_cast<U>(b));
    case Change::And:
      return old & b;
    case Change::Or:
      return old | b;
    case Change::Xor:
      return old ^ b;
    case Change::CompareAndSwap:
      return old == b ? c : old;
    // inc counts from 0 to b and wraps to 0; dec counts down and wraps to b.
    case Change::Increment:
      return old >= b ? 0 : old + 1;
    case Change::Decrement:
      return old == 0 || old > b ? b : old - 1;
    default:
      // Minimum and maximum are below, for floats as well.
      break;
    }
  }
  switch (change) {
  case Change::Add:
    return old + b;
  case Change::Min:
    return b < old ? b : old;
  case Change::Max:
    return b > old ? b : old;
  default:
    // An exchange: PTX has no bit operations on floats.
    return b;
  }
}

/// Bits of the host's word for each type: a compare and swap needs an integer.
template <class T> using WordOf = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

/// Returns the old value.
template <class T> T swapIn(uint8_t *memory, Change change, T b, T c) {
  auto *word = reinterpret_cast<WordOf<T> *>(memory);
  WordOf<T> seen = __atomic_load_n(word, __ATOMIC_SEQ_CST), next;
  T old;
  do {
    // By bits: a comparison of floats would take -0 for +0 and would never find a NaN.
    memcpy(&old, &seen, sizeof(T));
    T value = changed<T>(change, old, b, c);
    memcpy(&next, &value, sizeof(T));
  } while (!__atomic_compare_exchange_n(word, &seen, next, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
  return old;
}

/// `memory` is where `address` lies on the host, checked by the caller.
template <class T> void changeOne(Warp &warp, const Inst &inst, int lane, uint8_t *memory, uint64_t address) {
  Launch &launch = *warp.cluster->launch;
  auto change = static_cast<Change>(inst.kind >> changeShift & 15);
  bool shared = (inst.kind & StateSpace) == InShared;
  // Each byte of memory has a byte that says whether it is defined: 0xff or 0.
  uint8_t *written =
      shared ? warp.cluster->sharedDefined.get() + (address - sharedBase) : launch.memory->defined(address);
  if (launch.races) {
    AccessKind kind;
    // Strong: two atomics on one place are no race.
    kind.write = kind.strong = true;
    if (shared)
      orderShared(warp, static_cast<uint32_t>(address), sizeof(T), kind);
    else
      orderGlobal(warp, address, sizeof(T), kind);
    // An atomic reads before it writes: what it learns is part of what it publishes. It does not end the chain of
    // releases before it, as a plain store would.
    learn(warp, inst.kind, address);
    publish(warp, inst.kind, address, false);
  }
  T old = swapIn<T>(memory, change, warp.at<T>(inst.b)[lane], warp.at<T>(inst.c)[lane]);
  // From here on only what the checks know.
  uint32_t bit = 1u << lane;
  T definedBytes;
  memcpy(&definedBytes, written, sizeof(T));
  WordOf<T> all;
  memcpy(&all, &definedBytes, sizeof(T));
  uint32_t before = static_cast<WordOf<T>>(~all) ? bit : 0;
  uint32_t operands = (warp.undefinedAt(inst.b) | warp.undefinedAt(inst.c)) & bit;
  // An exchange overwrites whatever was there.
  uint32_t after = change == Change::Exchange ? operands : operands | before;
  memset(written, after && launch.undefined ? 0 : 0xff, sizeof(T));
  warp.at<T>(inst.d)[lane] = old;
  warp.undefinedAt(inst.d) = (warp.undefinedAt(inst.d) & ~bit) | (launch.undefined ? before : 0);
}

template <class T> void atomGlobal(Warp &warp, const Inst &inst, uint32_t lanes) {
  requireDefined(warp, inst, inst.a, lanes, "the address");
  // A copy, since the destination may be the register of the address.
  uint64_t addresses[32];
  memcpy(addresses, warp.at<uint64_t>(inst.a), sizeof addresses);
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    uint64_t address = addresses[lane] + inst.immediate;
    changeOne<T>(warp, inst, lane, globalAt(warp, inst, address, sizeof(T), sizeof(T)), address);
  }
  // Another block may wait for this value: it gets its turn now.
  ++warp.cluster->events;
  warp.stop = Stop::Yield;
}

template <class T> void atomShared(Warp &warp, const Inst &inst, uint32_t lanes) {
  requireDefined(warp, inst, inst.a, lanes, "the address");
  // Generic atomics come here too, with the flags of the generic space; changeOne asks for the space.
  Inst here = inst;
  here.kind = static_cast<uint16_t>((inst.kind & ~StateSpace) | InShared);
  uint32_t addresses[32];
  memcpy(addresses, warp.at<uint32_t>(inst.a), sizeof addresses);
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    uint32_t address = addresses[lane] + static_cast<uint32_t>(inst.immediate);
    changeOne<T>(warp, here, lane, sharedAt(warp, address, sizeof(T), sizeof(T), reachesPeers(inst.kind)), address);
  }
  // A warp of this cluster may poll it.
  happen(*warp.cluster);
}

/// PTX leaves atomics on local memory undefined.
void atomLocal(Warp &warp, const Inst &, uint32_t) { fail(warp, Fault::Misuse, "an atomic on local memory"); }

template <class T> void atomAnywhere(Warp &warp, const Inst &inst, uint32_t lanes) {
  runGeneric(warp, inst, lanes, atomGlobal<T>, atomShared<T>, atomLocal);
}

template <class T> Action choose(uint16_t space) {
  return space == InGlobal ? atomGlobal<T> : space == InShared ? atomShared<T> : atomAnywhere<T>;
}

Change changeOf(const Decoder &decoder) {
  static const std::pair<const char *, Change> names[] = {{"add", Change::Add},       {"min", Change::Min},
                                                          {"max", Change::Max},       {"and", Change::And},
                                                          {"or", Change::Or},         {"xor", Change::Xor},
                                                          {"exch", Change::Exchange}, {"cas", Change::CompareAndSwap},
                                                          {"inc", Change::Increment}, {"dec", Change::Decrement}};
  for (auto &[name, change] : names)
    if (decoder.has(name))
      return change;
  decoder.unsupported();
}

} // namespace

void yupana::ptx::decodeAtomic(Decoder &decoder) {
  // red is an atom whose old value nobody wants.
  bool returns = decoder.parts()[0] == "atom";
  std::string typeName = decoder.parts().back();
  TypeInfo type = typeOf(typeName);
  if (decoder.has("v2") || decoder.has("v4") || typeName == "bf16x2" || typeName == "f16x2" || type.bytes < 4)
    decoder.unsupported("atomics on vectors and on halves are not built");
  Inst inst;
  size_t at = returns ? 1 : 0;
  inst.kind = accessFlags(decoder);
  // Without an order an atomic is relaxed, and without a scope it is the device's.
  if (!decoder.has("cta") && !decoder.has("cluster"))
    inst.kind |= AtGpu;
  inst.kind |= Strong;
  Change change = changeOf(decoder);
  inst.kind |= static_cast<uint16_t>(static_cast<uint16_t>(change) << changeShift);
  uint16_t space = inst.kind & StateSpace;
  decoder.address(decoder.operand(at++), space == InShared ? 4 : 8, inst.a, inst.immediate);
  inst.b = decoder.source(decoder.operand(at++), type.bytes);
  if (change == Change::CompareAndSwap)
    inst.c = decoder.source(decoder.operand(at++), type.bytes);
  if (decoder.operandCount() > at)
    decoder.unsupported("cache policies of atomics are not built");
  inst.d = returns ? decoder.destination(decoder.operand(0), type.bytes) : sinkRegister;
  // Several blocks are then resident and take turns; one after the other, a block that waits for another would hang.
  if (space != InShared)
    decoder.target().talksBetweenBlocks = true;
  // The check of races follows memory by cells; atomics have 4 bytes or 8.
  decoder.noteGrain(4);
  if (typeName == "f32")
    inst.action = choose<float>(space);
  else if (typeName == "f64")
    inst.action = choose<double>(space);
  else if (type.bytes == 8)
    inst.action = type.isSigned ? choose<int64_t>(space) : choose<uint64_t>(space);
  else
    inst.action = type.isSigned ? choose<int32_t>(space) : choose<uint32_t>(space);
  decoder.emit(inst);
}
