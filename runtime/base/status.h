// SPDX-License-Identifier: Apache-2.0
//
// Failures as a code that is returned and a sentence that is written where the caller wants it.

#ifndef YUPANA_RUNTIME_BASE_STATUS_H
#define YUPANA_RUNTIME_BASE_STATUS_H

#include "yupana/yupana.h"

#include <cstdarg>

namespace yupana::runtime {

using Code = yupana_status_code_t;

/// Writes `code` and the sentence to `*out` if `out` is not null, and returns `code`. Control characters that came in
/// with names from a file are replaced, so that a message never drives a terminal.
[[gnu::format(printf, 3, 4)]] Code fail(yupana_status_t *out, Code code, const char *format, ...);

/// Clears `*out` and returns OK.
Code succeed(yupana_status_t *out);

/// Where a check reports: every sentence begins with the name of the file at fault.
class Report {
public:
  Report(const char *file, yupana_status_t *out) : file_(file), out_(out) {}

  [[gnu::format(printf, 3, 4)]] Code fail(Code code, const char *format, ...) const;
  /// INVALID_DATA, as a truth value for checks that chain.
  [[gnu::format(printf, 2, 3)]] bool invalid(const char *format, ...) const;

  const char *file() const { return file_; }
  yupana_status_t *out() const { return out_; }

private:
  const char *file_;
  yupana_status_t *out_;
};

} // namespace yupana::runtime

#endif
