// SPDX-License-Identifier: Apache-2.0
//
// Classes of characters and case foldings, computed at compile time from utf8proc's database, so that the runtime needs
// no Unicode library and a plan splits text alike wherever it runs. Blocks of 256 code points that are equal are stored
// once: most of the 4,352 are.

#include "frontends/Tokenizer/UnicodeTables.h"

#include <utf8proc.h>

#include <map>

using namespace yupana;
using schema::CharClass;

namespace {

constexpr int32_t codePointCount = 0x110000;

CharClass classOf(int32_t codePoint) {
  // White_Space is the separators and these controls.
  if ((codePoint >= 0x09 && codePoint <= 0x0D) || codePoint == 0x85)
    return CharClass::space;
  switch (utf8proc_category(codePoint)) {
  case UTF8PROC_CATEGORY_ZS:
  case UTF8PROC_CATEGORY_ZL:
  case UTF8PROC_CATEGORY_ZP:
    return CharClass::space;
  case UTF8PROC_CATEGORY_LU:
  case UTF8PROC_CATEGORY_LT:
    return CharClass::upper;
  case UTF8PROC_CATEGORY_LL:
    return CharClass::lower;
  case UTF8PROC_CATEGORY_LM:
  case UTF8PROC_CATEGORY_LO:
    return CharClass::letter;
  case UTF8PROC_CATEGORY_MN:
  case UTF8PROC_CATEGORY_MC:
  case UTF8PROC_CATEGORY_ME:
    return CharClass::mark;
  case UTF8PROC_CATEGORY_ND:
  case UTF8PROC_CATEGORY_NL:
  case UTF8PROC_CATEGORY_NO:
    return CharClass::number;
  default:
    return CharClass::other;
  }
}

} // namespace

CharClassTables yupana::computeCharClasses() {
  CharClassTables tables;
  std::map<std::vector<uint8_t>, uint16_t> known;
  constexpr int32_t blockSize = schema::kClassBlockSize;
  for (int32_t start = 0; start < codePointCount; start += blockSize) {
    std::vector<uint8_t> block;
    for (int32_t codePoint = start; codePoint < start + blockSize; ++codePoint)
      block.push_back(static_cast<uint8_t>(classOf(codePoint)));
    auto [entry, isNew] = known.emplace(block, static_cast<uint16_t>(known.size()));
    if (isNew)
      tables.blocks.insert(tables.blocks.end(), block.begin(), block.end());
    tables.index.push_back(entry->second);
  }
  return tables;
}

std::vector<schema::TokenizerFold> yupana::computeLetterFolds() {
  std::vector<schema::TokenizerFold> folds;
  for (int32_t codePoint = 0; codePoint < codePointCount; ++codePoint) {
    // Longer foldings, as of the ligature U+FB05 to "st", are not simple ones.
    utf8proc_int32_t folded[8];
    int lastBoundClass = 0;
    utf8proc_ssize_t length = utf8proc_decompose_char(codePoint, folded, 8, UTF8PROC_CASEFOLD, &lastBoundClass);
    if (length == 1 && folded[0] >= 'a' && folded[0] <= 'z')
      folds.push_back({static_cast<uint32_t>(codePoint), static_cast<uint32_t>(folded[0])});
  }
  return folds;
}
