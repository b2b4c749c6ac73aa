// SPDX-License-Identifier: Apache-2.0
//
// Elementary functions with the same bits on every machine, for tables that go into plans: libraries of mathematics
// differ. Made of additions, multiplications and divisions of doubles alone, compiled without contraction.
#ifndef YUPANA_COMPILER_EXPORT_ELEMENTARY_H
#define YUPANA_COMPILER_EXPORT_ELEMENTARY_H

namespace yupana::elementary {

/// Natural logarithm of a finite x > 0, within 1 ulp.
double log(double x);

/// e to the power x, within 1 ulp, for |x| <= 700.
double exp(double x);

/// base to the power exponent, within 1 ulp, for a finite base > 0 and a result between e^-700 and e^700.
double pow(double base, double exponent);

struct SinCos {
  double sin;
  double cos;
};

/// Sine and cosine of the exact product a · b, each within 1e-15, for |a · b| < 2^50.
SinCos sinCosOfProduct(double a, double b);

} // namespace yupana::elementary

#endif // YUPANA_COMPILER_EXPORT_ELEMENTARY_H
