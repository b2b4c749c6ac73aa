// SPDX-License-Identifier: Apache-2.0
//
// What the reader of tokenizer.json accepts, and the sentence and exit code for what it does not.
#include "test/runtime/text/support.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace yupana;
using nlohmann::json;

namespace {

class TokenizerJsonTest : public testing::Test {
protected:
  TokenizerJsonTest() : root(json::parse(test::read_model_file("nano/tokenizer.json"))) {}

  Result<TokenizerModel> parse() { return parseTokenizerJson(root.dump(), "tokenizer.json"); }
  void expect_error(ExitCode code, std::string_view part) {
    Result<TokenizerModel> result = parse();
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, code) << result.error().message;
    EXPECT_NE(result.error().message.find(part), std::string::npos) << result.error().message;
    EXPECT_EQ(result.error().message.rfind("tokenizer.json: ", 0), 0u) << result.error().message;
  }
  json &split() { return root["pre_tokenizer"]["pretokenizers"][0]; }
  json &byte_level() { return root["pre_tokenizer"]["pretokenizers"][1]; }

  json root;
};

TEST_F(TokenizerJsonTest, Nano) {
  Result<TokenizerModel> model = parse();
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(model->texts.size(), 1536u);
  EXPECT_EQ(model->merges.size(), 1216u);
  EXPECT_EQ(model->added.size(), 64u);
  EXPECT_EQ(model->beginToken, 1472u);
  EXPECT_TRUE(model->ignoreMerges);
  EXPECT_EQ(model->texts[1472], "<|begin_of_text|>");
  EXPECT_FALSE(model->isWord[1472]);
}

// "a b" and ["a", "b"] mean the same.
TEST_F(TokenizerJsonTest, BothSpellingsOfMerges) {
  std::vector<uint8_t> pairs = writeTokenizerSection(*parse());
  for (json &merge : root["model"]["merges"])
    merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  EXPECT_EQ(writeTokenizerSection(*parse()), pairs);
}

TEST_F(TokenizerJsonTest, PostProcessorInSequence) {
  json processor = root["post_processor"];
  root["post_processor"] = {{"type", "Sequence"}, {"processors", {{{"type", "ByteLevel"}}, processor}}};
  EXPECT_EQ(parse()->beginToken, 1472u);
  root["post_processor"] = nullptr;
  EXPECT_FALSE(parse()->beginToken.has_value());
}

TEST_F(TokenizerJsonTest, Normalizer) {
  root["normalizer"] = {{"type", "NFC"}};
  expect_error(ExitCode::Unsupported, "normalizer is {\"type\":\"NFC\"}");
}

TEST_F(TokenizerJsonTest, OtherRegex) {
  split()["pattern"]["Regex"] = "\\w+";
  expect_error(ExitCode::Unsupported, "pre_tokenizer.pretokenizers[0].pattern is {\"Regex\":\"\\\\w+\"}");
}

TEST_F(TokenizerJsonTest, SplitBehavior) {
  split()["behavior"] = "Removed";
  expect_error(ExitCode::Unsupported, "behavior is \"Removed\"");
}

TEST_F(TokenizerJsonTest, PreTokenizerOfAnotherKind) {
  root["pre_tokenizer"] = {{"type", "Metaspace"}};
  expect_error(ExitCode::Unsupported, "pre_tokenizer is {\"type\":\"Metaspace\"}");
}

// Absent means true for these two.
TEST_F(TokenizerJsonTest, ByteLevelOptions) {
  byte_level().erase("use_regex");
  expect_error(ExitCode::Unsupported, "use_regex is null");
  byte_level()["use_regex"] = false;
  byte_level()["add_prefix_space"] = true;
  expect_error(ExitCode::Unsupported, "add_prefix_space is true");
}

TEST_F(TokenizerJsonTest, Decoder) {
  root["decoder"] = nullptr;
  expect_error(ExitCode::Unsupported, "decoder is null");
}

TEST_F(TokenizerJsonTest, ModelOfAnotherKind) {
  root["model"]["type"] = "Unigram";
  expect_error(ExitCode::Unsupported, "model.type is \"Unigram\"");
}

TEST_F(TokenizerJsonTest, ByteFallback) {
  root["model"]["byte_fallback"] = true;
  expect_error(ExitCode::Unsupported, "model.byte_fallback");
}

TEST_F(TokenizerJsonTest, LonelyByte) {
  root["model"]["vocab"].erase("!");
  expect_error(ExitCode::Unsupported, "no token for the single byte 0x21");
}

TEST_F(TokenizerJsonTest, IdTwice) {
  root["model"]["vocab"]["!"] = 5;
  expect_error(ExitCode::InvalidInput, "the same id 5");
}

// Whatever comes first in the file, words, merges and added tokens are the same.
TEST_F(TokenizerJsonTest, OrderOfTheFile) {
  std::vector<uint8_t> section = writeTokenizerSection(*parse());
  nlohmann::ordered_json other = {{"model", nlohmann::ordered_json::object()}};
  for (const char *field : {"merges", "vocab", "type", "ignore_merges"})
    other["model"][field] = root["model"][field];
  for (const auto &[key, value] : root.items())
    if (key != "model")
      other[key] = value;
  Result<TokenizerModel> model = parseTokenizerJson(other.dump(), "tokenizer.json");
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(writeTokenizerSection(*model), section);
}

// Tokens that the model does not know are counted and not placed by their ids, so that a far one takes nothing.
TEST_F(TokenizerJsonTest, IdsBeyondTheVocabulary) {
  for (uint32_t id : {(1u << 24) - 1, 2000000u}) {
    json token = root["added_tokens"][0];
    token["id"] = id;
    token["content"] = "<|" + std::to_string(id) + "|>";
    root["added_tokens"].push_back(token);
  }
  Result<TokenizerModel> model = parseTokenizerJson(root.dump(), "tokenizer.json", 1536);
  ASSERT_TRUE(model.ok()) << model.error().message;
  ASSERT_EQ(model->texts.size(), 1538u);
  EXPECT_EQ(model->texts[1536], "<|2000000|>");
  EXPECT_EQ(model->texts[1537], "<|16777215|>");
  EXPECT_EQ(model->places.idAt(1537), 16777215u);
  EXPECT_EQ(model->places.find(2000000), 1536u);
  EXPECT_EQ(model->places.find(2000001), std::nullopt);
  EXPECT_EQ(model->places.find(7), 7u);
}

TEST_F(TokenizerJsonTest, WordTwice) {
  std::string text = root.dump();
  text.insert(text.find("\"vocab\":{") + 9, "\"!\":7,");
  Result<TokenizerModel> model = parseTokenizerJson(text, "tokenizer.json");
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().message, "tokenizer.json: the key '!' stands twice in one object");
}

// Of equal pairs the last counts, with the rank that it then has.
TEST_F(TokenizerJsonTest, MergeTwice) {
  std::vector<uint8_t> section = writeTokenizerSection(*parse());
  json &merges = root["model"]["merges"];
  merges.insert(merges.begin(), merges.back());
  merges.insert(merges.begin(), merges[5]);
  EXPECT_EQ(writeTokenizerSection(*parse()), section);
}

TEST_F(TokenizerJsonTest, IdOutOfRange) {
  root["model"]["vocab"]["!"] = 1 << 24;
  expect_error(ExitCode::InvalidInput, "the id 16777216");
  root["model"]["vocab"]["!"] = -1;
  expect_error(ExitCode::InvalidInput, "the id -1");
}

TEST_F(TokenizerJsonTest, OutsideTheAlphabet) {
  root["model"]["vocab"]["\u4E2D"] = 2000;
  expect_error(ExitCode::InvalidInput, "outside the byte-level alphabet");
}

TEST_F(TokenizerJsonTest, MergeWithoutToken) {
  root["model"]["merges"][0] = {"q", "zzz"};
  expect_error(ExitCode::InvalidInput, "model.merges has the entry [\"q\",\"zzz\"]");
  root["model"]["merges"][0] = "one";
  expect_error(ExitCode::InvalidInput, "model.merges has the entry \"one\"");
}

TEST_F(TokenizerJsonTest, AddedTokenOptions) {
  root["added_tokens"][3]["lstrip"] = true;
  expect_error(ExitCode::Unsupported, "lstrip of the added token");
}

TEST_F(TokenizerJsonTest, AddedTokenClash) {
  root["added_tokens"][3]["id"] = 1472;
  expect_error(ExitCode::InvalidInput, "the id 1472 of another token");
}

TEST_F(TokenizerJsonTest, AddedTokenTwice) {
  root["added_tokens"][3]["content"] = root["added_tokens"][2]["content"];
  expect_error(ExitCode::InvalidInput, "added_tokens has \"<|fim_prefix|>\" twice");
}

TEST_F(TokenizerJsonTest, TokenAfterTheText) {
  root["post_processor"]["single"].push_back(root["post_processor"]["single"][0]);
  expect_error(ExitCode::Unsupported, "post_processor.single");
}

TEST_F(TokenizerJsonTest, NotAnObject) {
  root = json::array();
  expect_error(ExitCode::InvalidInput, "is a list, expected an object");
}

} // namespace
