// SPDX-License-Identifier: Apache-2.0
//
// The pass from kernels to functions of the llvm dialect, as Passes.td describes it. The compiler calls the templates
// itself, a kernel at a time (Library.cpp); the pass is there for yupana-opt and its tests.
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
