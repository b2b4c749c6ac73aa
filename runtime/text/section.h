// SPDX-License-Identifier: Apache-2.0
//
// The tokenizer section of a plan, verified once and then read in place.

#ifndef YUPANA_RUNTIME_TEXT_SECTION_H
#define YUPANA_RUNTIME_TEXT_SECTION_H

#include "runtime/schema/tokenizer.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace yupana::text {

/// The arrays of runtime/schema/tokenizer.h. They point into the bytes given to `open_section`; after it has returned
/// null, every id, offset and code point class in them is in range, so that readers need no checks of their own.
struct Section {
  schema::TokenizerHeader header;
  const uint32_t *text_offsets;
  const uint32_t *words;
  const uint32_t *byte_ids;
  const uint32_t *merge_rows;
  const schema::TokenizerMerge *merges;
  const schema::TokenizerAdded *added;
  const schema::TokenizerFold *folds;
  const uint32_t *chat_offsets;
  const uint16_t *class_index;
  const uint8_t *class_blocks;
  const char *text;
  const char *chat;

  /// The bytes of an id below header.id_count; empty for an id without a token.
  std::string_view token(uint32_t id) const {
    return {text + text_offsets[id], text_offsets[id + 1] - text_offsets[id]};
  }
  /// Empty, all of them, in a section without a chat format.
  std::string_view chat_part(schema::ChatPart part) const {
    const uint32_t *offset = chat_offsets + static_cast<uint32_t>(part);
    return {chat + offset[0], offset[1] - offset[0]};
  }
};

/// Verifies `size` bytes at `data`, which are not trusted, and fills `*section`. `data` is aligned to four bytes and
/// outlives the section. Returns null, or one clause that says what is wrong.
const char *open_section(const void *data, size_t size, Section *section);

} // namespace yupana::text

#endif
