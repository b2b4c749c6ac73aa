// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_RUNTIME_EXEC_ROOM_H
#define YUPANA_RUNTIME_EXEC_ROOM_H

#include "runtime/exec/context.h"

namespace yupana::runtime {

/// Refuses a context whose weights and activations are more than the host has available, before any of it is filled.
/// `used` has an entry per weight of the plan. OUT_OF_MEMORY with both numbers.
Code check_room(const yupana_context_t &context, const yupana_context_options_t &options, const Array<uint32_t> &used,
                const Report &report);

/// Refuses a target that uses weights which nobody can provide. INVALID_DATA.
Code check_weights_present(const yupana_context_t &context, const yupana_context_options_t &options,
                           const Array<uint32_t> &used, const Report &report);

} // namespace yupana::runtime

#endif
