// SPDX-License-Identifier: Apache-2.0
//
// From `--prompt`, `--user` and `--tokens` to the ids of the sequences to run.
#ifndef YUPANA_TOOLS_YUPANARUN_INPUTS_H
#define YUPANA_TOOLS_YUPANARUN_INPUTS_H

#include "tools/yupana-run/Session.h"

#include <cstdint>
#include <vector>

namespace yupana {

/// The ids of a sequence to run.
struct Prompt {
  std::vector<uint32_t> ids;
  bool isChat = false; ///< From --user: the end of a turn ends the reply.
};

/// Appends the sequences of all inputs, in their order, to `sequences`; none is empty, longer than the plan's context,
/// or has an id that the model does not know. Returns an exit code, after reporting what went wrong.
int readInputs(const Session &session, const Options &options, std::vector<Prompt> &sequences);

/// The most bytes of a text that the plan's context may hold; the session has a tokenizer.
uint64_t longestText(const Session &session);

/// The files that the program reads: the plan, those of --tokens, and standard input where a text is `-`.
std::vector<std::string> inputFiles(const Options &options);

/// exitDone for a sequence that the plan has room for and whose ids the model knows; else reports why not.
int checkSequence(const Session &session, const std::vector<uint32_t> &sequence);

/// exitDone for well-formed UTF-8; else reports where `name` is not.
int checkText(const std::string &text, const std::string &name);

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANARUN_INPUTS_H
