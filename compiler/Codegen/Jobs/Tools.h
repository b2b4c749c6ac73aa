// SPDX-License-Identifier: Apache-2.0
//
// Programs that code generators run: a folder for their files, and what they say.
#ifndef YUPANA_COMPILER_CODEGEN_JOBS_TOOLS_H
#define YUPANA_COMPILER_CODEGEN_JOBS_TOOLS_H

#include "compiler/Support/Error.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <string>

namespace yupana::codegen {

/// A folder for the files of tools, which goes when this does, with all that is in it.
class TemporaryFolder {
public:
  /// `name` is how the folder's name begins. ExitCode::OutOfSpace when it cannot be created.
  static Result<TemporaryFolder> create(const char *name);
  TemporaryFolder(TemporaryFolder &&other) : path(std::move(other.path)) { other.path.clear(); }
  ~TemporaryFolder();

  /// The path of a file in it.
  std::string file(llvm::StringRef name) const;

private:
  TemporaryFolder() = default;
  std::string path;
};

/// Writes a file, or replaces it. ExitCode::OutOfSpace.
Result<void> writeFile(const std::string &path, llvm::StringRef content);

/// Runs a program to its end without input; what it says goes to the file `messages`. Its status; ExitCode::MissingFile
/// when it cannot be started.
Result<int> runTool(const std::string &program, llvm::ArrayRef<llvm::StringRef> arguments, const std::string &messages);

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_JOBS_TOOLS_H
