// SPDX-License-Identifier: Apache-2.0
//
// The two ends of a compilation: one kernel to an object file, object files to the library.
#ifndef YUPANA_COMPILER_CODEGEN_CPU_OBJECT_H
#define YUPANA_COMPILER_CODEGEN_CPU_OBJECT_H

#include "compiler/Codegen/CPU/CodegenCPU.h"
#include "compiler/Target/Target.h"

#include "mlir/IR/BuiltinOps.h"

namespace yupana::codegen {

/// An object file, and the text it was made from for those who asked to see it.
struct CompiledObject {
  std::string bytes;
  std::string llvmIR;
};

/// Optimises the llvm dialect functions of `module` and writes them as a relocatable ELF object for `target`. `symbol`
/// names the kernel in errors: ExitCode::Unsupported if it would call a function of a library.
Result<CompiledObject> compileToObject(mlir::ModuleOp module, const Target &target, const std::string &symbol);

/// Links `objects` in their order with the ld.lld at `lldPath` (empty: the default) into a shared object.
Result<std::string> linkObjects(const std::vector<std::string> &objects, const std::string &lldPath);

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_CPU_OBJECT_H
