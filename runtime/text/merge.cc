// SPDX-License-Identifier: Apache-2.0
//
// Byte-pair encoding: of all neighbours that may be joined, the pair of lowest rank is joined first, the leftmost of
// equal ones. A word is a list of symbols, at first its bytes, and a heap of pairs that could be joined. A join makes
// other candidates stale; they stay in the heap and are dropped when they come to the front, which costs less than
// finding them. The whole takes n log n for a word of n bytes, where trying all pairs again after each join takes n².

#include "runtime/text/merge.h"

#include <algorithm>

namespace yupana::text {

uint32_t Merger::find_word(std::string_view word) const {
  const uint32_t *end = section_.words + section_.header.word_count;
  const uint32_t *found = std::lower_bound(
      section_.words, end, word, [&](uint32_t id, std::string_view text) { return section_.token(id) < text; });
  return found != end && section_.token(*found) == word ? *found : schema::kNoToken;
}

const schema::TokenizerMerge *Merger::find_merge(uint32_t left, uint32_t right) const {
  const schema::TokenizerMerge *begin = section_.merges + section_.merge_rows[left];
  const schema::TokenizerMerge *end = section_.merges + section_.merge_rows[left + 1];
  const schema::TokenizerMerge *found = std::lower_bound(
      begin, end, right, [](const schema::TokenizerMerge &merge, uint32_t id) { return merge.right < id; });
  return found != end && found->right == right ? found : nullptr;
}

namespace {

/// std::push_heap keeps the largest in front: the lowest rank and, among equal ranks, the leftmost pair.
constexpr auto kComesLater = [](const auto &a, const auto &b) {
  return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
};

} // namespace

void Merger::consider(int32_t left) {
  if (left < 0 || symbols_[left].next < 0)
    return;
  uint32_t left_id = symbols_[left].id, right_id = symbols_[symbols_[left].next].id;
  if (const schema::TokenizerMerge *merge = find_merge(left_id, right_id)) {
    heap_.push_back({merge->rank, left, left_id, right_id, merge->result});
    std::push_heap(heap_.begin(), heap_.end(), kComesLater);
  }
}

void Merger::join(const Candidate &candidate) {
  Symbol &left = symbols_[candidate.left];
  // Joining a neighbour has made this candidate stale if either side is no longer what it was.
  if (left.id != candidate.left_id || left.next < 0 || symbols_[left.next].id != candidate.right_id)
    return;
  Symbol &right = symbols_[left.next];
  right.id = schema::kNoToken;
  left.id = candidate.result;
  left.next = right.next;
  if (left.next >= 0)
    symbols_[left.next].previous = candidate.left;
  consider(left.previous);
  consider(candidate.left);
}

/// Byte pair encoding with a heap: the pair of lowest rank is joined first, from the left among equals. Symbols are a
/// linked list in an array, so that joining moves nothing, and stale candidates are recognised when they come.
void Merger::encode(std::string_view word, std::vector<uint32_t> *ids) {
  if (section_.header.flags & schema::kTokenizerIgnoreMerges) {
    if (uint32_t id = find_word(word); id != schema::kNoToken) {
      ids->push_back(id);
      return;
    }
  }
  int32_t count = static_cast<int32_t>(word.size());
  symbols_.clear();
  heap_.clear();
  for (int32_t i = 0; i < count; ++i)
    symbols_.push_back({section_.byte_ids[static_cast<uint8_t>(word[i])], i - 1, i + 1 < count ? i + 1 : -1});
  for (int32_t i = 0; i + 1 < count; ++i)
    consider(i);
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), kComesLater);
    Candidate candidate = heap_.back();
    heap_.pop_back();
    join(candidate);
  }
  for (int32_t i = 0; i >= 0; i = symbols_[i].next)
    ids->push_back(symbols_[i].id);
}

} // namespace yupana::text
