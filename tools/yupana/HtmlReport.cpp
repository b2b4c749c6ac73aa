// SPDX-License-Identifier: Apache-2.0
//
// The report of `yupana inspect` as one page for a browser: from what a plan is, at the top, to every buffer and
// weight, folded away at the ends of sections. It holds everything it needs and no script, and says so to the browser,
// which then refuses whatever a name in a plan might try.

#include "tools/yupana/Html.h"

#include "tools/support/ProgressBar.h"

#include <algorithm>

using namespace yupana;
using namespace yupana::html;

namespace {

/// The policy forbids everything but the styles in the page: no script, no image, no font, no connection.
constexpr const char *head = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
)";

/// "2.27 million": three digits.
std::string inWords(uint64_t number) {
  for (auto [scale, word] : {std::pair<double, const char *>{1e12, "trillion"}, {1e9, "billion"}, {1e6, "million"}})
    if (static_cast<double>(number) >= scale)
      return fmt::format("{:.3g} {}", static_cast<double>(number) / scale, word);
  return grouped(number);
}

/// A fact of the list at the top; `remark` may be empty.
void addFact(std::string &out, std::string_view name, const std::string &value, const std::string &remark = "") {
  add(out, "<div><dt>{}</dt><dd>{}", name, value);
  if (!remark.empty())
    add(out, " <small>{}</small>", remark);
  out += "</dd></div>\n";
}

/// Saturates, as all sums of what a plan claims.
uint64_t weightBytes(const schema::Plan &root) {
  uint64_t sum = 0;
  for (const schema::Weight *weight : *root.weights())
    sum = saturatingSum(sum, weight->size());
  return sum;
}

/// In the words of a sentence that goes on.
std::string stopTokens(const schema::Model &model) {
  if (!model.stop_tokens() || !model.stop_tokens()->size())
    return "stop: none";
  return fmt::format("stop {}", fmt::join(model.stop_tokens()->begin(), model.stop_tokens()->end(), ", "));
}

/// Where the page is found again: what the plan is, and a link to each part.
void addHeader(std::string &out, const OpenedPlan &plan) {
  const schema::Plan &root = plan.metadata();
  const schema::Model &model = *root.model();
  add(out, "<header>\n<p class=\"eyebrow\">Yupana plan</p>\n<h1>{}</h1>\n<p class=\"lede\">{} in {}: {} parameters",
      escaped(model.name()->string_view()), escaped(model.architecture()->string_view()),
      escaped(model.precision()->string_view()), inWords(model.parameters()));
  // Models without experts state the same number twice.
  if (model.active_parameters() && model.active_parameters() != model.parameters())
    add(out, ", of which {} take part in one token", inWords(model.active_parameters()));
  out += ". Compiled for ";
  for (uint32_t i = 0; i < root.targets()->size(); ++i)
    add(out, "{}{}",
        i == 0                            ? ""
        : i + 1 == root.targets()->size() ? " and "
                                          : ", ",
        escaped(root.targets()->Get(i)->name()->string_view()));
  out += ".</p>\n<nav aria-label=\"Contents\">";
  // Ids are made of numbers: a name from a plan could hold anything.
  for (uint32_t i = 0; i < root.targets()->size(); ++i)
    add(out, "<a href=\"#target-{}\">{}</a>", i, escaped(root.targets()->Get(i)->name()->string_view()));
  out += "<a href=\"#by-weight\">Weights</a><a href=\"#cache\">Cache</a><a href=\"#text\">Text</a>"
         "<a href=\"#file\">File</a></nav>\n</header>\n";
}

void addFacts(std::string &out, const OpenedPlan &plan) {
  const schema::Plan &root = plan.metadata();
  const schema::Model &model = *root.model();
  const schema::Limits &limits = *root.limits();
  out += "<dl class=\"facts\" id=\"facts\">\n";
  addFact(out, "File", bytes(yupana_plan_file_bytes(plan.get())));
  addFact(out, "Weights", bytes(weightBytes(root)), fmt::format("{} of them", grouped(root.weights()->size())));
  addFact(out, "Layers", number(model.layers()), fmt::format("hidden size {}", number(model.hidden_size())));
  addFact(out, "Vocabulary", number(model.vocab_size()));
  addFact(out, "Context", number(limits.max_context()), "tokens of a sequence, at most");
  addFact(out, "Sequences", number(limits.max_batch()), "side by side in a step");
  addFact(out, "Step", number(limits.max_step_tokens()),
          fmt::format("tokens, {} rows of logits", number(limits.max_logit_rows())));
  addFact(out, "Parameters",
          fmt::format("<data value=\"{}\">{}</data>", model.parameters(), inWords(model.parameters())),
          model.active_parameters() ? fmt::format("<data value=\"{}\">{}</data> active", model.active_parameters(),
                                                  inWords(model.active_parameters()))
                                    : "");
  out += "</dl>\n";
  if (uint32_t missing = yupana_plan_missing_weights(plan.get()))
    add(out,
        "<p class=\"warn\">{} of {} weights are not in the file: this plan runs once <code>yupana refit</code> has "
        "filled "
        "it.</p>\n",
        number(missing), root.weights()->size());
}

/// The largest parts are the reason to look: the bar shows at once what a plan's memory goes to.
void addMemory(std::string &out, const MemoryTotals &totals, const std::string &prefix) {
  add(out, "<h3>Memory</h3>\n<p class=\"note\">{} with room for one sequence of the longest context{}.</p>\n",
      bytes(totals.total()),
      totals.scratchPerThread ? fmt::format(", and {} of scratch for each thread", bytes(totals.scratchPerThread))
                              : "");
  addBar(out, prefix + "memory",
         {{"Weights", totals.weights},
          {"Activations", totals.activations},
          {"Keys and values", totals.cache},
          {"Step inputs", totals.inputs},
          {"Code", totals.code}});
}

void addKernels(std::string &out, const schema::Target &target, const std::string &prefix) {
  bool isHost = isHostTarget(target);
  add(out, "<details><summary>All {} kernels</summary>\n", target.kernels()->size());
  std::vector<std::string_view> headings = {"Kernel", ">Arguments", ">Launches in all programs"};
  if (isHost)
    headings.push_back(">Scratch of a thread");
  else
    headings.insert(headings.end(), {">Registers", ">Shared", ">Spilled"});
  beginTable(out, prefix + "kernels", "Kernels", headings);
  // Of all programs together, since a kernel may be launched in several of them.
  std::vector<uint64_t> launches(target.kernels()->size());
  for (const schema::StepProgram *program : *target.programs())
    for (const schema::Launch *launch : *program->launches())
      ++launches[launch->kernel()];
  for (uint32_t i = 0; i < target.kernels()->size(); ++i) {
    const schema::Kernel &kernel = *target.kernels()->Get(i);
    add(out, "<tr><th scope=\"row\" class=\"mono\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td>",
        escaped(kernel.symbol()->string_view()), number(kernel.arguments()), number(launches[i]));
    if (isHost) {
      add(out, "<td class=\"n\">{}</td></tr>\n", bytes(kernel.scratch_bytes()));
      continue;
    }
    // A kernel may be there as PTX alone, whose registers are known when a driver has translated it.
    const schema::KernelImage *cubin = nullptr;
    for (const schema::KernelImage *image : *kernel.images())
      if (image->format() == schema::ImageFormat::cubin)
        cubin = image;
    if (cubin)
      add(out, "<td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
          number(cubin->registers()), bytes(cubin->shared_bytes()), bytes(cubin->spill_bytes()));
    else
      out += "<td class=\"n none\">PTX</td><td class=\"n none\">–</td><td class=\"n none\">–</td></tr>\n";
  }
  endTable(out);
  out += "</details>\n";
}

void addTarget(std::string &out, const OpenedPlan &plan, uint32_t index) {
  const schema::Plan &root = plan.metadata();
  const schema::Target &target = *root.targets()->Get(index);
  Fit fit = fitOf(plan, index);
  std::string prefix = fmt::format("t{}-", index);
  add(out, "<section id=\"target-{}\">\n<h2>{} <span class=\"fit {}\">{} here</span></h2>\n", index,
      escaped(target.name()->string_view()), fit.verdict == "incompatible" ? "incompatible" : "runs",
      escaped(fit.verdict));
  // A sentence of the runtime begins with the name of the plan, which stands above.
  std::string_view reason = fit.reason, path = yupana_plan_name(plan.get());
  if (reason.substr(0, path.size()) == path && reason.substr(path.size(), 2) == ": ")
    reason.remove_prefix(path.size() + 2);
  if (!reason.empty())
    add(out, "<p class=\"note\">On this machine: {}.</p>\n", escaped(reason));
  out += "<div class=\"pair\"><div>\n";
  addMemory(out, memoryOf(plan, target), prefix);
  out += "</div><div>\n<h3>Programs</h3>\n<p class=\"note\">A step runs the first whose tokens are enough.</p>\n";
  beginTable(out, prefix + "programs", "Programs", {"Program", ">Tokens, at most", ">Launches"});
  for (const schema::StepProgram *program : *target.programs())
    add(out, "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
        schema::EnumNameFunction(program->function()), number(program->max_tokens()),
        number(program->launches()->size()));
  endTable(out);
  out += "</div></div>\n";
  addSteps(out, root, target, prefix);
  addKernels(out, target, prefix);
  addArenas(out, target, prefix);
  out += "</section>\n";
}

void addCache(std::string &out, const OpenedPlan &plan) {
  const schema::Plan &root = plan.metadata();
  out += "<section id=\"cache\">\n<h2>Cache</h2>\n";
  if (!root.cache_groups()->size()) {
    // A model without attention has none.
    out += "<p class=\"note\">None.</p>\n</section>\n";
    return;
  }
  uint64_t context = root.limits()->max_context();
  uint64_t batch = root.limits()->max_batch();
  add(out, "<p class=\"note\">Keys and values. One sequence of {} positions takes {}, {} of them take {}.</p>\n",
      grouped(context), bytes(yupana_plan_kv_bytes(plan.get(), context, 1)), grouped(batch),
      // The longest context of every sequence at once is more than most machines have, so both ends are told.
      bytes(yupana_plan_kv_bytes(plan.get(), context * batch, 0)));
  beginTable(out, "groups", "Cache groups",
             {"Group", "Keeps", ">Tokens of a page", ">Bytes of a page", ">Layers", "Which"});
  for (const schema::CacheGroup *group : *root.cache_groups())
    add(out,
        "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>"
        "<td class=\"long\">{}</td></tr>\n",
        escaped(group->name()->string_view()),
        group->chunk() ? fmt::format("the current chunk of {}", grouped(group->chunk())) : "every position",
        number(group->page_tokens()), bytes(group->page_bytes()), number(group->layers()->size()),
        fmt::join(group->layers()->begin(), group->layers()->end(), " "));
  endTable(out);
  out += "</section>\n";
}

/// A part of the chat format with its line ends shown.
std::string visible(std::string_view part) {
  std::string marked;
  for (char character : part)
    // Only the mark goes in here; escaped() makes the text safe afterwards.
    marked += character == '\n' ? std::string("↵") : std::string(1, character);
  return part.empty() ? "<span class=\"none\">nothing</span>" : "<code>" + escaped(marked) + "</code>";
}

/// Ids and default ways to choose tokens, then the tokenizer, then the chat format: each is there only with the one
/// before it, and a plan may end after any.
void addText(std::string &out, const schema::Plan &root, const PlanTokenizer *tokenizer) {
  const schema::Model &model = *root.model();
  out += "<section id=\"text\">\n<h2>Text</h2>\n";
  add(out, "<p class=\"note\">{}, {}.",
      model.bos_token() < 0 ? "No begin token" : fmt::format("Begin token {}", model.bos_token()), stopTokens(model));
  if (const schema::Generation *generation = model.generation())
    add(out, " By default {}: temperature {}, top k {}, top p {}, min p {}, repetition penalty {}.",
        generation->do_sample() ? "sampled" : "greedy", generation->temperature(), generation->top_k(),
        generation->top_p(), generation->min_p(), generation->repetition_penalty());
  out += "</p>\n";
  if (!tokenizer) {
    out += "<p class=\"note\">No tokenizer: the plan runs on token ids.</p>\n</section>\n";
    return;
  }
  const schema::TokenizerHeader &header = tokenizer->section.header;
  out += "<dl class=\"facts\" id=\"tokenizer\">\n";
  addFact(out, "Token ids", number(header.id_count));
  addFact(out, "Words", number(header.word_count));
  addFact(out, "Merges", number(header.merge_count));
  addFact(out, "Added tokens", number(header.added_count));
  out += "</dl>\n";
  if (!tokenizer->hasChat()) {
    out += "<p class=\"note\">No chat format.</p>\n</section>\n";
    return;
  }
  out += "<h3>Chat format</h3>\n";
  beginTable(out, "chat", "Chat format", {"Part", "Text"});
  for (uint32_t part = 0; part < schema::kChatPartCount; ++part)
    add(out, "<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", chatPartNames[part],
        visible(tokenizer->section.chat_part(static_cast<schema::ChatPart>(part))));
  std::vector<std::string> trimmed = trimmedRoles(*tokenizer);
  add(out, "<tr><th scope=\"row\">trimmed</th><td>{}</td></tr>\n",
      trimmed.empty() ? "none" : fmt::format("{}", fmt::join(trimmed, ", ")));
  endTable(out);
  out += "</section>\n";
}

void addFile(std::string &out, const OpenedPlan &plan) {
  out += "<section id=\"file\">\n<h2>File</h2>\n";
  // Sections by their kind, since a plan for several machines has dozens of code sections.
  std::vector<Part> kinds;
  uint32_t count = yupana_plan_section_count(plan.get());
  for (uint32_t i = 0; i < count; ++i) {
    yupana_section_info_t info = plan.section(i);
    std::string name = sectionKindName(info.kind);
    auto same = std::find_if(kinds.begin(), kinds.end(), [&](const Part &part) { return part.name == name; });
    if (same == kinds.end())
      kinds.push_back({name, info.bytes});
    else
      same->bytes += info.bytes;
  }
  sortBySize(kinds);
  addBar(out, "section-kinds", kinds);
  add(out, "<details><summary>All {} sections</summary>\n", count);
  beginTable(out, "sections", "Sections", {"Section", ">Offset", ">Bytes", ">Alignment", "SHA-256"});
  for (uint32_t i = 0; i < count; ++i) {
    yupana_section_info_t info = plan.section(i);
    add(out,
        "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>"
        "<td class=\"mono faint\">{}</td></tr>\n",
        sectionKindName(info.kind), number(info.offset), bytes(info.bytes), number(info.alignment),
        digestText(info.digest));
  }
  endTable(out);
  out += "</details>\n</section>\n";
}

} // namespace

std::string yupana::htmlReport(const OpenedPlan &plan, const PlanTokenizer *tokenizer) {
  const schema::Plan &root = plan.metadata();
  std::string out = head;
  add(out, "<title>{} · Yupana plan</title>\n<style>{}</style>\n</head>\n<body>\n",
      escaped(root.model()->name()->string_view()), style);
  addHeader(out, plan);
  out += "<main>\n";
  addFacts(out, plan);
  for (uint32_t i = 0; i < root.targets()->size(); ++i)
    addTarget(out, plan, i);
  html::addWeights(out, root);
  addCache(out, plan);
  addText(out, root, tokenizer);
  addFile(out, plan);
  // The folder is left out: the page may be sent to others.
  std::string_view path = yupana_plan_name(plan.get());
  add(out, "</main>\n<footer>{}, written by {}; described by yupana inspect --html.</footer>\n</body>\n</html>\n",
      escaped(path.substr(path.rfind('/') + 1)), escaped(root.producer()->string_view()));
  return out;
}
