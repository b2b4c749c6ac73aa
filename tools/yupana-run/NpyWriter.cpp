// SPDX-License-Identifier: Apache-2.0
//
// Rows come in the order in which sequences are computed and are written where they belong, so that logits of any size
// need no memory. The file gets its name when it is complete; a name that is a device or a pipe is refused, since
// renaming would replace it.

#include "tools/yupana-run/NpyWriter.h"

#include "tools/yupana-run/Options.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace yupana;

/// Version 1.0 of the format: magic, version, a 16-bit length, a Python dictionary padded so that data starts at a
/// multiple of 64.
static std::string makeHeader(uint64_t rows, uint64_t columns) {
  std::string dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows) + ", " +
                           std::to_string(columns) + "), }";
  constexpr size_t fixed = 10;
  size_t unpadded = fixed + dictionary.size() + 1;
  dictionary.append((64 - unpadded % 64) % 64, ' ');
  dictionary.push_back('\n');
  std::string header("\x93NUMPY\x01\x00", 8);
  header.push_back(static_cast<char>(dictionary.size() & 0xFF));
  header.push_back(static_cast<char>(dictionary.size() >> 8));
  return header + dictionary;
}

NpyWriter::~NpyWriter() {
  if (descriptor >= 0)
    ::close(descriptor);
  if (!temporary.empty())
    ::unlink(temporary.c_str());
}

int NpyWriter::fail(const char *what) {
  int reason = errno;
  message = path + ": " + what + ": " + std::strerror(reason);
  return reason == ENOSPC || reason == EDQUOT || reason == EFBIG ? exitOutOfSpace : exitUnreadable;
}

int NpyWriter::open(const std::string &filePath, uint64_t rows, uint64_t columnCount) {
  path = filePath;
  columns = columnCount;
  struct stat status;
  // A device or pipe would be replaced by the renamed file.
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    message = path + ": is not a regular file, which --logits needs";
    return exitUsage;
  }
  std::string name = path + ".tmp." + std::to_string(::getpid());
  descriptor = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor < 0)
    return fail("cannot be created");
  temporary = name;
  std::string header = makeHeader(rows, columns);
  headerBytes = header.size();
  return writeAll(header.data(), header.size(), 0);
}

int NpyWriter::writeRows(uint64_t first, uint64_t count, const float *data) {
  uint64_t rowBytes = columns * sizeof(float);
  return writeAll(data, count * rowBytes, headerBytes + first * rowBytes);
}

int NpyWriter::writeAll(const void *data, uint64_t bytes, uint64_t offset) {
  const char *next = static_cast<const char *>(data);
  while (bytes) {
    ssize_t written =
        ::pwrite(descriptor, next, std::min<uint64_t>(bytes, uint64_t{1} << 30), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return fail("cannot be written");
    next += written;
    offset += static_cast<uint64_t>(written);
    bytes -= static_cast<uint64_t>(written);
  }
  return exitDone;
}

int NpyWriter::commit() {
  int closed = ::close(descriptor);
  descriptor = -1;
  if (closed != 0)
    return fail("cannot be written");
  if (::rename(temporary.c_str(), path.c_str()) != 0)
    return fail("cannot be given its name");
  temporary.clear();
  return exitDone;
}
