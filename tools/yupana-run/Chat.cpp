// SPDX-License-Identifier: Apache-2.0
//
// A conversation: lines of standard input are messages, replies are written as they come. What was read stays in the
// cache, so a message costs its own tokens alone. Ctrl-C ends a reply and not the program; while a line is read it does
// what it does in a shell. A message that cannot be answered is taken back, so that the conversation goes on as if it
// had not been given.

#include "runtime/text/conversation.h"

#include "tools/support/Process.h"
#include "tools/yupana-run/Generate.h"
#include "tools/yupana-run/Inputs.h"
#include "tools/yupana-run/Interrupts.h"
#include "tools/yupana-run/Lines.h"

#include <algorithm>
#include <cstdio>
#include <unistd.h>

using namespace yupana;

namespace {

/// Writes a reply as it comes.
class Writer final : public text::Observer {
public:
  Writer(const text::Tokenizer &tokenizer, const yupana_model_info_t &model, uint32_t endOfTurn)
      : decoder(tokenizer, /*show_special=*/false), model(model), endOfTurn(endOfTurn) {}

  void on_token(size_t, uint32_t id) override {
    const uint32_t *end = model.stop_tokens + model.stop_token_count;
    if (id != endOfTurn && std::find(model.stop_tokens, end, id) == end)
      decoder.push(id, &text);
    flush();
  }
  void on_stop(size_t, text::Stop) override {}
  bool on_logits(size_t, uint32_t, uint32_t, const float *) override { return true; }
  bool interrupted() override { return wasInterrupted() || isOutputLost(); }

  /// Writes what is left and ends the line.
  void finish() {
    decoder.finish(&text);
    text.push_back('\n');
    flush();
  }

private:
  void flush() {
    writeReply(text);
    writeOutputNow("");
    text.clear();
  }

  text::StreamDecoder decoder;
  const yupana_model_info_t &model;
  uint32_t endOfTurn;
  std::string text;
};

class Chat {
public:
  Chat(const Session &session, const Options &options, yupana_context_t *context)
      : session(session), request(makeRequest(session, options)),
        generator(session.plan(), context, options.stepTokens), conversation(*session.tokenizer(), &generator, context),
        lines(longestText(session)), isTerminal(::isatty(STDIN_FILENO) && ::isatty(STDOUT_FILENO)) {
    model.size = sizeof model;
    yupana_plan_model(session.plan(), &model);
    limits.size = sizeof limits;
    request.stop_token = text::end_of_turn(*session.tokenizer()).value_or(YUPANA_NO_TOKEN);
    yupana_plan_limits(session.plan(), &limits);
    if (options.system)
      conversation.add(text::Role::system, *options.system);
  }

  int run();

private:
  bool readLine(std::string_view &line);
  int takeMessage(std::string_view line);
  int reply();

  const Session &session;
  text::Request request;
  yupana_model_info_t model = {};
  yupana_limits_t limits = {};
  text::Generator generator;
  text::Conversation conversation;
  Lines lines;
  bool isTerminal;
};

bool Chat::readLine(std::string_view &line) {
  if (isTerminal) {
    writeOutputNow("> ");
  }
  // Nothing runs while a line is awaited: Ctrl-C then ends the program.
  endInterruptible();
  bool isThere = lines.next(line);
  beginInterruptible();
  if (isTerminal && !isThere)
    writeOutput("\n");
  if (isThere && !line.empty() && line.back() == '\r')
    line.remove_suffix(1);
  return isThere;
}

/// Adds the user's message if it can be answered.
int Chat::takeMessage(std::string_view line) {
  std::string message(line);
  if (int code = checkText(message, lines.name()))
    return code;
  conversation.add(text::Role::user, std::move(message));
  std::vector<uint32_t> ids = conversation.prompt();
  int code = ids.size() <= limits.max_context
                 ? checkSequence(session, ids)
                 : report(exitUsage, "the context is full: with this message the conversation has " +
                                         std::to_string(ids.size()) + " tokens, " + session.path() +
                                         " was compiled for at most " + std::to_string(limits.max_context) +
                                         " (yupana compile --max-context)");
  if (code)
    conversation.take_back();
  return code;
}

int Chat::reply() {
  Writer writer(*session.tokenizer(), model, request.stop_token);
  text::Reply reply;
  yupana_status_t status;
  yupana_status_code_t code = conversation.answer(request, &writer, &reply, &status);
  writer.finish();
  if (code == YUPANA_STATUS_OUT_OF_MEMORY)
    return report(exitOutOfSpace, std::string("the context is full: ") + status.message);
  if (code != YUPANA_STATUS_OK)
    return report(status);
  if (reply.stop == text::Stop::length)
    note(reply.tokens.size() == request.max_new_tokens ? "the reply ends at --max-new-tokens"
                                                       : "the reply ends because the context is full");
  return exitDone;
}

int Chat::run() {
  std::string_view line;
  while (!isOutputLost() && readLine(line)) {
    if (line.empty())
      continue;
    int code = takeMessage(line);
    if (!code)
      code = reply();
    // At a terminal a person can say something else; in a pipe nobody would notice.
    if (code && !isTerminal)
      return code;
  }
  return lines.result();
}

} // namespace

int yupana::runChat(Session &session, const Options &options) {
  if (int code = session.requireChatFormat("--chat"))
    return code;
  if (options.system)
    if (int code = checkText(*options.system, "--system"))
      return code;
  catchInterrupts();
  yupana_context_t *context = nullptr;
  if (int code = createContext(session, options, context))
    return code;
  int code = Chat(session, options, context).run();
  yupana_context_release(context);
  return code;
}
