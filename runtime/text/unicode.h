// SPDX-License-Identifier: Apache-2.0
//
// UTF-8 as bytes: what is well formed, and the code points of what is.

#ifndef YUPANA_RUNTIME_TEXT_UNICODE_H
#define YUPANA_RUNTIME_TEXT_UNICODE_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace yupana::text {

inline constexpr uint32_t kMaxCodePoint = 0x10FFFF;

/// Length in bytes of the well-formed sequence at the start of `text`; 0 if there is none. Overlong forms, surrogates
/// and values above kMaxCodePoint are not well formed.
size_t sequence_length(std::string_view text);

/// True if `text` is a proper prefix of a well-formed sequence; false for an empty text.
bool is_sequence_prefix(std::string_view text);

/// Byte offset of the first sequence that is not well formed; text.size() if there is none.
size_t find_ill_formed(std::string_view text);

/// The code point at the start of `text`, which is well formed and not empty; sets `*length` to its bytes.
uint32_t decode_sequence(std::string_view text, size_t *length);

/// Appends the UTF-8 form of a code point that is not a surrogate.
void append_code_point(uint32_t code_point, std::string *out);

} // namespace yupana::text

#endif
