// SPDX-License-Identifier: Apache-2.0
//
// Programs that code generators run: a folder for their files, and what they say.
#ifndef YUPANA_COMPILER_CODEGEN_JOBS_TOOLS_H
#define YUPANA_COMPILER_CODEGEN_JOBS_TOOLS_H

#include "compiler/Support/Error.h"
#include "compiler/Support/TemporaryFile.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <string>

namespace yupana::codegen {

/// A folder for the files of tools, which goes when this does, with all that is in it.
class TemporaryFolder {
public:
  /// Beside the file `target`, as TemporaryPath is; without one, where the system has temporary files.
  /// ExitCode::OutOfSpace when it cannot be created.
  static Result<TemporaryFolder> create(const std::string &target);

  /// The path of a file in it.
  std::string file(llvm::StringRef name) const;

private:
  TemporaryFolder() = default;
  TemporaryPath folder;
};

/// Writes a file, or replaces it. ExitCode::OutOfSpace.
Result<void> writeFile(const std::string &path, llvm::StringRef content);

/// Runs a program to its end without input; what it says goes to the file `messages`. Its status; ExitCode::MissingFile
/// when it cannot be started, ExitCode::OutOfSpace when it had not enough memory or disk.
Result<int> runTool(const std::string &program, llvm::ArrayRef<llvm::StringRef> arguments, const std::string &messages);

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_JOBS_TOOLS_H
