// SPDX-License-Identifier: Apache-2.0
//
// A runtime core for tests of what lies above it: the functions of yupana.h that the text layer and yupana-run call,
// over a model that is a hash. The logits of a token depend on all tokens of its sequence up to it and on nothing else,
// so a wrong order, row or position shows. What the header forbids ends the test program.

#ifndef YUPANA_TEST_TEXT_FAKE_CORE_H
#define YUPANA_TEST_TEXT_FAKE_CORE_H

#include "yupana/yupana.h"

#include <cstdint>
#include <vector>

namespace yupana::test {

/// What plans have and what contexts did; set before and read after a test.
struct FakeCore {
  uint32_t vocab_size = 97;
  uint32_t max_context = 64;
  uint32_t max_batch = 3;
  uint32_t max_step_tokens = 16;
  uint32_t max_logit_rows = 5;
  uint64_t kv_positions = 64;
  std::vector<uint32_t> stop_tokens = {1};
  uint32_t fail_at_step = UINT32_MAX;  // this step reports OUT_OF_MEMORY
  uint32_t not_finite_at = UINT32_MAX; // the logits after so many tokens of a sequence hold no token
  uint32_t shortest = 0;               // truncating to less is refused, as where pages are freed
  uint32_t runs_apart = 0;             // 1: the next step may be submitted early
  uint32_t full_at = UINT32_MAX;       // no sequence gets more tokens, as without pages

  /// Token counts of the spans of every step.
  std::vector<std::vector<uint32_t>> steps;
  yupana_span_t last_span = {}; // of the last step
  uint32_t alive = 0;           // sequences not released
  size_t most_in_flight = 0;
  /// All tokens of the sequence that the last span went on with.
  std::vector<uint32_t> last_tokens;
};
FakeCore &fake_core();

/// The logits after `tokens`: float32 [vocab_size].
std::vector<float> fake_logits(const std::vector<uint32_t> &tokens);
/// The token that those logits choose at temperature 0.
uint32_t fake_next(const std::vector<uint32_t> &tokens);

} // namespace yupana::test

#endif
