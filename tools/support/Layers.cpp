// SPDX-License-Identifier: Apache-2.0
//
// Layers are told by the names of weights. Tables belong to every layer that reads them and tell nothing.

#include "tools/support/Layers.h"

#include <algorithm>
#include <charconv>

using namespace yupana;

std::optional<uint32_t> yupana::layerInName(std::string_view name) {
  constexpr std::string_view prefix = "layers.";
  uint32_t layer = 0;
  if (name.substr(0, prefix.size()) != prefix)
    return std::nullopt;
  // from_chars takes neither a sign nor spaces, and says when a number is beyond 32 bits.
  auto [end, error] = std::from_chars(name.data() + prefix.size(), name.data() + name.size(), layer);
  bool isWhole = error == std::errc() && end != name.data() + name.size() && *end == '.';
  return isWhole ? std::optional<uint32_t>(layer) : std::nullopt;
}

std::string yupana::shortWeightName(std::string_view name) {
  if (layerInName(name))
    name.remove_prefix(std::min(name.size(), name.find('.', std::string_view("layers.").size()) + 1));
  // "_4" keeps the names of several packed forms of a weight apart; a number without the underscore is part of the
  // name.
  size_t end = name.size();
  while (end > 0 && name[end - 1] >= '0' && name[end - 1] <= '9')
    --end;
  if (end > 1 && end < name.size() && name[end - 1] == '_')
    name = name.substr(0, end - 1);
  // How the rows of a rotated projection are stored: it makes no other weight.
  constexpr std::string_view halves = ".even+odd";
  if (name.size() > halves.size() && name.substr(name.size() - halves.size()) == halves)
    name.remove_suffix(halves.size());
  return std::string(name);
}

std::string yupana::shortened(std::string_view text, size_t longest) {
  if (text.size() <= longest)
    return std::string(text);
  // Back to the first byte of a character.
  size_t end = longest;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
    --end;
  return std::string(text.substr(0, end)) + "...";
}

bool yupana::isTable(const schema::Weight &weight) {
  // Asked once per argument of a launch, so a long source is not searched to its end.
  constexpr size_t wordsEnd = 64;
  return weight.source() &&
         weight.source()->string_view().substr(0, wordsEnd).find(" table: ") != std::string_view::npos;
}

/// False for a launch over tokens or sequences, whatever else its grid holds, and for one of a fixed size.
bool yupana::runsOverRows(const schema::Launch &launch) {
  bool rows = false;
  for (const schema::GridTerm *term : *launch.grid()) {
    if (term->op() == schema::GridOp::tokens || term->op() == schema::GridOp::sequences)
      return false;
    rows |= term->op() == schema::GridOp::rows;
  }
  return rows;
}

std::vector<std::optional<uint32_t>> yupana::layersOf(const schema::Plan &plan, const schema::StepProgram &program) {
  std::vector<std::optional<uint32_t>> layers;
  std::optional<uint32_t> current;
  for (const schema::Launch *launch : *program.launches()) {
    std::optional<uint32_t> named;
    bool hasWeights = false;
    for (const schema::Argument *argument : *launch->arguments()) {
      if (argument->kind() != schema::ArgumentKind::weight)
        continue;
      const schema::Weight &weight = *plan.weights()->Get(argument->index());
      // A weight without a source was written by hand: it tells no layer and hides none.
      hasWeights |= weight.source() && !isTable(weight);
      if (std::optional<uint32_t> layer = layerInName(weight.name()->string_view()))
        named = layer;
    }
    // A launch without weights works for the layer of the one before it. Behind the last layer stand the final norm and
    // the head, which have weights without a layer, and what runs over rows of logits.
    if (named || hasWeights || runsOverRows(*launch))
      current = named;
    layers.push_back(current);
  }
  return layers;
}
