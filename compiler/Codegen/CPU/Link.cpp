// SPDX-License-Identifier: Apache-2.0
#include "compiler/Codegen/CPU/Object.h"
#include "compiler/Support/File.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

using namespace yupana;
using namespace yupana::codegen;

namespace {

/// A folder that goes when this does, with the files created in it.
class TemporaryFolder {
public:
  static Result<TemporaryFolder> create() {
    TemporaryFolder folder;
    if (std::error_code error = llvm::sys::fs::createUniqueDirectory("yupana-link", folder.path))
      return makeError(ExitCode::OutOfSpace, "a folder for temporary files cannot be created: {}", error.message());
    return folder;
  }
  TemporaryFolder(TemporaryFolder &&other) : path(std::move(other.path)) { other.path.clear(); }
  ~TemporaryFolder() {
    if (!path.empty())
      llvm::sys::fs::remove_directories(path);
  }

  std::string file(llvm::StringRef name) const {
    llvm::SmallString<128> result(path);
    llvm::sys::path::append(result, name);
    return result.str().str();
  }

private:
  TemporaryFolder() = default;
  llvm::SmallString<128> path;
};

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

Result<void> writeFile(const std::string &path, llvm::StringRef content) {
  std::error_code error;
  llvm::raw_fd_ostream stream(path, error);
  if (!error) {
    stream << content;
    stream.close();
    error = stream.error();
    stream.clear_error();
  }
  if (error)
    return makeError(ExitCode::OutOfSpace, "{}: cannot be written: {}", path, error.message());
  return {};
}

} // namespace

Result<std::string> codegen::linkObjects(const std::vector<std::string> &objects, const std::string &lldPath) {
  YUPANA_ASSIGN_OR_RETURN(std::string linker, findLinker(lldPath));
  YUPANA_ASSIGN_OR_RETURN(TemporaryFolder folder, TemporaryFolder::create());
  // The names of the objects in a response file: a command line may be too short for them.
  std::string names;
  for (size_t i = 0; i < objects.size(); ++i) {
    std::string path = folder.file(std::to_string(i) + ".o");
    YUPANA_RETURN_IF_ERROR(writeFile(path, objects[i]));
    names += "\"" + path + "\"\n";
  }
  std::string list = folder.file("objects"), output = folder.file("library"), messages = folder.file("messages");
  YUPANA_RETURN_IF_ERROR(writeFile(list, names));

  // Read-only to the last byte: no relocations are left, so nothing has to be writable while loading either.
  std::string response = "@" + list;
  llvm::StringRef arguments[] = {linker,
                                 "-shared",
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
                                 output};
  std::optional<llvm::StringRef> redirects[] = {std::nullopt, llvm::StringRef(messages), llvm::StringRef(messages)};
  std::string problem;
  int status = llvm::sys::ExecuteAndWait(linker, arguments, std::nullopt, redirects, 0, 0, &problem);
  if (status < 0)
    return makeError(ExitCode::MissingFile, "{}: cannot be run: {}", linker, problem);
  constexpr uint64_t largestLibrary = uint64_t(1) << 30;
  if (status != 0) {
    Result<std::string> said = readWholeFile(messages, largestLibrary);
    return makeError(ExitCode::Internal, "{}: ended with status {}: {}", linker, status,
                     said ? inQuotes(*said) : std::string("without a message"));
  }
  return readWholeFile(output, largestLibrary);
}
