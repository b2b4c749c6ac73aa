// SPDX-License-Identifier: Apache-2.0
//
// getline of the C library, whose buffer grows with the longest line. Errors name the line by its number, which is all
// that a user of a pipe has to go by.

#include "tools/yupana-run/Lines.h"

#include "tools/yupana-run/Session.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace yupana;

Lines::~Lines() { std::free(buffer); }

bool Lines::next(std::string_view &line) {
  ssize_t length = ::getline(&buffer, &capacity, stdin);
  if (length < 0)
    return false;
  ++count;
  if (length > 0 && buffer[length - 1] == '\n')
    --length;
  line = {buffer, static_cast<size_t>(length)};
  return true;
}

int Lines::fail(const std::string &problem) const { return report(exitInvalid, name() + ": " + problem); }

int Lines::result() const {
  return std::ferror(stdin) ? report(exitUnreadable, std::string("standard input: ") + std::strerror(errno)) : exitDone;
}
