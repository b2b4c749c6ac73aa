// SPDX-License-Identifier: Apache-2.0
//
// The `moe` dialect: mixtures of experts on tensors. See Rationale.md one folder up.

#ifndef YUPANA_DIALECTS_MOE_IR_MOE_H
#define YUPANA_DIALECTS_MOE_IR_MOE_H

#include "dialects/LM/IR/LM.h"

#include "dialects/MoE/IR/MoEDialect.h.inc"
#include "dialects/MoE/IR/MoEEnums.h.inc"
#define GET_OP_CLASSES
#include "dialects/MoE/IR/MoEOps.h.inc"

#endif
