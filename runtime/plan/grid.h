// SPDX-License-Identifier: Apache-2.0
//
// Grid expressions: how many cells a launch has, as postfix terms over the sizes of the step.

#ifndef YUPANA_RUNTIME_PLAN_GRID_H
#define YUPANA_RUNTIME_PLAN_GRID_H

#include "runtime/device/device.h"

namespace yupana::runtime {

/// What `sms` may be: multiprocessors of a GPU, workers of a CPU.
inline constexpr uint32_t kMaxSms = 1u << 16;

using GridTerms = flatbuffers::Vector<const schema::GridTerm *>;

/// Why no step within `maxima` can make the expression underflow its stack, divide by zero or leave 32 bits: null when
/// it is proved, else what is wrong. A step has at least one token and one sequence, and any number of rows; a device
/// has 1 to kMaxSms multiprocessors.
const char *check_grid(const GridTerms &terms, const StepSizes &maxima);

/// The value for a step on a device of `sms` multiprocessors; `terms` has passed check_grid with maxima no less than
/// `sizes`.
uint32_t evaluate_grid(const GridTerms &terms, const StepSizes &sizes, uint32_t sms);

} // namespace yupana::runtime

#endif
