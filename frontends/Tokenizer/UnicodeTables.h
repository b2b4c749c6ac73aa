// SPDX-License-Identifier: Apache-2.0
//
// What splitting text needs to know of Unicode, computed from utf8proc's database at compile time.
#ifndef YUPANA_FRONTENDS_TOKENIZER_UNICODETABLES_H
#define YUPANA_FRONTENDS_TOKENIZER_UNICODETABLES_H

#include "runtime/schema/tokenizer.h"

#include <cstdint>
#include <vector>

namespace yupana {

/// The class of every code point in two stages: that of c is blocks[index[c / 256] * 256 + c % 256].
struct CharClassTables {
  std::vector<uint16_t> index;
  std::vector<uint8_t> blocks; ///< Distinct blocks, in the order of their first use.
};
CharClassTables computeCharClasses();

/// All code points that equal an ASCII letter when case is ignored, ascending: the letters themselves, and those such
/// as U+017F (long s) whose simple case folding is one.
std::vector<schema::TokenizerFold> computeLetterFolds();

} // namespace yupana

#endif // YUPANA_FRONTENDS_TOKENIZER_UNICODETABLES_H
