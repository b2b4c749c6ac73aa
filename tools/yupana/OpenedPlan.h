// SPDX-License-Identifier: Apache-2.0
//
// A plan opened by the runtime, with its metadata.
#ifndef YUPANA_TOOLS_YUPANA_OPENEDPLAN_H
#define YUPANA_TOOLS_YUPANA_OPENEDPLAN_H

#include "compiler/Support/Error.h"
#include "runtime/include/yupana/yupana.h"
#include "runtime/schema/plan_generated.h"

#include <memory>
#include <string>

namespace yupana {

/// A status of the runtime as a result.
Result<void> checkStatus(yupana_status_code_t code, const yupana_status_t &status);

/// A plan that the runtime has opened and checked, with its metadata.
class OpenedPlan {
public:
  static Result<OpenedPlan> open(const std::string &path);

  yupana_plan_t *get() const { return plan.get(); }
  const schema::Plan &metadata() const { return *root; }
  yupana_section_info_t section(uint32_t index) const;

private:
  struct Release {
    void operator()(yupana_plan_t *plan) const { yupana_plan_release(plan); }
  };
  std::unique_ptr<yupana_plan_t, Release> plan;
  const schema::Plan *root = nullptr;
};

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANA_OPENEDPLAN_H
