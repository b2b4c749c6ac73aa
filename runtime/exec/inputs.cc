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
  uint32_t groups = plan.cache_groups()->size();
  for (uint32_t i = 0; i < groups; ++i) {
    uint64_t row_bytes = page_table_entries(*plan.cache_groups()->Get(i), limits) * sizeof(uint32_t);
    tables_[i] = {take(row_bytes * limits.max_batch()), row_bytes};
  }
  StepSizes maxima{limits.max_step_tokens(), limits.max_batch(), limits.max_logit_rows()};
  for (uint32_t i = 0; i < kStepInputs; ++i)
    inputs_[i] = take(input_bytes(static_cast<schema::StepInput>(i), maxima));
  uint64_t most_ranges = uint64_t{groups} * limits.max_batch() + kStepInputs;
  if (Code code = ranges_.allocate(allocator, most_ranges, "ranges of step inputs", out))
    return code;
  return device->kind->allocate_inputs(device, allocator, end + kArenaPadding, &block_, out);
}

void StepInputs::send(Device *device, const StepSizes &sizes) {
  for (uint32_t i = 0; i < kStepInputs; ++i)
    if (uint64_t bytes = input_bytes(static_cast<schema::StepInput>(i), sizes))
      ranges_[count_++] = {inputs_[i], bytes};
  device->kind->send_inputs(device, block_, ranges_.data(), count_);
}

} // namespace yupana::runtime
