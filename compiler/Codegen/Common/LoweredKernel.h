// SPDX-License-Identifier: Apache-2.0
//
// The first half of a kernel's compilation, the same for every back end: from its text to the llvm dialect.
#ifndef YUPANA_COMPILER_CODEGEN_COMMON_LOWEREDKERNEL_H
#define YUPANA_COMPILER_CODEGEN_COMMON_LOWEREDKERNEL_H

#include "compiler/Codegen/Jobs/Jobs.h"

#include "mlir/IR/BuiltinOps.h"

namespace mlir {
class OpPassManager;
}

namespace yupana::codegen {

/// What a back end brings to lowering.
struct KernelLowering {
  /// Inserts the dialects and translations that its kernels need.
  void (*registerDialects)(mlir::DialectRegistry &registry);
  /// Replaces a kernel.func by an llvm.func. An error has been reported when it fails.
  mlir::LogicalResult (*emitKernel)(kernel::FuncOp func, const Target &target);
  /// Takes that function to the llvm dialect and those that LLVM IR is translated from.
  void (*buildPipeline)(mlir::OpPassManager &passes);
};

/// A module with one llvm.func, in a context of its own.
class LoweredKernel {
public:
  /// ExitCode::Unsupported, with the first error, where the kernel asks for what the back end lacks.
  static Result<LoweredKernel> lower(const KernelJob &job, const Target &target, const KernelLowering &lowering);

  mlir::ModuleOp getModule() { return *module; }
  /// Takes the attribute `name`, a number that the back end has left on the function, off it.
  int64_t takeNumber(llvm::StringRef name);

private:
  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

/// Inserts the dialects that kernels of every target are written in, and their translations to LLVM IR.
void registerCodegenDialects(mlir::DialectRegistry &registry);

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_COMMON_LOWEREDKERNEL_H
