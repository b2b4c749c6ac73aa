// SPDX-License-Identifier: Apache-2.0
//
// Integers, bits and predicates. Sums and products are computed unsigned, where wrapping is defined; shifts beyond the
// width clamp, as PTX has it, where C++ leaves them undefined. Predicates are masks of 32 lanes, and an undefined
// operand does not make a result undefined that the other operand decides alone.

#include "tools/simdriver/Operations.h"

using namespace yupana::ptx;

namespace {

/// The upper half of a product, computed in twice the width.
template <class T> T highOf(T a, T b) {
  if constexpr (sizeof(T) == 8) {
    using Wide = std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>;
    return static_cast<T>((static_cast<Wide>(a) * static_cast<Wide>(b)) >> 64);
  } else {
    using Wide = std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>;
    return static_cast<T>((static_cast<Wide>(a) * static_cast<Wide>(b)) >> 8 * sizeof(T));
  }
}

/// Division by zero and its overflow have unspecified results; these are what hardware has been seen to give.
template <class T> T quotient(T a, T b) {
  // All bits set, which for signed types is -1.
  if (b == 0)
    return static_cast<T>(~T{0});
  // The least number by -1 does not fit and would trap on the host.
  if (std::is_signed_v<T> && b == static_cast<T>(-1))
    return static_cast<T>(0 - static_cast<std::make_unsigned_t<T>>(a));
  return static_cast<T>(a / b);
}
template <class T> T remainder(T a, T b) {
  if (b == 0)
    return a;
  if (std::is_signed_v<T> && b == static_cast<T>(-1))
    return 0;
  return static_cast<T>(a % b);
}

/// What both signs share: sums, products, extremes, quotients of type T; `type` is s32 and the like.
template <class T> void addArithmetic(OperationTable &table, const std::string &type) {
  // Wide enough that no operand is promoted to a signed int.
  using U = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
  table["add." + type] = YUPANA_BINARY(T, T, T, U(a) + U(b));
  table["sub." + type] = YUPANA_BINARY(T, T, T, U(a) - U(b));
  table["mul.lo." + type] = YUPANA_BINARY(T, T, T, U(a) * U(b));
  table["mul.hi." + type] = YUPANA_BINARY(T, T, T, highOf<T>(a, b));
  table["mad.lo." + type] = YUPANA_TERNARY(T, T, T, T, U(a) * U(b) + U(c));
  table["mad.hi." + type] = YUPANA_TERNARY(T, T, T, T, U(highOf<T>(a, b)) + U(c));
  table["div." + type] = YUPANA_BINARY(T, T, T, quotient<T>(a, b));
  table["rem." + type] = YUPANA_BINARY(T, T, T, remainder<T>(a, b));
  table["min." + type] = YUPANA_BINARY(T, T, T, a < b ? a : b);
  table["max." + type] = YUPANA_BINARY(T, T, T, a > b ? a : b);
  // Unsigned, so that abs of the least number wraps to itself.
  table["abs." + type] = YUPANA_UNARY(T, T, a < 0 ? 0 - U(a) : U(a));
  table["neg." + type] = YUPANA_UNARY(T, T, 0 - U(a));
  constexpr uint32_t bits = 8 * sizeof(T);
  // Shifting by the width or more is undefined in C++; in PTX the sign fills all bits.
  table["shr." + type] = YUPANA_BINARY(T, T, uint32_t,
                                       b < bits                       ? T(a >> b)
                                       : std::is_signed_v<T> && a < 0 ? T(~T{0})
                                                                      : T{0});
}

/// Products of twice the width cannot overflow; mad.wide may, and wraps.
template <class T, class Wide> void addWide(OperationTable &table, const std::string &type) {
  using U = std::make_unsigned_t<Wide>;
  table["mul.wide." + type] = YUPANA_BINARY(Wide, T, T, U(Wide(a)) * U(Wide(b)));
  table["mad.wide." + type] = YUPANA_TERNARY(Wide, T, T, Wide, U(Wide(a)) * U(Wide(b)) + U(c));
}

/// Of types without a sign; the names of PTX, bN, say so.
template <class T> void addBits(OperationTable &table, const std::string &type) {
  constexpr uint32_t bits = 8 * sizeof(T);
  table["and." + type] = YUPANA_BINARY(T, T, T, a & b);
  table["or." + type] = YUPANA_BINARY(T, T, T, a | b);
  table["xor." + type] = YUPANA_BINARY(T, T, T, a ^ b);
  table["not." + type] = YUPANA_UNARY(T, T, ~a);
  table["cnot." + type] = YUPANA_UNARY(T, T, a == 0);
  // In 64 bits: a 16-bit value would be promoted to a signed int.
  table["shl." + type] = YUPANA_BINARY(T, T, uint32_t, b < bits ? T(uint64_t(a) << b) : T{0});
  table["shr." + type] = YUPANA_BINARY(T, T, uint32_t, b < bits ? T(a >> b) : T{0});
}

/// Copies and selections, for each name of a type of this size.
template <class T> void addMoves(OperationTable &table, std::initializer_list<const char *> types) {
  for (const char *type : types) {
    table[std::string("mov.") + type] = YUPANA_UNARY(T, T, a);
    Operation select{[](Warp &warp, const Inst &inst, uint32_t lanes) {
                       T *d = warp.at<T>(inst.d);
                       const T *a = warp.at<T>(inst.a), *b = warp.at<T>(inst.b);
                       uint32_t mask = *warp.at<uint32_t>(inst.c);
                       // Only the operand that is chosen counts, and the predicate.
                       uint32_t undefined = (mask & warp.undefinedAt(inst.a)) | (~mask & warp.undefinedAt(inst.b)) |
                                            warp.undefinedAt(inst.c);
                       warp.undefinedAt(inst.d) = (warp.undefinedAt(inst.d) & ~lanes) | (undefined & lanes);
                       forLanes(lanes, [=](int lane) { d[lane] = mask >> lane & 1 ? a[lane] : b[lane]; });
                     },
                     sizeof(T),
                     sizeof(T),
                     sizeof(T),
                     0,
                     false};
    table[std::string("selp.") + type] = select;
  }
}

uint32_t reversed(uint32_t a) {
  uint32_t result = 0;
  for (int bit = 0; bit < 32; ++bit)
    result |= (a >> bit & 1) << (31 - bit);
  return result;
}

/// Four bytes out of eight, chosen by the nibbles of c; the top bit of a nibble spreads the sign.
uint32_t permuted(uint32_t a, uint32_t b, uint32_t c) {
  uint64_t bytes = uint64_t{b} << 32 | a;
  uint32_t result = 0;
  for (int byte = 0; byte < 4; ++byte) {
    uint32_t selector = c >> 4 * byte & 15;
    uint32_t value = static_cast<uint32_t>(bytes >> 8 * (selector & 7)) & 255;
    if (selector & 8)
      value = value & 128 ? 255 : 0;
    result |= value << 8 * byte;
  }
  return result;
}

/// bfe: `length` bits from `position` on, filled up with the field's sign, which for a field beyond the value is its
/// top bit.
template <class T> T extracted(T a, uint32_t b, uint32_t c) {
  using U = std::make_unsigned_t<T>;
  constexpr uint32_t bits = 8 * sizeof(T);
  uint32_t position = b & 255, length = c & 255;
  bool fill = std::is_signed_v<T> && length && (U(a) >> std::min(position + length - 1, bits - 1) & 1);
  U mask = length >= bits ? ~U{0} : static_cast<U>((U{1} << length) - 1);
  U field = position < bits ? static_cast<U>(U(a) >> position) : U{0};
  // Bits of the field that lie within the value; those beyond it take the sign.
  U known =
      position < bits ? (bits - position >= bits ? ~U{0} : static_cast<U>((U{1} << (bits - position)) - 1)) : U{0};
  field = (field & mask & known) | (fill ? static_cast<U>(~(mask & known)) : U{0});
  return static_cast<T>(field);
}

void addWords(OperationTable &table) {
  table["popc.b32"] = YUPANA_UNARY(uint32_t, uint32_t, __builtin_popcount(a));
  table["popc.b64"] = YUPANA_UNARY(uint32_t, uint64_t, __builtin_popcountll(a));
  table["clz.b32"] = YUPANA_UNARY(uint32_t, uint32_t, a ? __builtin_clz(a) : 32);
  table["clz.b64"] = YUPANA_UNARY(uint32_t, uint64_t, a ? __builtin_clzll(a) : 64);
  // PTX gives 0xffffffff where no bit is set.
  table["bfind.u32"] = YUPANA_UNARY(uint32_t, uint32_t, a ? 31 - __builtin_clz(a) : -1);
  table["brev.b32"] = YUPANA_UNARY(uint32_t, uint32_t, reversed(a));
  table["brev.b64"] =
      YUPANA_UNARY(uint64_t, uint64_t, uint64_t{reversed(uint32_t(a))} << 32 | reversed(uint32_t(a >> 32)));
  table["prmt.b32"] = YUPANA_TERNARY(uint32_t, uint32_t, uint32_t, uint32_t, permuted(a, b, c));
  table["bfe.u32"] = YUPANA_TERNARY(uint32_t, uint32_t, uint32_t, uint32_t, extracted<uint32_t>(a, b, c));
  table["bfe.s32"] = YUPANA_TERNARY(int32_t, int32_t, uint32_t, uint32_t, extracted<int32_t>(a, b, c));
  table["bfe.u64"] = YUPANA_TERNARY(uint64_t, uint64_t, uint32_t, uint32_t, extracted<uint64_t>(a, b, c));
  table["bfe.s64"] = YUPANA_TERNARY(int64_t, int64_t, uint32_t, uint32_t, extracted<int64_t>(a, b, c));
  table["shf.l.wrap.b32"] =
      YUPANA_TERNARY(uint32_t, uint32_t, uint32_t, uint32_t, ((uint64_t{b} << 32 | a) << (c & 31)) >> 32);
  table["shf.r.wrap.b32"] = YUPANA_TERNARY(uint32_t, uint32_t, uint32_t, uint32_t, (uint64_t{b} << 32 | a) >> (c & 31));
  table["shf.l.clamp.b32"] =
      YUPANA_TERNARY(uint32_t, uint32_t, uint32_t, uint32_t, ((uint64_t{b} << 32 | a) << std::min(c, 32u)) >> 32);
  table["shf.r.clamp.b32"] =
      YUPANA_TERNARY(uint32_t, uint32_t, uint32_t, uint32_t, (uint64_t{b} << 32 | a) >> std::min(c, 32u));
  table["bmsk.clamp.b32"] = YUPANA_BINARY(uint32_t, uint32_t, uint32_t,
                                          a > 31 ? 0 : ((b > 31 ? uint64_t{1} << 32 : uint64_t{1} << b) - 1) << a);
  table["mul24.lo.u32"] = YUPANA_BINARY(uint32_t, uint32_t, uint32_t, (a & 0xffffff) * (b & 0xffffff));
  // Of s32 alone, from sm_90 on.
  table["min.relu.s32"] = YUPANA_BINARY(int32_t, int32_t, int32_t, std::max(0, a < b ? a : b));
  table["max.relu.s32"] = YUPANA_BINARY(int32_t, int32_t, int32_t, std::max(0, a > b ? a : b));
  table["sad.u32"] = YUPANA_TERNARY(uint32_t, uint32_t, uint32_t, uint32_t, c + (a < b ? b - a : a - b));
}

/// A predicate from two masks of lanes. `decidedByA`, `decidedByB`: lanes where one operand alone makes the result,
/// whatever the other is.
#define YUPANA_PREDICATE(expression, decidedByA, decidedByB)                                                           \
  [](Warp &warp, const Inst &inst, uint32_t lanes) {                                                                   \
    uint32_t a = *warp.at<uint32_t>(inst.a), b = *warp.at<uint32_t>(inst.b);                                           \
    uint32_t undefinedA = warp.undefinedAt(inst.a), undefinedB = warp.undefinedAt(inst.b);                             \
    uint32_t decided = (~undefinedA & (decidedByA)) | (~undefinedB & (decidedByB));                                    \
    uint32_t undefined = (undefinedA | undefinedB) & ~decided;                                                         \
    warp.undefinedAt(inst.d) = (warp.undefinedAt(inst.d) & ~lanes) | (undefined & lanes);                              \
    setPredicate(warp, inst.d, lanes, expression);                                                                     \
  }

void addPredicates(OperationTable &table) {
  // `0 & b` uses the second operand, which would be warned about otherwise.
  table["mov.pred"] = {YUPANA_PREDICATE(a, 0 & b, 0), 0, 0, -1, -1, false};
  table["not.pred"] = {YUPANA_PREDICATE(~a, 0 & b, 0), 0, 0, -1, -1, false};
  table["and.pred"] = {YUPANA_PREDICATE(a & b, ~a, ~b), 0, 0, 0, -1, false};
  table["or.pred"] = {YUPANA_PREDICATE(a | b, a, b), 0, 0, 0, -1, false};
  table["xor.pred"] = {YUPANA_PREDICATE(a ^ b, 0, 0), 0, 0, 0, -1, false};
}

} // namespace

void yupana::ptx::addIntegerOperations(OperationTable &table) {
  addArithmetic<int16_t>(table, "s16");
  addArithmetic<uint16_t>(table, "u16");
  addArithmetic<int32_t>(table, "s32");
  addArithmetic<uint32_t>(table, "u32");
  addArithmetic<int64_t>(table, "s64");
  addArithmetic<uint64_t>(table, "u64");
  addWide<int16_t, int32_t>(table, "s16");
  addWide<uint16_t, uint32_t>(table, "u16");
  addWide<int32_t, int64_t>(table, "s32");
  addWide<uint32_t, uint64_t>(table, "u32");
  addBits<uint16_t>(table, "b16");
  addBits<uint32_t>(table, "b32");
  addBits<uint64_t>(table, "b64");
  addMoves<uint16_t>(table, {"b16", "u16", "s16", "f16", "bf16"});
  addMoves<uint32_t>(table, {"b32", "u32", "s32", "f32"});
  addMoves<uint64_t>(table, {"b64", "u64", "s64", "f64"});
  addWords(table);
  addPredicates(table);
}
