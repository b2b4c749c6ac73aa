// SPDX-License-Identifier: Apache-2.0
//
// CRC-32 tells a damaged header or section table from a whole one before anything is believed that they say; what they
// point at has SHA-256 digests. A table of sixteen entries instead of 256, since the core has a budget of bytes and the
// input is small.

#include "runtime/base/crc32.h"

namespace yupana::runtime {

uint32_t crc32(const void *data, size_t bytes) {
  // Four bits at a time: the table has 64 bytes, and at most a section table of 320 KiB goes through here.
  static constexpr uint32_t kTable[16] = {0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4,
                                          0x4DB26158, 0x5005713C, 0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
                                          0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C};
  const uint8_t *p = static_cast<const uint8_t *>(data);
  uint32_t crc = ~uint32_t{0};
  for (size_t i = 0; i < bytes; ++i) {
    crc ^= p[i];
    crc = (crc >> 4) ^ kTable[crc & 15];
    crc = (crc >> 4) ^ kTable[crc & 15];
  }
  return ~crc;
}

} // namespace yupana::runtime
