// SPDX-License-Identifier: Apache-2.0
//
// ptxas is a program that only the toolkit has; its messages are the one place where registers, spills and lost
// performance can be read. A kernel that spills, or whose products wait for one another, is wrong although it would
// give the right numbers, so that both are errors here and not something to find in a profile.
#include "compiler/Codegen/GPU/Serializer.h"
#include "compiler/Codegen/Jobs/Tools.h"
#include "compiler/Support/File.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

#include <cstdlib>

using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

static constexpr uint64_t largestOutput = uint64_t(1) << 30;
static constexpr const char *whatToInstall =
    "install the CUDA Toolkit 13.0 and set CUDA_HOME, or leave assembly to the driver with --emit=ptx";

namespace {

std::optional<std::string> findProgram() {
  if (const char *home = std::getenv("CUDA_HOME"); home && *home) {
    llvm::SmallString<128> path(home);
    llvm::sys::path::append(path, "bin", "ptxas");
    if (llvm::sys::fs::can_execute(path))
      return path.str().str();
  }
  if (llvm::ErrorOr<std::string> found = llvm::sys::findProgramByName("ptxas"))
    return *found;
  return std::nullopt;
}

/// The number before " <what>" in a line such as "Used 8 registers, used 1 barriers, 1024 bytes smem".
uint32_t numberBefore(llvm::StringRef line, llvm::StringRef what) {
  size_t end = line.find((" " + what).str());
  if (end == llvm::StringRef::npos)
    return 0;
  uint32_t number = 0;
  line.take_front(end).rsplit(' ').second.getAsInteger(10, number);
  return number;
}

/// True if the line has an advisory such as "(C7510)".
bool hasAdvisory(llvm::StringRef line) {
  for (size_t at = line.find("(C75"); at != llvm::StringRef::npos; at = line.find("(C75", at + 1)) {
    llvm::StringRef code = line.substr(at);
    if (code.size() >= 7 && llvm::isDigit(code[4]) && llvm::isDigit(code[5]) && code[6] == ')')
      return true;
  }
  return false;
}

} // namespace

Result<KernelCode> cuda::readAssemblerMessages(llvm::StringRef messages, const std::string &symbol) {
  KernelCode code{plan::ImageFormat::Cubin, {}};
  bool described = false;
  for (llvm::StringRef rest = messages; !rest.empty();) {
    auto [line, after] = rest.split('\n');
    rest = after;
    if (hasAdvisory(line))
      return makeError(ExitCode::Internal, "kernel {}: ptxas warns of lost performance: {}", symbol,
                       inQuotes(line.trim().str()));
    if (line.contains("bytes spill stores"))
      code.spillBytes = std::max(numberBefore(line, "bytes spill stores"), numberBefore(line, "bytes spill loads"));
    if (line.contains("Used ") && line.contains(" registers")) {
      code.registers = numberBefore(line, "registers");
      code.sharedBytes = numberBefore(line, "bytes smem");
      described = true;
    }
  }
  if (!described)
    return makeError(ExitCode::Internal, "kernel {}: ptxas does not say how many registers it uses", symbol);
  if (code.spillBytes)
    return makeError(ExitCode::Internal, "kernel {}: ptxas spills {} bytes of registers with {} in use, expected none",
                     symbol, code.spillBytes, code.registers);
  return code;
}

Result<Assembler> Assembler::find(const std::string &output) {
  std::optional<std::string> program = findProgram();
  if (!program)
    return makeError(ExitCode::MissingFile,
                     "ptxas: not found, neither in the folder bin of CUDA_HOME nor on the PATH; {}", whatToInstall);
  Assembler assembler;
  assembler.program = *program;
  YUPANA_ASSIGN_OR_RETURN(TemporaryFolder folder, TemporaryFolder::create(output));
  std::string messages = folder.file("messages");
  YUPANA_ASSIGN_OR_RETURN(int status, runTool(assembler.program, {"--version"}, messages));
  YUPANA_ASSIGN_OR_RETURN(std::string said, readWholeFile(messages, largestOutput));
  // "Cuda compilation tools, release 13.0, V13.0.88"
  llvm::StringRef version = llvm::StringRef(said).split(", V").second.take_until([](char c) { return c == '\n'; });
  assembler.release = version.trim().str();
  if (status != 0 || !version.starts_with("13.0."))
    return makeError(ExitCode::MissingFile, "{}: is version {}, expected 13.0; {}", assembler.program,
                     inQuotes(assembler.release), whatToInstall);
  return assembler;
}

Result<KernelCode> Assembler::assemble(const std::string &ptx, const Target &target, const std::string &symbol,
                                       const std::string &folder) const {
  auto file = [&](const char *extension) {
    llvm::SmallString<128> path(folder);
    llvm::sys::path::append(path, symbol + extension);
    return path.str().str();
  };
  std::string input = file(".ptx"), output = file(".cubin"), messages = file(".messages");
  std::string arch = fmt::format("--gpu-name={}", target.name);
  YUPANA_RETURN_IF_ERROR(writeFile(input, ptx));
  llvm::StringRef arguments[] = {arch, "--opt-level=3", "--fmad=false", "--verbose", input, "--output-file", output};
  YUPANA_ASSIGN_OR_RETURN(int status, runTool(program, arguments, messages));
  YUPANA_ASSIGN_OR_RETURN(std::string said, readWholeFile(messages, largestOutput));
  if (status != 0)
    return makeError(ExitCode::Internal, "kernel {}: {} ended with status {}: {}", symbol, program, status,
                     inQuotes(said));
  YUPANA_ASSIGN_OR_RETURN(KernelCode code, readAssemblerMessages(said, symbol));
  YUPANA_ASSIGN_OR_RETURN(code.bytes, readWholeFile(output, largestOutput));
  return code;
}
