// SPDX-License-Identifier: Apache-2.0
//
// Reading of files at given offsets, without mapping them: memory stays bounded by what the caller asks for.
#ifndef YUPANA_COMPILER_SUPPORT_FILE_H
#define YUPANA_COMPILER_SUPPORT_FILE_H

#include "compiler/Support/Error.h"

#include <cstdint>
#include <string>

namespace yupana {

/// A regular file opened for reading. Movable; closes on destruction. All const members may be called by several
/// threads at once.
class InputFile {
public:
  /// Opens `path`, following symbolic links. ExitCode::MissingFile when it does not exist, may not be read or is not a
  /// regular file.
  static Result<InputFile> open(std::string path);

  InputFile(InputFile &&other) noexcept;
  InputFile &operator=(InputFile &&other) noexcept;
  ~InputFile();

  const std::string &path() const { return filePath; }
  /// Bytes in the file when it was opened.
  uint64_t size() const { return fileSize; }

  /// Copies bytes [offset, offset + length) of the file to `destination`, all of them or an error:
  /// ExitCode::InvalidInput when the range is not in the file, also if the file has shrunk since it was opened,
  /// ExitCode::MissingFile when the system cannot read it.
  Result<void> readAt(uint64_t offset, void *destination, uint64_t length) const;

private:
  InputFile(std::string path, int descriptor, uint64_t size)
      : filePath(std::move(path)), descriptor(descriptor), fileSize(size) {}

  std::string filePath;
  int descriptor = -1;
  uint64_t fileSize = 0;
};

/// The whole content of the file at `path`, which may hold at most `limit` bytes (ExitCode::InvalidInput beyond).
Result<std::string> readWholeFile(const std::string &path, uint64_t limit);

/// True if something exists under this path, whatever it is.
bool pathExists(const std::string &path);

} // namespace yupana

#endif // YUPANA_COMPILER_SUPPORT_FILE_H
