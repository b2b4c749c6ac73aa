// SPDX-License-Identifier: Apache-2.0
//
// Brings the code of a target into a device.

#ifndef YUPANA_RUNTIME_PLAN_CODE_H
#define YUPANA_RUNTIME_PLAN_CODE_H

#include "runtime/device/device.h"
#include "runtime/plan/plan.h"

namespace yupana::runtime {

/// Loads the images of target `index` into the device, of every kernel the first it takes, and finds the kernels in
/// them. `compare`: with the digests of the sections. `out_kernels` has an entry per kernel of the target. UNREADABLE,
/// INVALID_DATA, OUT_OF_MEMORY, DIGEST_MISMATCH.
Code load_code(const yupana_plan_t &plan, uint32_t index, bool compare, Device *device, Array<void *> *out_kernels,
               const Report &report);

} // namespace yupana::runtime

#endif
