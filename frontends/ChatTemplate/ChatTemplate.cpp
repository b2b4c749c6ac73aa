// SPDX-License-Identifier: Apache-2.0
//
// Recognises a template by what it writes, not by its text: a few conversations with marked messages are rendered, the
// parts around the messages are cut out, and the format that follows from them must then reproduce what the template
// writes for some hundred conversations. Templates differ in branches for tools, dates and images, which plain
// conversations never reach. A message is opaque: a template that looks at its characters is not of this form.

#include "frontends/ChatTemplate/ChatTemplate.h"

#include "frontends/ChatTemplate/Jinja.h"

#include <nlohmann/json.hpp>

#include <optional>

using namespace yupana;
using nlohmann::json;

namespace {

using Messages = std::vector<ChatMessage>;

Error notOfTheForm(std::string_view what) {
  return makeError(ExitCode::Unsupported, "it does not write a header, the message and an end for every message: {}",
                   what);
}

bool startsWith(std::string_view text, std::string_view part) { return text.substr(0, part.size()) == part; }
bool endsWith(std::string_view text, std::string_view part) {
  return text.size() >= part.size() && text.substr(text.size() - part.size()) == part;
}

/// A text that no template contains, and whose characters a template may not look at.
std::string probe(size_t number) { return fmt::format("{}message {}", jinja::opaqueMark, number); }

/// Finds the parts of a format one after the other, each from renderings in which the parts before it are known
/// already, and then holds the whole template to what was found.
class Recognizer {
public:
  Recognizer(const jinja::Template &chat, jinja::Work work, const std::string *beginText, const std::string *endText)
      : chat(chat), work(std::move(work)) {
    // bos_token and eos_token stay undefined where the checkpoint has none, as transformers leaves them out of the
    // mapping.
    // The variables that transformers passes. It passes None for tools and documents that were not given.
    variables = {{"tools", nullptr}, {"documents", nullptr}};
    if (beginText)
      variables["bos_token"] = *beginText;
    if (endText)
      variables["eos_token"] = *endText;
  }

  Result<ChatFormat> run() {
    YUPANA_RETURN_IF_ERROR(findParts());
    YUPANA_RETURN_IF_ERROR(findSystemHeader());
    YUPANA_RETURN_IF_ERROR(findTrims());
    YUPANA_RETURN_IF_ERROR(verify());
    return format;
  }

private:
  Result<std::string> render(const Messages &messages, bool addGenerationPrompt);
  Result<void> findParts();
  Result<void> findSystemHeader();
  Result<void> findTrims();
  Result<void> verify();
  Result<void> verify(const Messages &messages);

  std::string &header(ChatRole role) { return format.headers[static_cast<size_t>(role)]; }

  const jinja::Template &chat;
  jinja::Work work; ///< Of all renderings together.
  json variables;
  ChatFormat format;
};

Result<std::string> Recognizer::render(const Messages &messages, bool addGenerationPrompt) {
  json given = variables;
  given["messages"] = json::array();
  for (const ChatMessage &message : messages)
    given["messages"].push_back({{"role", chatRoleName(message.role)}, {"content", message.content}});
  given["add_generation_prompt"] = addGenerationPrompt;
  return chat.render(given, work);
}

/// What stands before and behind the only place of `mark` in `text`.
std::optional<std::pair<std::string, std::string>> splitAt(const std::string &text, const std::string &mark) {
  size_t at = text.find(mark);
  if (at == std::string::npos || text.find(mark, at + 1) != std::string::npos)
    return std::nullopt;
  return std::pair(text.substr(0, at), text.substr(at + mark.size()));
}

/// Finds every part but the header of the system, by rendering one message, and then three.
Result<void> Recognizer::findParts() {
  Messages turn = {{ChatRole::User, probe(1)}}, more = turn;
  more.push_back({ChatRole::Assistant, probe(2)});
  more.push_back({ChatRole::User, probe(3)});
  YUPANA_ASSIGN_OR_RETURN(std::string first, render(turn, false));
  YUPANA_ASSIGN_OR_RETURN(std::string prompted, render(turn, true));
  YUPANA_ASSIGN_OR_RETURN(std::string second, render(more, false));

  auto aroundFirst = splitAt(first, probe(1));
  if (!aroundFirst)
    return notOfTheForm("the message is not there once");
  format.end = aroundFirst->second;
  if (format.end.empty())
    // Without an end, the contents of two messages could not be told apart, and nothing would end a reply.
    return notOfTheForm("nothing stands behind it");
  if (!startsWith(prompted, first) || prompted.size() == first.size())
    return notOfTheForm("add_generation_prompt adds nothing at the end");
  format.generation = prompted.substr(first.size());

  // second = first, the assistant's header, message 2, end, the user's header, message 3, end
  auto aroundReply = splitAt(second, probe(2));
  // The first header and the begin token stand together before the first message; the second user header parts them.
  auto aroundThird = aroundReply ? splitAt(aroundReply->second, probe(3)) : std::nullopt;
  if (!aroundThird || !startsWith(aroundReply->first, first) || !startsWith(aroundThird->first, format.end))
    return notOfTheForm("the second turn is not like the first");
  header(ChatRole::Assistant) = aroundReply->first.substr(first.size());
  header(ChatRole::User) = aroundThird->first.substr(format.end.size());
  if (!endsWith(aroundFirst->first, header(ChatRole::User)))
    return notOfTheForm("the second user message has another header than the first");
  format.begin = aroundFirst->first.substr(0, aroundFirst->first.size() - header(ChatRole::User).size());
  return {};
}

/// The begin token must come before the system message as before every other first message; what is between is the
/// header.
Result<void> Recognizer::findSystemHeader() {
  Messages messages = {{ChatRole::System, probe(1)}, {ChatRole::User, probe(2)}};
  YUPANA_ASSIGN_OR_RETURN(std::string text, render(messages, false));
  auto around = splitAt(text, probe(1));
  if (!around || !startsWith(around->first, format.begin))
    return notOfTheForm("the system message is not there once, after the begin token");
  header(ChatRole::System) = around->first.substr(format.begin.size());

  // Without content, a template may leave the message out.
  messages[0].content.clear();
  // Tried by the format itself: it renders the same conversation on the supposition that the message is left out.
  YUPANA_ASSIGN_OR_RETURN(std::string withoutContent, render(messages, false));
  format.omitsEmptySystem = true;
  format.omitsEmptySystem = withoutContent == format.render(messages, false);
  return {};
}

/// Trimming is by role, since Llama 4's own templates trim the system message alone. Each role is tried by itself, with
/// white space around its message only.
Result<void> Recognizer::findTrims() {
  const std::string space = " \n";
  for (size_t role = 0; role < chatRoleCount; ++role) {
    Messages messages = {{ChatRole::System, probe(1)}, {ChatRole::User, probe(2)}, {ChatRole::Assistant, probe(3)}};
    messages[role].content = space + messages[role].content + space;
    YUPANA_ASSIGN_OR_RETURN(std::string text, render(messages, false));
    format.trims[role] = true;
    format.trims[role] = text == format.render(messages, false);
  }
  return {};
}

/// With and without the prompt for an answer, which a template may write for some conversations only.
Result<void> Recognizer::verify(const Messages &messages) {
  for (bool addGenerationPrompt : {false, true}) {
    YUPANA_ASSIGN_OR_RETURN(std::string text, render(messages, addGenerationPrompt));
    if (text != format.render(messages, addGenerationPrompt))
      return notOfTheForm(fmt::format("a conversation of {} messages comes out otherwise", messages.size()));
  }
  return {};
}

/// Holds the template to the format on every kind of conversation: of 1 to 12 messages, with and without a system
/// message, with contents that are plain, have white space of every kind around them, are white space, or are empty.
Result<void> Recognizer::verify() {
  std::string all = format.begin + format.end + format.generation;
  for (const std::string &header : format.headers)
    all += header;
  // A mark in a part can only come from a message that is written twice or from a date (see strftime_now).
  if (all.find(jinja::opaqueMark) != std::string::npos)
    return notOfTheForm("the date, or a message, stands elsewhere");

  // White space of Python and Unicode beyond ASCII, at which an implementation that trims bytes would fail.
  const std::string space = "\t \u00A0\u2003\r\n\x1C";
  for (bool hasSystem : {false, true})
    for (size_t count = 1; count <= 12; ++count)
      // Marked, marked between white space, white space alone, empty.
      for (int style = 0; style < 4; ++style) {
        Messages messages;
        if (hasSystem)
          messages.push_back({ChatRole::System, ""});
        while (messages.size() < count + hasSystem)
          messages.push_back({(messages.size() - hasSystem) % 2 ? ChatRole::Assistant : ChatRole::User, ""});
        for (size_t i = 0; i < messages.size(); ++i)
          messages[i].content = style == 0 ? probe(i) : style == 1 ? space + probe(i) + space : style == 2 ? space : "";
        YUPANA_RETURN_IF_ERROR(verify(messages));
      }
  return {};
}

} // namespace

std::string_view yupana::chatRoleName(ChatRole role) {
  static constexpr std::string_view names[chatRoleCount] = {"system", "user", "assistant"};
  return names[static_cast<size_t>(role)];
}

std::string ChatFormat::render(const std::vector<ChatMessage> &messages, bool addGenerationPrompt) const {
  std::string text = begin;
  for (const ChatMessage &message : messages) {
    size_t role = static_cast<size_t>(message.role);
    std::string_view content = trims[role] ? jinja::strip(message.content) : std::string_view(message.content);
    if (message.role == ChatRole::System && omitsEmptySystem && content.empty())
      continue;
    text += headers[role];
    text += content;
    text += end;
  }
  return addGenerationPrompt ? text + generation : text;
}

/// One budget and one question for an interrupt over all of the some 200 renderings.
Result<ChatFormat> yupana::recognizeChatTemplate(std::string_view text, const std::string *beginText,
                                                 const std::string *endText, std::function<bool()> isCancelled) {
  YUPANA_ASSIGN_OR_RETURN(jinja::Template chat, jinja::Template::parse(text));
  return Recognizer(chat, jinja::Work(std::move(isCancelled)), beginText, endText).run();
}
