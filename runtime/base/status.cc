// SPDX-License-Identifier: Apache-2.0
//
// A message is one sentence that names the file at fault. It is cut at the size of its buffer and never allocated, so
// that running out of memory can be reported, too. Control characters are replaced here, at the one place that all
// messages pass, because names in them come from files.

#include "runtime/base/status.h"

#include <cstdio>

namespace yupana::runtime {

namespace {

void write_message(yupana_status_t *out, Code code, const char *file, const char *format, va_list arguments) {
  // Callers may pass null where the code alone matters.
  if (!out)
    return;
  out->code = code;
  int used = 0;
  if (file)
    used = snprintf(out->message, sizeof(out->message), "%s: ", file);
  // A name that fills the buffer leaves no room for the sentence.
  if (used >= 0 && used < static_cast<int>(sizeof(out->message)))
    vsnprintf(out->message + used, sizeof(out->message) - static_cast<size_t>(used), format, arguments);
  // Those below the space, DEL, and U+0080 to U+009F, which are C2 and a byte in UTF-8.
  unsigned char before = 0;
  for (char *c = out->message; *c; ++c) {
    auto byte = static_cast<unsigned char>(*c);
    if (byte < 0x20 || byte == 0x7f || (before == 0xC2 && byte < 0xA0))
      *c = '?';
    before = byte;
  }
}

} // namespace

Code fail(yupana_status_t *out, Code code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  write_message(out, code, nullptr, format, arguments);
  va_end(arguments);
  return code;
}

Code succeed(yupana_status_t *out) {
  if (out) {
    out->code = YUPANA_STATUS_OK;
    out->message[0] = '\0';
  }
  return YUPANA_STATUS_OK;
}

Code Report::fail(Code code, const char *format, ...) const {
  va_list arguments;
  va_start(arguments, format);
  write_message(out_, code, file_, format, arguments);
  va_end(arguments);
  return code;
}

bool Report::invalid(const char *format, ...) const {
  va_list arguments;
  va_start(arguments, format);
  write_message(out_, YUPANA_STATUS_INVALID_DATA, file_, format, arguments);
  va_end(arguments);
  return false;
}

} // namespace yupana::runtime

int yupana_status_exit_code(yupana_status_code_t code) {
  // 130 as a shell has it for a program that Ctrl-C ended. NOT_FINITE is a fault of the weights for those who only see
  // a number.
  return code == YUPANA_STATUS_CANCELLED    ? 130
         : code == YUPANA_STATUS_NOT_FINITE ? YUPANA_STATUS_INVALID_DATA
                                            : static_cast<int>(code);
}

const char *yupana_version(void) { return "0.1.0"; }
