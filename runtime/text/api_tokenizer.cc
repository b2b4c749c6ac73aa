// SPDX-License-Identifier: Apache-2.0
//
// Tokenizers and chat formats as C functions. Text that comes in is checked here for being well formed, since what lies
// below relies on it and a C caller may hand in any bytes. Ids go to an array of the caller's, cut at its end and
// counted in full, so that nobody has to free anything; for plain text the longest result is known beforehand.

#include "runtime/text/api.h"
#include "runtime/text/chat.h"
#include "runtime/text/unicode.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <new>

namespace yupana::text {

yupana_status_code_t fail(yupana_status_t *status, yupana_status_code_t code, const char *format, ...) {
  if (!status)
    return code;
  status->code = code;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(status->message, sizeof status->message, format, arguments);
  va_end(arguments);
  return code;
}

yupana_status_code_t succeed(yupana_status_t *status) {
  if (status) {
    status->code = YUPANA_STATUS_OK;
    status->message[0] = '\0';
  }
  return YUPANA_STATUS_OK;
}

namespace {

constexpr size_t kMaxText = INT32_MAX;

yupana_status_code_t check_text(const char *text, size_t bytes, const char *what, yupana_status_t *status) {
  if (bytes > kMaxText)
    return fail(status, YUPANA_STATUS_INVALID_ARGUMENT, "%s has %zu bytes, expected less than 2 GiB", what, bytes);
  size_t well_formed = find_ill_formed({text, bytes});
  if (well_formed != bytes)
    return fail(status, YUPANA_STATUS_INVALID_ARGUMENT, "%s is not well-formed UTF-8: byte %zu is 0x%02X", what,
                well_formed, static_cast<unsigned>(static_cast<unsigned char>(text[well_formed])));
  return YUPANA_STATUS_OK;
}

yupana_status_code_t hand_out(const std::vector<uint32_t> &found, uint32_t *ids, size_t capacity, size_t *out_count,
                              yupana_status_t *status) {
  std::copy_n(found.begin(), std::min(found.size(), capacity), ids);
  *out_count = found.size();
  return succeed(status);
}

/// Message `index`, of which the caller knows `size` bytes.
yupana_message_t read_message(const yupana_message_t *messages, size_t index) {
  yupana_message_t message = {};
  size_t known = messages->size;
  memcpy(&message, reinterpret_cast<const char *>(messages) + index * known, std::min(known, sizeof message));
  return message;
}

/// More than any section that is verified has; checked before it is allocated.
constexpr uint64_t kMaxSection = uint64_t{schema::kMaxTokenizerText} * 2;

} // namespace
} // namespace yupana::text

using namespace yupana::text;

yupana_status_code_t yupana_tokenizer_open(const yupana_plan_t *plan, yupana_tokenizer_t **out_tokenizer,
                                           yupana_status_t *out_status) {
  const char *name = yupana_plan_name(plan);
  int64_t index = yupana_plan_find_section(plan, YUPANA_SECTION_TOKENIZER);
  if (index < 0)
    return fail(out_status, YUPANA_STATUS_UNSUPPORTED, "%.200s: the plan was compiled without a tokenizer", name);
  yupana_section_info_t info;
  info.size = sizeof info;
  yupana_plan_section(plan, static_cast<uint32_t>(index), &info);
  if (info.bytes > kMaxSection)
    return fail(out_status, YUPANA_STATUS_INVALID_DATA,
                "%.200s: the tokenizer section has %llu bytes, at most %llu are expected", name,
                static_cast<unsigned long long>(info.bytes), static_cast<unsigned long long>(kMaxSection));
  std::unique_ptr<yupana_tokenizer_t> opened(new (std::nothrow) yupana_tokenizer_t);
  if (opened)
    opened->section.reset(new (std::nothrow) uint64_t[info.bytes / sizeof(uint64_t) + 1]);
  if (!opened || !opened->section)
    return fail(out_status, YUPANA_STATUS_OUT_OF_MEMORY, "%.200s: no memory for the tokenizer's %llu bytes", name,
                static_cast<unsigned long long>(info.bytes));
  yupana_status_code_t code =
      yupana_plan_read_section(plan, static_cast<uint32_t>(index), opened->section.get(), info.bytes, out_status);
  if (code != YUPANA_STATUS_OK)
    return code;
  if (const char *problem = opened->tokenizer.open(opened->section.get(), info.bytes))
    return fail(out_status, YUPANA_STATUS_INVALID_DATA, "%.200s: %s", name, problem);
  *out_tokenizer = opened.release();
  return succeed(out_status);
}

void yupana_tokenizer_close(yupana_tokenizer_t *tokenizer) { delete tokenizer; }

yupana_status_code_t yupana_tokenizer_encode(const yupana_tokenizer_t *tokenizer, const char *text, size_t bytes,
                                             uint32_t flags, uint32_t *ids, size_t capacity, size_t *out_count,
                                             yupana_status_t *out_status) {
  if (flags & ~(YUPANA_ENCODE_BEGIN | YUPANA_ENCODE_SPECIAL))
    return fail(out_status, YUPANA_STATUS_INVALID_ARGUMENT, "flags are 0x%X, expected YUPANA_ENCODE_ values", flags);
  yupana_status_code_t code = check_text(text, bytes, "the text", out_status);
  if (code != YUPANA_STATUS_OK)
    return code;
  EncodeOptions options;
  options.begin_token = flags & YUPANA_ENCODE_BEGIN;
  options.parse_special = flags & YUPANA_ENCODE_SPECIAL;
  std::vector<uint32_t> found;
  tokenizer->tokenizer.encode({text, bytes}, options, &found);
  return hand_out(found, ids, capacity, out_count, out_status);
}

const char *yupana_tokenizer_token(const yupana_tokenizer_t *tokenizer, uint32_t id, size_t *out_bytes) {
  std::string_view bytes = tokenizer->tokenizer.token(id);
  *out_bytes = bytes.size();
  return bytes.empty() ? "" : bytes.data();
}

int yupana_tokenizer_is_special(const yupana_tokenizer_t *tokenizer, uint32_t id) {
  return tokenizer->tokenizer.is_special(id);
}

int yupana_tokenizer_has_chat(const yupana_tokenizer_t *tokenizer) { return has_chat_format(tokenizer->tokenizer); }

yupana_status_code_t yupana_tokenizer_encode_chat(const yupana_tokenizer_t *tokenizer, const yupana_message_t *messages,
                                                  size_t message_count, uint32_t *ids, size_t capacity,
                                                  size_t *out_count, yupana_status_t *out_status) {
  if (!has_chat_format(tokenizer->tokenizer))
    return fail(out_status, YUPANA_STATUS_UNSUPPORTED,
                "the plan has no chat format, as its checkpoint had no chat template that yupana compile understands");
  std::vector<Message> conversation;
  for (size_t i = 0; i < message_count; ++i) {
    yupana_message_t message = read_message(messages, i);
    if (message.role > YUPANA_ROLE_ASSISTANT)
      return fail(out_status, YUPANA_STATUS_INVALID_ARGUMENT, "message %zu has the role %u, expected 0 to 2", i,
                  message.role);
    char what[40];
    snprintf(what, sizeof what, "message %zu", i);
    yupana_status_code_t code = check_text(message.text, message.bytes, what, out_status);
    if (code != YUPANA_STATUS_OK)
      return code;
    conversation.push_back({static_cast<Role>(message.role), std::string(message.text, message.bytes)});
  }
  std::vector<uint32_t> found;
  encode_chat(tokenizer->tokenizer, conversation, &found);
  return hand_out(found, ids, capacity, out_count, out_status);
}
