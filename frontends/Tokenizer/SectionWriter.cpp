// SPDX-License-Identifier: Apache-2.0
//
// Lays the arrays of the tokenizer section out in the order of runtime/schema/tokenizer.h. Everything is sorted here,
// so that the runtime searches by bisection and reads the section in place; the bytes depend on the model alone, not on
// the order of a file's entries.

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
  std::vector<uint32_t> chatOffsets;
  std::string text;
  std::string chat;

  size_t bytes() const {
    size_t words32 = textOffsets.size() + words.size() + byteIds.size() + mergeRows.size() + chatOffsets.size();
    return words32 * sizeof(uint32_t) + merges.size() * sizeof merges[0] + added.size() * sizeof added[0] +
           text.size() + chat.size();
  }
};

/// The texts of all ids one after the other, then the ids of words in the order of their bytes.
void addTexts(const TokenizerModel &model, SectionArrays &arrays) {
  // The parsers promise a word for each byte; without one the runtime would find kNoToken and refuse the section.
  arrays.byteIds.assign(256, schema::kNoToken);
  arrays.text.reserve(model.texts.bytes());
  arrays.textOffsets.reserve(model.texts.size() + 1);
  arrays.words.reserve(model.texts.size());
  arrays.textOffsets.push_back(0);
  for (uint32_t id = 0; id < model.texts.size(); ++id) {
    std::string_view text = model.texts[id];
    arrays.text += text;
    arrays.textOffsets.push_back(static_cast<uint32_t>(arrays.text.size()));
    // Added tokens are found in text by themselves and are not the result of merges.
    if (!model.isWord[id])
      continue;
    arrays.words.push_back(id);
    if (text.size() == 1)
      arrays.byteIds[static_cast<uint8_t>(text[0])] = id;
  }
  std::sort(arrays.words.begin(), arrays.words.end(),
            [&](uint32_t a, uint32_t b) { return model.texts[a] < model.texts[b]; });
}

/// The merges in rows: those whose left side is the id i stand from mergeRows[i] to mergeRows[i + 1], by their right
/// side.
void addMerges(const TokenizerModel &model, SectionArrays &arrays) {
  std::vector<TokenizerModel::Merge> sorted = model.merges;
  std::sort(sorted.begin(), sorted.end(), [](const TokenizerModel::Merge &a, const TokenizerModel::Merge &b) {
    return a.left != b.left ? a.left < b.left : a.right < b.right;
  });
  arrays.mergeRows.assign(model.texts.size() + 1, 0);
  arrays.merges.reserve(sorted.size());
  for (const TokenizerModel::Merge &merge : sorted) {
    arrays.merges.push_back({merge.right, merge.rank, merge.result});
    // Counts first, one place further on, so that the sums below turn them into where rows begin.
    ++arrays.mergeRows[merge.left + 1];
  }
  for (size_t row = 1; row < arrays.mergeRows.size(); ++row)
    arrays.mergeRows[row] += arrays.mergeRows[row - 1];
}

/// By the bytes of their texts, as the runtime looks for them.
void addAdded(const TokenizerModel &model, SectionArrays &arrays) {
  for (const TokenizerModel::AddedToken &token : model.added)
    arrays.added.push_back({token.id, (token.special ? uint32_t(schema::kAddedSpecial) : 0) |
                                          (token.normalized ? uint32_t(schema::kAddedNormalized) : 0)});
  std::sort(arrays.added.begin(), arrays.added.end(),
            [&](const schema::TokenizerAdded &a, const schema::TokenizerAdded &b) {
              return model.texts[a.id] < model.texts[b.id];
            });
}

/// The parts in the order of the schema. Without a chat format all are empty, which is how the runtime tells.
void addChat(const TokenizerModel &model, SectionArrays &arrays) {
  arrays.chatOffsets.assign(schema::kChatPartCount + 1, 0);
  if (!model.chat)
    return;
  const ChatFormat &chat = *model.chat;
  const std::string *parts[schema::kChatPartCount] = {&chat.begin,      &chat.headers[0], &chat.headers[1],
                                                      &chat.headers[2], &chat.end,        &chat.generation};
  for (size_t part = 0; part < schema::kChatPartCount; ++part) {
    arrays.chat += *parts[part];
    arrays.chatOffsets[part + 1] = static_cast<uint32_t>(arrays.chat.size());
  }
}

uint32_t chatFlags(const TokenizerModel &model) {
  if (!model.chat)
    return 0;
  uint32_t flags = model.chat->omitsEmptySystem ? uint32_t(schema::kChatOmitEmptySystem) : 0;
  for (size_t role = 0; role < chatRoleCount; ++role)
    // The flags of the roles are neighbours, in the order of ChatRole.
    flags |= model.chat->trims[role] ? uint32_t(schema::kChatTrimSystem) << role : 0;
  return flags;
}

/// As bytes: sections are written and read on little-endian machines alone.
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
  addChat(model, arrays);
  CharClassTables classes = computeCharClasses();
  std::vector<schema::TokenizerFold> folds = computeLetterFolds();

  schema::TokenizerHeader header{};
  header.magic = schema::kTokenizerMagic;
  header.version = schema::kTokenizerVersion;
  header.split = static_cast<uint32_t>(model.split);
  header.flags = model.ignoreMerges ? uint32_t(schema::kTokenizerIgnoreMerges) : 0;
  header.begin_token = model.beginToken.value_or(schema::kNoToken);
  header.id_count = static_cast<uint32_t>(model.texts.size());
  header.word_count = static_cast<uint32_t>(arrays.words.size());
  header.merge_count = static_cast<uint32_t>(arrays.merges.size());
  header.added_count = static_cast<uint32_t>(arrays.added.size());
  header.fold_count = static_cast<uint32_t>(folds.size());
  header.class_block_count = static_cast<uint32_t>(classes.blocks.size() / schema::kClassBlockSize);
  header.text_size = static_cast<uint32_t>(arrays.text.size());
  header.chat_size = static_cast<uint32_t>(arrays.chat.size());
  header.chat_flags = chatFlags(model);

  // Sizes are known, so that the section, tens of megabytes, is not copied while it grows.
  std::vector<uint8_t> section;
  section.reserve(sizeof header + arrays.bytes() + folds.size() * sizeof folds[0] +
                  classes.index.size() * sizeof(uint16_t) + classes.blocks.size());
  // In the order of runtime/schema/tokenizer.h, from which the runtime computes where each array begins. Arrays of
  // 32-bit numbers come before those of smaller ones, so that all are aligned.
  append(section, std::vector<schema::TokenizerHeader>{header});
  append(section, arrays.textOffsets);
  append(section, arrays.words);
  append(section, arrays.byteIds);
  append(section, arrays.mergeRows);
  append(section, arrays.merges);
  append(section, arrays.added);
  append(section, folds);
  append(section, arrays.chatOffsets);
  append(section, classes.index);
  append(section, classes.blocks);
  append(section, arrays.text);
  append(section, arrays.chat);
  return section;
}
