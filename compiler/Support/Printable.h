// SPDX-License-Identifier: Apache-2.0
//
// Text from files as it may be written to a terminal.
#ifndef YUPANA_COMPILER_SUPPORT_PRINTABLE_H
#define YUPANA_COMPILER_SUPPORT_PRINTABLE_H

#include <string>
#include <string_view>

namespace yupana {

/// `text`, in UTF-8, with U+FFFD for every control character: those below U+0020, DEL, and U+0080 to U+009F, which
/// terminals take for the beginning of an escape sequence, too.
[[nodiscard]] std::string withoutControls(std::string_view text);

/// JSON, as a library wrote it, with an escape in place of the control characters that JSON lets stand: DEL and U+0080
/// to U+009F. Means the same.
[[nodiscard]] std::string escapeControls(std::string_view json);

} // namespace yupana

#endif // YUPANA_COMPILER_SUPPORT_PRINTABLE_H
