// SPDX-License-Identifier: Apache-2.0
//
// Passes of the fuse phase, generated from Passes.td, whose descriptions say what each one expects and leaves: programs
// part by bucket, and the launches of each become fewer.

#ifndef YUPANA_PASSES_FUSE_PASSES_H
#define YUPANA_PASSES_FUSE_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace yupana {

#define GEN_PASS_DECL
#include "passes/Fuse/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/Fuse/Passes.h.inc"

} // namespace yupana

#endif
