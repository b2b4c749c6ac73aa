// SPDX-License-Identifier: Apache-2.0
//
// What a conversation is as token ids, in the format that stands in the plan.

#ifndef YUPANA_RUNTIME_TEXT_CHAT_H
#define YUPANA_RUNTIME_TEXT_CHAT_H

#include "runtime/text/tokenizer.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace yupana::text {

enum class Role { system = 0, user = 1, assistant = 2 };

struct Message {
  Role role;
  std::string content; // well-formed UTF-8; special tokens in it are text
};

/// True if the tokenizer's section says how a conversation is written.
bool has_chat_format(const Tokenizer &tokenizer);

/// The added token that begins the end of a turn, with which the model ends its answer, too: a reply in a chat is over
/// there, whatever the checkpoint's list of ids that end a text says. Nothing if the end begins with no such token.
/// `tokenizer` has a chat format.
std::optional<uint32_t> end_of_turn(const Tokenizer &tokenizer);

/// Appends to `*ids` what the checkpoint's chat template gives for the conversation, with the prompt for the model's
/// answer behind it. `tokenizer` has a chat format.
void encode_chat(const Tokenizer &tokenizer, const std::vector<Message> &messages, std::vector<uint32_t> *ids);

} // namespace yupana::text

#endif
