// SPDX-License-Identifier: Apache-2.0
//
// Makes of a library's objects one shared object for the runtime's own loader (runtime/device/cpu/elf.cc). It has
// neither imports nor relocations, so its pages are never written; the options leave out what linkers add by
// themselves. There is no build id and no path in the result: its bytes depend on the objects alone. lld runs as a
// program, since as a library it may end the process that calls it.

#include "compiler/Codegen/CPU/Object.h"
#include "compiler/Codegen/Jobs/Tools.h"
#include "compiler/Support/File.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Program.h"

using namespace yupana;
using namespace yupana::codegen;

namespace {

Result<std::string> findLinker(const std::string &asked) {
  if (!asked.empty())
    return asked;
  if (llvm::sys::fs::can_execute(YUPANA_LLD_PATH))
    return std::string(YUPANA_LLD_PATH);
  for (const char *name : {"ld.lld-22", "ld.lld"})
    if (llvm::ErrorOr<std::string> found = llvm::sys::findProgramByName(name))
      return *found;
  return makeError(ExitCode::MissingFile, "ld.lld: not found, neither at {} nor on the PATH", YUPANA_LLD_PATH);
}

} // namespace

Result<std::string> codegen::linkObjects(const std::vector<std::string> &objects, const std::string &lldPath,
                                         const std::string &output) {
  YUPANA_ASSIGN_OR_RETURN(std::string linker, findLinker(lldPath));
  YUPANA_ASSIGN_OR_RETURN(TemporaryFolder folder, TemporaryFolder::create(output));
  // The names of the objects in a response file: a command line may be too short for them.
  std::string names;
  for (size_t i = 0; i < objects.size(); ++i) {
    std::string path = folder.file(std::to_string(i) + ".o");
    YUPANA_RETURN_IF_ERROR(writeFile(path, objects[i]));
    names += "\"" + path + "\"\n";
  }
  std::string list = folder.file("objects"), library = folder.file("library"), messages = folder.file("messages");
  YUPANA_RETURN_IF_ERROR(writeFile(list, names));

  // Read-only to the last byte: no relocations are left, so nothing has to be writable while loading either.
  std::string response = "@" + list;
  llvm::StringRef arguments[] = {"-shared",
                                 "-Bsymbolic",
                                 "--no-undefined",
                                 "--build-id=none",
                                 "--hash-style=sysv",
                                 "--strip-all",
                                 "-z",
                                 "separate-code",
                                 "-z",
                                 "norelro",
                                 "-z",
                                 "rodynamic",
                                 "-z",
                                 "noexecstack",
                                 response,
                                 "-o",
                                 library};
  YUPANA_ASSIGN_OR_RETURN(int status, runTool(linker, arguments, messages));
  constexpr uint64_t largestLibrary = uint64_t(1) << 30;
  if (status != 0) {
    Result<std::string> said = readWholeFile(messages, largestLibrary);
    return makeError(ExitCode::Internal, "{}: ended with status {}: {}", linker, status,
                     said ? inQuotes(*said) : std::string("without a message"));
  }
  return readWholeFile(library, largestLibrary);
}
