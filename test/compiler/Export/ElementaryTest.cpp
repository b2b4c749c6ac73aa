// SPDX-License-Identifier: Apache-2.0

#include "compiler/Export/Elementary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

using namespace yupana;

namespace {

/// How far apart, in units of the last place of `exact`.
double ulps(double found, double exact) {
  double unit = std::nextafter(std::fabs(exact), INFINITY) - std::fabs(exact);
  return std::fabs(found - exact) / unit;
}

TEST(Elementary, LogOfKnownValues) {
  // Computed with 300 bits.
  const double vectors[][2] = {{1.0, 0.0},
                               {2.0, 0.6931471805599453},
                               {1281.0, 7.155396301896734},
                               {0.1, -2.3025850929940455},
                               {1e-300, -690.7755278982137},
                               {1.7976931348623157e+308, 709.782712893384},
                               {0.9999999999999999, -1.1102230246251565e-16},
                               {41.0, 3.713572066704308}};
  for (auto [x, expected] : vectors)
    EXPECT_EQ(elementary::log(x), expected) << x;
}

TEST(Elementary, PowOfKnownValues) {
  const double vectors[][3] = {{500000.0, -0.015625, 0.8146172338565447},
                               {500000.0, -0.984375, 2.455140791131609e-06},
                               {10000.0, -0.5, 0.01},
                               {1000000.0, -0.3333333333333333, 0.010000000000000002},
                               {2.0, 0.5, 1.4142135623730951},
                               {3.0, -7.25, 0.00034743286952519095},
                               {7.0, 0.0, 1.0}};
  for (auto [base, exponent, expected] : vectors)
    EXPECT_EQ(elementary::pow(base, exponent), expected) << base << " ^ " << exponent;
}

TEST(Elementary, SinCosOfKnownProducts) {
  // The products are exact, which a rounded angle is not: at 1e7 it alone would cost 1e-9.
  const double vectors[][4] = {{1.0, 1.0, 0.8414709848078965, 0.5403023058681398},
                               {3.0, 0.8146172338565447, 0.6424882296925551, -0.7662955531037137},
                               {8191.0, 0.8146172338565447, -0.21142599405124443, 0.9773940091076081},
                               {10485759.0, 1.0, 0.698523718921769, -0.7155869018530883},
                               {9999872.0, 0.6636012376960885, -0.8215276457794191, -0.570168683128182},
                               {4294967295.0, 0.1, -0.2591892515364033, -0.9658265537289804},
                               {33554432.0, 2.455140791131609e-06, 0.6437936616087496, 0.7651991383113279},
                               {3.1415929203539825, 1.0, -2.6676418928249877e-07, -0.9999999999999645},
                               {1e15, 0.7, -0.9904357120900195, -0.13797499852051484},
                               {0.0, 5.0, 0.0, 1.0}};
  for (auto [a, b, sin, cos] : vectors) {
    elementary::SinCos found = elementary::sinCosOfProduct(a, b);
    EXPECT_NEAR(found.sin, sin, 1e-15) << a << " * " << b;
    EXPECT_NEAR(found.cos, cos, 1e-15) << a << " * " << b;
  }
}

TEST(Elementary, AgreesWithLongDouble) {
  std::mt19937_64 random(20);
  std::uniform_real_distribution<double> exponent(-690, 690), base(0.01, 1e7), power(-1, 1);
  for (int i = 0; i < 20000; ++i) {
    double x = exponent(random);
    EXPECT_LE(ulps(elementary::exp(x), static_cast<double>(std::exp(static_cast<long double>(x)))), 1) << x;
    double y = std::exp(x);
    EXPECT_LE(ulps(elementary::log(y), static_cast<double>(std::log(static_cast<long double>(y)))), 1) << y;
    double b = base(random), p = power(random);
    // A long double carries the product of logarithm and exponent to 2^-60 of itself.
    EXPECT_LE(ulps(elementary::pow(b, p), static_cast<double>(std::pow(static_cast<long double>(b), p))), 1)
        << b << " ^ " << p;
  }
}

TEST(Elementary, AnglesAdd) {
  // sin((m + n) f) from sin and cos of m f and n f: whole numbers add exactly, so no rounding enters but the
  // functions'.
  std::mt19937_64 random(21);
  std::uniform_int_distribution<int64_t> row(0, 5000000);
  std::uniform_real_distribution<double> frequency(1e-6, 1);
  for (int i = 0; i < 20000; ++i) {
    double m = static_cast<double>(row(random)), n = static_cast<double>(row(random)), f = frequency(random);
    elementary::SinCos a = elementary::sinCosOfProduct(m, f), b = elementary::sinCosOfProduct(n, f),
                       sum = elementary::sinCosOfProduct(m + n, f);
    EXPECT_NEAR(sum.sin, a.sin * b.cos + a.cos * b.sin, 2e-15);
    EXPECT_NEAR(sum.cos, a.cos * b.cos - a.sin * b.sin, 2e-15);
    EXPECT_NEAR(a.sin * a.sin + a.cos * a.cos, 1, 1e-15);
  }
}

} // namespace
