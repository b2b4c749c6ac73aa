// SPDX-License-Identifier: Apache-2.0
//
// Arenas drawn: launches from left to right, offsets from bottom to top, a rectangle per buffer for as long as it is in
// use. Programs of one token hold little beside those of thousands, all in the same arena, so that their drawing to
// scale would be empty; each such program is drawn again with small ranges made taller, which keeps what lies above
// what.

#include "tools/yupana/Html.h"

#include "tools/support/ProgressBar.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

using namespace yupana;
using namespace yupana::html;

namespace {

/// With more, rectangles are too narrow for lines between them.
constexpr uint32_t denseLaunches = 120;

/// Buffers of one arena, and what the drawing needs of their target.
struct Arena {
  const schema::Target &target;
  uint32_t index;
  std::vector<const schema::Buffer *> buffers;          ///< By offset.
  std::map<std::string, size_t> kinds;                  ///< The number of the colour of each kind of buffer.
  std::vector<std::pair<std::string, uint64_t>> legend; ///< Kinds and their bytes, the largest first.
};

/// Does not wrap: opening the plan has held it to the arena.
uint64_t endOf(const schema::Buffer &buffer) { return buffer.offset() + buffer.size(); }

/// "step.1.add.7.squares" -> "squares", "experts.down.0" -> "experts.down": less the program and all numbers, so that
/// the same buffer of all layers and programs has one colour.
std::string kindOf(std::string_view name) {
  if (name.substr(0, 5) == "step.")
    if (size_t dot = name.find('.', 5); dot != std::string_view::npos)
      name.remove_prefix(dot + 1);
  std::string kind, part;
  bool hadNumber = false;
  for (size_t at = 0; at <= name.size(); ++at) {
    if (at < name.size() && name[at] != '.') {
      part += name[at];
      continue;
    }
    bool isNumber = !part.empty() && part.find_first_not_of("0123456789") == std::string::npos;
    if (isNumber)
      hadNumber = true;
    // What follows a number says more than what stands before it, which is the op that made the buffer.
    else if (hadNumber)
      kind = part, hadNumber = false;
    else
      kind += (kind.empty() ? "" : ".") + part;
    part.clear();
  }
  return kind.empty() ? std::string(name) : kind;
}

Arena arenaOf(const schema::Target &target, uint32_t index) {
  Arena arena = {target, index, {}, {}, {}};
  std::map<std::string, uint64_t> sizes;
  for (const schema::Buffer *buffer : *target.buffers())
    if (buffer->arena() == index) {
      arena.buffers.push_back(buffer);
      // The largest buffer of a kind is what matters to the arena: the rest may lie in the same place.
      uint64_t &size = sizes[kindOf(buffer->name()->string_view())];
      size = std::max(size, buffer->size());
    }
  // By place, and below one another those that follow in time: so neighbours in the page are neighbours in the drawing.
  std::sort(arena.buffers.begin(), arena.buffers.end(), [](const schema::Buffer *a, const schema::Buffer *b) {
    return std::pair(a->offset(), a->first_launch()) < std::pair(b->offset(), b->first_launch());
  });
  arena.legend.assign(sizes.begin(), sizes.end());
  std::sort(arena.legend.begin(), arena.legend.end(),
            [](const auto &a, const auto &b) { return std::tie(b.second, a.first) < std::tie(a.second, b.first); });
  for (const auto &[kind, size] : arena.legend)
    arena.kinds.insert({kind, arena.kinds.size()});
  return arena;
}

/// Where an offset is drawn, from 0 at the bottom to 1 at the top.
class Scale {
public:
  /// In proportion.
  explicit Scale(uint64_t top) : bounds({0, top}), places({0, 1}) {}

  /// Every range between two ends of buffers as high as the logarithm of its bytes.
  explicit Scale(std::vector<uint64_t> ends) : bounds(std::move(ends)) {
    bounds.push_back(0);
    std::sort(bounds.begin(), bounds.end());
    bounds.erase(std::unique(bounds.begin(), bounds.end()), bounds.end());
    double sum = 0;
    for (size_t i = 0; i < bounds.size(); ++i) {
      // Sixteen bytes add nothing to see; each doubling above adds the same height.
      sum += i ? std::log2(1 + static_cast<double>(bounds[i] - bounds[i - 1]) / 16) : 0;
      places.push_back(sum);
    }
    for (double &place : places)
      // An arena without buffers has one bound and no height.
      place /= sum > 0 ? sum : 1;
  }

  double at(uint64_t offset) const {
    // The range that holds the offset ends at the first bound above it.
    size_t i = static_cast<size_t>(std::upper_bound(bounds.begin(), bounds.end(), offset) - bounds.begin());
    if (i == 0 || i == bounds.size())
      return i ? 1 : 0;
    double part = static_cast<double>(offset - bounds[i - 1]) / static_cast<double>(bounds[i] - bounds[i - 1]);
    return places[i - 1] + part * (places[i] - places[i - 1]);
  }

  /// Offsets to write beside the drawing: quarters of one in proportion, else ends of buffers that are apart.
  std::vector<uint64_t> ticks() const {
    if (bounds.size() == 2)
      return {0, bounds[1] / 4, bounds[1] / 2, bounds[1] / 4 * 3, bounds[1]};
    std::vector<uint64_t> ticks;
    double last = -1;
    for (size_t i = 0; i < bounds.size(); ++i)
      // Labels nearer to one another than this share of the height would overlap. The top is always labelled.
      if (places[i] - last >= 0.16 || i + 1 == bounds.size()) {
        if (i + 1 == bounds.size() && places[i] - last < 0.1 && !ticks.empty())
          ticks.pop_back();
        ticks.push_back(bounds[i]);
        last = places[i];
      }
    return ticks;
  }

private:
  std::vector<uint64_t> bounds; ///< Ascending, from 0.
  std::vector<double> places;
};

/// Launches [first, last) of the drawing.
struct Range {
  uint32_t first, last;
};

/// Coordinates: a launch is one wide, the whole arena 1000 high, and y runs downwards in SVG.
void addRectangles(std::string &out, const Arena &arena, const Scale &scale, Range range) {
  for (const schema::Buffer *buffer : arena.buffers) {
    if (buffer->last_launch() < range.first || buffer->first_launch() >= range.last)
      continue;
    double bottom = scale.at(buffer->offset()), top = scale.at(endOf(*buffer));
    // A buffer may live through several programs, of which only some are drawn.
    uint32_t first = std::max(buffer->first_launch(), range.first) - range.first;
    uint32_t last = std::min(buffer->last_launch(), range.last - 1) - range.first;
    add(out,
        "<rect class=\"{}\" x=\"{}\" y=\"{:.2f}\" width=\"{}\" height=\"{:.2f}\"><title>{}: {} at offset {}, "
        "launches {} to {}</title></rect>\n",
        colour(arena.kinds.at(kindOf(buffer->name()->string_view()))), first, 1000 * (1 - top), last - first + 1,
        1000 * (top - bottom), escaped(buffer->name()->string_view()), formatBytes(static_cast<double>(buffer->size())),
        grouped(buffer->offset()), buffer->first_launch(), buffer->last_launch());
  }
}

/// "step, up to 2,048 tokens".
std::string programName(const schema::StepProgram &program) {
  if (program.function() != schema::Function::step)
    return schema::EnumNameFunction(program.function());
  return fmt::format("step, up to {} token{}", grouped(program.max_tokens()), program.max_tokens() == 1 ? "" : "s");
}

/// `mark`: a launch to draw a line at, which is within the range or left out.
void addDrawing(std::string &out, const Arena &arena, const Scale &scale, Range range, uint32_t mark, bool low) {
  uint32_t launches = range.last - range.first;
  add(out,
      "<div class=\"plot{}\" role=\"img\" aria-label=\"Buffers over launches {} to {}\">\n"
      "<svg{} viewBox=\"0 0 {} 1000\" preserveAspectRatio=\"none\">\n",
      low ? " low" : "", range.first, range.last - 1, launches > denseLaunches ? " class=\"dense\"" : "", launches);
  std::vector<uint64_t> ticks = scale.ticks();
  for (uint64_t tick : ticks)
    add(out, "<line class=\"grid\" x1=\"0\" x2=\"{}\" y1=\"{:.2f}\" y2=\"{:.2f}\"/>\n", launches,
        1000 * (1 - scale.at(tick)), 1000 * (1 - scale.at(tick)));
  addRectangles(out, arena, scale, range);
  uint32_t at = 0;
  for (const schema::StepProgram *program : *arena.target.programs()) {
    at += program->launches()->size();
    if (at > range.first && at < range.last)
      add(out, "<line class=\"edge\" x1=\"{}\" x2=\"{}\" y1=\"0\" y2=\"1000\"/>\n", at - range.first, at - range.first);
  }
  if (mark >= range.first && mark < range.last)
    add(out, "<line class=\"stem\" x1=\"{}\" x2=\"{}\" y1=\"0\" y2=\"1000\"/>\n", mark - range.first + 0.5,
        mark - range.first + 0.5);
  out += "</svg>\n";
  std::string last;
  for (uint64_t tick : ticks) {
    std::string label = tick ? formatBytes(static_cast<double>(tick)) : "0";
    // Two ticks may round to the same label.
    if (label != last)
      add(out, "<span class=\"y\" style=\"bottom:{:.2f}%\">{}</span>\n", 100 * scale.at(tick), label);
    last = label;
  }
  out += "</div>\n<div class=\"spans\">";
  at = 0;
  for (const schema::StepProgram *program : *arena.target.programs()) {
    uint32_t first = at, count = program->launches()->size();
    at += count;
    if (count && first >= range.first && at <= range.last)
      add(out, "<span style=\"flex-grow:{}\" title=\"{}: launches {} to {}\">{}</span>", count, programName(*program),
          first, at - 1, programName(*program));
  }
  out += "</div>\n";
}

/// True if most buffers of the range are flat where the arena is drawn to scale: the middle one of them takes less than
/// a fortieth of the height.
bool isFlat(const Arena &arena, uint64_t top, Range range) {
  std::vector<uint64_t> sizes;
  for (const schema::Buffer *buffer : arena.buffers)
    if (buffer->last_launch() >= range.first && buffer->first_launch() < range.last)
      sizes.push_back(buffer->size());
  if (sizes.size() < 2)
    return false;
  // The median.
  auto middle = sizes.begin() + static_cast<ptrdiff_t>(sizes.size() / 2);
  std::nth_element(sizes.begin(), middle, sizes.end());
  return static_cast<double>(*middle) * 40 < static_cast<double>(top);
}

/// Colours for the largest kinds; all others share one.
void addLegend(std::string &out, const Arena &arena) {
  out += "<ul class=\"keys\">";
  for (size_t i = 0; i < std::min(arena.legend.size(), colours); ++i)
    add(out, "<li><i class=\"dot {}\"></i>{}</li>", colour(i), escaped(arena.legend[i].first));
  if (arena.legend.size() > colours)
    out += "<li><i class=\"dot cx\"></i>others</li>";
  out += "</ul>\n";
}

void addBuffers(std::string &out, const Arena &arena, const std::string &id) {
  add(out, "<details><summary>All {} buffers</summary>\n", arena.buffers.size());
  beginTable(out, id, "Buffers", {"Buffer", ">Offset", ">Bytes", ">First launch", ">Last launch"});
  for (const schema::Buffer *buffer : *arena.target.buffers())
    if (buffer->arena() == arena.index)
      add(out,
          "<tr><th scope=\"row\" class=\"mono\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td>"
          "<td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
          escaped(buffer->name()->string_view()), number(buffer->offset()), bytes(buffer->size()),
          number(buffer->first_launch()), number(buffer->last_launch()));
  endTable(out);
  out += "</details>\n";
}

/// The whole arena to scale, then each program that is flat in it, then the numbers.
void addArena(std::string &out, const schema::Target &target, uint32_t index, const std::string &prefix) {
  const schema::Arena &entry = *target.arenas()->Get(index);
  ArenaUse use = arenaUseOf(target, index);
  Arena arena = arenaOf(target, index);
  uint32_t launches = launchCount(target);
  add(out,
      "<h3 id=\"{}arena-{}\">{} {}</h3>\n<p class=\"note\">{} in all; at most {} are in use at once, at launch {} of "
      "{}, "
      "which the line marks. Buffers that are never in use together share their place.</p>\n",
      prefix, index, entry.workspace() ? "Workspace" : "Arena", escaped(entry.name()->string_view()),
      bytes(entry.size()), bytes(use.peak), number(use.peakLaunch), number(launches));
  // Plans made by hand may have an arena that nobody uses.
  if (arena.buffers.empty() || !launches)
    return;
  Scale scale(std::max<uint64_t>(entry.size(), 1));
  addDrawing(out, arena, scale, {0, launches}, use.peakLaunch, false);
  addLegend(out, arena);
  uint32_t first = 0;
  for (const schema::StepProgram *program : *target.programs()) {
    Range range = {first, first + program->launches()->size()};
    first = range.last;
    if (!isFlat(arena, entry.size(), range))
      continue;
    std::vector<uint64_t> ends;
    for (const schema::Buffer *buffer : arena.buffers)
      if (buffer->last_launch() >= range.first && buffer->first_launch() < range.last) {
        ends.push_back(buffer->offset());
        ends.push_back(endOf(*buffer));
      }
    add(out,
        "<h4>Program alone: {}</h4>\n<p class=\"note\">Not to scale: small ranges are drawn "
        "taller.</p>\n",
        programName(*program));
    addDrawing(out, arena, Scale(std::move(ends)), range, launches, true);
  }
  addBuffers(out, arena, fmt::format("{}buffers-{}", prefix, index));
}

} // namespace

void html::addArenas(std::string &out, const schema::Target &target, const std::string &prefix) {
  for (uint32_t i = 0; i < target.arenas()->size(); ++i)
    addArena(out, target, i, prefix);
}
