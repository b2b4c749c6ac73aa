// SPDX-License-Identifier: Apache-2.0
//
// The instructions of one warp that multiply bfloat16 matrices, on every architecture from sm_80 on.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_MATRICES_H
#define YUPANA_COMPILER_CODEGEN_GPU_MATRICES_H

#include "compiler/Codegen/GPU/Emitter.h"

namespace yupana::codegen::cuda {

/// Four matrices of 8 rows of 16 bytes in shared memory: lane l gives the address of row l mod 8 of matrix l div 8, and
/// gets of each the elements (l div 4, 2 (l mod 4)) and the next one, rows and columns exchanged where it is
/// transposed.
OpEmitter::Values loadMatrices(KernelEmitter &e, mlir::Value address, bool isTransposed = false);

/// Adds the product of one mma.sync m16n8k16 to the four `sums` of a lane.
void multiplyMatrices(KernelEmitter &e, llvm::ArrayRef<mlir::Value> a, llvm::ArrayRef<mlir::Value> b,
                      llvm::MutableArrayRef<mlir::Value> sums);

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_MATRICES_H
