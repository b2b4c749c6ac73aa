// SPDX-License-Identifier: Apache-2.0
#ifndef YUPANA_COMPILER_EXPORT_OUTPUTFILE_H
#define YUPANA_COMPILER_EXPORT_OUTPUTFILE_H

#include "compiler/Support/Error.h"
#include "compiler/Support/TemporaryFile.h"

#include <cstdint>
#include <string>

namespace yupana {

/// A file that is there whole or not at all: written under a temporary name in the folder of its final one, renamed by
/// commit(), and removed unless that happened (TemporaryFile.h). writeAt and readAt may be called by several threads at
/// once.
class OutputFile {
public:
  /// ExitCode::MissingFile when create() would refuse the name, for a look before long work; makes nothing.
  static Result<void> check(const std::string &path);
  /// ExitCode::MissingFile when the folder does not exist or may not be written, ExitCode::OutOfSpace when it is full.
  static Result<OutputFile> create(const std::string &path);

  /// Makes the file `size` bytes long, all zero; ExitCode::OutOfSpace when the disk has no room for them.
  Result<void> reserve(uint64_t size);
  /// Writes all of [data, data + size) at `offset`. ExitCode::OutOfSpace when that is impossible, whatever the reason.
  Result<void> writeAt(uint64_t offset, const void *data, uint64_t size);
  /// Reads back bytes of the file, all or an error.
  Result<void> readAt(uint64_t offset, void *data, uint64_t size) const;
  /// Lets the system begin to bring these bytes to the disk, so that commit() finds little left to do. Bytes that are
  /// written again meanwhile are brought there twice. No error: commit() tells of one.
  void startWriteback(uint64_t offset, uint64_t size) const;
  /// Brings every byte to the disk and gives the file its name, replacing a file that had it.
  Result<void> commit();

private:
  OutputFile(std::string path, TemporaryPath temporary) : path(std::move(path)), temporary(std::move(temporary)) {}
  Error systemError(const char *what) const;

  std::string path;
  TemporaryPath temporary; ///< Without a path once committed.
};

} // namespace yupana

#endif // YUPANA_COMPILER_EXPORT_OUTPUTFILE_H
