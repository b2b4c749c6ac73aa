// SPDX-License-Identifier: Apache-2.0
//
// Code generation for x86-64: a `kernel.library` becomes one ELF shared object.
#ifndef YUPANA_COMPILER_CODEGEN_CPU_CODEGENCPU_H
#define YUPANA_COMPILER_CODEGEN_CPU_CODEGENCPU_H

#include "compiler/Support/Error.h"
#include "dialects/Kernel/IR/Kernel.h"

#include <optional>
#include <string>
#include <vector>

namespace mlir {
class OpPassManager;
}

namespace yupana::codegen {

struct CpuCodegenOptions {
  /// How many kernels are compiled at once; at least 1. The result does not depend on it.
  unsigned jobs = 1;
  /// Path of ld.lld. Empty: the one this program was configured with, else the first of PATH.
  std::string lldPath;
  /// A folder that receives, for every kernel, <symbol>.mlir, <symbol>.ll and <symbol>.o.
  std::optional<std::string> dumpDirectory;
};

/// An exported function.
struct LibraryKernel {
  std::string symbol;
  int64_t scratchBytes = 0; ///< What a worker has to give it.
};

/// Host code as a plan holds it.
struct CompiledLibrary {
  /// A position independent ELF shared object without relocations, needed libraries or writable data. The same library
  /// gives the same bytes on every machine and for every number of jobs.
  std::string elf;
  /// The exported functions, in the order of the library's kernels. Each is
  /// `void k(void *const *args, const uint32_t *dims, uint32_t first, uint32_t last, void *scratch)`: it does the cells
  /// [first, last) of its grid; args are the addresses of the kernel.func's block arguments, dims are {T, S, R};
  /// `scratch` is 64-byte aligned, has `scratchBytes`, belongs to the calling worker and holds anything. Weights and
  /// buffers need 64 readable bytes after their end.
  std::vector<LibraryKernel> kernels;
};

/// Compiles every kernel of `library`, whose target is looked up by name and whose launched ops have a
/// `#kernel.x86` config. What a kernel asks and the generator lacks is ExitCode::Unsupported and names the kernel and
/// the op; a linker that cannot be started is ExitCode::MissingFile.
Result<CompiledLibrary> compileLibrary(kernel::LibraryOp library, const CpuCodegenOptions &options);

/// Registers `yupana-kernel-to-llvm` (every `kernel.func` of a `kernel.library` becomes an `llvm.func` over `arith`,
/// `math`, `scf` and `llvm`) and the pipeline `yupana-cpu-lower`, which takes such functions to the `llvm` dialect
/// alone.
void registerCodegenCPUPasses();

/// The passes of `yupana-cpu-lower`, nested on nothing: for an op that holds `llvm.func`s.
void buildCpuLowerPipeline(mlir::OpPassManager &passes);

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_CPU_CODEGENCPU_H
