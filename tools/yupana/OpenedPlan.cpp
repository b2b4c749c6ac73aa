// SPDX-License-Identifier: Apache-2.0
//
// A plan as the tools hold it: opened by the runtime, which has checked whatever the tools then read from its metadata.
// An error of the runtime keeps its sentence and its exit code.

#include "tools/yupana/OpenedPlan.h"

using namespace yupana;

Result<void> yupana::checkStatus(yupana_status_code_t code, const yupana_status_t &status) {
  if (code == YUPANA_STATUS_OK)
    return {};
  // The exit codes of the runtime are those of the tools.
  return Error{static_cast<ExitCode>(yupana_status_exit_code(code)), status.message};
}

Result<OpenedPlan> OpenedPlan::open(const std::string &path) {
  yupana_plan_t *plan = nullptr;
  yupana_status_t status;
  YUPANA_RETURN_IF_ERROR(checkStatus(yupana_plan_open_file(path.c_str(), nullptr, &plan, &status), status));
  OpenedPlan opened;
  // From here on the plan is released with `opened`, whatever happens.
  opened.plan.reset(plan);
  opened.root = schema::GetPlan(yupana_plan_metadata(plan, nullptr));
  return opened;
}

yupana_section_info_t OpenedPlan::section(uint32_t index) const {
  // The runtime fills in as much as the caller's structure has room for, which `size` says.
  yupana_section_info_t info = {};
  info.size = sizeof(info);
  yupana_plan_section(plan.get(), index, &info);
  return info;
}
