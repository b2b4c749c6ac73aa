// SPDX-License-Identifier: Apache-2.0
//
// Text from files in messages is quoted and made printable, so that a name in a hostile checkpoint can neither forge a
// line of output nor send control sequences to a terminal.

#include "compiler/Support/Error.h"

using namespace yupana;

Error yupana::withContext(Error error, std::string_view context) {
  error.message = fmt::format("{}: {}", context, error.message);
  return error;
}

std::string yupana::inQuotes(std::string_view text) {
  // A name may be as long as a file's header; a sentence is not.
  constexpr size_t longest = 120;
  std::string out = "'";
  for (unsigned char c : text.substr(0, longest)) {
    if (c >= 0x20 && c < 0x7f)
      out += static_cast<char>(c);
    else
      out += fmt::format("\\x{:02x}", c);
  }
  return out + (text.size() > longest ? "…'" : "'");
}
