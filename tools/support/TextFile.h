// SPDX-License-Identifier: Apache-2.0
#ifndef YUPANA_TOOLS_SUPPORT_TEXTFILE_H
#define YUPANA_TOOLS_SUPPORT_TEXTFILE_H

#include "compiler/Support/TemporaryFile.h"

#include <string>
#include <string_view>

namespace yupana {

/// A text that grows and is there whole or not at all: written to a temporary name beside the file, which only commit()
/// gives its own; not committed, it is removed. What is there and no regular file, such as /dev/stdout, is written in
/// place. A function that fails returns false and leaves a sentence in error(); who gave the name then ends with exit
/// code 7.
class TextFile {
public:
  TextFile() = default;
  TextFile(const TextFile &) = delete;
  TextFile &operator=(const TextFile &) = delete;
  ~TextFile();

  bool open(const std::string &path);
  bool isOpen() const { return descriptor >= 0; }
  /// Kept until there is enough to write, so that many small pieces cost little.
  bool write(std::string_view text);
  bool commit();

  const std::string &error() const { return message; }

private:
  bool fail(const char *what);
  bool flush();

  std::string path;
  TemporaryPath temporary; ///< None for what is written in place.
  std::string pending;
  std::string message;
  int descriptor = -1;
};

} // namespace yupana

#endif // YUPANA_TOOLS_SUPPORT_TEXTFILE_H
