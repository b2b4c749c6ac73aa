// SPDX-License-Identifier: Apache-2.0
//
// Passes of the bufferize phase, generated from Passes.td, whose descriptions say what each one expects and leaves:
// every buffer gets a constant place in an arena.

#ifndef YUPANA_PASSES_BUFFERIZE_PASSES_H
#define YUPANA_PASSES_BUFFERIZE_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace yupana {

#define GEN_PASS_DECL
#include "passes/Bufferize/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/Bufferize/Passes.h.inc"

} // namespace yupana

#endif
