// SPDX-License-Identifier: Apache-2.0
//
// Passes of the import phase, generated from Passes.td, whose descriptions say what each one expects and leaves: a
// module as a frontend wrote it becomes a complete model.

#ifndef YUPANA_PASSES_IMPORT_PASSES_H
#define YUPANA_PASSES_IMPORT_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace yupana {

#define GEN_PASS_DECL
#include "passes/Import/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/Import/Passes.h.inc"

} // namespace yupana

#endif
