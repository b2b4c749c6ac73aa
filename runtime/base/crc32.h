// SPDX-License-Identifier: Apache-2.0
//
// The checksum of headers and section tables.

#ifndef YUPANA_RUNTIME_BASE_CRC32_H
#define YUPANA_RUNTIME_BASE_CRC32_H

#include <cstddef>
#include <cstdint>

namespace yupana::runtime {

/// CRC-32 of IEEE 802.3 (reflected polynomial 0xEDB88320, initial and final complement), as in zip and PNG.
uint32_t crc32(const void *data, size_t bytes);

} // namespace yupana::runtime

#endif
