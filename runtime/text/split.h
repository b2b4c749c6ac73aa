// SPDX-License-Identifier: Apache-2.0
//
// Cutting text into the words that merging works on.

#ifndef YUPANA_RUNTIME_TEXT_SPLIT_H
#define YUPANA_RUNTIME_TEXT_SPLIT_H

#include "runtime/text/section.h"

#include <cstddef>
#include <string_view>

namespace yupana::text {

/// Bytes of the first word of `text`, which is not empty and well-formed UTF-8. A word is what the regular expression
/// that the section asks for matches first, leftmost alternative first, greedily and with backtracking. Llama 4's:
///
///   1  [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
///   2  [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
///   3  \p{N}{1,3}
///   4   ?[^\s\p{L}\p{N}]+[\r\n/]*
///   5  \s*[\r\n]+
///   6  \s+(?!\S)
///   7  \s+
///
/// Llama 3's differs in words and in what follows symbols:
///
///   1  (?i:'s|'t|'re|'ve|'m|'ll|'d)
///   2  [^\r\n\p{L}\p{N}]?\p{L}+
///   4   ?[^\s\p{L}\p{N}]+[\r\n]*
///
/// Every text matches, so the words of a text are its consecutive matches, and they cover it. `text` reaches to the end
/// of what is split: alternative 6 looks one character beyond its match.
size_t next_word(const Section &section, std::string_view text);

} // namespace yupana::text

#endif
