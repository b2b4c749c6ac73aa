// SPDX-License-Identifier: Apache-2.0
//
// Passes of the schedule phase, generated from Passes.td, whose descriptions say what each one expects and leaves:
// every launched op gets a grid and the choices of its target.

#ifndef YUPANA_PASSES_SCHEDULE_PASSES_H
#define YUPANA_PASSES_SCHEDULE_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace yupana {

#define GEN_PASS_DECL
#include "passes/Schedule/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/Schedule/Passes.h.inc"

} // namespace yupana

#endif
