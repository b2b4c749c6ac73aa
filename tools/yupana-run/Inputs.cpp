// SPDX-License-Identifier: Apache-2.0
//
// Reads what the flags name: text, a message, token ids or a file of them. All inputs are read and checked before a
// context is made, since loading weights takes long and a typing error should not cost it. A value of digits, commas
// and spaces alone is a list of ids; anything else names a file.

#include "tools/yupana-run/Inputs.h"

#include "runtime/text/chat.h"
#include "runtime/text/unicode.h"
#include "tools/yupana-run/Json.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

using namespace yupana;

namespace {

using Sequences = std::vector<Prompt>;

/// Most bytes of a text or of a file of ids. A larger file was probably named by mistake.
constexpr size_t largestInput = size_t{1} << 30;

/// Reads a stream to its end; `name` stands for it in messages.
int readAll(FILE *stream, const std::string &name, std::string &content) {
  char block[1 << 16];
  size_t count;
  while ((count = std::fread(block, 1, sizeof block, stream)) > 0) {
    if (content.size() + count > largestInput)
      return report(exitInvalid, name + ": has more than " + std::to_string(largestInput) + " bytes");
    content.append(block, count);
  }
  return std::ferror(stream) ? report(exitUnreadable, name + ": cannot be read: " + std::strerror(errno)) : exitDone;
}

/// The text that the value of a flag stands for; `name` is then what to call it in messages.
int readText(const std::string &value, std::string &text, std::string &name) {
  text = value;
  if (value == "-") {
    text.clear();
    name = "standard input";
    if (int code = readAll(stdin, name, text))
      return code;
    // `echo text |` means the text.
    if (!text.empty() && text.back() == '\n')
      text.pop_back();
  }
  return checkText(text, name);
}

int readPrompt(const Session &session, const Options &options, const std::string &value, Sequences &sequences) {
  if (!session.tokenizer())
    return report(exitUnsupported, session.path() +
                                       ": the plan was compiled without a tokenizer, so --prompt cannot be "
                                       "encoded; --tokens works");
  std::string text, name = "--prompt";
  if (int code = readText(value, text, name))
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
    std::fprintf(stderr, "yupana-run: note: the prompt starts with the begin token, so it is there twice\n");
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
  if (int code = readText(value, messages.back().content, name))
    return code;
  sequences.push_back({{}, /*isChat=*/true});
  text::encode_chat(*session.tokenizer(), messages, &sequences.back().ids);
  return exitDone;
}

/// True for a list of ids rather than the name of a file: digits, commas and spaces alone.
bool isCommaList(const std::string &value) { return value.find_first_not_of("0123456789, ") == std::string::npos; }

int readTokens(const std::string &value, Sequences &sequences) {
  std::string name = "--tokens", content;
  bool isFile = !isCommaList(value);
  if (isFile) {
    name = value;
    FILE *file = std::fopen(value.c_str(), "rbe");
    if (!file)
      return report(exitUnreadable, value + ": cannot be opened: " + std::strerror(errno) +
                                        " (--tokens takes a comma list of ids or a JSON file)");
    int code = readAll(file, name, content);
    std::fclose(file);
    if (code)
      return code;
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
  yupana_limits_t limits;
  limits.size = sizeof limits;
  yupana_plan_limits(session.plan(), &limits);
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
                                           : readTokens(input.value, sequences);
    if (code)
      return code;
  }
  for (const Prompt &sequence : sequences)
    if (int code = checkSequence(session, sequence.ids))
      return code;
  return exitDone;
}
