// SPDX-License-Identifier: Apache-2.0
//
// Writes a conversation as token ids by the parts that the plan's format has: a beginning, then header, content and end
// of each message, then what invites an answer. Parts of the format may hold special tokens; the content of messages
// may not, whoever wrote it: "<|eot|>" typed by a user is text. Trimming follows Python's str.strip, which the
// published templates use, and not the C locale.

#include "runtime/text/chat.h"

#include "runtime/text/unicode.h"

#include <algorithm>

namespace yupana::text {
namespace {

using schema::ChatPart;

/// What Python's str.strip() takes away, which the templates' `trim` is: White_Space and four separators.
bool is_trimmed(const Section &section, uint32_t code_point) {
  size_t block = section.class_index[code_point / schema::kClassBlockSize];
  uint8_t char_class = section.class_blocks[block * schema::kClassBlockSize + code_point % schema::kClassBlockSize];
  return char_class == static_cast<uint8_t>(schema::CharClass::space) || (code_point >= 0x1C && code_point <= 0x1F);
}

/// `text` without white space at its start and end.
std::string_view trim(const Section &section, std::string_view text) {
  size_t start = text.size(), end = 0, length;
  for (size_t offset = 0; offset < text.size(); offset += length)
    if (!is_trimmed(section, decode_sequence(text.substr(offset), &length))) {
      start = std::min(start, offset);
      end = offset + length;
    }
  return start < end ? text.substr(start, end - start) : std::string_view();
}

} // namespace

bool has_chat_format(const Tokenizer &tokenizer) { return tokenizer.section().header.chat_size != 0; }

std::optional<uint32_t> end_of_turn(const Tokenizer &tokenizer) {
  std::vector<uint32_t> ids;
  tokenizer.encode_fragments({{tokenizer.section().chat_part(ChatPart::end), true}}, &ids);
  return !ids.empty() && tokenizer.is_added(ids[0]) ? std::optional<uint32_t>(ids[0]) : std::nullopt;
}

/// Special tokens are recognised in the parts of the format alone. In a message they are text, so that nobody can end a
/// turn from within one.
void encode_chat(const Tokenizer &tokenizer, const std::vector<Message> &messages, std::vector<uint32_t> *ids) {
  const Section &section = tokenizer.section();
  std::vector<Fragment> fragments = {{section.chat_part(ChatPart::begin), true}};
  for (const Message &message : messages) {
    uint32_t role = static_cast<uint32_t>(message.role), flags = section.header.chat_flags;
    std::string_view content = message.content;
    if (flags & uint32_t{schema::kChatTrimSystem} << role)
      content = trim(section, content);
    if (message.role == Role::system && content.empty() && (flags & schema::kChatOmitEmptySystem))
      continue;
    auto header = static_cast<ChatPart>(static_cast<uint32_t>(ChatPart::system_header) + role);
    fragments.push_back({section.chat_part(header), true});
    fragments.push_back({content, false});
    fragments.push_back({section.chat_part(ChatPart::end), true});
  }
  fragments.push_back({section.chat_part(ChatPart::generation), true});
  tokenizer.encode_fragments(fragments, ids);
}

} // namespace yupana::text
