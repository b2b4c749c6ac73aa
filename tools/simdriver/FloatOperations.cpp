// SPDX-License-Identifier: Apache-2.0
//
// Floating point. Operations that round correctly are the host's own, which rounds alike; this file is compiled without
// contraction, so that a product and a sum stay two roundings. What the manual bounds by an error (.approx) is computed
// to within the last bit by the C library; Readings.md says what follows from that.

#include "tools/simdriver/Operations.h"

using namespace yupana::ptx;

namespace {

/// The smaller number; a NaN only if both are; -0 is less than +0.
template <class T> T lesser(T a, T b) {
  if (a != a)
    return b;
  if (b != b)
    return a;
  return a < b || (a == b && std::signbit(a)) ? a : b;
}
/// The larger number, by the same rules.
template <class T> T greater(T a, T b) {
  if (a != a)
    return b;
  if (b != b)
    return a;
  return a > b || (a == b && std::signbit(b)) ? a : b;
}
/// min.NaN and max.NaN: a NaN if either is one.
template <class T> T lesserOrNan(T a, T b) { return a != a ? a : b != b ? b : lesser(a, b); }
template <class T> T greaterOrNan(T a, T b) { return a != a ? a : b != b ? b : greater(a, b); }

/// Operations that IEEE 754 rounds correctly, so that host and GPU agree in every bit.
template <class T> void addExact(OperationTable &table, const std::string &type) {
  // Without a rounding mode it is rn: only contraction, which this file rules out, may tell them apart.
  for (const char *rounding : {"", "rn."}) {
    table["add." + (rounding + type)] = YUPANA_BINARY(T, T, T, a + b);
    table["sub." + (rounding + type)] = YUPANA_BINARY(T, T, T, a - b);
    table["mul." + (rounding + type)] = YUPANA_BINARY(T, T, T, a * b);
  }
  table["fma.rn." + type] = YUPANA_TERNARY(T, T, T, T, std::fma(a, b, c));
  table["div.rn." + type] = YUPANA_BINARY(T, T, T, a / b);
  table["rcp.rn." + type] = YUPANA_UNARY(T, T, T{1} / a);
  table["sqrt.rn." + type] = YUPANA_UNARY(T, T, std::sqrt(a));
  table["min." + type] = YUPANA_BINARY(T, T, T, lesser<T>(a, b));
  table["max." + type] = YUPANA_BINARY(T, T, T, greater<T>(a, b));
  table["min.NaN." + type] = YUPANA_BINARY(T, T, T, lesserOrNan<T>(a, b));
  table["max.NaN." + type] = YUPANA_BINARY(T, T, T, greaterOrNan<T>(a, b));
  table["abs." + type] = YUPANA_UNARY(T, T, std::fabs(a));
  table["neg." + type] = YUPANA_UNARY(T, T, -a);
  // The sign comes from the first operand in PTX, from the second in C.
  table["copysign." + type] = YUPANA_BINARY(T, T, T, std::copysign(b, a));
}

/// The same with subnormal numbers taken and given as zeros.
void addFlushing(OperationTable &table) {
  using F = float;
  for (const char *rounding : {"ftz.f32", "rn.ftz.f32"}) {
    table[std::string("add.") + rounding] = YUPANA_BINARY(F, F, F, flushed(flushed(a) + flushed(b)));
    table[std::string("sub.") + rounding] = YUPANA_BINARY(F, F, F, flushed(flushed(a) - flushed(b)));
    table[std::string("mul.") + rounding] = YUPANA_BINARY(F, F, F, flushed(flushed(a) * flushed(b)));
  }
  table["fma.rn.ftz.f32"] = YUPANA_TERNARY(F, F, F, F, flushed(std::fma(flushed(a), flushed(b), flushed(c))));
  table["div.rn.ftz.f32"] = YUPANA_BINARY(F, F, F, flushed(flushed(a) / flushed(b)));
  table["min.ftz.f32"] = YUPANA_BINARY(F, F, F, lesser<F>(flushed(a), flushed(b)));
  table["max.ftz.f32"] = YUPANA_BINARY(F, F, F, greater<F>(flushed(a), flushed(b)));
  table["abs.ftz.f32"] = YUPANA_UNARY(F, F, std::fabs(flushed(a)));
  table["neg.ftz.f32"] = YUPANA_UNARY(F, F, -flushed(a));
}

/// An approximation, with and without flushing subnormal inputs and results.
#define YUPANA_APPROXIMATE(name, expression)                                                                           \
  table[name ".approx.f32"] = YUPANA_UNARY(float, float, expression);                                                  \
  table[name ".approx.ftz.f32"] = YUPANA_UNARY(float, float, ([](float a) { return flushed(expression); })(flushed(a)))

void addApproximations(OperationTable &table) {
  YUPANA_APPROXIMATE("ex2", std::exp2(a));
  YUPANA_APPROXIMATE("lg2", std::log2(a));
  YUPANA_APPROXIMATE("sin", std::sin(a));
  YUPANA_APPROXIMATE("cos", std::cos(a));
  YUPANA_APPROXIMATE("rcp", 1.0f / a);
  YUPANA_APPROXIMATE("sqrt", std::sqrt(a));
  YUPANA_APPROXIMATE("rsqrt", 1.0f / std::sqrt(a));
  // PTX defines tanh without a form that flushes.
  table["tanh.approx.f32"] = YUPANA_UNARY(float, float, std::tanh(a));
  table["div.approx.f32"] = YUPANA_BINARY(float, float, float, a / b);
  table["div.full.f32"] = YUPANA_BINARY(float, float, float, a / b);
  table["div.approx.ftz.f32"] = YUPANA_BINARY(float, float, float, flushed(flushed(a) / flushed(b)));
  table["div.full.ftz.f32"] = YUPANA_BINARY(float, float, float, flushed(flushed(a) / flushed(b)));
  table["ex2.approx.ftz.bf16"] = YUPANA_UNARY(uint16_t, uint16_t, toBf16(std::exp2(fromBf16(a))));
  table["rsqrt.approx.f64"] = YUPANA_UNARY(double, double, 1.0 / std::sqrt(a));
}

/// One bf16 operation by way of float. A product and a sum round twice in the fused one, which double avoids.
#define YUPANA_BF16_PAIR(name, expression)                                                                             \
  table[name ".bf16"] = YUPANA_TERNARY(uint16_t, uint16_t, uint16_t, uint16_t, ([](float a, float b, float c) {        \
                                         (void)b, (void)c;                                                             \
                                         return toBf16(expression);                                                    \
                                       })(fromBf16(a), fromBf16(b), fromBf16(c)));                                     \
  table[name ".bf16x2"] =                                                                                              \
      YUPANA_TERNARY(uint32_t, uint32_t, uint32_t, uint32_t, halves(a, b, c, [](float a, float b, float c) {           \
                       (void)b, (void)c;                                                                               \
                       return toBf16(expression);                                                                      \
                     }))

/// Applies f to both halves of three pairs.
template <class F> uint32_t halves(uint32_t a, uint32_t b, uint32_t c, F f) {
  auto low = [](uint32_t x) { return fromBf16(static_cast<uint16_t>(x)); };
  auto high = [](uint32_t x) { return fromBf16(static_cast<uint16_t>(x >> 16)); };
  return uint32_t{f(high(a), high(b), high(c))} << 16 | f(low(a), low(b), low(c));
}

/// The float nearest to a * b + c rounded to odd, so that rounding it again to bf16 gives the fused result.
float fusedToOdd(float a, float b, float c) {
  // The product of two bf16 is exact in double; the error of the sum is what the larger operand swallowed of the other
  // (Dekker 1971).
  double exact = static_cast<double>(a) * b, sum = exact + c;
  double error = std::fabs(exact) >= std::fabs(static_cast<double>(c)) ? c - (sum - exact) : exact - (sum - c);
  float near = static_cast<float>(sum);
  double left = sum - near + error;
  uint32_t bits;
  memcpy(&bits, &near, 4);
  // Exact, or odd already, which is what rounding to odd gives.
  if (left == 0 || (bits & 1) || near != near || std::isinf(near))
    return near;
  // Towards the side of the exact value, where the neighbour is odd.
  bits += (left > 0) == (near >= 0 && !std::signbit(near)) ? 1 : -1;
  memcpy(&near, &bits, 4);
  return near;
}

void addBf16(OperationTable &table) {
  YUPANA_BF16_PAIR("add", a + b);
  YUPANA_BF16_PAIR("sub", a - b);
  YUPANA_BF16_PAIR("mul", a * b);
  YUPANA_BF16_PAIR("add.rn", a + b);
  YUPANA_BF16_PAIR("sub.rn", a - b);
  YUPANA_BF16_PAIR("mul.rn", a * b);
  YUPANA_BF16_PAIR("fma.rn", fusedToOdd(a, b, c));
  YUPANA_BF16_PAIR("min", lesser(a, b));
  YUPANA_BF16_PAIR("max", greater(a, b));
  YUPANA_BF16_PAIR("min.NaN", lesserOrNan(a, b));
  YUPANA_BF16_PAIR("max.NaN", greaterOrNan(a, b));
  // These take two operands: none is the third.
  for (const char *name : {"add", "sub", "mul", "add.rn", "sub.rn", "mul.rn", "min", "max", "min.NaN", "max.NaN"}) {
    table[std::string(name) + ".bf16"].c = -1;
    table[std::string(name) + ".bf16x2"].c = -1;
  }
  table["neg.bf16"] = YUPANA_UNARY(uint16_t, uint16_t, a ^ 0x8000);
  table["abs.bf16"] = YUPANA_UNARY(uint16_t, uint16_t, a & 0x7fff);
  table["neg.bf16x2"] = YUPANA_UNARY(uint32_t, uint32_t, a ^ 0x80008000);
  table["abs.bf16x2"] = YUPANA_UNARY(uint32_t, uint32_t, a & 0x7fff7fff);
}

/// A predicate per lane from one operand. All lanes are computed, and setPredicate takes those that execute.
#define YUPANA_TEST(name, T, expression)                                                                               \
  table[name] = {[](Warp &warp, const Inst &inst, uint32_t lanes) {                                                    \
                   const T *values = warp.at<T>(inst.a);                                                               \
                   uint32_t result = 0;                                                                                \
                   for (int lane = 0; lane < 32; ++lane) {                                                             \
                     T a = values[lane];                                                                               \
                     result |= uint32_t{expression} << lane;                                                           \
                   }                                                                                                   \
                   setPredicate(warp, inst.d, lanes, result);                                                          \
                 },                                                                                                    \
                 0, sizeof(T), -1, -1}

template <class T> void addTests(OperationTable &table, const std::string &type) {
  YUPANA_TEST("testp.finite." + type, T, std::isfinite(a));
  YUPANA_TEST("testp.infinite." + type, T, std::isinf(a));
  YUPANA_TEST("testp.number." + type, T, a == a);
  YUPANA_TEST("testp.notanumber." + type, T, a != a);
  YUPANA_TEST("testp.normal." + type, T, std::isnormal(a));
  YUPANA_TEST("testp.subnormal." + type, T, std::fpclassify(a) == FP_SUBNORMAL);
}

} // namespace

void yupana::ptx::addFloatOperations(OperationTable &table) {
  addExact<float>(table, "f32");
  addExact<double>(table, "f64");
  addFlushing(table);
  addApproximations(table);
  addBf16(table);
  addTests<float>(table, "f32");
  addTests<double>(table, "f64");
}
