// SPDX-License-Identifier: Apache-2.0
//
// Steps launch by launch. A plan says what its kernels have to move and to compute and not how fast they are, so times
// here are the least that a reference machine of the target's kind would take by its data sheet: enough to see which
// kernels a step consists of and what bounds them. yupana-bench --per-kernel measures.

#include "tools/yupana/Html.h"

#include "tools/support/ProgressBar.h"
#include "tools/yupana/PlanWork.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

using namespace yupana;
using namespace yupana::html;

namespace {

/// Layers that launch the same; without layers, what stands before and after them.
struct Group {
  std::vector<uint32_t> layers;
  std::vector<const LaunchView *> launches; ///< Of one of the layers.

  double times() const { return layers.empty() ? 1 : static_cast<double>(layers.size()); }
};

/// The roof over a step: what bounds a kernel is the slower of moving its bytes and doing its arithmetic, if the two
/// overlap as well as they can (Williams et al., "Roofline", CACM 2009).
struct Roof {
  double bandwidth, flops;

  double seconds(const Work &work) const { return std::max(work.bytes / bandwidth, work.flops / flops); }
  const char *bound(const Work &work) const {
    return work.bytes / bandwidth >= work.flops / flops ? "memory" : "arithmetic";
  }
  /// FLOP per byte at which the two take equally long.
  double ridge() const { return flops / bandwidth; }
};

/// Layers are alike if they launch the same kernels on the same kinds of weights, and move and compute as much.
bool isSame(const std::vector<const LaunchView *> &a, const std::vector<const LaunchView *> &b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const LaunchView *x, const LaunchView *y) {
    return x->kernel == y->kernel && x->purpose == y->purpose && x->work.bytes == y->work.bytes &&
           x->work.flops == y->work.flops;
  });
}

std::vector<Group> groupsOf(const StepView &view) {
  // Launches without a layer come first, as nothing is less than a number.
  std::map<std::optional<uint32_t>, std::vector<const LaunchView *>> byLayer;
  for (const LaunchView &launch : view.launches)
    byLayer[launch.layer].push_back(&launch);
  // Kernels tell most layers apart, so that few are compared whole.
  std::multimap<std::vector<uint32_t>, size_t> known;
  std::vector<Group> groups;
  for (auto &[layer, launches] : byLayer) {
    std::vector<uint32_t> kernels;
    for (const LaunchView *launch : launches)
      kernels.push_back(launch->kernel);
    auto [first, last] = known.equal_range(kernels);
    // What stands outside of layers is a group of its own and never shared.
    auto same = std::find_if(first, last, [&, &wanted = launches, isLayer = layer.has_value()](const auto &entry) {
      return isLayer && isSame(groups[entry.second].launches, wanted);
    });
    if (same == last) {
      if (layer)
        known.insert({std::move(kernels), groups.size()});
      groups.push_back({{}, std::move(launches)});
    }
    if (layer)
      groups[same == last ? groups.size() - 1 : same->second].layers.push_back(*layer);
  }
  return groups;
}

/// "0–2, 4–6, 8". Two neighbours are a list, not a range.
std::string rangesOf(const std::vector<uint32_t> &numbers) {
  std::string out;
  for (size_t i = 0; i < numbers.size();) {
    size_t end = i;
    while (end + 1 < numbers.size() && numbers[end + 1] == numbers[end] + 1)
      ++end;
    out += fmt::format("{}{}", out.empty() ? "" : ", ", numbers[i]);
    if (end > i)
      out += fmt::format("{}{}", end > i + 1 ? "–" : ", ", numbers[end]);
    i = end + 1;
  }
  return out;
}

/// A kernel in the drawing and the table.
struct Mark {
  std::string label; ///< Its number.
  std::string title;
  const char *bound;
  double x, y;    ///< 0 to 1.
  int others = 0; ///< Marks that this one stands for, too.
};

/// Marks that would cover one another become one. The distances are about those of a label, in parts of the drawing.
void addMark(std::vector<Mark> &marks, Mark mark) {
  for (Mark &other : marks)
    if (std::abs(other.x - mark.x) < 0.08 && std::abs(other.y - mark.y) < 0.11) {
      ++other.others;
      other.title += "; " + mark.title;
      return;
    }
  marks.push_back(std::move(mark));
}

/// For the ends of axes: powers of ten, below one as decimals.
std::string shortNumber(double value) {
  return value >= 1 || value <= 0 ? grouped(static_cast<uint64_t>(value)) : fmt::format("{:g}", value);
}

/// FLOP per byte, with three digits.
std::string intensityOf(const Work &work) {
  if (work.flops <= 0 || work.bytes <= 0)
    return "–";
  double intensity = work.flops / work.bytes;
  return intensity < 1000 ? fmt::format("{:.3g}", intensity) : grouped(wholeNumber(intensity));
}

/// Kernels by their intensity, as high as their part of the step's least time.
void addRoofline(std::string &out, const schema::Target &target, const std::vector<Group> &groups, const Roof &roof) {
  double total = 0, least = 1, most = roof.ridge();
  for (const Group &group : groups)
    for (const LaunchView *launch : group.launches) {
      // Over all layers of the group, since the share is that of the step.
      total += roof.seconds(launch->work) * group.times();
      // Neither has a place on a logarithmic axis.
      if (launch->work.flops <= 0 || launch->work.bytes <= 0)
        continue;
      least = std::min(least, launch->work.flops / launch->work.bytes);
      most = std::max(most, launch->work.flops / launch->work.bytes);
    }
  if (total <= 0)
    return;
  // A kernel that moves next to nothing would stretch the axis until all others stand in one place.
  constexpr double greatest = 1e9;
  double from = std::floor(std::log10(least)), to = std::ceil(std::log10(std::min(most, greatest) * 1.5));
  // Below a hundredth there are only kernels that hardly compute; they are drawn at the edge.
  from = std::max(from, -2.0);
  auto place = [&](double intensity) {
    return std::clamp((std::log10(std::max(intensity, 1e-9)) - from) / (to - from), 0.0, 1.0);
  };
  double top = 0;
  for (const Group &group : groups)
    for (const LaunchView *launch : group.launches)
      top = std::max(top, roof.seconds(launch->work) * group.times() / total);
  // Room above the highest mark for its label.
  top = std::ceil(top * 10 + 0.4) / 10;

  std::vector<Mark> marks;
  int no = 0;
  for (const Group &group : groups)
    for (const LaunchView *launch : group.launches) {
      ++no;
      double share = roof.seconds(launch->work) * group.times() / total;
      // Without bytes a kernel stands at the edge.
      double intensity = launch->work.bytes > 0 ? launch->work.flops / launch->work.bytes : 0;
      // Invisible in the drawing; the table below has it.
      if (share < 0.002)
        continue;
      addMark(marks, {std::to_string(no),
                      fmt::format("{} {}, {:.1f} % of the least time",
                                  escaped(shortSymbol(*target.kernels()->Get(launch->kernel))),
                                  escaped(launch->purpose), 100 * share),
                      roof.bound(launch->work), place(intensity), share / top});
    }
  double ridge = 100 * place(roof.ridge());
  add(out,
      "<div class=\"plot low\" role=\"img\" aria-label=\"Kernels by FLOP per byte and by their part of the least "
      "time\">\n<svg viewBox=\"0 0 100 100\" preserveAspectRatio=\"none\">\n"
      "<rect class=\"shade\" x=\"0\" y=\"0\" width=\"{:.2f}\" height=\"100\"/>\n",
      ridge);
  for (int i = 1; i <= 4; ++i)
    add(out, "<line class=\"grid\" x1=\"0\" x2=\"100\" y1=\"{}\" y2=\"{}\"/>\n", 100 - 25 * i, 100 - 25 * i);
  // The roof itself, to a scale of its own: it rises by the bandwidth up to the ridge.
  constexpr double height = 96, perDecade = 26;
  double start = std::max(height - perDecade * (to - from) * ridge / 100, 2.0);
  add(out, "<path class=\"roof\" d=\"M0 {:.2f}L{:.2f} {:.2f}L100 {:.2f}\"/>\n", 100 - start, ridge, 100 - height,
      100 - height);
  for (const Mark &mark : marks)
    add(out, "<line class=\"stem\" x1=\"{0:.2f}\" x2=\"{0:.2f}\" y1=\"100\" y2=\"{1:.2f}\"/>\n", 100 * mark.x,
        100 * (1 - mark.y));
  add(out, "<line class=\"edge\" x1=\"{0:.2f}\" x2=\"{0:.2f}\" y1=\"0\" y2=\"100\"/>\n</svg>\n", ridge);
  add(out, "<span class=\"tag flat\">{}/s</span><span class=\"tag\" style=\"left:.5rem;bottom:{:.2f}%\">{}/s</span>\n",
      formatFlops(roof.flops), start + 9, formatBytes(roof.bandwidth));
  for (int i = 0; i <= 4; i += 2)
    add(out, "<span class=\"y\" style=\"bottom:{}%\">{:.0f} %</span>\n", 25 * i, 25 * i * top);
  for (const Mark &mark : marks)
    add(out, "<span class=\"mark {}\" style=\"left:{:.2f}%;bottom:{:.2f}%\" title=\"{}\">{}</span>\n", mark.bound,
        100 * mark.x, 100 * mark.y, mark.title, mark.label + (mark.others ? fmt::format("+{}", mark.others) : ""));
  out += "</div>\n<div class=\"xs\">";
  // A label at every power of ten; the first and the last are aligned with the edges.
  for (double exponent = from; exponent <= to; ++exponent)
    add(out, "<span class=\"{}\" style=\"left:{:.2f}%\">{}</span>",
        exponent == from ? "first"
        : exponent == to ? "last"
                         : "",
        100 * (exponent - from) / (to - from), shortNumber(std::pow(10, exponent)));
  out += "</div>\n";
  add(out,
      "<ul class=\"keys\"><li><i class=\"dot c0\"></i>bound by memory</li><li><i class=\"dot c2\"></i>bound by "
      "arithmetic</li><li class=\"faint\">Across: FLOP per byte; up: part of the step's least time. The roof bends at "
      "{:.3g} "
      "FLOP per byte.</li></ul>\n",
      roof.ridge());
}

/// A row of the table. `no` is the number by which the drawing refers to it, `times` how many layers launch it.
void addLaunch(std::string &out, const schema::Target &target, const LaunchView &launch, int no, double times,
               const std::optional<Roof> &roof, double total) {
  const Work &work = launch.work;
  add(out,
      "<tr data-launch=\"{}\"><th scope=\"row\"><span class=\"no {}\">{}</span> <span class=\"mono\">{}</span></th>"
      "<td class=\"long\">{}</td><td class=\"tile\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td "
      "class=\"n\">{}</td>",
      launch.number, roof ? roof->bound(work) : "cx", no, escaped(shortSymbol(*target.kernels()->Get(launch.kernel))),
      escaped(launch.purpose), launch.tile.empty() ? "–" : launch.tile,
      launch.cells ? number(*launch.cells) : "per device", bytes(wholeNumber(work.bytes)),
      flops(wholeNumber(work.flops)));
  if (roof) {
    double seconds = roof->seconds(work), share = total > 0 ? seconds * times / total : 0;
    add(out,
        "<td class=\"n\">{}</td><td class=\"n\">{}</td><td><span class=\"meter\" title=\"{:.1f} % of the step, bound "
        "by "
        "{}\"><i class=\"{}\" style=\"width:{:.2f}%\"></i></span></td>",
        intensityOf(work), formatSeconds(seconds), 100 * share, roof->bound(work), roof->bound(work), 100 * share);
  }
  out += "</tr>\n";
}

void addTable(std::string &out, const schema::Target &target, const StepView &view, const std::vector<Group> &groups,
              const std::optional<Roof> &roof, double total, const std::string &id) {
  std::vector<std::string_view> headings = {"Kernel", "Works on", "Tile of a cell", ">Cells", ">Bytes", ">FLOPs"};
  if (roof)
    headings.insert(headings.end(), {">FLOP/B", ">Least time", "Of the step"});
  beginTable(out, id, "Kernels per layer", headings);
  int no = 0;
  for (const Group &group : groups) {
    std::string name = group.layers.empty()       ? "Before and after the layers"
                       : group.layers.size() == 1 ? fmt::format("Layer {}", group.layers[0])
                                                  : "Layers " + rangesOf(group.layers);
    std::string remark = group.layers.size() > 1 ? fmt::format("{} × the following", group.layers.size()) : "";
    add(out, "<tr class=\"group\"><th colspan=\"{}\" scope=\"rowgroup\"><div>{} <span>{}</span></div></th></tr>\n",
        headings.size(), name, remark);
    for (const LaunchView *launch : group.launches)
      addLaunch(out, target, *launch, ++no, group.times(), roof, total);
  }
  Work sum = view.total();
  add(out,
      "<tr class=\"sum\"><th scope=\"row\">All {} launches</th><td></td><td></td><td></td><td class=\"n\">{}</td>"
      "<td class=\"n\">{}</td>",
      view.launches.size(), bytes(wholeNumber(sum.bytes)), flops(wholeNumber(sum.flops)));
  if (roof)
    add(out, "<td class=\"n\">{}</td><td class=\"n\">{}</td><td></td>", intensityOf(sum), formatSeconds(total));
  out += "</tr>\n";
  endTable(out);
  out += "<p class=\"note\">A tile is the rows by the features that one cell computes; those of an expert are the rows "
         "that "
         "were sent to it. Bytes are weights, pages and activations, each once; FLOPs those of matrices and "
         "attention.</p>\n";
}

void addStep(std::string &out, const schema::Plan &plan, const schema::Target &target, const StepView &view,
             const std::string &id) {
  std::vector<Group> groups = groupsOf(view);
  // A target of an unknown name has no machine to compare with: the table then stops at what is counted.
  const ReferenceMachine *machine = findReferenceMachine(target.name()->string_view());
  std::optional<Roof> roof;
  if (machine)
    roof = Roof{machine->bandwidth, machine->flops(plan.model()->precision()->string_view())};
  // A step of one token is what decoding runs.
  bool isDecode = view.tokens == 1;
  double total = 0;
  for (const LaunchView &launch : view.launches)
    total += roof ? roof->seconds(launch.work) : 0;
  add(out, "<h3>{}</h3>\n<p class=\"note\">",
      isDecode ? fmt::format("One token behind {} others", grouped(view.position))
               : fmt::format("A prompt of {} tokens", grouped(view.tokens)));
  double layers = plan.model()->layers();
  add(out, "{} launches{} move {} and compute {}.", view.launches.size(),
      layers > 0 ? fmt::format(", {:.1f} per layer,", static_cast<double>(view.launches.size()) / layers) : "",
      formatBytes(view.total().bytes), formatFlops(view.total().flops));
  if (roof)
    add(out, " By its data sheet, {} needs at least <strong>{}</strong>.", machine->name, formatSeconds(total));
  out += "</p>\n";
  if (roof)
    addRoofline(out, target, groups, *roof);
  addTable(out, target, view, groups, roof, total, id);
}

} // namespace

void html::addSteps(std::string &out, const schema::Plan &plan, const schema::Target &target,
                    const std::string &prefix) {
  std::vector<StepView> views = stepViews(plan, target);
  for (size_t i = 0; i < views.size(); ++i)
    addStep(out, plan, target, views[i], fmt::format("{}step-{}", prefix, i));
}
