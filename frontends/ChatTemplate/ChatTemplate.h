// SPDX-License-Identifier: Apache-2.0
//
// A checkpoint's chat template, recognised: which texts stand around the messages of a conversation.
#ifndef YUPANA_FRONTENDS_CHATTEMPLATE_CHATTEMPLATE_H
#define YUPANA_FRONTENDS_CHATTEMPLATE_CHATTEMPLATE_H

#include "compiler/Support/Error.h"

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace yupana {

/// Who says a message.
enum class ChatRole { System, User, Assistant };
inline constexpr size_t chatRoleCount = 3;

struct ChatMessage {
  ChatRole role;
  std::string content;
};

/// A conversation as text: `begin`, then for every message its role's header, its content and `end`, then, where the
/// model is to answer, `generation`.
struct ChatFormat {
  std::string begin;
  std::array<std::string, chatRoleCount> headers; ///< By ChatRole.
  std::string end;
  std::string generation;
  std::array<bool, chatRoleCount> trims = {}; ///< By ChatRole: white space around the content is left out.
  bool omitsEmptySystem = false;              ///< A system message without content is left out.

  std::string render(const std::vector<ChatMessage> &messages, bool addGenerationPrompt) const;
};

/// Recognises a template by rendering it on conversations and holding all of what it writes to one ChatFormat. Messages
/// carry marks that a template may copy and trim but not look into (see jinja::opaqueMark), so that what it writes
/// cannot depend on what they say. `beginText` and `endText` are the checkpoint's bos_token and eos_token, null where
/// it has none. ExitCode::Unsupported with the reason for any template that is not of this form, not understood, or too
/// slow; ExitCode::Interrupted soon after `isCancelled`, which may be empty, says so.
Result<ChatFormat> recognizeChatTemplate(std::string_view text, const std::string *beginText,
                                         const std::string *endText, std::function<bool()> isCancelled = {});

/// The name of a role as templates spell it.
std::string_view chatRoleName(ChatRole role);

} // namespace yupana

#endif // YUPANA_FRONTENDS_CHATTEMPLATE_CHATTEMPLATE_H
