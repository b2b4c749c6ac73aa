// SPDX-License-Identifier: Apache-2.0
//
// Header and section table are checked before anything is read that they point at. Sections cover the whole file, so
// that no byte of it escapes the digests, and what lies between them must be zero.

#include "runtime/plan/frame.h"

#include "runtime/base/crc32.h"
#include "runtime/plan/bounds.h"

#include <cstring>

namespace yupana::runtime {

namespace {

using schema::FileHeader;
using schema::SectionEntry;
using schema::SectionKind;
using ull = unsigned long long;

/// Everything in it is checked before any of it is used, by falling certainty that this is a plan at all.
Code read_header(const yupana_reader_t &reader, const Report &report, FileHeader *header) {
  constexpr Code kInvalid = YUPANA_STATUS_INVALID_DATA;
  if (reader.total < sizeof(FileHeader))
    return report.fail(kInvalid, "found %llu bytes; a plan has a header of %zu", static_cast<ull>(reader.total),
                       sizeof(FileHeader));
  if (!reader.read(reader.user, header, sizeof(*header), 0))
    return report.fail(YUPANA_STATUS_UNREADABLE, "the header cannot be read");
  if (memcmp(header->magic, schema::kMagic, sizeof(schema::kMagic)) != 0)
    return report.fail(kInvalid, "this is not a plan: its first bytes are not those of one");
  uint32_t crc = crc32(header, offsetof(FileHeader, header_crc32));
  if (crc != header->header_crc32)
    return report.fail(kInvalid, "the header has CRC-32 %08x; expected %08x", crc, header->header_crc32);
  // The version comes first, since everything behind it may differ from version to version.
  if (header->major != schema::kMajor || header->minor != schema::kMinor)
    return report.fail(YUPANA_STATUS_UNSUPPORTED,
                       "found plan format %u.%u; this runtime reads %u.%u only: compile the model again", header->major,
                       header->minor, schema::kMajor, schema::kMinor);
  if (header->required_features != 0)
    return report.fail(YUPANA_STATUS_UNSUPPORTED, "the plan requires features %016llx, which this runtime lacks",
                       static_cast<ull>(header->required_features));
  if (header->header_size != sizeof(FileHeader))
    return report.fail(kInvalid, "header_size is %u; expected %zu", header->header_size, sizeof(FileHeader));
  if (header->reserved[0] || header->reserved[1])
    return report.fail(kInvalid, "reserved bytes of the header are not zero");
  // A file cut short, and one with something appended, are told here and not by a digest of gigabytes.
  if (header->file_size != reader.total)
    return report.fail(kInvalid, "the file has %llu bytes; its header says %llu", static_cast<ull>(reader.total),
                       static_cast<ull>(header->file_size));
  if (header->section_count == 0 || header->section_count > schema::kMaxSections)
    return report.fail(kInvalid, "section_count is %u; expected 1 to %u", header->section_count, schema::kMaxSections);
  if (header->section_table_offset != header->header_size)
    return report.fail(kInvalid, "section_table_offset is %llu; expected %u",
                       static_cast<ull>(header->section_table_offset), header->header_size);
  return YUPANA_STATUS_OK;
}

Code read_table(const yupana_reader_t &reader, const Allocator &allocator, const Report &report, Frame *frame) {
  const FileHeader &header = frame->header;
  // The count has been bounded, so that neither the product nor the memory is large.
  uint64_t bytes = uint64_t{header.section_count} * sizeof(SectionEntry);
  if (!range_within(header.section_table_offset, bytes, header.file_size))
    return report.fail(YUPANA_STATUS_INVALID_DATA, "the table of %u sections ends beyond the file",
                       header.section_count);
  if (Code code = frame->sections.allocate(allocator, header.section_count, "the section table", report.out()))
    return code;
  if (!reader.read(reader.user, frame->sections.data(), bytes, header.section_table_offset))
    return report.fail(YUPANA_STATUS_UNREADABLE, "the section table cannot be read");
  uint32_t crc = crc32(frame->sections.data(), bytes);
  if (crc != header.section_table_crc32)
    return report.fail(YUPANA_STATUS_INVALID_DATA, "the section table has CRC-32 %08x; expected %08x", crc,
                       header.section_table_crc32);
  return YUPANA_STATUS_OK;
}

/// A section begins at the first multiple of its alignment behind the one before it: for given sizes there is one
/// layout, so sections cannot overlap and no gap is larger than alignment needs.
bool check_entry(const SectionEntry &entry, uint32_t i, uint64_t previous_end, uint64_t file_size,
                 const Report &report) {
  if (entry.flags & ~uint32_t{schema::kSectionRequired})
    return report.invalid("section %u has flags %x; expected 0 or 1", i, entry.flags);
  if (entry.reserved[0] || entry.reserved[1])
    return report.invalid("section %u: reserved bytes are not zero", i);
  static_assert(kMaxAlignment == 2 << 20, "a message below says so");
  bool weights = entry.kind == static_cast<uint32_t>(SectionKind::weights);
  uint64_t least = weights ? schema::kWeightSectionAlignment : schema::kSectionAlignment;
  if (!is_power_of_two(entry.alignment) || entry.alignment < least || entry.alignment > kMaxAlignment)
    return report.invalid("section %u has alignment %llu; expected a power of two from %llu to 2 MiB", i,
                          static_cast<ull>(entry.alignment), static_cast<ull>(least));
  // An empty section could lie anywhere, and none is ever written.
  if (entry.size == 0)
    return report.invalid("section %u is empty", i);
  uint64_t expected;
  if (!checked_align_up(previous_end, entry.alignment, &expected) || entry.offset != expected)
    return report.invalid("section %u begins at %llu; expected %llu, the next multiple of its alignment", i,
                          static_cast<ull>(entry.offset), static_cast<ull>(expected));
  if (!range_within(entry.offset, entry.size, file_size))
    return report.invalid("section %u of %llu bytes at %llu ends beyond the file", i, static_cast<ull>(entry.size),
                          static_cast<ull>(entry.offset));
  return true;
}

/// Digests of chunks follow the weights they are of, so a reader finds them without a reference. A section that is not
/// known and not required is a later version's and is left alone.
Code check_kind(const Frame &frame, uint32_t i, const Report &report) {
  const SectionEntry &entry = frame.sections[i];
  const SectionEntry *previous = i ? &frame.sections[i - 1] : nullptr;
  constexpr auto kWeights = static_cast<uint32_t>(SectionKind::weights);
  constexpr auto kDigests = static_cast<uint32_t>(SectionKind::weight_digests);
  bool after_weights = previous && previous->kind == kWeights;
  // Digests stand behind weights and nowhere else, and no weights without them.
  if (after_weights != (entry.kind == kDigests))
    return report.fail(YUPANA_STATUS_INVALID_DATA, "section %u has kind %u after kind %u; %s", i, entry.kind,
                       previous ? previous->kind : 0,
                       after_weights ? "expected the digests of the weights" : "there are no weights before it");
  if (after_weights) {
    uint64_t expected;
    if (!checked_mul(digest_chunks(previous->size), sizeof(entry.digest), &expected) || entry.size != expected)
      return report.fail(YUPANA_STATUS_INVALID_DATA, "section %u has %llu bytes of digests; its weights need %llu", i,
                         static_cast<ull>(entry.size), static_cast<ull>(expected));
    // The digest of weights is that of their digests, so that opening compares it without reading the weights.
    if (memcmp(entry.digest, previous->digest, sizeof(entry.digest)) != 0)
      return report.fail(YUPANA_STATUS_INVALID_DATA,
                         "section %u: the digest of the weights is not that of their chunk digests", i);
  }
  bool known = entry.kind >= static_cast<uint32_t>(SectionKind::metadata) &&
               entry.kind <= static_cast<uint32_t>(SectionKind::device_code);
  if (!known && (entry.flags & schema::kSectionRequired))
    return report.fail(YUPANA_STATUS_UNSUPPORTED, "section %u is required and has kind %u, which this runtime lacks", i,
                       entry.kind);
  return YUPANA_STATUS_OK;
}

/// The bytes in [begin, end) must be zero, so that nothing can be hidden between sections. They are fewer than the
/// largest alignment, 2 MiB, each time.
Code check_padding(const yupana_reader_t &reader, uint64_t begin, uint64_t end, const Report &report) {
  uint8_t window[4096];
  while (begin < end) {
    uint64_t bytes = end - begin < sizeof(window) ? end - begin : sizeof(window);
    if (!reader.read(reader.user, window, bytes, begin))
      return report.fail(YUPANA_STATUS_UNREADABLE, "%llu bytes at %llu cannot be read", static_cast<ull>(bytes),
                         static_cast<ull>(begin));
    for (uint64_t i = 0; i < bytes; ++i)
      if (window[i])
        return report.fail(YUPANA_STATUS_INVALID_DATA, "byte %llu lies between sections and is %u; expected 0",
                           static_cast<ull>(begin + i), window[i]);
    begin += bytes;
  }
  return YUPANA_STATUS_OK;
}

Code check_sections(const yupana_reader_t &reader, const Report &report, Frame *frame) {
  // The table ends where the first section may begin.
  uint64_t end = frame->header.section_table_offset + frame->sections.bytes();
  uint32_t metadata = 0;
  for (uint32_t i = 0; i < frame->sections.size(); ++i) {
    const SectionEntry &entry = frame->sections[i];
    if (!check_entry(entry, i, end, frame->header.file_size, report))
      return YUPANA_STATUS_INVALID_DATA;
    if (Code code = check_kind(*frame, i, report))
      return code;
    if (Code code = check_padding(reader, end, entry.offset, report))
      return code;
    end = entry.offset + entry.size;
    if (entry.kind != static_cast<uint32_t>(SectionKind::metadata))
      continue;
    frame->metadata_section = i;
    ++metadata;
    if (entry.size > schema::kMaxMetadataBytes)
      return report.fail(YUPANA_STATUS_INVALID_DATA, "the metadata has %llu bytes; expected at most %llu",
                         static_cast<ull>(entry.size), static_cast<ull>(schema::kMaxMetadataBytes));
  }
  // Bytes behind the last section would be in no digest.
  if (end != frame->header.file_size)
    return report.fail(YUPANA_STATUS_INVALID_DATA, "%llu bytes follow the last section; expected none",
                       static_cast<ull>(frame->header.file_size - end));
  if (metadata != 1)
    return report.fail(YUPANA_STATUS_INVALID_DATA, "found %u metadata sections; expected 1", metadata);
  uint32_t last = frame->sections[frame->sections.size() - 1].kind;
  if (last == static_cast<uint32_t>(SectionKind::weights))
    return report.fail(YUPANA_STATUS_INVALID_DATA, "the last section holds weights; expected their digests after it");
  return YUPANA_STATUS_OK;
}

} // namespace

bool section_is(const Frame &frame, uint32_t index, schema::SectionKind kind) {
  return index < frame.sections.size() && frame.sections[index].kind == static_cast<uint32_t>(kind);
}

Code read_frame(const yupana_reader_t &reader, const Allocator &allocator, Frame *frame, yupana_status_t *out) {
  Report report(reader.name, out);
  if (Code code = read_header(reader, report, &frame->header))
    return code;
  if (Code code = read_table(reader, allocator, report, frame))
    return code;
  return check_sections(reader, report, frame);
}

} // namespace yupana::runtime
