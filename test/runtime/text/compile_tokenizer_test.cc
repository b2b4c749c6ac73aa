// SPDX-License-Identifier: Apache-2.0
//
// Which of a checkpoint's files the tokenizer, its special tokens and its chat format come from.
#include "runtime/text/chat.h"
#include "test/runtime/text/support.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>

using namespace yupana;
using nlohmann::json;

namespace {

class CompileTokenizerTest : public testing::Test {
protected:
  CompileTokenizerTest() {
    folder = testing::TempDir() + "yupana-" + testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
  }
  ~CompileTokenizerTest() override { std::filesystem::remove_all(folder); }

  void write(const std::string &name, const std::string &content) {
    std::ofstream(folder + "/" + name, std::ios::binary) << content;
  }
  /// Copies a file of nano.
  void copy(const std::string &name) { write(name, test::read_model_file("nano/" + name)); }

  Result<CompiledTokenizer> compile() {
    notes.clear();
    return compileTokenizer(folder, 1536, notes);
  }
  /// Compiles what must compile.
  const text::Tokenizer &open() {
    Result<CompiledTokenizer> result = compile();
    EXPECT_TRUE(result.ok()) << result.error().message;
    compiled = std::move(result).value();
    section = compiled.section;
    EXPECT_EQ(tokenizer.open(section.data(), section.size()), nullptr);
    return tokenizer;
  }
  std::string generation() { return std::string(open().section().chat_part(schema::ChatPart::generation)); }

  static json chat_template(const std::string &role) {
    return "{% for message in messages %}{{ '<' + message.role + '>' + message.content + '<end>' }}{% endfor %}"
           "{% if add_generation_prompt %}{{ '<" +
           role + ">' }}{% endif %}";
  }

  std::string folder;
  std::vector<std::string> notes;
  CompiledTokenizer compiled;
  std::vector<uint8_t> section;
  text::Tokenizer tokenizer;
};

TEST_F(CompileTokenizerTest, FolderWithoutTokenizer) {
  copy("chat_template.jinja");
  Result<CompiledTokenizer> nothing = compile();
  ASSERT_TRUE(nothing.ok());
  EXPECT_TRUE(nothing->section.empty());
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0], folder + ": has no tokenizer, so the plan runs on token ids alone");
}

TEST_F(CompileTokenizerTest, SameBytesEachTime) {
  EXPECT_EQ(test::compile_section("tokenizer"), test::compile_section("tokenizer"));
  EXPECT_EQ(test::compile_section("tokenizer/tokenizer.model"), test::compile_section("tokenizer/tokenizer.model"));
}

// tokenizer.json wins: the other file is not even read.
TEST_F(CompileTokenizerTest, JsonWins) {
  copy("tokenizer.json");
  write("tokenizer.model", "damaged");
  EXPECT_EQ(open().token(1482), "<|reserved_special_token_10|>");
}

TEST_F(CompileTokenizerTest, TiktokenAlone) {
  copy("tokenizer.model");
  EXPECT_EQ(open().token(1482), "<|text_post_train_reserved_special_token_0|>");
  EXPECT_EQ(tokenizer.id_limit(), 1536u);
  EXPECT_EQ(tokenizer.begin_token(), 1472u);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes[0].find("/tokenizer.model: does not say how text is split into words"), std::string::npos);
}

TEST_F(CompileTokenizerTest, TiktokenWithAddedTokens) {
  copy("tokenizer.model");
  write("tokenizer_config.json",
        R"({"bos_token": "<s>", "added_tokens_decoder": {"1500": {"content": "<s>", "special": true}}})");
  EXPECT_EQ(open().begin_token(), 1500u);
  EXPECT_EQ(tokenizer.id_limit(), 1501u);
}

TEST_F(CompileTokenizerTest, DamagedFilesAreNamed) {
  write("tokenizer.model", "IQ== 0\nIg== 2\n");
  Result<CompiledTokenizer> broken = compile();
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(broken.error().message, folder +
                                        "/tokenizer.model: line 2 has the rank '2', expected 1: ranks count from 0 "
                                        "without a gap");
  copy("tokenizer.model");
  write("tokenizer_config.json", "{");
  broken = compile();
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(broken.error().message.rfind(folder + "/tokenizer_config.json: ", 0), 0u) << broken.error().message;
  write("tokenizer_config.json", R"({"chat_template": 3})");
  broken = compile();
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(broken.error().code, ExitCode::InvalidInput);
}

TEST_F(CompileTokenizerTest, WithoutChatTemplate) {
  copy("tokenizer.json");
  EXPECT_FALSE(text::has_chat_format(open()));
  EXPECT_TRUE(notes.empty());
}

// chat_template.jinja, then chat_template.json, then tokenizer_config.json, there as a text or as "default" of a list.
TEST_F(CompileTokenizerTest, PlacesOfTheChatTemplate) {
  copy("tokenizer.json");
  write("tokenizer_config.json", json{{"chat_template",
                                       {{{"name", "tool_use"}, {"template", chat_template("tools")}},
                                        {{"name", "default"}, {"template", chat_template("list")}}}}}
                                     .dump());
  EXPECT_EQ(generation(), "<list>");
  write("tokenizer_config.json", json{{"chat_template", chat_template("text")}}.dump());
  EXPECT_EQ(generation(), "<text>");
  write("chat_template.json", json{{"chat_template", chat_template("processor")}}.dump());
  EXPECT_EQ(generation(), "<processor>");
  write("chat_template.jinja", chat_template("file").get<std::string>());
  EXPECT_EQ(generation(), "<file>");
  EXPECT_TRUE(notes.empty());
}

// The begin token of a template stands in tokenizer_config.json or in special_tokens_map.json.
TEST_F(CompileTokenizerTest, BeginTokenOfTheTemplate) {
  copy("tokenizer.json");
  copy("chat_template.jinja");
  EXPECT_EQ(open().section().chat_part(schema::ChatPart::begin), "");
  copy("special_tokens_map.json");
  EXPECT_EQ(open().section().chat_part(schema::ChatPart::begin), "<|begin_of_text|>");
  write("tokenizer_config.json", R"({"bos_token": "<|fim_prefix|>"})");
  EXPECT_EQ(open().section().chat_part(schema::ChatPart::begin), "<|fim_prefix|>");
}

// A template that is not understood costs the chat format and a note, nothing else.
TEST_F(CompileTokenizerTest, UnknownChatTemplate) {
  copy("tokenizer.json");
  write("chat_template.jinja", "{% macro say(x) %}{{ x }}{% endmacro %}");
  EXPECT_FALSE(text::has_chat_format(open()));
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0], folder +
                          "/chat_template.jinja: the chat template is not understood (line 1: found 'macro', expected "
                          "if, for or set), so the plan has no chat format and --user and --chat do not work with it");
  write("chat_template.jinja", "{{ '\xFF' }}");
  EXPECT_FALSE(text::has_chat_format(open()));
  EXPECT_EQ(notes.size(), 1u);
}

// So does a sound tokenizer of another kind: it costs the tokenizer and a note.
TEST_F(CompileTokenizerTest, UnknownTokenizer) {
  json file = json::parse(test::read_model_file("nano/tokenizer.json"));
  for (auto [pointer, value, part] :
       {std::tuple("/model", json{{"type", "Unigram"}, {"vocab", json::array()}}, "model.type is \"Unigram\""),
        std::tuple("/normalizer", json{{"type", "NFC"}}, "normalizer is"),
        std::tuple("/pre_tokenizer/pretokenizers/0/pattern/Regex", json("\\w+"), "of Llama 4 or of Llama 3")}) {
    json other = file;
    other[json::json_pointer(pointer)] = value;
    write("tokenizer.json", other.dump());
    copy("chat_template.jinja");
    Result<CompiledTokenizer> nothing = compile();
    ASSERT_TRUE(nothing.ok()) << nothing.error().message;
    EXPECT_TRUE(nothing->section.empty());
    ASSERT_EQ(notes.size(), 1u);
    EXPECT_NE(notes[0].find(part), std::string::npos) << notes[0];
    EXPECT_NE(notes[0].find("so the plan runs on token ids alone"), std::string::npos) << notes[0];
  }
}

// What is no tokenizer at all is an error, and said.
TEST_F(CompileTokenizerTest, FilesOfOtherKinds) {
  const std::string sentencePiece("\n\x0e\n\x05<unk>\x15\0\0\0\0\x18\x02", 16);
  const std::string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n";
  for (auto [name, content, code, part] :
       {std::tuple("tokenizer.model", sentencePiece, ExitCode::Unsupported, "is a SentencePiece model"),
        std::tuple("tokenizer.model", pointer, ExitCode::InvalidInput, "is a Git LFS pointer"),
        std::tuple("tokenizer.model", std::string("<html></html>"), ExitCode::InvalidInput, "is a web page"),
        std::tuple("tokenizer.json", pointer, ExitCode::InvalidInput, "is a Git LFS pointer"),
        std::tuple("tokenizer.json", std::string("{"), ExitCode::InvalidInput, "is not valid JSON"),
        std::tuple("chat_template.jinja", pointer, ExitCode::InvalidInput, "is a Git LFS pointer"),
        std::tuple("tokenizer_config.json", pointer, ExitCode::InvalidInput, "is a Git LFS pointer")}) {
    for (const char *other : {"/tokenizer.json", "/chat_template.jinja"})
      std::filesystem::remove(folder + other);
    copy("tokenizer.model");
    write(name, content);
    Result<CompiledTokenizer> refused = compile();
    ASSERT_FALSE(refused.ok()) << name;
    EXPECT_EQ(refused.error().code, code) << refused.error().message;
    EXPECT_NE(refused.error().message.find(std::string(name) + ": " + part), std::string::npos)
        << refused.error().message;
  }
}

TEST_F(CompileTokenizerTest, TokensBeyondTheVocabulary) {
  json file = json::parse(test::read_model_file("nano/tokenizer.json"));
  for (int id : {1600, 1601})
    file["added_tokens"].push_back({{"id", id}, {"content", "<t" + std::to_string(id) + ">"}, {"special", true}});
  write("tokenizer.json", file.dump());
  write("tokenizer_config.json", R"({"eos_token":"<t1600>"})");
  // They stand behind those the model knows, without a gap, however far their ids are.
  EXPECT_EQ(open().token(1536), "<t1600>");
  EXPECT_FALSE(compiled.endToken);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0], folder + ": the tokenizer's token '<t1600>' has the id 1600, but the model knows 1536 ids, so "
                               "text with it cannot be run; 1 more are like it");
}

// The token that ends a reply, as a text or as an object, and the one that ends a turn.
TEST_F(CompileTokenizerTest, TokensThatEnd) {
  copy("tokenizer.json");
  open();
  EXPECT_FALSE(compiled.endToken);
  EXPECT_EQ(compiled.endOfTurn, "");
  copy("special_tokens_map.json");
  copy("chat_template.jinja");
  open();
  EXPECT_EQ(compiled.endToken, 1480u);
  EXPECT_EQ(compiled.endOfTurn, "<|eot|>");
  write("tokenizer_config.json", R"({"eos_token":{"content":"<|end_of_text|>","lstrip":false}})");
  open();
  EXPECT_EQ(compiled.endToken, 1473u);
  for (const char *unknown : {R"({"eos_token":"</s>"})", R"({"eos_token":"the"})"}) {
    write("tokenizer_config.json", unknown);
    open();
    EXPECT_FALSE(compiled.endToken) << unknown;
  }
  write("chat_template.jinja", chat_template("assistant").get<std::string>());
  open();
  EXPECT_EQ(compiled.endOfTurn, "");
}

// Llama 3's expression makes other words of marks, cases and slashes.
TEST_F(CompileTokenizerTest, SplitOfLlama3) {
  json file = json::parse(test::read_model_file("nano/tokenizer.json"));
  file[json::json_pointer("/pre_tokenizer/pretokenizers/0/pattern/Regex")] =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|)"
      R"(\s+(?!\S)|\s+)";
  write("tokenizer.json", file.dump());
  EXPECT_EQ(open().section().header.split, static_cast<uint32_t>(schema::TokenizerSplit::llama3));
  EXPECT_TRUE(notes.empty());
}

} // namespace
