// SPDX-License-Identifier: Apache-2.0
//
// A launched op as a kernel of its own: the function that code is generated from, its text, and the digest by which the
// time that it took is found again.
#ifndef YUPANA_DIALECTS_KERNEL_TRANSFORMS_KERNELTEXT_H
#define YUPANA_DIALECTS_KERNEL_TRANSFORMS_KERNELTEXT_H

#include "dialects/Kernel/IR/Kernel.h"

#include "mlir/IR/Builders.h"

#include <string>

namespace yupana::kernel {

/// Creates a function called "kernel" where `builder` stands, with a copy of `op` that takes `views`, all that the op
/// touches, as arguments. The copy has no grid: kernels of programs that differ in it share their code.
FuncOp cloneIntoFunc(mlir::OpBuilder &builder, LaunchedOpInterface op, llvm::ArrayRef<mlir::Value> views);

/// The text of a function, which is all that a code generator sees.
std::string printKernel(FuncOp func);

/// SHA-256, in hexadecimal digits, of the text that the kernel of `op` has without configs and without the grids of its
/// members, and of `maxTokens`. The same for equal kernels of all layers, models and targets. To be asked before
/// configs are there: what follows from them, such as workspaces, is part of the text.
std::string digestKernel(LaunchedOpInterface op, int64_t maxTokens);

} // namespace yupana::kernel

#endif // YUPANA_DIALECTS_KERNEL_TRANSFORMS_KERNELTEXT_H
