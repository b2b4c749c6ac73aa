// SPDX-License-Identifier: Apache-2.0
//
// A checkpoint's tokenizer, read and turned into the tokenizer section of a plan.
#ifndef YUPANA_FRONTENDS_TOKENIZER_TOKENIZER_H
#define YUPANA_FRONTENDS_TOKENIZER_TOKENIZER_H

#include "compiler/Support/Error.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace yupana {

/// A byte-level BPE tokenizer whose text is split as Llama 4 splits it.
struct TokenizerModel {
  /// `left` followed by `right` becomes `result`; ids.
  struct Merge {
    uint32_t left;
    uint32_t right;
    uint32_t result;
  };
  /// A token that is found in the text before the text is split.
  struct AddedToken {
    uint32_t id;
    bool special;    ///< A control token: not shown, and plain text where special tokens are not parsed.
    bool normalized; ///< Looked for in what the others left over.
  };

  /// Bytes of every id; empty for an id without a token.
  std::vector<std::string> texts;
  /// Ids that merging may produce, by id: the vocabulary without the tokens that were only added to it.
  std::vector<bool> isWord;
  /// In ascending rank, no pair twice.
  std::vector<Merge> merges;
  std::vector<AddedToken> added;
  /// Put before a prompt.
  std::optional<uint32_t> beginToken;
  /// A word that is in the vocabulary as a whole is one token, whatever the merges say.
  bool ignoreMerges = false;
};

/// Largest tokenizer.json that is read; Llama 4's has 28 MB.
inline constexpr uint64_t maxTokenizerBytes = uint64_t(256) << 20;

/// Reads the text of a `tokenizer.json`; `file` names it in errors. ExitCode::InvalidInput when it contradicts itself,
/// ExitCode::Unsupported, naming the field, when it asks for another tokenizer than TokenizerModel describes.
Result<TokenizerModel> parseTokenizerJson(std::string_view text, std::string_view file);

/// The bytes of runtime/schema/tokenizer.h for a model as parseTokenizerJson makes them, with the Unicode classes of
/// every code point. The same model gives the same bytes.
std::vector<uint8_t> writeTokenizerSection(const TokenizerModel &model);

/// The tokenizer section for the checkpoint in `folder`, from its `tokenizer.json`; no bytes when the folder has no
/// tokenizer. ExitCode::Unsupported for a folder with a `tokenizer.model` alone.
Result<std::vector<uint8_t>> compileTokenizer(const std::string &folder);

} // namespace yupana

#endif // YUPANA_FRONTENDS_TOKENIZER_TOKENIZER_H
