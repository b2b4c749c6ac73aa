// SPDX-License-Identifier: Apache-2.0
//
// What the two halves of yupana/text.h share.

#ifndef YUPANA_RUNTIME_TEXT_API_H
#define YUPANA_RUNTIME_TEXT_API_H

#include "runtime/text/tokenizer.h"
#include "yupana/text.h"

#include <cstdint>
#include <memory>

struct yupana_tokenizer_t {
  std::unique_ptr<uint64_t[]> section; // aligned as Tokenizer::open wants it
  yupana::text::Tokenizer tokenizer;
};

namespace yupana::text {

/// Sets `*status`, if there is one, to `code` and a sentence of at most YUPANA_STATUS_MESSAGE_BYTES - 1 bytes; returns
/// `code`.
yupana_status_code_t fail(yupana_status_t *status, yupana_status_code_t code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/// Likewise OK, without a sentence.
yupana_status_code_t succeed(yupana_status_t *status);

} // namespace yupana::text

#endif
