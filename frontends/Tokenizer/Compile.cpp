// SPDX-License-Identifier: Apache-2.0
//
// Which of a checkpoint's files say what.
#include "frontends/Tokenizer/Tokenizer.h"

#include "compiler/Support/File.h"
#include "compiler/Support/FileKind.h"
#include "compiler/Support/Json.h"
#include "frontends/Tokenizer/JsonFields.h"

using namespace yupana;
using nlohmann::json;

namespace {

/// Largest of the small files beside a tokenizer.
constexpr uint64_t maxConfigBytes = uint64_t(16) << 20;

/// The content of a small file, empty when there is none: all of these files are optional, and an empty one says as
/// little as a missing one.
Result<std::string> readIfThere(const std::string &path) {
  return pathExists(path) ? readWholeFile(path, maxConfigBytes) : Result<std::string>(std::string());
}

/// A small JSON file, null when there is none.
Result<json> parseIfThere(const std::string &path) {
  YUPANA_ASSIGN_OR_RETURN(std::string text, readIfThere(path));
  return text.empty() ? Result<json>(json()) : parseJson(text, path);
}

/// Nothing for a tokenizer.json that is sound and not understood: the plan then has no text, but runs. A broken one
/// ends the compilation.
Result<std::optional<TokenizerModel>> readTokenizerJson(const std::string &path, uint64_t vocabularySize,
                                                        std::vector<std::string> &notes) {
  YUPANA_ASSIGN_OR_RETURN(std::string text, readWholeFile(path, maxTokenizerBytes));
  Result<TokenizerModel> model = parseTokenizerJson(std::move(text), path, vocabularySize);
  if (model)
    return std::optional<TokenizerModel>(std::move(model).value());
  if (model.error().code != ExitCode::Unsupported)
    return model.takeError();
  notes.push_back(fmt::format("{}; a tokenizer of this kind is not understood, so the plan runs on token ids alone",
                              model.error().message));
  return std::optional<TokenizerModel>();
}

/// Ranks alone make half a tokenizer: the special tokens come from another file or from Meta's list, and the split of
/// text is a guess that the user is told of.
Result<TokenizerModel> readTokenizerModel(const std::string &folder, uint64_t vocabularySize,
                                          std::vector<std::string> &notes) {
  std::string path = folder + "/tokenizer.model";
  YUPANA_ASSIGN_OR_RETURN(std::string text, readWholeFile(path, maxTokenizerModelBytes));
  YUPANA_ASSIGN_OR_RETURN(TokenizerModel model, parseTokenizerModel(text, path));
  std::string configPath = folder + "/tokenizer_config.json";
  YUPANA_ASSIGN_OR_RETURN(std::string config, readIfThere(configPath));
  YUPANA_RETURN_IF_ERROR(addSpecialTokens(model, config, configPath, vocabularySize));
  notes.push_back(fmt::format("{}: does not say how text is split into words, so it is split as Llama 4's tokenizer "
                              "does; a tokenizer.json would say it",
                              path));
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
    // A list without a default has templates for other purposes, such as calling tools.
    for (const json &entry : field)
      if (member(entry, "name") == "default" && member(entry, "template").is_string())
        return member(entry, "template").get_ref<const std::string &>();
    return std::string();
  }
  return makeError(ExitCode::InvalidInput, "{}: chat_template is {}, expected a string or a list", path,
                   jsonTypeName(field));
}

/// The order is that of transformers, which writes chat_template.jinja today and wrote the other two before.
Result<FoundTemplate> findTemplate(const std::string &folder, const json &tokenizerConfig) {
  FoundTemplate found;
  found.path = folder + "/chat_template.jinja";
  YUPANA_ASSIGN_OR_RETURN(found.text, readIfThere(found.path));
  // Every text is a template by itself, so that a pointer of Git LFS would be one, too.
  std::optional<FileKind> kind = recognizeFileKind(std::string_view(found.text).substr(0, fileKindBytes));
  if (kind && !kind->isWhole)
    return makeError(ExitCode::InvalidInput, "{}: is {}, expected a chat template; {}", found.path, kind->what,
                     kind->remedy);
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

/// The texts of two tokens that the files around a tokenizer name.
struct NamedTokens {
  std::optional<std::string> begin, end;
};

/// bos_token and eos_token of tokenizer_config.json, else of special_tokens_map.json.
Result<NamedTokens> readNamedTokens(const std::string &folder, const json &config) {
  YUPANA_ASSIGN_OR_RETURN(json specials, parseIfThere(folder + "/special_tokens_map.json"));
  NamedTokens tokens;
  for (auto [name, text] : {std::pair("bos_token", &tokens.begin), std::pair("eos_token", &tokens.end)}) {
    *text = asTokenText(member(config, name));
    if (!*text)
      *text = asTokenText(member(specials, name));
  }
  return tokens;
}

/// Recognises the checkpoint's chat template, if it has one.
Result<std::optional<ChatFormat>> readChatFormat(const std::string &folder, const json &config,
                                                 const NamedTokens &tokens, std::vector<std::string> &notes,
                                                 const std::function<bool()> &isCancelled) {
  YUPANA_ASSIGN_OR_RETURN(FoundTemplate found, findTemplate(folder, config));
  if (found.text.empty())
    return std::optional<ChatFormat>();
  Result<ChatFormat> format = recognizeChatTemplate(found.text, tokens.begin ? &*tokens.begin : nullptr,
                                                    tokens.end ? &*tokens.end : nullptr, isCancelled);
  if (format)
    return std::optional<ChatFormat>(std::move(format).value());
  // A template is code of somebody else, so that whatever is wrong with it costs the chat format alone; only an
  // interrupt is not its fault.
  if (format.error().code == ExitCode::Interrupted)
    return format.takeError();
  notes.push_back(fmt::format("{}: the chat template is not understood ({}), so the plan has no chat format and "
                              "--user and --chat do not work with it",
                              found.path, format.error().message));
  return std::optional<ChatFormat>();
}

/// The longest added token that `text` begins with; null without one. The longest one is what the tokenizer finds.
const TokenizerModel::AddedToken *addedAtStart(const TokenizerModel &model, std::string_view text) {
  const TokenizerModel::AddedToken *longest = nullptr;
  for (const TokenizerModel::AddedToken &token : model.added) {
    std::string_view added = model.texts[token.id];
    bool begins = !added.empty() && text.substr(0, added.size()) == added;
    if (begins && (!longest || added.size() > model.texts[longest->id].size()))
      longest = &token;
  }
  return longest;
}

/// Tells of tokens that the embedding has no row for.
void noteTokensBeyond(const TokenizerModel &model, const std::string &folder, uint64_t vocabularySize,
                      std::vector<std::string> &notes) {
  uint64_t count = 0;
  uint32_t first = 0;
  // Places from the vocabulary on are those of tokens that the model does not know.
  for (uint64_t place = vocabularySize; place < model.texts.size(); ++place)
    if (!model.texts[place].empty() && count++ == 0)
      first = static_cast<uint32_t>(place);
  if (count)
    notes.push_back(fmt::format("{}: the tokenizer's token {} has the id {}, but the model knows {} ids, so text with "
                                "it cannot be run{}",
                                folder, inQuotes(model.texts[first]), model.places.idAt(first), vocabularySize,
                                count > 1 ? fmt::format("; {} more are like it", count - 1) : ""));
}

} // namespace

Result<CompiledTokenizer> yupana::compileTokenizer(const std::string &folder, uint64_t vocabularySize,
                                                   std::vector<std::string> &notes,
                                                   const std::function<bool()> &isCancelled) {
  std::optional<TokenizerModel> model;
  if (std::string path = folder + "/tokenizer.json"; pathExists(path)) {
    YUPANA_ASSIGN_OR_RETURN(model, readTokenizerJson(path, vocabularySize, notes));
  } else if (pathExists(folder + "/tokenizer.model")) {
    YUPANA_ASSIGN_OR_RETURN(model, readTokenizerModel(folder, vocabularySize, notes));
  } else {
    notes.push_back(fmt::format("{}: has no tokenizer, so the plan runs on token ids alone", folder));
  }
  CompiledTokenizer compiled;
  if (!model)
    return compiled;
  noteTokensBeyond(*model, folder, vocabularySize, notes);
  YUPANA_ASSIGN_OR_RETURN(json config, parseIfThere(folder + "/tokenizer_config.json"));
  YUPANA_ASSIGN_OR_RETURN(NamedTokens tokens, readNamedTokens(folder, config));
  // The template may write both tokens, so that their texts come first.
  YUPANA_ASSIGN_OR_RETURN(model->chat, readChatFormat(folder, config, tokens, notes, isCancelled));
  // An id that the model does not know can never be drawn.
  for (const TokenizerModel::AddedToken &token : model->added)
    if (tokens.end && model->texts[token.id] == *tokens.end && token.id < vocabularySize)
      compiled.endToken = token.id;
  if (const TokenizerModel::AddedToken *end = model->chat ? addedAtStart(*model, model->chat->end) : nullptr)
    compiled.endOfTurn = model->texts[end->id];
  compiled.section = writeTokenizerSection(*model);
  return compiled;
}
