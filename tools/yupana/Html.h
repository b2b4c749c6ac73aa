// SPDX-License-Identifier: Apache-2.0
//
// Writing HTML: text that is escaped, numbers that a program can read back, and the parts of the page.
#ifndef YUPANA_TOOLS_YUPANA_HTML_H
#define YUPANA_TOOLS_YUPANA_HTML_H

#include "tools/yupana/PlanReport.h"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace yupana::html {

/// Colours of parts of a drawing, as classes "c0" to "c7"; one more, "cx", for the rest.
inline constexpr size_t colours = 8;

/// Appends; whatever came from a plan has gone through escaped() or is a number.
template <typename... Args> void add(std::string &out, fmt::format_string<Args...> format, Args &&...args) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
}

/// Text as it may stand between tags and in quoted attributes: markup escaped, bytes that are no UTF-8, characters that
/// HTML does not have and those that change the direction of writing replaced by U+FFFD.
std::string escaped(std::string_view from);

/// "12,345".
std::string grouped(uint64_t number);
/// "1.5 GFLOP": three digits, powers of 1000.
std::string formatFlops(double flops);
/// "1.23 ms".
std::string formatSeconds(double seconds);

/// UINT64_MAX where that does not hold the sum: the sizes of a plan that opens may be of any kind.
uint64_t saturatingSum(uint64_t a, uint64_t b);

/// `<data value="12345">12,345</data>`.
std::string number(uint64_t value);
/// `<data value="12345" title="12,345 bytes">12.3 kB</data>`.
std::string bytes(uint64_t value);
std::string flops(uint64_t value);

/// The class of the colour of part `index`.
std::string colour(size_t index);

/// A part of a whole.
struct Part {
  std::string name; ///< Not escaped.
  uint64_t bytes;
};
/// The largest first.
void sortBySize(std::vector<Part> &parts);
/// A bar of all parts, and a table of them below it, with `id`.
void addBar(std::string &out, std::string_view id, const std::vector<Part> &parts);

/// `<div class="scroll"><table ...>` and the row of headings, each of which is text, with ">" before it where the
/// column holds numbers. Closed by endTable.
void beginTable(std::string &out, std::string_view id, std::string_view label,
                const std::vector<std::string_view> &headings);
void endTable(std::string &out);

/// Everything in `<style>`.
extern const char *const style;

/// The arenas of a target over the launches of its programs. Every id begins with `prefix`.
void addArenas(std::string &out, const schema::Target &target, const std::string &prefix);
/// Steps of a target: kernels per layer, and where they stand under the roofline of a reference machine.
void addSteps(std::string &out, const schema::Plan &plan, const schema::Target &target, const std::string &prefix);
/// Weights by form and by kind, and all of them.
void addWeights(std::string &out, const schema::Plan &plan);

} // namespace yupana::html

#endif // YUPANA_TOOLS_YUPANA_HTML_H
