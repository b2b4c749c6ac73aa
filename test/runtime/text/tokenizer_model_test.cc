// SPDX-License-Identifier: Apache-2.0
//
// What the reader of tiktoken's tokenizer.model accepts, the sentence for what it does not, and where special tokens
// come from.
#include "test/runtime/text/support.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

using namespace yupana;
using nlohmann::json;

namespace {

class TokenizerModelTest : public testing::Test {
protected:
  /// The lines of a vocabulary of the 256 bytes, and "ab".
  TokenizerModelTest() {
    for (int byte = 0; byte < 256; ++byte)
      words.push_back(std::string(1, static_cast<char>(byte)));
    words.push_back("ab");
  }

  static std::string base64(const std::string &bytes) {
    static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (size_t i = 0; i < bytes.size(); i += 3) {
      uint32_t group = 0;
      for (size_t j = 0; j < 3; ++j)
        group = group << 8 | (i + j < bytes.size() ? static_cast<uint8_t>(bytes[i + j]) : 0);
      for (size_t j = 0; j < 4; ++j)
        text.push_back(j <= bytes.size() - i ? digits[group >> (18 - 6 * j) & 63] : '=');
    }
    return text;
  }
  std::string file() const {
    std::string text;
    for (size_t rank = 0; rank < words.size(); ++rank)
      text += base64(words[rank]) + " " + std::to_string(rank) + "\n";
    return text;
  }
  void expect_error(const std::string &text, std::string_view part) {
    Result<TokenizerModel> result = parseTokenizerModel(text, "tokenizer.model");
    ASSERT_FALSE(result.ok()) << part;
    EXPECT_EQ(result.error().code, ExitCode::InvalidInput);
    EXPECT_NE(result.error().message.find(part), std::string::npos) << result.error().message;
    EXPECT_EQ(result.error().message.rfind("tokenizer.model: ", 0), 0u) << result.error().message;
  }
  /// A file whose last line is `line`.
  void expect_line_error(const std::string &line, std::string_view part) { expect_error(file() + line, part); }

  std::vector<std::string> words;
};

TEST_F(TokenizerModelTest, SmallFile) {
  words.push_back("abab");
  words.push_back("babab");
  Result<TokenizerModel> model = parseTokenizerModel(file(), "tokenizer.model");
  ASSERT_TRUE(model.ok()) << model.error().message;
  ASSERT_EQ(model->texts.size(), words.size());
  for (size_t id = 0; id < words.size(); ++id)
    EXPECT_EQ(model->texts[id], words[id]);
  EXPECT_TRUE(model->ignoreMerges);
  EXPECT_FALSE(model->beginToken.has_value());
  // Every pair that makes a word, all those of a word at the same rank.
  ASSERT_EQ(model->merges.size(), 3u);
  const TokenizerModel::Merge expected[] = {{'a', 'b', 256, 0}, {256, 256, 257, 1}, {'b', 257, 258, 2}};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(model->merges[i].left, expected[i].left);
    EXPECT_EQ(model->merges[i].right, expected[i].right);
    EXPECT_EQ(model->merges[i].result, expected[i].result);
    EXPECT_EQ(model->merges[i].rank, expected[i].rank);
  }
}

// The last line may lack its end.
TEST_F(TokenizerModelTest, NoFinalLineEnd) {
  std::string text = file();
  text.pop_back();
  EXPECT_TRUE(parseTokenizerModel(text, "tokenizer.model").ok());
}

TEST_F(TokenizerModelTest, Lines) {
  const char *expected = "line 258 is '";
  expect_line_error("\n", "line 258 is '', expected a token in base64, a space and its rank");
  expect_line_error("YWJj", expected);
  expect_line_error(" 257", expected);
  expect_line_error("YWI 257", expected);  // not whole groups
  expect_line_error("YW=j 257", expected); // padding inside
  expect_line_error("Y=== 257", expected); // a group of one digit
  expect_line_error("YWK= 257", expected); // bits left over, two digits of four would say the same
  expect_line_error("YWJ- 257", expected); // the alphabet for file names
  expect_line_error("YWJj\t257", expected);
  expect_line_error("====\n", expected);
}

TEST_F(TokenizerModelTest, Ranks) {
  expect_line_error("YWJj 258", "line 258 has the rank '258', expected 257");
  expect_line_error("YWJj 256", "line 258 has the rank '256', expected 257");
  expect_line_error("YWJj 0257", "has the rank '0257'");
  expect_line_error("YWJj  257", "has the rank ' 257'");
  expect_line_error("YWJj 257\r\n", "has the rank '257\\x0d'");
  expect_line_error("YWJj 18446744073709551873", "expected 257");
  expect_line_error("YWJj ", "has the rank ''");
}

TEST_F(TokenizerModelTest, TokenTwice) {
  words.push_back("ab");
  expect_error(file(), "line 258 has the token of line 257 again, 'ab'");
}

TEST_F(TokenizerModelTest, ByteMissing) {
  words[0x21] = "aba";
  expect_error(file(), "has no token for the single byte 0x21, expected all 256");
  expect_error("", "has no token for the single byte 0x00");
}

TEST_F(TokenizerModelTest, LongToken) {
  words.push_back(std::string(maxTokenBytes, 'a'));
  EXPECT_TRUE(parseTokenizerModel(file(), "tokenizer.model").ok());
  words.push_back(std::string(maxTokenBytes + 1, 'a'));
  expect_error(file(), "line 259 has a token of 1025 bytes, at most 1024 are expected");
}

/// Joins the adjacent pair whose bytes are the word of lowest rank, the leftmost among equals, as tiktoken does.
std::vector<uint32_t> reference_merge(const std::vector<std::string> &words, const std::string &text) {
  std::vector<std::string> parts;
  for (char c : text)
    parts.push_back(std::string(1, c));
  auto rank_of = [&](const std::string &word) {
    return static_cast<uint32_t>(std::find(words.begin(), words.end(), word) - words.begin());
  };
  uint32_t none = static_cast<uint32_t>(words.size());
  if (rank_of(text) != none)
    return {rank_of(text)};
  for (;;) {
    uint32_t best = none;
    size_t where = 0;
    for (size_t i = 0; i + 1 < parts.size(); ++i)
      if (uint32_t rank = rank_of(parts[i] + parts[i + 1]); rank < best) {
        best = rank;
        where = i;
      }
    if (best == none)
      break;
    parts[where] += parts[where + 1];
    parts.erase(parts.begin() + static_cast<ptrdiff_t>(where) + 1);
  }
  std::vector<uint32_t> ids;
  for (const std::string &part : parts)
    ids.push_back(rank_of(part));
  return ids;
}

// Random vocabularies over few letters, where many pairs make the same word.
TEST_F(TokenizerModelTest, AgreesWithPlainMerging) {
  test::Random random(5);
  for (int round = 0; round < 30; ++round) {
    words.resize(256);
    for (int i = 0; i < 40; ++i) {
      std::string word;
      for (uint32_t length = 2 + random.below(6); length; --length)
        word.push_back(static_cast<char>('a' + random.below(2)));
      if (std::find(words.begin(), words.end(), word) == words.end())
        words.push_back(word);
    }
    Result<TokenizerModel> model = parseTokenizerModel(file(), "tokenizer.model");
    ASSERT_TRUE(model.ok()) << model.error().message;
    std::vector<uint8_t> section = writeTokenizerSection(*model);
    text::Tokenizer tokenizer;
    ASSERT_EQ(tokenizer.open(section.data(), section.size()), nullptr);
    for (int i = 0; i < 100; ++i) {
      std::string text;
      for (uint32_t length = 1 + random.below(30); length; --length)
        text.push_back(static_cast<char>('a' + random.below(2)));
      std::vector<uint32_t> ids;
      tokenizer.encode(text, {}, &ids);
      EXPECT_EQ(ids, reference_merge(words, text)) << text;
    }
  }
}

TEST(MetaSpecialTokensTest, NamesAndPlaces) {
  std::vector<std::string> tokens = metaSpecialTokens();
  ASSERT_EQ(tokens.size(), 2048u);
  const std::pair<size_t, const char *> places[] = {{0, "<|begin_of_text|>"},
                                                    {1, "<|end_of_text|>"},
                                                    {5, "<|header_start|>"},
                                                    {8, "<|eot|>"},
                                                    {15, "<|text_post_train_reserved_special_token_5|>"},
                                                    {18, "<|finetune_right_pad|>"},
                                                    {19, "<|text_post_train_reserved_special_token_8|>"},
                                                    {79, "<|text_post_train_reserved_special_token_68|>"},
                                                    {80, "<|image_start|>"},
                                                    {84, "<|tile_x_separator|>"},
                                                    {90, "<|image|>"},
                                                    {92, "<|patch|>"},
                                                    {93, "<|vision_reserved_special_token_7|>"},
                                                    {1133, "<|vision_reserved_special_token_1047|>"},
                                                    {1134, "<|reasoning_reserved_special_token_0|>"},
                                                    {1142, "<|reasoning_thinking_start|>"},
                                                    {1144, "<|reserved_special_token_0|>"},
                                                    {2047, "<|reserved_special_token_903|>"}};
  for (auto [place, name] : places)
    EXPECT_EQ(tokens[place], name) << place;
}

class SpecialTokensTest : public TokenizerModelTest {
protected:
  SpecialTokensTest() : model(*parseTokenizerModel(file(), "tokenizer.model")) {}

  Result<void> add(const json &config, uint64_t vocabularySize = UINT32_MAX) {
    return addSpecialTokens(model, config.is_null() ? "" : config.dump(), "tokenizer_config.json", vocabularySize);
  }
  void expect_config_error(const json &config, ExitCode code, std::string_view part) {
    TokenizerModel fresh = model;
    Result<void> result = addSpecialTokens(fresh, config.dump(), "tokenizer_config.json", UINT32_MAX);
    ASSERT_FALSE(result.ok()) << part;
    EXPECT_EQ(result.error().code, code);
    EXPECT_NE(result.error().message.find(part), std::string::npos) << result.error().message;
  }

  TokenizerModel model;
};

// Without a file, or without added tokens in it, Meta's list follows the words, as far as the model knows ids.
TEST_F(SpecialTokensTest, MetaList) {
  ASSERT_TRUE(add(nullptr).ok());
  EXPECT_EQ(model.added.size(), 2048u);
  EXPECT_EQ(model.beginToken, 257u);
  EXPECT_EQ(model.texts[265], "<|eot|>");
  EXPECT_FALSE(model.isWord[265]);
}

TEST_F(SpecialTokensTest, MetaListEndsWithTheVocabulary) {
  ASSERT_TRUE(add({{"bos_token", "<|fim_prefix|>"}}, 260).ok());
  EXPECT_EQ(model.texts.size(), 260u);
  EXPECT_EQ(model.beginToken, 259u);
}

TEST_F(SpecialTokensTest, AddedTokensDecoder) {
  json begin = {{"content", "<s>"}, {"special", true}};
  ASSERT_TRUE(add({{"added_tokens_decoder",
                    {{"300", begin}, {"256", {{"content", "ab"}, {"special", false}}}, {"260", {{"content", "x y"}}}}},
                   {"bos_token", begin}})
                  .ok());
  EXPECT_EQ(model.beginToken, 300u);
  EXPECT_EQ(model.texts.size(), 301u);
  EXPECT_EQ(model.texts[299], "");
  EXPECT_TRUE(model.isWord[256]);
  EXPECT_EQ(model.added.size(), 3u);
}

// bos_token null says that there is none; without the field it is Meta's, if it is there.
TEST_F(SpecialTokensTest, NoBeginToken) {
  TokenizerModel words_alone = model;
  ASSERT_TRUE(add({{"bos_token", nullptr}}).ok());
  EXPECT_FALSE(model.beginToken.has_value());
  model = words_alone;
  ASSERT_TRUE(add({{"added_tokens_decoder", json::object()}}).ok());
  EXPECT_FALSE(model.beginToken.has_value());
}

TEST_F(SpecialTokensTest, BadConfig) {
  auto entry = [](const char *id, json value) { return json{{"added_tokens_decoder", {{id, std::move(value)}}}}; };
  expect_config_error({{"added_tokens_decoder", 3}}, ExitCode::InvalidInput, "added_tokens_decoder is a number");
  expect_config_error(entry("x", {{"content", "<s>"}}), ExitCode::InvalidInput, "has the entry \"x\"");
  expect_config_error(entry("-1", {{"content", "<s>"}}), ExitCode::InvalidInput, "has the entry \"-1\"");
  expect_config_error(entry("16777216", {{"content", "<s>"}}), ExitCode::InvalidInput, "an id below 16777216");
  expect_config_error(entry("300", "<s>"), ExitCode::InvalidInput, "an object with `content`");
  expect_config_error(entry("300", {{"content", ""}}), ExitCode::InvalidInput, "has the entry \"300\"");
  expect_config_error(entry("300", {{"content", "<s>"}, {"lstrip", true}}), ExitCode::Unsupported, "lstrip of");
  expect_config_error(entry("7", {{"content", "<s>"}}), ExitCode::InvalidInput, "the id 7 of another token");
  expect_config_error({{"added_tokens_decoder", {{"300", {{"content", "<s>"}}}, {"301", {{"content", "<s>"}}}}}},
                      ExitCode::InvalidInput, "has \"<s>\" twice");
  expect_config_error({{"bos_token", "<s>"}}, ExitCode::InvalidInput, "bos_token is \"<s>\", which is no added token");
  expect_config_error(json::array(), ExitCode::InvalidInput, "is a list, expected an object");
}

} // namespace
