// SPDX-License-Identifier: Apache-2.0
//
// The end of every back end: from a kernel in the llvm dialect through LLVM's pipeline to assembly or an object file.
#ifndef YUPANA_COMPILER_CODEGEN_COMMON_MACHINECODE_H
#define YUPANA_COMPILER_CODEGEN_COMMON_MACHINECODE_H

#include "compiler/Support/Error.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/CodeGen.h"

namespace llvm {
class Function;
}

namespace yupana::codegen {

/// A machine as LLVM knows it, and what is written for it.
struct Machine {
  std::string triple, processor, features;
  llvm::CodeGenFileType output;
  std::optional<llvm::Reloc::Model> relocation; ///< LLVM's default where there is none.
  bool unrollsLoops = true;
};

/// A kernel as LLVM writes it, and the LLVM IR that it was written from, optimised.
struct MachineCode {
  std::string bytes;
  std::string llvmIR;
};

/// Optimises the functions of `module`, which are in the llvm dialect, and writes them for `machine`, whose part of
/// LLVM is initialised. No call of a library is introduced; floating point is neither contracted nor reassociated.
/// `prepare` is called for every function that has a body. `symbol` names the kernel in errors: ExitCode::Internal,
/// when LLVM lacks the machine or the module is no valid LLVM IR. What LLVM cannot select ends the process.
Result<MachineCode> writeMachineCode(mlir::ModuleOp module, const Machine &machine, const std::string &symbol,
                                     llvm::function_ref<void(llvm::Function &)> prepare = {});

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_COMMON_MACHINECODE_H
