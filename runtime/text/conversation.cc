// SPDX-License-Identifier: Apache-2.0
//
// Each answer encodes the whole conversation anew and keeps the part of the sequence that agrees: the template may
// change earlier text (a trimmed message, an end that the model wrote otherwise), and comparing ids finds that without
// knowing templates. Usually all but the new message agrees. Where the part that differs lies before a chunk whose
// pages have been freed, the sequence cannot be cut and is read again.

#include "runtime/text/conversation.h"

#include <algorithm>

namespace yupana::text {

Conversation::~Conversation() {
  if (sequence_)
    yupana_sequence_release(context_, sequence_, nullptr);
}

std::vector<uint32_t> Conversation::prompt() const {
  std::vector<uint32_t> ids;
  encode_chat(tokenizer_, messages_, &ids);
  return ids;
}

/// Leaves in the sequence what it holds of `ids`, less their last token, and sets `*common` to how many that are.
yupana_status_code_t Conversation::keep_common(const std::vector<uint32_t> &ids, uint32_t *common,
                                               yupana_status_t *status) {
  // One token at least is left to compute, since its logits choose the next.
  size_t most = std::min(held_.size(), ids.size() - 1);
  *common = static_cast<uint32_t>(
      std::mismatch(held_.begin(), held_.begin() + static_cast<ptrdiff_t>(most), ids.begin()).first - held_.begin());
  if (sequence_ && *common < held_.size() &&
      yupana_sequence_truncate(context_, sequence_, *common, nullptr) != YUPANA_STATUS_OK) {
    // Pages of an earlier chunk have been freed: the whole conversation is read again.
    yupana_sequence_release(context_, sequence_, nullptr);
    sequence_ = 0;
  }
  if (sequence_)
    return YUPANA_STATUS_OK;
  *common = 0;
  held_.clear();
  return yupana_sequence_create(context_, /*number=*/0, &sequence_, status);
}

yupana_status_code_t Conversation::answer(const Request &settings, Observer *observer, Reply *reply,
                                          yupana_status_t *status) {
  std::vector<Request> requests = {settings};
  std::vector<Reply> replies(1);
  Request &request = requests[0];
  request.prompt = prompt();
  yupana_status_code_t code = keep_common(request.prompt, &request.held, status);
  request.sequence = sequence_;
  if (code == YUPANA_STATUS_OK)
    code = generator_->run(requests, observer, &replies, status);
  *reply = std::move(replies[0]);

  held_ = std::move(request.prompt);
  held_.insert(held_.end(), reply->tokens.begin(), reply->tokens.end());
  uint32_t length = 0;
  if (sequence_)
    yupana_sequence_length(context_, sequence_, &length);
  held_.resize(length); // the last token, and all of a step that failed, are not in it

  // The token that ended the reply is no part of the message: the template writes an end of its own.
  size_t count = reply->tokens.size() - (reply->stop == Stop::eos ? 1 : 0);
  std::string content;
  StreamDecoder decoder(tokenizer_, /*show_special=*/false);
  for (size_t i = 0; i < count; ++i)
    decoder.push(reply->tokens[i], &content);
  decoder.finish(&content);
  messages_.push_back({Role::assistant, replace_ill_formed(content)});
  return code;
}

} // namespace yupana::text
