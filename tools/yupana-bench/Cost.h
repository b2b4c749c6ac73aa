// SPDX-License-Identifier: Apache-2.0
//
// What a plan reads and computes, counted from its metadata alone.
#ifndef YUPANA_TOOLS_YUPANABENCH_COST_H
#define YUPANA_TOOLS_YUPANABENCH_COST_H

#include "runtime/schema/plan_generated.h"

#include <cstdint>
#include <optional>

namespace yupana {

/// Sums over the weights that the step programs of one target read, and over its caches.
///
/// What a weight is shows in its shape and form: a table or an embedding gives a step one row per token; a packed
/// weight of rank 3 holds a matrix per expert; of the others, those of rank 2 are matrices, and the one whose rows are
/// the vocabulary is the head, which is multiplied with the rows that logits are wanted for.
class Cost {
public:
  Cost(const schema::Plan &plan, const schema::Target &target);

  /// Experts of a layer; 0: none.
  uint64_t experts() const { return expertCount; }
  /// Experts that a token is sent to, from the plan's active parameters; all of them where it does not say.
  double expertsPerToken() const { return chosenExperts; }
  /// Distinct experts of a layer that a step of `tokens` tokens hits, on average for even routing: E (1 - (1 - k/E)^n).
  /// Exact for one token.
  double expertsHit(uint32_t tokens) const;

  /// Bytes of weights that a step of `tokens` tokens of as many sequences reads.
  double weightBytes(uint32_t tokens) const;
  /// Bytes of keys and values that the token at `position` of a sequence attends to, its own included.
  double cacheBytes(uint64_t position) const;

  /// FLOPs of a prompt of `tokens` tokens with one row of logits: 2 per parameter and token that meet.
  double promptFlops(uint64_t tokens) const;
  /// FLOPs of its attention: 4 per attended position, query head and value of a head. Nothing when the plan does not
  /// tell how wide the queries of its layers are.
  std::optional<double> promptAttentionFlops(uint64_t tokens) const;

  /// True if most elements of its matrices are bf16.
  bool isBf16() const { return bf16Elements * 2 > denseElements + expertElements + headElements; }

private:
  void addWeight(const schema::Weight &weight, const schema::Model &model);

  const schema::Plan &plan;
  double denseBytes = 0;  ///< Read whole by every step; the head is among them.
  double rowBytes = 0;    ///< One row of every table and embedding.
  double expertBytes = 0; ///< Of all experts.
  double denseElements = 0, expertElements = 0, headElements = 0, bf16Elements = 0;
  uint64_t expertCount = 0;
  double chosenExperts = 0;
};

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANABENCH_COST_H
