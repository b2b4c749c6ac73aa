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

  Result<std::vector<uint8_t>> compile() {
    notes.clear();
    return compileTokenizer(folder, 1536, notes);
  }
  /// Compiles what must compile.
  const text::Tokenizer &open() {
    Result<std::vector<uint8_t>> compiled = compile();
    EXPECT_TRUE(compiled.ok()) << compiled.error().message;
    section = std::move(compiled).value();
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
  std::vector<uint8_t> section;
  text::Tokenizer tokenizer;
};

TEST_F(CompileTokenizerTest, FolderWithoutTokenizer) {
  copy("chat_template.jinja");
  Result<std::vector<uint8_t>> compiled = compile();
  ASSERT_TRUE(compiled.ok());
  EXPECT_TRUE(compiled->empty());
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
  Result<std::vector<uint8_t>> compiled = compile();
  ASSERT_FALSE(compiled.ok());
  EXPECT_EQ(compiled.error().message, folder +
                                          "/tokenizer.model: line 2 has the rank '2', expected 1: ranks count from 0 "
                                          "without a gap");
  copy("tokenizer.model");
  write("tokenizer_config.json", "{");
  compiled = compile();
  ASSERT_FALSE(compiled.ok());
  EXPECT_EQ(compiled.error().message.rfind(folder + "/tokenizer_config.json: ", 0), 0u) << compiled.error().message;
  write("tokenizer_config.json", R"({"chat_template": 3})");
  compiled = compile();
  ASSERT_FALSE(compiled.ok());
  EXPECT_EQ(compiled.error().code, ExitCode::InvalidInput);
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

} // namespace
