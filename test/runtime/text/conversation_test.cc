// SPDX-License-Identifier: Apache-2.0
//
// Conversations over a fake core that shows what its sequence holds. The fake model's replies are random bytes, many of
// them not what the tokenizer would make of their text, so that every kind of divergence comes up.
#include "runtime/text/conversation.h"
#include "test/runtime/text/fake_core.h"
#include "test/runtime/text/support.h"

#include <gtest/gtest.h>

using namespace yupana;
using text::Message;
using text::Role;
using text::Stop;

namespace {

class Listener final : public text::Observer {
public:
  void on_token(size_t, uint32_t) override { ++tokens; }
  void on_stop(size_t, Stop) override {}
  bool on_logits(size_t, uint32_t, uint32_t, const float *) override { return true; }
  bool interrupted() override { return tokens >= interrupt_after; }

  size_t tokens = 0;
  size_t interrupt_after = SIZE_MAX;
};

class ConversationTest : public testing::Test {
protected:
  ConversationTest() : tokenizer(test::open_tokenizer("nano")) {
    test::fake_core() = test::FakeCore();
    test::fake_core().vocab_size = 1536;
    test::fake_core().stop_tokens.clear();
    test::fake_core().max_context = 4000;
    test::fake_core().kv_positions = 4000;
    yupana_context_create(nullptr, nullptr, nullptr, &context, nullptr);
    generator = std::make_unique<text::Generator>(nullptr, context, 0);
    conversation = std::make_unique<text::Conversation>(tokenizer, generator.get(), context);
    settings.max_new_tokens = 12;
  }
  ~ConversationTest() override {
    conversation.reset();
    EXPECT_EQ(test::fake_core().alive, 0u);
    yupana_context_release(context);
  }

  /// Says something and checks that what the model read before its first token is the template's text, whole.
  yupana_status_code_t say(const std::string &content) {
    messages.push_back({Role::user, content});
    conversation->add(Role::user, content);
    std::vector<uint32_t> expected;
    text::encode_chat(tokenizer, messages, &expected);
    EXPECT_EQ(conversation->prompt(), expected);
    listener.tokens = 0;
    test::fake_core().steps.clear();
    yupana_status_code_t code = conversation->answer(settings, &listener, &reply, &status);
    // After the last step the sequence holds the prompt and all of the reply but its last token.
    if (!reply.tokens.empty() && code == YUPANA_STATUS_OK) {
      expected.insert(expected.end(), reply.tokens.begin(), reply.tokens.end() - 1);
      EXPECT_EQ(test::fake_core().last_tokens, expected);
    }
    size_t count = reply.tokens.size() - (reply.stop == Stop::eos ? 1 : 0);
    text::StreamDecoder decoder(tokenizer, false);
    std::string text;
    for (size_t i = 0; i < count; ++i)
      decoder.push(reply.tokens[i], &text);
    decoder.finish(&text);
    messages.push_back({Role::assistant, text::replace_ill_formed(text)});
    return code;
  }
  /// How many tokens the last answer read and made.
  size_t work() const {
    size_t tokens = 0;
    for (const auto &step : test::fake_core().steps)
      for (uint32_t count : step)
        tokens += count;
    return tokens;
  }

  const text::Tokenizer &tokenizer;
  yupana_context_t *context = nullptr;
  std::unique_ptr<text::Generator> generator;
  std::unique_ptr<text::Conversation> conversation;
  text::Request settings;
  text::Reply reply;
  yupana_status_t status;
  Listener listener;
  std::vector<Message> messages;
};

// What the model reads is the template's text, turn for turn, whatever the model has said.
TEST_F(ConversationTest, ReadsTheTemplatesText) {
  conversation->add(Role::system, " You are random. ");
  messages.push_back({Role::system, " You are random. "});
  for (int turn = 0; turn < 30; ++turn)
    EXPECT_EQ(say("Question " + std::to_string(turn) + "?\n"), YUPANA_STATUS_OK);
}

// What was read before is not read again: each turn reads what the conversation has grown by.
TEST_F(ConversationTest, KeepsWhatIsRead) {
  settings.max_new_tokens = 1; // which is not in the sequence yet when the turn ends
  size_t before = 0;
  for (int turn = 0; turn < 40; ++turn) {
    messages.push_back({Role::user, "What is two plus five?"});
    std::vector<uint32_t> prompt;
    text::encode_chat(tokenizer, messages, &prompt);
    messages.pop_back();
    EXPECT_EQ(say("What is two plus five?"), YUPANA_STATUS_OK);
    EXPECT_EQ(work(), prompt.size() - before);
    before = prompt.size();
  }
}

// Where the cache cannot go back, all is read again, with the same result.
TEST_F(ConversationTest, ReadsAgainWherePagesAreFreed) {
  test::fake_core().shortest = UINT32_MAX;
  for (int turn = 0; turn < 10; ++turn)
    EXPECT_EQ(say("Go on."), YUPANA_STATUS_OK);
  EXPECT_EQ(test::fake_core().alive, 1u);
}

// Every turn is drawn as the settings say.
TEST_F(ConversationTest, DrawsAsTheSettingsSay) {
  settings.temperature = 0.7f;
  settings.top_k = 5;
  settings.top_p = 0.9f;
  settings.min_p = 0.05f;
  settings.repetition_penalty = 1.5f;
  settings.seed = 9;
  for (int turn = 0; turn < 3; ++turn) {
    test::fake_core().last_span = {};
    EXPECT_EQ(say("Go on."), YUPANA_STATUS_OK);
    const yupana_span_t &span = test::fake_core().last_span;
    EXPECT_EQ(span.sample, 1u);
    EXPECT_EQ(span.temperature, 0.7f);
    EXPECT_EQ(span.top_k, 5u);
    EXPECT_EQ(span.top_p, 0.9f);
    EXPECT_EQ(span.min_p, 0.05f);
    EXPECT_EQ(span.repetition_penalty, 1.5f);
    EXPECT_EQ(span.seed, 9u);
  }
}

// An interrupted reply is part of the conversation, as far as it came, also before its first token.
TEST_F(ConversationTest, GoesOnAfterAnInterrupt) {
  for (size_t after : {3u, 0u, 1u}) {
    listener.interrupt_after = after;
    EXPECT_EQ(say("Hello!"), YUPANA_STATUS_OK);
    EXPECT_EQ(reply.stop, Stop::interrupt);
    EXPECT_EQ(reply.tokens.size(), after);
  }
  listener.interrupt_after = SIZE_MAX;
  EXPECT_EQ(say("Hello!"), YUPANA_STATUS_OK);
  EXPECT_EQ(reply.stop, Stop::length);
}

// The token that ends a reply is followed by what the template writes, not by itself.
TEST_F(ConversationTest, EndToken) {
  say("Hello!");
  ASSERT_EQ(reply.stop, Stop::length);
  test::fake_core().stop_tokens.assign(reply.tokens.begin() + 4, reply.tokens.end());
  generator = std::make_unique<text::Generator>(nullptr, context, 0);
  conversation = std::make_unique<text::Conversation>(tokenizer, generator.get(), context);
  messages.clear();
  EXPECT_EQ(say("Hello!"), YUPANA_STATUS_OK);
  EXPECT_EQ(reply.stop, Stop::eos);
  EXPECT_EQ(say("Bye!"), YUPANA_STATUS_OK);
}

// A step that fails leaves a conversation that can go on.
TEST_F(ConversationTest, GoesOnAfterAFailure) {
  EXPECT_EQ(say("Hello!"), YUPANA_STATUS_OK);
  test::fake_core().fail_at_step = 2; // counted anew in every turn
  EXPECT_EQ(say("Hello!"), YUPANA_STATUS_OUT_OF_MEMORY);
  test::fake_core().fail_at_step = UINT32_MAX;
  EXPECT_EQ(say("Hello!"), YUPANA_STATUS_OK);
}

TEST_F(ConversationTest, FullContextEndsAReply) {
  test::fake_core().max_context = 20;
  generator = std::make_unique<text::Generator>(nullptr, context, 0);
  conversation = std::make_unique<text::Conversation>(tokenizer, generator.get(), context);
  EXPECT_EQ(say("Hello!"), YUPANA_STATUS_OK);
  EXPECT_EQ(reply.stop, Stop::length);
  EXPECT_LT(reply.tokens.size(), settings.max_new_tokens);
  conversation->add(Role::user, "More!");
  EXPECT_GT(conversation->prompt().size(), 20u);
  conversation->take_back();
}

} // namespace
