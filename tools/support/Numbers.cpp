// SPDX-License-Identifier: Apache-2.0
//
// Numbers on a command line are digits and nothing else: no sign, no space, no exponent, and what does not fit is
// refused, where strtoull would wrap or stop at the first letter.

#include "tools/support/Numbers.h"

using namespace yupana;

/// Overflow is found at each step, so that no number of digits wraps into the accepted range.
std::optional<uint64_t> yupana::parseNumber(std::string_view text, uint64_t most) {
  uint64_t value = 0;
  if (text.empty())
    return std::nullopt;
  for (char c : text) {
    uint64_t digit = static_cast<uint64_t>(c - '0');
    if (c < '0' || c > '9' || __builtin_mul_overflow(value, uint64_t{10}, &value) ||
        __builtin_add_overflow(value, digit, &value))
      return std::nullopt;
  }
  return value <= most ? std::optional<uint64_t>(value) : std::nullopt;
}

/// K, M, G and T are powers of 1024, as memory is counted. The bound keeps the shift from losing bits.
std::optional<uint64_t> yupana::parseBytes(std::string_view text) {
  constexpr std::string_view suffixes = "KMGT";
  unsigned shift = 0;
  if (!text.empty()) {
    size_t index = suffixes.find(text.back());
    if (index != std::string_view::npos) {
      shift = 10 * (static_cast<unsigned>(index) + 1);
      text.remove_suffix(1);
    }
  }
  std::optional<uint64_t> value = parseNumber(text, UINT64_MAX >> shift);
  return value ? std::optional<uint64_t>(*value << shift) : std::nullopt;
}
