// SPDX-License-Identifier: Apache-2.0
//
// Reads the tokenizer section of a plan and checks it with the reader that yupana-run has. The size is bounded before
// memory is taken, because it comes from the file.

#include "tools/yupana/PlanTokenizer.h"

using namespace yupana;

Result<std::optional<PlanTokenizer>> yupana::readTokenizer(const OpenedPlan &plan) {
  int64_t index = yupana_plan_find_section(plan.get(), YUPANA_SECTION_TOKENIZER);
  if (index < 0)
    // Only the frame has checked the section so far, and it takes sections of any size.
    return std::optional<PlanTokenizer>();
  uint64_t size = plan.section(static_cast<uint32_t>(index)).bytes;
  // More than any verified section can have; checked before it is allocated.
  constexpr uint64_t limit = uint64_t{schema::kMaxTokenizerText} * 2;
  if (size > limit)
    return makeError(ExitCode::InvalidInput, "{}: the tokenizer section has {} bytes, at most {} are expected",
                     yupana_plan_name(plan.get()), size, limit);
  PlanTokenizer tokenizer;
  // Of 64-bit words, whose alignment the reader of the section asks for.
  tokenizer.bytes = std::make_unique<uint64_t[]>(size / sizeof(uint64_t) + 1);
  yupana_status_t status;
  YUPANA_RETURN_IF_ERROR(checkStatus(
      yupana_plan_read_section(plan.get(), static_cast<uint32_t>(index), tokenizer.bytes.get(), size, &status),
      status));
  if (const char *problem = text::open_section(tokenizer.bytes.get(), size, &tokenizer.section))
    return makeError(ExitCode::InvalidInput, "{}: {}", yupana_plan_name(plan.get()), problem);
  return std::optional<PlanTokenizer>(std::move(tokenizer));
}

std::vector<std::string> yupana::trimmedRoles(const PlanTokenizer &tokenizer) {
  std::vector<std::string> roles;
  for (auto [flag, part] : {std::pair(schema::kChatTrimSystem, schema::ChatPart::system_header),
                            std::pair(schema::kChatTrimUser, schema::ChatPart::user_header),
                            std::pair(schema::kChatTrimAssistant, schema::ChatPart::assistant_header)})
    if (tokenizer.hasFlag(flag))
      roles.emplace_back(chatPartNames[static_cast<uint32_t>(part)]);
  return roles;
}
