// SPDX-License-Identifier: Apache-2.0
#include "frontends/Tokenizer/Tokenizer.h"

#include "frontends/Tokenizer/UnicodeTables.h"
#include "runtime/schema/tokenizer.h"

#include <algorithm>

using namespace yupana;

namespace {

/// The arrays of the section before they are laid out one after the other.
struct SectionArrays {
  std::vector<uint32_t> textOffsets;
  std::vector<uint32_t> words;
  std::vector<uint32_t> byteIds;
  std::vector<uint32_t> mergeRows;
  std::vector<schema::TokenizerMerge> merges;
  std::vector<schema::TokenizerAdded> added;
  std::string text;
};

void addTexts(const TokenizerModel &model, SectionArrays &arrays) {
  arrays.byteIds.assign(256, schema::kNoToken);
  arrays.textOffsets.push_back(0);
  for (uint32_t id = 0; id < model.texts.size(); ++id) {
    const std::string &text = model.texts[id];
    arrays.text += text;
    arrays.textOffsets.push_back(static_cast<uint32_t>(arrays.text.size()));
    if (!model.isWord[id])
      continue;
    arrays.words.push_back(id);
    if (text.size() == 1)
      arrays.byteIds[static_cast<uint8_t>(text[0])] = id;
  }
  std::sort(arrays.words.begin(), arrays.words.end(),
            [&](uint32_t a, uint32_t b) { return model.texts[a] < model.texts[b]; });
}

void addMerges(const TokenizerModel &model, SectionArrays &arrays) {
  std::vector<uint32_t> ranks(model.merges.size());
  for (uint32_t rank = 0; rank < ranks.size(); ++rank)
    ranks[rank] = rank;
  std::sort(ranks.begin(), ranks.end(), [&](uint32_t a, uint32_t b) {
    const TokenizerModel::Merge &x = model.merges[a], &y = model.merges[b];
    return x.left != y.left ? x.left < y.left : x.right < y.right;
  });
  arrays.mergeRows.assign(model.texts.size() + 1, 0);
  for (uint32_t rank : ranks) {
    const TokenizerModel::Merge &merge = model.merges[rank];
    arrays.merges.push_back({merge.right, rank, merge.result});
    ++arrays.mergeRows[merge.left + 1];
  }
  for (size_t row = 1; row < arrays.mergeRows.size(); ++row)
    arrays.mergeRows[row] += arrays.mergeRows[row - 1];
}

void addAdded(const TokenizerModel &model, SectionArrays &arrays) {
  for (const TokenizerModel::AddedToken &token : model.added)
    arrays.added.push_back({token.id, (token.special ? uint32_t(schema::kAddedSpecial) : 0) |
                                          (token.normalized ? uint32_t(schema::kAddedNormalized) : 0)});
  std::sort(arrays.added.begin(), arrays.added.end(),
            [&](const schema::TokenizerAdded &a, const schema::TokenizerAdded &b) {
              return model.texts[a.id] < model.texts[b.id];
            });
}

template <typename Range> void append(std::vector<uint8_t> &out, const Range &values) {
  const auto *bytes = reinterpret_cast<const uint8_t *>(values.data());
  out.insert(out.end(), bytes, bytes + values.size() * sizeof(*values.data()));
}

} // namespace

std::vector<uint8_t> yupana::writeTokenizerSection(const TokenizerModel &model) {
  SectionArrays arrays;
  addTexts(model, arrays);
  addMerges(model, arrays);
  addAdded(model, arrays);
  CharClassTables classes = computeCharClasses();
  std::vector<schema::TokenizerFold> folds = computeLetterFolds();

  schema::TokenizerHeader header{};
  header.magic = schema::kTokenizerMagic;
  header.version = schema::kTokenizerVersion;
  header.split = static_cast<uint32_t>(schema::TokenizerSplit::llama4);
  header.flags = model.ignoreMerges ? uint32_t(schema::kTokenizerIgnoreMerges) : 0;
  header.begin_token = model.beginToken.value_or(schema::kNoToken);
  header.id_count = static_cast<uint32_t>(model.texts.size());
  header.word_count = static_cast<uint32_t>(arrays.words.size());
  header.merge_count = static_cast<uint32_t>(arrays.merges.size());
  header.added_count = static_cast<uint32_t>(arrays.added.size());
  header.fold_count = static_cast<uint32_t>(folds.size());
  header.class_block_count = static_cast<uint32_t>(classes.blocks.size() / schema::kClassBlockSize);
  header.text_size = static_cast<uint32_t>(arrays.text.size());

  std::vector<uint8_t> section;
  append(section, std::vector<schema::TokenizerHeader>{header});
  append(section, arrays.textOffsets);
  append(section, arrays.words);
  append(section, arrays.byteIds);
  append(section, arrays.mergeRows);
  append(section, arrays.merges);
  append(section, arrays.added);
  append(section, folds);
  append(section, classes.index);
  append(section, classes.blocks);
  append(section, arrays.text);
  return section;
}
