// SPDX-License-Identifier: Apache-2.0
//
// Standard input, line by line.
#ifndef YUPANA_TOOLS_YUPANARUN_LINES_H
#define YUPANA_TOOLS_YUPANARUN_LINES_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace yupana {

/// The lines of standard input, without their ends.
class Lines {
public:
  Lines() = default;
  Lines(const Lines &) = delete;
  Lines &operator=(const Lines &) = delete;
  ~Lines();

  /// Reads a line, which lives until the next call. False at the end and when reading fails, see result().
  bool next(std::string_view &line);
  /// "standard input, line 3"
  std::string name() const { return "standard input, line " + std::to_string(count); }
  /// Reports what is wrong with the line that was read last; returns exitInvalid.
  int fail(const std::string &problem) const;
  /// How reading ended.
  int result() const;

private:
  char *buffer = nullptr;
  size_t capacity = 0;
  uint64_t count = 0;
};

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANARUN_LINES_H
