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

template <class T> T changed(Change change, T old, T b, T c) {
  if constexpr (std::is_integral_v<T>) {
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
    case Change::Increment:
      return old >= b ? 0 : old + 1;
    case Change::Decrement:
      return old == 0 || old > b ? b : old - 1;
    default:
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
    return b;
  }
}

/// Bits of the host's word for each type: a compare and swap needs an integer.
template <class T> using WordOf = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

template <class T> T swapIn(uint8_t *memory, Change change, T b, T c) {
  auto *word = reinterpret_cast<WordOf<T> *>(memory);
  WordOf<T> seen = __atomic_load_n(word, __ATOMIC_SEQ_CST), next;
  T old;
  do {
    memcpy(&old, &seen, sizeof(T));
    T value = changed<T>(change, old, b, c);
    memcpy(&next, &value, sizeof(T));
  } while (!__atomic_compare_exchange_n(word, &seen, next, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
  return old;
}

template <class T> void changeOne(Warp &warp, const Inst &inst, int lane, uint8_t *memory, uint64_t address) {
  Launch &launch = *warp.block->launch;
  auto change = static_cast<Change>(inst.kind >> changeShift);
  bool shared = (inst.kind & StateSpace) == InShared;
  uint8_t *written =
      shared ? warp.block->sharedDefined.data() + (address - sharedBase) : launch.memory->defined(address);
  if (launch.races) {
    AccessKind kind;
    kind.write = kind.strong = true;
    if (shared)
      orderShared(warp, static_cast<uint32_t>(address), sizeof(T), kind);
    else
      orderGlobal(warp, address, sizeof(T), kind);
    learn(warp, inst.kind, address);
    publish(warp, inst.kind, address, false);
  }
  T old = swapIn<T>(memory, change, warp.at<T>(inst.b)[lane], warp.at<T>(inst.c)[lane]);
  uint32_t bit = 1u << lane;
  T definedBytes;
  memcpy(&definedBytes, written, sizeof(T));
  WordOf<T> all;
  memcpy(&all, &definedBytes, sizeof(T));
  uint32_t before = static_cast<WordOf<T>>(~all) ? bit : 0;
  uint32_t operands = (warp.undefinedAt(inst.b) | warp.undefinedAt(inst.c)) & bit;
  uint32_t after = change == Change::Exchange ? operands : operands | before;
  memset(written, after && launch.undefined ? 0 : 0xff, sizeof(T));
  warp.at<T>(inst.d)[lane] = old;
  warp.undefinedAt(inst.d) = (warp.undefinedAt(inst.d) & ~bit) | (launch.undefined ? before : 0);
}

template <class T> void atomGlobal(Warp &warp, const Inst &inst, uint32_t lanes) {
  requireDefined(warp, inst, inst.a, lanes, "the address");
  uint64_t addresses[32];
  memcpy(addresses, warp.at<uint64_t>(inst.a), sizeof addresses);
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    uint64_t address = addresses[lane] + inst.immediate;
    changeOne<T>(warp, inst, lane, globalAt(warp, inst, address, sizeof(T), sizeof(T)), address);
  }
  ++warp.block->events;
  warp.stop = Stop::Yield;
}

template <class T> void atomShared(Warp &warp, const Inst &inst, uint32_t lanes) {
  requireDefined(warp, inst, inst.a, lanes, "the address");
  Inst here = inst;
  here.kind = static_cast<uint16_t>((inst.kind & ~StateSpace) | InShared);
  uint32_t addresses[32];
  memcpy(addresses, warp.at<uint32_t>(inst.a), sizeof addresses);
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    uint32_t address = addresses[lane] + static_cast<uint32_t>(inst.immediate);
    changeOne<T>(warp, here, lane, sharedAt(warp, address, sizeof(T), sizeof(T)), address);
  }
  happen(*warp.block);
}

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
  bool returns = decoder.parts()[0] == "atom";
  std::string typeName = decoder.parts().back();
  TypeInfo type = typeOf(typeName);
  if (decoder.has("v2") || decoder.has("v4") || typeName == "bf16x2" || typeName == "f16x2" || type.bytes < 4)
    decoder.unsupported("atomics on vectors and on halves are not built");
  Inst inst;
  size_t at = returns ? 1 : 0;
  inst.kind = accessFlags(decoder);
  // Without an order an atomic is relaxed, and without a scope it is the device's.
  if (!decoder.has("cta"))
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
  if (space != InShared)
    decoder.target().talksBetweenBlocks = true;
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
