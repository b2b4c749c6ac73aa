// SPDX-License-Identifier: Apache-2.0
//
// The order in which kernels of x86 add.
#ifndef YUPANA_COMPILER_CODEGEN_CPU_NUMERICS_H
#define YUPANA_COMPILER_CODEGEN_CPU_NUMERICS_H

#include "dialects/Kernel/IR/Kernel.h"

namespace yupana::codegen {

/// The one order in which the generators of this folder add for `op`; null for an op whose order is not stated.
kernel::NumericsAttr numericsOf(kernel::LaunchedOpInterface op);

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_CPU_NUMERICS_H
