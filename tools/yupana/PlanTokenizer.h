// SPDX-License-Identifier: Apache-2.0
//
// The tokenizer of a plan, for reports.
#ifndef YUPANA_TOOLS_YUPANA_PLANTOKENIZER_H
#define YUPANA_TOOLS_YUPANA_PLANTOKENIZER_H

#include "runtime/text/section.h"
#include "tools/yupana/OpenedPlan.h"

#include <memory>
#include <optional>

namespace yupana {

/// A tokenizer section, read, compared with its digest and verified.
struct PlanTokenizer {
  std::unique_ptr<uint64_t[]> bytes;
  text::Section section;

  bool hasChat() const { return section.header.chat_size != 0; }
  bool hasFlag(schema::ChatFlags flag) const { return section.header.chat_flags & flag; }
};

/// Nothing for a plan without a tokenizer.
Result<std::optional<PlanTokenizer>> readTokenizer(const OpenedPlan &plan);

/// Reports name the parts of the chat format like this, by schema::ChatPart.
inline constexpr const char *chatPartNames[schema::kChatPartCount] = {"begin",     "system", "user",
                                                                      "assistant", "end",    "generation"};
/// The roles whose messages are trimmed: "system", "user".
std::vector<std::string> trimmedRoles(const PlanTokenizer &tokenizer);

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANA_PLANTOKENIZER_H
