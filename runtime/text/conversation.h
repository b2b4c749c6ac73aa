// SPDX-License-Identifier: Apache-2.0
//
// A conversation with a model, kept in its cache from one answer to the next.

#ifndef YUPANA_RUNTIME_TEXT_CONVERSATION_H
#define YUPANA_RUNTIME_TEXT_CONVERSATION_H

#include "runtime/text/chat.h"
#include "runtime/text/generate.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace yupana::text {

/// A conversation that goes on in one sequence of a context. Before each answer the sequence is made to hold exactly
/// what the template gives for the whole conversation: of what it holds already, the part that agrees is kept and the
/// rest is read anew. In the common case the new message alone is read.
class Conversation {
public:
  /// All outlive the conversation; `generator` runs in `context`. `tokenizer` has a chat format.
  Conversation(const Tokenizer &tokenizer, Generator *generator, yupana_context_t *context)
      : tokenizer_(tokenizer), generator_(generator), context_(context) {}
  Conversation(const Conversation &) = delete;
  Conversation &operator=(const Conversation &) = delete;
  ~Conversation();

  /// Adds a message of someone other than the model.
  void add(Role role, std::string content) { messages_.push_back({role, std::move(content)}); }
  /// Takes the last message back.
  void take_back() { messages_.pop_back(); }
  /// The ids that an answer now would go on from.
  std::vector<uint32_t> prompt() const;

  /// Answers, as `settings` say but for their prompt and sequence; prompt() has at most limits.max_context ids.
  /// `observer` hears of request 0. The answer is the next message, also what there is of it when it is interrupted or
  /// the function fails, which it does as Generator::run does.
  yupana_status_code_t answer(const Request &settings, Observer *observer, Reply *reply, yupana_status_t *status);

private:
  yupana_status_code_t keep_common(const std::vector<uint32_t> &ids, uint32_t *common, yupana_status_t *status);

  const Tokenizer &tokenizer_;
  Generator *generator_;
  yupana_context_t *context_;
  std::vector<Message> messages_;
  yupana_sequence_t sequence_ = 0; // 0: none yet
  std::vector<uint32_t> held_;     // the ids in the sequence
};

} // namespace yupana::text

#endif
