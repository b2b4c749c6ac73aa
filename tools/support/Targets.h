// SPDX-License-Identifier: Apache-2.0
//
// What `--for TARGET` means, in every program that has it.
#ifndef YUPANA_TOOLS_SUPPORT_TARGETS_H
#define YUPANA_TOOLS_SUPPORT_TARGETS_H

#include "yupana/yupana.h"

#include <string>

namespace yupana {

/// The names of the plan's targets with commas between them.
std::string listTargets(const yupana_plan_t *plan);

/// Sets `index` to the plan's target called `name`. INCOMPATIBLE when the plan has no code for that target, with those
/// it has; INVALID_ARGUMENT when no target is called so. Asks nothing of this machine.
yupana_status_code_t findTarget(const yupana_plan_t *plan, const std::string &name, uint32_t &index,
                                yupana_status_t &status);

} // namespace yupana

#endif // YUPANA_TOOLS_SUPPORT_TARGETS_H
