// SPDX-License-Identifier: Apache-2.0
//
// Weights in the memory of a device, shared by the contexts of a plan.

#ifndef YUPANA_RUNTIME_PLAN_WEIGHTS_H
#define YUPANA_RUNTIME_PLAN_WEIGHTS_H

#include "runtime/device/device.h"
#include "runtime/plan/plan.h"

namespace yupana::runtime {

/// Makes weights section `index` present in memory of the device, reading or mapping it unless another context has, and
/// counts the caller as a user. `*out_data` stays valid until release_weights. `progress` advances by the section's
/// bytes either way. INVALID_ARGUMENT (a reader or a device that cannot map), UNREADABLE, OUT_OF_MEMORY,
/// DIGEST_MISMATCH (naming weight and chunk), CANCELLED.
Code acquire_weights(yupana_plan_t *plan, uint32_t index, const yupana_context_options_t &options, Device *device,
                     Progress &progress, const uint8_t **out_data, const Report &report);

/// The last user's release frees the memory.
void release_weights(yupana_plan_t *plan, uint32_t index, const Device &device);

/// Makes the weights marked in `used`, an entry per weight of the plan, present that the file does not have, calling
/// `filler` for those that no context has filled yet, and counts the caller as a user of the plan's filled weights.
/// `progress` advances by their bytes. UNREADABLE (the filler's word), OUT_OF_MEMORY, CANCELLED.
Code acquire_filled(yupana_plan_t *plan, const Array<uint32_t> &used, const yupana_filler_t &filler, Device *device,
                    Progress &progress, const Report &report);

/// The last user's release frees the memory.
void release_filled(yupana_plan_t *plan, const Device &device);

/// Where a weight without bytes in the file lies; it has been acquired.
inline const uint8_t *filled_weight(const yupana_plan_t &plan, const Device &device, uint32_t weight) {
  return plan.filled[device.slot].items[weight].dst;
}

/// Compares weights section `index` of the file with its digests, by the workers of `device`; nothing stays in memory.
/// Codes as above.
Code verify_weights(const yupana_plan_t *plan, uint32_t index, Device *device, Progress &progress,
                    const Report &report);

} // namespace yupana::runtime

#endif
