// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic on sizes that came from a file. Nothing else in the runtime adds or multiplies such numbers before they
// have been proved to stay in range.

#ifndef YUPANA_RUNTIME_BASE_CHECKED_H
#define YUPANA_RUNTIME_BASE_CHECKED_H

#include <cstdint>

namespace yupana::runtime {

/// False when the result does not fit; `*out` is then unspecified.
[[nodiscard]] constexpr bool checked_add(uint64_t a, uint64_t b, uint64_t *out) {
  return !__builtin_add_overflow(a, b, out);
}
[[nodiscard]] constexpr bool checked_mul(uint64_t a, uint64_t b, uint64_t *out) {
  return !__builtin_mul_overflow(a, b, out);
}

/// True if [offset, offset + length) lies in [0, size).
[[nodiscard]] constexpr bool range_within(uint64_t offset, uint64_t length, uint64_t size) {
  return offset <= size && length <= size - offset;
}

constexpr bool is_power_of_two(uint64_t n) { return n != 0 && (n & (n - 1)) == 0; }

/// `alignment` is a power of two.
[[nodiscard]] constexpr bool checked_align_up(uint64_t n, uint64_t alignment, uint64_t *out) {
  if (!checked_add(n, alignment - 1, out))
    return false;
  *out &= ~(alignment - 1);
  return true;
}

constexpr uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }
constexpr uint64_t greatest(uint64_t a, uint64_t b) { return a > b ? a : b; }

/// ceil(a / b), for b > 0, without the wrap of (a + b - 1).
constexpr uint64_t ceil_div(uint64_t a, uint64_t b) { return a / b + (a % b != 0); }

/// Saturating forms, for sums whose value is only compared or shown.
inline uint64_t saturating_add(uint64_t a, uint64_t b) {
  uint64_t sum;
  return checked_add(a, b, &sum) ? sum : UINT64_MAX;
}
inline uint64_t saturating_mul(uint64_t a, uint64_t b) {
  uint64_t product;
  return checked_mul(a, b, &product) ? product : UINT64_MAX;
}

} // namespace yupana::runtime

#endif
