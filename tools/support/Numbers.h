// SPDX-License-Identifier: Apache-2.0
#ifndef YUPANA_TOOLS_SUPPORT_NUMBERS_H
#define YUPANA_TOOLS_SUPPORT_NUMBERS_H

#include <cstdint>
#include <optional>
#include <string_view>

namespace yupana {

/// A whole decimal number of at most `most`, and nothing else.
std::optional<uint64_t> parseNumber(std::string_view text, uint64_t most = UINT64_MAX);

/// A number of bytes: digits, then K, M, G or T for powers of 1024.
std::optional<uint64_t> parseBytes(std::string_view text);

} // namespace yupana

#endif // YUPANA_TOOLS_SUPPORT_NUMBERS_H
