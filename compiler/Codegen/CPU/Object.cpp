// SPDX-License-Identifier: Apache-2.0
//
// What is a CPU's own in writing machine code: the processor and its vector width, functions that begin at a cache
// line, and the check that nothing is left to link. LLVM's X86 target is initialised by itself and not with all
// targets, since only these libraries are linked in.

#include "compiler/Codegen/CPU/Object.h"

#include "llvm/IR/Function.h"
#include "llvm/Object/ObjectFile.h"

#include <mutex>

using namespace yupana;
using namespace yupana::codegen;

extern "C" {
void LLVMInitializeX86TargetInfo();
void LLVMInitializeX86Target();
void LLVMInitializeX86TargetMC();
void LLVMInitializeX86AsmPrinter();
}

namespace {

void initialise() {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
  });
}

/// The instructions of some operations are calls that only the object shows.
Result<void> checkSelfContained(const std::string &object, const std::string &symbol) {
  auto file = llvm::object::ObjectFile::createELFObjectFile(llvm::MemoryBufferRef(object, symbol));
  if (!file)
    return makeError(ExitCode::Internal, "kernel {}: {}", symbol, llvm::toString(file.takeError()));
  for (const llvm::object::SymbolRef &reference : (*file)->symbols()) {
    llvm::Expected<uint32_t> flags = reference.getFlags();
    llvm::Expected<llvm::StringRef> name = reference.getName();
    if (!flags || !name)
      return makeError(ExitCode::Internal, "kernel {}: the object has an unreadable symbol", symbol);
    if ((*flags & llvm::object::SymbolRef::SF_Undefined) && !name->empty())
      return makeError(ExitCode::Unsupported, "kernel {}: needs the library function '{}', host code has none", symbol,
                       name->str());
  }
  return {};
}

} // namespace

Result<MachineCode> codegen::compileToObject(mlir::ModuleOp module, const Target &target, const std::string &symbol) {
  initialise();
  Machine machine{"x86_64-unknown-linux-gnu", std::string(target.cpu().cpu), std::string(target.cpu().features),
                  llvm::CodeGenFileType::ObjectFile, llvm::Reloc::PIC_};
  // The templates unroll what gains by it.
  machine.unrollsLoops = false;
  auto prepare = [&](llvm::Function &function) {
    function.addFnAttr("prefer-vector-width", std::to_string(target.cpu().vectorBits));
    function.setAlignment(llvm::Align(64));
  };
  YUPANA_ASSIGN_OR_RETURN(MachineCode object, writeMachineCode(module, machine, symbol, prepare));
  YUPANA_RETURN_IF_ERROR(checkSelfContained(object.bytes, symbol));
  return object;
}
