// SPDX-License-Identifier: Apache-2.0
//
// Moves that are no plain copy, and what only looks at registers but has operands of its own kind: packing and
// splitting, generic addresses, comparisons that are joined with a predicate. Shared and local memory are windows of
// the generic address space that no allocation lies in.

#include "tools/simdriver/Access.h"
#include "tools/simdriver/Operations.h"

#include <chrono>
#include <fmt/format.h>

using namespace yupana::ptx;

namespace {

/// Joins elements into one register, or splits one into elements, each of type E.
template <class Whole, class E> void pack(Warp &warp, const Inst &inst, uint32_t lanes) {
  // Elements in ascending order: the first is the lowest part.
  constexpr int count = sizeof(Whole) / sizeof(E);
  const uint32_t *registers = operandsOf(warp, inst);
  Whole *d = warp.at<Whole>(inst.d);
  // A whole is undefined if any of its parts is.
  uint32_t undefined = 0;
  const E *from[count];
  for (int e = 0; e < count; ++e) {
    from[e] = warp.at<E>(registers[e]);
    undefined |= warp.undefinedAt(registers[e]);
  }
  forLanes(lanes, [=](int lane) {
    Whole value = 0;
    for (int e = 0; e < count; ++e)
      value |= static_cast<Whole>(static_cast<Whole>(from[e][lane]) << 8 * sizeof(E) * e);
    d[lane] = value;
  });
  warp.undefinedAt(inst.d) = (warp.undefinedAt(inst.d) & ~lanes) | (undefined & lanes);
}

template <class Whole, class E> void unpack(Warp &warp, const Inst &inst, uint32_t lanes) {
  constexpr int count = sizeof(Whole) / sizeof(E);
  const uint32_t *registers = operandsOf(warp, inst);
  // A copy, since a destination may be the source's register.
  Whole values[32];
  memcpy(values, warp.at<Whole>(inst.a), sizeof values);
  uint32_t undefined = warp.undefinedAt(inst.a) & lanes;
  for (int e = 0; e < count; ++e) {
    E *d = warp.at<E>(registers[e]);
    forLanes(lanes, [&values, d, e](int lane) { d[lane] = static_cast<E>(values[lane] >> 8 * sizeof(E) * e); });
    uint32_t &mask = warp.undefinedAt(registers[e]);
    mask = (mask & ~lanes) | undefined;
  }
}

/// Time as the number of instructions that the warp has run: it moves on, and a seed repeats it. A clock of 32 bits is
/// the lower half.
void readClock(Warp &warp, const Inst &inst, uint32_t lanes) {
  uint64_t now = warp.instructions;
  if (inst.kind == 8)
    forLanes(lanes, [d = warp.at<uint64_t>(inst.d), now](int lane) { d[lane] = now; });
  else
    forLanes(lanes, [d = warp.at<uint32_t>(inst.d), now](int lane) { d[lane] = static_cast<uint32_t>(now); });
}

/// cvta: into the generic space a window is added, out of it the upper half is cut off.
void addressInWindow(Warp &warp, const Inst &inst, uint32_t lanes) {
  uint64_t *d = warp.at<uint64_t>(inst.d);
  const uint64_t *a = warp.at<uint64_t>(inst.a);
  // Windows are multiples of 2^32, so that the lower half of an address is the place in its space.
  uint64_t window = static_cast<uint64_t>(inst.immediate);
  bool into = inst.kind;
  forLanes(lanes, [=](int lane) { d[lane] = into ? a[lane] + window : a[lane] & 0xffffffff; });
}

/// mapa: the address that a place in shared memory has in the block of a rank, in the shared window or in the generic
/// space (kind).
template <class T> void mapAddress(Warp &warp, const Inst &inst, uint32_t lanes) {
  requireDefined(warp, inst, inst.b, lanes, "the rank");
  const T *a = warp.at<T>(inst.a);
  const uint32_t *ranks = warp.at<uint32_t>(inst.b);
  T *d = warp.at<T>(inst.d);
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    if (ranks[lane] >= warp.cluster->size)
      fail(warp, Fault::Misuse, fmt::format("rank {} of a cluster of {}", ranks[lane], warp.cluster->size));
    uint64_t window = a[lane] & ~uint64_t{0xffffffff};
    if (window != (inst.kind ? sharedWindow : 0))
      fail(
          warp, Fault::Misuse,
          fmt::format("{:#x} is no {} of shared memory", uint64_t{a[lane]}, inst.kind ? "generic address" : "address"));
    d[lane] = static_cast<T>(window + ranks[lane] * blockWindow + a[lane] % blockWindow);
  }
  warp.undefinedAt(inst.d) = (warp.undefinedAt(inst.d) & ~lanes) | (warp.undefinedAt(inst.a) & lanes);
}

/// Kind 0: global, 1: shared, 2: local, 3: shared of any block. What lies in neither window is global.
void isInSpace(Warp &warp, const Inst &inst, uint32_t lanes) {
  const uint64_t *a = warp.at<uint64_t>(inst.a);
  uint32_t result = 0;
  // Of all lanes; setPredicate takes those that execute.
  for (int lane = 0; lane < 32; ++lane) {
    uint64_t window = a[lane] & ~uint64_t{0xffffffff};
    bool isShared = window == sharedWindow, isLocal = window == localWindow;
    bool isOwn = isShared && static_cast<uint32_t>(a[lane]) / blockWindow == warp.block->rank;
    bool isThere[] = {!isShared && !isLocal, isOwn, isLocal, isShared};
    result |= (isThere[inst.kind] ? 1u : 0u) << lane;
  }
  setPredicate(warp, inst.d, lanes, result);
}

/// Bit 4 a + 2 b + c of the table is the result for these three bits, which is one term for each of the eight.
void logic3(Warp &warp, const Inst &inst, uint32_t lanes) {
  uint32_t *d = warp.at<uint32_t>(inst.d);
  const uint32_t *a = warp.at<uint32_t>(inst.a), *b = warp.at<uint32_t>(inst.b), *c = warp.at<uint32_t>(inst.c);
  uint32_t table = static_cast<uint32_t>(inst.immediate);
  forLanes(lanes, [=](int lane) {
    uint32_t result = 0;
    for (uint32_t k = 0; k < 8; ++k)
      result |= (0 - (table >> k & 1)) & (k & 4 ? a[lane] : ~a[lane]) & (k & 2 ? b[lane] : ~b[lane]) &
                (k & 1 ? c[lane] : ~c[lane]);
    d[lane] = result;
  });
}

/// mov with a vector on one side: {a, b} to a whole, or a whole to {a, b}.
void decodeVector(Decoder &decoder, int bytes) {
  bool packs = decoder.operand(1).kind == OperandText::Vector;
  auto elements = decoder.elements(decoder.operand(packs ? 1 : 0));
  if (elements.empty())
    decoder.unsupported("a vector has no elements");
  int each = bytes / static_cast<int>(elements.size());
  Inst inst;
  std::vector<uint32_t> registers;
  for (const OperandText &element : elements)
    registers.push_back(packs ? decoder.source(element, each) : decoder.destination(element, each));
  decoder.list(inst, registers);
  if (packs)
    inst.d = decoder.destination(decoder.operand(0), bytes);
  else
    inst.a = decoder.source(decoder.operand(1), bytes);
  if (bytes == 8 && each == 4)
    inst.action = packs ? pack<uint64_t, uint32_t> : unpack<uint64_t, uint32_t>;
  else if (bytes == 8 && each == 2)
    inst.action = packs ? pack<uint64_t, uint16_t> : unpack<uint64_t, uint16_t>;
  else if (bytes == 4 && each == 2)
    inst.action = packs ? pack<uint32_t, uint16_t> : unpack<uint32_t, uint16_t>;
  else
    decoder.unsupported("vectors of these elements are not built");
  decoder.emit(inst);
}

void decodePlainMove(Decoder &decoder) {
  TypeInfo type = typeOf(decoder.parts().back());
  if (decoder.operandCount() != 2 || type.bytes < 0 || type.bytes > 8)
    decoder.unsupported();
  if (decoder.operand(0).kind == OperandText::Vector || decoder.operand(1).kind == OperandText::Vector)
    return decodeVector(decoder, type.bytes);
  Inst inst;
  const std::string &symbol = decoder.operand(1).symbol;
  // Clocks are no registers of the interpreter, whose special registers do not change while a warp runs.
  if (symbol == "%clock" || symbol == "%clock64" || symbol == "%globaltimer" || symbol == "%globaltimer_lo") {
    inst.action = readClock;
    inst.kind = static_cast<uint16_t>(type.bytes);
  } else {
    inst.action = findOperation("mov." + decoder.parts().back())->action;
    inst.flows = true;
    inst.a = decoder.source(decoder.operand(1), type.bytes);
  }
  inst.d = decoder.destination(decoder.operand(0), type.bytes);
  decoder.emit(inst);
}

/// setp.CMP.BOOL.type p|q, a, b, c: the comparison, then p = (a CMP b) BOOL c and q = !(a CMP b) BOOL c.
void decodeJoinedCompare(Decoder &decoder) {
  const auto &parts = decoder.parts();
  const Operation *compare = findOperation("setp." + parts[1] + "." + parts[3]);
  const Operation *join = findOperation(parts[2] + ".pred");
  if (!compare || !join)
    decoder.unsupported();
  Inst inst;
  inst.flows = true;
  inst.action = compare->action;
  inst.a = decoder.source(decoder.operand(1), compare->a);
  inst.b = decoder.source(decoder.operand(2), compare->b);
  // A register of its own for the comparison: p may be c, which is still needed.
  inst.d = decoder.allocate(4);
  uint32_t third = decoder.source(decoder.operand(3), 0);
  decoder.emit(inst);
  Inst both;
  both.flows = join->flows;
  both.action = join->action;
  both.a = inst.d, both.b = third;
  // p is written last, since it may be the register of c, which q needs as well.
  OperandText first = decoder.operand(0), second = first;
  if (first.second >= 0) {
    Inst inverse;
    inverse.flows = true;
    inverse.action = findOperation("not.pred")->action;
    inverse.a = inst.d;
    inverse.d = decoder.allocate(4);
    decoder.emit(inverse);
    Inst other = both;
    other.a = inverse.d;
    second.reg = first.second;
    other.d = decoder.destination(second, 0);
    decoder.emit(other);
  }
  both.d = decoder.destination(first, 0);
  decoder.emit(both);
}

} // namespace

void yupana::ptx::decodeMove(Decoder &decoder) {
  const std::string &base = decoder.parts()[0];
  Inst inst;
  // All of these are defined where their inputs are.
  inst.flows = true;
  if (base == "mov")
    return decodePlainMove(decoder);
  if (base == "setp")
    return decodeJoinedCompare(decoder);
  if (base == "lop3") {
    inst.action = logic3;
    inst.a = decoder.source(decoder.operand(1), 4), inst.b = decoder.source(decoder.operand(2), 4);
    inst.c = decoder.source(decoder.operand(3), 4);
    inst.immediate = decoder.immediate(decoder.operand(4));
    inst.d = decoder.destination(decoder.operand(0), 4);
  } else if (base == "isspacep") {
    inst.action = isInSpace;
    inst.kind = decoder.has("global") ? 0 : decoder.has("local") ? 2 : decoder.has("shared::cluster") ? 3 : 1;
    inst.a = decoder.source(decoder.operand(1), 8);
    inst.d = decoder.destination(decoder.operand(0), 0);
  } else if (base == "mapa") {
    decoder.requireClusters();
    int bytes = typeOf(decoder.parts().back()).bytes;
    inst.flows = false;
    inst.action = bytes == 8 ? mapAddress<uint64_t> : mapAddress<uint32_t>;
    inst.kind = !decoder.has("shared::cluster");
    inst.a = decoder.source(decoder.operand(1), bytes);
    inst.b = decoder.source(decoder.operand(2), 4);
    inst.d = decoder.destination(decoder.operand(0), bytes);
    if (bytes != 8 && (bytes != 4 || inst.kind))
      decoder.unsupported();
  } else { // cvta
    bool shared = decoder.has("shared") || decoder.has("shared::cta") || decoder.has("shared::cluster"),
         local = decoder.has("local");
    inst.action = addressInWindow;
    inst.immediate = static_cast<int64_t>(shared ? sharedWindow : localWindow);
    inst.kind = !decoder.has("to");
    // Generic addresses of global memory are the addresses themselves.
    if (!shared && !local)
      inst.action = findOperation("mov.b64")->action;
    inst.a = decoder.source(decoder.operand(1), 8);
    inst.d = decoder.destination(decoder.operand(0), 8);
  }
  decoder.emit(inst);
}
