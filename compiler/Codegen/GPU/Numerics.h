// SPDX-License-Identifier: Apache-2.0
//
// The order in which kernels of GPUs add.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_NUMERICS_H
#define YUPANA_COMPILER_CODEGEN_GPU_NUMERICS_H

#include "dialects/Kernel/IR/Kernel.h"

namespace yupana::codegen::cuda {

/// Elements in a range of K where a program for decoding cuts it.
inline constexpr int64_t decodeRange = 256;

/// The one order in which the generators of this folder add for `op`, but for ranges of K, which follow from its
/// config, and attention's segments, which are those that it states; null for an op whose order is not stated.
kernel::NumericsAttr numericsOf(kernel::LaunchedOpInterface op);

/// The order in which attention adds where a block attends from several tokens at once.
kernel::NumericsAttr tileNumerics(mlir::MLIRContext *context);

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_NUMERICS_H
