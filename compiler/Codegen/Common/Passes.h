// SPDX-License-Identifier: Apache-2.0
//
// Passes that the lowering of every target shares, as Passes.td describes them.
#ifndef YUPANA_COMPILER_CODEGEN_COMMON_PASSES_H
#define YUPANA_COMPILER_CODEGEN_COMMON_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace yupana::codegen::common {

#define GEN_PASS_DECL
#include "compiler/Codegen/Common/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "compiler/Codegen/Common/Passes.h.inc"

} // namespace yupana::codegen::common

#endif
