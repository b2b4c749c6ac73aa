// SPDX-License-Identifier: Apache-2.0
//
// Code generation for x86-64: a `kernel.library` becomes one ELF shared object.
#ifndef YUPANA_COMPILER_CODEGEN_CPU_CODEGENCPU_H
#define YUPANA_COMPILER_CODEGEN_CPU_CODEGENCPU_H

#include "compiler/Codegen/BackEnd.h"

namespace mlir {
class OpPassManager;
}

namespace yupana::codegen {

/// Compiles every kernel of `library` for `target`, a CPU; launched ops have a `#kernel.x86` config for it.
///
/// The image is a position independent ELF shared object without relocations, needed libraries or writable data. Each
/// kernel is `void k(void *const *args, const uint32_t *dims, uint32_t first, uint32_t last, void *scratch)`: it does
/// the cells [first, last) of its grid; args are the addresses of the kernel.func's block arguments, dims are {T, S,
/// R}; `scratch` is 64-byte aligned, has the kernel's scratchBytes and belongs to the calling worker. A launch finds
/// zeros in its first schema::kLaunchScratchBytes and anything behind them, and a call what those before it in the
/// launch left. Weights and buffers need 64 readable bytes after their end.
///
/// `lldPath` is that of ld.lld; empty: the one this program was configured with, else the first of PATH. Of every
/// kernel <symbol>.mlir, <symbol>.ll and <symbol>.o are dumped. Errors as of BackEnd::compileLibrary.
Result<CompiledLibrary> compileCpuLibrary(kernel::LibraryOp library, const Target &target,
                                          const CodegenOptions &options, const std::string &lldPath = "");

/// Registers `yupana-kernel-to-llvm` (every `kernel.func` of a `kernel.library` becomes an `llvm.func` over `arith`,
/// `math`, `scf` and `llvm`) and the pipeline `yupana-cpu-lower`, which takes such functions to the `llvm` dialect
/// alone.
void registerCodegenCPUPasses();

/// The passes of `yupana-cpu-lower`, nested on nothing: for an op that holds `llvm.func`s.
void buildCpuLowerPipeline(mlir::OpPassManager &passes);

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_CPU_CODEGENCPU_H
