// SPDX-License-Identifier: Apache-2.0
//
// Which of a checkpoint's files say what.
#include "frontends/Tokenizer/Tokenizer.h"

#include "compiler/Support/File.h"
#include "compiler/Support/Json.h"
#include "frontends/Tokenizer/JsonFields.h"

using namespace yupana;
using nlohmann::json;

namespace {

/// Largest of the small files beside a tokenizer.
constexpr uint64_t maxConfigBytes = uint64_t(16) << 20;

/// The content of a small file, empty when there is none.
Result<std::string> readIfThere(const std::string &path) {
  return pathExists(path) ? readWholeFile(path, maxConfigBytes) : Result<std::string>(std::string());
}

/// A small JSON file, null when there is none.
Result<json> parseIfThere(const std::string &path) {
  YUPANA_ASSIGN_OR_RETURN(std::string text, readIfThere(path));
  return text.empty() ? Result<json>(json()) : parseJson(text, path);
}

Result<TokenizerModel> readModel(const std::string &folder, uint64_t vocabularySize) {
  std::string path = folder + "/tokenizer.json";
  if (pathExists(path)) {
    YUPANA_ASSIGN_OR_RETURN(std::string text, readWholeFile(path, maxTokenizerBytes));
    return parseTokenizerJson(text, path);
  }
  path = folder + "/tokenizer.model";
  YUPANA_ASSIGN_OR_RETURN(std::string text, readWholeFile(path, maxTokenizerModelBytes));
  YUPANA_ASSIGN_OR_RETURN(TokenizerModel model, parseTokenizerModel(text, path));
  std::string configPath = folder + "/tokenizer_config.json";
  YUPANA_ASSIGN_OR_RETURN(std::string config, readIfThere(configPath));
  YUPANA_RETURN_IF_ERROR(addSpecialTokens(model, config, configPath, vocabularySize));
  return model;
}

/// A chat template and the file it stands in; no text for a checkpoint without one.
struct FoundTemplate {
  std::string text;
  std::string path;
};

/// `chat_template` of a JSON file: a text, or a list of named ones, of which "default" counts.
Result<std::string> templateIn(const json &root, const std::string &path) {
  const json &field = member(root, "chat_template");
  if (field.is_null())
    return std::string();
  if (field.is_string())
    return field.get_ref<const std::string &>();
  if (field.is_array()) {
    for (const json &entry : field)
      if (member(entry, "name") == "default" && member(entry, "template").is_string())
        return member(entry, "template").get_ref<const std::string &>();
    return std::string();
  }
  return makeError(ExitCode::InvalidInput, "{}: chat_template is {}, expected a string or a list", path,
                   jsonTypeName(field));
}

Result<FoundTemplate> findTemplate(const std::string &folder, const json &tokenizerConfig) {
  FoundTemplate found;
  found.path = folder + "/chat_template.jinja";
  YUPANA_ASSIGN_OR_RETURN(found.text, readIfThere(found.path));
  if (!found.text.empty())
    return found;
  found.path = folder + "/chat_template.json";
  YUPANA_ASSIGN_OR_RETURN(json processorConfig, parseIfThere(found.path));
  YUPANA_ASSIGN_OR_RETURN(found.text, templateIn(processorConfig, found.path));
  if (!found.text.empty())
    return found;
  found.path = folder + "/tokenizer_config.json";
  YUPANA_ASSIGN_OR_RETURN(found.text, templateIn(tokenizerConfig, found.path));
  return found;
}

/// Recognises the checkpoint's chat template, if it has one.
Result<std::optional<ChatFormat>> readChatFormat(const std::string &folder, std::vector<std::string> &notes) {
  YUPANA_ASSIGN_OR_RETURN(json config, parseIfThere(folder + "/tokenizer_config.json"));
  YUPANA_ASSIGN_OR_RETURN(json specials, parseIfThere(folder + "/special_tokens_map.json"));
  YUPANA_ASSIGN_OR_RETURN(FoundTemplate found, findTemplate(folder, config));
  if (found.text.empty())
    return std::optional<ChatFormat>();
  std::optional<std::string> texts[2];
  for (auto [name, text] : {std::pair("bos_token", &texts[0]), std::pair("eos_token", &texts[1])}) {
    *text = asTokenText(member(config, name));
    if (!*text)
      *text = asTokenText(member(specials, name));
  }
  Result<ChatFormat> format =
      recognizeChatTemplate(found.text, texts[0] ? &*texts[0] : nullptr, texts[1] ? &*texts[1] : nullptr);
  if (format)
    return std::optional<ChatFormat>(std::move(format).value());
  notes.push_back(fmt::format("{}: the chat template is not understood ({}), so the plan has no chat format and "
                              "--user and --chat do not work with it",
                              found.path, format.error().message));
  return std::optional<ChatFormat>();
}

} // namespace

Result<std::vector<uint8_t>> yupana::compileTokenizer(const std::string &folder, uint64_t vocabularySize,
                                                      std::vector<std::string> &notes) {
  if (!pathExists(folder + "/tokenizer.json") && !pathExists(folder + "/tokenizer.model"))
    return std::vector<uint8_t>();
  YUPANA_ASSIGN_OR_RETURN(TokenizerModel model, readModel(folder, vocabularySize));
  YUPANA_ASSIGN_OR_RETURN(model.chat, readChatFormat(folder, notes));
  return writeTokenizerSection(model);
}
