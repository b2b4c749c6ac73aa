// SPDX-License-Identifier: Apache-2.0
//
// A target by name in a plan. A name that the list of targets has and the plan has not is a plan that does not fit (6);
// any other name is a typing error (2).

#include "tools/support/Targets.h"

#include "runtime/schema/targets.h"

#include <algorithm>
#include <cstdio>
#include <iterator>

using namespace yupana;

namespace {

std::string targetName(const yupana_plan_t *plan, uint32_t index) {
  yupana_target_info_t info = {};
  info.size = sizeof info;
  yupana_plan_target(plan, index, &info);
  return info.name;
}

} // namespace

std::string yupana::listTargets(const yupana_plan_t *plan) {
  std::string list;
  for (uint32_t i = 0; i < yupana_plan_target_count(plan); ++i)
    list += (i ? ", " : "") + targetName(plan, i);
  return list;
}

yupana_status_code_t yupana::findTarget(const yupana_plan_t *plan, const std::string &name, uint32_t &index,
                                        yupana_status_t &status) {
  for (uint32_t i = 0; i < yupana_plan_target_count(plan); ++i)
    if (targetName(plan, i) == name) {
      index = i;
      return YUPANA_STATUS_OK;
    }
  // A name that nobody knows is a typing error; one that the list has, a plan that lacks it.
  bool known = std::any_of(std::begin(schema::kTargets), std::end(schema::kTargets),
                           [&](const schema::TargetName &target) { return name == target.name; });
  yupana_status_code_t code = known ? YUPANA_STATUS_INCOMPATIBLE : YUPANA_STATUS_INVALID_ARGUMENT;
  status.code = code;
  if (known)
    std::snprintf(status.message, sizeof status.message,
                  "%s: the plan has code for %s, not for %s: compile the model with --target %s",
                  yupana_plan_name(plan), listTargets(plan).c_str(), name.c_str(), name.c_str());
  else
    // The name comes from the command line and is cut, so that the sentence keeps its end.
    std::snprintf(status.message, sizeof status.message,
                  "--for is \"%.100s\", which no target is called; %s has code for %s", name.c_str(),
                  yupana_plan_name(plan), listTargets(plan).c_str());
  return code;
}
