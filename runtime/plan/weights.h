// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_RUNTIME_PLAN_WEIGHTS_H
#define YUPANA_RUNTIME_PLAN_WEIGHTS_H

#include "runtime/plan/digest.h"
#include "runtime/plan/plan.h"

namespace yupana::runtime {

/// Makes weights section `index` present in memory, reading or mapping it unless another context has, and counts the
/// caller as a user. `*out_data` stays valid until release_weights. `progress` advances by the section's bytes either
/// way. INVALID_ARGUMENT (a reader that cannot map), UNREADABLE, OUT_OF_MEMORY, DIGEST_MISMATCH (naming weight and
/// chunk), CANCELLED.
Code acquire_weights(yupana_plan_t *plan, uint32_t index, const yupana_context_options_t &options, ThreadPool &pool,
                     Progress &progress, const uint8_t **out_data, const Report &report);

/// The last user's release frees the memory.
void release_weights(yupana_plan_t *plan, uint32_t index);

/// Compares weights section `index` of the file with its digests; nothing stays in memory. Codes as above.
Code verify_weights(const yupana_plan_t *plan, uint32_t index, ThreadPool &pool, Progress &progress,
                    const Report &report);

} // namespace yupana::runtime

#endif
