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

int NpyWriter::fail(int code, const char *what) {
  message = path + ": " + what + ": " + std::strerror(errno);
  return code;
}

int NpyWriter::open(const std::string &filePath, uint64_t rows, uint64_t columnCount) {
  path = filePath;
  columns = columnCount;
  struct stat status;
  // A device or pipe would be replaced by the renamed file.
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    message = path + ": cannot be written: is not a regular file, which --logits needs";
    return exitOutOfSpace;
  }
  temporary = TemporaryPath::create(path, TemporaryPath::File);
  if (temporary.path().empty())
    return fail(errno == ENOSPC || errno == EDQUOT ? exitOutOfSpace : exitUnreadable, "cannot be created");
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
    ssize_t written = ::pwrite(temporary.descriptor(), next, std::min<uint64_t>(bytes, uint64_t{1} << 30),
                               static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return fail(exitOutOfSpace, "cannot be written");
    next += written;
    offset += static_cast<uint64_t>(written);
    bytes -= static_cast<uint64_t>(written);
  }
  return exitDone;
}

int NpyWriter::commit() {
  if (temporary.close() != 0)
    return fail(exitOutOfSpace, "cannot be written");
  if (temporary.renameTo(path) != 0)
    return fail(exitOutOfSpace, "cannot be given its name");
  return exitDone;
}
