// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 with the x86 SHA extensions. The instructions hold the state as (a, b, e, f) and (c, d, g, h), most
// significant word first, and do two rounds each; a group of four rounds takes one vector of message words.

#include "runtime/base/sha256.h"

#include <cpuid.h>
#include <immintrin.h>

namespace yupana::runtime::internal {

bool sha256_x86_available() {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d))
    return false;
  constexpr unsigned kSsse3 = 1u << 9, kSse41 = 1u << 19;
  if ((c & (kSsse3 | kSse41)) != (kSsse3 | kSse41))
    return false;
  constexpr unsigned kSha = 1u << 29;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & kSha);
}

__attribute__((target("sha,ssse3,sse4.1"))) void sha256_compress_x86(uint32_t state[8], const uint8_t *blocks,
                                                                     size_t count) {
  const __m128i byte_swap = _mm_set_epi64x(0x0c0d0e0f08090a0bll, 0x0405060700010203ll);
  __m128i *out = reinterpret_cast<__m128i *>(state);
  __m128i abcd = _mm_shuffle_epi32(_mm_loadu_si128(out), 0x1B);
  __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128(out + 1), 0x1B);
  __m128i abef = _mm_unpackhi_epi64(efgh, abcd);
  __m128i cdgh = _mm_unpacklo_epi64(efgh, abcd);

  for (; count; --count, blocks += 64) {
    const __m128i saved_abef = abef, saved_cdgh = cdgh;
    __m128i w[4];
    for (int i = 0; i < 4; ++i)
      w[i] = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i *>(blocks) + i), byte_swap);
    for (int group = 0; group < 16; ++group) {
      __m128i words = w[0];
      __m128i constants = _mm_load_si128(reinterpret_cast<const __m128i *>(kSha256Constants) + group);
      __m128i k = _mm_add_epi32(words, constants);
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, k);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(k, 0x0E));
      // The words of four groups ahead; those after the last group are computed and not used.
      __m128i next = _mm_add_epi32(_mm_sha256msg1_epu32(w[0], w[1]), _mm_alignr_epi8(w[3], w[2], 4));
      next = _mm_sha256msg2_epu32(next, w[3]);
      w[0] = w[1];
      w[1] = w[2];
      w[2] = w[3];
      w[3] = next;
    }
    abef = _mm_add_epi32(abef, saved_abef);
    cdgh = _mm_add_epi32(cdgh, saved_cdgh);
  }

  abcd = _mm_shuffle_epi32(_mm_unpackhi_epi64(cdgh, abef), 0x1B);
  efgh = _mm_shuffle_epi32(_mm_unpacklo_epi64(cdgh, abef), 0x1B);
  _mm_storeu_si128(out, abcd);
  _mm_storeu_si128(out + 1, efgh);
}

} // namespace yupana::runtime::internal
