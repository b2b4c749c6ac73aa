// SPDX-License-Identifier: Apache-2.0
//
// The section reader on sections that are wrong: it refuses them or can be used safely, never anything else.
#include "runtime/text/merge.h"
#include "runtime/text/section.h"
#include "test/runtime/text/support.h"

#include <gtest/gtest.h>

#include <cstring>
#include <optional>

using namespace yupana;

namespace {

/// A tokenizer small enough to change every byte of: 256 bytes, two merges, two added tokens.
TokenizerModel small_model() {
  TokenizerModel model;
  for (int byte = 0; byte < 256; ++byte)
    model.texts.push_back(std::string(1, static_cast<char>(byte)));
  for (const char *text : {"ab", "abc", "<|x|>", "", "<|xy|>"})
    model.texts.push_back(text);
  model.isWord.assign(model.texts.size(), true);
  model.isWord[258] = model.isWord[259] = model.isWord[260] = false;
  model.merges = {{'a', 'b', 256, 0}, {256, 'c', 257, 1}};
  model.added = {{258, true, false}, {260, false, true}};
  model.beginToken = 258;
  model.chat = ChatFormat{"<|x|>", {"sys:", "usr:", "bot:"}, "\u00E9<|xy|>", "bot:", {true, false, true}, true};
  return model;
}

/// A section that tests change before opening it.
class SectionTest : public testing::Test {
protected:
  SectionTest() : bytes(writeTokenizerSection(small_model())) {
    EXPECT_EQ(text::open_section(bytes.data(), bytes.size(), &good), nullptr);
    std::memcpy(&header, bytes.data(), sizeof header);
  }

  /// Replaces the value that `field` of the good section points at.
  template <typename T> void set(const T *field, T value) {
    std::memcpy(bytes.data() + (reinterpret_cast<const uint8_t *>(field) - bytes.data()), &value, sizeof value);
  }
  const char *open() {
    text::Section section;
    return text::open_section(bytes.data(), bytes.size(), &section);
  }
  const char *open_with(const schema::TokenizerHeader &changed) {
    std::memcpy(bytes.data(), &changed, sizeof changed);
    return open();
  }

  std::vector<uint8_t> bytes;
  text::Section good;
  schema::TokenizerHeader header;
};

TEST_F(SectionTest, HeaderFields) {
  for (size_t word = 0; word < sizeof header / 4; ++word)
    for (uint32_t value : {0xFFFFFFFFu, 0x00FFFFFFu, 0x80000000u, 1000000u}) {
      schema::TokenizerHeader changed = header;
      uint32_t before;
      std::memcpy(&before, reinterpret_cast<char *>(&changed) + word * 4, 4);
      std::memcpy(reinterpret_cast<char *>(&changed) + word * 4, &value, 4);
      // Only the begin token may be absent.
      bool allowed = word == offsetof(schema::TokenizerHeader, begin_token) / 4 && value == schema::kNoToken;
      EXPECT_EQ(open_with(changed) == nullptr, allowed) << "word " << word << " value " << value << " was " << before;
    }
}

TEST_F(SectionTest, EveryTruncation) {
  text::Section section;
  for (size_t size = 0; size < bytes.size(); ++size)
    ASSERT_NE(text::open_section(bytes.data(), size, &section), nullptr) << size;
}

TEST_F(SectionTest, Unaligned) {
  std::vector<uint8_t> moved(bytes.size() + 1);
  std::memcpy(moved.data() + 1, bytes.data(), bytes.size());
  text::Section section;
  EXPECT_STREQ(text::open_section(moved.data() + 1, bytes.size(), &section), "the tokenizer section is not aligned");
}

TEST_F(SectionTest, TextOffsets) {
  set(good.text_offsets + 3, 1000000u);
  EXPECT_STREQ(open(), "the tokenizer's text offsets do not ascend");
}

TEST_F(SectionTest, TextOffsetsCover) {
  set(good.text_offsets + header.id_count, header.text_size - 1);
  EXPECT_NE(open(), nullptr);
}

TEST_F(SectionTest, WordWithoutToken) {
  set(good.words, 259u);
  EXPECT_STREQ(open(), "the tokenizer's word list names an id without a token");
}

TEST_F(SectionTest, WordsUnsorted) {
  set(good.words + 1, good.words[0]);
  EXPECT_STREQ(open(), "the tokenizer's word list is not sorted");
}

TEST_F(SectionTest, ByteIds) {
  set(good.byte_ids + 7, 8u);
  EXPECT_STREQ(open(), "the tokenizer lacks the token of a single byte");
}

TEST_F(SectionTest, MergeRows) {
  set(good.merge_rows + 5, 2u);
  EXPECT_NE(open(), nullptr);
}

TEST_F(SectionTest, MergeOutOfRange) {
  schema::TokenizerMerge merge = good.merges[0];
  merge.right = header.id_count;
  set(good.merges, merge);
  EXPECT_STREQ(open(), "a merge of the tokenizer names an id or rank out of range");
}

// Each merge would be compared with all of the long token.
TEST_F(SectionTest, MergesOfOneLongToken) {
  TokenizerModel model = small_model();
  auto add = [&](std::string token) {
    model.texts.push_back(std::move(token));
    return static_cast<uint32_t>(model.texts.size() - 1);
  };
  uint32_t left = add(std::string(100000, 'x')), joined = add(std::string(100000, 'x') + "a"), rank = 2;
  for (int i = 0; i < 2000; ++i)
    model.merges.push_back({left, add("a"), joined, rank++});
  model.isWord.resize(model.texts.size(), false);
  std::vector<uint8_t> section = writeTokenizerSection(model);
  text::Section opened;
  EXPECT_STREQ(text::open_section(section.data(), section.size(), &opened),
               "the tokenizer's merges join to the same long tokens too often");
}

TEST_F(SectionTest, MergeOfOtherTokens) {
  schema::TokenizerMerge merge = good.merges[0];
  merge.right = 'c';
  set(good.merges, merge);
  EXPECT_STREQ(open(), "a merge of the tokenizer does not join its two tokens");
}

TEST_F(SectionTest, AddedWithoutText) {
  set(&good.added[0].id, 259u);
  EXPECT_STREQ(open(), "an added token of the tokenizer has no text");
}

TEST_F(SectionTest, AddedIllFormed) {
  set(&good.added[1].id, 0xC3u);
  EXPECT_STREQ(open(), "an added token of the tokenizer is not well-formed UTF-8");
}

TEST_F(SectionTest, ChatParts) {
  EXPECT_EQ(good.chat_part(schema::ChatPart::begin), "<|x|>");
  EXPECT_EQ(good.chat_part(schema::ChatPart::user_header), "usr:");
  EXPECT_EQ(good.chat_part(schema::ChatPart::end), "\u00E9<|xy|>");
  EXPECT_EQ(good.chat_part(schema::ChatPart::generation), "bot:");
  EXPECT_EQ(header.chat_flags,
            uint32_t(schema::kChatTrimSystem | schema::kChatTrimAssistant | schema::kChatOmitEmptySystem));
}

TEST_F(SectionTest, ChatOffsets) {
  set(good.chat_offsets + 2, 1000u);
  EXPECT_STREQ(open(), "the chat format's offsets do not ascend");
}

TEST_F(SectionTest, ChatOffsetsCover) {
  set(good.chat_offsets + schema::kChatPartCount, header.chat_size - 1);
  EXPECT_STREQ(open(), "the chat format's offsets do not cover its text");
}

TEST_F(SectionTest, ChatWithoutGenerationPrompt) {
  set(good.chat_offsets + schema::kChatPartCount - 1, header.chat_size);
  EXPECT_STREQ(open(), "the chat format has no prompt for an answer");
}

TEST_F(SectionTest, ChatIllFormed) {
  // Between the two bytes of a character.
  set(good.chat_offsets + 4, good.chat_offsets[4] + 1);
  EXPECT_STREQ(open(), "the chat format is not well-formed UTF-8");
}

TEST_F(SectionTest, ChatFlags) {
  header.chat_flags = 16;
  EXPECT_STREQ(open_with(header), "the chat format has unknown flags");
}

TEST_F(SectionTest, FlagsWithoutChat) {
  TokenizerModel model = small_model();
  model.chat.reset();
  bytes = writeTokenizerSection(model);
  EXPECT_EQ(open(), nullptr);
  std::memcpy(&header, bytes.data(), sizeof header);
  header.chat_flags = schema::kChatTrimUser;
  EXPECT_STREQ(open_with(header), "the chat format has unknown flags");
}

TEST_F(SectionTest, ClassOutOfRange) {
  set(good.class_blocks + 9, schema::kCharClassCount);
  EXPECT_STREQ(open(), "the tokenizer's character classes have a value out of range");
}

TEST_F(SectionTest, ClassBlockOutOfRange) {
  set(good.class_index + 9, static_cast<uint16_t>(header.class_block_count));
  EXPECT_STREQ(open(), "the tokenizer's character classes name a block out of range");
}

// Longest match, tokens found in a second pass, and special tokens taken as text.
TEST_F(SectionTest, AddedTokensInText) {
  text::Tokenizer tokenizer;
  ASSERT_EQ(tokenizer.open(bytes.data(), bytes.size()), nullptr);
  EXPECT_EQ(tokenizer.begin_token(), 258u);
  std::vector<uint32_t> ids;
  tokenizer.encode("abc<|x|>a<|xy|>", {}, &ids);
  EXPECT_EQ(ids, (std::vector<uint32_t>{257, 258, 'a', 260}));
  ids.clear();
  tokenizer.encode("<|x|><|xy|>", {false, /*parse_special=*/false}, &ids);
  EXPECT_EQ(ids, (std::vector<uint32_t>{'<', '|', 'x', '|', '>', 260}));
}

/// The id of a text; nothing if there is none.
std::optional<uint32_t> find_text(const TokenizerModel &model, std::string_view text) {
  for (uint32_t id = 0; id < model.texts.size(); ++id)
    if (model.texts[id] == text)
      return id;
  return std::nullopt;
}

/// Joins the pair of lowest rank, the leftmost among equals, by looking at all pairs each time.
std::vector<uint32_t> reference_merge(const TokenizerModel &model, const std::string &word) {
  std::vector<uint32_t> ids;
  for (char c : word)
    ids.push_back(static_cast<uint8_t>(c));
  for (;;) {
    size_t best = model.merges.size(), where = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i)
      for (size_t rank = 0; rank < best; ++rank)
        if (model.merges[rank].left == ids[i] && model.merges[rank].right == ids[i + 1]) {
          best = rank;
          where = i;
        }
    if (best == model.merges.size())
      return ids;
    ids[where] = model.merges[best].result;
    ids.erase(ids.begin() + static_cast<ptrdiff_t>(where) + 1);
  }
}

// Random vocabularies over few letters, where merges compete and overlap, with and without looking words up first.
TEST(MergeTest, AgreesWithPlainMerging) {
  test::Random random(2);
  for (int round = 0; round < 40; ++round) {
    TokenizerModel model = small_model();
    model.merges.clear();
    model.texts.resize(256);
    std::vector<uint32_t> parts = {'a', 'b', 'c'};
    for (int i = 0; i < 30; ++i) {
      uint32_t left = parts[random.below(static_cast<uint32_t>(parts.size()))];
      uint32_t right = parts[random.below(static_cast<uint32_t>(parts.size()))];
      std::string joined = std::string(model.texts[left]).append(model.texts[right]);
      if (find_text(model, joined) || joined.size() > 12)
        continue;
      uint32_t id = static_cast<uint32_t>(model.texts.size());
      model.texts.push_back(joined);
      parts.push_back(id);
      model.merges.insert(model.merges.begin() + random.below(static_cast<uint32_t>(model.merges.size()) + 1),
                          {left, right, id, 0});
    }
    for (uint32_t rank = 0; rank < model.merges.size(); ++rank)
      model.merges[rank].rank = rank;
    model.added.clear();
    model.beginToken.reset();
    model.isWord.assign(model.texts.size(), true);
    model.ignoreMerges = round % 2;
    std::vector<uint8_t> bytes = writeTokenizerSection(model);
    text::Section section;
    ASSERT_EQ(text::open_section(bytes.data(), bytes.size(), &section), nullptr);
    text::Merger merger(section);
    for (int i = 0; i < 150; ++i) {
      std::string word;
      for (uint32_t length = 1 + random.below(40); length; --length)
        word.push_back(static_cast<char>('a' + random.below(3)));
      std::vector<uint32_t> ids, expected = reference_merge(model, word);
      if (std::optional<uint32_t> whole = find_text(model, word); model.ignoreMerges && whole)
        expected = {*whole};
      merger.encode(word, &ids);
      EXPECT_EQ(ids, expected) << word;
    }
  }
}

// A word of a million letters takes no longer than its length asks for.
TEST(MergeTest, LongWord) {
  std::vector<uint8_t> bytes = writeTokenizerSection(small_model());
  text::Section section;
  ASSERT_EQ(text::open_section(bytes.data(), bytes.size(), &section), nullptr);
  std::string word;
  for (int i = 0; i < 1000000; ++i)
    word.push_back(static_cast<char>('a' + i % 3));
  std::vector<uint32_t> ids;
  text::Merger(section).encode(word, &ids);
  EXPECT_EQ(ids.size(), 333334u);
}

} // namespace
