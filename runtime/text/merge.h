// SPDX-License-Identifier: Apache-2.0
//
// Byte-pair encoding of one word.

#ifndef YUPANA_RUNTIME_TEXT_MERGE_H
#define YUPANA_RUNTIME_TEXT_MERGE_H

#include "runtime/text/section.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace yupana::text {

/// Joins bytes to tokens. Holds working memory, so that encoding many words allocates seldom; one per thread.
class Merger {
public:
  explicit Merger(const Section &section) : section_(section) {}

  /// Appends the ids of `word` (not empty, below 2^31 bytes) to `*ids`. Of all adjacent pairs that have a merge, the
  /// one of lowest rank is joined first, the leftmost among equals, until none is left. O(n log n) in the length of the
  /// word.
  void encode(std::string_view word, std::vector<uint32_t> *ids);

private:
  /// A token of the word so far; neighbours are indices into `symbols_`, -1 at the ends.
  struct Symbol {
    uint32_t id; // kNoToken once joined to the symbol on its left
    int32_t previous;
    int32_t next;
  };
  /// Symbol `left` and its right neighbour, which may be joined as long as their ids are `left_id` and `right_id`.
  struct Candidate {
    uint32_t rank;
    int32_t left;
    uint32_t left_id;
    uint32_t right_id;
    uint32_t result;
  };

  uint32_t find_word(std::string_view word) const;
  const schema::TokenizerMerge *find_merge(uint32_t left, uint32_t right) const;
  void consider(int32_t left);
  void join(const Candidate &candidate);

  const Section &section_;
  std::vector<Symbol> symbols_;
  std::vector<Candidate> heap_;
};

} // namespace yupana::text

#endif
