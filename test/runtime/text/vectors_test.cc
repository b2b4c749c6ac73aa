// SPDX-License-Identifier: Apache-2.0
//
// Encoding and decoding held to the vectors of the checkpoints, which come from the `tokenizers` library.
#include "runtime/text/unicode.h"
#include "test/runtime/text/support.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

using nlohmann::json;
using namespace yupana;

namespace {

struct Vectors {
  const char *folder; // or tiktoken file
  const char *file;
  size_t count;
};

class VectorsTest : public testing::TestWithParam<Vectors> {
protected:
  VectorsTest() : tokenizer(test::open_tokenizer(GetParam().folder)) {
    vectors = json::parse(test::read_model_file(GetParam().file));
  }

  std::vector<uint32_t> encode(const std::string &text, bool parse_special) const {
    std::vector<uint32_t> ids;
    EXPECT_EQ(tokenizer.encode(text, {/*begin_token=*/false, parse_special}, &ids), text.size());
    return ids;
  }
  std::string decode(const std::vector<uint32_t> &ids) const {
    text::StreamDecoder decoder(tokenizer, /*show_special=*/true);
    std::string text;
    for (uint32_t id : ids)
      decoder.push(id, &text);
    decoder.finish(&text);
    return text;
  }

  const text::Tokenizer &tokenizer;
  json vectors;
};

// Every text gives the ids of the library, with special tokens parsed and with special tokens as text.
TEST_P(VectorsTest, Encode) {
  ASSERT_EQ(vectors.size(), GetParam().count);
  for (const json &vector : vectors) {
    std::string text = vector["text"];
    std::vector<uint32_t> ids = vector["ids"];
    EXPECT_EQ(encode(text, true), ids) << text;
    EXPECT_EQ(encode(text, false), vector.value("ids_special_as_text", ids)) << text;
  }
}

// Decoding gives the bytes that were encoded.
TEST_P(VectorsTest, RoundTrip) {
  for (const json &vector : vectors) {
    std::string text = vector["text"];
    EXPECT_EQ(decode(vector["ids"]), text);
    EXPECT_EQ(decode(encode(text, false)), text);
  }
}

// A text shown token by token never ends inside a character, whatever the token borders.
TEST_P(VectorsTest, StreamIsWholeAtEveryToken) {
  for (const json &vector : vectors) {
    std::string shown;
    text::StreamDecoder decoder(tokenizer, true);
    for (uint32_t id : vector["ids"]) {
      decoder.push(id, &shown);
      EXPECT_EQ(text::find_ill_formed(shown), shown.size());
    }
    size_t before = shown.size();
    decoder.finish(&shown);
    EXPECT_EQ(shown.size(), before);
    EXPECT_EQ(shown, vector["text"]);
  }
}

// Byte tokens alone are the hardest cut: each character arrives one byte at a time.
TEST_P(VectorsTest, StreamIsWholeAtEveryByte) {
  std::vector<uint32_t> byte_ids(256);
  for (uint32_t id = 0; id < tokenizer.id_limit(); ++id)
    if (tokenizer.token(id).size() == 1)
      byte_ids[static_cast<uint8_t>(tokenizer.token(id)[0])] = id;
  for (const json &vector : vectors) {
    std::string text = vector["text"], shown;
    text::StreamDecoder decoder(tokenizer, true);
    for (size_t i = 0; i < text.size(); ++i) {
      decoder.push(byte_ids[static_cast<uint8_t>(text[i])], &shown);
      // All but a sequence still under way is out.
      size_t whole = text::find_ill_formed(std::string_view(text).substr(0, i + 1));
      EXPECT_EQ(shown, text.substr(0, whole));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, VectorsTest,
                         testing::Values(Vectors{"tokenizer", "tokenizer/vectors.json", 847},
                                         Vectors{"nano", "nano/expected/tokenizer_vectors.json", 16},
                                         Vectors{"tokenizer/tokenizer.model", "tokenizer/vectors.json", 847},
                                         Vectors{"nano/tokenizer.model", "nano/expected/tokenizer_vectors.json", 16}),
                         [](const auto &info) {
                           std::string name = info.param.folder;
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return c == '/' || c == '.'; }, '_');
                           return name;
                         });

TEST(TokenizerTest, BeginTokenComesFirstWhenAskedFor) {
  const text::Tokenizer &tokenizer = test::open_tokenizer("nano");
  std::vector<uint32_t> ids;
  tokenizer.encode("The capital of France is", {/*begin_token=*/true, true}, &ids);
  EXPECT_EQ(ids, (std::vector<uint32_t>{1472, 276, 281, 275, 814, 262}));
}

TEST(TokenizerTest, SpecialTokensAreHiddenUnlessShown) {
  const text::Tokenizer &tokenizer = test::open_tokenizer("nano");
  EXPECT_TRUE(tokenizer.is_special(1472));
  EXPECT_FALSE(tokenizer.is_special(262));
  EXPECT_FALSE(tokenizer.is_special(tokenizer.id_limit()));
  std::string hidden, shown;
  text::StreamDecoder(tokenizer, false).push(1472, &hidden);
  text::StreamDecoder(tokenizer, true).push(1472, &shown);
  EXPECT_EQ(hidden, "");
  EXPECT_EQ(shown, "<|begin_of_text|>");
}

// The first ill-formed sequence is named, and nothing is encoded.
TEST(TokenizerTest, IllFormedTextIsRefused) {
  const text::Tokenizer &tokenizer = test::open_tokenizer("nano");
  std::vector<uint32_t> ids = {7};
  for (std::string_view bad :
       {"ab\x80", "ab\xC3", "ab\xC0\xAF", "ab\xED\xA0\x80", "ab\xF4\x90\x80\x80", "ab\xE2\x82x"}) {
    EXPECT_EQ(tokenizer.encode(bad, {}, &ids), 2u);
    EXPECT_EQ(ids.size(), 1u);
  }
}

TEST(TokenizerTest, StreamPassesIllFormedBytesOn) {
  const text::Tokenizer &tokenizer = test::open_tokenizer("nano");
  std::vector<uint32_t> byte_ids(256);
  for (uint32_t id = 0; id < tokenizer.id_limit(); ++id)
    if (tokenizer.token(id).size() == 1)
      byte_ids[static_cast<uint8_t>(tokenizer.token(id)[0])] = id;
  std::string bytes = "\x80\xE2\x82"
                      "a\xF0\x9F\x98",
              shown;
  text::StreamDecoder decoder(tokenizer, true);
  for (char byte : bytes)
    decoder.push(byte_ids[static_cast<uint8_t>(byte)], &shown);
  EXPECT_EQ(shown, "\x80\xE2\x82"
                   "a");
  decoder.finish(&shown);
  EXPECT_EQ(shown, bytes);
  EXPECT_EQ(text::replace_ill_formed(bytes), "\uFFFD\uFFFDa\uFFFD");
}

} // namespace
