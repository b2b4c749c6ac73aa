// SPDX-License-Identifier: Apache-2.0
//
// Weights, from few words to all: by packed form, by what they are in every layer, one by one. A plan for several
// machines holds a weight once per form, which is what makes it large; the first table shows it.

#include "tools/yupana/Html.h"

#include "tools/support/Layers.h"
#include "tools/support/ProgressBar.h"

#include <algorithm>
#include <map>
#include <tuple>

using namespace yupana;
using namespace yupana::html;

namespace {

std::string shapeOf(const schema::Weight &weight) {
  return fmt::format("{}", fmt::join(weight.shape()->begin(), weight.shape()->end(), " × "));
}

/// Weights that differ in their layer alone.
struct Kind {
  std::string name, shape, form, element;
  uint64_t count = 0, bytes = 0;
};

std::vector<Kind> kindsOf(const schema::Plan &plan) {
  std::map<std::tuple<std::string, std::string, std::string, std::string>, size_t> places;
  std::vector<Kind> kinds;
  for (const schema::Weight *weight : *plan.weights()) {
    Kind kind = {shortWeightName(weight->name()->string_view()), shapeOf(*weight), weight->layout()->str(),
                 schema::EnumNameElementType(weight->element())};
    // By everything that is shown, so that a row never mixes weights that differ in what it says.
    auto [place, isNew] = places.insert({{kind.name, kind.shape, kind.form, kind.element}, kinds.size()});
    if (isNew)
      kinds.push_back(std::move(kind));
    ++kinds[place->second].count;
    kinds[place->second].bytes = saturatingSum(kinds[place->second].bytes, weight->size());
  }
  // The largest first; names decide between equal ones, so that the page depends on the plan alone.
  std::sort(kinds.begin(), kinds.end(), [](const Kind &a, const Kind &b) {
    return std::tie(b.bytes, a.name, a.shape, a.form, a.element) <
           std::tie(a.bytes, b.name, b.shape, b.form, b.element);
  });
  return kinds;
}

void addForms(std::string &out, const schema::Plan &plan) {
  std::map<std::string, uint64_t> sizes;
  for (const schema::Weight *weight : *plan.weights()) {
    uint64_t &size =
        sizes[fmt::format("{}, {}", weight->layout()->string_view(), schema::EnumNameElementType(weight->element()))];
    size = saturatingSum(size, weight->size());
  }
  std::vector<Part> forms;
  for (const auto &[name, size] : sizes)
    forms.push_back({name, size});
  sortBySize(forms);
  addBar(out, "forms", forms);
}

void addKinds(std::string &out, const schema::Plan &plan) {
  std::vector<Kind> kinds = kindsOf(plan);
  // In doubles, as sizes that a plan claims may add up to more than 64 bits.
  double total = 0;
  for (const Kind &kind : kinds)
    total += static_cast<double>(kind.bytes);
  beginTable(out, "kinds", "Weights by kind", {"Weight", ">Count", ">Shape", "Form", "Type", ">Bytes", "Of all"});
  for (const Kind &kind : kinds) {
    double share = total > 0 ? 100 * static_cast<double>(kind.bytes) / total : 0;
    add(out,
        "<tr><th scope=\"row\" class=\"mono\">{}</th><td class=\"n\">{}</td><td class=\"n mono\">{}</td><td>{}</td>"
        "<td>{}</td><td class=\"n\">{}</td><td><span class=\"meter\" title=\"{:.1f} %\"><i class=\"memory\" "
        "style=\"width:{:.2f}%\"></i></span></td></tr>\n",
        escaped(kind.name), number(kind.count), kind.shape, escaped(kind.form), kind.element, bytes(kind.bytes), share,
        share);
  }
  endTable(out);
}

/// Thousands of rows, folded away: the browser's search finds them there.
void addAll(std::string &out, const schema::Plan &plan) {
  add(out, "<details><summary>All {} weights</summary>\n", plan.weights()->size());
  beginTable(out, "weights", "All weights",
             {"Weight", ">Shape", "Form", "Type", ">Offset", ">Bytes", "Tensor of the checkpoint"});
  for (const schema::Weight *weight : *plan.weights())
    add(out,
        "<tr><th scope=\"row\" class=\"mono\">{}</th><td class=\"n mono\">{}</td><td>{}</td><td>{}</td>"
        "<td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"faint\">{}</td></tr>\n",
        escaped(weight->name()->string_view()), shapeOf(*weight), escaped(weight->layout()->string_view()),
        schema::EnumNameElementType(weight->element()),
        weight->section() == YUPANA_NO_SECTION ? "not in the file" : number(weight->offset()), bytes(weight->size()),
        weight->source() ? escaped(weight->source()->string_view()) : "");
  endTable(out);
  out += "</details>\n";
}

} // namespace

void html::addWeights(std::string &out, const schema::Plan &plan) {
  out += "<section id=\"by-weight\">\n<h2>Weights</h2>\n<p class=\"note\">Each lies in the one form that the kernels "
         "of its "
         "targets read; targets of one form share it.</p>\n";
  addForms(out, plan);
  addKinds(out, plan);
  addAll(out, plan);
  out += "</section>\n";
}
