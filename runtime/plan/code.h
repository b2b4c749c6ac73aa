// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_RUNTIME_PLAN_CODE_H
#define YUPANA_RUNTIME_PLAN_CODE_H

#include "runtime/device/cpu/elf.h"
#include "runtime/plan/plan.h"

namespace yupana::runtime {

/// As generated code is called: see plan.fbs.
using KernelFunction = void (*)(void *const *arguments, const uint32_t *sizes, uint32_t first, uint32_t last,
                                void *scratch);

/// Reads and maps the code of target `index`; every kernel the target names is then found in it. `compare`: with its
/// digest. UNREADABLE, INVALID_DATA, OUT_OF_MEMORY, DIGEST_MISMATCH.
Code load_code(const yupana_plan_t &plan, uint32_t index, bool compare, ElfImage *out_image, const Report &report);

} // namespace yupana::runtime

#endif
