// SPDX-License-Identifier: Apache-2.0
//
// How many pages each cache group gets. All groups are sized by one number of positions, since a sequence uses the same
// positions in each of them; the number is the largest whose pages fit the bytes that the caller allows. Groups that
// keep a chunk alone need fewer pages for the same positions, up to a bound that does not grow with the context.

#include "runtime/exec/context.h"

namespace yupana::runtime {

namespace {

uint64_t bytes_for(const schema::Plan &plan, uint64_t positions, uint32_t sequences) {
  uint64_t bytes = 0;
  for (const schema::CacheGroup *group : *plan.cache_groups())
    bytes = saturating_add(
        bytes, saturating_mul(pages_for(*group, *plan.limits(), positions, sequences), group->page_bytes()));
  return bytes;
}

/// The most positions that fit, by bisection: bytes_for never falls as positions grow.
uint64_t positions_for(const schema::Plan &plan, uint64_t bytes, uint32_t sequences) {
  uint64_t low = 0, high = uint64_t{plan.limits()->max_context()} * sequences;
  while (low < high) {
    uint64_t middle = low + (high - low + 1) / 2;
    if (bytes_for(plan, middle, sequences) <= bytes)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

} // namespace

/// Without a number of bytes there is room for one sequence of the longest context, shared by all.
Code choose_pages(const yupana_plan_t &plan, uint64_t kv_bytes, uint32_t sequences, uint32_t *out_pages,
                  uint64_t *out_positions, const Report &report) {
  const schema::Plan &root = *plan.root;
  uint64_t positions = kv_bytes ? positions_for(root, kv_bytes, sequences) : root.limits()->max_context();
  if (positions == 0)
    return report.fail(YUPANA_STATUS_OUT_OF_MEMORY,
                       "%llu bytes for keys and values hold no position of %u sequences; expected at least %llu",
                       static_cast<unsigned long long>(kv_bytes), sequences,
                       static_cast<unsigned long long>(bytes_for(root, 1, sequences)));
  for (uint32_t i = 0; i < root.cache_groups()->size(); ++i) {
    const schema::CacheGroup &group = *root.cache_groups()->Get(i);
    uint64_t pages = pages_for(group, *root.limits(), positions, sequences);
    if (pages > UINT32_MAX)
      return report.fail(YUPANA_STATUS_OUT_OF_MEMORY, "cache group '%s' would need %llu pages; at most %u are possible",
                         group.name()->c_str(), static_cast<unsigned long long>(pages), UINT32_MAX);
    out_pages[i] = static_cast<uint32_t>(pages);
  }
  *out_positions = positions;
  return YUPANA_STATUS_OK;
}

} // namespace yupana::runtime

uint64_t yupana_plan_kv_bytes(const yupana_plan_t *plan, uint64_t positions, uint32_t max_sequences) {
  uint32_t sequences = max_sequences ? max_sequences : plan->root->limits()->max_batch();
  return yupana::runtime::bytes_for(*plan->root, positions, sequences);
}
