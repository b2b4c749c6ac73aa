// SPDX-License-Identifier: Apache-2.0
//
// Renders chat templates for a test that compares with Jinja. Each line of standard input is a JSON object:
// {"template", "variables"} renders the template, {"template", "messages", "add_generation_prompt"} recognises it and
// renders the format. Each becomes a line with a JSON string, or null for a template that is not understood.
#include "frontends/ChatTemplate/ChatTemplate.h"
#include "frontends/ChatTemplate/Jinja.h"

#include <nlohmann/json.hpp>

#include <iostream>
#include <optional>

using namespace yupana;
using nlohmann::json;

namespace {

std::optional<std::string> render(const json &question) {
  Result<jinja::Template> parsed = jinja::Template::parse(question["template"].get<std::string>());
  if (!parsed)
    return std::nullopt;
  jinja::Work work;
  Result<std::string> text = parsed->render(question["variables"], work);
  return text ? std::optional<std::string>(*text) : std::nullopt;
}

std::optional<std::string> recognize(const json &question) {
  const std::string begin = "<s>", end = "</s>";
  // Many questions about one template come in a row.
  static std::string text;
  static Result<ChatFormat> format = recognizeChatTemplate(text, &begin, &end);
  if (question["template"] != text) {
    text = question["template"];
    format = recognizeChatTemplate(text, &begin, &end);
  }
  if (!format)
    return std::nullopt;
  std::vector<ChatMessage> messages;
  for (const json &message : question["messages"])
    messages.push_back({message["role"] == "system" ? ChatRole::System
                        : message["role"] == "user" ? ChatRole::User
                                                    : ChatRole::Assistant,
                        message["content"]});
  return format->render(messages, question["add_generation_prompt"]);
}

} // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    json question = json::parse(line);
    std::optional<std::string> text = question.contains("messages") ? recognize(question) : render(question);
    std::cout << (text ? json(*text).dump() : "null") << std::endl;
  }
}
