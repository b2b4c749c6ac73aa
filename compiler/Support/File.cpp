// SPDX-License-Identifier: Apache-2.0
//
// Files are read by pread at offsets and never mapped: a mapping of a file that shrinks ends the process with SIGBUS,
// and its resident pages would count towards the bound on memory that the exporter keeps. Offsets need no shared
// position, so several threads read one file. What is no regular file is refused, since its size means nothing.

#include "compiler/Support/File.h"

#include "compiler/Support/CheckedMath.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace yupana;

Result<InputFile> InputFile::open(std::string path) {
  // Without O_NONBLOCK, opening a FIFO would wait for a writer before its kind can be seen.
  int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0)
    // Only a machine without memory is not the path's fault.
    return makeError(errno == ENOMEM ? ExitCode::OutOfSpace : ExitCode::MissingFile, "{}: cannot be opened: {}", path,
                     std::strerror(errno));
  // From here on the descriptor is closed with `file`.
  InputFile file(std::move(path), descriptor, 0);
  struct stat status;
  if (::fstat(descriptor, &status) != 0)
    return makeError(ExitCode::MissingFile, "{}: cannot be examined: {}", file.path(), std::strerror(errno));
  if (!S_ISREG(status.st_mode))
    return makeError(ExitCode::MissingFile, "{}: is not a regular file", file.path());
  file.fileSize = static_cast<uint64_t>(status.st_size);
  return file;
}

InputFile::InputFile(InputFile &&other) noexcept
    : filePath(std::move(other.filePath)), descriptor(std::exchange(other.descriptor, -1)), fileSize(other.fileSize) {}

InputFile &InputFile::operator=(InputFile &&other) noexcept {
  std::swap(filePath, other.filePath);
  std::swap(descriptor, other.descriptor);
  std::swap(fileSize, other.fileSize);
  return *this;
}

InputFile::~InputFile() {
  if (descriptor >= 0)
    ::close(descriptor);
}

Result<void> InputFile::readAt(uint64_t offset, void *destination, uint64_t length) const {
  if (!rangeInside(offset, length, fileSize))
    // Also what a header promises beyond the end, so that a read never gives less than was asked for.
    return makeError(ExitCode::InvalidInput, "{}: {} bytes wanted at offset {}, the file has {} bytes", filePath,
                     length, offset, fileSize);
  // Linux transfers at most 0x7ffff000 bytes in one call.
  constexpr uint64_t largestRead = uint64_t(1) << 30;
  char *out = static_cast<char *>(destination);
  while (length > 0) {
    ssize_t count = ::pread(descriptor, out, std::min(length, largestRead), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return makeError(ExitCode::MissingFile, "{}: cannot be read at offset {}: {}", filePath, offset,
                       std::strerror(errno));
    // The file has been cut since: an error, where a mapping would end the process.
    if (count == 0)
      return makeError(ExitCode::InvalidInput, "{}: ends at offset {}, it had {} bytes when it was opened", filePath,
                       offset, fileSize);
    out += count;
    offset += static_cast<uint64_t>(count);
    length -= static_cast<uint64_t>(count);
  }
  return {};
}

Result<std::string> yupana::readWholeFile(const std::string &path, uint64_t limit) {
  YUPANA_ASSIGN_OR_RETURN(InputFile file, InputFile::open(path));
  if (file.size() > limit)
    return makeError(ExitCode::InvalidInput, "{}: has {} bytes, at most {} are expected", path, file.size(), limit);
  // The limit bounds the memory; a file that grows while it is read is read to the size it had.
  std::string content(file.size(), '\0');
  YUPANA_RETURN_IF_ERROR(file.readAt(0, content.data(), content.size()));
  return content;
}

bool yupana::pathExists(const std::string &path) {
  struct stat status;
  // A link that leads nowhere exists: opening it then says what is wrong with it.
  return ::lstat(path.c_str(), &status) == 0;
}
