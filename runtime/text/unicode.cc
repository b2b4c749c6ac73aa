// SPDX-License-Identifier: Apache-2.0
//
// UTF-8 by table 3-7 of the Unicode standard. Overlong forms, surrogates and values beyond U+10FFFF are not well
// formed, so that one text has one sequence of bytes and no check elsewhere is passed by another spelling.

#include "runtime/text/unicode.h"

namespace yupana::text {
namespace {

/// What the lead byte of a sequence allows (Unicode, table 3-7): its length and the range of its second byte. All later
/// bytes are 80..BF.
struct Lead {
  uint8_t length; // 0: not a lead byte
  uint8_t second_min;
  uint8_t second_max;
};

Lead classify(uint8_t byte) {
  if (byte < 0x80)
    return {1, 0, 0};
  if (byte < 0xC2 || byte > 0xF4)
    return {0, 0, 0};
  if (byte < 0xE0)
    return {2, 0x80, 0xBF};
  if (byte < 0xF0)
    return {3, uint8_t(byte == 0xE0 ? 0xA0 : 0x80), uint8_t(byte == 0xED ? 0x9F : 0xBF)};
  return {4, uint8_t(byte == 0xF0 ? 0x90 : 0x80), uint8_t(byte == 0xF4 ? 0x8F : 0xBF)};
}

/// How many bytes of `text` continue what its first byte announced, the first included; at most lead.length.
size_t matching_bytes(std::string_view text, Lead lead) {
  size_t count = 1;
  for (; count < lead.length && count < text.size(); ++count) {
    uint8_t byte = static_cast<uint8_t>(text[count]);
    if (byte < (count == 1 ? lead.second_min : 0x80) || byte > (count == 1 ? lead.second_max : 0xBF))
      break;
  }
  return count;
}

} // namespace

size_t sequence_length(std::string_view text) {
  if (text.empty())
    return 0;
  Lead lead = classify(static_cast<uint8_t>(text[0]));
  return lead.length && matching_bytes(text, lead) == lead.length ? lead.length : 0;
}

bool is_sequence_prefix(std::string_view text) {
  if (text.empty())
    return false;
  Lead lead = classify(static_cast<uint8_t>(text[0]));
  return text.size() < lead.length && matching_bytes(text, lead) == text.size();
}

size_t find_ill_formed(std::string_view text) {
  size_t offset = 0;
  while (offset < text.size()) {
    size_t length = sequence_length(text.substr(offset));
    if (!length)
      break;
    offset += length;
  }
  return offset;
}

uint32_t decode_sequence(std::string_view text, size_t *length) {
  uint8_t first = static_cast<uint8_t>(text[0]);
  *length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (*length == 1)
    return first;
  uint32_t value = first & (0x7F >> *length);
  for (size_t i = 1; i < *length; ++i)
    value = value << 6 | (static_cast<uint8_t>(text[i]) & 0x3F);
  return value;
}

void append_code_point(uint32_t code_point, std::string *out) {
  if (code_point < 0x80) {
    out->push_back(static_cast<char>(code_point));
    return;
  }
  int continuations = code_point < 0x800 ? 1 : code_point < 0x10000 ? 2 : 3;
  static constexpr uint32_t kLeads[] = {0, 0xC0, 0xE0, 0xF0};
  out->push_back(static_cast<char>(kLeads[continuations] | code_point >> (6 * continuations)));
  while (continuations-- > 0)
    out->push_back(static_cast<char>(0x80 | (code_point >> (6 * continuations) & 0x3F)));
}

} // namespace yupana::text
