// SPDX-License-Identifier: Apache-2.0
//
// Runs linkers and assemblers with their input and output in a folder of their own. What a tool says goes to a file and
// not to the terminal: a caller quotes the lines that matter in an error of one sentence. Standard input is closed, so
// that no tool waits for the user.

#include "compiler/Codegen/Jobs/Tools.h"

#include "compiler/Support/File.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

#include <cerrno>
#include <cstring>

using namespace yupana;
using namespace yupana::codegen;

Result<TemporaryFolder> TemporaryFolder::create(const std::string &target) {
  llvm::SmallString<128> place(target);
  if (target.empty()) {
    // TemporaryPath makes the folder beside this name.
    llvm::sys::path::system_temp_directory(/*erasedOnReboot=*/true, place);
    llvm::sys::path::append(place, "yupana");
  }
  TemporaryFolder created;
  created.folder = TemporaryPath::create(place.str().str(), TemporaryPath::Folder);
  if (created.folder.path().empty())
    return makeError(ExitCode::OutOfSpace, "{}: a folder for temporary files cannot be created beside it: {}",
                     place.str().str(), std::strerror(errno));
  return created;
}

std::string TemporaryFolder::file(llvm::StringRef name) const {
  llvm::SmallString<128> result(folder.path());
  llvm::sys::path::append(result, name);
  return result.str().str();
}

Result<void> codegen::writeFile(const std::string &path, llvm::StringRef content) {
  std::error_code error;
  // The first thing that failed: opening, writing, or closing, which may report what writing left in buffers.
  llvm::raw_fd_ostream stream(path, error);
  if (!error) {
    stream << content;
    stream.close();
    error = stream.error();
    // A stream that is destroyed with an error ends the process.
    stream.clear_error();
  }
  if (error)
    return makeError(ExitCode::OutOfSpace, "{}: cannot be written: {}", path, error.message());
  return {};
}

/// True for what programs say, and the system of them, when memory, processes or the disk have run out.
static bool tellsOfNoRoom(llvm::StringRef said) {
  for (int reason : {ENOMEM, EAGAIN, ENOSPC, EDQUOT, EFBIG})
    if (said.contains(std::strerror(reason)))
      return true;
  // LLVM, the C++ library, the dynamic linker, and the signal that a kernel sends that has run out of memory.
  constexpr llvm::StringLiteral signs[] = {"out of memory", "bad_alloc", "failed to map segment", "llocation failed",
                                           "Killed"};
  return llvm::any_of(signs, [&](llvm::StringRef words) { return said.contains(words); });
}

Result<int> codegen::runTool(const std::string &program, llvm::ArrayRef<llvm::StringRef> arguments,
                             const std::string &messages) {
  llvm::SmallVector<llvm::StringRef> words = {program};
  words.append(arguments.begin(), arguments.end());
  // No input, and both kinds of output in one file.
  std::optional<llvm::StringRef> redirects[] = {llvm::StringRef(), llvm::StringRef(messages),
                                                llvm::StringRef(messages)};
  std::string problem;
  int status = llvm::sys::ExecuteAndWait(program, words, std::nullopt, redirects, 0, 0, &problem);
  if (status == 0)
    return status;
  // Longer messages are neither searched nor quoted.
  constexpr uint64_t longestMessage = 1 << 20;
  Result<std::string> said = readWholeFile(messages, longestMessage);
  if (tellsOfNoRoom(problem) || (said && tellsOfNoRoom(*said)))
    return makeError(ExitCode::OutOfSpace, "{}: has not enough memory or disk: {}", program,
                     said && !said->empty() ? inQuotes(*said) : problem);
  // Below 0: it did not start, or crashed.
  if (status < 0)
    return makeError(ExitCode::MissingFile, "{}: cannot be run: {}", program, problem);
  return status;
}
