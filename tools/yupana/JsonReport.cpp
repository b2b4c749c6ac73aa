// SPDX-License-Identifier: Apache-2.0
//
// The report of `yupana inspect` as one JSON object. Keys stand in a fixed order and are only ever added to, since
// scripts read them; text from a plan that is not UTF-8 is replaced and not refused.

#include "tools/yupana/PlanReport.h"
#include "tools/yupana/PlanWork.h"

#include "compiler/Support/Printable.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <string>

using namespace yupana;
using Json = nlohmann::ordered_json;

namespace {

/// The float as the shortest decimal that means it, not as the double next to it: 0.9 and not 0.8999999761581421.
double shortest(float value) { return std::stod(fmt::format("{}", value)); }

/// The numbers of a vector that a plan need not have.
template <typename Vector> Json listOf(const Vector *values) {
  Json list = Json::array();
  if (values)
    for (auto value : *values)
      list.push_back(value);
  return list;
}

/// Null where the plan says nothing of how to generate.
Json generationJson(const schema::Generation *generation) {
  if (!generation)
    return nullptr;
  return {{"do_sample", generation->do_sample()},   {"temperature", shortest(generation->temperature())},
          {"top_k", generation->top_k()},           {"top_p", shortest(generation->top_p())},
          {"min_p", shortest(generation->min_p())}, {"repetition_penalty", shortest(generation->repetition_penalty())}};
}

Json modelJson(const schema::Plan &plan) {
  const schema::Model &model = *plan.model();
  Json json = {{"name", model.name()->str()},
               {"architecture", model.architecture()->str()},
               {"precision", model.precision()->str()},
               {"layers", model.layers()},
               {"hidden_size", model.hidden_size()},
               {"vocab_size", model.vocab_size()},
               {"parameters", model.parameters()},
               // Negative numbers stand for no token.
               {"bos_token", model.bos_token() < 0 ? Json() : Json(model.bos_token())},
               {"stop_tokens", listOf(model.stop_tokens())},
               {"generation", generationJson(model.generation())}};
  // 0 where the plan does not record it.
  if (model.active_parameters())
    json["active_parameters"] = model.active_parameters();
  return json;
}

Json limitsJson(const schema::Limits &limits) {
  return {{"max_context", limits.max_context()},
          {"max_batch", limits.max_batch()},
          {"max_step_tokens", limits.max_step_tokens()},
          {"max_logit_rows", limits.max_logit_rows()}};
}

Json tokenizerJson(const PlanTokenizer &tokenizer) {
  const schema::TokenizerHeader &header = tokenizer.section.header;
  // Null without a chat format.
  Json chat;
  if (tokenizer.hasChat()) {
    for (uint32_t part = 0; part < schema::kChatPartCount; ++part)
      chat[chatPartNames[part]] = tokenizer.section.chat_part(static_cast<schema::ChatPart>(part));
    chat["trimmed"] = trimmedRoles(tokenizer);
    chat["omits_empty_system"] = tokenizer.hasFlag(schema::kChatOmitEmptySystem);
  }
  return {{"ids", header.id_count},
          {"words", header.word_count},
          {"merges", header.merge_count},
          {"added_tokens", header.added_count},
          {"begin_token", header.begin_token == schema::kNoToken ? Json() : Json(header.begin_token)},
          {"chat", std::move(chat)}};
}

Json sectionsJson(const OpenedPlan &plan) {
  Json list = Json::array();
  for (uint32_t i = 0; i < yupana_plan_section_count(plan.get()); ++i) {
    yupana_section_info_t info = plan.section(i);
    list.push_back({{"kind", sectionKindName(info.kind)},
                    {"offset", info.offset},
                    {"bytes", info.bytes},
                    {"alignment", info.alignment},
                    {"sha256", digestText(info.digest)}});
  }
  return list;
}

/// What a link's kind does not use is 0 in the plan and left out here. A transpose names `rank` axes.
Json linkJson(const schema::Link &link, uint32_t rank) {
  Json json = {{"kind", schema::EnumNameLinkKind(link.kind())}};
  switch (link.kind()) {
  case schema::LinkKind::stack:
    json["size"] = link.size();
    break;
  case schema::LinkKind::slice:
    json.update({{"axis", link.axis()}, {"offset", link.offset()}, {"size", link.size()}, {"step", link.step()}});
    break;
  case schema::LinkKind::transpose:
    for (uint32_t axis = 0; axis < rank; ++axis)
      json["permutation"].push_back(link.permutation()->Get(axis));
    break;
  case schema::LinkKind::convert:
    json["element"] = schema::EnumNameElementType(link.element());
    break;
  }
  return json;
}

Json partsJson(const schema::Weight &weight) {
  Json list = Json::array();
  for (uint32_t i = 0; weight.parts() && i < weight.parts()->size(); ++i) {
    const schema::WeightPart &part = *weight.parts()->Get(i);
    Json tensors = Json::array(), links = Json::array();
    for (const flatbuffers::String *tensor : *part.tensors())
      tensors.push_back(tensor->str());
    uint32_t rank = part.shape()->size();
    for (const schema::Link *link : *part.links()) {
      // Stacking adds an axis, which later transposes name as well.
      rank += link->kind() == schema::LinkKind::stack;
      links.push_back(linkJson(*link, rank));
    }
    list.push_back({{"tensors", std::move(tensors)},
                    {"element", schema::EnumNameElementType(part.element())},
                    {"shape", listOf(part.shape())},
                    {"links", std::move(links)}});
  }
  return list;
}

Json weightsJson(const schema::Plan &plan) {
  Json list = Json::array();
  for (const schema::Weight *weight : *plan.weights()) {
    bool missing = weight->section() == YUPANA_NO_SECTION;
    list.push_back({{"name", weight->name()->str()},
                    {"element", schema::EnumNameElementType(weight->element())},
                    {"shape", listOf(weight->shape())},
                    {"layout", weight->layout()->str()},
                    {"section", missing ? Json() : Json(weight->section())},
                    {"offset", weight->offset()},
                    {"bytes", weight->size()},
                    {"source", weight->source() ? weight->source()->str() : ""},
                    {"parts", partsJson(*weight)},
                    {"run", weight->run()}});
    // Plans with their weights need not have digests of them.
    if (weight->digest())
      list.back()["sha256"] = digestText(weight->digest()->data());
  }
  return list;
}

Json groupsJson(const schema::Plan &plan) {
  Json list = Json::array();
  for (const schema::CacheGroup *group : *plan.cache_groups())
    list.push_back({{"name", group->name()->str()},
                    {"layers", listOf(group->layers())},
                    {"chunk", group->chunk() ? Json(group->chunk()) : Json()},
                    {"page_tokens", group->page_tokens()},
                    {"page_bytes", group->page_bytes()}});
  return list;
}

Json arenasJson(const schema::Target &target) {
  Json list = Json::array();
  for (uint32_t i = 0; i < target.arenas()->size(); ++i) {
    const schema::Arena &arena = *target.arenas()->Get(i);
    // A plan states how large an arena is; how much of it is in use at once follows from its buffers.
    ArenaUse use = arenaUseOf(target, i);
    Json buffers = Json::array();
    for (const schema::Buffer *buffer : *target.buffers())
      if (buffer->arena() == i)
        buffers.push_back({{"name", buffer->name()->str()},
                           {"offset", buffer->offset()},
                           {"bytes", buffer->size()},
                           {"first_launch", buffer->first_launch()},
                           {"last_launch", buffer->last_launch()}});
    list.push_back({{"name", arena.name()->str()},
                    {"bytes", arena.size()},
                    {"workspace", arena.workspace()},
                    {"peak_bytes", use.peak},
                    {"peak_launch", use.peakLaunch},
                    {"buffers", std::move(buffers)}});
  }
  return list;
}

Json programsJson(const schema::Plan &plan, const schema::Target &target) {
  Json list = Json::array();
  for (const schema::StepProgram *program : *target.programs()) {
    Json launches = Json::array();
    std::vector<std::optional<uint32_t>> layers = layersOf(plan, *program);
    for (uint32_t i = 0; i < layers.size(); ++i) {
      const schema::Launch &launch = *program->launches()->Get(i);
      launches.push_back(
          {{"kernel", shortSymbol(*target.kernels()->Get(launch.kernel()))}, {"grid", gridText(launch)}});
      // Only on a GPU, where a launch has blocks.
      if (launch.threads())
        launches.back().update({{"threads", launch.threads()}, {"shared_bytes", launch.shared_bytes()}});
      if (layers[i])
        launches.back()["layer"] = *layers[i];
    }
    list.push_back({{"function", schema::EnumNameFunction(program->function())},
                    {"max_tokens", program->max_tokens()},
                    {"launches", std::move(launches)}});
  }
  return list;
}

/// What typical steps move and compute; the same numbers as in the page, and none of them measured.
Json stepsJson(const schema::Plan &plan, const schema::Target &target) {
  Json list = Json::array();
  for (const StepView &view : stepViews(plan, target)) {
    Json launches = Json::array();
    for (const LaunchView &launch : view.launches)
      launches.push_back({{"on", launch.purpose},
                          {"tile", launch.tile},
                          // Null where the number of cells depends on the device.
                          {"cells", launch.cells ? Json(*launch.cells) : Json()},
                          {"bytes", wholeNumber(launch.work.bytes)},
                          {"flops", wholeNumber(launch.work.flops)}});
    list.push_back({{"name", view.name},
                    {"tokens", view.tokens},
                    {"position", view.position},
                    {"program", view.program},
                    {"launches", std::move(launches)}});
  }
  return list;
}

Json memoryJson(const MemoryTotals &totals) {
  return {{"weights", totals.weights}, {"activations", totals.activations},
          {"cache", totals.cache},     {"inputs", totals.inputs},
          {"code", totals.code},       {"scratch_per_thread", totals.scratchPerThread},
          {"total", totals.total()}};
}

Json imagesJson(const schema::Kernel &kernel) {
  Json list = Json::array();
  for (const schema::KernelImage *image : *kernel.images()) {
    list.push_back({{"section", image->section()}, {"format", schema::EnumNameImageFormat(image->format())}});
    // A CPU's image says nothing of this.
    if (image->format() != schema::ImageFormat::elf_x86_64)
      list.back().update({{"registers", image->registers()},
                          {"shared_bytes", image->shared_bytes()},
                          {"spill_bytes", image->spill_bytes()}});
  }
  return list;
}

Json targetJson(const OpenedPlan &plan, uint32_t index) {
  const schema::Target &target = *plan.metadata().targets()->Get(index);
  Fit fit = fitOf(plan, index);
  // Counted once per program: a plan may have as many kernels as launches.
  std::vector<std::vector<uint32_t>> programCounts;
  for (const schema::StepProgram *program : *target.programs())
    programCounts.push_back(kernelCounts(target, *program));
  Json kernels = Json::array();
  for (uint32_t i = 0; i < target.kernels()->size(); ++i) {
    const schema::Kernel &kernel = *target.kernels()->Get(i);
    Json counts = Json::array();
    for (const std::vector<uint32_t> &ofProgram : programCounts)
      counts.push_back(ofProgram[i]);
    kernels.push_back({{"symbol", kernel.symbol()->str()},
                       {"arguments", kernel.arguments()},
                       {"scratch_bytes", kernel.scratch_bytes()},
                       {"images", imagesJson(kernel)},
                       {"launches", std::move(counts)}});
  }
  return {{"name", target.name()->str()},
          {"fit", fit.verdict},
          {"reason", fit.reason},
          {"code_sections", codeSectionsOf(target)},
          {"memory", memoryJson(memoryOf(plan, target))},
          {"arenas", arenasJson(target)},
          {"kernels", std::move(kernels)},
          {"programs", programsJson(plan.metadata(), target)},
          {"steps", stepsJson(plan.metadata(), target)}};
}

} // namespace

std::string yupana::jsonReport(const OpenedPlan &plan, const PlanTokenizer *tokenizer) {
  const schema::Plan &root = plan.metadata();
  Json targets = Json::array();
  for (uint32_t i = 0; i < root.targets()->size(); ++i)
    targets.push_back(targetJson(plan, i));
  Json report = {{"plan", yupana_plan_name(plan.get())},
                 {"producer", root.producer()->str()},
                 {"bytes", yupana_plan_file_bytes(plan.get())},
                 {"model", modelJson(root)},
                 {"limits", limitsJson(*root.limits())},
                 {"missing_weights", yupana_plan_missing_weights(plan.get())},
                 {"sections", sectionsJson(plan)},
                 {"weights", weightsJson(root)},
                 {"cache_groups", groupsJson(root)},
                 {"targets", std::move(targets)}};
  if (tokenizer)
    report["tokenizer"] = tokenizerJson(*tokenizer);
  // A path need not be UTF-8, which JSON is.
  return escapeControls(report.dump(2, ' ', false, Json::error_handler_t::replace)) + "\n";
}
