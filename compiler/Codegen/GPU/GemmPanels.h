// SPDX-License-Identifier: Apache-2.0
//
// The form `wgmma` of a GEMM whose token rows are there as panels: tiles of 128 features and up to 256 rows, read by
// bulk copies alone. As many blocks as run at once do all units of a launch.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_GEMMPANELS_H
#define YUPANA_COMPILER_CODEGEN_GPU_GEMMPANELS_H

#include "compiler/Codegen/GPU/Choices.h"
#include "compiler/Codegen/GPU/Emitter.h"

namespace yupana::codegen::cuda {

/// True if the op is configured to read panels.
bool readsPanels(kernel::GPUAttr config);

/// The products of a launch that reads panels: the op itself, or the members of a kernel.parallel that all do, by tiles
/// of one size. Empty if the launch is another one.
llvm::SmallVector<kernel::GemmOp> panelMembers(kernel::LaunchedOpInterface launch);

/// Writes the body of such a launch, or of one member among others.
mlir::LogicalResult emitPanels(KernelEmitter &e, llvm::ArrayRef<kernel::GemmOp> members);

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_GEMMPANELS_H
