// SPDX-License-Identifier: Apache-2.0
//
// The frame of a plan file, shared by the exporter and the runtime. Everything is little-endian; every offset is
// counted in bytes from the start of the file.
//
//   [FileHeader, 64 bytes][SectionEntry x section_count][padding]{[section][zero padding]}
//
// Sections are sorted by offset, do not overlap, and cover the file exactly: only zero bytes lie between them and the
// last one ends at file_size.

#ifndef YUPANA_RUNTIME_SCHEMA_FORMAT_H
#define YUPANA_RUNTIME_SCHEMA_FORMAT_H

#include <cstdint>

namespace yupana::schema {

/// First byte outside ASCII and both line endings: a transfer that mangles text is noticed at once.
inline constexpr uint8_t kMagic[8] = {0x8B, 'Y', 'P', 'L', 'N', '\r', '\n', 0x1A};

/// Until 1.0 reader and writer must agree on both numbers; see README.md beside this file.
inline constexpr uint32_t kMajor = 0;
inline constexpr uint32_t kMinor = 5;

/// No section holds more metadata than this; checked before the FlatBuffers verifier is built.
inline constexpr uint64_t kMaxMetadataBytes = uint64_t{64} << 20;
inline constexpr uint32_t kMaxSections = 4096;
/// Sections start at multiples of this at least, a cache line. What is not weights is copied before it is used.
inline constexpr uint32_t kSectionAlignment = 64;
/// Sections of weights, which may be mapped, start at multiples of this at least: every page size in use, O_DIRECT and
/// GPU direct storage.
inline constexpr uint32_t kWeightSectionAlignment = 64 << 10;
inline constexpr uint64_t kWeightAlignment = 256;
/// The section of a weight whose bytes are not in the file.
inline constexpr uint32_t kNoSection = 0xFFFFFFFF;
/// A weights section is digested in pieces of this size; its section digest is the SHA-256 of the pieces' digests.
inline constexpr uint64_t kDigestChunkBytes = uint64_t{16} << 20;

/// These first bytes of a worker's scratch memory are zero when a launch begins. What a kernel of a CPU writes there it
/// finds again in its next call of the launch on that worker.
inline constexpr uint64_t kLaunchScratchBytes = 64;

struct FileHeader {
  uint8_t magic[8];
  uint32_t major;
  uint32_t minor;
  uint32_t header_size; // 64; a later version may grow it
  uint32_t section_count;
  uint64_t section_table_offset;
  uint64_t file_size;
  uint64_t required_features; // a bit this reader does not know: refuse
  uint32_t section_table_crc32;
  uint32_t reserved[2];  // zero
  uint32_t header_crc32; // CRC-32 (IEEE) of the bytes before this field
};
static_assert(sizeof(FileHeader) == 64);

enum class SectionKind : uint32_t {
  metadata = 1,       // the FlatBuffer of plan.fbs; exactly one
  host_code = 2,      // one ELF shared object, the code of a CPU target
  weights = 3,        // packed tensors
  weight_digests = 4, // 32 bytes per kDigestChunkBytes of the weights section that precedes it
  tokenizer = 5,      // tokenizer.h
  device_code = 6,    // an image for a GPU: a cubin, or the text of PTX
};

enum SectionFlags : uint32_t { kSectionRequired = 1 };

struct SectionEntry {
  uint32_t kind;
  uint32_t flags; // an unknown kind with kSectionRequired: refuse; without: skip
  uint64_t offset;
  uint64_t size;
  uint64_t alignment;
  uint8_t digest[32];   // SHA-256 of the bytes; of the chunk digests for `weights`
  uint64_t reserved[2]; // zero
};
static_assert(sizeof(SectionEntry) == 80);

} // namespace yupana::schema

#endif
