// SPDX-License-Identifier: Apache-2.0
//
// The digest of sections and of chunks of weights.

#ifndef YUPANA_RUNTIME_BASE_SHA256_H
#define YUPANA_RUNTIME_BASE_SHA256_H

#include <cstddef>
#include <cstdint>

namespace yupana::runtime {

/// SHA-256 (FIPS 180-4), incremental. Uses the SHA extensions of the processor where it has them.
class Sha256 {
public:
  static constexpr size_t kBytes = 32;
  enum class Code { fastest, portable };

  explicit Sha256(Code code = Code::fastest);
  void update(const void *data, size_t bytes);
  /// Writes the digest; the object is used up.
  void finish(uint8_t out[kBytes]);

  static void digest(const void *data, size_t bytes, uint8_t out[kBytes]);
  /// Like first.update(first_data, bytes) and second.update(second_data, bytes), in up to half the time: a round waits
  /// for the one before it, and the other message's rounds fill that time.
  static void update_both(Sha256 &first, const void *first_data, Sha256 &second, const void *second_data, size_t bytes);

private:
  using Compress = void (*)(uint32_t state[8], const uint8_t *blocks, size_t count);

  Compress compress_;
  uint32_t state_[8];
  uint8_t pending_[64];
  size_t pending_bytes_ = 0;
  uint64_t total_bytes_ = 0;
};

namespace internal {
extern const uint32_t kSha256Constants[64];
/// True if this processor has the instructions of sha256_compress_x86.
bool sha256_x86_available();
void sha256_compress_x86(uint32_t state[8], const uint8_t *blocks, size_t count);
/// `count` blocks of two messages each.
void sha256_compress_both_x86(uint32_t first_state[8], const uint8_t *first, uint32_t second_state[8],
                              const uint8_t *second, size_t count);
} // namespace internal

} // namespace yupana::runtime

#endif
