// SPDX-License-Identifier: Apache-2.0
//
// yupana/text.h as a C program calls it, over a fake core that shows what its sequences hold.
#include "runtime/text/chat.h"
#include "test/runtime/text/fake_core.h"
#include "test/runtime/text/support.h"
#include "yupana/text.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>

using namespace yupana;

namespace {

using Ids = std::vector<uint32_t>;

/// A plan of the fake core that holds `section`.
yupana_plan_t *open_plan(const std::vector<uint8_t> &section) {
  std::string path = testing::TempDir() + "text_api_test.yplan";
  FILE *file = std::fopen(path.c_str(), "wb");
  EXPECT_EQ(std::fwrite(section.data(), 1, section.size(), file), section.size());
  std::fclose(file);
  yupana_plan_t *plan = nullptr;
  EXPECT_EQ(yupana_plan_open_file(path.c_str(), nullptr, &plan, nullptr), YUPANA_STATUS_OK);
  std::filesystem::remove(path);
  return plan;
}

/// The tokenizer section of nano, compiled once, which takes most of a second under sanitizers.
const std::vector<uint8_t> &nano_section() {
  static const std::vector<uint8_t> section = test::compile_section("nano");
  return section;
}

class TextApiTest : public testing::Test {
protected:
  TextApiTest() {
    test::fake_core() = test::FakeCore();
    test::fake_core().vocab_size = 1536;
    test::fake_core().stop_tokens.clear();
    plan = open_plan(nano_section());
    EXPECT_EQ(yupana_tokenizer_open(plan, &tokenizer, &status), YUPANA_STATUS_OK) << status.message;
    yupana_context_create(plan, nullptr, nullptr, &context, nullptr);
    EXPECT_EQ(yupana_stream_create(plan, context, tokenizer, &stream, &status), YUPANA_STATUS_OK);
  }
  ~TextApiTest() override {
    yupana_stream_release(stream);
    EXPECT_EQ(test::fake_core().alive, 0u);
    yupana_context_release(context);
    yupana_tokenizer_close(tokenizer);
    yupana_plan_release(plan);
  }

  yupana_status_code_t encode(const std::string &text, uint32_t flags, Ids *ids, size_t capacity = 1000) {
    size_t count = 0;
    ids->assign(capacity, 0);
    yupana_status_code_t code =
        yupana_tokenizer_encode(tokenizer, text.data(), text.size(), flags, ids->data(), capacity, &count, &status);
    ids->resize(std::max(count, size_t{0}));
    return code;
  }

  yupana_status_code_t start(const Ids &prompt) {
    return yupana_stream_start(stream, prompt.data(), prompt.size(), &options, &status);
  }
  /// Reads the stream to its end or to `most` tokens; the status of the last step.
  yupana_status_code_t read(Ids *tokens, size_t most = SIZE_MAX) {
    piece.size = sizeof piece;
    do {
      yupana_status_code_t code = yupana_stream_next(stream, &piece, &status);
      if (code != YUPANA_STATUS_OK)
        return code;
      EXPECT_EQ(piece.text[piece.bytes], '\0');
      text.append(piece.text, piece.bytes);
      if (piece.token != YUPANA_NO_TOKEN)
        tokens->push_back(piece.token);
    } while (piece.stop == YUPANA_STOP_NONE && tokens->size() < most);
    return YUPANA_STATUS_OK;
  }
  /// What the model says to `prompt`, in `count` tokens.
  static Ids expected(Ids prompt, size_t count) {
    Ids reply;
    for (; reply.size() < count; prompt.push_back(reply.back()))
      reply.push_back(test::fake_next(prompt));
    return reply;
  }
  static size_t tokens_read() {
    size_t count = 0;
    for (const auto &step : test::fake_core().steps)
      count += step[0];
    return count;
  }
  static Ids make_prompt(uint32_t length) {
    Ids ids;
    for (uint32_t i = 0; i < length; ++i)
      ids.push_back(i * 7 % 1000);
    return ids;
  }

  yupana_plan_t *plan = nullptr;
  yupana_tokenizer_t *tokenizer = nullptr;
  yupana_context_t *context = nullptr;
  yupana_stream_t *stream = nullptr;
  yupana_stream_options_t options = {sizeof options, 5, 0, 0, 0, 0, 0, 0, 0, 0};
  yupana_piece_t piece = {};
  yupana_status_t status = {};
  std::string text;
};

// A prompt is read in steps of the plan's size, which give no tokens; then each step gives one.
TEST_F(TextApiTest, ReadsAndWrites) {
  Ids prompt = make_prompt(40), tokens;
  ASSERT_EQ(start(prompt), YUPANA_STATUS_OK);
  EXPECT_EQ(read(&tokens), YUPANA_STATUS_OK);
  EXPECT_EQ(tokens, expected(prompt, 5));
  EXPECT_EQ(piece.stop, YUPANA_STOP_LENGTH);
  EXPECT_EQ(test::fake_core().steps, (std::vector<std::vector<uint32_t>>{{16}, {16}, {8}, {1}, {1}, {1}, {1}}));
  std::string whole;
  text::StreamDecoder decoder(test::open_tokenizer("nano"), false);
  for (uint32_t id : tokens)
    decoder.push(id, &whole);
  decoder.finish(&whole);
  EXPECT_EQ(text, whole);
  EXPECT_EQ(yupana_stream_next(stream, &piece, &status), YUPANA_STATUS_INVALID_ARGUMENT);
}

// What a new prompt begins with is not read again, whether it was read or written before.
TEST_F(TextApiTest, KeepsWhatAgrees) {
  Ids prompt = make_prompt(20), tokens;
  ASSERT_EQ(start(prompt), YUPANA_STATUS_OK);
  EXPECT_EQ(read(&tokens), YUPANA_STATUS_OK);
  prompt.insert(prompt.end(), tokens.begin(), tokens.end());
  prompt.push_back(3);
  for (uint32_t shortest : {0u, UINT32_MAX}) { // with and without pages to go back to
    test::fake_core().shortest = shortest;
    test::fake_core().steps.clear();
    tokens.clear();
    ASSERT_EQ(start(prompt), YUPANA_STATUS_OK);
    EXPECT_EQ(read(&tokens), YUPANA_STATUS_OK);
    EXPECT_EQ(tokens, expected(prompt, 5));
    // 24 of the first 25 are there: the last token that was drawn was never read.
    EXPECT_EQ(tokens_read(), (shortest ? 26u : 2u) + 4u);
    test::fake_core().shortest = 0;
    ASSERT_EQ(start(prompt), YUPANA_STATUS_OK);
    ASSERT_EQ(start(Ids(prompt.begin(), prompt.begin() + 25)), YUPANA_STATUS_OK);
    EXPECT_EQ(read(&tokens, 1), YUPANA_STATUS_OK);
    prompt[25] = 4;
    ASSERT_EQ(start(Ids(prompt.begin(), prompt.begin() + 24)), YUPANA_STATUS_OK);
  }
}

// A step that fails can be tried again; one that is not finite ends the text, and another can be started.
TEST_F(TextApiTest, GoesOnAfterFailures) {
  Ids prompt = make_prompt(20), tokens;
  test::fake_core().fail_at_step = 3;
  ASSERT_EQ(start(prompt), YUPANA_STATUS_OK);
  EXPECT_EQ(read(&tokens), YUPANA_STATUS_OUT_OF_MEMORY);
  EXPECT_EQ(tokens.size(), 2u);
  test::fake_core().fail_at_step = UINT32_MAX;
  EXPECT_EQ(read(&tokens), YUPANA_STATUS_OK);
  EXPECT_EQ(tokens, expected(prompt, 5));
  test::fake_core().not_finite_at = 22;
  tokens.clear();
  ASSERT_EQ(start(prompt), YUPANA_STATUS_OK);
  EXPECT_EQ(read(&tokens), YUPANA_STATUS_NOT_FINITE);
  EXPECT_EQ(yupana_stream_next(stream, &piece, &status), YUPANA_STATUS_INVALID_ARGUMENT);
  test::fake_core().not_finite_at = UINT32_MAX;
  tokens.clear();
  ASSERT_EQ(start(prompt), YUPANA_STATUS_OK);
  EXPECT_EQ(read(&tokens), YUPANA_STATUS_OK);
  EXPECT_EQ(tokens, expected(prompt, 5));
}

// A text ends with the plan's stop tokens and where the context is full.
TEST_F(TextApiTest, Stops) {
  Ids prompt = make_prompt(20), reply = expected(prompt, 60), tokens;
  test::fake_core().stop_tokens = {reply[2]};
  yupana_stream_release(stream); // which has asked for the stop tokens
  ASSERT_EQ(yupana_stream_create(plan, context, tokenizer, &stream, &status), YUPANA_STATUS_OK);
  ASSERT_EQ(start(prompt), YUPANA_STATUS_OK);
  EXPECT_EQ(read(&tokens), YUPANA_STATUS_OK);
  EXPECT_EQ(tokens, Ids(reply.begin(), reply.begin() + 3));
  EXPECT_EQ(piece.stop, YUPANA_STOP_TOKEN);
  EXPECT_EQ(piece.bytes, 0u);

  test::fake_core().stop_tokens.clear();
  yupana_stream_release(stream);
  ASSERT_EQ(yupana_stream_create(plan, context, nullptr, &stream, &status), YUPANA_STATUS_OK);
  options.max_new_tokens = 0;
  tokens.clear();
  text.clear();
  ASSERT_EQ(start(prompt), YUPANA_STATUS_OK);
  EXPECT_EQ(read(&tokens), YUPANA_STATUS_OK);
  EXPECT_EQ(tokens.size(), 64u - 20u + 1u); // the last one needs no place
  EXPECT_EQ(piece.stop, YUPANA_STOP_LENGTH);
  EXPECT_EQ(text, ""); // without a tokenizer
}

// The end of a turn ends a text in chats alone.
TEST_F(TextApiTest, StopsWithTheTurn) {
  uint32_t end = text::end_of_turn(test::open_tokenizer("nano")).value();
  Ids prompt = {0, 0};
  while (test::fake_next(prompt) != end) {
    ++prompt[0];
    prompt[1] += prompt[0] / 1000;
    prompt[0] %= 1000;
  }
  for (uint32_t is_chat : {0u, 1u}) {
    options.is_chat = is_chat;
    Ids tokens;
    ASSERT_EQ(start(prompt), YUPANA_STATUS_OK);
    EXPECT_EQ(read(&tokens), YUPANA_STATUS_OK);
    EXPECT_EQ(tokens.size(), is_chat ? 1u : 5u);
    EXPECT_EQ(piece.stop, is_chat ? YUPANA_STOP_TOKEN : YUPANA_STOP_LENGTH);
  }
}

// What is handed in is checked, and a start that fails leaves the text as it was.
TEST_F(TextApiTest, ChecksPrompts) {
  Ids prompt = make_prompt(20), tokens;
  ASSERT_EQ(start(prompt), YUPANA_STATUS_OK);
  EXPECT_EQ(read(&tokens, 2), YUPANA_STATUS_OK);
  EXPECT_EQ(start({}), YUPANA_STATUS_INVALID_ARGUMENT);
  EXPECT_STREQ(status.message, "the prompt has 0 tokens, expected 1 to 64, the longest context that the plan was "
                               "compiled for");
  EXPECT_EQ(start(Ids(65, 1)), YUPANA_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(start({1, 2, 1536}), YUPANA_STATUS_INVALID_ARGUMENT);
  EXPECT_STREQ(status.message, "token 2 of the prompt is 1536, expected below 1536");
  EXPECT_EQ(read(&tokens), YUPANA_STATUS_OK);
  EXPECT_EQ(tokens, expected(prompt, 5));
}

// A caller that was compiled with shorter structures gets no more than it has room for.
TEST_F(TextApiTest, KeepsToTheSizesGiven) {
  ASSERT_EQ(start(make_prompt(3)), YUPANA_STATUS_OK);
  piece.size = offsetof(yupana_piece_t, token);
  piece.token = 77;
  EXPECT_EQ(yupana_stream_next(stream, &piece, &status), YUPANA_STATUS_OK);
  EXPECT_EQ(piece.token, 77u);
  EXPECT_EQ(piece.size, offsetof(yupana_piece_t, token));
  options.size = offsetof(yupana_stream_options_t, max_new_tokens);
  yupana_plan_stream_options(plan, &options);
  EXPECT_EQ(options.max_new_tokens, 5u);
}

// Every option reaches the span; without any, the checkpoint's recommendation does.
TEST_F(TextApiTest, DrawsAsTheOptionsSay) {
  Ids prompt = make_prompt(3), tokens;
  options = {sizeof options, 1, 0, 9, 0.7f, 5, 0.9f, 0.05f, 1.5f, 0};
  ASSERT_EQ(start(prompt), YUPANA_STATUS_OK);
  EXPECT_EQ(read(&tokens), YUPANA_STATUS_OK);
  const yupana_span_t &span = test::fake_core().last_span;
  EXPECT_EQ(span.seed, 9u);
  EXPECT_EQ(span.top_k, 5u);
  EXPECT_EQ(span.temperature, 0.7f);
  EXPECT_EQ(span.top_p, 0.9f);
  EXPECT_EQ(span.min_p, 0.05f);
  EXPECT_EQ(span.repetition_penalty, 1.5f);
  ASSERT_EQ(yupana_stream_start(stream, prompt.data(), prompt.size(), nullptr, &status), YUPANA_STATUS_OK);
  EXPECT_EQ(read(&tokens, 2), YUPANA_STATUS_OK);
  EXPECT_EQ(test::fake_core().last_span.temperature, 0.0f); // of a model that does not say do_sample
  EXPECT_EQ(test::fake_core().last_span.top_p, 1.0f);
}

// Ids are those of the tokenizer; an array that is too short gets the first of them and the count of all.
TEST_F(TextApiTest, Encodes) {
  const text::Tokenizer &inner = test::open_tokenizer("nano");
  const std::string said = "What is <|eot|> in Köln?";
  for (uint32_t flags : {0u, YUPANA_ENCODE_BEGIN, YUPANA_ENCODE_SPECIAL, YUPANA_ENCODE_BEGIN | YUPANA_ENCODE_SPECIAL}) {
    Ids whole, ids;
    inner.encode(said, {(flags & YUPANA_ENCODE_BEGIN) != 0, (flags & YUPANA_ENCODE_SPECIAL) != 0}, &whole);
    ASSERT_EQ(encode(said, flags, &ids), YUPANA_STATUS_OK);
    EXPECT_EQ(ids, whole);
    EXPECT_LE(ids.size(), said.size() + 1);
    uint32_t few[3] = {0, 0, 77};
    size_t count = 0;
    ASSERT_EQ(yupana_tokenizer_encode(tokenizer, said.data(), said.size(), flags, few, 2, &count, &status),
              YUPANA_STATUS_OK);
    EXPECT_EQ(count, whole.size());
    EXPECT_EQ((std::vector<uint32_t>{few[0], few[1], few[2]}), (std::vector<uint32_t>{whole[0], whole[1], 77}));
  }
  Ids ids;
  EXPECT_EQ(encode("ab\xff", 0, &ids), YUPANA_STATUS_INVALID_ARGUMENT);
  EXPECT_STREQ(status.message, "the text is not well-formed UTF-8: byte 2 is 0xFF");
  EXPECT_EQ(encode("ab", 4, &ids), YUPANA_STATUS_INVALID_ARGUMENT);
  EXPECT_STREQ(status.message, "flags are 0x4, expected YUPANA_ENCODE_ values");
  size_t bytes = 0;
  ASSERT_EQ(encode("<|eot|>", YUPANA_ENCODE_SPECIAL, &ids), YUPANA_STATUS_OK);
  const char *token = yupana_tokenizer_token(tokenizer, ids[0], &bytes);
  EXPECT_EQ(std::string(token, bytes), "<|eot|>");
  EXPECT_TRUE(yupana_tokenizer_is_special(tokenizer, ids[0]));
  EXPECT_STREQ(yupana_tokenizer_token(tokenizer, UINT32_MAX, &bytes), "");
  EXPECT_EQ(bytes, 0u);
}

// Conversations are those of the chat format; messages are checked one by one.
TEST_F(TextApiTest, EncodesConversations) {
  ASSERT_TRUE(yupana_tokenizer_has_chat(tokenizer));
  auto message = [](uint32_t role, const char *said) {
    return yupana_message_t{sizeof(yupana_message_t), said, strlen(said), role, 0};
  };
  yupana_message_t messages[] = {message(YUPANA_ROLE_SYSTEM, "Be <|eot|> brief."), message(YUPANA_ROLE_USER, "Hello")};
  Ids whole, ids(1000);
  text::encode_chat(test::open_tokenizer("nano"),
                    {{text::Role::system, "Be <|eot|> brief."}, {text::Role::user, "Hello"}}, &whole);
  size_t count = 0;
  auto encode_chat = [&] {
    return yupana_tokenizer_encode_chat(tokenizer, messages, 2, ids.data(), ids.size(), &count, &status);
  };
  ASSERT_EQ(encode_chat(), YUPANA_STATUS_OK);
  ids.resize(count);
  EXPECT_EQ(ids, whole);
  messages[1] = message(3, "Hello");
  EXPECT_EQ(encode_chat(), YUPANA_STATUS_INVALID_ARGUMENT);
  EXPECT_STREQ(status.message, "message 1 has the role 3, expected 0 to 2");
  messages[1] = message(YUPANA_ROLE_USER, "\xC0");
  EXPECT_EQ(encode_chat(), YUPANA_STATUS_INVALID_ARGUMENT);
  EXPECT_STREQ(status.message, "message 1 is not well-formed UTF-8: byte 0 is 0xC0");
}

// A plan without a tokenizer, or with one that is damaged, is told apart.
TEST_F(TextApiTest, RefusesPlansWithoutTokenizers) {
  yupana_tokenizer_t *none = nullptr;
  yupana_plan_t *other = open_plan({});
  EXPECT_EQ(yupana_tokenizer_open(other, &none, &status), YUPANA_STATUS_UNSUPPORTED);
  EXPECT_NE(strstr(status.message, "compiled without a tokenizer"), nullptr);
  yupana_plan_release(other);
  std::vector<uint8_t> section = nano_section();
  section.resize(section.size() / 2);
  other = open_plan(section);
  EXPECT_EQ(yupana_tokenizer_open(other, &none, nullptr), YUPANA_STATUS_INVALID_DATA);
  EXPECT_EQ(none, nullptr);
  yupana_plan_release(other);
}

} // namespace
