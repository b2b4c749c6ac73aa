// SPDX-License-Identifier: Apache-2.0
//
// The form `decode` of a GEMM (stream-K): a launch has as many blocks as the device runs at once, and each takes an
// equal share of all units, which follow one another without regard to the cells that they belong to. A unit is one
// range of K of a weight tile's rows; the units of a tile follow one another, then tiles of a cell, cells, experts in
// use and products of the launch.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_GEMMDECODE_H
#define YUPANA_COMPILER_CODEGEN_GPU_GEMMDECODE_H

#include "compiler/Codegen/GPU/Emitter.h"

namespace yupana::codegen::cuda {

/// The products of a launch of the form `decode`: the op itself, or the members of a kernel.parallel. Empty if the
/// launch has another form.
llvm::SmallVector<kernel::GemmOp> decodeMembers(kernel::LaunchedOpInterface launch);

/// Most blocks that such a launch ever has: each may begin a cell that another one ends, and their sums need a place.
int64_t mostDecodeBlocks(llvm::ArrayRef<kernel::GemmOp> members);

/// The workspaces of such a launch: sums of the cells that blocks share, float32 [share of a block that begins the
/// cell][range][row] [weight row], flat from the second dimension on; and how many of a cell's units are done, i32
/// [share].
llvm::SmallVector<kernel::ViewType> decodeWorkspaces(llvm::ArrayRef<kernel::GemmOp> members);

/// Writes the body of such a launch, whose config says how many threads a block has.
mlir::LogicalResult emitDecode(KernelEmitter &e, kernel::LaunchedOpInterface launch,
                               llvm::ArrayRef<kernel::GemmOp> members);

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_GEMMDECODE_H
