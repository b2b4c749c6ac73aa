// SPDX-License-Identifier: Apache-2.0
//
// A section has room for every number below the greatest that a token has. Tokenizers have tokens that their model does
// not know, and one of them may have any id: their places are counted instead, in the order of their ids.

#include "frontends/Tokenizer/Tokenizer.h"

#include <algorithm>

using namespace yupana;

TokenPlaces::TokenPlaces(uint64_t vocabularySize, std::vector<uint32_t> ids)
    // A vocabulary beyond the format's largest id moves nothing: no token of a file has a greater id.
    : known(static_cast<uint32_t>(std::min<uint64_t>(vocabularySize, schema::kMaxTokenizerEntries))),
      beyond(std::move(ids)) {
  std::sort(beyond.begin(), beyond.end());
  // An id may come once from the vocabulary and once from the added tokens.
  beyond.erase(std::unique(beyond.begin(), beyond.end()), beyond.end());
}

std::optional<uint32_t> TokenPlaces::find(uint32_t id) const {
  if (id < known)
    return id;
  auto found = std::lower_bound(beyond.begin(), beyond.end(), id);
  if (found == beyond.end() || *found != id)
    return std::nullopt;
  return known + static_cast<uint32_t>(found - beyond.begin());
}
