// SPDX-License-Identifier: Apache-2.0
//
// Passes of the to-plan phase, generated from Passes.td, whose descriptions say what each one expects and leaves:
// kernels move into a library, and programs become the tables of a plan.

#ifndef YUPANA_PASSES_TOPLAN_PASSES_H
#define YUPANA_PASSES_TOPLAN_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace yupana {

#define GEN_PASS_DECL
#include "passes/ToPlan/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/ToPlan/Passes.h.inc"

} // namespace yupana

#endif
