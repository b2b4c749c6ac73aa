// SPDX-License-Identifier: Apache-2.0
//
// Verification of the metadata. After check_metadata the rest of the runtime indexes, adds and dereferences without
// asking again; whatever it relies on is checked here.

#ifndef YUPANA_RUNTIME_PLAN_CHECK_H
#define YUPANA_RUNTIME_PLAN_CHECK_H

#include "runtime/device/device.h"
#include "runtime/plan/frame.h"
#include "runtime/schema/plan_generated.h"

namespace yupana::runtime {

/// `metadata` is aligned to 64 bytes and at most kMaxMetadataBytes long. On success `*out_plan` points into it.
/// INVALID_DATA, OUT_OF_MEMORY.
Code check_metadata(const uint8_t *metadata, uint64_t bytes, const Frame &frame, const Allocator &allocator,
                    const Report &report, const schema::Plan **out_plan);

/// Bytes of a step input for a step of `sizes`, or at the compiled maxima; `limits` has been checked.
uint64_t input_bytes(schema::StepInput input, const StepSizes &sizes);
uint64_t input_bytes(schema::StepInput input, const schema::Limits &limits);
/// Entries of a row of a group's page table.
uint32_t page_table_entries(const schema::CacheGroup &group, const schema::Limits &limits);
/// Bytes that a slot takes in the history of tokens.
uint64_t history_row_bytes(const schema::Limits &limits);
/// Bytes of one element.
uint64_t element_bytes(schema::ElementType element);

inline constexpr uint32_t kStepInputs = 15;

namespace internal {

/// What the checks of one table need to know of the others.
struct CheckScope {
  const schema::Plan &plan;
  const Frame &frame;
  const Report &report;
};

bool check_string(const flatbuffers::String *string, const char *what, const Report &report);
bool check_weights(const CheckScope &scope);
bool check_target(const CheckScope &scope, uint32_t index);

} // namespace internal

} // namespace yupana::runtime

#endif
