// SPDX-License-Identifier: Apache-2.0
//
// cvt and setp: the products of types, made by templates, since PTX has an opcode for every pair of types and way to
// round. The host rounds to nearest even throughout, so the other ways are computed by functions. Conversions to
// integers clamp and take NaN to zero, as the manual states, where C++ leaves both undefined.

#include "tools/simdriver/Matrix.h"
#include "tools/simdriver/Operations.h"

#include <immintrin.h>
#include <limits>

using namespace yupana::ptx;

namespace {

/// A float rounded to an integer in one of four ways: 'n'earest even, towards 'z'ero, 'm'inus or 'p'lus infinity.
template <char Way, class F> F integral(F a) {
  if constexpr (Way == 'n')
    return std::nearbyint(a);
  else if constexpr (Way == 'z')
    return std::trunc(a);
  else if constexpr (Way == 'm')
    return std::floor(a);
  else
    return std::ceil(a);
}

/// Out of range gives the nearest end; NaN gives 0.
template <class I, class F> I clamped(F a) {
  if (a != a)
    return 0;
  // Both ends as F; the upper one rounds up to a power of two.
  if (a >= static_cast<F>(std::numeric_limits<I>::max()))
    return std::numeric_limits<I>::max();
  if (a <= static_cast<F>(std::numeric_limits<I>::min()))
    return std::numeric_limits<I>::min();
  return static_cast<I>(a);
}

/// The integer nearest in type D of an integer: `cvt.sat`.
template <class D, class S> D saturated(S a) {
  __int128 value = a, low = std::numeric_limits<D>::min(), high = std::numeric_limits<D>::max();
  return static_cast<D>(value < low ? low : value > high ? high : value);
}

template <class D> struct Named { const char *name; };

/// With and without .sat. Without it upper bits are lost, as in C++.
template <class D, class S> void addInteger(OperationTable &table, const std::string &d, const std::string &s) {
  // An 8-bit value lives in a 16-bit register, extended by the sign of its type.
  using Wide = std::conditional_t<sizeof(D) == 1, std::conditional_t<std::is_signed_v<D>, int16_t, uint16_t>, D>;
  // Sources of 8 bits lie in 16-bit registers whose upper bits do not count.
  using From = std::conditional_t<sizeof(S) == 1, uint16_t, S>;
  table["cvt." + d + "." + s] = YUPANA_UNARY(Wide, From, static_cast<D>(static_cast<S>(a)));
  table["cvt.sat." + d + "." + s] = YUPANA_UNARY(Wide, From, (saturated<D, S>(static_cast<S>(a))));
}

template <class D> void addIntegersTo(OperationTable &table, const std::string &d) {
  addInteger<D, int8_t>(table, d, "s8");
  addInteger<D, uint8_t>(table, d, "u8");
  addInteger<D, int16_t>(table, d, "s16");
  addInteger<D, uint16_t>(table, d, "u16");
  addInteger<D, int32_t>(table, d, "s32");
  addInteger<D, uint32_t>(table, d, "u32");
  addInteger<D, int64_t>(table, d, "s64");
  addInteger<D, uint64_t>(table, d, "u64");
}

/// Between integer and float, in both directions.
template <class I, class F> void addMixed(OperationTable &table, const std::string &i, const std::string &f) {
  table["cvt.rn." + f + "." + i] = YUPANA_UNARY(F, I, static_cast<F>(a));
  table["cvt.rni." + i + "." + f] = YUPANA_UNARY(I, F, (clamped<I, F>(integral<'n'>(a))));
  table["cvt.rzi." + i + "." + f] = YUPANA_UNARY(I, F, (clamped<I, F>(integral<'z'>(a))));
  table["cvt.rmi." + i + "." + f] = YUPANA_UNARY(I, F, (clamped<I, F>(integral<'m'>(a))));
  table["cvt.rpi." + i + "." + f] = YUPANA_UNARY(I, F, (clamped<I, F>(integral<'p'>(a))));
}

/// All integer types with one type of float, and rounding to whole numbers within it.
template <class F> void addRounding(OperationTable &table, const std::string &f) {
  addMixed<int16_t, F>(table, "s16", f);
  addMixed<uint16_t, F>(table, "u16", f);
  addMixed<int32_t, F>(table, "s32", f);
  addMixed<uint32_t, F>(table, "u32", f);
  addMixed<int64_t, F>(table, "s64", f);
  addMixed<uint64_t, F>(table, "u64", f);
  table["cvt.rni." + f + "." + f] = YUPANA_UNARY(F, F, integral<'n'>(a));
  table["cvt.rzi." + f + "." + f] = YUPANA_UNARY(F, F, integral<'z'>(a));
  table["cvt.rmi." + f + "." + f] = YUPANA_UNARY(F, F, integral<'m'>(a));
  table["cvt.rpi." + f + "." + f] = YUPANA_UNARY(F, F, integral<'p'>(a));
}

// By instructions of the host (F16C), which round to nearest even.
float fromHalf(uint16_t a) { return _cvtsh_ss(a); }
uint16_t toHalf(float a) { return _cvtss_sh(a, _MM_FROUND_TO_NEAREST_INT); }
/// Cuts off the lower half. NaN is made the canonical one, as in every conversion to bf16.
uint16_t toBf16TowardsZero(float a) {
  uint32_t bits;
  memcpy(&bits, &a, 4);
  return a != a ? uint16_t{0x7fff} : static_cast<uint16_t>(bits >> 16);
}
/// 19 bits of a float, to nearest with ties away from zero, as `cvt.rna.tf32.f32` has it.
uint32_t toTf32(float a) {
  uint32_t bits;
  memcpy(&bits, &a, 4);
  // 13 bits go; half of the last one that stays is added first. Infinity has no bits to round.
  return a != a || std::isinf(a) ? bits : (bits + 0x1000) & ~uint32_t{0x1fff};
}
/// .sat of floats: [0, 1]; NaN gives 0, since no comparison with it holds.
float saturatedUnit(float a) { return a > 1 ? 1 : a > 0 ? a : 0; }
uint32_t bitsOf(float a) {
  uint32_t bits;
  memcpy(&bits, &a, 4);
  return bits;
}

void addFloats(OperationTable &table) {
  using Half = uint16_t;
  table["cvt.f64.f32"] = YUPANA_UNARY(double, float, a);
  table["cvt.rn.f32.f64"] = YUPANA_UNARY(float, double, a);
  table["cvt.f32.bf16"] = YUPANA_UNARY(float, Half, fromBf16(a));
  table["cvt.rn.f32.bf16"] = YUPANA_UNARY(float, Half, fromBf16(a));
  table["cvt.rn.bf16.f32"] = YUPANA_UNARY(Half, float, toBf16(a));
  table["cvt.rz.bf16.f32"] = YUPANA_UNARY(Half, float, toBf16TowardsZero(a));
  // The first operand is the upper half.
  table["cvt.rn.bf16x2.f32"] = YUPANA_BINARY(uint32_t, float, float, uint32_t{toBf16(a)} << 16 | toBf16(b));
  table["cvt.rz.bf16x2.f32"] =
      YUPANA_BINARY(uint32_t, float, float, uint32_t{toBf16TowardsZero(a)} << 16 | toBf16TowardsZero(b));
  // NaN stays NaN with relu: it is not less than 0.
  table["cvt.rn.relu.bf16x2.f32"] =
      YUPANA_BINARY(uint32_t, float, float, uint32_t{toBf16(a < 0 ? 0.0f : a)} << 16 | toBf16(b < 0 ? 0.0f : b));
  table["cvt.f32.f16"] = YUPANA_UNARY(float, Half, fromHalf(a));
  table["cvt.rn.f16.f32"] = YUPANA_UNARY(Half, float, toHalf(a));
  table["cvt.rn.f16x2.f32"] = YUPANA_BINARY(uint32_t, float, float, uint32_t{toHalf(a)} << 16 | toHalf(b));
  table["cvt.rna.tf32.f32"] = YUPANA_UNARY(uint32_t, float, toTf32(a));
  table["cvt.sat.f32.f32"] = YUPANA_UNARY(float, float, saturatedUnit(a));
  table["cvt.ftz.f32.f32"] = YUPANA_UNARY(uint32_t, float, bitsOf(flushed(a)));
}

//===----------------------------------------------------------------------===//
// setp
//===----------------------------------------------------------------------===//

/// All lanes are compared, and setPredicate takes those that execute.
#define YUPANA_COMPARE(name, T, expression)                                                                            \
  table[std::string("setp.") + (name) + "." + type] = {[](Warp &warp, const Inst &inst, uint32_t lanes) {              \
                                                         const T *left = warp.at<T>(inst.a),                           \
                                                                 *right = warp.at<T>(inst.b);                          \
                                                         uint32_t result = 0;                                          \
                                                         for (int lane = 0; lane < 32; ++lane) {                       \
                                                           T a = left[lane], b = right[lane];                          \
                                                           result |= uint32_t{expression} << lane;                     \
                                                         }                                                             \
                                                         setPredicate(warp, inst.d, lanes, result);                    \
                                                       },                                                              \
                                                       0, sizeof(T), sizeof(T), -1}

/// lo, ls, hi and hs are the names of PTX for unsigned types.
template <class T> void addOrder(OperationTable &table, const std::string &type) {
  YUPANA_COMPARE("eq", T, a == b);
  YUPANA_COMPARE("ne", T, a != b);
  YUPANA_COMPARE("lt", T, a < b);
  YUPANA_COMPARE("le", T, a <= b);
  YUPANA_COMPARE("gt", T, a > b);
  YUPANA_COMPARE("ge", T, a >= b);
  YUPANA_COMPARE("lo", T, a < b);
  YUPANA_COMPARE("ls", T, a <= b);
  YUPANA_COMPARE("hi", T, a > b);
  YUPANA_COMPARE("hs", T, a >= b);
}

/// Of floats: comparisons that hold for NaN (equ, ltu ...), and those that ask for it.
template <class T> void addUnordered(OperationTable &table, const std::string &type) {
  YUPANA_COMPARE("ne", T, a < b || a > b); // ordered, unlike C
  YUPANA_COMPARE("equ", T, !(a < b || a > b));
  YUPANA_COMPARE("neu", T, !(a == b));
  YUPANA_COMPARE("ltu", T, !(a >= b));
  YUPANA_COMPARE("leu", T, !(a > b));
  YUPANA_COMPARE("gtu", T, !(a <= b));
  YUPANA_COMPARE("geu", T, !(a < b));
  YUPANA_COMPARE("num", T, a == a && b == b);
  YUPANA_COMPARE("nan", T, a != a || b != b);
}

} // namespace

void yupana::ptx::addConversions(OperationTable &table) {
  addIntegersTo<int8_t>(table, "s8");
  addIntegersTo<uint8_t>(table, "u8");
  addIntegersTo<int16_t>(table, "s16");
  addIntegersTo<uint16_t>(table, "u16");
  addIntegersTo<int32_t>(table, "s32");
  addIntegersTo<uint32_t>(table, "u32");
  addIntegersTo<int64_t>(table, "s64");
  addIntegersTo<uint64_t>(table, "u64");
  addRounding<float>(table, "f32");
  addRounding<double>(table, "f64");
  addFloats(table);
}

void yupana::ptx::addComparisons(OperationTable &table) {
  addOrder<int16_t>(table, "s16");
  addOrder<uint16_t>(table, "u16");
  addOrder<uint16_t>(table, "b16");
  addOrder<int32_t>(table, "s32");
  addOrder<uint32_t>(table, "u32");
  addOrder<uint32_t>(table, "b32");
  addOrder<int64_t>(table, "s64");
  addOrder<uint64_t>(table, "u64");
  addOrder<uint64_t>(table, "b64");
  addOrder<float>(table, "f32");
  addOrder<double>(table, "f64");
  addUnordered<float>(table, "f32");
  addUnordered<double>(table, "f64");
}

float yupana::ptx::fromHalfBits(uint16_t bits) { return fromHalf(bits); }

const Operation *yupana::ptx::findOperation(const std::string &opcode) {
  // Made at the first use; afterwards only read, by several threads.
  static const OperationTable table = [] {
    OperationTable result;
    addIntegerOperations(result);
    addFloatOperations(result);
    addConversions(result);
    addComparisons(result);
    return result;
  }();
  auto found = table.find(opcode);
  return found == table.end() ? nullptr : &found->second;
}
