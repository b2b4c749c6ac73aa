// SPDX-License-Identifier: Apache-2.0
//
// The end of GPU code generation: from a kernel in the llvm dialect to PTX, and from PTX to a cubin.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_SERIALIZER_H
#define YUPANA_COMPILER_CODEGEN_GPU_SERIALIZER_H

#include "compiler/Codegen/Common/MachineCode.h"
#include "compiler/Codegen/Jobs/CompiledKernel.h"
#include "compiler/Target/Target.h"

namespace yupana::codegen::cuda {

/// Optimises the one kernel of `module`, an `llvm.func` called `symbol` with `nvvm.kernel`, and writes it as PTX 9.0
/// for `target`, a GPU. Its context has the dialects of registerCodegenGPUDialects. Shared memory is addressed by 32
/// bits. Errors as of writeMachineCode; ExitCode::Unsupported if the kernel would call a function that no GPU has or
/// its name cannot stand in PTX.
Result<MachineCode> writePtx(mlir::ModuleOp module, const Target &target, const std::string &symbol);

/// The `ptxas` of a CUDA toolkit.
class Assembler {
public:
  /// Looks in the folder bin of CUDA_HOME, then on the PATH. ExitCode::MissingFile, with what to install, when there
  /// is none or it is not of release 13.0: older ones do not know PTX 9.0, what newer ones write the first drivers of
  /// series 580 need not take, and the bytes of a plan must not depend on the machine that compiles it.
  static Result<Assembler> find(const std::string &output = "");

  /// "13.0.88": two assemblers of one version write the same bytes.
  const std::string &version() const { return release; }

  /// The cubin of `ptx`, with the registers, shared memory and spills of its kernel. Files lie in `folder` meanwhile.
  /// ExitCode::Internal, naming the kernel, when ptxas does not take it, spills registers, or warns of lost performance
  /// (its advisories C7500 to C7599).
  Result<KernelCode> assemble(const std::string &ptx, const Target &target, const std::string &symbol,
                              const std::string &folder) const;

private:
  std::string program, release;
};

/// What ptxas says of the one kernel in `messages`, as `ptxas -v` writes them. Errors as of Assembler::assemble.
Result<KernelCode> readAssemblerMessages(llvm::StringRef messages, const std::string &symbol);

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_SERIALIZER_H
