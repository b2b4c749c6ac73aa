// SPDX-License-Identifier: Apache-2.0
//
// Fuzz target of the tokenizer section: whatever opens must encode and decode without harm. With a fuzzing engine,
// LLVMFuzzerTestOneInput is all that is used; without one, main() changes good sections at random, the same way each
// time.
#include "runtime/text/chat.h"
#include "test/runtime/text/support.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

using namespace yupana;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  // An allocation of exact size, so that a sanitizer sees the first byte read beyond it.
  auto words = std::make_unique<uint32_t[]>((size + 3) / 4);
  if (size)
    std::memcpy(words.get(), data, size);
  text::Tokenizer tokenizer;
  if (tokenizer.open(words.get(), size))
    return 0;
  std::vector<uint32_t> ids;
  for (const char *text :
       {"", "The capital of France isn't  42\n\n\u4E2D\u6587 <|eot|><|begin_of_text|> \U0001F600 e\u0301"})
    tokenizer.encode(text, {true, true}, &ids);
  if (text::has_chat_format(tokenizer)) {
    text::encode_chat(tokenizer,
                      {{text::Role::system, " \u2003"},
                       {text::Role::user, "<|eot|> What?\n"},
                       {text::Role::assistant, "Yes."},
                       {text::Role::user, ""}},
                      &ids);
    if (ids.empty())
      std::abort();
  }
  std::string text;
  text::StreamDecoder decoder(tokenizer, true);
  for (uint32_t id : ids)
    decoder.push(id, &text);
  for (uint32_t id = 0; id < 64; ++id) {
    decoder.push(id, &text);
    tokenizer.is_special(id);
  }
  decoder.finish(&text);
  return 0;
}

#ifndef YUPANA_FUZZ_ENGINE
namespace {

/// One to four changes of the kinds that find missing checks: any byte, or a whole word made small, large or its
/// neighbour. Half of them hit the header and the tables behind it, which are a small part of the bytes.
void change(std::vector<uint8_t> &bytes, test::Random &random) {
  for (uint32_t count = 1 + random.below(4); count; --count) {
    size_t range = random.below(2) ? bytes.size() : std::min<size_t>(bytes.size(), 64 + random.below(4096));
    size_t at = random.below(static_cast<uint32_t>(range));
    if (random.below(2)) {
      bytes[at] = static_cast<uint8_t>(random.below(256));
      continue;
    }
    at = at / 4 * 4;
    if (bytes.size() - at < 4)
      continue;
    uint32_t word;
    std::memcpy(&word, bytes.data() + at, 4);
    const uint32_t words[] = {0, word + 1, word - 1, 0xFFFFFFFF, word ^ 1u << random.below(32)};
    std::memcpy(bytes.data() + at, &words[random.below(5)], 4);
  }
}

} // namespace

int main(int argc, char **argv) {
  int rounds = argc > 1 ? std::atoi(argv[1]) : 2000;
  const std::vector<uint8_t> good = test::compile_section("nano");
  test::Random random(3);
  LLVMFuzzerTestOneInput(good.data(), good.size());
  for (int round = 0; round < rounds; ++round) {
    std::vector<uint8_t> bytes = good;
    change(bytes, random);
    if (random.below(8) == 0)
      bytes.resize(random.below(static_cast<uint32_t>(bytes.size())));
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  }
  std::printf("%d changed sections, none did harm\n", rounds);
}
#endif
