// SPDX-License-Identifier: Apache-2.0
//
// Arbitrary bytes as tokenizer.model and, behind a zero byte, as tokenizer_config.json. What is accepted must hold to
// the header's promises.
#include "frontends/Tokenizer/Tokenizer.h"

#include <cstdlib>

using namespace yupana;

static void require(bool condition) {
  if (!condition)
    std::abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view text(reinterpret_cast<const char *>(data), size);
  size_t end = std::min(text.find('\0'), size);
  std::string_view config = text.substr(std::min(end + 1, size));
  auto model = parseTokenizerModel(text.substr(0, end), "tokenizer.model");
  if (!model) {
    // The other file is read all the same.
    model = TokenizerModel();
    model->texts = {"a", "b", "ab"};
    model->isWord = {true, true, true};
  }
  for (const TokenizerModel::Merge &merge : model->merges) {
    require(merge.rank < model->merges.size());
    require(std::string(model->texts[merge.left]).append(model->texts[merge.right]) == model->texts[merge.result]);
  }
  if (!addSpecialTokens(*model, config, "tokenizer_config.json", 3000))
    return 0;
  require(model->texts.size() == model->isWord.size());
  for (const TokenizerModel::AddedToken &token : model->added)
    require(token.id < model->texts.size() && !model->texts[token.id].empty());
  require(!model->beginToken || *model->beginToken < model->texts.size());
  return 0;
}
