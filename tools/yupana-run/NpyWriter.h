// SPDX-License-Identifier: Apache-2.0
//
// A float32 matrix in numpy's file format, written row by row in any order.
#ifndef YUPANA_TOOLS_YUPANARUN_NPYWRITER_H
#define YUPANA_TOOLS_YUPANARUN_NPYWRITER_H

#include "compiler/Support/TemporaryFile.h"

#include <cstdint>
#include <string>

namespace yupana {

/// Writes to a temporary name beside the file; only `commit` gives the file its own. Not committed, it is removed.
/// Functions return an exit code, exitDone when all is well, and then leave a sentence in `error()`.
class NpyWriter {
public:
  NpyWriter() = default;
  NpyWriter(const NpyWriter &) = delete;
  NpyWriter &operator=(const NpyWriter &) = delete;

  /// Starts a matrix of `rows` times `columns`. A path that is there and no regular file is refused.
  int open(const std::string &path, uint64_t rows, uint64_t columns);
  /// Writes rows [first, first + count), which exist, from `data`.
  int writeRows(uint64_t first, uint64_t count, const float *data);
  /// Closes the file and gives it its name. All rows have been written.
  int commit();

  const std::string &error() const { return message; }

private:
  int fail(int code, const char *what);
  int writeAll(const void *data, uint64_t bytes, uint64_t offset);

  std::string path;
  TemporaryPath temporary;
  std::string message;
  uint64_t columns = 0;
  uint64_t headerBytes = 0;
};

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANARUN_NPYWRITER_H
