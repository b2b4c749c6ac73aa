// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 with the x86 SHA extensions. The instructions hold the state as (a, b, e, f) and (c, d, g, h), most
// significant word first, and do two rounds each; a group of four rounds takes one vector of message words. Each round
// waits for the result of the one before, so one message leaves the unit idle half of the time; two messages whose
// rounds alternate take no longer than one.

#include "runtime/base/sha256.h"

#include <cpuid.h>
#include <immintrin.h>

#define YUPANA_SHA __attribute__((target("sha,ssse3,sse4.1")))

namespace yupana::runtime::internal {

namespace {

/// One message on its way.
struct Lane {
  __m128i abef, cdgh;             // the state
  __m128i saved_abef, saved_cdgh; // as it was before the block
  __m128i w[4];                   // the next 16 words of the message
};

YUPANA_SHA inline Lane load_state(const uint32_t state[8]) {
  const __m128i *in = reinterpret_cast<const __m128i *>(state);
  // 0x1B turns the order of four words around.
  __m128i abcd = _mm_shuffle_epi32(_mm_loadu_si128(in), 0x1B);
  __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128(in + 1), 0x1B);
  Lane lane;
  lane.abef = _mm_unpackhi_epi64(efgh, abcd);
  lane.cdgh = _mm_unpacklo_epi64(efgh, abcd);
  return lane;
}

YUPANA_SHA inline void store_state(const Lane &lane, uint32_t state[8]) {
  __m128i *out = reinterpret_cast<__m128i *>(state);
  __m128i abcd = _mm_shuffle_epi32(_mm_unpackhi_epi64(lane.cdgh, lane.abef), 0x1B);
  __m128i efgh = _mm_shuffle_epi32(_mm_unpacklo_epi64(lane.cdgh, lane.abef), 0x1B);
  _mm_storeu_si128(out, abcd);
  _mm_storeu_si128(out + 1, efgh);
}

YUPANA_SHA inline void begin_block(Lane &lane, const uint8_t *block) {
  // Words of the message are big-endian: this swaps the four bytes of each.
  const __m128i byte_swap = _mm_set_epi64x(0x0c0d0e0f08090a0bll, 0x0405060700010203ll);
  lane.saved_abef = lane.abef;
  lane.saved_cdgh = lane.cdgh;
  for (int i = 0; i < 4; ++i)
    lane.w[i] = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i *>(block) + i), byte_swap);
}

YUPANA_SHA inline void four_rounds(Lane &lane, int group) {
  __m128i constants = _mm_load_si128(reinterpret_cast<const __m128i *>(kSha256Constants) + group);
  __m128i k = _mm_add_epi32(lane.w[0], constants);
  lane.cdgh = _mm_sha256rnds2_epu32(lane.cdgh, lane.abef, k);
  // The second two rounds take their words from the upper half. What was abef is cdgh two rounds later, which is why
  // the two take turns.
  lane.abef = _mm_sha256rnds2_epu32(lane.abef, lane.cdgh, _mm_shuffle_epi32(k, 0x0E));
  // The words of four groups ahead; those after the last group are computed and not used.
  __m128i next = _mm_add_epi32(_mm_sha256msg1_epu32(lane.w[0], lane.w[1]), _mm_alignr_epi8(lane.w[3], lane.w[2], 4));
  next = _mm_sha256msg2_epu32(next, lane.w[3]);
  lane.w[0] = lane.w[1];
  lane.w[1] = lane.w[2];
  lane.w[2] = lane.w[3];
  lane.w[3] = next;
}

YUPANA_SHA inline void end_block(Lane &lane) {
  lane.abef = _mm_add_epi32(lane.abef, lane.saved_abef);
  lane.cdgh = _mm_add_epi32(lane.cdgh, lane.saved_cdgh);
}

} // namespace

bool sha256_x86_available() {
  unsigned a, b, c, d;
  // CPUID leaf 1 has SSSE3 and SSE4.1 in ECX, leaf 7 has SHA in EBX. The state lies in xmm registers, which every
  // x86-64 system saves.
  if (!__get_cpuid(1, &a, &b, &c, &d))
    return false;
  constexpr unsigned kSsse3 = 1u << 9, kSse41 = 1u << 19;
  if ((c & (kSsse3 | kSse41)) != (kSsse3 | kSse41))
    return false;
  constexpr unsigned kSha = 1u << 29;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & kSha);
}

YUPANA_SHA void sha256_compress_x86(uint32_t state[8], const uint8_t *blocks, size_t count) {
  Lane lane = load_state(state);
  for (; count; --count, blocks += 64) {
    begin_block(lane, blocks);
    for (int group = 0; group < 16; ++group)
      four_rounds(lane, group);
    end_block(lane);
  }
  store_state(lane, state);
}

YUPANA_SHA void sha256_compress_both_x86(uint32_t first_state[8], const uint8_t *first, uint32_t second_state[8],
                                         const uint8_t *second, size_t count) {
  Lane a = load_state(first_state), b = load_state(second_state);
  for (; count; --count, first += 64, second += 64) {
    begin_block(a, first);
    begin_block(b, second);
    for (int group = 0; group < 16; ++group) {
      four_rounds(a, group);
      four_rounds(b, group);
    }
    end_block(a);
    end_block(b);
  }
  store_state(a, first_state);
  store_state(b, second_state);
}

} // namespace yupana::runtime::internal
