// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic on integers that come from files.
#ifndef YUPANA_COMPILER_SUPPORT_CHECKEDMATH_H
#define YUPANA_COMPILER_SUPPORT_CHECKEDMATH_H

#include <cstdint>
#include <optional>

namespace yupana {

/// a + b, or nothing when the sum needs more than 64 bits.
inline std::optional<uint64_t> checkedAdd(uint64_t a, uint64_t b) {
  uint64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? std::nullopt : std::optional<uint64_t>(sum);
}

/// a * b, or nothing when the product needs more than 64 bits.
inline std::optional<uint64_t> checkedMul(uint64_t a, uint64_t b) {
  uint64_t product;
  return __builtin_mul_overflow(a, b, &product) ? std::nullopt : std::optional<uint64_t>(product);
}

/// a + b and a * b that stay empty once anything before them overflowed.
inline std::optional<uint64_t> checkedAdd(std::optional<uint64_t> a, std::optional<uint64_t> b) {
  return a && b ? checkedAdd(*a, *b) : std::nullopt;
}
inline std::optional<uint64_t> checkedMul(std::optional<uint64_t> a, std::optional<uint64_t> b) {
  return a && b ? checkedMul(*a, *b) : std::nullopt;
}

/// True if [offset, offset + length) lies inside [0, size).
inline bool rangeInside(uint64_t offset, uint64_t length, uint64_t size) {
  return offset <= size && length <= size - offset;
}

/// `value` rounded up to a multiple of `alignment` (a power of two), or nothing on overflow.
inline std::optional<uint64_t> checkedAlign(uint64_t value, uint64_t alignment) {
  std::optional<uint64_t> sum = checkedAdd(value, alignment - 1);
  return sum ? std::optional<uint64_t>(*sum & ~(alignment - 1)) : std::nullopt;
}

} // namespace yupana

#endif // YUPANA_COMPILER_SUPPORT_CHECKEDMATH_H
