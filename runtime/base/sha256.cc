// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 as FIPS 180-4 defines it: portable code, and the choice of the faster code at run time. Blocks go from the
// caller's memory straight into the compression function; only what does not fill a block is copied. The state rotates
// through an array by memmove, which is smaller than unrolled rounds, and this code runs only where the processor has
// no instructions for it.

#include "runtime/base/sha256.h"

#include <cstring>

namespace yupana::runtime {

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
alignas(64) const uint32_t internal::kSha256Constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

namespace {

/// `n` is from 1 to 31.
uint32_t rotate(uint32_t x, int n) { return (x >> n) | (x << (32 - n)); }

uint32_t load_big_endian(const uint8_t *p) {
  return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | uint32_t{p[3]};
}

void store_big_endian(uint8_t *p, uint32_t x) {
  for (int i = 0; i < 4; ++i)
    p[i] = static_cast<uint8_t>(x >> (24 - 8 * i));
}

void compress_portable(uint32_t state[8], const uint8_t *blocks, size_t count) {
  for (; count; --count, blocks += 64) {
    // The message schedule. Words of the block are big-endian.
    uint32_t w[64];
    for (int i = 0; i < 16; ++i)
      w[i] = load_big_endian(blocks + 4 * i);
    for (int i = 16; i < 64; ++i) {
      uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ (w[i - 15] >> 3);
      uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ (w[i - 2] >> 10);
      w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    uint32_t v[8];
    memcpy(v, state, sizeof(v));
    // v holds a to h. memmove makes b to h of a to g; what is left is to add t1 to the new e and to make the new a.
    for (int i = 0; i < 64; ++i) {
      uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
      uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
      uint32_t t1 = v[7] + s1 + choice + internal::kSha256Constants[i] + w[i];
      uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
      uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
      memmove(v + 1, v, 7 * sizeof(uint32_t));
      v[4] += t1;
      v[0] = t1 + s0 + majority;
    }
    for (int i = 0; i < 8; ++i)
      state[i] += v[i];
  }
}

} // namespace

Sha256::Sha256(Code code)
    : compress_(code == Code::fastest && internal::sha256_x86_available() ? internal::sha256_compress_x86
                                                                          : compress_portable),
      state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19} {}

void Sha256::update(const void *data, size_t bytes) {
  const uint8_t *p = static_cast<const uint8_t *>(data);
  total_bytes_ += bytes;
  if (pending_bytes_) {
    size_t room = sizeof(pending_) - pending_bytes_;
    size_t taken = bytes < room ? bytes : room;
    memcpy(pending_ + pending_bytes_, p, taken);
    pending_bytes_ += taken;
    p += taken;
    bytes -= taken;
    if (pending_bytes_ < sizeof(pending_))
      return;
    compress_(state_, pending_, 1);
    pending_bytes_ = 0;
  }
  compress_(state_, p, bytes / 64);
  p += bytes / 64 * 64;
  pending_bytes_ = bytes % 64;
  if (pending_bytes_)
    memcpy(pending_, p, pending_bytes_);
}

void Sha256::update_both(Sha256 &first, const void *first_data, Sha256 &second, const void *second_data, size_t bytes) {
  // Both must be at a block's beginning, since only whole blocks go side by side.
  const uint8_t *a = static_cast<const uint8_t *>(first_data), *b = static_cast<const uint8_t *>(second_data);
  if (first.compress_ == internal::sha256_compress_x86 && second.compress_ == first.compress_ &&
      !first.pending_bytes_ && !second.pending_bytes_) {
    size_t whole = bytes / 64 * 64;
    internal::sha256_compress_both_x86(first.state_, a, second.state_, b, whole / 64);
    first.total_bytes_ += whole;
    second.total_bytes_ += whole;
    a += whole;
    b += whole;
    bytes -= whole;
  }
  first.update(a, bytes);
  second.update(b, bytes);
}

void Sha256::finish(uint8_t out[kBytes]) {
  // The length of a message is below 2^61 bytes.
  uint64_t bits = total_bytes_ * 8;
  uint8_t tail[128] = {};
  memcpy(tail, pending_, pending_bytes_);
  tail[pending_bytes_] = 0x80;
  // A one bit, zeros, and the length in the last 8 bytes: behind 56 bytes they need a block more.
  size_t blocks = pending_bytes_ < 56 ? 1 : 2;
  store_big_endian(tail + blocks * 64 - 8, static_cast<uint32_t>(bits >> 32));
  store_big_endian(tail + blocks * 64 - 4, static_cast<uint32_t>(bits));
  compress_(state_, tail, blocks);
  for (int i = 0; i < 8; ++i)
    store_big_endian(out + 4 * i, state_[i]);
}

void Sha256::digest(const void *data, size_t bytes, uint8_t out[kBytes]) {
  Sha256 hash;
  hash.update(data, bytes);
  hash.finish(out);
}

} // namespace yupana::runtime
