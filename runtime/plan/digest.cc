// SPDX-License-Identifier: Apache-2.0
//
// Small sections are read whole and compared with their digest before anyone looks at them, so that the reader's later
// calls cannot give other bytes than those that were checked. A message shows the first half of both digests, which is
// enough to tell two files apart.

#include "runtime/plan/digest.h"

#include "runtime/base/sha256.h"

#include <cstring>

namespace yupana::runtime {

namespace {

/// The first eight bytes in hexadecimal.
void format_digest(const uint8_t digest[32], char out[17]) {
  for (int i = 0; i < 8; ++i) {
    out[2 * i] = "0123456789abcdef"[digest[i] >> 4];
    out[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
  }
  out[16] = '\0';
}

} // namespace

/// Hashes what is in `dst`, not what another read would give: a reader may be a network or a file that changes.
Code read_verified(const yupana_reader_t &reader, const Frame &frame, uint32_t index, void *dst, const Report &report) {
  const schema::SectionEntry &entry = frame.sections[index];
  if (!reader.read(reader.user, dst, entry.size, entry.offset))
    return report.fail(YUPANA_STATUS_UNREADABLE, "section %u of %llu bytes cannot be read", index,
                       static_cast<unsigned long long>(entry.size));
  uint8_t digest[Sha256::kBytes];
  Sha256::digest(dst, entry.size, digest);
  if (memcmp(digest, entry.digest, sizeof(digest)) == 0)
    return YUPANA_STATUS_OK;
  char found[17], expected[17];
  format_digest(digest, found);
  format_digest(entry.digest, expected);
  return report.fail(YUPANA_STATUS_DIGEST_MISMATCH, "section %u of kind %u has SHA-256 %s...; expected %s...", index,
                     entry.kind, found, expected);
}

} // namespace yupana::runtime
