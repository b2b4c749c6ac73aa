// SPDX-License-Identifier: Apache-2.0
//
// A device or a pipe has no temporary name: renaming would replace it. The first failure stays, so that a writer of
// many pieces may ask at the end alone.

#include "tools/support/TextFile.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace yupana;

/// Bytes that are collected before they are written, so that a trace of many small events makes few calls.
static constexpr size_t enough = size_t{1} << 16;

TextFile::~TextFile() {
  // A temporary closes and removes itself; what is written in place stays as it is.
  if (descriptor >= 0 && temporary.path().empty())
    ::close(descriptor);
}

bool TextFile::fail(const char *what) {
  // Later failures follow from the first.
  if (message.empty())
    message = path + ": " + what + ": " + std::strerror(errno);
  return false;
}

bool TextFile::open(const std::string &filePath) {
  path = filePath;
  struct stat status;
  // A link is followed: what it leads to is what must not be replaced.
  bool isSpecial = ::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
  if (!isSpecial)
    temporary = TemporaryPath::create(path, TemporaryPath::File);
  descriptor = isSpecial ? ::open(path.c_str(), O_WRONLY | O_CLOEXEC) : temporary.descriptor();
  return descriptor >= 0 || fail("cannot be created");
}

bool TextFile::flush() {
  std::string_view left = pending;
  while (!left.empty()) {
    ssize_t written = ::write(descriptor, left.data(), left.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return fail("cannot be written");
    left.remove_prefix(static_cast<size_t>(written));
  }
  pending.clear();
  return true;
}

bool TextFile::write(std::string_view text) {
  if (!message.empty())
    return false;
  pending += text;
  return pending.size() < enough || flush();
}

bool TextFile::commit() {
  // The name is given last and only to a file that the system has taken whole.
  if (!message.empty() || !flush())
    return false;
  bool isInPlace = temporary.path().empty();
  if ((isInPlace ? ::close(descriptor) : temporary.close()) != 0)
    return fail("cannot be written");
  descriptor = -1;
  return isInPlace || temporary.renameTo(path) == 0 || fail("cannot be given its name");
}
