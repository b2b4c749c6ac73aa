// SPDX-License-Identifier: Apache-2.0
//
// Opens the plan and, if it has one, its tokenizer, which is read with its digest and checked before it is used. A plan
// without a tokenizer runs on token ids; flags that need text then say so and name the flag that works.

#include "tools/yupana-run/Session.h"

#include "runtime/schema/tokenizer.h"
#include "runtime/text/chat.h"
#include "tools/support/Process.h"

#include <unistd.h>

using namespace yupana;

int yupana::report(int code, const std::string &sentence) {
  tell(STDERR_FILENO, "yupana-run: " + sentence + "\n");
  return code;
}

void yupana::note(const std::string &sentence) { tell(STDERR_FILENO, "yupana-run: note: " + sentence + "\n"); }

int yupana::report(const yupana_status_t &status) {
  auto code = static_cast<yupana_status_code_t>(status.code);
  int exitCode = yupana_status_exit_code(code);
  return code == YUPANA_STATUS_CANCELLED ? exitCode : report(exitCode, status.message);
}

Session::~Session() { yupana_plan_release(openedPlan); }

int Session::open(const std::string &path) {
  planPath = path;
  yupana_status_t status;
  if (yupana_plan_open_file(path.c_str(), nullptr, &openedPlan, &status) != YUPANA_STATUS_OK)
    return report(status);
  return openTokenizer();
}

int Session::openTokenizer() {
  int64_t index = yupana_plan_find_section(openedPlan, YUPANA_SECTION_TOKENIZER);
  if (index < 0)
    return exitDone;
  yupana_section_info_t info;
  info.size = sizeof info;
  yupana_plan_section(openedPlan, static_cast<uint32_t>(index), &info);
  // More than any verified section can have; checked before it is allocated.
  constexpr uint64_t limit = uint64_t{schema::kMaxTokenizerText} * 2;
  if (info.bytes > limit)
    return report(exitInvalid, planPath + ": the tokenizer section has " + std::to_string(info.bytes) +
                                   " bytes, at most " + std::to_string(limit) + " are expected");
  section = std::make_unique<uint64_t[]>(info.bytes / sizeof(uint64_t) + 1);
  yupana_status_t status;
  if (yupana_plan_read_section(openedPlan, static_cast<uint32_t>(index), section.get(), info.bytes, &status) !=
      YUPANA_STATUS_OK)
    return report(status);
  if (const char *problem = openedTokenizer.open(section.get(), info.bytes))
    return report(exitInvalid, planPath + ": " + problem);
  return exitDone;
}

int Session::requireChatFormat(const char *flag) const {
  if (!tokenizer())
    return report(exitUnsupported, planPath + ": the plan was compiled without a tokenizer, so " + flag +
                                       " cannot be encoded; --tokens works");
  if (!text::has_chat_format(*tokenizer()))
    return report(exitUnsupported, planPath + ": the plan has no chat format, as its checkpoint had no chat template " +
                                       "that yupana compile understands, so " + flag +
                                       " cannot be encoded; --prompt works");
  return exitDone;
}
