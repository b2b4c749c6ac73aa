// SPDX-License-Identifier: Apache-2.0
//
// What all parts of the page are written with. A plan may come from anyone and a browser runs what a page says, so no
// byte of a plan reaches it but through escaped(): not as markup, not as an attribute's end, and not as one of the
// characters that make a line read otherwise than it is.

#include "tools/yupana/Html.h"

#include "tools/support/ProgressBar.h"

#include <algorithm>

using namespace yupana;

namespace {

/// U+FFFD, which shows that something was there.
constexpr std::string_view replacement = "\xEF\xBF\xBD";

/// The length of the well-formed character that `from` begins with, and its number; 0 when it is none.
size_t decode(std::string_view from, uint32_t &character) {
  auto at = [&](size_t i) { return static_cast<uint8_t>(from[i]); };
  uint8_t lead = at(0);
  size_t length = lead < 0x80 ? 1 : lead >= 0xC2 && lead < 0xE0 ? 2 : lead >= 0xE0 && lead < 0xF0 ? 3 : 4;
  // Lead bytes 0x80 to 0xC1 and from 0xF5 on begin no character.
  if (length == 4 && (lead < 0xF0 || lead > 0xF4))
    return 0;
  if (from.size() < length)
    return 0;
  character = length == 1 ? lead : lead & (0xFFu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xC0) != 0x80)
      return 0;
    character = character << 6 | (at(i) & 0x3F);
  }
  // A longer spelling of a character than its shortest one could smuggle a "<" past whoever looks for its byte.
  constexpr uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  bool isSurrogate = character >= 0xD800 && character <= 0xDFFF;
  return character >= least[length] && character <= 0x10FFFF && !isSurrogate ? length : 0;
}

/// False for control characters, marks of direction, and what Unicode says is no character.
bool isShown(uint32_t character) {
  if (character < 0x20)
    return character == '\n' || character == '\t';
  bool isControl = character >= 0x7F && character < 0xA0;
  bool isDirection = character == 0x061C || (character >= 0x200E && character <= 0x200F) ||
                     (character >= 0x202A && character <= 0x202E) || (character >= 0x2066 && character <= 0x2069);
  bool isNone = (character & 0xFFFE) == 0xFFFE || (character >= 0xFDD0 && character <= 0xFDEF);
  return !isControl && !isDirection && !isNone;
}

} // namespace

std::string html::escaped(std::string_view from) {
  std::string out;
  while (!from.empty()) {
    uint32_t character = 0;
    size_t length = decode(from, character);
    if (!length || !isShown(character))
      out += replacement;
    else if (character == '&')
      out += "&amp;";
    else if (character == '<')
      out += "&lt;";
    else if (character == '>')
      out += "&gt;";
    else if (character == '"')
      out += "&quot;";
    else if (character == '\'')
      out += "&#39;";
    else
      out += from.substr(0, length);
    // One byte of what is no UTF-8 at a time, as browsers replace it.
    from.remove_prefix(std::max<size_t>(length, 1));
  }
  return out;
}

std::string html::grouped(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t at = digits.size(); at > 3; at -= 3)
    digits.insert(at - 3, ",");
  return digits;
}

std::string html::formatFlops(double flops) {
  // The units are those of bytes, with "FLOP" in place of the "B" at the end.
  std::string bytes = formatBytes(flops);
  return bytes.substr(0, bytes.size() - 1) + "FLOP";
}

std::string html::formatSeconds(double seconds) {
  for (auto [unit, scale] : {std::pair<const char *, double>{"s", 1}, {"ms", 1e3}, {"µs", 1e6}})
    if (seconds * scale >= 1)
      return fmt::format("{:.3g} {}", seconds * scale, unit);
  return seconds * 1e9 >= 1 ? fmt::format("{:.3g} ns", seconds * 1e9) : "&lt; 1 ns";
}

uint64_t html::saturatingSum(uint64_t a, uint64_t b) {
  uint64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/// The exact number stands in the attribute, so that a program can read the page back.
std::string html::number(uint64_t value) { return fmt::format("<data value=\"{}\">{}</data>", value, grouped(value)); }

std::string html::bytes(uint64_t value) {
  return fmt::format("<data value=\"{}\" title=\"{} bytes\">{}</data>", value, grouped(value),
                     formatBytes(static_cast<double>(value)));
}

std::string html::flops(uint64_t value) {
  return value ? fmt::format("<data value=\"{}\" title=\"{} FLOP\">{}</data>", value, grouped(value),
                             formatFlops(static_cast<double>(value)))
               : "<data value=\"0\" class=\"none\">–</data>";
}

/// Beyond the eighth all parts have one colour: more could not be told apart.
std::string html::colour(size_t index) { return index < colours ? fmt::format("c{}", index) : "cx"; }

void html::beginTable(std::string &out, std::string_view id, std::string_view label,
                      const std::vector<std::string_view> &headings) {
  add(out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\"><table id=\"{}\">\n<thead><tr>",
      label, id);
  for (std::string_view heading : headings) {
    // Columns of numbers are aligned on the right, and so is their heading.
    bool isNumber = heading.substr(0, 1) == ">";
    add(out, "<th scope=\"col\"{}>{}</th>", isNumber ? " class=\"n\"" : "", heading.substr(isNumber));
  }
  out += "</tr></thead>\n<tbody>\n";
}

void html::endTable(std::string &out) { out += "</tbody></table></div>\n"; }

void html::sortBySize(std::vector<Part> &parts) {
  std::sort(parts.begin(), parts.end(),
            [](const Part &a, const Part &b) { return a.bytes != b.bytes ? a.bytes > b.bytes : a.name < b.name; });
}

void html::addBar(std::string &out, std::string_view id, const std::vector<Part> &parts) {
  // In doubles, since sizes that a plan claims may add up to more than 64 bits.
  double total = 0;
  for (const Part &part : parts)
    total += static_cast<double>(part.bytes);
  auto share = [&](const Part &part) { return total > 0 ? 100 * static_cast<double>(part.bytes) / total : 0; };
  // The bar is for the eye alone; the table below it says the same to screen readers.
  out += "<div class=\"bar\" aria-hidden=\"true\">";
  for (size_t i = 0; i < parts.size(); ++i)
    if (share(parts[i]) > 0)
      add(out, "<i class=\"{}\" style=\"flex-grow:{:.4f}\" title=\"{}: {}\"></i>", colour(i), share(parts[i]),
          escaped(parts[i].name), formatBytes(static_cast<double>(parts[i].bytes)));
  add(out, "</div>\n<table class=\"legend\" id=\"{}\"><tbody>\n", id);
  for (size_t i = 0; i < parts.size(); ++i)
    add(out,
        "<tr><th scope=\"row\"><i class=\"dot {}\"></i>{}</th><td class=\"n\">{}</td><td class=\"n faint\">{:.1f} "
        "%</td></tr>\n",
        colour(i), escaped(parts[i].name), bytes(parts[i].bytes), share(parts[i]));
  out += "</tbody></table>\n";
}
