// SPDX-License-Identifier: Apache-2.0
//
// A plan appears under its name when it is whole or not at all, also after a crash: it is written under a temporary
// name in the same folder, brought to the disk, and renamed, which is atomic within a file system. Bytes are reserved
// first, so that a full disk is reported before hours of work. EFBIG counts as full: a limit on file sizes has the same
// remedy.

#include "compiler/Export/OutputFile.h"

#include <cerrno>
#include <cstdlib>
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

Error OutputFile::systemError(const char *what) const {
  bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
  return makeError(full ? ExitCode::OutOfSpace : ExitCode::MissingFile, "{}: cannot {}: {}", path, what,
                   std::strerror(errno));
}

/// The temporary file lies in the folder of the final one: only within one file system is renaming atomic. A device or
/// a pipe could not be renamed to, and is refused.
Result<OutputFile> OutputFile::create(const std::string &path) {
  struct stat status;
  if (stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    return makeError(ExitCode::MissingFile, "{}: exists and is no regular file", path);
  std::string temporary = path + ".XXXXXX";
  int descriptor = mkostemp(temporary.data(), O_CLOEXEC);
  if (descriptor < 0)
    return makeError(ExitCode::MissingFile, "{}: cannot create a file in its folder: {}", path, std::strerror(errno));
  OutputFile file(path, std::move(temporary), descriptor);
  // mkostemp lets the owner alone read; a finished plan is an ordinary file.
  mode_t mask = umask(0);
  umask(mask);
  if (fchmod(descriptor, 0666 & ~mask) != 0)
    return file.systemError("set permissions");
  return file;
}

OutputFile::OutputFile(OutputFile &&other) noexcept
    : path(std::move(other.path)), temporary(std::move(other.temporary)), descriptor(other.descriptor) {
  other.descriptor = -1;
  other.temporary.clear();
}

OutputFile::~OutputFile() {
  if (descriptor >= 0)
    close(descriptor);
  if (!temporary.empty())
    unlink(temporary.c_str());
}

Result<void> OutputFile::reserve(uint64_t size) {
  if (size > INT64_MAX)
    return makeError(ExitCode::OutOfSpace, "{}: {} bytes are more than a file can have", path, size);
  if (ftruncate(descriptor, static_cast<off_t>(size)) != 0)
    return systemError("set its size");
  // A full disk is reported here and not after hours of work, except on file systems that cannot reserve.
  if (size > 0 && fallocate(descriptor, 0, 0, static_cast<off_t>(size)) != 0 && errno != EOPNOTSUPP && errno != ENOSYS)
    return makeError(errno == ENOSPC || errno == EDQUOT ? ExitCode::OutOfSpace : ExitCode::MissingFile,
                     "{}: the disk has no room for a plan of {} bytes: {}", path, size, std::strerror(errno));
  return {};
}

Result<void> OutputFile::writeAt(uint64_t offset, const void *data, uint64_t size) {
  auto from = static_cast<const char *>(data);
  while (size > 0) {
    ssize_t written = pwrite(descriptor, from, size, static_cast<off_t>(offset));
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
    ssize_t count = pread(descriptor, to, size, static_cast<off_t>(offset));
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

void OutputFile::startWriteback(uint64_t offset, uint64_t size) const {
  sync_file_range(descriptor, static_cast<off_t>(offset), static_cast<off_t>(size), SYNC_FILE_RANGE_WRITE);
}

Result<void> OutputFile::commit() {
  if (fsync(descriptor) != 0)
    return systemError("bring it to the disk");
  if (rename(temporary.c_str(), path.c_str()) != 0)
    return systemError("give it its name");
  temporary.clear();
  // The new name is on the disk once its folder is. Some file systems cannot synchronise folders: no error.
  if (int folder = open(folderOf(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); folder >= 0) {
    fsync(folder);
    close(folder);
  }
  return {};
}
