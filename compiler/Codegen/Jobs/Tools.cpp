// SPDX-License-Identifier: Apache-2.0
//
// Runs linkers and assemblers with their input and output in a folder of their own. What a tool says goes to a file and
// not to the terminal: a caller quotes the lines that matter in an error of one sentence. Standard input is closed, so
// that no tool waits for the user.

#include "compiler/Codegen/Jobs/Tools.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

using namespace yupana;
using namespace yupana::codegen;

Result<TemporaryFolder> TemporaryFolder::create(const char *name) {
  TemporaryFolder folder;
  llvm::SmallString<128> path;
  if (std::error_code error = llvm::sys::fs::createUniqueDirectory(name, path))
    return makeError(ExitCode::OutOfSpace, "a folder for temporary files cannot be created: {}", error.message());
  folder.path = path.str().str();
  return folder;
}

TemporaryFolder::~TemporaryFolder() {
  if (!path.empty())
    llvm::sys::fs::remove_directories(path);
}

std::string TemporaryFolder::file(llvm::StringRef name) const {
  llvm::SmallString<128> result(path);
  llvm::sys::path::append(result, name);
  return result.str().str();
}

Result<void> codegen::writeFile(const std::string &path, llvm::StringRef content) {
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

Result<int> codegen::runTool(const std::string &program, llvm::ArrayRef<llvm::StringRef> arguments,
                             const std::string &messages) {
  llvm::SmallVector<llvm::StringRef> words = {program};
  words.append(arguments.begin(), arguments.end());
  std::optional<llvm::StringRef> redirects[] = {llvm::StringRef(), llvm::StringRef(messages),
                                                llvm::StringRef(messages)};
  std::string problem;
  int status = llvm::sys::ExecuteAndWait(program, words, std::nullopt, redirects, 0, 0, &problem);
  if (status < 0)
    return makeError(ExitCode::MissingFile, "{}: cannot be run: {}", program, problem);
  return status;
}
