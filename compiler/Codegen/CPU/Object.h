// SPDX-License-Identifier: Apache-2.0
//
// The two ends of a compilation: one kernel to an object file, object files to the library.
#ifndef YUPANA_COMPILER_CODEGEN_CPU_OBJECT_H
#define YUPANA_COMPILER_CODEGEN_CPU_OBJECT_H

#include "compiler/Codegen/Common/MachineCode.h"
#include "compiler/Target/Target.h"

#include <vector>

namespace yupana::codegen {

/// Optimises the llvm dialect functions of `module` and writes them as a relocatable ELF object for `target`, a CPU.
/// Errors as of writeMachineCode; ExitCode::Unsupported if the kernel would call a function of a library.
Result<MachineCode> compileToObject(mlir::ModuleOp module, const Target &target, const std::string &symbol);

/// Links `objects` in their order with the ld.lld at `lldPath` (empty: the default) into a shared object. `output` is
/// as in CodegenOptions.
Result<std::string> linkObjects(const std::vector<std::string> &objects, const std::string &lldPath,
                                const std::string &output);

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_CPU_OBJECT_H
