// SPDX-License-Identifier: Apache-2.0
#include "test/runtime/text/support.h"

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

namespace {

/// The section of a tokenizer.model alone.
std::vector<uint8_t> compile_tiktoken_section(std::string_view file) {
  Result<TokenizerModel> model = parseTokenizerModel(read_model_file(file), file);
  if (!model)
    fail(model.error().message);
  if (Result<void> added = addSpecialTokens(*model, "", "", UINT32_MAX); !added)
    fail(added.error().message);
  return writeTokenizerSection(*model);
}

} // namespace

std::vector<uint8_t> compile_section(std::string_view name) {
  constexpr std::string_view ending = ".model";
  if (name.size() > ending.size() && name.substr(name.size() - ending.size()) == ending)
    return compile_tiktoken_section(name);
  std::vector<std::string> notes;
  Result<CompiledTokenizer> compiled = compileTokenizer(model_path(name), UINT32_MAX, notes);
  if (!compiled)
    fail(compiled.error().message);
  if (!notes.empty())
    fail(notes[0]);
  return std::move(compiled->section);
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
