// SPDX-License-Identifier: Apache-2.0
#include "test/text/support.h"

#include "compiler/Support/File.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>

namespace yupana::test {
namespace {

[[noreturn]] void fail(const std::string &message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::abort();
}

} // namespace

std::string model_path(std::string_view name) { return std::string(YUPANA_TEST_MODELS "/").append(name); }

std::string read_model_file(std::string_view name) {
  Result<std::string> content = readWholeFile(model_path(name), maxTokenizerBytes);
  if (!content)
    fail(content.error().message);
  return std::move(content).value();
}

std::vector<uint8_t> compile_section(std::string_view name) {
  Result<std::vector<uint8_t>> section = compileTokenizer(model_path(name));
  if (!section)
    fail(section.error().message);
  return std::move(section).value();
}

const text::Tokenizer &open_tokenizer(std::string_view name) {
  static std::map<std::string, std::unique_ptr<OpenTokenizer>, std::less<>> opened;
  auto found = opened.find(name);
  if (found == opened.end()) {
    auto fresh = std::make_unique<OpenTokenizer>();
    fresh->section = compile_section(name);
    if (const char *error = fresh->tokenizer.open(fresh->section.data(), fresh->section.size()))
      fail(error);
    found = opened.emplace(name, std::move(fresh)).first;
  }
  return found->second->tokenizer;
}

const text::Section &open_shared_section() {
  static const std::vector<uint8_t> bytes = compile_section("tokenizer");
  static const text::Section section = [] {
    text::Section opened;
    if (const char *error = text::open_section(bytes.data(), bytes.size(), &opened))
      fail(error);
    return opened;
  }();
  return section;
}

} // namespace yupana::test
