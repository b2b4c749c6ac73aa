// SPDX-License-Identifier: Apache-2.0
//
// Reads what the flags name: text, a message, token ids or a file of them. All inputs are read and checked before a
// context is made, since loading weights takes long and a typing error should not cost it. A value of digits, commas
// and spaces alone is a list of ids; anything else names a file.

#include "tools/yupana-run/Inputs.h"

#include "runtime/text/chat.h"
#include "runtime/text/unicode.h"
#include "tools/yupana-run/Json.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

using namespace yupana;

namespace {

using Sequences = std::vector<Prompt>;

/// Most bytes of a text or of a file of ids. A larger file was probably named by mistake.
constexpr uint64_t largestInput = uint64_t{1} << 30;

yupana_limits_t limitsOf(const Session &session) {
  yupana_limits_t limits;
  limits.size = sizeof limits;
  yupana_plan_limits(session.plan(), &limits);
  return limits;
}

/// Reads a stream to its end, or until it has more than `most` bytes; `name` stands for it in messages.
int readAll(FILE *stream, const std::string &name, uint64_t most, std::string &content) {
  char block[1 << 16];
  size_t count;
  while (content.size() <= most && (count = std::fread(block, 1, sizeof block, stream)) > 0)
    content.append(block, count);
  return std::ferror(stream) ? report(exitUnreadable, name + ": cannot be read: " + std::strerror(errno)) : exitDone;
}

/// The text that the value of a flag stands for; `name` is then what to call it in messages. A text that is too long
/// for the plan however it is encoded is not read to its end, and not encoded.
int readText(const Session &session, const std::string &value, std::string &text, std::string &name) {
  uint64_t most = longestText(session);
  text = value;
  if (value == "-") {
    text.clear();
    name = "standard input";
    // One more for the line end: `echo text |` means the text.
    if (int code = readAll(stdin, name, most + 1, text))
      return code;
    if (!text.empty() && text.back() == '\n')
      text.pop_back();
  }
  if (text.size() > most)
    return report(exitUsage, name + ": has more than " + std::to_string(most) + " bytes, which is more than the " +
                                 std::to_string(limitsOf(session).max_context) + " tokens hold that " + session.path() +
                                 " was compiled for (yupana compile --max-context)");
  return checkText(text, name);
}

int readPrompt(const Session &session, const Options &options, const std::string &value, Sequences &sequences) {
  if (!session.tokenizer())
    return report(exitUnsupported, session.path() +
                                       ": the plan was compiled without a tokenizer, so --prompt cannot be "
                                       "encoded; --tokens works");
  std::string text, name = "--prompt";
  if (int code = readText(session, value, text, name))
    return code;
  const text::Tokenizer &tokenizer = *session.tokenizer();
  text::EncodeOptions encode;
  encode.begin_token = true;
  encode.parse_special = !options.noSpecial;
  std::vector<uint32_t> ids;
  tokenizer.encode(text, encode, &ids);
  if (ids.empty())
    return report(exitUsage, name + ": is empty, and the tokenizer has no begin token to go on from");
  if (ids.size() > 1 && tokenizer.begin_token() == ids[0] && ids[0] == ids[1])
    note("the prompt starts with the begin token, so it is there twice");
  sequences.push_back({std::move(ids)});
  return exitDone;
}

/// One turn of a chat.
int readUser(const Session &session, const Options &options, const std::string &value, Sequences &sequences) {
  if (int code = session.requireChatFormat("--user"))
    return code;
  std::vector<text::Message> messages;
  if (options.system) {
    if (int code = checkText(*options.system, "--system"))
      return code;
    messages.push_back({text::Role::system, *options.system});
  }
  std::string name = "--user";
  messages.push_back({text::Role::user, {}});
  if (int code = readText(session, value, messages.back().content, name))
    return code;
  sequences.push_back({{}, /*isChat=*/true});
  text::encode_chat(*session.tokenizer(), messages, &sequences.back().ids);
  return exitDone;
}

/// True for a list of ids rather than the name of a file: digits, commas and spaces alone.
bool isCommaList(const std::string &value) { return value.find_first_not_of("0123456789, ") == std::string::npos; }

/// Most bytes that a file needs for as many ids as a run can have, each with a line and some space of its own.
uint64_t longestIds(const Session &session) {
  yupana_limits_t limits = limitsOf(session);
  constexpr uint64_t bytesOfId = 24, rest = 1 << 16;
  return std::min(uint64_t{limits.max_batch} * limits.max_context * bytesOfId + rest, largestInput);
}

int readTokens(const Session &session, const std::string &value, Sequences &sequences) {
  std::string name = "--tokens", content;
  bool isFile = !isCommaList(value);
  if (isFile) {
    name = value;
    FILE *file = std::fopen(value.c_str(), "rbe");
    if (!file)
      return report(exitUnreadable, value + ": cannot be opened: " + std::strerror(errno) +
                                        " (--tokens takes a comma list of ids or a JSON file)");
    uint64_t most = longestIds(session);
    int code = readAll(file, name, most, content);
    std::fclose(file);
    if (code)
      return code;
    if (content.size() > most)
      return report(exitInvalid, name + ": has more than " + std::to_string(most) +
                                     " bytes, more than the ids of the " + std::to_string(limitsOf(session).max_batch) +
                                     " longest sequences of " + session.path() + " take");
  } else {
    content = "[" + value + "]";
  }
  int faulty = isFile ? exitInvalid : exitUsage;
  std::vector<std::vector<uint32_t>> read;
  if (const char *problem = parseJsonSequences(content, read))
    return report(faulty, name + ": " + problem);
  for (std::vector<uint32_t> &sequence : read) {
    if (sequence.empty())
      return report(faulty, name + ": has no token ids");
    sequences.push_back({std::move(sequence)});
  }
  return exitDone;
}

} // namespace

uint64_t yupana::longestText(const Session &session) {
  // What splits and merges text keeps every byte of it, so that no text has fewer tokens than its bytes would have if
  // all were in the longest token.
  size_t longest = 1;
  for (uint32_t id = 0; id < session.tokenizer()->id_limit(); ++id)
    longest = std::max(longest, session.tokenizer()->token(id).size());
  return std::min(longest * limitsOf(session).max_context, largestInput);
}

std::vector<std::string> yupana::inputFiles(const Options &options) {
  std::vector<std::string> files = {options.plan};
  for (const Input &input : options.inputs) {
    if (input.kind == Input::Tokens && !isCommaList(input.value))
      files.push_back(input.value);
    else if (input.kind != Input::Tokens && input.value == "-")
      files.push_back("/dev/stdin");
  }
  return files;
}

int yupana::checkText(const std::string &text, const std::string &name) {
  size_t wellFormed = text::find_ill_formed(text);
  if (wellFormed == text.size())
    return exitDone;
  return report(exitInvalid, name + ": is not well-formed UTF-8 at byte " + std::to_string(wellFormed));
}

int yupana::checkSequence(const Session &session, const std::vector<uint32_t> &sequence) {
  yupana_model_info_t model;
  model.size = sizeof model;
  yupana_plan_model(session.plan(), &model);
  yupana_limits_t limits = limitsOf(session);
  if (sequence.size() > limits.max_context)
    return report(exitUsage, "a sequence has " + std::to_string(sequence.size()) + " tokens, " + session.path() +
                                 " was compiled for at most " + std::to_string(limits.max_context) +
                                 " (yupana compile --max-context)");
  for (uint32_t id : sequence)
    if (id >= model.vocab_size)
      return report(exitInvalid, "token id " + std::to_string(id) + " is not below the vocabulary size " +
                                     std::to_string(model.vocab_size) + " of " + session.path());
  return exitDone;
}

int yupana::readInputs(const Session &session, const Options &options, Sequences &sequences) {
  for (const Input &input : options.inputs) {
    int code = input.kind == Input::Prompt ? readPrompt(session, options, input.value, sequences)
               : input.kind == Input::User ? readUser(session, options, input.value, sequences)
                                           : readTokens(session, input.value, sequences);
    if (code)
      return code;
  }
  for (const Prompt &sequence : sequences)
    if (int code = checkSequence(session, sequence.ids))
      return code;
  return exitDone;
}
