// SPDX-License-Identifier: Apache-2.0
//
// Values that a rounded double would spoil are carried as the unevaluated sum of two doubles, after T. J. Dekker, "A
// floating-point technique for extending the available precision", 1971. Functions of our own because those of libm
// differ between machines in the last bit, and a plan's bytes must not depend on where it was compiled; the project is
// built with -ffp-contract=off, on which the error terms below rely.

#include "compiler/Export/Elementary.h"

#include <cmath>

using namespace yupana;

namespace {

/// high + low, with |low| at most half an ulp of high: about 106 bits.
struct Pair {
  double high;
  double low = 0;
};

/// The exact sum of a and b, |a| >= |b| or a == 0 (Dekker's fast two-sum).
Pair quickSum(double a, double b) {
  double sum = a + b;
  return {sum, b - (sum - a)};
}

/// The exact sum of a and b, whichever is larger (Knuth's two-sum).
Pair exactSum(double a, double b) {
  double sum = a + b;
  double partB = sum - a;
  return {sum, (a - (sum - partB)) + (b - partB)};
}

/// The upper 26 bits of a; |a| < 2^996.
double upperHalf(double a) {
  double spread = a * 134217729.0; // 2^27 + 1
  return spread - (spread - a);
}

/// The exact product of a and b.
Pair exactProduct(double a, double b) {
  double product = a * b;
  double aHigh = upperHalf(a), aLow = a - aHigh;
  double bHigh = upperHalf(b), bLow = b - bHigh;
  return {product, ((aHigh * bHigh - product) + aHigh * bLow + aLow * bHigh) + aLow * bLow};
}

Pair operator+(Pair a, Pair b) {
  Pair high = exactSum(a.high, b.high);
  Pair low = exactSum(a.low, b.low);
  Pair sum = quickSum(high.high, high.low + low.high);
  return quickSum(sum.high, sum.low + low.low);
}

Pair operator-(Pair a) { return {-a.high, -a.low}; }

Pair operator*(Pair a, Pair b) {
  Pair product = exactProduct(a.high, b.high);
  return quickSum(product.high, product.low + (a.high * b.low + a.low * b.high));
}

/// Off by some ulps of the 106 bits, which is far below half an ulp of a double.
Pair operator/(Pair a, Pair b) {
  // Two quotient digits, each a rounded double, and the remainder's rounded quotient.
  double first = a.high / b.high;
  Pair remainder = a + -(b * Pair{first});
  double second = remainder.high / b.high;
  remainder = remainder + -(b * Pair{second});
  return quickSum(first, second) + Pair{remainder.high / b.high};
}

/// To 106 bits, of which the first 53 are M_LN2.
constexpr Pair ln2 = {0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56};
// pi / 2 as the sum of three doubles.
constexpr double halfPi[3] = {0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54, -0x1.f1976b7ed8fbcp-110};
constexpr double twoOverPi = 0x1.45f306dc9c883p-1;

/// 2 (s + s^3/3 + s^5/5 + ..) with s = (m - 1) / (m + 1): |s| <= 0.172, so 16 terms leave 1e-25.
Pair logOf(double x) {
  int exponent;
  double mantissa = std::frexp(x, &exponent);
  if (mantissa < 0x1.6a09e667f3bcdp-1) { // the square root of 1/2: both sides of 1 are used
    mantissa *= 2;
    --exponent;
  }
  Pair s = exactSum(mantissa, -1) / exactSum(mantissa, 1);
  Pair square = s * s;
  Pair sum = {0};
  for (int term = 15; term >= 0; --term)
    sum = sum * square + Pair{1} / Pair{2.0 * term + 1};
  return Pair{2} * s * sum + Pair{static_cast<double>(exponent)} * ln2;
}

/// The series of e^r with r = x - n ln 2: |r| <= 0.35, so 20 terms leave 1e-27. Callers keep the result
/// in the range of doubles.
double expOf(Pair x) {
  double n = std::nearbyint(x.high / ln2.high);
  Pair r = x + -(Pair{n} * ln2);
  Pair sum = {1};
  for (int term = 20; term >= 1; --term)
    sum = Pair{1} + sum * r / Pair{static_cast<double>(term)};
  return std::ldexp(sum.high, static_cast<int>(n));
}

/// 1/first! - z/(first+2)! + .., nine terms; z = x², |x| <= 0.79.
double alternatingSeries(int first, double z) {
  double sum = 1;
  for (int n = first + 16; n > first; n -= 2)
    sum = 1 - z / (static_cast<double>(n) * (n - 1)) * sum;
  return sum;
}

} // namespace

double elementary::log(double x) { return logOf(x).high; }

double elementary::exp(double x) { return expOf({x}); }

double elementary::pow(double base, double exponent) { return expOf(logOf(base) * Pair{exponent}); }

elementary::SinCos elementary::sinCosOfProduct(double a, double b) {
  // Three parts, so that what is left near a multiple of pi / 2, where the rest cancels, still has all its digits.
  Pair angle = exactProduct(a, b);
  double quarters = std::nearbyint(angle.high * twoOverPi);
  Pair r = angle;
  for (double part : halfPi)
    r = r + -exactProduct(quarters, part);

  double z = r.high * r.high;
  double sinHigh = r.high * alternatingSeries(1, z);
  double cosHigh = alternatingSeries(0, z);
  double sin = sinHigh + r.low * cosHigh;
  double cos = cosHigh - r.low * sinHigh;
  // quarters is a whole number below 2^51, so the last two bits of it survive the conversion.
  switch (static_cast<long long>(quarters) & 3) {
  case 0:
    return {sin, cos};
  case 1:
    return {cos, -sin};
  case 2:
    return {-sin, -cos};
  default:
    return {-cos, sin};
  }
}
