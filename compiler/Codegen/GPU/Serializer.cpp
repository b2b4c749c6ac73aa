// SPDX-License-Identifier: Apache-2.0
//
// PTX by LLVM's NVPTX back end, with what MLIR's serializer cannot be told: addresses of shared memory in 32 bits, no
// contraction, and PTX 9.0, since with its default LLVM aborts at instructions that Hopper needs.
#include "compiler/Codegen/GPU/Serializer.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"

#include <mutex>

using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

extern "C" {
void LLVMInitializeNVPTXTargetInfo();
void LLVMInitializeNVPTXTarget();
void LLVMInitializeNVPTXTargetMC();
void LLVMInitializeNVPTXAsmPrinter();
}

namespace {

/// 32-bit addresses of shared memory are a global option of LLVM and no part of a target machine.
void initialise() {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
    auto &options = llvm::cl::getRegisteredOptions();
    if (llvm::cl::Option *shortPointers = options.lookup("nvptx-short-ptr");
        shortPointers && shortPointers->getNumOccurrences() == 0)
      shortPointers->addOccurrence(0, "nvptx-short-ptr", "true");
  });
}

/// Operations without an instruction are calls that only the text shows.
Result<void> checkSelfContained(llvm::StringRef ptx, const std::string &symbol) {
  llvm::StringRef rest = ptx;
  while (!rest.empty()) {
    auto [line, after] = rest.split('\n');
    rest = after;
    if (!line.starts_with(".extern .func"))
      continue;
    // The name follows the result, if there is one, and precedes the parameters.
    llvm::StringRef declared = line.drop_front(llvm::StringRef(".extern .func").size()).trim();
    if (declared.consume_front("("))
      declared = declared.split(')').second.trim();
    return makeError(ExitCode::Unsupported, "kernel {}: needs the library function '{}', GPU code has none", symbol,
                     declared.take_until([](char c) { return c == '(' || c == ' ' || c == ';'; }).str());
  }
  return {};
}

/// True if PTX takes the name as it is; what it does not LLVM may replace, and the runtime would not find.
bool isPtxName(llvm::StringRef name) {
  auto isLetter = [](char c) { return llvm::isAlpha(c) || c == '_' || c == '$'; };
  return !name.empty() && isLetter(name.front()) &&
         llvm::all_of(name, [&](char c) { return isLetter(c) || llvm::isDigit(c); });
}

} // namespace

Result<MachineCode> cuda::writePtx(mlir::ModuleOp module, const Target &target, const std::string &symbol) {
  if (!isPtxName(symbol))
    return makeError(ExitCode::Unsupported, "kernel {}: its name cannot stand in PTX, expected letters, digits and _",
                     symbol);
  initialise();
  Machine machine{"nvptx64-nvidia-cuda", std::string(target.name), "+ptx90", llvm::CodeGenFileType::AssemblyFile, {}};
  YUPANA_ASSIGN_OR_RETURN(MachineCode text, writeMachineCode(module, machine, symbol));
  YUPANA_RETURN_IF_ERROR(checkSelfContained(text.bytes, symbol));
  return text;
}
