// SPDX-License-Identifier: Apache-2.0
//
// A plan or a checkpoint may come from anywhere, and what a terminal is sent may move its cursor, set its title or put
// words into its input. The second block of control characters has two bytes in UTF-8, C2 80 to C2 9F.

#include "compiler/Support/Printable.h"

#include "compiler/Support/Error.h"

using namespace yupana;

namespace {

/// Bytes of the control character that `text` begins with, 0 if it begins with none. 0xC2 begins a character and is
/// never inside of one, so that bytes may be looked at one by one.
size_t controlBytes(std::string_view text) {
  auto c = static_cast<unsigned char>(text[0]), next = static_cast<unsigned char>(text.size() > 1 ? text[1] : 0);
  if (c < 0x20 || c == 0x7F)
    return 1;
  return c == 0xC2 && next >= 0x80 && next < 0xA0 ? 2 : 0;
}

} // namespace

std::string yupana::withoutControls(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    size_t bytes = controlBytes(text);
    out += bytes ? std::string_view("\uFFFD") : text.substr(0, 1);
    text.remove_prefix(bytes ? bytes : 1);
  }
  return out;
}

std::string yupana::escapeControls(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  while (!json.empty()) {
    // Line ends are those that the library wrote between values; inside of texts it has escaped them.
    size_t bytes = json[0] == '\n' ? 0 : controlBytes(json);
    if (bytes)
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(json[bytes - 1]));
    else
      out += json[0];
    json.remove_prefix(bytes ? bytes : 1);
  }
  return out;
}
