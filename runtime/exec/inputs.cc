// SPDX-License-Identifier: Apache-2.0
//
// Page tables and step inputs at fixed offsets of one block, laid out once for the largest step. A step sends ranges of
// it: the used entries of each row of a page table and the used part of each input, in the order in which they lie, so
// that a device can join ranges that are close together into one transfer.

#include "runtime/exec/inputs.h"

#include "runtime/plan/plan.h"

namespace yupana::runtime {

Code StepInputs::prepare(Device *device, const Allocator &allocator, const schema::Plan &plan, yupana_status_t *out) {
  const schema::Limits &limits = *plan.limits();
  uint64_t end = 0;
  // Every size is below 2^50, so their sum stays far from 2^64.
  auto take = [&](uint64_t bytes) {
    uint64_t offset = end;
    end += (bytes + kCacheLine - 1) & ~(kCacheLine - 1);
    return offset;
  };
  StepSizes maxima{limits.max_step_tokens(), limits.max_batch(), limits.max_logit_rows()};
  uint32_t groups = plan.cache_groups()->size();
  static_assert(static_cast<uint32_t>(schema::StepInput::token_ids) == 0);
  inputs_[0] = take(input_bytes(schema::StepInput::token_ids, maxima));
  for (uint32_t i = 0; i < groups; ++i) {
    uint64_t row_bytes = page_table_entries(*plan.cache_groups()->Get(i), limits) * sizeof(uint32_t);
    tables_[i] = {take(row_bytes * limits.max_batch()), row_bytes};
  }
  for (uint32_t i = 1; i < kStepInputs; ++i)
    inputs_[i] = take(input_bytes(static_cast<schema::StepInput>(i), maxima));
  uint64_t most_ranges = uint64_t{groups} * limits.max_batch() + kStepInputs;
  if (Code code = ranges_.allocate(allocator, most_ranges, "ranges of step inputs", out))
    return code;
  return device->kind->allocate_inputs(device, allocator, end + kArenaPadding, &block_, out);
}

void StepInputs::send(Device *device, uint32_t slot, const StepSizes &sizes, uint32_t kept) {
  uint64_t known = kept * sizeof(uint32_t), ids = sizes.tokens * sizeof(uint32_t);
  ranges_[0] = {inputs_[0] + known, ids - known};
  for (uint32_t i = 1; i < kStepInputs; ++i)
    if (uint64_t bytes = input_bytes(static_cast<schema::StepInput>(i), sizes))
      ranges_[count_++] = {inputs_[i], bytes};
  uint32_t skipped = known == ids;
  device->kind->send_inputs(device, block_, slot, ranges_.data() + skipped, count_ - skipped);
}

} // namespace yupana::runtime
