// SPDX-License-Identifier: Apache-2.0
//
// The order in which kernels of x86 add.
#ifndef YUPANA_COMPILER_CODEGEN_CPU_NUMERICS_H
#define YUPANA_COMPILER_CODEGEN_CPU_NUMERICS_H

#include "compiler/Target/Target.h"
#include "dialects/Kernel/IR/Kernel.h"

namespace yupana::codegen {

/// The one order in which the generators of this folder add for `op` on `target`; null for an op whose order is not
/// stated.
kernel::NumericsAttr numericsOf(kernel::LaunchedOpInterface op, const Target &target);

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_CPU_NUMERICS_H
