// SPDX-License-Identifier: Apache-2.0
//
// Bytes and operations of a step, counted from what the plan's launches read. A weight with three dimensions is one of
// experts, of which a step reads those that some token chose: k for one token, and E · (1 − (1 − k/E)^T) expected for T
// tokens that choose evenly. k comes from the counts of all and of active parameters, since a plan does not state it.
// Tables and the rows of an embedding are read by row; norms count whole.

#include "tools/yupana-bench/Cost.h"

#include "runtime/schema/forms.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>

using namespace yupana;

namespace {

/// A double, as all amounts here: they are only divided and rounded for reports, and none can overflow.
double elementsOf(const schema::Weight &weight) {
  double elements = 1;
  for (uint64_t dim : *weight.shape())
    elements *= static_cast<double>(dim);
  return elements;
}

/// True if it was computed at compile time: its source then says how, "rope table: ...", and names no tensor.
bool isTable(const schema::Weight &weight) {
  return weight.source() && weight.source()->string_view().find(" table: ") != std::string_view::npos;
}

bool endsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

/// Values of all query heads of `layer` together: what its output projection takes in.
/// Hugging Face checkpoints name that matrix [hidden, heads * head width], so its second extent is the width wanted.
std::optional<double> queryWidth(const schema::Plan &plan, uint32_t layer) {
  std::string name = "layers." + std::to_string(layer) + ".self_attn.o_proj.weight";
  for (const schema::Weight *weight : *plan.weights())
    if (weight->source() && weight->shape()->size() == 2 && endsWith(weight->source()->string_view(), name))
      return static_cast<double>(weight->shape()->Get(1));
  return std::nullopt;
}

/// Positions that the token at `position` attends to.
/// With chunked attention a token sees those of its own chunk alone; `position` counts from 0 and sees itself.
double attended(const schema::CacheGroup &group, uint64_t position) {
  return static_cast<double>((group.chunk() ? position % group.chunk() : position) + 1);
}

} // namespace

Cost::Cost(const schema::Plan &plan, const schema::Target &target) : plan(plan) {
  // A weight may be an argument of several launches, and of the programs for few and for many tokens: it counts once.
  std::set<uint32_t> used;
  for (const schema::StepProgram *program : *target.programs())
    if (program->function() == schema::Function::step)
      for (const schema::Launch *launch : *program->launches())
        for (const schema::Argument *argument : *launch->arguments())
          if (argument->kind() == schema::ArgumentKind::weight)
            used.insert(argument->index());
  const schema::Model &model = *plan.model();
  for (uint32_t index : used)
    addWeight(*plan.weights()->Get(index), model);
  // A plan that does not state its active parameters is taken as one that sends tokens to every expert.
  chosenExperts = static_cast<double>(expertCount);
  if (expertElements > 0 && model.active_parameters()) {
    // active = elsewhere + share * experts, where all that is no expert is active.
    double elsewhere = static_cast<double>(model.parameters()) - expertElements;
    double share = (static_cast<double>(model.active_parameters()) - elsewhere) / expertElements;
    // Rounded, since k is whole while parameter counts may leave out or include small tensors; clamped for crafted
    // plans.
    chosenExperts = std::clamp(std::round(share * static_cast<double>(expertCount)), 0.0, chosenExperts);
  }
}

void Cost::addWeight(const schema::Weight &weight, const schema::Model &model) {
  const auto &shape = *weight.shape();
  auto bytes = static_cast<double>(weight.size());
  // A scalar has no extent; one of 0 would divide by zero below.
  uint64_t rows = shape.size() ? std::max<uint64_t>(shape.Get(0), 1) : 1;
  bool isVocabulary = shape.size() == 2 && rows == model.vocab_size();
  bool isRowMajor = schema::find_form(weight.layout()->string_view()) == &schema::kRowMajor;
  // Row-major storage of a matrix over the vocabulary is the embedding, since a head is packed for products.
  if (isTable(weight) || (isVocabulary && isRowMajor)) {
    rowBytes += bytes / static_cast<double>(rows);
    return;
  }
  double elements = elementsOf(weight);
  bf16Elements += weight.element() == schema::ElementType::bf16 ? elements : 0;
  if (shape.size() == 3) {
    expertCount = std::max(expertCount, rows);
    // All layers with experts have as many as one another, so the total over all layers and one count suffice.
    expertBytes += bytes;
    expertElements += elements;
    return;
  }
  denseBytes += bytes;
  // Vectors are read but multiply no matrix: they are bytes without operations.
  if (shape.size() == 2)
    (isVocabulary ? headElements : denseElements) += elements;
}

double Cost::expertsHit(uint32_t tokens) const {
  if (!expertCount)
    return 0;
  auto count = static_cast<double>(expertCount);
  // One token hits exactly k distinct experts; the formula gives the same up to rounding, which would show in reports.
  return tokens == 1 ? chosenExperts : count * (1 - std::pow(1 - chosenExperts / count, tokens));
}

double Cost::weightBytes(uint32_t tokens) const {
  double bytes = denseBytes + rowBytes * tokens;
  return expertCount ? bytes + expertBytes * expertsHit(tokens) / static_cast<double>(expertCount) : bytes;
}

double Cost::cacheBytes(uint64_t position) const {
  double bytes = 0;
  for (const schema::CacheGroup *group : *plan.cache_groups())
    bytes += static_cast<double>(group->page_bytes()) / group->page_tokens() * attended(*group, position);
  return bytes;
}

double Cost::promptFlops(uint64_t tokens) const {
  double perToken = denseElements;
  if (expertCount)
    perToken += expertElements * chosenExperts / static_cast<double>(expertCount);
  return 2 * (perToken * static_cast<double>(tokens) + headElements);
}

std::optional<double> Cost::promptAttentionFlops(uint64_t tokens) const {
  double flops = 0;
  for (const schema::CacheGroup *group : *plan.cache_groups()) {
    double positions = 0, width = 0;
    for (uint64_t position = 0; position < tokens; ++position)
      positions += attended(*group, position);
    for (uint32_t layer : *group->layers()) {
      std::optional<double> ofLayer = queryWidth(plan, layer);
      if (!ofLayer)
        return std::nullopt;
      width += *ofLayer;
    }
    // A multiplication and an addition for the score, and as many for the value.
    flops += 4 * width * positions;
  }
  return flops;
}
