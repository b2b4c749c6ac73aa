// SPDX-License-Identifier: Apache-2.0
//
// The `plan` dialect: the plan file, one op per table. See Rationale.md one folder up.

#ifndef YUPANA_DIALECTS_PLAN_IR_PLAN_H
#define YUPANA_DIALECTS_PLAN_IR_PLAN_H

#include "dialects/Kernel/IR/Kernel.h"

#include "dialects/Plan/IR/PlanDialect.h.inc"
#include "dialects/Plan/IR/PlanEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Plan/IR/PlanAttrs.h.inc"
#define GET_OP_CLASSES
#include "dialects/Plan/IR/PlanOps.h.inc"

#endif
