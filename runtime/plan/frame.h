// SPDX-License-Identifier: Apache-2.0
//
// The outer frame of a plan file: header, section table and the padding between sections.

#ifndef YUPANA_RUNTIME_PLAN_FRAME_H
#define YUPANA_RUNTIME_PLAN_FRAME_H

#include "runtime/base/memory.h"
#include "runtime/schema/format.h"

namespace yupana::runtime {

/// A frame that has been checked: sections are sorted, aligned, of known kinds (or optional), separated by less than
/// their alignment of zero bytes, and cover the file; there is exactly one metadata section of at most
/// kMaxMetadataBytes, and every weights section is followed by digests of the right size.
struct Frame {
  schema::FileHeader header;
  Array<schema::SectionEntry> sections;
  uint32_t metadata_section = 0;
};

/// UNREADABLE, INVALID_DATA, UNSUPPORTED (version, required feature or section kind), OUT_OF_MEMORY.
Code read_frame(const yupana_reader_t &reader, const Allocator &allocator, Frame *out_frame, yupana_status_t *out);

/// True if there is a section `index` and it is of `kind`.
bool section_is(const Frame &frame, uint32_t index, schema::SectionKind kind);

/// Pieces of kDigestChunkBytes in a weights section of `bytes` bytes.
inline uint64_t digest_chunks(uint64_t bytes) { return ceil_div(bytes, schema::kDigestChunkBytes); }

} // namespace yupana::runtime

#endif
