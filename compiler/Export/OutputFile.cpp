// SPDX-License-Identifier: Apache-2.0
//
// A plan appears under its name when it is whole or not at all, also after a crash: it is written under a temporary
// name in the same folder, brought to the disk, and renamed, which is atomic within a file system. Bytes are reserved
// first, so that a full disk is reported before hours of work.

#include "compiler/Export/OutputFile.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace yupana;

/// The folder of a path, as it is opened to bring a rename to the disk.
static std::string folderOf(const std::string &path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

/// Of the disk, since the name was accepted when the file was created.
Error OutputFile::systemError(const char *what) const {
  return makeError(ExitCode::OutOfSpace, "{}: cannot {}: {}", path, what, std::strerror(errno));
}

/// A device or a pipe could not be renamed to, and is refused.
Result<void> OutputFile::check(const std::string &path) {
  // Also asked before the work, so that a name that cannot be written is told at once.
  struct stat status;
  if (stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    return makeError(ExitCode::OutOfSpace, "{}: cannot be written: is not a regular file", path);
  // The folder is written to and searched; whether it can be listed does not matter.
  if (access(folderOf(path).c_str(), W_OK | X_OK) != 0)
    return makeError(ExitCode::MissingFile, "{}: cannot create a file in its folder: {}", path, std::strerror(errno));
  return {};
}

/// A disk that is full is told by an exit code of its own; everything else is the name's fault.
Result<OutputFile> OutputFile::create(const std::string &path) {
  YUPANA_RETURN_IF_ERROR(check(path));
  OutputFile file(path, TemporaryPath::create(path, TemporaryPath::File));
  if (!file.temporary.path().empty())
    return file;
  bool isFull = errno == ENOSPC || errno == EDQUOT;
  return makeError(isFull ? ExitCode::OutOfSpace : ExitCode::MissingFile, "{}: cannot create a file in its folder: {}",
                   path, std::strerror(errno));
}

Result<void> OutputFile::reserve(uint64_t size) {
  if (size > INT64_MAX)
    return makeError(ExitCode::OutOfSpace, "{}: {} bytes are more than a file can have", path, size);
  // The size first: where nothing is written the file is zero, as padding must be.
  if (ftruncate(temporary.descriptor(), static_cast<off_t>(size)) != 0)
    return systemError("set its size");
  // A full disk is reported here and not after hours of work, except on file systems that cannot reserve.
  if (size > 0 && fallocate(temporary.descriptor(), 0, 0, static_cast<off_t>(size)) != 0 && errno != EOPNOTSUPP &&
      errno != ENOSYS)
    return makeError(ExitCode::OutOfSpace, "{}: the disk has no room for a plan of {} bytes: {}", path, size,
                     std::strerror(errno));
  return {};
}

Result<void> OutputFile::writeAt(uint64_t offset, const void *data, uint64_t size) {
  auto from = static_cast<const char *>(data);
  // Some systems write at most 2 GiB at once.
  while (size > 0) {
    ssize_t written = pwrite(temporary.descriptor(), from, size, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return systemError("write");
    from += written;
    offset += static_cast<uint64_t>(written);
    size -= static_cast<uint64_t>(written);
  }
  return {};
}

Result<void> OutputFile::readAt(uint64_t offset, void *data, uint64_t size) const {
  auto to = static_cast<char *>(data);
  while (size > 0) {
    ssize_t count = pread(temporary.descriptor(), to, size, static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return systemError("read back what was written");
    to += count;
    offset += static_cast<uint64_t>(count);
    size -= static_cast<uint64_t>(count);
  }
  return {};
}

/// The disk begins to write at once, so that fsync at the end has little left. A failure shows there.
void OutputFile::startWriteback(uint64_t offset, uint64_t size) const {
  sync_file_range(temporary.descriptor(), static_cast<off_t>(offset), static_cast<off_t>(size), SYNC_FILE_RANGE_WRITE);
}

Result<void> OutputFile::commit() {
  // Before it is renamed: after a crash the name must not lead to a file whose bytes are missing.
  if (fsync(temporary.descriptor()) != 0)
    return systemError("bring it to the disk");
  if (temporary.renameTo(path) != 0)
    return systemError("give it its name");
  // The new name is on the disk once its folder is. Some file systems cannot synchronise folders: no error.
  if (int folder = open(folderOf(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); folder >= 0) {
    fsync(folder);
    close(folder);
  }
  return {};
}
