// SPDX-License-Identifier: Apache-2.0
//
// truncate_sampling PLAN: a sequence that was truncated and went on otherwise has the same tokens drawn, at every
// position, as one that never held anything else. The exit code is 1 if not.

#include "yupana/yupana.h"

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

using Tokens = std::vector<uint32_t>;

void require(yupana_status_code_t code, const yupana_status_t &status) {
  if (code == YUPANA_STATUS_OK)
    return;
  std::fprintf(stderr, "%s\n", status.message);
  std::exit(yupana_status_exit_code(code));
}

/// Goes on by `tokens`; what is drawn after each.
Tokens go_on(yupana_context_t *context, yupana_sequence_t sequence, const Tokens &tokens) {
  yupana_span_t span = {};
  span.size = sizeof span;
  span.sequence = sequence;
  span.tokens = tokens.data();
  span.token_count = static_cast<uint32_t>(tokens.size());
  span.rows = YUPANA_ROWS_ALL;
  span.sample = 1;
  span.temperature = 1.5f;
  span.seed = 5;
  span.repetition_penalty = 3;
  yupana_batch_t batch = {sizeof batch, &span, 1, 0};
  yupana_step_result_t result = {};
  result.size = sizeof result;
  yupana_status_t status;
  require(yupana_context_step(context, &batch, &result, &status), status);
  return Tokens(result.sampled, result.sampled + result.rows);
}

yupana_sequence_t create(yupana_context_t *context) {
  yupana_sequence_t sequence = 0;
  yupana_status_t status;
  require(yupana_sequence_create(context, 7, &sequence, &status), status);
  return sequence;
}

} // namespace

int main(int argc, char **argv) {
  if (argc != 2)
    return 2;
  yupana_status_t status;
  yupana_plan_t *plan = nullptr;
  require(yupana_plan_open_file(argv[1], nullptr, &plan, &status), status);
  yupana_context_t *context = nullptr;
  require(yupana_context_create(plan, nullptr, nullptr, &context, &status), status);

  Tokens begin = {300, 301, 302, 303, 304}, dropped, kept;
  for (uint32_t i = 0; i < 12; ++i) {
    dropped.push_back(400 + i);
    kept.push_back(500 + i % 5);
  }
  yupana_sequence_t truncated = create(context);
  go_on(context, truncated, begin);
  go_on(context, truncated, dropped);
  require(yupana_sequence_truncate(context, truncated, static_cast<uint32_t>(begin.size()), &status), status);
  Tokens after = go_on(context, truncated, kept);
  require(yupana_sequence_release(context, truncated, &status), status);
  yupana_sequence_t straight = create(context);
  go_on(context, straight, begin);
  Tokens expected = go_on(context, straight, kept);
  if (after != expected)
    std::fprintf(stderr, "other tokens are drawn after truncating\n");
  yupana_context_release(context);
  yupana_plan_release(plan);
  return after == expected ? 0 : 1;
}
