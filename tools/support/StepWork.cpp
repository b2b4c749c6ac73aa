// SPDX-License-Identifier: Apache-2.0
//
// A plan states no operation: kernels are code. What they multiply shows in the shapes of the weights that a launch is
// given, what they attend over in the pages of its cache, what they pass on in its buffers. So the counts hold for
// whatever passes have fused, and need no list of kernels that would have to follow them.

#include "tools/support/StepWork.h"

#include "tools/support/Layers.h"

#include <algorithm>
#include <cmath>
#include <string_view>

using namespace yupana;

namespace {

/// Bytes of what a launch is said to work on. Names may be long, and launches that refer to them many.
constexpr size_t longestPurpose = 160;

double elementsOf(const schema::Weight &weight) {
  double elements = 1;
  for (uint64_t dim : *weight.shape())
    elements *= static_cast<double>(dim);
  return elements;
}

/// Sum of the positions attended to by the tokens at positions 0 to `count` - 1: position p attends to p + 1 of them,
/// or within its chunk.
double attendedBelow(uint64_t count, uint64_t chunk) {
  auto triangle = [](uint64_t n) { return static_cast<double>(n) * (static_cast<double>(n) + 1) / 2; };
  return chunk ? static_cast<double>(count / chunk) * triangle(chunk) + triangle(count % chunk) : triangle(count);
}

/// By squaring; the exponent is a number of tokens.
double power(double base, uint64_t exponent) {
  double result = 1;
  for (; exponent; exponent >>= 1, base *= base)
    result *= exponent & 1 ? base : 1;
  return result;
}

} // namespace

/// A sequence without tokens in this step attends to nothing.
StepShape StepShape::of(uint32_t sequences, uint32_t rows, const uint32_t *positions, const uint32_t *starts) {
  StepShape shape;
  shape.rows = rows;
  for (uint32_t i = 0; i < sequences; ++i)
    if (starts[i + 1] > starts[i])
      shape.spans.push_back({positions[starts[i]], starts[i + 1] - starts[i]});
  shape.tokens = starts[sequences];
  return shape;
}

StepWork::StepWork(const schema::Plan &plan, const schema::Target &target) : plan(plan) {
  for (const schema::Kernel *kernel : *target.kernels())
    symbols.push_back(kernel->symbol()->str());
  countExperts(target);
  // What the output projection of a layer takes in is what its attention gives.
  constexpr std::string_view projection = ".self_attn.o_proj.weight";
  for (const schema::Weight *weight : *plan.weights()) {
    std::optional<uint32_t> layer = layerInName(weight->name()->string_view());
    std::string_view source = weight->source() ? weight->source()->string_view() : std::string_view();
    if (!layer || *layer >= plan.model()->layers() || weight->shape()->size() != 2 ||
        source.size() < projection.size() || source.substr(source.size() - projection.size()) != projection)
      continue;
    // Layers are bounded by the model's number, which opening the plan has bounded: a name may claim any.
    widths.resize(std::max<size_t>(widths.size(), size_t{*layer} + 1));
    widths[*layer] = static_cast<double>(weight->shape()->Get(1));
  }
  for (const schema::StepProgram *program : *target.programs()) {
    firsts.push_back(launches());
    limits.push_back(program->function() == schema::Function::step ? program->max_tokens() : 0);
    std::vector<std::optional<uint32_t>> layers = layersOf(plan, *program);
    for (uint32_t i = 0; i < layers.size(); ++i)
      addLaunch(target, *program, *program->launches()->Get(i), layers[i]);
  }
}

/// Experts of a layer, and how many of them a token is sent to. The latter stands nowhere in a plan, but in its active
/// parameters, which are those of everything else and of the chosen share of the experts.
void StepWork::countExperts(const schema::Target &target) {
  std::vector<bool> seen(plan.weights()->size());
  double expertElements = 0;
  for (const schema::StepProgram *program : *target.programs())
    for (const schema::Launch *launch : *program->launches())
      for (const schema::Argument *argument : *launch->arguments()) {
        if (argument->kind() != schema::ArgumentKind::weight || seen[argument->index()])
          continue;
        seen[argument->index()] = true;
        const schema::Weight &weight = *plan.weights()->Get(argument->index());
        if (weight.shape()->size() != 3 || isTable(weight))
          continue;
        experts = std::max(experts, static_cast<double>(weight.shape()->Get(0)));
        expertElements += elementsOf(weight);
      }
  // Without active parameters in the plan, all experts: more than is moved, never less.
  chosen = experts;
  const schema::Model &model = *plan.model();
  if (!model.active_parameters() || expertElements <= 0)
    return;
  double elsewhere = static_cast<double>(model.parameters()) - expertElements;
  double share = (static_cast<double>(model.active_parameters()) - elsewhere) / expertElements;
  chosen = std::clamp(std::floor(share * experts + 0.5), 0.0, experts);
}

void StepWork::addWeight(Launch &to, uint32_t index, bool gathers) const {
  // The same weight may be given at several places.
  for (const WeightUse &use : to.weights)
    if (use.index == index)
      return;
  const schema::Weight &weight = *plan.weights()->Get(index);
  // Shapes are those before packing: a matrix has two axes, one of each expert three.
  size_t rank = weight.shape()->size();
  Role role = gathers || isTable(weight) ? Role::Gathered
              : rank == 3                ? Role::Experts
              : rank == 2                ? Role::Matrix
                                         : Role::Whole;
  to.weights.push_back({index, role});
}

void StepWork::addLaunch(const schema::Target &target, const schema::StepProgram &program, const schema::Launch &launch,
                         std::optional<uint32_t> layer) {
  Launch made;
  made.kernel = launch.kernel();
  made.layer = layer;
  made.overRows = runsOverRows(launch);
  made.maxTokens = program.max_tokens();
  bool gathers = false, multiplies = false;
  std::vector<uint32_t> buffers;
  for (const schema::Argument *argument : *launch.arguments())
    gathers |= argument->kind() == schema::ArgumentKind::input &&
               argument->index() == static_cast<uint32_t>(schema::StepInput::token_ids);
  for (const schema::Argument *argument : *launch.arguments()) {
    if (argument->kind() == schema::ArgumentKind::weight)
      addWeight(made, argument->index(), gathers);
    else if (argument->kind() == schema::ArgumentKind::cache)
      made.group = argument->index();
    else if (argument->kind() == schema::ArgumentKind::input)
      ++made.inputs;
    else if (argument->kind() == schema::ArgumentKind::history)
      made.writesHistory = true;
    else if (argument->kind() == schema::ArgumentKind::buffer &&
             std::find(buffers.begin(), buffers.end(), argument->index()) == buffers.end())
      buffers.push_back(argument->index());
  }
  // Without a program that samples the number means nothing, and no reader has checked it.
  bool samples = std::any_of(target.programs()->begin(), target.programs()->end(),
                             [](const auto *other) { return other->function() == schema::Function::sample; });
  const schema::Buffer *sampled = samples ? target.buffers()->Get(target.sampled()) : nullptr;
  for (uint32_t index : buffers) {
    const schema::Buffer &buffer = *target.buffers()->Get(index);
    // What blocks leave for one another is how a launch goes about its work, and as large as the launch likes.
    if (target.arenas()->Get(buffer.arena())->workspace())
      continue;
    // A value may have several entries, all of one name.
    std::string_view name = buffer.name()->string_view();
    bool isOfRows = name == target.buffers()->Get(target.logits())->name()->string_view() ||
                    (sampled && name == sampled->name()->string_view());
    made.buffers.push_back({static_cast<double>(buffer.size()), isOfRows});
  }
  for (const WeightUse &use : made.weights)
    multiplies |= use.role == Role::Matrix || use.role == Role::Experts;
  made.attends = made.group && !multiplies;
  if (made.attends)
    made.width = queryWidth(made);
  list.push_back(std::move(made));
}

/// From the weights of its layer; where they do not tell, from its largest buffer, which is the queries or what comes
/// of them.
double StepWork::queryWidth(const Launch &of) const {
  if (of.layer && *of.layer < widths.size() && widths[*of.layer] > 0)
    return widths[*of.layer];
  double largest = 0;
  for (const BufferUse &buffer : of.buffers)
    largest = std::max(largest, buffer.bytes);
  double element = plan.model()->precision()->string_view() == "f32" ? 4 : 2;
  return of.maxTokens > 0 ? largest / of.maxTokens / element : 0;
}

uint32_t StepWork::programFor(uint64_t tokens) const {
  uint32_t last = 0;
  for (uint32_t i = 0; i < limits.size(); ++i) {
    if (!limits[i])
      continue;
    last = i;
    if (limits[i] >= tokens)
      return i;
  }
  return last;
}

std::optional<uint32_t> StepWork::samplingProgram() const {
  for (uint32_t i = 0; i < limits.size(); ++i)
    if (!limits[i])
      return i;
  return std::nullopt;
}

std::string StepWork::purpose(uint32_t launch) const {
  const Launch &of = list[launch];
  std::string products, others;
  for (const WeightUse &use : of.weights) {
    const schema::Weight &weight = *plan.weights()->Get(use.index);
    bool isProduct = use.role == Role::Matrix || use.role == Role::Experts;
    if (!isProduct && isTable(weight))
      continue;
    std::string &to = isProduct ? products : others;
    if (to.size() <= longestPurpose)
      to += (to.empty() ? "" : ", ") + shortWeightName(weight.name()->string_view());
  }
  if (of.attends)
    return "cache " + shortened(plan.cache_groups()->Get(*of.group)->name()->string_view(), longestPurpose);
  if (products.empty() && others.empty())
    return of.overRows ? "logits" : of.writesHistory ? "history of tokens" : "";
  return shortened(products.empty() ? others : products, longestPurpose);
}

double StepWork::expertsHit(double tokens) const {
  if (experts <= 0)
    return 0;
  return tokens == 1 ? chosen : experts * (1 - power(1 - chosen / experts, static_cast<uint64_t>(tokens)));
}

std::vector<uint32_t> StepWork::matrices(uint32_t launch) const {
  std::vector<uint32_t> indexes;
  for (const WeightUse &use : list[launch].weights)
    if (use.role == Role::Matrix || use.role == Role::Experts)
      indexes.push_back(use.index);
  return indexes;
}

Work StepWork::ofWeight(const WeightUse &use, const Launch &launch, const StepShape &shape) const {
  const schema::Weight &weight = *plan.weights()->Get(use.index);
  auto bytes = static_cast<double>(weight.size());
  double elements = elementsOf(weight), rows = launch.overRows ? shape.rows : shape.tokens;
  double first = weight.shape()->size() ? std::max<double>(static_cast<double>(weight.shape()->Get(0)), 1) : 1;
  switch (use.role) {
  case Role::Whole:
    return {bytes, 0};
  case Role::Gathered:
    return {bytes / first * std::min(rows, first), 0};
  case Role::Matrix:
    return {bytes, 2 * elements * rows};
  case Role::Experts:
    return {bytes / first * std::min(expertsHit(shape.tokens), first), 2 * elements / first * rows * chosen};
  }
  return {};
}

/// Keys and values of the positions attended to are read once per sequence, those of new tokens written once.
Work StepWork::ofCache(const Launch &launch, const StepShape &shape) const {
  const schema::CacheGroup &group = *plan.cache_groups()->Get(*launch.group);
  double layers = std::max<double>(group.layers()->size(), 1);
  double perPosition = static_cast<double>(group.page_bytes()) / std::max<double>(group.page_tokens(), 1) / layers;
  if (!launch.attends)
    return {perPosition * shape.tokens, 0};
  Work work;
  for (const SequenceSpan &span : shape.spans) {
    uint64_t before = group.chunk() ? span.position % group.chunk() : span.position;
    work.bytes += perPosition * (static_cast<double>(before) + static_cast<double>(span.tokens));
    // A multiplication and an addition for the score of a pair, and as many for its value.
    work.flops +=
        4 * launch.width *
        (attendedBelow(span.position + span.tokens, group.chunk()) - attendedBelow(span.position, group.chunk()));
  }
  return work;
}

Work StepWork::of(uint32_t launch, const StepShape &shape) const {
  const Launch &of = list[launch];
  Work work;
  for (const WeightUse &use : of.weights)
    work += ofWeight(use, of, shape);
  if (of.group)
    work += ofCache(of, shape);
  // Four bytes of a token or row, of each input, and of the history.
  work.bytes += 4 * (of.overRows ? shape.rows : shape.tokens) * (of.inputs + (of.writesHistory ? 1 : 0));
  const schema::Limits &maxima = *plan.limits();
  for (const BufferUse &buffer : of.buffers) {
    double most = buffer.isOfRows ? maxima.max_logit_rows() : of.maxTokens;
    double rows = buffer.isOfRows || of.overRows ? shape.rows : shape.tokens;
    work.bytes += most > 0 ? buffer.bytes * std::min(rows / most, 1.0) : 0;
  }
  return work;
}
