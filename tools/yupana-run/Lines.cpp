// SPDX-License-Identifier: Apache-2.0
//
// Lines come in blocks, as the system has them, so that a line is there as soon as it is written. The C library's
// getline would take one that is too long for memory for the end of the file. Errors name the line by its number, which
// is all that a user of a pipe has to go by.

#include "tools/yupana-run/Lines.h"

#include "tools/yupana-run/Session.h"

#include <cerrno>
#include <cstring>
#include <unistd.h>

using namespace yupana;

/// Reads the next block; false at the end and when that fails.
bool Lines::fill() {
  constexpr size_t block = 1 << 16;
  buffer.resize(block);
  ssize_t got;
  do
    got = ::read(STDIN_FILENO, buffer.data(), block);
  while (got < 0 && errno == EINTR);
  begin = 0;
  end = got > 0 ? static_cast<size_t>(got) : 0;
  failure = got < 0 ? errno : 0;
  return got > 0;
}

bool Lines::next(std::string_view &line) {
  text.clear();
  bool isWhole = false;
  while (!isWhole && (begin < end || fill())) {
    const char *from = buffer.data() + begin;
    const void *found = std::memchr(from, '\n', end - begin);
    size_t length = found ? static_cast<size_t>(static_cast<const char *>(found) - from) : end - begin;
    if (text.size() + length > longest) {
      ++count;
      isTooLong = true;
      return false;
    }
    text.append(from, length);
    isWhole = found != nullptr;
    begin += length + (found ? 1 : 0);
  }
  if (failure || (!isWhole && text.empty()))
    return false;
  ++count;
  line = text;
  return true;
}

int Lines::fail(const std::string &problem) const { return report(exitInvalid, name() + ": " + problem); }

int Lines::result() const {
  if (isTooLong)
    return fail("has more than " + std::to_string(longest) + " bytes");
  return failure ? report(exitUnreadable, std::string("standard input: ") + std::strerror(failure)) : exitDone;
}
