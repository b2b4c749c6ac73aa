// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_COMPILER_CODEGEN_CPU_PASSES_H
#define YUPANA_COMPILER_CODEGEN_CPU_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace yupana::codegen {

#define GEN_PASS_DECL
#include "compiler/Codegen/CPU/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "compiler/Codegen/CPU/Passes.h.inc"

} // namespace yupana::codegen

#endif
