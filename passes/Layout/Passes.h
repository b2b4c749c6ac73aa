// SPDX-License-Identifier: Apache-2.0
//
// Passes of the layout phase, generated from Passes.td, whose descriptions say what each one expects and leaves: what
// all programs of a target share gets its form, that is weights, caches and the order of sums.

#ifndef YUPANA_PASSES_LAYOUT_PASSES_H
#define YUPANA_PASSES_LAYOUT_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace yupana {

#define GEN_PASS_DECL
#include "passes/Layout/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/Layout/Passes.h.inc"

} // namespace yupana

#endif
