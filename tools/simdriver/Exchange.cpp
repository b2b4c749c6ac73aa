// SPDX-License-Identifier: Apache-2.0
//
// What lanes of one warp tell each other. The lanes that an instruction names must all execute it, and a lane that
// executes it must be named: hardware since Volta waits for the lanes of the mask, and what a lane outside of it reads
// is undefined. A value that depends on several lanes is undefined if any of them is.

#include "tools/simdriver/Decoder.h"

#include <cstring>
#include <fmt/format.h>

using namespace yupana;
using namespace yupana::ptx;

namespace {

enum class Shuffle : uint16_t { Butterfly, Up, Down, Index };
enum class Vote : uint16_t { Ballot, All, Any, Uniform };
enum class Reduction : uint16_t { Add, Min, Max, And, Or, Xor };

/// Ends the launch unless the lanes that the mask names are those that execute. Lanes of the mask that have ended are
/// not waited for.
void requireMembers(Warp &warp, uint32_t members, uint32_t lanes) {
  uint32_t missing = members & warp.live & ~lanes;
  if (missing)
    fail(warp, Fault::Misuse,
         fmt::format("the mask {:#x} names lane {}, which does not execute this", members, __builtin_ctz(missing)));
  if (lanes & ~members)
    fail(warp, Fault::Misuse,
         fmt::format("lane {} executes this, but the mask {:#x} does not name it", __builtin_ctz(lanes & ~members),
                     members));
}

/// The lane a shuffle reads, and whether it lies within the segment: the pseudocode of shfl.sync in the PTX manual,
/// with c = segment mask << 8 | clamp. Out of range a lane keeps its own value.
int sourceOf(Shuffle kind, int lane, uint32_t b, uint32_t c, bool &inRange) {
  int segment = static_cast<int>(c >> 8 & 31), distance = static_cast<int>(b & 31);
  // The limit above for Butterfly, Down and Index, the one below for Up, whose clamp compilers set to 0.
  int most = (lane & segment) | (static_cast<int>(c & 31) & ~segment);
  int least = lane & segment, from = lane;
  switch (kind) {
  case Shuffle::Butterfly:
    from = lane ^ distance, inRange = from <= most;
    break;
  case Shuffle::Up:
    from = lane - distance, inRange = from >= most;
    break;
  case Shuffle::Down:
    from = lane + distance, inRange = from <= most;
    break;
  case Shuffle::Index:
    from = least | (distance & ~segment), inRange = from <= most;
    break;
  }
  return inRange ? from : lane;
}

void shuffle(Warp &warp, const Inst &inst, uint32_t lanes) {
  const uint32_t *more = operandsOf(warp, inst); // the mask, the predicate
  // All lanes pass the same mask; the first one's counts.
  requireMembers(warp, warp.at<uint32_t>(more[0])[__builtin_ctz(lanes)], lanes);
  // Copies, since the destination may be one of these registers.
  uint32_t values[32], distances[32], clamps[32];
  memcpy(values, warp.at<uint32_t>(inst.a), sizeof values);
  memcpy(distances, warp.at<uint32_t>(inst.b), sizeof distances);
  memcpy(clamps, warp.at<uint32_t>(inst.c), sizeof clamps);
  uint32_t *d = warp.at<uint32_t>(inst.d);
  uint32_t undefined = warp.undefinedAt(inst.a), result = 0, valid = 0;
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    bool inRange = false;
    int from = sourceOf(static_cast<Shuffle>(inst.kind), lane, distances[lane], clamps[lane], inRange);
    // PTX leaves a value from an inactive lane undefined, and no program wants it.
    if (!(lanes >> from & 1))
      fail(warp, Fault::Misuse, fmt::format("lane {} reads lane {}, which does not execute this", lane, from));
    d[lane] = values[from];
    // Definedness goes with the value.
    result |= (undefined >> from & 1) << lane;
    valid |= (inRange ? 1u : 0u) << lane;
  }
  warp.undefinedAt(inst.d) = (warp.undefinedAt(inst.d) & ~lanes) | result;
  // The predicate depends on lane numbers alone.
  setPredicate(warp, more[1], lanes, valid);
  warp.undefinedAt(more[1]) &= ~lanes;
}

void vote(Warp &warp, const Inst &inst, uint32_t lanes) {
  requireMembers(warp, warp.at<uint32_t>(inst.b)[__builtin_ctz(lanes)], lanes);
  // Predicates are masks of lanes, so a vote is an operation on the mask.
  uint32_t value = *warp.at<uint32_t>(inst.a) & lanes;
  // One undefined vote spoils the result of every lane.
  uint32_t undefined = warp.undefinedAt(inst.a) & lanes ? lanes : 0;
  switch (static_cast<Vote>(inst.kind)) {
  case Vote::Ballot:
    forLanes(lanes, [d = warp.at<uint32_t>(inst.d), value](int lane) { d[lane] = value; });
    break;
  case Vote::All:
    setPredicate(warp, inst.d, lanes, value == lanes ? ~0u : 0);
    break;
  case Vote::Any:
    setPredicate(warp, inst.d, lanes, value ? ~0u : 0);
    break;
  case Vote::Uniform:
    setPredicate(warp, inst.d, lanes, value == lanes || value == 0 ? ~0u : 0);
    break;
  }
  warp.undefinedAt(inst.d) = (warp.undefinedAt(inst.d) & ~lanes) | undefined;
}

/// match.any: the lanes with the own value. match.all: all lanes if all agree, else none, and a predicate.
template <class T> void match(Warp &warp, const Inst &inst, uint32_t lanes) {
  requireMembers(warp, warp.at<uint32_t>(inst.b)[__builtin_ctz(lanes)], lanes);
  const T *values = warp.at<T>(inst.a);
  uint32_t result[32] = {};
  bool allSame = true;
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    for (uint32_t others = lanes; others; others &= others - 1) {
      int other = __builtin_ctz(others);
      result[lane] |= (values[other] == values[lane] ? 1u : 0u) << other;
    }
    allSame = allSame && result[lane] == lanes;
  }
  uint32_t undefined = warp.undefinedAt(inst.a) & lanes ? lanes : 0;
  uint32_t *d = warp.at<uint32_t>(inst.d);
  for (uint32_t rest = lanes; rest; rest &= rest - 1)
    d[__builtin_ctz(rest)] = inst.kind ? (allSame ? lanes : 0) : result[__builtin_ctz(rest)];
  if (inst.kind) {
    uint32_t predicate = operandsOf(warp, inst)[0];
    setPredicate(warp, predicate, lanes, allSame ? ~0u : 0);
    warp.undefinedAt(predicate) = (warp.undefinedAt(predicate) & ~lanes) | undefined;
  }
  warp.undefinedAt(inst.d) = (warp.undefinedAt(inst.d) & ~lanes) | undefined;
}

template <class T> T reduced(Reduction kind, T a, T b) {
  switch (kind) {
  case Reduction::Add:
    // Unsigned, since sums of signed integers wrap around in PTX.
    return static_cast<T>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
  case Reduction::Min:
    return std::min(a, b);
  case Reduction::Max:
    return std::max(a, b);
  case Reduction::And:
    return a & b;
  case Reduction::Or:
    return a | b;
  case Reduction::Xor:
    return a ^ b;
  }
  return a;
}

/// From the lowest lane on; no order shows, since integers are exact.
template <class T> void reduce(Warp &warp, const Inst &inst, uint32_t lanes) {
  requireMembers(warp, warp.at<uint32_t>(inst.b)[__builtin_ctz(lanes)], lanes);
  const T *values = warp.at<T>(inst.a);
  T total = values[__builtin_ctz(lanes)];
  for (uint32_t rest = lanes & (lanes - 1); rest; rest &= rest - 1)
    total = reduced<T>(static_cast<Reduction>(inst.kind), total, values[__builtin_ctz(rest)]);
  forLanes(lanes, [d = warp.at<T>(inst.d), total](int lane) { d[lane] = total; });
  uint32_t undefined = warp.undefinedAt(inst.a) & lanes ? lanes : 0;
  warp.undefinedAt(inst.d) = (warp.undefinedAt(inst.d) & ~lanes) | undefined;
}

/// The lanes that run this path. Hardware promises no more: other lanes may or may not have joined.
void activeMask(Warp &warp, const Inst &inst, uint32_t lanes) {
  forLanes(lanes, [d = warp.at<uint32_t>(inst.d), lanes](int lane) { d[lane] = lanes; });
  warp.undefinedAt(inst.d) &= ~lanes;
}

/// The lowest lane of the mask is elected.
void elect(Warp &warp, const Inst &inst, uint32_t lanes) {
  uint32_t members = warp.at<uint32_t>(inst.a)[__builtin_ctz(lanes)];
  requireMembers(warp, members, lanes);
  // Which lane it is hardware may choose; every choice must work, so that the lowest is as good as any.
  uint32_t leader = static_cast<uint32_t>(__builtin_ctz(lanes));
  setPredicate(warp, inst.b, lanes, 1u << leader);
  warp.undefinedAt(inst.b) &= ~lanes;
  forLanes(lanes, [d = warp.at<uint32_t>(inst.d), leader](int lane) { d[lane] = leader; });
  warp.undefinedAt(inst.d) &= ~lanes;
}

/// A destination `d|p`: the second register, or one that nobody reads.
uint32_t secondOf(Decoder &decoder) {
  OperandText second = decoder.operand(0);
  // Without a second register the predicate goes where nobody looks: a register of its own, so that no other is
  // changed.
  if (second.kind != OperandText::Register || second.second < 0)
    return decoder.allocate(4);
  second.reg = second.second;
  return decoder.destination(second, 0);
}

/// vote.sync.mode d, {!}a, mask: a ballot gives a mask, the other modes a predicate.
void decodeVote(Decoder &decoder, Inst inst) {
  inst.action = vote;
  bool ballot = decoder.has("ballot");
  inst.kind = static_cast<uint16_t>(ballot               ? Vote::Ballot
                                    : decoder.has("all") ? Vote::All
                                    : decoder.has("any") ? Vote::Any
                                                         : Vote::Uniform);
  inst.a = decoder.source(decoder.operand(1), 0);
  inst.b = decoder.source(decoder.operand(2), 4);
  inst.d = decoder.destination(decoder.operand(0), ballot ? 4 : 0);
  decoder.emit(inst);
}

} // namespace

void yupana::ptx::decodeExchange(Decoder &decoder) {
  const std::string &base = decoder.parts()[0];
  Inst inst;
  if (base == "vote")
    return decodeVote(decoder, inst);
  if (base == "shfl") {
    inst.action = shuffle;
    inst.kind = static_cast<uint16_t>(decoder.has("bfly")   ? Shuffle::Butterfly
                                      : decoder.has("up")   ? Shuffle::Up
                                      : decoder.has("down") ? Shuffle::Down
                                                            : Shuffle::Index);
    inst.a = decoder.source(decoder.operand(1), 4), inst.b = decoder.source(decoder.operand(2), 4);
    inst.c = decoder.source(decoder.operand(3), 4);
    decoder.list(inst, {decoder.source(decoder.operand(4), 4), secondOf(decoder)});
    inst.d = decoder.destination(decoder.operand(0), 4);
  } else if (base == "match") {
    int bytes = typeOf(decoder.parts().back()).bytes;
    inst.kind = decoder.has("all");
    inst.action = bytes == 8 ? match<uint64_t> : match<uint32_t>;
    inst.a = decoder.source(decoder.operand(1), bytes), inst.b = decoder.source(decoder.operand(2), 4);
    decoder.list(inst, {secondOf(decoder)});
    inst.d = decoder.destination(decoder.operand(0), 4);
  } else if (base == "redux") {
    static const std::pair<const char *, Reduction> names[] = {{"add", Reduction::Add}, {"min", Reduction::Min},
                                                               {"max", Reduction::Max}, {"and", Reduction::And},
                                                               {"or", Reduction::Or},   {"xor", Reduction::Xor}};
    for (auto &[name, kind] : names)
      if (decoder.has(name))
        inst.kind = static_cast<uint16_t>(kind);
    // Only sm_100 and later have it.
    if (decoder.has("f32"))
      decoder.unsupported("redux of f32 is not built");
    inst.action = decoder.has("s32") ? reduce<int32_t> : reduce<uint32_t>;
    inst.a = decoder.source(decoder.operand(1), 4), inst.b = decoder.source(decoder.operand(2), 4);
    inst.d = decoder.destination(decoder.operand(0), 4);
  } else if (base == "activemask") {
    inst.action = activeMask;
    inst.d = decoder.destination(decoder.operand(0), 4);
  } else { // elect.sync d|p, mask
    inst.action = elect;
    inst.a = decoder.source(decoder.operand(1), 4);
    inst.b = secondOf(decoder);
    inst.d = decoder.destination(decoder.operand(0), 4);
  }
  decoder.emit(inst);
}
