// SPDX-License-Identifier: Apache-2.0
//
// Passes of the to-kernel phase, generated from Passes.td, whose descriptions say what each one expects and leaves:
// tensors become views, and each op of the model a launch or a few.

#ifndef YUPANA_PASSES_TOKERNEL_PASSES_H
#define YUPANA_PASSES_TOKERNEL_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace yupana {

#define GEN_PASS_DECL
#include "passes/ToKernel/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/ToKernel/Passes.h.inc"

} // namespace yupana

#endif
