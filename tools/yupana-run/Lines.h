// SPDX-License-Identifier: Apache-2.0
//
// Standard input, line by line.
#ifndef YUPANA_TOOLS_YUPANARUN_LINES_H
#define YUPANA_TOOLS_YUPANARUN_LINES_H

#include <cstdint>
#include <string>
#include <string_view>

namespace yupana {

/// The lines of standard input, without their ends.
class Lines {
public:
  /// Lines of at most `longest` bytes.
  explicit Lines(uint64_t longest) : longest(longest) {}
  Lines(const Lines &) = delete;
  Lines &operator=(const Lines &) = delete;

  /// Reads a line, which lives until the next call. False at the end, and when reading fails or the line is too long,
  /// see result().
  bool next(std::string_view &line);
  /// "standard input, line 3"
  std::string name() const { return "standard input, line " + std::to_string(count); }
  /// Reports what is wrong with the line that was read last; returns exitInvalid.
  int fail(const std::string &problem) const;
  /// How reading ended.
  int result() const;

private:
  bool fill();

  uint64_t longest;
  uint64_t count = 0;
  std::string buffer; ///< What was read; [begin, end) of it is not in a line yet.
  std::string text;   ///< The line.
  size_t begin = 0, end = 0;
  int failure = 0; ///< errno of reading.
  bool isTooLong = false;
};

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANARUN_LINES_H
