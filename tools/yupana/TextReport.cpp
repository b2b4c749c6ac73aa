// SPDX-License-Identifier: Apache-2.0
//
// The report of `yupana inspect` for people: tables of fixed columns, bytes exactly where they are compared with one
// another, and a drawing of each arena over the launches of a step, which shows at a glance what keeps it from being
// smaller.

#include "compiler/Support/Printable.h"
#include "tools/support/ProgressBar.h"
#include "tools/yupana/PlanReport.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

using namespace yupana;

namespace {

/// Columns of the drawing of an arena; a column stands for one launch or for several.
constexpr uint32_t drawingColumns = 64;
/// Widest column of names: every line is as wide, so a longer name stands out of it alone.
constexpr size_t widestName = 60;

/// Text from a plan goes to a terminal: opening it has refused names with control characters.
template <typename... Args> void add(std::string &out, fmt::format_string<Args...> format, Args &&...args) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
}

template <typename Vector> std::string joined(const Vector *values, std::string_view between) {
  return values ? fmt::format("{}", fmt::join(values->begin(), values->end(), between)) : "";
}

/// "12,345": the bytes exactly, for columns.
std::string grouped(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t at = digits.size(); at > 3; at -= 3)
    digits.insert(at - 3, ",");
  return digits;
}

void addModel(std::string &out, const OpenedPlan &plan) {
  const schema::Plan &root = plan.metadata();
  const schema::Model &model = *root.model();
  const schema::Limits &limits = *root.limits();
  add(out, "{}\n", yupana_plan_name(plan.get()));
  add(out, "  written by   {}\n", root.producer()->c_str());
  add(out, "  bytes        {}\n", grouped(yupana_plan_file_bytes(plan.get())));
  add(out, "  model        {}, {}\n", model.name()->c_str(), model.architecture()->c_str());
  add(out, "               {} layers, hidden size {}, vocabulary {}\n", model.layers(), model.hidden_size(),
      model.vocab_size());
  add(out, "  parameters   {}{}\n", grouped(model.parameters()),
      model.active_parameters() ? ", of which " + grouped(model.active_parameters()) + " take part in one token" : "");
  add(out, "  precision    {}\n", model.precision()->c_str());
  // Negative numbers stand for no token.
  std::string begin = model.bos_token() < 0 ? "none" : std::to_string(model.bos_token());
  bool stops = model.stop_tokens() && model.stop_tokens()->size();
  // Empty and absent lists mean the same.
  add(out, "  tokens       begin {}, stop {}\n", begin, stops ? joined(model.stop_tokens(), " ") : "none");
  if (const schema::Generation *generation = model.generation())
    add(out, "  generation   {}, temperature {}, top k {}, top p {}, min p {}, repetition penalty {}\n",
        generation->do_sample() ? "sampled" : "greedy", generation->temperature(), generation->top_k(),
        generation->top_p(), generation->min_p(), generation->repetition_penalty());
  add(out, "  limits       context {}, batch {}, step tokens {}, logit rows {}\n", limits.max_context(),
      limits.max_batch(), limits.max_step_tokens(), limits.max_logit_rows());
  if (uint32_t missing = yupana_plan_missing_weights(plan.get()))
    add(out, "  weights      {} of {} are not in the file: fill it with yupana refit\n", missing,
        root.weights()->size());
}

/// A text as JSON writes it, so that line ends, quotes and control characters show.
std::string quoted(std::string_view text) {
  return escapeControls(nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

void addTokenizer(std::string &out, const PlanTokenizer *tokenizer) {
  if (!tokenizer) {
    add(out, "  tokenizer    none: the plan runs on token ids\n");
    return;
  }
  const schema::TokenizerHeader &header = tokenizer->section.header;
  std::string begin =
      header.begin_token == schema::kNoToken ? "nothing" : quoted(tokenizer->section.token(header.begin_token));
  add(out, "  tokenizer    {} ids, {} words, {} merges, {} added tokens; a prompt begins with {}\n", header.id_count,
      header.word_count, header.merge_count, header.added_count, begin);
  if (!tokenizer->hasChat()) {
    add(out, "  chat format  none\n");
    return;
  }
  for (uint32_t part = 0; part < schema::kChatPartCount; ++part)
    add(out, "  {:<12} {:<10} {}\n", part ? "" : "chat format", chatPartNames[part],
        quoted(tokenizer->section.chat_part(static_cast<schema::ChatPart>(part))));
  std::vector<std::string> trimmed = trimmedRoles(*tokenizer);
  add(out, "  {:<12} {:<10} {}{}\n", "", "trimmed",
      trimmed.empty() ? "none" : fmt::format("{}", fmt::join(trimmed, ", ")),
      tokenizer->hasFlag(schema::kChatOmitEmptySystem) ? "; an empty system message is left out" : "");
}

/// The digests are in full, as sha256sum prints them.
void addSections(std::string &out, const OpenedPlan &plan) {
  add(out, "\nSections\n  {:>3}  {:<14}  {:>18}  {:>18}  SHA-256\n", "no", "kind", "offset", "bytes");
  for (uint32_t i = 0; i < yupana_plan_section_count(plan.get()); ++i) {
    yupana_section_info_t info = plan.section(i);
    add(out, "  {:>3}  {:<14}  {:>18}  {:>18}  {}\n", i, sectionKindName(info.kind), grouped(info.offset),
        grouped(info.bytes), digestText(info.digest));
  }
}

void addWeights(std::string &out, const schema::Plan &root) {
  // Never narrower than the heading.
  size_t width = 4;
  for (const schema::Weight *weight : *root.weights())
    width = std::clamp<size_t>(weight->name()->size(), width, widestName);
  add(out, "\nWeights\n  {:<{}}  {:<9}  {:<4}  {:>18}  {:>18}  shape; source\n", "name", width, "layout", "type",
      "offset", "bytes");
  for (const schema::Weight *weight : *root.weights())
    add(out, "  {:<{}}  {:<9}  {:<4}  {:>18}  {:>18}  [{}]; {}\n", weight->name()->c_str(), width,
        weight->layout()->c_str(), schema::EnumNameElementType(weight->element()),
        weight->section() == YUPANA_NO_SECTION ? "not in the file" : grouped(weight->offset()), grouped(weight->size()),
        joined(weight->shape(), ", "), weight->source() ? weight->source()->c_str() : "");
}

void addCacheGroups(std::string &out, const OpenedPlan &plan) {
  const schema::Plan &root = plan.metadata();
  if (root.cache_groups()->size() == 0)
    return;
  add(out, "\nCache groups\n");
  for (const schema::CacheGroup *group : *root.cache_groups()) {
    std::string keeps = group->chunk() ? fmt::format("the current chunk of {}", group->chunk()) : "every position";
    add(out, "  {}: keeps {}, pages of {} tokens and {} bytes, layers {}\n", group->name()->c_str(), keeps,
        group->page_tokens(), grouped(group->page_bytes()), joined(group->layers(), " "));
  }
  uint32_t context = root.limits()->max_context();
  add(out, "  one sequence of {} positions takes {} bytes, {} of them {}\n", context,
      grouped(yupana_plan_kv_bytes(plan.get(), context, 1)), root.limits()->max_batch(),
      grouped(yupana_plan_kv_bytes(plan.get(), uint64_t{context} * root.limits()->max_batch(), 0)));
}

void addMemory(std::string &out, const MemoryTotals &totals) {
  add(out, "  memory at the compiled maxima, with room for one sequence of the longest context\n");
  for (auto [name, bytes] : {std::pair<const char *, uint64_t>{"weights", totals.weights},
                             {"activations", totals.activations},
                             {"cache", totals.cache},
                             {"step inputs", totals.inputs},
                             {"code", totals.code}})
    add(out, "    {:<12}  {:>18}\n", name, grouped(bytes));
  // Not in the total: how many threads there are is for the run to say.
  add(out, "    {:<12}  {:>18}  {}, and {} bytes of scratch per thread\n", "total", grouped(totals.total()),
      formatBytes(static_cast<double>(totals.total())), grouped(totals.scratchPerThread));
}

/// "2 gemm_3, map_4": the kernels of some launches, in the order they first run, so that lines of like layers read
/// alike.
std::string kernelList(const schema::Target &target, const std::vector<uint32_t> &kernels) {
  std::vector<uint32_t> order;
  std::map<uint32_t, size_t> counts;
  for (uint32_t kernel : kernels)
    if (++counts[kernel] == 1)
      order.push_back(kernel);
  std::string list;
  for (uint32_t kernel : order) {
    size_t count = counts[kernel];
    list += fmt::format("{}{}{}", list.empty() ? "" : ", ", count > 1 ? std::to_string(count) + " " : "",
                        shortSymbol(*target.kernels()->Get(kernel)));
  }
  return list;
}

/// The launches of each layer; layers that launch the same kernels share a line.
void addLayers(std::string &out, const schema::Plan &root, const schema::Target &target,
               const schema::StepProgram &program) {
  // By layer, with launches outside layers first.
  std::map<std::optional<uint32_t>, std::vector<uint32_t>> launches;
  std::vector<std::optional<uint32_t>> layers = layersOf(root, program);
  for (uint32_t i = 0; i < layers.size(); ++i)
    launches[layers[i]].push_back(program.launches()->Get(i)->kernel());
  std::vector<std::pair<std::vector<uint32_t>, std::vector<uint32_t>>> lines; ///< Layers, and what each launches.
  std::map<std::vector<uint32_t>, size_t> lineOf;                             ///< By what its layers launch.
  for (const auto &[layer, kernels] : launches) {
    // What stands outside layers has a line of its own.
    size_t line = layer ? lineOf.emplace(kernels, lines.size()).first->second : lines.size();
    if (line == lines.size())
      lines.push_back({{}, kernels});
    if (layer)
      lines[line].first.push_back(*layer);
  }
  for (const auto &[numbers, kernels] : lines)
    add(out, "    {}{}: {} launches, {}\n",
        numbers.empty()       ? "outside layers"
        : numbers.size() == 1 ? "layer "
                              : "layers ",
        fmt::join(numbers, " "), kernels.size(), kernelList(target, kernels));
}

/// ", 168 registers, 49,152 bytes shared": what a block takes of a multiprocessor, as far as the images say it; empty
/// for a CPU. Shared memory is what the code fixes and what a launch adds, at most `shared`.
std::string resourcesOf(const schema::Kernel &kernel, uint64_t shared) {
  std::string text;
  // A target of one kind of device has images for it alone, so that one of a GPU settles it.
  bool isHost = true;
  for (const schema::KernelImage *image : *kernel.images()) {
    isHost = isHost && image->format() == schema::ImageFormat::elf_x86_64;
    if (image->format() != schema::ImageFormat::cubin)
      continue;
    // What the code fixes comes on top of what a launch adds.
    shared += image->shared_bytes();
    text = fmt::format(", {} registers", image->registers());
    if (image->spill_bytes())
      text += fmt::format(", {} bytes spilled", grouped(image->spill_bytes()));
  }
  return isHost ? "" : fmt::format("{}, {} bytes shared", text, grouped(shared));
}

void addKernels(std::string &out, const schema::Plan &root, const schema::Target &target) {
  for (const schema::StepProgram *program : *target.programs()) {
    bool step = program->function() == schema::Function::step;
    uint32_t launches = program->launches()->size();
    std::string limit = step ? fmt::format(" for at most {} tokens", program->max_tokens()) : "";
    add(out, "  program {}{}: {} launches", schema::EnumNameFunction(program->function()), limit, launches);
    if (step && root.model()->layers() > 0)
      add(out, ", {:.1f} per layer", static_cast<double>(launches) / root.model()->layers());
    add(out, "\n");
    std::vector<uint32_t> counts = kernelCounts(target, *program);
    std::vector<uint64_t> shared(counts.size()); ///< What launches add.
    for (const schema::Launch *launch : *program->launches())
      shared[launch->kernel()] = std::max<uint64_t>(shared[launch->kernel()], launch->shared_bytes());
    for (uint32_t i = 0; i < counts.size(); ++i)
      if (const schema::Kernel &kernel = *target.kernels()->Get(i); counts[i])
        add(out, "    {:>5} x  {}, {} arguments{}\n", counts[i], shortSymbol(kernel), kernel.arguments(),
            resourcesOf(kernel, shared[i]));
    if (step)
      addLayers(out, root, target, *program);
  }
}

/// "..####..": in which launches a buffer is in use. A column counts as used if any of its launches is, so that short
/// lives show. A buffer lives at a launch, so there is at least one.
std::string drawLife(const schema::Buffer &buffer, uint32_t launches) {
  uint32_t columns = std::min(launches, drawingColumns);
  std::string line(columns, '.');
  auto column = [&](uint32_t launch) { return static_cast<size_t>(uint64_t{launch} * columns / launches); };
  for (size_t i = column(buffer.first_launch()); i <= column(buffer.last_launch()); ++i)
    line[i] = '#';
  return line;
}

void addArena(std::string &out, const schema::Target &target, uint32_t index) {
  const schema::Arena &arena = *target.arenas()->Get(index);
  ArenaUse use = arenaUseOf(target, index);
  uint32_t launches = launchCount(target);
  add(out, "  {} {}: {} bytes; {} are in use at once, at launch {} of {}\n", arena.workspace() ? "workspace" : "arena",
      arena.name()->c_str(), grouped(arena.size()), grouped(use.peak), use.peakLaunch, launches);
  std::vector<const schema::Buffer *> buffers;
  // Never narrower than the heading.
  size_t width = 4;
  for (const schema::Buffer *buffer : *target.buffers())
    if (buffer->arena() == index) {
      buffers.push_back(buffer);
      width = std::clamp<size_t>(buffer->name()->size(), width, widestName);
    }
  // By place, so that neighbours in memory are neighbours in the drawing.
  std::sort(buffers.begin(), buffers.end(), [](const schema::Buffer *a, const schema::Buffer *b) {
    return std::pair(a->offset(), a->first_launch()) < std::pair(b->offset(), b->first_launch());
  });
  add(out, "    {:<{}}  {:>15}  {:>15}  {:>11}  launches 0 to {}, left to right\n", "name", width, "offset", "bytes",
      "in use", launches ? launches - 1 : 0);
  for (const schema::Buffer *buffer : buffers)
    add(out, "    {:<{}}  {:>15}  {:>15}  {:>11}  {}\n", buffer->name()->c_str(), width, grouped(buffer->offset()),
        grouped(buffer->size()), fmt::format("{}-{}", buffer->first_launch(), buffer->last_launch()),
        drawLife(*buffer, launches));
}

void addTarget(std::string &out, const OpenedPlan &plan, uint32_t index) {
  const schema::Plan &root = plan.metadata();
  const schema::Target &target = *root.targets()->Get(index);
  Fit fit = fitOf(plan, index);
  add(out, "\nTarget {}: {} on this machine{}{}\n", target.name()->c_str(), fit.verdict, fit.reason.empty() ? "" : ", ",
      fit.reason);
  addMemory(out, memoryOf(plan, target));
  addKernels(out, root, target);
  for (uint32_t i = 0; i < target.arenas()->size(); ++i)
    addArena(out, target, i);
}

} // namespace

std::string yupana::textReport(const OpenedPlan &plan, const PlanTokenizer *tokenizer) {
  std::string out;
  addModel(out, plan);
  addTokenizer(out, tokenizer);
  addSections(out, plan);
  addWeights(out, plan.metadata());
  addCacheGroups(out, plan);
  for (uint32_t i = 0; i < plan.metadata().targets()->size(); ++i)
    addTarget(out, plan, i);
  return out;
}
