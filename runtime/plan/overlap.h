// SPDX-License-Identifier: Apache-2.0
//
// Checks between the buffers of a target: places and lifetimes.

#ifndef YUPANA_RUNTIME_PLAN_OVERLAP_H
#define YUPANA_RUNTIME_PLAN_OVERLAP_H

#include "runtime/plan/plan.h"

namespace yupana::runtime {

/// Checks that entries of one name are one value: the same place, in ranges of launches that do not meet. INVALID_DATA
/// names one that is not; OUT_OF_MEMORY.
Code check_entries(const schema::Target &target, const Allocator &allocator, const Report &report);

/// Proves that no two buffers of target `index` share bytes of an arena during one launch. INVALID_DATA names two that
/// do; OUT_OF_MEMORY.
Code check_overlap(const yupana_plan_t &plan, uint32_t index, const Report &report);

} // namespace yupana::runtime

#endif
